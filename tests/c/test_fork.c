/* After fork a child has the handles and neither their threads nor their sockets: every call says so, and none hangs.
 */
#include "testing.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int32_t acknowledge(void *state, const stargate_message *message)
{
    (void)state, (void)message;
    return STARGATE_ACK;
}

static void ignore_sent(void *data, const stargate_delivery_report *sent)
{
    (void)data, (void)sent;
}

/* Runs `body` in a child, and expects it to end well within the time. */
static void in_child(void (*body)(void *), void *data)
{
    double limit = seconds() + 30;
    int status = 0;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        body(data);
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (seconds() > limit)
            kill(child, SIGKILL);
        sleep_ms(1);
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

typedef struct {
    stargate_client *client;
    stargate_producer *producer;
    stargate_consumer *consumer;
    stargate_consumer *listening;
    stargate_reader *reader;
    counter destroyed;
    char topic[64];
} handles;

static void handles_destroyed(void *data)
{
    handles *all = data;

    counter_add(&all->destroyed);
}

static void open_all(handles *all)
{
    stargate_error *error = NULL;
    stargate_handler handler = STARGATE_HANDLER_INIT;
    char other[64];

    strcpy(all->topic, new_topic());
    strcpy(other, new_topic());
    handler.handle = acknowledge;
    all->client = new_client();
    all->producer = new_producer(all->client, all->topic);
    OK(stargate_consumer_open(all->client, all->topic, "s", NULL, TIMEOUT_MS, &all->consumer, &error));
    OK(stargate_consumer_open(all->client, other, "s", NULL, TIMEOUT_MS, &all->listening, &error));
    OK(stargate_consumer_listen(all->listening, &handler, all, handles_destroyed, &error));
    OK(stargate_reader_open(all->client, all->topic, NULL, TIMEOUT_MS, &all->reader, &error));
}

static void free_all(handles *all)
{
    stargate_reader_free(all->reader);
    stargate_consumer_free(all->listening);
    stargate_consumer_free(all->consumer);
    stargate_producer_free(all->producer);
    stargate_client_free(all->client);
}

static void use_in_child(void *data)
{
    handles *all = data;
    stargate_producer *producer = NULL;
    stargate_message *message = NULL;
    stargate_error *error = NULL;
    stargate_outgoing sent = text_message("x");
    counter destroyed = COUNTER_INIT;
    int32_t end;

    FAILS(STARGATE_FORKED, "fork", stargate_producer_open(all->client, "t", NULL, -1, &producer, &error));
    FAILS(STARGATE_FORKED, "fork", stargate_producer_send(all->producer, &sent, -1, NULL, &error));
    FAILS(STARGATE_FORKED, "fork",
          stargate_producer_send_async(all->producer, &sent, -1, ignore_sent, &destroyed, count_destroy, &error));
    CHECK(destroyed.count == 1);
    FAILS(STARGATE_FORKED, "fork", stargate_producer_flush(all->producer, -1, &error));
    FAILS(STARGATE_FORKED, "fork", stargate_producer_wait_connected(all->producer, -1, &error));
    CHECK(!stargate_producer_is_connected(all->producer) && !stargate_reader_is_caught_up(all->reader));
    FAILS(STARGATE_FORKED, "fork", stargate_consumer_receive(all->consumer, -1, &message, &error));
    FAILS(STARGATE_FORKED, "fork", stargate_consumer_ack_id(all->consumer, "CAUQATAA", &error));
    FAILS(STARGATE_FORKED, "fork", stargate_reader_receive(all->reader, -1, &message, &error));
    FAILS(STARGATE_FORKED, "fork", stargate_reader_is_end_of_topic(all->reader, -1, &end, &error));
    FAILS(STARGATE_FORKED, "fork", stargate_consumer_close(all->consumer, -1, &error));
    FAILS(STARGATE_FORKED, "fork", stargate_client_close(all->client, -1, &error));
    free_all(all);
    CHECK(all->destroyed.count == 0);
}

static void new_client_in_child(void *data)
{
    handles *all = data;
    stargate_client *client = new_client();
    stargate_producer *producer = new_producer(client, all->topic);
    stargate_error *error = NULL;
    stargate_outgoing sent = text_message("from the child");

    OK(stargate_producer_send(producer, &sent, TIMEOUT_MS, NULL, &error));
    OK(stargate_client_close(client, TIMEOUT_MS, &error));
    stargate_producer_free(producer);
    stargate_client_free(client);
}

TEST(a_child_is_told_that_the_handles_are_its_parents)
{
    handles all = {NULL, NULL, NULL, NULL, NULL, COUNTER_INIT, ""};
    stargate_error *error = NULL;
    stargate_message *message = NULL;
    stargate_outgoing sent = text_message("from the parent");

    open_all(&all);
    in_child(use_in_child, &all);
    /* The parent's connections are as they were. */
    OK(stargate_producer_send(all.producer, &sent, TIMEOUT_MS, NULL, &error));
    OK(stargate_consumer_receive(all.consumer, TIMEOUT_MS, &message, &error));
    CHECK(is_text(stargate_message_payload(message), "from the parent"));
    stargate_message_free(message);
    free_all(&all);
    CHECK(counter_get(&all.destroyed) == 1);
}

TEST(a_child_may_open_a_client_of_its_own)
{
    handles all = {NULL, NULL, NULL, NULL, NULL, COUNTER_INIT, ""};
    stargate_error *error = NULL;
    stargate_message *message = NULL;

    open_all(&all);
    in_child(new_client_in_child, &all);
    OK(stargate_consumer_receive(all.consumer, TIMEOUT_MS, &message, &error));
    CHECK(is_text(stargate_message_payload(message), "from the child"));
    stargate_message_free(message);
    free_all(&all);
}

/* How many children a storm has: a few here, and some hundreds in `make forks`. */
static int forks_wanted(void)
{
    const char *text = getenv("STARGATE_FORKS");

    return text == NULL ? 20 : atoi(text);
}

static stargate_client *client_of(const char *url)
{
    stargate_client *client = NULL;
    stargate_error *error = NULL;
    /* Where the system has no roots, `wss` is refused; that is an answer, too. */
    stargate_status status = stargate_client_new(url, NULL, &client, &error);

    CHECK(status == STARGATE_OK || status == STARGATE_INVALID_ARGUMENT);
    stargate_error_free(error);
    return client;
}

static void client_in_child(void *url)
{
    stargate_client_free(client_of(url));
}

static void *make_and_free(void *url)
{
    for (;;)
        stargate_client_free(client_of(url));
    return NULL;
}

static void *use_and_free(void *topic)
{
    stargate_error *error = NULL;
    stargate_outgoing sent = text_message("x");

    for (;;) {
        stargate_client *client = new_client();
        stargate_producer *producer = new_producer(client, topic);

        OK(stargate_producer_send(producer, &sent, TIMEOUT_MS, NULL, &error));
        stargate_producer_free(producer);
        stargate_client_free(client);
    }
    return NULL;
}

static void clients_in_child(void *data)
{
    client_in_child("wss://localhost:1");
    new_client_in_child(data);
}

static void storm(void *(*churn)(void *), void *with)
{
    handles all = {NULL, NULL, NULL, NULL, NULL, COUNTER_INIT, ""};
    pthread_t threads[2];
    int number;

    strcpy(all.topic, new_topic());
    stargate_client_free(new_client());
    for (number = 0; number < 2; number++)
        CHECK(pthread_create(&threads[number], NULL, churn, with == NULL ? all.topic : with) == 0);
    for (number = 0; number < forks_wanted(); number++) {
        sleep_ms(number % 7);
        in_child(clients_in_child, &all);
    }
    /* The threads end with the process. */
    _exit(0);
}

TEST(children_of_a_parent_that_makes_and_frees_clients_do_not_hang)
{
    char url[256];

    snprintf(url, sizeof url, "%s", broker());
    storm(make_and_free, url);
}

TEST(children_of_a_parent_that_makes_clients_with_tls_do_not_hang)
{
    char url[] = "wss://localhost:1";

    broker();
    storm(make_and_free, url);
}

TEST(children_of_a_parent_that_sends_do_not_hang)
{
    storm(use_and_free, NULL);
}

/* The first client of a process reads the roots of the system and starts the threads: a fork in the middle of it. */
static void first_client(void *data)
{
    char url[] = "wss://localhost:1";
    pthread_t thread;
    int number = *(int *)data;

    CHECK(pthread_create(&thread, NULL, make_and_free, url) == 0);
    sleep_ms(number % 10);
    in_child(client_in_child, url);
    _exit(0);
}

TEST(a_fork_in_the_making_of_the_first_client_hangs_no_child)
{
    int number;

    for (number = 0; number < forks_wanted(); number++)
        in_child(first_client, &number);
}
