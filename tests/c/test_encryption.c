/* End-to-end encryption: key files, key functions, and what cannot be decrypted. */
#include "semantics.h"

/* KEYS is the folder tests/keys. */
#define PUBLIC KEYS "/rsa.pub.pem"
#define PRIVATE KEYS "/rsa.pem"
#define SEALING "encryption_key", "billing", "encryption_public_key_file", PUBLIC

static void send_encrypted(stargate_client *client, const char *topic, stargate_options *options, const char *text)
{
    stargate_producer *producer = NULL;
    stargate_outgoing message = text_message(text);
    stargate_error *error = NULL;

    OK(stargate_producer_open(client, topic, options, TIMEOUT_MS, &producer, &error));
    OK(stargate_producer_send(producer, &message, TIMEOUT_MS, NULL, &error));
    OK(stargate_producer_close(producer, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
    stargate_options_free(options);
}

static stargate_message *receive(stargate_consumer *consumer)
{
    stargate_message *message = NULL;
    stargate_error *error = NULL;

    OK(stargate_consumer_receive(consumer, TIMEOUT_MS, &message, &error));
    return message;
}

TEST(what_is_encrypted_is_read_with_the_key_only)
{
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_consumer *office =
        consume(client, topic, OPTIONS("initial_position", "earliest", "encryption_private_key_file", PRIVATE));
    stargate_message *message;
    stargate_consumer *press = NULL;
    stargate_options *options = OPTIONS("initial_position", "earliest", "crypto_failure_action", "consume");
    stargate_error *error = NULL;

    send_encrypted(client, topic, OPTIONS(SEALING, "compression_type", "zstd"), "one pizza");
    message = receive(office);
    CHECK(is_text(stargate_message_payload(message), "one pizza"));
    CHECK(!stargate_message_is_encrypted(message));
    CHECK(strstr(stargate_message_encryption_context(message).ptr, "billing") != NULL);
    stargate_message_free(message);

    OK(stargate_consumer_open(client, topic, "press", options, TIMEOUT_MS, &press, &error));
    stargate_options_free(options);
    message = receive(press);
    CHECK(stargate_message_is_encrypted(message));
    CHECK(stargate_message_payload(message).len == 9 + 16);
    stargate_message_free(message);
    close_consumer(office);
    close_consumer(press);
    stargate_client_free(client);
}

TEST(a_key_that_cannot_be_used_is_an_error_when_opening)
{
    stargate_client *client = new_client();
    stargate_producer *producer = NULL;
    stargate_options *options = OPTIONS("encryption_key", "k", "encryption_public_key_file", KEYS "/ed25519.pub.pem");
    stargate_error *error = NULL;

    FAILS(STARGATE_CRYPTO, "neither an RSA key nor",
          stargate_producer_open(client, new_topic(), options, TIMEOUT_MS, &producer, &error));
    stargate_options_free(options);
    options = OPTIONS("encryption_key", "k");
    FAILS(STARGATE_INVALID_ARGUMENT, "encryption_key needs",
          stargate_producer_open(client, new_topic(), options, TIMEOUT_MS, &producer, &error));
    stargate_options_free(options);
    stargate_client_free(client);
}

/* A vault that has one key in one version. */
typedef struct {
    counter public_asked, private_asked, destroyed;
    int sealed;
} vault;

static void destroy_vault(void *data)
{
    counter_add(&((vault *)data)->destroyed);
}

static stargate_status give_key(void *data, int32_t half, stargate_str name, const stargate_property *metadata,
                                size_t metadata_count, stargate_key *key)
{
    vault *from = data;
    char pem[4096];
    FILE *file;
    size_t length;
    stargate_error *error = NULL;

    CHECK(strcmp(name.ptr, "billing") == 0);
    if (from->sealed)
        return STARGATE_AUTHENTICATION;
    if (half == STARGATE_PUBLIC_KEY) {
        CHECK(metadata_count == 0);
        counter_add(&from->public_asked);
        OK(stargate_key_add_metadata(key, "version", "3", &error));
    } else {
        CHECK(half == STARGATE_PRIVATE_KEY && metadata_count == 1);
        CHECK(strcmp(metadata[0].key, "version") == 0 && strcmp(metadata[0].value, "3") == 0);
        counter_add(&from->private_asked);
    }
    file = fopen(half == STARGATE_PUBLIC_KEY ? PUBLIC : PRIVATE, "r");
    CHECK(file != NULL);
    length = fread(pem, 1, sizeof pem, file);
    fclose(file);
    FAILS(STARGATE_INVALID_ARGUMENT, "pem is NULL", stargate_key_set(key, NULL, 1, &error));
    OK(stargate_key_set(key, pem, length, &error));
    return STARGATE_OK;
}

TEST(a_key_function_is_asked_by_name_and_metadata)
{
    vault keys = {COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, 0};
    stargate_client *client = new_client();
    const char *topic = new_topic();
    stargate_options *sealing = OPTIONS("encryption_key", "billing"), *opening = stargate_options_new();
    stargate_consumer *consumer;
    stargate_message *message;
    stargate_error *error = NULL;

    OK(stargate_options_on_key(sealing, give_key, &keys, destroy_vault, &error));
    OK(stargate_options_on_key(opening, give_key, &keys, destroy_vault, &error));
    consumer = consume(client, topic, opening);
    send_encrypted(client, topic, sealing, "one pizza");
    message = receive(consumer);
    CHECK(is_text(stargate_message_payload(message), "one pizza"));
    stargate_message_free(message);
    CHECK(counter_get(&keys.public_asked) == 1 && counter_get(&keys.private_asked) == 1);
    close_consumer(consumer);
    stargate_client_free(client);
    counter_wait(&keys.destroyed, 2);
}

/* Gives the key that opens the producer at once, and takes half a second for every other. */
static stargate_status give_key_slowly(void *data, int32_t half, stargate_str name, const stargate_property *metadata,
                                       size_t metadata_count, stargate_key *key)
{
    if (counter_get(&((vault *)data)->public_asked) > 0)
        sleep_ms(500);
    return give_key(data, half, name, metadata, metadata_count, key);
}

static void count_receipt(void *data, const stargate_delivery_report *sent)
{
    CHECK(sent->error == NULL);
    counter_add(data);
}

TEST(a_data_key_that_is_due_is_renewed_while_sends_that_do_not_wait_go_on)
{
    vault keys = {COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, 0};
    counter receipts = COUNTER_INIT;
    stargate_client *client = new_client();
    stargate_options *options = OPTIONS("encryption_key", "billing", "encryption_key_renewal", "1000");
    stargate_outgoing message = text_message("one pizza");
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    double begun;
    int sent = 0;

    OK(stargate_options_on_key(options, give_key_slowly, &keys, destroy_vault, &error));
    OK(stargate_producer_open(client, new_topic(), options, TIMEOUT_MS, &producer, &error));
    stargate_options_free(options);
    begun = seconds();
    while (counter_get(&keys.public_asked) < 2) {
        CHECK(seconds() - begun < TIMEOUT_MS / 1000.0);
        OK(stargate_producer_send_async(producer, &message, 0, count_receipt, &receipts, NULL, &error));
        counter_wait(&receipts, ++sent);
    }
    OK(stargate_producer_close(producer, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
    counter_wait(&keys.destroyed, 1);
}

TEST(a_key_function_that_fails_is_the_error)
{
    vault keys = {COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, 1};
    stargate_client *client = new_client();
    stargate_options *options = OPTIONS("encryption_key", "billing");
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;

    FAILS(STARGATE_INVALID_ARGUMENT, "keys is NULL",
          stargate_options_on_key(options, NULL, &keys, destroy_vault, &error));
    counter_wait(&keys.destroyed, 1);
    OK(stargate_options_on_key(options, give_key, &keys, destroy_vault, &error));
    FAILS(STARGATE_CRYPTO, "the key function returned -3",
          stargate_producer_open(client, new_topic(), options, TIMEOUT_MS, &producer, &error));
    stargate_options_free(options);
    stargate_client_free(client);
}
