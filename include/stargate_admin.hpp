/*
 * stargate_admin.hpp: Pulsar's REST API in C++17, over the stargate_admin_ functions of stargate.h.
 *
 *     stargate::admin admin(client);
 *     admin.ensure_partitioned_topic("orders", 4).value();
 *     admin.seek("orders", "billing", "earliest").value();
 *
 * Each function has the name of its counterpart in C. JSON is returned as text; a bool or a number that is not set is
 * none.
 */
#ifndef STARGATE_ADMIN_HPP
#define STARGATE_ADMIN_HPP

#include "stargate.hpp"

namespace stargate {

/// Sends requests to Pulsar's REST API through a client, which must live as long as this object.
class admin {
public:
    /// Bounds every call by `timeout`; without one, the option admin_timeout bounds each request.
    explicit admin(const client &client, milliseconds timeout = forever) noexcept
        : client_(client.get()),
          timeout_(timeout)
    {
    }

    /// Sends a request that has no function here, such as ("GET", "bookies/all"), and returns the body of the answer.
    /// `body` is JSON. A path that does not begin with / is one below /admin/v2/. Every HTTP status but 2xx is an
    /// error.
    std::string request(const std::string &method, const std::string &path,
                        const std::optional<std::string> &body = std::nullopt)
    {
        return try_request(method, path, body).value();
    }
    /// As request, but returns a result in place of an exception.
    result<std::string> try_request(const std::string &method, const std::string &path,
                                    const std::optional<std::string> &body = std::nullopt)
    {
        return detail::text_of([&](char **text, stargate_error **error) {
            std::int32_t http_status = 0;
            return stargate_admin_request(client_, method.c_str(), path.c_str(), body ? body->c_str() : nullptr,
                                          detail::ms(timeout_), &http_status, text, error);
        });
    }

    /// Returns the names of the clusters that this one knows, its own included.
    std::vector<std::string> clusters() { return try_clusters().value(); }
    /// As clusters, but returns a result in place of an exception.
    result<std::vector<std::string>> try_clusters() { return names(stargate_admin_clusters); }
    /// Returns the version of Pulsar that a broker runs, such as "4.0.8".
    std::string broker_version() { return try_broker_version().value(); }
    /// As broker_version, but returns a result in place of an exception.
    result<std::string> try_broker_version() { return text(stargate_admin_broker_version); }
    /// Asks a broker to write a message and to read it back; it may take seconds.
    void check_health() { try_check_health().value(); }
    /// As check_health, but returns a result in place of an exception.
    result<void> try_check_health() { return done(stargate_admin_check_health); }

    // Tenants. Roles and clusters are names separated by commas. Empty means no role besides the superusers, and all
    // existing clusters.

    /// Returns the names of the tenants.
    std::vector<std::string> tenants() { return try_tenants().value(); }
    /// As tenants, but returns a result in place of an exception.
    result<std::vector<std::string>> try_tenants() { return names(stargate_admin_tenants); }
    /// Returns what a tenant is allowed, in JSON: adminRoles and allowedClusters.
    std::string tenant(const std::string &name) { return try_tenant(name).value(); }
    /// As tenant, but returns a result in place of an exception.
    result<std::string> try_tenant(const std::string &name) { return text(stargate_admin_tenant, name.c_str()); }
    /// Creates a tenant.
    void create_tenant(const std::string &name, const std::string &roles = {}, const std::string &clusters = {})
    {
        try_create_tenant(name, roles, clusters).value();
    }
    /// As create_tenant, but returns a result in place of an exception.
    result<void> try_create_tenant(const std::string &name, const std::string &roles = {},
                                   const std::string &clusters = {})
    {
        return done(stargate_admin_create_tenant, name.c_str(), or_null(roles), or_null(clusters));
    }
    /// Replaces what a tenant is allowed; as create_tenant, but the clusters must be named.
    void update_tenant(const std::string &name, const std::string &roles = {}, const std::string &clusters = {})
    {
        try_update_tenant(name, roles, clusters).value();
    }
    /// As update_tenant, but returns a result in place of an exception.
    result<void> try_update_tenant(const std::string &name, const std::string &roles = {},
                                   const std::string &clusters = {})
    {
        return done(stargate_admin_update_tenant, name.c_str(), or_null(roles), or_null(clusters));
    }
    /// Deletes a tenant that has no namespaces.
    void delete_tenant(const std::string &name) { try_delete_tenant(name).value(); }
    /// As delete_tenant, but returns a result in place of an exception.
    result<void> try_delete_tenant(const std::string &name) { return done(stargate_admin_delete_tenant, name.c_str()); }
    /// Creates a tenant unless it exists; returns whether it was created. An existing tenant stays as it is.
    bool ensure_tenant(const std::string &name, const std::string &roles = {}, const std::string &clusters = {})
    {
        return try_ensure_tenant(name, roles, clusters).value();
    }
    /// As ensure_tenant, but returns a result in place of an exception.
    result<bool> try_ensure_tenant(const std::string &name, const std::string &roles = {},
                                   const std::string &clusters = {})
    {
        return truth(stargate_admin_ensure_tenant, name.c_str(), or_null(roles), or_null(clusters));
    }

    // Namespaces, as "tenant/namespace", and their policies.

    /// Returns the names of the namespaces of a tenant, "tenant/namespace" each. The broker sends them in one answer,
    /// however many there are.
    std::vector<std::string> namespaces(const std::string &tenant) { return try_namespaces(tenant).value(); }
    /// As namespaces, but returns a result in place of an exception.
    result<std::vector<std::string>> try_namespaces(const std::string &tenant)
    {
        return names(stargate_admin_namespaces, tenant.c_str());
    }
    /// Returns the policies of a namespace, in the broker's JSON.
    std::string namespace_policies(const std::string &name) { return try_namespace_policies(name).value(); }
    /// As namespace_policies, but returns a result in place of an exception.
    result<std::string> try_namespace_policies(const std::string &name)
    {
        return text(stargate_admin_namespace_policies, name.c_str());
    }
    /// Creates a namespace with this number of bundles, or with 0 the broker's default.
    void create_namespace(const std::string &name, std::int32_t bundles = 0)
    {
        try_create_namespace(name, bundles).value();
    }
    /// As create_namespace, but returns a result in place of an exception.
    result<void> try_create_namespace(const std::string &name, std::int32_t bundles = 0)
    {
        return done(stargate_admin_create_namespace, name.c_str(), bundles);
    }
    /// Deletes a namespace that has no topics.
    void delete_namespace(const std::string &name) { try_delete_namespace(name).value(); }
    /// As delete_namespace, but returns a result in place of an exception.
    result<void> try_delete_namespace(const std::string &name)
    {
        return done(stargate_admin_delete_namespace, name.c_str());
    }
    /// Creates a namespace unless it exists; returns whether it was created.
    bool ensure_namespace(const std::string &name) { return try_ensure_namespace(name).value(); }
    /// As ensure_namespace, but returns a result in place of an exception.
    result<bool> try_ensure_namespace(const std::string &name)
    {
        return truth(stargate_admin_ensure_namespace, name.c_str());
    }
    /// Returns the retention of a namespace in JSON: retentionTimeInMinutes and retentionSizeInMB; none if it is not
    /// set.
    std::optional<std::string> retention(const std::string &name) { return try_retention(name).value(); }
    /// As retention, but returns a result in place of an exception.
    result<std::optional<std::string>> try_retention(const std::string &name)
    {
        return optional_text(stargate_admin_retention, name.c_str());
    }
    /// Sets how long and how much the broker keeps of messages that every subscription has acknowledged. If both are 0
    /// it keeps nothing; -1 is without limit.
    void set_retention(const std::string &name, std::int64_t minutes, std::int64_t megabytes)
    {
        try_set_retention(name, minutes, megabytes).value();
    }
    /// As set_retention, but returns a result in place of an exception.
    result<void> try_set_retention(const std::string &name, std::int64_t minutes, std::int64_t megabytes)
    {
        return done(stargate_admin_set_retention, name.c_str(), minutes, megabytes);
    }
    /// Returns after what time a message counts as acknowledged, whether it is or not; none if that is not set.
    std::optional<std::chrono::seconds> message_ttl(const std::string &name) { return try_message_ttl(name).value(); }
    /// As message_ttl, but returns a result in place of an exception.
    result<std::optional<std::chrono::seconds>> try_message_ttl(const std::string &name)
    {
        const auto set = number(stargate_admin_message_ttl, name.c_str());
        if (!set)
            return set.error();
        return *set < 0 ? std::nullopt : std::optional<std::chrono::seconds>(*set);
    }
    /// Sets after what time a message counts as acknowledged, whether it is or not; 0 for never.
    void set_message_ttl(const std::string &name, std::chrono::seconds ttl) { try_set_message_ttl(name, ttl).value(); }
    /// As set_message_ttl, but returns a result in place of an exception.
    result<void> try_set_message_ttl(const std::string &name, std::chrono::seconds ttl)
    {
        return done(stargate_admin_set_message_ttl, name.c_str(), static_cast<std::int64_t>(ttl.count()));
    }
    /// Returns whether the broker drops messages that a producer sent before; none if that is not set.
    std::optional<bool> deduplication(const std::string &name) { return try_deduplication(name).value(); }
    /// As deduplication, but returns a result in place of an exception.
    result<std::optional<bool>> try_deduplication(const std::string &name)
    {
        const auto set = number(stargate_admin_deduplication, name.c_str());
        if (!set)
            return set.error();
        return *set < 0 ? std::nullopt : std::optional<bool>(*set != 0);
    }
    /// Enables or disables deduplication: the broker drops messages that a producer sent before.
    void set_deduplication(const std::string &name, bool enabled) { try_set_deduplication(name, enabled).value(); }
    /// As set_deduplication, but returns a result in place of an exception.
    result<void> try_set_deduplication(const std::string &name, bool enabled)
    {
        return done(stargate_admin_set_deduplication, name.c_str(), static_cast<std::int32_t>(enabled));
    }
    /// Returns the backlog quotas that are set, as a JSON array of objects with kind, limit and policy.
    std::string backlog_quotas(const std::string &name) { return try_backlog_quotas(name).value(); }
    /// As backlog_quotas, but returns a result in place of an exception.
    result<std::string> try_backlog_quotas(const std::string &name)
    {
        return text(stargate_admin_backlog_quotas, name.c_str());
    }
    /// Sets how much backlog a topic may hold. `kind` is "destination_storage" with `limit` in bytes, or "message_age"
    /// with `limit` in seconds; -1 is without limit. `policy` is "producer_request_hold", "producer_exception" or
    /// "consumer_backlog_eviction".
    void set_backlog_quota(const std::string &name, const std::string &kind, std::int64_t limit,
                           const std::string &policy)
    {
        try_set_backlog_quota(name, kind, limit, policy).value();
    }
    /// As set_backlog_quota, but returns a result in place of an exception.
    result<void> try_set_backlog_quota(const std::string &name, const std::string &kind, std::int64_t limit,
                                       const std::string &policy)
    {
        return done(stargate_admin_set_backlog_quota, name.c_str(), kind.c_str(), limit, policy.c_str());
    }
    /// Restores the broker's default for "retention", "message_ttl", "deduplication", "destination_storage" or
    /// "message_age" (the last two are backlog quotas).
    void remove_policy(const std::string &name, const std::string &policy) { try_remove_policy(name, policy).value(); }
    /// As remove_policy, but returns a result in place of an exception.
    result<void> try_remove_policy(const std::string &name, const std::string &policy)
    {
        return done(stargate_admin_remove_policy, name.c_str(), policy.c_str());
    }

    // Topics.

    /// Returns the full names of the persistent topics of a namespace, or of the non-persistent ones. Each partition is
    /// listed by itself, in no order. The broker sends them in one answer, however many there are.
    std::vector<std::string> topics(const std::string &in_namespace, bool persistent = true)
    {
        return try_topics(in_namespace, persistent).value();
    }
    /// As topics, but returns a result in place of an exception.
    result<std::vector<std::string>> try_topics(const std::string &in_namespace, bool persistent = true)
    {
        return names(stargate_admin_topics, in_namespace.c_str(), static_cast<std::int32_t>(persistent));
    }
    /// Returns the full names of the partitioned topics of a namespace.
    std::vector<std::string> partitioned_topics(const std::string &in_namespace, bool persistent = true)
    {
        return try_partitioned_topics(in_namespace, persistent).value();
    }
    /// As partitioned_topics, but returns a result in place of an exception.
    result<std::vector<std::string>> try_partitioned_topics(const std::string &in_namespace, bool persistent = true)
    {
        return names(stargate_admin_partitioned_topics, in_namespace.c_str(), static_cast<std::int32_t>(persistent));
    }
    /// Calls `visit(const std::string &topic) -> bool` for all topics of a tenant, or of all tenants, until it returns
    /// false. `visit` runs on this thread; each partition is listed by itself. The client fetches the topics of one
    /// namespace at a time, and leaves out what is deleted meanwhile. The timeout bounds the whole walk. An exception
    /// that leaves `visit` goes no further, and ends the walk.
    template <class F>
    void walk_topics(const std::optional<std::string> &tenant, F &&visit)
    {
        try_walk_topics(tenant, std::forward<F>(visit)).value();
    }
    /// As walk_topics, but returns a result in place of an exception.
    template <class F>
    result<void> try_walk_topics(const std::optional<std::string> &tenant, F &&visit)
    {
        using Visit = std::remove_reference_t<F>;
        Visit *called = &visit;
        const auto show = [](void *data, stargate_str topic) -> std::int32_t {
            return detail::guarded(
                [&] { return (**static_cast<Visit **>(data))(std::string(topic.ptr, topic.len)) ? 0 : 1; }, 1);
        };
        return detail::attempt([&](stargate_error **error) {
            return stargate_admin_walk_topics(client_, tenant ? tenant->c_str() : nullptr, detail::ms(timeout_), show,
                                              &called, error);
        });
    }
    /// Creates a topic without partitions.
    void create_topic(const std::string &topic) { try_create_topic(topic).value(); }
    /// As create_topic, but returns a result in place of an exception.
    result<void> try_create_topic(const std::string &topic) { return done(stargate_admin_create_topic, topic.c_str()); }
    /// Creates a topic with partitions.
    void create_partitioned_topic(const std::string &topic, std::int32_t partitions)
    {
        try_create_partitioned_topic(topic, partitions).value();
    }
    /// As create_partitioned_topic, but returns a result in place of an exception.
    result<void> try_create_partitioned_topic(const std::string &topic, std::int32_t partitions)
    {
        return done(stargate_admin_create_partitioned_topic, topic.c_str(), partitions);
    }
    /// Creates a topic without partitions unless one of this name exists; returns whether it was created.
    bool ensure_topic(const std::string &topic) { return try_ensure_topic(topic).value(); }
    /// As ensure_topic, but returns a result in place of an exception.
    result<bool> try_ensure_topic(const std::string &topic)
    {
        return truth(stargate_admin_ensure_topic, topic.c_str());
    }
    /// Creates a topic with this number of partitions, or adds partitions up to it; returns whether anything changed.
    bool ensure_partitioned_topic(const std::string &topic, std::int32_t partitions)
    {
        return try_ensure_partitioned_topic(topic, partitions).value();
    }
    /// As ensure_partitioned_topic, but returns a result in place of an exception.
    result<bool> try_ensure_partitioned_topic(const std::string &topic, std::int32_t partitions)
    {
        return truth(stargate_admin_ensure_partitioned_topic, topic.c_str(), partitions);
    }
    /// Adds partitions to those that a topic has, up to `partitions`; they cannot become fewer.
    void grow_partitions(const std::string &topic, std::int32_t partitions)
    {
        try_grow_partitions(topic, partitions).value();
    }
    /// As grow_partitions, but returns a result in place of an exception.
    result<void> try_grow_partitions(const std::string &topic, std::int32_t partitions)
    {
        return done(stargate_admin_grow_partitions, topic.c_str(), partitions);
    }
    /// Returns how many partitions a topic has, 0 for one without.
    std::int32_t partitions(const std::string &topic) { return try_partitions(topic).value(); }
    /// As partitions, but returns a result in place of an exception.
    result<std::int32_t> try_partitions(const std::string &topic)
    {
        return number(stargate_admin_partitions, topic.c_str());
    }
    /// Deletes a topic with all its partitions, messages and subscriptions. A topic with connected clients is
    /// status::busy, unless `force` disconnects them.
    void delete_topic(const std::string &topic, bool force = false) { try_delete_topic(topic, force).value(); }
    /// As delete_topic, but returns a result in place of an exception.
    result<void> try_delete_topic(const std::string &topic, bool force = false)
    {
        return done(stargate_admin_delete_topic, topic.c_str(), static_cast<std::int32_t>(force));
    }
    /// Terminates a topic: nothing can be published any more. Returns the id of the last message of the topic, or of
    /// each of its partitions; none for an empty one.
    std::vector<std::optional<std::string>> terminate_topic(const std::string &topic)
    {
        return try_terminate_topic(topic).value();
    }
    /// As terminate_topic, but returns a result in place of an exception.
    result<std::vector<std::optional<std::string>>> try_terminate_topic(const std::string &topic)
    {
        return list<std::optional<std::string>>(stargate_admin_terminate_topic, topic.c_str());
    }
    /// Starts the compaction of a topic, or of all its partitions.
    void compact_topic(const std::string &topic) { try_compact_topic(topic).value(); }
    /// As compact_topic, but returns a result in place of an exception.
    result<void> try_compact_topic(const std::string &topic)
    {
        return done(stargate_admin_compact_topic, topic.c_str());
    }
    /// Returns how far a compaction is, in JSON: status and lastError. For a partitioned topic, query each partition.
    std::string compaction_status(const std::string &topic) { return try_compaction_status(topic).value(); }
    /// As compaction_status, but returns a result in place of an exception.
    result<std::string> try_compaction_status(const std::string &topic)
    {
        return text(stargate_admin_compaction_status, topic.c_str());
    }
    /// Unloads a topic from its broker; the next use loads it again, maybe on another broker.
    void unload_topic(const std::string &topic) { try_unload_topic(topic).value(); }
    /// As unload_topic, but returns a result in place of an exception.
    result<void> try_unload_topic(const std::string &topic) { return done(stargate_admin_unload_topic, topic.c_str()); }
    /// Acknowledges everything for all subscriptions, and deletes all stored ledgers except the one being written.
    void truncate_topic(const std::string &topic) { try_truncate_topic(topic).value(); }
    /// As truncate_topic, but returns a result in place of an exception.
    result<void> try_truncate_topic(const std::string &topic)
    {
        return done(stargate_admin_truncate_topic, topic.c_str());
    }
    /// Returns the statistics of a topic, or of all its partitions together and of each, in the broker's JSON.
    std::string topic_stats(const std::string &topic) { return try_topic_stats(topic).value(); }
    /// As topic_stats, but returns a result in place of an exception.
    result<std::string> try_topic_stats(const std::string &topic)
    {
        return text(stargate_admin_topic_stats, topic.c_str());
    }
    /// Returns how the broker stores a topic, or each of its partitions, in the broker's JSON.
    std::string internal_stats(const std::string &topic) { return try_internal_stats(topic).value(); }
    /// As internal_stats, but returns a result in place of an exception.
    result<std::string> try_internal_stats(const std::string &topic)
    {
        return text(stargate_admin_internal_stats, topic.c_str());
    }

    // Stored messages.

    /// Returns the id of the last message; none if the topic has none. For a partitioned topic, query each partition.
    std::optional<std::string> last_message_id(const std::string &topic) { return try_last_message_id(topic).value(); }
    /// As last_message_id, but returns a result in place of an exception.
    result<std::optional<std::string>> try_last_message_id(const std::string &topic)
    {
        return optional_text(stargate_admin_last_message_id, topic.c_str());
    }
    /// Returns the id of the first message published at `time_ms` (milliseconds since 1970 UTC) or later; if there is
    /// none, of the position after the last message.
    std::optional<std::string> message_id_at(const std::string &topic, std::int64_t time_ms)
    {
        return try_message_id_at(topic, time_ms).value();
    }
    /// As message_id_at, but returns a result in place of an exception.
    result<std::optional<std::string>> try_message_id_at(const std::string &topic, std::int64_t time_ms)
    {
        return optional_text(stargate_admin_message_id_at, topic.c_str(), time_ms);
    }
    /// Returns the messages of the entry that holds a message: the message itself, or its batch. It returns at most
    /// `max`.
    std::vector<message> read_entry(const std::string &topic, const std::string &message_id, std::size_t max = 1000)
    {
        return try_read_entry(topic, message_id, max).value();
    }
    /// As read_entry, but returns a result in place of an exception.
    result<std::vector<message>> try_read_entry(const std::string &topic, const std::string &message_id,
                                                std::size_t max = 1000)
    {
        return messages(max, stargate_admin_read_entry, topic.c_str(), message_id.c_str());
    }
    /// Returns the messages of the entry at `nth`, counted from 1 at "earliest" or "latest"; none if the topic has
    /// none. It returns at most `max`.
    std::vector<message> examine_message(const std::string &topic, const std::string &start, std::int64_t nth = 1,
                                         std::size_t max = 1000)
    {
        return try_examine_message(topic, start, nth, max).value();
    }
    /// As examine_message, but returns a result in place of an exception.
    result<std::vector<message>> try_examine_message(const std::string &topic, const std::string &start,
                                                     std::int64_t nth = 1, std::size_t max = 1000)
    {
        return messages(max, stargate_admin_examine_message, topic.c_str(), start.c_str(), nth);
    }

    // Subscriptions. A position is "earliest", "latest" or a message id; with `after`, the one after that message.

    /// Returns the names of the subscriptions of a topic, of all its partitions together.
    std::vector<std::string> subscriptions(const std::string &topic) { return try_subscriptions(topic).value(); }
    /// As subscriptions, but returns a result in place of an exception.
    result<std::vector<std::string>> try_subscriptions(const std::string &topic)
    {
        return names(stargate_admin_subscriptions, topic.c_str());
    }
    /// Creates a subscription that starts at `position`.
    void create_subscription(const std::string &topic, const std::string &subscription,
                             const std::string &position = "latest", bool after = false)
    {
        try_create_subscription(topic, subscription, position, after).value();
    }
    /// As create_subscription, but returns a result in place of an exception.
    result<void> try_create_subscription(const std::string &topic, const std::string &subscription,
                                         const std::string &position = "latest", bool after = false)
    {
        return done(stargate_admin_create_subscription, topic.c_str(), subscription.c_str(), position.c_str(),
                    static_cast<std::int32_t>(after));
    }
    /// As create_subscription, but only if it does not exist; returns whether it was created.
    bool ensure_subscription(const std::string &topic, const std::string &subscription,
                             const std::string &position = "latest", bool after = false)
    {
        return try_ensure_subscription(topic, subscription, position, after).value();
    }
    /// As ensure_subscription, but returns a result in place of an exception.
    result<bool> try_ensure_subscription(const std::string &topic, const std::string &subscription,
                                         const std::string &position = "latest", bool after = false)
    {
        return truth(stargate_admin_ensure_subscription, topic.c_str(), subscription.c_str(), position.c_str(),
                     static_cast<std::int32_t>(after));
    }
    /// Deletes a subscription. One with consumers is status::busy, unless `force` disconnects them.
    void delete_subscription(const std::string &topic, const std::string &subscription, bool force = false)
    {
        try_delete_subscription(topic, subscription, force).value();
    }
    /// As delete_subscription, but returns a result in place of an exception.
    result<void> try_delete_subscription(const std::string &topic, const std::string &subscription, bool force = false)
    {
        return done(stargate_admin_delete_subscription, topic.c_str(), subscription.c_str(),
                    static_cast<std::int32_t>(force));
    }
    /// Moves a subscription to `position`. Its consumers reconnect by themselves. Batches are indivisible: a seek to
    /// any message in one starts at its first.
    void seek(const std::string &topic, const std::string &subscription, const std::string &position,
              bool after = false)
    {
        try_seek(topic, subscription, position, after).value();
    }
    /// As seek, but returns a result in place of an exception.
    result<void> try_seek(const std::string &topic, const std::string &subscription, const std::string &position,
                          bool after = false)
    {
        return done(stargate_admin_seek, topic.c_str(), subscription.c_str(), position.c_str(),
                    static_cast<std::int32_t>(after));
    }
    /// Moves a subscription to the first message that was published at `time_ms` (milliseconds since 1970 UTC) or
    /// later.
    void seek_time(const std::string &topic, const std::string &subscription, std::int64_t time_ms)
    {
        try_seek_time(topic, subscription, time_ms).value();
    }
    /// As seek_time, but returns a result in place of an exception.
    result<void> try_seek_time(const std::string &topic, const std::string &subscription, std::int64_t time_ms)
    {
        return done(stargate_admin_seek_time, topic.c_str(), subscription.c_str(), time_ms);
    }
    /// Skips the next entries of a subscription; a batch is one. Not for topics with partitions.
    void skip(const std::string &topic, const std::string &subscription, std::int64_t entries)
    {
        try_skip(topic, subscription, entries).value();
    }
    /// As skip, but returns a result in place of an exception.
    result<void> try_skip(const std::string &topic, const std::string &subscription, std::int64_t entries)
    {
        return done(stargate_admin_skip, topic.c_str(), subscription.c_str(), entries);
    }
    /// Skips everything stored, for a subscription.
    void skip_all(const std::string &topic, const std::string &subscription)
    {
        try_skip_all(topic, subscription).value();
    }
    /// As skip_all, but returns a result in place of an exception.
    result<void> try_skip_all(const std::string &topic, const std::string &subscription)
    {
        return done(stargate_admin_skip_all, topic.c_str(), subscription.c_str());
    }
    /// Acknowledges all older messages for a subscription; the broker does so after it answers. Returns false if it
    /// does not begin, because no message is old enough or it is already doing so.
    bool expire_messages(const std::string &topic, const std::string &subscription, std::chrono::seconds older_than)
    {
        return try_expire_messages(topic, subscription, older_than).value();
    }
    /// As expire_messages, but returns a result in place of an exception.
    result<bool> try_expire_messages(const std::string &topic, const std::string &subscription,
                                     std::chrono::seconds older_than)
    {
        return truth(stargate_admin_expire_messages, topic.c_str(), subscription.c_str(),
                     static_cast<std::int64_t>(older_than.count()));
    }
    /// As expire_messages, but up to a message, inclusive.
    bool expire_messages_until(const std::string &topic, const std::string &subscription, const std::string &message_id)
    {
        return try_expire_messages_until(topic, subscription, message_id).value();
    }
    /// As expire_messages_until, but returns a result in place of an exception.
    result<bool> try_expire_messages_until(const std::string &topic, const std::string &subscription,
                                           const std::string &message_id)
    {
        return truth(stargate_admin_expire_messages_until, topic.c_str(), subscription.c_str(), message_id.c_str());
    }
    /// As expire_messages, but for all subscriptions of a topic.
    bool expire_all_messages(const std::string &topic, std::chrono::seconds older_than)
    {
        return try_expire_all_messages(topic, older_than).value();
    }
    /// As expire_all_messages, but returns a result in place of an exception.
    result<bool> try_expire_all_messages(const std::string &topic, std::chrono::seconds older_than)
    {
        return truth(stargate_admin_expire_all_messages, topic.c_str(), static_cast<std::int64_t>(older_than.count()));
    }
    /// Returns what the backlog of a subscription holds, in the broker's JSON: entries, messages, aborted and others.
    /// The broker reads the whole backlog to count, which can take long.
    std::string analyze_backlog(const std::string &topic, const std::string &subscription)
    {
        return try_analyze_backlog(topic, subscription).value();
    }
    /// As analyze_backlog, but returns a result in place of an exception.
    result<std::string> try_analyze_backlog(const std::string &topic, const std::string &subscription)
    {
        return text(stargate_admin_analyze_backlog, topic.c_str(), subscription.c_str());
    }
    // Schemas. One to upload is an object in JSON: type, such as "AVRO", schema, which is the definition, and
    // properties.

    /// Returns a version of the schema of a topic in JSON: version, type, timestamp, data and properties. -1 is the
    /// newest.
    std::string schema(const std::string &topic, std::int64_t version = -1)
    {
        return try_schema(topic, version).value();
    }
    /// As schema, but returns a result in place of an exception.
    result<std::string> try_schema(const std::string &topic, std::int64_t version = -1)
    {
        return text(stargate_admin_schema, topic.c_str(), version);
    }
    /// Returns all versions of the schema of a topic, the oldest first, as a JSON array.
    std::string schemas(const std::string &topic) { return try_schemas(topic).value(); }
    /// As schemas, but returns a result in place of an exception.
    result<std::string> try_schemas(const std::string &topic) { return text(stargate_admin_schemas, topic.c_str()); }
    /// Uploads a schema as the next version of the schema of a topic, and returns its version.
    std::int32_t upload_schema(const std::string &topic, const std::string &schema)
    {
        return try_upload_schema(topic, schema).value();
    }
    /// As upload_schema, but returns a result in place of an exception.
    result<std::int32_t> try_upload_schema(const std::string &topic, const std::string &schema)
    {
        return number(stargate_admin_upload_schema, topic.c_str(), schema.c_str());
    }
    /// Deletes all versions of the schema of a topic.
    void delete_schema(const std::string &topic) { try_delete_schema(topic).value(); }
    /// As delete_schema, but returns a result in place of an exception.
    result<void> try_delete_schema(const std::string &topic)
    {
        return done(stargate_admin_delete_schema, topic.c_str());
    }
    /// Returns whether a schema may become the next version of the schema of a topic, in JSON: compatibility,
    /// schemaCompatibilityStrategy, and reason if it may not.
    std::string test_schema_compatibility(const std::string &topic, const std::string &schema)
    {
        return try_test_schema_compatibility(topic, schema).value();
    }
    /// As test_schema_compatibility, but returns a result in place of an exception.
    result<std::string> try_test_schema_compatibility(const std::string &topic, const std::string &schema)
    {
        return text(stargate_admin_test_schema_compatibility, topic.c_str(), schema.c_str());
    }
    /// Returns the next messages that a subscription has not acknowledged, at most `max`, without consuming them. It
    /// takes one request for each entry.
    std::vector<message> peek(const std::string &topic, const std::string &subscription, std::size_t max = 1)
    {
        return try_peek(topic, subscription, max).value();
    }
    /// As peek, but returns a result in place of an exception.
    result<std::vector<message>> try_peek(const std::string &topic, const std::string &subscription,
                                          std::size_t max = 1)
    {
        return messages(max, stargate_admin_peek, topic.c_str(), subscription.c_str());
    }
    /// Returns the messages of the entry at `nth`, counted from 1, among those that a subscription has not
    /// acknowledged, without consuming them. It is one message, or the first `max` of a batch; none past the end. For a
    /// partitioned topic, query each partition.
    std::vector<message> peek_entry(const std::string &topic, const std::string &subscription, std::int64_t nth,
                                    std::size_t max = 1000)
    {
        return try_peek_entry(topic, subscription, nth, max).value();
    }
    /// As peek_entry, but returns a result in place of an exception.
    result<std::vector<message>> try_peek_entry(const std::string &topic, const std::string &subscription,
                                                std::int64_t nth, std::size_t max = 1000)
    {
        return messages(max, stargate_admin_peek_entry, topic.c_str(), subscription.c_str(), nth);
    }
    /// Returns the properties of a subscription, as a JSON object of texts.
    std::string subscription_properties(const std::string &topic, const std::string &subscription)
    {
        return try_subscription_properties(topic, subscription).value();
    }
    /// As subscription_properties, but returns a result in place of an exception.
    result<std::string> try_subscription_properties(const std::string &topic, const std::string &subscription)
    {
        return text(stargate_admin_subscription_properties, topic.c_str(), subscription.c_str());
    }
    /// Replaces the properties of a subscription.
    void set_subscription_properties(const std::string &topic, const std::string &subscription,
                                     const std::vector<std::pair<std::string, std::string>> &properties)
    {
        try_set_subscription_properties(topic, subscription, properties).value();
    }
    /// As set_subscription_properties, but returns a result in place of an exception.
    result<void> try_set_subscription_properties(const std::string &topic, const std::string &subscription,
                                                 const std::vector<std::pair<std::string, std::string>> &properties)
    {
        std::vector<stargate_property> raw;
        for (const auto &[key, value] : properties)
            raw.push_back({key.c_str(), value.c_str()});
        return done(stargate_admin_set_subscription_properties, topic.c_str(), subscription.c_str(),
                    static_cast<const stargate_property *>(raw.data()), raw.size());
    }

private:
    static const char *or_null(const std::string &text) noexcept { return text.empty() ? nullptr : text.c_str(); }

    template <class Function, class... Arguments>
    result<void> done(Function function, Arguments... arguments)
    {
        return detail::attempt(
            [&](stargate_error **error) { return function(client_, arguments..., detail::ms(timeout_), error); });
    }

    template <class Function, class... Arguments>
    result<std::int32_t> number(Function function, Arguments... arguments)
    {
        std::int32_t number = 0;
        auto failed = detail::failure([&](stargate_error **error) {
            return function(client_, arguments..., detail::ms(timeout_), &number, error);
        });
        if (failed)
            return std::move(*failed);
        return number;
    }

    template <class Function, class... Arguments>
    result<bool> truth(Function function, Arguments... arguments)
    {
        const auto answer = number(function, arguments...);
        if (!answer)
            return answer.error();
        return *answer != 0;
    }

    template <class Function, class... Arguments>
    result<std::optional<std::string>> optional_text(Function function, Arguments... arguments)
    {
        char *text = nullptr;
        auto failed = detail::failure([&](stargate_error **error) {
            return function(client_, arguments..., detail::ms(timeout_), &text, error);
        });
        if (failed)
            return std::move(*failed);
        const std::unique_ptr<char, void (*)(char *)> owner(text, stargate_string_free);
        return text == nullptr ? std::nullopt : std::optional<std::string>(text);
    }

    template <class Function, class... Arguments>
    result<std::string> text(Function function, Arguments... arguments)
    {
        return detail::text_of([&](char **text, stargate_error **error) {
            return function(client_, arguments..., detail::ms(timeout_), text, error);
        });
    }

    template <class Item, class Function, class... Arguments>
    result<std::vector<Item>> list(Function function, Arguments... arguments)
    {
        stargate_strings *raw = nullptr;
        auto failed = detail::failure(
            [&](stargate_error **error) { return function(client_, arguments..., detail::ms(timeout_), &raw, error); });
        if (failed)
            return std::move(*failed);
        const std::unique_ptr<stargate_strings, void (*)(stargate_strings *)> owner(raw, stargate_strings_free);
        std::vector<Item> items;
        for (std::size_t i = 0; i < stargate_strings_count(raw); i++) {
            const stargate_str item = stargate_strings_get(raw, i);
            if (item.ptr == nullptr)
                items.emplace_back();
            else
                items.emplace_back(std::string(item.ptr, item.len));
        }
        return items;
    }

    template <class Function, class... Arguments>
    result<std::vector<std::string>> names(Function function, Arguments... arguments)
    {
        return list<std::string>(function, arguments...);
    }

    template <class Function, class... Arguments>
    result<std::vector<message>> messages(std::size_t max, Function function, Arguments... arguments)
    {
        std::vector<stargate_message *> raw(max);
        std::size_t count = 0;
        auto failed = detail::failure([&](stargate_error **error) {
            return function(client_, arguments..., detail::ms(timeout_), max, raw.data(), &count, error);
        });
        if (failed)
            return std::move(*failed);
        return std::vector<message>(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(count));
    }

    stargate_client *client_;
    milliseconds timeout_;
};

} // namespace stargate

#endif
