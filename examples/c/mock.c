/*
 * How an application's own test looks: it runs against a broker inside of the library, which fails on request.
 *
 *     ./mock
 */
#include <stargate.h>
#include <stargate_mock.h>

#include <stdio.h>
#include <stdlib.h>

static void check(stargate_status status, stargate_error *error)
{
    if (status == STARGATE_OK)
        return;
    fprintf(stderr, "%s: %s\n", stargate_status_name(status), stargate_error_message(error).ptr);
    exit(1);
}

/* What is tested: it must place its order even when the connection breaks at the worst moment. */
static void place_order(const char *url)
{
    stargate_client *client = NULL;
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = STARGATE_OUTGOING_INIT;

    message.payload.ptr = "one pizza";
    message.payload.len = 9;
    check(stargate_client_new(url, NULL, &client, &error), error);
    check(stargate_producer_open(client, "orders", NULL, 5000, &producer, &error), error);
    check(stargate_producer_send(producer, &message, 5000, NULL, &error), error);
    stargate_producer_free(producer);
    stargate_client_free(client);
}

int main(void)
{
    stargate_mock *mock = NULL;
    stargate_error *error = NULL;
    char *log = NULL;

    check(stargate_mock_start(NULL, &mock, &error), error);
    /* The first message is stored, and its connection ends before the receipt. */
    check(stargate_mock_fault(mock, "send", "orders", "drop-after", 1, &error), error);
    place_order(stargate_mock_url(mock).ptr);
    /* So there was a second connection, and the message was sent again. */
    check(stargate_mock_wait(mock, "connect", "orders", 2, 1000, &error), error);
    check(stargate_mock_wait(mock, "send", "orders", 2, 1000, &error), error);
    check(stargate_mock_requests_json(mock, &log, &error), error);
    printf("the order was placed over two connections: %s\n", log);
    stargate_string_free(log);
    stargate_mock_free(mock);
    return 0;
}
