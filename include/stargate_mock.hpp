/*
 * stargate_mock.hpp: the mock broker of stargate_mock.h in C++17, for the tests of applications.
 *
 *     stargate::mock mock = stargate::mock::start().value();
 *     mock.fault("send", "orders", "drop-after").value();          // stored, and no receipt
 *     place_order(mock.url());                                     // what is tested
 *     mock.wait("send", "orders", 2).value();                      // so it was sent again
 *
 * Operations and faults are those of stargate_mock_fault. As stargate_mock.h, this header may change in a minor
 * version.
 */
#ifndef STARGATE_MOCK_HPP
#define STARGATE_MOCK_HPP

#include "stargate.hpp"
#include "stargate_mock.h"

namespace stargate {

/// How a mock broker is to be; what is left out is as a real broker has it.
struct mock_options {
    /// The port at 127.0.0.1; 0 is any free one.
    std::uint16_t port = 0;
    /// Whether connecting to a topic that is missing creates it.
    bool auto_create_topics = true;
    /// The token that may do everything; without one nobody has to authenticate.
    std::optional<std::string> token{};
    /// A token that is known and may do nothing (HTTP 403).
    std::optional<std::string> forbidden_token{};
    /// Serve TLS with this certificate chain and its key (PEM files).
    std::optional<std::string> tls_cert_file{};
    std::optional<std::string> tls_key_file{};
    /// Accept client certificates of this CA (PEM file) in place of a token.
    std::optional<std::string> tls_client_ca_file{};
    /// The user of HTTP Basic authentication that may do everything, and its password.
    std::optional<std::string> basic_user{};
    std::optional<std::string> basic_password{};
    /// Be an OAuth2 issuer with this client, at oauth2_issuer_url(), and accept its tokens.
    std::optional<std::string> oauth2_client_id{};
    std::optional<std::string> oauth2_client_secret{};
    /// Accept tokens of the issuer for this audience only.
    std::optional<std::string> oauth2_audience{};
    /// How long a token of the issuer is valid; 0 is an hour.
    milliseconds oauth2_token_life{0};
    /// Largest message in bytes; 0 is 1,048,576.
    std::size_t max_text_size = 0;
    /// Without traffic for this time the connection is closed with 1001; 0 is Pulsar's 300 s.
    milliseconds idle_timeout{0};
};

/// A message as the broker stored it.
struct stored_message {
    /// The full name of the topic; of a partitioned one, the partition.
    std::string topic;
    /// The id as a consumer gets it.
    std::string message_id;
    /// None for a null value, which only native clients send.
    std::optional<std::string> payload;
    std::optional<std::string> key;
    /// In the order of their names.
    std::vector<std::pair<std::string, std::string>> properties;
    /// Milliseconds since 1970 UTC; 0 when there is no such time.
    std::int64_t event_time_ms;
    std::int64_t publish_time_ms;
    /// Before this time shared and key_shared subscriptions do not deliver it.
    std::int64_t deliver_at_ms;
    std::string producer_name;
    std::int64_t sequence_id;
};

/// A Pulsar broker on a real socket at 127.0.0.1, in memory, that does on request what a real one does at the worst
/// moment. It ends with its handle.
class mock {
public:
    static mock start(const mock_options &options = {}) { return try_start(options).value(); }
    /// As start, with a result in place of an exception.
    static result<mock> try_start(const mock_options &options = {})
    {
        stargate_mock_options raw = STARGATE_MOCK_OPTIONS_INIT;
        const auto text = [](const std::optional<std::string> &from) {
            return from ? from->c_str() : nullptr;
        };
        raw.port = options.port;
        raw.no_auto_create_topics = options.auto_create_topics ? 0 : 1;
        raw.token = text(options.token);
        raw.forbidden_token = text(options.forbidden_token);
        raw.tls_cert_file = text(options.tls_cert_file);
        raw.tls_key_file = text(options.tls_key_file);
        raw.tls_client_ca_file = text(options.tls_client_ca_file);
        raw.basic_user = text(options.basic_user);
        raw.basic_password = text(options.basic_password);
        raw.oauth2_client_id = text(options.oauth2_client_id);
        raw.oauth2_client_secret = text(options.oauth2_client_secret);
        raw.oauth2_audience = text(options.oauth2_audience);
        raw.oauth2_token_life_ms = options.oauth2_token_life.count();
        raw.max_text_size = options.max_text_size;
        raw.idle_timeout_ms = options.idle_timeout.count();
        return detail::open<mock, stargate_mock>(
            [&](stargate_mock **out, stargate_error **error) { return stargate_mock_start(&raw, out, error); });
    }

    /// The service URL, for client.
    std::string url() const { return std::string(detail::view(stargate_mock_url(get()))); }
    /// The URL of the REST API.
    std::string http_url() const { return std::string(detail::view(stargate_mock_http_url(get()))); }
    /// The URL of the OAuth2 issuer that it is with oauth2_client_id.
    std::string oauth2_issuer_url() const { return std::string(detail::view(stargate_mock_oauth2_issuer_url(get()))); }

    /// Stores a message as if a producer had sent it; its id.
    std::string publish(const std::string &topic, const outgoing &message)
    {
        return try_publish(topic, message).value();
    }
    /// As publish, with a result in place of an exception.
    result<std::string> try_publish(const std::string &topic, const outgoing &message)
    {
        const detail::raw_outgoing raw(message);
        return detail::text_of([&](char **text, stargate_error **error) {
            return stargate_mock_publish(get(), topic.c_str(), raw.get(), text, error);
        });
    }

    /// Everything that a topic holds, acknowledged or not.
    std::vector<stored_message> messages(const std::string &topic) const { return try_messages(topic).value(); }
    /// As messages, with a result in place of an exception.
    result<std::vector<stored_message>> try_messages(const std::string &topic) const
    {
        // An exception must not cross the frames of the library, so it waits here until they are gone.
        struct collected {
            std::vector<stored_message> messages{};
            bool whole = true;
        } all;
        const auto visit = [](void *into, const stargate_mock_message *from) noexcept {
            auto *all = static_cast<collected *>(into);
            all->whole &= detail::guarded([&] { return all->messages.push_back(copy_of(*from)), true; }, false);
        };
        auto failed = detail::failure([&](stargate_error **error) {
            return stargate_mock_messages(get(), topic.c_str(), visit, &all, nullptr, error);
        });
        if (failed)
            return std::move(*failed);
        if (!all.whole)
            return error(status::internal, "there is not enough memory for the messages of " + topic);
        return std::move(all.messages);
    }

    /// How many messages (a batch counts as one) a subscription has not acknowledged.
    std::size_t backlog(const std::string &topic, const std::string &subscription) const
    {
        return try_backlog(topic, subscription).value();
    }
    /// As backlog, with a result in place of an exception.
    result<std::size_t> try_backlog(const std::string &topic, const std::string &subscription) const
    {
        return number([&](std::size_t *out, stargate_error **error) {
            return stargate_mock_backlog(get(), topic.c_str(), subscription.c_str(), out, error);
        });
    }

    /// Creates a namespace ("tenant/namespace") and its tenant.
    void create_namespace(const std::string &name) { try_create_namespace(name).value(); }
    /// As create_namespace, with a result in place of an exception.
    result<void> try_create_namespace(const std::string &name)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_mock_create_namespace(get(), name.c_str(), error); });
    }
    /// Creates a topic with partitions.
    void create_partitioned(const std::string &topic, std::uint32_t partitions)
    {
        try_create_partitioned(topic, partitions).value();
    }
    /// As create_partitioned, with a result in place of an exception.
    result<void> try_create_partitioned(const std::string &topic, std::uint32_t partitions)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_mock_create_partitioned(get(), topic.c_str(), partitions, error);
        });
    }
    /// Creates a durable subscription, so that messages can wait for a consumer that has not come yet.
    void create_subscription(const std::string &topic, const std::string &subscription, bool earliest = true)
    {
        try_create_subscription(topic, subscription, earliest).value();
    }
    /// As create_subscription, with a result in place of an exception.
    result<void> try_create_subscription(const std::string &topic, const std::string &subscription,
                                         bool earliest = true)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_mock_create_subscription(get(), topic.c_str(), subscription.c_str(), earliest ? 1 : 0,
                                                     error);
        });
    }
    /// Whether a namespace drops messages whose sequence id it has seen.
    void set_deduplication(const std::string &name, bool on) { try_set_deduplication(name, on).value(); }
    /// As set_deduplication, with a result in place of an exception.
    result<void> try_set_deduplication(const std::string &name, bool on)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_mock_set_deduplication(get(), name.c_str(), on ? 1 : 0, error);
        });
    }
    /// Ends a topic: nothing more can be sent to it.
    void terminate(const std::string &topic) { try_terminate(topic).value(); }
    /// As terminate, with a result in place of an exception.
    result<void> try_terminate(const std::string &topic)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_mock_terminate(get(), topic.c_str(), error); });
    }
    /// Deletes a topic by force.
    void delete_topic(const std::string &topic) { try_delete_topic(topic).value(); }
    /// As delete_topic, with a result in place of an exception.
    result<void> try_delete_topic(const std::string &topic)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_mock_delete_topic(get(), topic.c_str(), error); });
    }

    /// Scripts a fault: it happens the next `count` times that `op` happens on `topic` (nullptr: on any).
    void fault(const char *op, const char *topic, const char *fault, std::size_t count = 1)
    {
        try_fault(op, topic, fault, count).value();
    }
    /// As fault, with a result in place of an exception.
    result<void> try_fault(const char *op, const char *topic, const char *fault, std::size_t count = 1)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_mock_fault(get(), op, topic, fault, count, error); });
    }
    /// How many faults have not happened yet.
    std::size_t faults_left() const noexcept { return stargate_mock_faults_left(get()); }
    void clear_faults() { try_clear_faults().value(); }
    /// As clear_faults, with a result in place of an exception.
    result<void> try_clear_faults()
    {
        return detail::attempt([&](stargate_error **error) { return stargate_mock_clear_faults(get(), error); });
    }

    /// Takes the broker down or up again. Its data and its port stay.
    void set_up(bool up) { try_set_up(up).value(); }
    /// As set_up, with a result in place of an exception.
    result<void> try_set_up(bool up)
    {
        return detail::attempt([&](stargate_error **error) { return stargate_mock_set_up(get(), up ? 1 : 0, error); });
    }
    /// Drops the connections about a topic (nullptr: all of them); how many they were.
    std::size_t drop_connections(const char *topic = nullptr) { return try_drop_connections(topic).value(); }
    /// As drop_connections, with a result in place of an exception.
    result<std::size_t> try_drop_connections(const char *topic = nullptr)
    {
        return number([&](std::size_t *out, stargate_error **error) {
            return stargate_mock_drop_connections(get(), topic, out, error);
        });
    }
    /// How many WebSocket connections are open.
    std::size_t connections() const noexcept { return stargate_mock_connections(get()); }

    /// Waits until `op` has happened `at_least` times on `topic` (nullptr: on any).
    void wait(const char *op, const char *topic, std::size_t at_least, milliseconds timeout = milliseconds(5000))
    {
        try_wait(op, topic, at_least, timeout).value();
    }
    /// As wait, with a result in place of an exception.
    result<void> try_wait(const char *op, const char *topic, std::size_t at_least,
                          milliseconds timeout = milliseconds(5000))
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_mock_wait(get(), op, topic, at_least, timeout.count(), error);
        });
    }
    /// How often `op` has happened on `topic` (nullptr: on any).
    std::size_t count(const char *op, const char *topic = nullptr) const { return try_count(op, topic).value(); }
    /// As count, with a result in place of an exception.
    result<std::size_t> try_count(const char *op, const char *topic = nullptr) const
    {
        return number([&](std::size_t *out, stargate_error **error) {
            return stargate_mock_count(get(), op, topic, out, error);
        });
    }
    /// What clients did and got, as JSON.
    std::string requests_json() const { return try_requests_json().value(); }
    /// As requests_json, with a result in place of an exception.
    result<std::string> try_requests_json() const
    {
        return detail::text_of(
            [&](char **text, stargate_error **error) { return stargate_mock_requests_json(get(), text, error); });
    }
    /// Empties that list, and counts from zero again.
    void clear_requests() { try_clear_requests().value(); }
    /// As clear_requests, with a result in place of an exception.
    result<void> try_clear_requests()
    {
        return detail::attempt([&](stargate_error **error) { return stargate_mock_clear_requests(get(), error); });
    }

    explicit mock(stargate_mock *owned) noexcept : raw_(owned, stargate_mock_free) {}
    stargate_mock *get() const noexcept { return raw_.get(); }

private:
    static stored_message copy_of(const stargate_mock_message &from)
    {
        const auto text = [](stargate_str view) {
            return std::string(detail::view(view));
        };
        stored_message message{text(from.topic),
                               text(from.message_id),
                               std::nullopt,
                               std::nullopt,
                               {},
                               from.event_time_ms,
                               from.publish_time_ms,
                               from.deliver_at_ms,
                               text(from.producer_name),
                               from.sequence_id};
        if (from.payload.ptr != nullptr)
            message.payload.emplace(static_cast<const char *>(from.payload.ptr), from.payload.len);
        if (from.key.ptr != nullptr)
            message.key = text(from.key);
        for (std::size_t i = 0; i < from.property_count; i++)
            message.properties.emplace_back(from.properties[i].key, from.properties[i].value);
        return message;
    }

    template <class Call>
    static result<std::size_t> number(Call &&call)
    {
        std::size_t number = 0;
        if (auto failed = detail::failure([&](stargate_error **error) { return call(&number, error); }))
            return std::move(*failed);
        return number;
    }

    std::unique_ptr<stargate_mock, void (*)(stargate_mock *)> raw_;
};

} // namespace stargate

#endif
