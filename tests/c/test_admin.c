/* Pulsar's REST API through the C functions. */
#include "testing.h"

static int has(const stargate_strings *list, const char *wanted)
{
    size_t i;

    for (i = 0; i < stargate_strings_count(list); i++) {
        if (strcmp(stargate_strings_get(list, i).ptr, wanted) == 0)
            return 1;
    }
    return 0;
}

static int says(char *json, const char *part)
{
    int found = json != NULL && strstr(json, part) != NULL;

    if (!found)
        fprintf(stderr, "%s is not in %s\n", part, json ? json : "NULL");
    stargate_string_free(json);
    return found;
}

static long backlog(stargate_client *client, const char *topic)
{
    stargate_error *error = NULL;
    char *stats = NULL, *found;
    long count;

    OK(stargate_admin_topic_stats(client, topic, TIMEOUT_MS, &stats, &error));
    found = strstr(stats, "\"msgBacklog\":");
    CHECK(found != NULL);
    count = strtol(found + strlen("\"msgBacklog\":"), NULL, 10);
    stargate_string_free(stats);
    return count;
}

TEST(tenants_and_namespaces_come_and_go_with_their_policies)
{
    stargate_client *client = new_client();
    stargate_error *error = NULL;
    stargate_strings *list = NULL;
    char tenant[100], space[120], *text = NULL;
    int32_t number = 0;

    snprintf(tenant, sizeof tenant, "c-%s", strrchr(new_topic(), '/') ? strrchr(new_topic(), '/') + 1 : new_topic());
    snprintf(space, sizeof space, "%s/n", tenant);
    OK(stargate_admin_check_health(client, TIMEOUT_MS, &error));
    OK(stargate_admin_broker_version(client, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "4.0.8"));
    OK(stargate_admin_clusters(client, TIMEOUT_MS, &list, &error));
    CHECK(has(list, "standalone"));
    CHECK(stargate_strings_get(list, 99).ptr == NULL);
    stargate_strings_free(list);

    OK(stargate_admin_create_tenant(client, tenant, "boss, chief", NULL, TIMEOUT_MS, &error));
    CHECK(stargate_admin_create_tenant(client, tenant, NULL, NULL, TIMEOUT_MS, &error) == STARGATE_BUSY);
    CHECK(stargate_error_http_status(error) == 409 && !stargate_error_is_retriable(error));
    stargate_error_free(error);
    OK(stargate_admin_ensure_tenant(client, tenant, NULL, NULL, TIMEOUT_MS, &number, &error));
    CHECK(number == 0);
    OK(stargate_admin_tenant(client, tenant, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "chief"));
    OK(stargate_admin_update_tenant(client, tenant, "", "standalone", TIMEOUT_MS, &error));
    OK(stargate_admin_tenants(client, TIMEOUT_MS, &list, &error));
    CHECK(has(list, tenant));
    stargate_strings_free(list);

    OK(stargate_admin_create_namespace(client, space, 8, TIMEOUT_MS, &error));
    OK(stargate_admin_ensure_namespace(client, space, TIMEOUT_MS, &number, &error));
    CHECK(number == 0);
    OK(stargate_admin_namespaces(client, tenant, TIMEOUT_MS, &list, &error));
    CHECK(stargate_strings_count(list) == 1 && has(list, space));
    stargate_strings_free(list);
    OK(stargate_admin_retention(client, space, TIMEOUT_MS, &text, &error));
    CHECK(text == NULL);
    OK(stargate_admin_message_ttl(client, space, TIMEOUT_MS, &number, &error));
    CHECK(number == -1);
    OK(stargate_admin_deduplication(client, space, TIMEOUT_MS, &number, &error));
    CHECK(number == -1);
    OK(stargate_admin_set_retention(client, space, 60, -1, TIMEOUT_MS, &error));
    OK(stargate_admin_set_message_ttl(client, space, 3600, TIMEOUT_MS, &error));
    OK(stargate_admin_set_deduplication(client, space, 1, TIMEOUT_MS, &error));
    OK(stargate_admin_set_backlog_quota(client, space, "message_age", 7200, "producer_exception", TIMEOUT_MS, &error));
    OK(stargate_admin_retention(client, space, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "\"retentionTimeInMinutes\":60"));
    OK(stargate_admin_message_ttl(client, space, TIMEOUT_MS, &number, &error));
    CHECK(number == 3600);
    OK(stargate_admin_deduplication(client, space, TIMEOUT_MS, &number, &error));
    CHECK(number == 1);
    OK(stargate_admin_backlog_quotas(client, space, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "\"limit\":7200"));
    OK(stargate_admin_namespace_policies(client, space, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "\"numBundles\":8"));
    OK(stargate_admin_remove_policy(client, space, "message_age", TIMEOUT_MS, &error));
    OK(stargate_admin_remove_policy(client, space, "retention", TIMEOUT_MS, &error));
    OK(stargate_admin_remove_policy(client, space, "message_ttl", TIMEOUT_MS, &error));
    OK(stargate_admin_remove_policy(client, space, "deduplication", TIMEOUT_MS, &error));
    OK(stargate_admin_deduplication(client, space, TIMEOUT_MS, &number, &error));
    CHECK(number == -1);
    FAILS(STARGATE_INVALID_ARGUMENT, "message_age",
          stargate_admin_remove_policy(client, space, "x", TIMEOUT_MS, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "producer_request_hold",
          stargate_admin_set_backlog_quota(client, space, "message_age", 1, "drop", TIMEOUT_MS, &error));
    OK(stargate_admin_delete_namespace(client, space, TIMEOUT_MS, &error));
    OK(stargate_admin_delete_tenant(client, tenant, TIMEOUT_MS, &error));
    FAILS(STARGATE_NOT_FOUND, tenant, stargate_admin_tenant(client, tenant, TIMEOUT_MS, &text, &error));
    stargate_client_free(client);
}

/* Looks for one topic among all, and counts them. */
struct walk {
    const char *wanted;
    int found, seen, most;
};

static int32_t on_topic(void *data, stargate_str topic)
{
    struct walk *walk = data;

    walk->found += topic.len == strlen(walk->wanted) && memcmp(topic.ptr, walk->wanted, topic.len) == 0;
    return ++walk->seen == walk->most;
}

TEST(topics_and_partitions_come_and_go)
{
    stargate_client *client = new_client();
    stargate_error *error = NULL;
    stargate_strings *list = NULL;
    char plain[200], parted[220], part[240], *text = NULL;
    struct walk walk = {NULL, 0, 0, 0};
    int32_t number = 0;

    snprintf(plain, sizeof plain, "persistent://public/default/%s",
             strrchr(new_topic(), '/') ? strrchr(new_topic(), '/') + 1 : new_topic());
    snprintf(parted, sizeof parted, "%s-parted", plain);
    snprintf(part, sizeof part, "%s-partition-1", parted);
    OK(stargate_admin_create_topic(client, plain, TIMEOUT_MS, &error));
    OK(stargate_admin_ensure_topic(client, plain, TIMEOUT_MS, &number, &error));
    CHECK(number == 0);
    OK(stargate_admin_create_partitioned_topic(client, parted, 1, TIMEOUT_MS, &error));
    OK(stargate_admin_ensure_partitioned_topic(client, parted, 2, TIMEOUT_MS, &number, &error));
    CHECK(number == 1);
    OK(stargate_admin_grow_partitions(client, parted, 3, TIMEOUT_MS, &error));
    OK(stargate_admin_partitions(client, parted, TIMEOUT_MS, &number, &error));
    CHECK(number == 3);
    FAILS(STARGATE_INVALID_ARGUMENT, "partitions",
          stargate_admin_grow_partitions(client, parted, -1, TIMEOUT_MS, &error));
    OK(stargate_admin_topics(client, "public/default", 1, TIMEOUT_MS, &list, &error));
    CHECK(has(list, plain) && has(list, part));
    stargate_strings_free(list);
    OK(stargate_admin_topics(client, "public/default", 0, TIMEOUT_MS, &list, &error));
    CHECK(!has(list, plain));
    stargate_strings_free(list);
    walk.wanted = part;
    OK(stargate_admin_walk_topics(client, "public", TIMEOUT_MS, on_topic, &walk, &error));
    CHECK(walk.found == 1 && walk.seen > 3);
    OK(stargate_admin_walk_topics(client, NULL, TIMEOUT_MS, on_topic, &walk, &error));
    CHECK(walk.found == 2);
    walk.seen = 0, walk.most = 2;
    OK(stargate_admin_walk_topics(client, NULL, TIMEOUT_MS, on_topic, &walk, &error));
    CHECK(walk.seen == 2);
    OK(stargate_admin_walk_topics(client, "nobody-is-called-so", TIMEOUT_MS, on_topic, &walk, &error));
    CHECK(walk.seen == 2);
    OK(stargate_admin_partitioned_topics(client, "public/default", 1, TIMEOUT_MS, &list, &error));
    CHECK(has(list, parted));
    stargate_strings_free(list);
    OK(stargate_admin_internal_stats(client, parted, TIMEOUT_MS, &text, &error));
    CHECK(says(text, part));
    OK(stargate_admin_compact_topic(client, plain, TIMEOUT_MS, &error));
    OK(stargate_admin_compaction_status(client, plain, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "status"));
    OK(stargate_admin_unload_topic(client, plain, TIMEOUT_MS, &error));
    OK(stargate_admin_truncate_topic(client, plain, TIMEOUT_MS, &error));
    OK(stargate_admin_terminate_topic(client, parted, TIMEOUT_MS, &list, &error));
    CHECK(stargate_strings_count(list) == 3 && stargate_strings_get(list, 0).ptr == NULL);
    stargate_strings_free(list);
    OK(stargate_admin_delete_topic(client, parted, 0, TIMEOUT_MS, &error));
    OK(stargate_admin_delete_topic(client, plain, 0, TIMEOUT_MS, &error));
    FAILS(STARGATE_NOT_FOUND, plain, stargate_admin_delete_topic(client, plain, 0, TIMEOUT_MS, &error));
    stargate_client_free(client);
}

TEST(a_subscription_is_moved_and_looked_at)
{
    enum { MESSAGES = 4 };
    stargate_client *client = new_client();
    stargate_error *error = NULL;
    stargate_strings *list = NULL;
    stargate_message *messages[8] = {NULL};
    stargate_property properties[] = {{"a", "b"}};
    char topic[200], *ids[MESSAGES] = {NULL}, *text = NULL;
    stargate_producer *producer;
    int32_t number = 0;
    size_t count = 0, i;

    snprintf(topic, sizeof topic, "%s", new_topic());
    OK(stargate_admin_create_subscription(client, topic, "s", "earliest", 0, TIMEOUT_MS, &error));
    OK(stargate_admin_ensure_subscription(client, topic, "s", "latest", 0, TIMEOUT_MS, &number, &error));
    CHECK(number == 0);
    OK(stargate_admin_last_message_id(client, topic, TIMEOUT_MS, &text, &error));
    CHECK(text == NULL);
    producer = new_producer(client, topic);
    for (i = 0; i < MESSAGES; i++) {
        char payload[2] = {(char)('0' + i), 0};
        stargate_outgoing message = text_message(payload);
        OK(stargate_producer_send(producer, &message, TIMEOUT_MS, &ids[i], &error));
    }
    stargate_producer_free(producer);
    OK(stargate_admin_skip(client, topic, "s", 1, TIMEOUT_MS, &error));
    CHECK(backlog(client, topic) == 3);
    OK(stargate_admin_seek(client, topic, "s", ids[1], 1, TIMEOUT_MS, &error));
    CHECK(backlog(client, topic) == 2);
    OK(stargate_admin_skip_all(client, topic, "s", TIMEOUT_MS, &error));
    CHECK(backlog(client, topic) == 0);
    OK(stargate_admin_seek(client, topic, "s", "earliest", 0, TIMEOUT_MS, &error));
    CHECK(backlog(client, topic) == 4);
    OK(stargate_admin_seek(client, topic, "s", "latest", 0, TIMEOUT_MS, &error));
    CHECK(backlog(client, topic) == 0);
    OK(stargate_admin_seek_time(client, topic, "s", 1000, TIMEOUT_MS, &error));
    CHECK(backlog(client, topic) == 4);
    FAILS(STARGATE_INVALID_ARGUMENT, "after", stargate_admin_seek(client, topic, "s", "latest", 1, TIMEOUT_MS, &error));
    FAILS(STARGATE_NOT_FOUND, "nobody", stargate_admin_skip_all(client, topic, "nobody", TIMEOUT_MS, &error));

    OK(stargate_admin_peek(client, topic, "s", TIMEOUT_MS, 8, messages, &count, &error));
    CHECK(count == MESSAGES && is_text(stargate_message_payload(messages[3]), "3"));
    stargate_messages_free(messages, count);
    OK(stargate_admin_peek(client, topic, "s", TIMEOUT_MS, 2, messages, &count, &error));
    CHECK(count == 2);
    stargate_messages_free(messages, count);
    OK(stargate_admin_peek_entry(client, topic, "s", 3, TIMEOUT_MS, 8, messages, &count, &error));
    CHECK(count == 1 && is_text(stargate_message_payload(messages[0]), "2"));
    stargate_messages_free(messages, count);
    OK(stargate_admin_peek_entry(client, topic, "s", MESSAGES + 1, TIMEOUT_MS, 8, messages, &count, &error));
    CHECK(count == 0);
    FAILS(STARGATE_INVALID_ARGUMENT, "position",
          stargate_admin_peek_entry(client, topic, "s", 0, TIMEOUT_MS, 8, messages, &count, &error));
    OK(stargate_admin_read_entry(client, topic, ids[2], TIMEOUT_MS, 8, messages, &count, &error));
    CHECK(count == 1 && is_text(stargate_message_payload(messages[0]), "2"));
    stargate_messages_free(messages, count);
    FAILS(STARGATE_INVALID_ARGUMENT, "expected earliest or latest",
          stargate_admin_examine_message(client, topic, "middle", 1, TIMEOUT_MS, 8, messages, &count, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "max is 0",
          stargate_admin_examine_message(client, topic, "latest", 1, TIMEOUT_MS, 0, messages, &count, &error));
    OK(stargate_admin_examine_message(client, topic, "latest", 1, TIMEOUT_MS, 8, messages, &count, &error));
    CHECK(count == 1 && is_text(stargate_message_payload(messages[0]), "3"));
    stargate_messages_free(messages, count);
    OK(stargate_admin_last_message_id(client, topic, TIMEOUT_MS, &text, &error));
    CHECK(text != NULL);
    stargate_string_free(text);
    OK(stargate_admin_message_id_at(client, topic, 1000, TIMEOUT_MS, &text, &error));
    CHECK(text != NULL);
    stargate_string_free(text);

    OK(stargate_admin_set_subscription_properties(client, topic, "s", properties, 1, TIMEOUT_MS, &error));
    OK(stargate_admin_subscription_properties(client, topic, "s", TIMEOUT_MS, &text, &error));
    CHECK(says(text, "{\"a\":\"b\"}"));
    OK(stargate_admin_analyze_backlog(client, topic, "s", TIMEOUT_MS, &text, &error));
    CHECK(says(text, "\"messages\":4"));
    OK(stargate_admin_expire_messages_until(client, topic, "s", ids[0], TIMEOUT_MS, &number, &error));
    CHECK(number == 1);
    OK(stargate_admin_expire_messages(client, topic, "s", 36000, TIMEOUT_MS, &number, &error));
    OK(stargate_admin_expire_all_messages(client, topic, 36000, TIMEOUT_MS, &number, &error));
    OK(stargate_admin_subscriptions(client, topic, TIMEOUT_MS, &list, &error));
    CHECK(stargate_strings_count(list) == 1 && has(list, "s"));
    stargate_strings_free(list);
    OK(stargate_admin_delete_subscription(client, topic, "s", 0, TIMEOUT_MS, &error));
    for (i = 0; i < MESSAGES; i++)
        stargate_string_free(ids[i]);
    stargate_client_free(client);
}

TEST(a_schema_has_versions)
{
    stargate_client *client = new_client();
    stargate_error *error = NULL;
    const char *topic = new_topic(), *schema = "{\"type\":\"STRING\",\"schema\":\"\",\"properties\":{\"a\":\"b\"}}";
    char *text = NULL;
    int32_t version = -1;

    CHECK(stargate_admin_schema(client, topic, -1, TIMEOUT_MS, &text, &error) == STARGATE_NOT_FOUND && text == NULL);
    stargate_error_free(error);
    FAILS(STARGATE_INVALID_ARGUMENT, "the schema cannot be read",
          stargate_admin_upload_schema(client, topic, "STRING", TIMEOUT_MS, &version, &error));
    FAILS(STARGATE_INVALID_ARGUMENT, "the type of the schema is missing",
          stargate_admin_upload_schema(client, topic, "{}", TIMEOUT_MS, &version, &error));
    OK(stargate_admin_upload_schema(client, topic, schema, TIMEOUT_MS, &version, &error));
    CHECK(version == 0);
    OK(stargate_admin_schema(client, topic, 0, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "\"a\":\"b\""));
    OK(stargate_admin_schemas(client, topic, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "\"version\":0"));
    OK(stargate_admin_test_schema_compatibility(client, topic, schema, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "\"compatibility\":true"));
    OK(stargate_admin_test_schema_compatibility(client, topic, "{\"type\":\"INT8\"}", TIMEOUT_MS, &text, &error));
    CHECK(says(text, "exists schema type STRING"));
    OK(stargate_admin_delete_schema(client, topic, TIMEOUT_MS, &error));
    OK(stargate_admin_schemas(client, topic, TIMEOUT_MS, &text, &error));
    CHECK(says(text, "[]"));
    stargate_client_free(client);
}

TEST(a_request_of_ones_own_is_sent_as_it_is)
{
    stargate_client *client = new_client();
    stargate_error *error = NULL;
    char *body = NULL;
    int32_t status = 0;

    OK(stargate_admin_request(client, "GET", "brokers/health", NULL, TIMEOUT_MS, &status, &body, &error));
    CHECK(status == 200);
    CHECK(says(body, "ok"));
    CHECK(stargate_admin_request(client, "GET", "/admin/v2/tenants/nobody", NULL, TIMEOUT_MS, &status, &body, &error)
          == STARGATE_NOT_FOUND);
    CHECK(body == NULL && status == 0 && stargate_error_http_status(error) == 404);
    CHECK(stargate_error_broker_text(error).len > 0);
    stargate_error_free(error);
    stargate_client_free(client);
}
