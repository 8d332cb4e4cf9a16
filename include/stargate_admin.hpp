/*
 * stargate_admin.hpp: Pulsar's REST API in C++17, over the stargate_admin_ functions of stargate.h.
 *
 *     stargate::admin admin(client);
 *     admin.ensure_partitioned_topic("orders", 4).value();
 *     admin.seek("orders", "billing", "earliest").value();
 *
 * A call has the name of its function in C, which says what it does. What is JSON there is JSON here, as text; a bool
 * or a number that is not set is none.
 */
#ifndef STARGATE_ADMIN_HPP
#define STARGATE_ADMIN_HPP

#include "stargate.hpp"

namespace stargate {

/// Pulsar's REST API through a client, which has to live as long as this.
class admin {
public:
    /// Every call may take `timeout`; without one, what the option admin_timeout says for a request.
    explicit admin(const client &client, milliseconds timeout = forever) noexcept
        : client_(client.get()),
          timeout_(timeout)
    {
    }

    /// A request that has no function here: ("GET", "bookies/all"). The answer's body.
    result<std::string> request(const std::string &method, const std::string &path,
                                const std::optional<std::string> &body = std::nullopt)
    {
        return detail::text_of([&](char **text, stargate_error **error) {
            std::int32_t http_status = 0;
            return stargate_admin_request(client_, method.c_str(), path.c_str(), body ? body->c_str() : nullptr,
                                          timeout_.count(), &http_status, text, error);
        });
    }

    result<std::vector<std::string>> clusters() { return names(stargate_admin_clusters); }
    result<std::string> broker_version() { return text(stargate_admin_broker_version); }
    result<void> check_health() { return done(stargate_admin_check_health); }

    // Tenants. Roles and clusters are names after commas; empty is nobody besides the superusers, and all clusters.

    result<std::vector<std::string>> tenants() { return names(stargate_admin_tenants); }
    result<std::string> tenant(const std::string &name) { return text(stargate_admin_tenant, name.c_str()); }
    result<void> create_tenant(const std::string &name, const std::string &roles = {}, const std::string &clusters = {})
    {
        return done(stargate_admin_create_tenant, name.c_str(), or_null(roles), or_null(clusters));
    }
    result<void> update_tenant(const std::string &name, const std::string &roles = {}, const std::string &clusters = {})
    {
        return done(stargate_admin_update_tenant, name.c_str(), or_null(roles), or_null(clusters));
    }
    result<void> delete_tenant(const std::string &name) { return done(stargate_admin_delete_tenant, name.c_str()); }
    /// Whether it was made.
    result<bool> ensure_tenant(const std::string &name, const std::string &roles = {}, const std::string &clusters = {})
    {
        return truth(stargate_admin_ensure_tenant, name.c_str(), or_null(roles), or_null(clusters));
    }

    // Namespaces, as "tenant/namespace", and their policies.

    result<std::vector<std::string>> namespaces(const std::string &tenant)
    {
        return names(stargate_admin_namespaces, tenant.c_str());
    }
    result<std::string> namespace_policies(const std::string &name)
    {
        return text(stargate_admin_namespace_policies, name.c_str());
    }
    result<void> create_namespace(const std::string &name, std::int32_t bundles = 0)
    {
        return done(stargate_admin_create_namespace, name.c_str(), bundles);
    }
    result<void> delete_namespace(const std::string &name)
    {
        return done(stargate_admin_delete_namespace, name.c_str());
    }
    /// Whether it was made.
    result<bool> ensure_namespace(const std::string &name)
    {
        return truth(stargate_admin_ensure_namespace, name.c_str());
    }
    result<std::optional<std::string>> retention(const std::string &name)
    {
        return optional_text(stargate_admin_retention, name.c_str());
    }
    result<void> set_retention(const std::string &name, std::int64_t minutes, std::int64_t megabytes)
    {
        return done(stargate_admin_set_retention, name.c_str(), minutes, megabytes);
    }
    result<std::optional<std::chrono::seconds>> message_ttl(const std::string &name)
    {
        const auto set = number(stargate_admin_message_ttl, name.c_str());
        if (!set)
            return set.error();
        return *set < 0 ? std::nullopt : std::optional<std::chrono::seconds>(*set);
    }
    result<void> set_message_ttl(const std::string &name, std::chrono::seconds ttl)
    {
        return done(stargate_admin_set_message_ttl, name.c_str(), static_cast<std::int64_t>(ttl.count()));
    }
    result<std::optional<bool>> deduplication(const std::string &name)
    {
        const auto set = number(stargate_admin_deduplication, name.c_str());
        if (!set)
            return set.error();
        return *set < 0 ? std::nullopt : std::optional<bool>(*set != 0);
    }
    result<void> set_deduplication(const std::string &name, bool enabled)
    {
        return done(stargate_admin_set_deduplication, name.c_str(), static_cast<std::int32_t>(enabled));
    }
    result<std::string> backlog_quotas(const std::string &name)
    {
        return text(stargate_admin_backlog_quotas, name.c_str());
    }
    result<void> set_backlog_quota(const std::string &name, const std::string &kind, std::int64_t limit,
                                   const std::string &policy)
    {
        return done(stargate_admin_set_backlog_quota, name.c_str(), kind.c_str(), limit, policy.c_str());
    }
    result<void> remove_policy(const std::string &name, const std::string &policy)
    {
        return done(stargate_admin_remove_policy, name.c_str(), policy.c_str());
    }

    // Topics.

    result<std::vector<std::string>> topics(const std::string &in_namespace, bool persistent = true)
    {
        return names(stargate_admin_topics, in_namespace.c_str(), static_cast<std::int32_t>(persistent));
    }
    result<std::vector<std::string>> partitioned_topics(const std::string &in_namespace, bool persistent = true)
    {
        return names(stargate_admin_partitioned_topics, in_namespace.c_str(), static_cast<std::int32_t>(persistent));
    }
    /// Calls `visit(const std::string &topic) -> bool` for all topics of a tenant, or of all of them, a namespace at a
    /// time, for as long as it returns true. What it throws goes no further, and ends the walk.
    template <class F>
    result<void> walk_topics(const std::optional<std::string> &tenant, F &&visit)
    {
        using Visit = std::remove_reference_t<F>;
        Visit *called = &visit;
        const auto show = [](void *data, stargate_str topic) -> std::int32_t {
            return detail::guarded(
                [&] { return (**static_cast<Visit **>(data))(std::string(topic.ptr, topic.len)) ? 0 : 1; }, 1);
        };
        return detail::attempt([&](stargate_error **error) {
            return stargate_admin_walk_topics(client_, tenant ? tenant->c_str() : nullptr, timeout_.count(), show,
                                              &called, error);
        });
    }
    result<void> create_topic(const std::string &topic) { return done(stargate_admin_create_topic, topic.c_str()); }
    result<void> create_partitioned_topic(const std::string &topic, std::int32_t partitions)
    {
        return done(stargate_admin_create_partitioned_topic, topic.c_str(), partitions);
    }
    /// Whether it was made.
    result<bool> ensure_topic(const std::string &topic) { return truth(stargate_admin_ensure_topic, topic.c_str()); }
    /// Whether it was made.
    result<bool> ensure_partitioned_topic(const std::string &topic, std::int32_t partitions)
    {
        return truth(stargate_admin_ensure_partitioned_topic, topic.c_str(), partitions);
    }
    result<void> grow_partitions(const std::string &topic, std::int32_t partitions)
    {
        return done(stargate_admin_grow_partitions, topic.c_str(), partitions);
    }
    /// 0 for a topic without.
    result<std::int32_t> partitions(const std::string &topic)
    {
        return number(stargate_admin_partitions, topic.c_str());
    }
    result<void> delete_topic(const std::string &topic, bool force = false)
    {
        return done(stargate_admin_delete_topic, topic.c_str(), static_cast<std::int32_t>(force));
    }
    /// The id of the last message of the topic, or of each of its partitions; none of an empty one.
    result<std::vector<std::optional<std::string>>> terminate_topic(const std::string &topic)
    {
        return list<std::optional<std::string>>(stargate_admin_terminate_topic, topic.c_str());
    }
    result<void> compact_topic(const std::string &topic) { return done(stargate_admin_compact_topic, topic.c_str()); }
    result<std::string> compaction_status(const std::string &topic)
    {
        return text(stargate_admin_compaction_status, topic.c_str());
    }
    result<void> unload_topic(const std::string &topic) { return done(stargate_admin_unload_topic, topic.c_str()); }
    result<void> truncate_topic(const std::string &topic) { return done(stargate_admin_truncate_topic, topic.c_str()); }
    result<std::string> topic_stats(const std::string &topic)
    {
        return text(stargate_admin_topic_stats, topic.c_str());
    }
    result<std::string> internal_stats(const std::string &topic)
    {
        return text(stargate_admin_internal_stats, topic.c_str());
    }

    // Stored messages.

    result<std::optional<std::string>> last_message_id(const std::string &topic)
    {
        return optional_text(stargate_admin_last_message_id, topic.c_str());
    }
    /// Of the first message that was published at that time (milliseconds since 1970 UTC) or later.
    result<std::optional<std::string>> message_id_at(const std::string &topic, std::int64_t time_ms)
    {
        return optional_text(stargate_admin_message_id_at, topic.c_str(), time_ms);
    }
    /// The messages of the entry that holds a message.
    result<std::vector<message>> read_entry(const std::string &topic, const std::string &message_id,
                                            std::size_t max = 1000)
    {
        return messages(max, stargate_admin_read_entry, topic.c_str(), message_id.c_str());
    }
    /// The messages of the entry at `nth`, counted from 1 at "earliest" or "latest".
    result<std::vector<message>> examine_message(const std::string &topic, const std::string &start,
                                                 std::int64_t nth = 1, std::size_t max = 1000)
    {
        return messages(max, stargate_admin_examine_message, topic.c_str(), start.c_str(), nth);
    }

    // Subscriptions. A position is "earliest", "latest" or a message id, with `after` behind that message.

    result<std::vector<std::string>> subscriptions(const std::string &topic)
    {
        return names(stargate_admin_subscriptions, topic.c_str());
    }
    result<void> create_subscription(const std::string &topic, const std::string &subscription,
                                     const std::string &position = "latest", bool after = false)
    {
        return done(stargate_admin_create_subscription, topic.c_str(), subscription.c_str(), position.c_str(),
                    static_cast<std::int32_t>(after));
    }
    /// Whether it was made.
    result<bool> ensure_subscription(const std::string &topic, const std::string &subscription,
                                     const std::string &position = "latest", bool after = false)
    {
        return truth(stargate_admin_ensure_subscription, topic.c_str(), subscription.c_str(), position.c_str(),
                     static_cast<std::int32_t>(after));
    }
    result<void> delete_subscription(const std::string &topic, const std::string &subscription, bool force = false)
    {
        return done(stargate_admin_delete_subscription, topic.c_str(), subscription.c_str(),
                    static_cast<std::int32_t>(force));
    }
    result<void> seek(const std::string &topic, const std::string &subscription, const std::string &position,
                      bool after = false)
    {
        return done(stargate_admin_seek, topic.c_str(), subscription.c_str(), position.c_str(),
                    static_cast<std::int32_t>(after));
    }
    result<void> seek_time(const std::string &topic, const std::string &subscription, std::int64_t time_ms)
    {
        return done(stargate_admin_seek_time, topic.c_str(), subscription.c_str(), time_ms);
    }
    result<void> skip(const std::string &topic, const std::string &subscription, std::int64_t entries)
    {
        return done(stargate_admin_skip, topic.c_str(), subscription.c_str(), entries);
    }
    result<void> skip_all(const std::string &topic, const std::string &subscription)
    {
        return done(stargate_admin_skip_all, topic.c_str(), subscription.c_str());
    }
    /// Whether the broker begins.
    result<bool> expire_messages(const std::string &topic, const std::string &subscription,
                                 std::chrono::seconds older_than)
    {
        return truth(stargate_admin_expire_messages, topic.c_str(), subscription.c_str(),
                     static_cast<std::int64_t>(older_than.count()));
    }
    result<bool> expire_messages_until(const std::string &topic, const std::string &subscription,
                                       const std::string &message_id)
    {
        return truth(stargate_admin_expire_messages_until, topic.c_str(), subscription.c_str(), message_id.c_str());
    }
    /// Of every subscription of the topic.
    result<bool> expire_all_messages(const std::string &topic, std::chrono::seconds older_than)
    {
        return truth(stargate_admin_expire_all_messages, topic.c_str(), static_cast<std::int64_t>(older_than.count()));
    }
    /// What is in the backlog, counted by the broker, in its JSON. It can take long.
    result<std::string> analyze_backlog(const std::string &topic, const std::string &subscription)
    {
        return text(stargate_admin_analyze_backlog, topic.c_str(), subscription.c_str());
    }
    /// The messages that the subscription gets next, without taking them.
    result<std::vector<message>> peek(const std::string &topic, const std::string &subscription, std::size_t max = 1)
    {
        return messages(max, stargate_admin_peek, topic.c_str(), subscription.c_str());
    }
    /// The messages of the entry at `nth`, counted from 1: one, or a batch; none past the end.
    result<std::vector<message>> peek_entry(const std::string &topic, const std::string &subscription, std::int64_t nth,
                                            std::size_t max = 1000)
    {
        return messages(max, stargate_admin_peek_entry, topic.c_str(), subscription.c_str(), nth);
    }
    result<std::string> subscription_properties(const std::string &topic, const std::string &subscription)
    {
        return text(stargate_admin_subscription_properties, topic.c_str(), subscription.c_str());
    }
    result<void> set_subscription_properties(const std::string &topic, const std::string &subscription,
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
            [&](stargate_error **error) { return function(client_, arguments..., timeout_.count(), error); });
    }

    template <class Function, class... Arguments>
    result<std::int32_t> number(Function function, Arguments... arguments)
    {
        std::int32_t number = 0;
        auto failed = detail::failure(
            [&](stargate_error **error) { return function(client_, arguments..., timeout_.count(), &number, error); });
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
        auto failed = detail::failure(
            [&](stargate_error **error) { return function(client_, arguments..., timeout_.count(), &text, error); });
        if (failed)
            return std::move(*failed);
        const std::unique_ptr<char, void (*)(char *)> owner(text, stargate_string_free);
        return text == nullptr ? std::nullopt : std::optional<std::string>(text);
    }

    template <class Function, class... Arguments>
    result<std::string> text(Function function, Arguments... arguments)
    {
        return detail::text_of([&](char **text, stargate_error **error) {
            return function(client_, arguments..., timeout_.count(), text, error);
        });
    }

    template <class Item, class Function, class... Arguments>
    result<std::vector<Item>> list(Function function, Arguments... arguments)
    {
        stargate_strings *raw = nullptr;
        auto failed = detail::failure(
            [&](stargate_error **error) { return function(client_, arguments..., timeout_.count(), &raw, error); });
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
            return function(client_, arguments..., timeout_.count(), max, raw.data(), &count, error);
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
