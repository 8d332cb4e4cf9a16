/* Stargate through its C API: `stargate_producer_send_async` and `stargate_consumer_receive_many`.
 *
 * The arguments and what is printed are explained in src/lib.rs; here are the roles send and receive. */

#define _GNU_SOURCE
#include <stargate.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { STEP = 6101, RANGE = 1 << 16, CHECK = 16, LOT = 256, SAMPLES = 1 << 15 };

static struct {
    const char *role, *url, *topic, *subscription, *ca;
    size_t size;
    uint64_t window, connections, limit;
    double warmup, seconds;
    int batched, shared, pull;
} workload = {NULL, NULL, "bytes-100", "bench", NULL, 100, 1000, 1, 0, 0.3, 1.0, 0, 0, 0};

static void failed(stargate_error *error)
{
    fprintf(stderr, "%s\n", stargate_error_message(error).ptr);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
           + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* A number of /proc/self/status in MiB; 0 where there is none. */
static double status_mb(const char *name)
{
    char line[256];
    double kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
            kib = strtod(line + strlen(name) + 1, NULL);
    }
    if (status)
        fclose(status);
    return kib / 1024;
}

/* Counts messages, leaves those of the warm-up out, and says when it is enough. One thread uses it. */
static struct {
    uint64_t total, unchecked, messages;
    double first, began, began_cpu, began_mb, ended, ended_cpu, ended_mb;
    float *latencies;
    size_t noted;
} meter;

static int done(uint64_t messages)
{
    int last;
    double at;
    meter.total += messages;
    meter.unchecked += messages;
    last = workload.limit && meter.total >= workload.limit;
    if (meter.unchecked < CHECK && !last && meter.total > CHECK)
        return 1;
    meter.unchecked = 0;
    at = now();
    if (meter.first == 0)
        meter.first = at;
    if (meter.began == 0) {
        if (at - meter.first >= workload.warmup || (workload.limit && meter.total >= workload.limit / 5)) {
            meter.began = at;
            meter.began_cpu = cpu_seconds();
            meter.began_mb = status_mb("VmRSS");
            meter.messages = meter.total;
            meter.noted = 0;
        }
    } else if (at - meter.began >= workload.seconds || last) {
        meter.ended = at;
        meter.ended_cpu = cpu_seconds();
        meter.ended_mb = status_mb("VmRSS");
        meter.messages = meter.total - meter.messages;
        return 0;
    }
    return 1;
}

/* Of very many the last count. */
static void latency(double seconds)
{
    meter.latencies[meter.noted++ % SAMPLES] = (float)seconds;
}

static int ascending(const void *one, const void *other)
{
    float a = *(const float *)one, b = *(const float *)other;
    return (a > b) - (a < b);
}

static void report(void)
{
    double seconds = meter.ended - meter.began, rate = (double)meter.messages / seconds;
    printf(
        "{\"messages\":%llu,\"seconds\":%.6f,\"rate\":%.1f,\"mb\":%.2f,\"cpu\":%.4f,\"peak_mb\":%.2f,\"grown_mb\":%.2f",
        (unsigned long long)meter.messages, seconds, rate, rate * (double)workload.size / 1e6,
        (meter.ended_cpu - meter.began_cpu) / (double)meter.messages * 1e6, status_mb("VmHWM"),
        meter.ended_mb - meter.began_mb);
    if (meter.noted) {
        size_t count = meter.noted < SAMPLES ? meter.noted : SAMPLES;
        qsort(meter.latencies, count, sizeof *meter.latencies, ascending);
        printf(",\"p50\":%.3f,\"p99\":%.3f", meter.latencies[count / 2] * 1000,
               meter.latencies[count * 99 / 100] * 1000);
    }
    printf("}\n");
    fflush(stdout);
}

/* Random payloads, each different from those before it: slices of one random buffer. */
static unsigned char *payloads(void)
{
    unsigned char *random = malloc(workload.size + RANGE);
    uint64_t state = (uint64_t)(now() * 1e9) | 1;
    size_t i;
    for (i = 0; i < workload.size + RANGE; i++) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        random[i] = (unsigned char)(state * 0x2545F4914F6CDD1DULL >> 56);
    }
    return random;
}

static void set(stargate_options *options, const char *key, const char *value)
{
    stargate_error *error = NULL;
    if (stargate_options_set(options, key, value, &error) != STARGATE_OK)
        failed(error);
}

static void set_number(stargate_options *options, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    set(options, key, text);
}

static atomic_int ended;

/* On the callback thread: `user_data` is when the message was accepted, for those that are timed. */
static void on_sent(void *user_data, const stargate_delivery_report *sent)
{
    if (sent->error) {
        fprintf(stderr, "%s\n", stargate_error_message(sent->error).ptr);
        exit(1);
    }
    if (user_data) {
        latency(now() - *(double *)user_data);
        free(user_data);
    }
    if (!atomic_load(&ended) && !done(1))
        atomic_store(&ended, 1);
}

static void send_messages(stargate_client *client)
{
    stargate_options *options = stargate_options_new();
    stargate_producer *producer = NULL;
    stargate_error *error = NULL;
    stargate_outgoing message = STARGATE_OUTGOING_INIT;
    unsigned char *random = payloads();
    uint64_t number, timed = workload.window == 1 ? 1 : 16;

    set_number(options, "max_pending_msg", workload.window);
    if (workload.batched)
        set(options, "batch_enabled", "true");
    if (stargate_producer_open(client, workload.topic, options, 10000, &producer, &error) != STARGATE_OK)
        failed(error);
    message.payload.len = workload.size;
    meter.latencies = malloc(SAMPLES * sizeof *meter.latencies);
    for (number = 0; !atomic_load(&ended); number++) {
        message.payload.ptr = random + number * STEP % RANGE;
        if (workload.window == 1) {
            double begun = now();
            if (stargate_producer_send(producer, &message, -1, NULL, &error) != STARGATE_OK)
                failed(error);
            latency(now() - begun);
            if (!done(1))
                break;
        } else {
            double *begun = NULL;
            if (number % timed == 0) {
                begun = malloc(sizeof *begun);
                *begun = now();
            }
            if (stargate_producer_send_async(producer, &message, -1, on_sent, begun, NULL, &error) != STARGATE_OK)
                failed(error);
        }
    }
    report();
    exit(0); /* what is in flight does not matter any more */
}

static void receive_messages(stargate_client *client)
{
    stargate_options *options = stargate_options_new();
    stargate_consumer *consumer = NULL;
    stargate_error *error = NULL;
    stargate_message *messages[LOT];
    size_t count, i;
    unsigned checksum = 0;

    set_number(options, "queue_size", workload.window);
    set(options, "initial_position", "earliest");
    if (workload.pull)
        set(options, "pull_mode", "true");
    if (workload.shared || workload.connections > 1)
        set(options, "subscription_type", "shared");
    set_number(options, "connections", workload.connections);
    if (stargate_consumer_open(client, workload.topic, workload.subscription, options, 10000, &consumer, &error)
        != STARGATE_OK)
        failed(error);
    do {
        if (stargate_consumer_receive_many(consumer, LOT, 10000, messages, &count, &error) != STARGATE_OK)
            failed(error);
        for (i = 0; i < count; i++) {
            stargate_bytes payload = stargate_message_payload(messages[i]);
            checksum += payload.len ? *(const unsigned char *)payload.ptr : 0;
            if (stargate_consumer_ack(consumer, messages[i], &error) != STARGATE_OK)
                failed(error);
        }
        stargate_messages_free(messages, count);
    } while (done(count));
    report();
    fprintf(stderr, "%u\n", checksum); /* so that the payloads are read */
    exit(0);
}

int main(int argc, char **argv)
{
    stargate_client *client = NULL;
    stargate_options *options = stargate_options_new();
    stargate_error *error = NULL;
    int i;

    workload.role = argc > 1 ? argv[1] : "";
    for (i = 2; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(name, "--batched")) {
            workload.batched = 1;
            continue;
        }
        if (!strcmp(name, "--shared")) {
            workload.shared = 1;
            continue;
        }
        if (!strcmp(name, "--pull")) {
            workload.pull = 1;
            continue;
        }
        i++;
        if (!strcmp(name, "--url"))
            workload.url = value;
        else if (!strcmp(name, "--topic"))
            workload.topic = value;
        else if (!strcmp(name, "--subscription"))
            workload.subscription = value;
        else if (!strcmp(name, "--ca"))
            workload.ca = value;
        else if (!strcmp(name, "--size"))
            workload.size = strtoul(value, NULL, 10);
        else if (!strcmp(name, "--window"))
            workload.window = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--connections"))
            workload.connections = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--limit"))
            workload.limit = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--warmup"))
            workload.warmup = strtod(value, NULL);
        else if (!strcmp(name, "--seconds"))
            workload.seconds = strtod(value, NULL);
        else {
            fprintf(stderr, "unknown argument %s\n", name);
            return 2;
        }
    }
    if (workload.ca)
        set(options, "tls_ca_file", workload.ca);
    if (stargate_client_new(workload.url, options, &client, &error) != STARGATE_OK)
        failed(error);
    if (!strcmp(workload.role, "send"))
        send_messages(client);
    else
        receive_messages(client);
    return 0;
}
