/* What an application can do about messages besides taking them one by one. */
#include "semantics.h"

TEST(a_cumulative_acknowledgement_ends_all_up_to_its_message)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *consumer = consume(client, topic, OPTIONS("initial_position", "earliest"));
    stargate_consumer *shared;
    stargate_message *messages[10];
    size_t count = 0, i;
    stargate_error *error = NULL;

    send_numbers(client, topic, 0, 10);
    for (i = 0; i < 10; i += count)
        OK(stargate_consumer_receive_many(consumer, 10 - i, TIMEOUT_MS, messages + i, &count, &error));
    OK(stargate_consumer_acknowledge_cumulative(consumer, messages[3], &error));
    OK(stargate_consumer_acknowledge_cumulative_id(consumer, stargate_message_id(messages[6]).ptr, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "message id", stargate_consumer_acknowledge_cumulative_id(consumer, "!", &error));
    close_consumer(consumer);

    /* What was not acknowledged comes again. */
    shared = consume(client, topic, OPTIONS("subscription_type", "shared"));
    for (i = 7; i < 10; i++)
        CHECK(take(shared) == (int)i);
    FAILS(STARGATE_INVALID_ARGUMENT, "exclusive and failover",
          stargate_consumer_acknowledge_cumulative(shared, messages[9], &error));
    stargate_messages_free(messages, 10);
    close_consumer(shared);
    stargate_client_free(client);
}
