/*
 * One step after the other: sends messages, each with its receipt, receives them, and acknowledges each.
 *
 *     ./sync [ws://localhost:8080]       (or PULSAR_URL in the environment)
 */
#include <stargate.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGES = 3, TIMEOUT_MS = 10000 };

static void check(stargate_status status, stargate_error *error)
{
    if (status == STARGATE_OK)
        return;
    fprintf(stderr, "%s: %s\n", stargate_status_name(status), stargate_error_message(error).ptr);
    exit(1);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : getenv("PULSAR_URL");
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_consumer *consumer = NULL;
    stargate_message *received = NULL;
    stargate_error *error = NULL;
    const stargate_property properties[] = {{"source", "web"}};
    stargate_status status;
    char topic[64], text[32];
    int i, orders = 0;

    snprintf(topic, sizeof topic, "example-sync-%ld", (long)time(NULL));
    check(stargate_client_new(url != NULL ? url : "ws://localhost:8080", NULL, &client, &error), error);
    /* The subscription begins at the latest message, so it has to be there before the first one. */
    check(stargate_consumer_open(client, topic, "billing", NULL, TIMEOUT_MS, &consumer, &error), error);
    check(stargate_producer_open(client, topic, NULL, TIMEOUT_MS, &producer, &error), error);

    for (i = 1; i <= MESSAGES; i++) {
        stargate_outgoing order = STARGATE_OUTGOING_INIT;
        char *id = NULL;

        order.payload.ptr = text;
        order.payload.len = (size_t)snprintf(text, sizeof text, "order %d", i);
        order.key = "customer 7";
        order.properties = properties;
        order.property_count = 1;
        check(stargate_producer_send(producer, &order, TIMEOUT_MS, &id, &error), error);
        printf("sent %s, stored as %s\n", text, id);
        stargate_string_free(id);
    }

    /* What is positive is no fault: STARGATE_TIMEOUT says that nothing came, and there is no error object. */
    while ((status = stargate_consumer_receive(consumer, orders < MESSAGES ? TIMEOUT_MS : 0, &received, &error))
           != STARGATE_TIMEOUT) {
        stargate_bytes payload = stargate_message_payload(received);

        check(status, error);
        printf("received %.*s from %s by %s\n", (int)payload.len, (const char *)payload.ptr,
               stargate_message_key(received).ptr, stargate_message_property(received, "source").ptr);
        check(stargate_consumer_ack(consumer, received, &error), error);
        stargate_message_free(received);
        orders++;
    }

    check(stargate_client_close(client, TIMEOUT_MS, &error), error);
    stargate_consumer_free(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
    return orders == MESSAGES ? 0 : 1;
}
