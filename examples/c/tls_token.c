/*
 * A connection over TLS that shows a token, which is asked for at each connect, so that it may expire and be renewed.
 *
 *     PULSAR_WSS_URL=wss://broker:8443 PULSAR_CA_FILE=ca.pem PULSAR_TOKEN=... ./tls_token
 *
 * Without PULSAR_CA_FILE the system's authorities are trusted. Certificates are verified in any case.
 */
#include <stargate.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 10000 };

static void check(stargate_status status, stargate_error *error)
{
    if (status == STARGATE_OK)
        return;
    fprintf(stderr, "%s: %s\n", stargate_status_name(status), stargate_error_message(error).ptr);
    exit(1);
}

/* A real one would ask the issuer of the tokens. It runs on a thread of the library and may block. */
static stargate_status token(void *user_data, char *buffer, size_t capacity, size_t *length)
{
    const char *text = user_data;

    *length = strlen(text);
    if (*length > capacity)
        return STARGATE_TOO_BIG; /* called again with room for *length */
    memcpy(buffer, text, *length);
    return STARGATE_OK;
}

int main(void)
{
    char *url = getenv("PULSAR_WSS_URL"), *authority = getenv("PULSAR_CA_FILE"), *secret = getenv("PULSAR_TOKEN");
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = STARGATE_OUTGOING_INIT;
    char *id = NULL;

    if (url == NULL || secret == NULL) {
        fprintf(stderr, "PULSAR_WSS_URL and PULSAR_TOKEN say where to and who\n");
        return 2;
    }
    if (authority != NULL)
        check(stargate_options_set(options, "tls_ca_file", authority, &error), error);
    check(stargate_options_on_token(options, token, secret, NULL, &error), error);
    check(stargate_client_new(url, options, &client, &error), error);
    check(stargate_producer_open(client, "example-tls", NULL, TIMEOUT_MS, &producer, &error), error);
    message.payload.ptr = "for your eyes only";
    message.payload.len = 18;
    check(stargate_producer_send(producer, &message, TIMEOUT_MS, &id, &error), error);
    printf("stored as %s\n", id);
    stargate_string_free(id);
    check(stargate_client_close(client, TIMEOUT_MS, &error), error);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(options);
    return 0;
}
