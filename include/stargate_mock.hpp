/*
 * stargate_mock.hpp: the mock broker of stargate_mock.h in C++17, for the tests of applications.
 *
 *     stargate::mock mock = stargate::mock::start();
 *     mock.fault("send", "orders", "drop-after");                  // stored, and no receipt
 *     place_order(mock.url());                                     // what is tested
 *     mock.wait("send", "orders", 2);                              // so it was sent again
 *
 * Operations and faults are those of stargate_mock_fault. Like stargate_mock.h, this header may change in a minor
 * version.
 */
#ifndef STARGATE_MOCK_HPP
#define STARGATE_MOCK_HPP

#include "stargate.hpp"
#include "stargate_mock.h"

namespace stargate {

/// The options of a mock broker; what is not set has a real broker's default.
struct mock_options {
    /// The port at 127.0.0.1; 0 is any free one.
    std::uint16_t port = 0;
    /// Whether connecting to a topic that is missing creates it.
    bool auto_create_topics = true;
    /// Whether the broker accepts the compression of WebSockets (permessage-deflate) that clients offer.
    bool websocket_compression = true;
    /// The token that may do everything; without one, clients need not authenticate.
    std::optional<std::string> token{};
    /// A token that is known and may do nothing (HTTP 403).
    std::optional<std::string> forbidden_token{};
    /// Serves TLS with this certificate chain and its key (PEM files).
    std::optional<std::string> tls_cert_file{};
    std::optional<std::string> tls_key_file{};
    /// Accepts client certificates of this CA (PEM file) in place of a token.
    std::optional<std::string> tls_client_ca_file{};
    /// The user of HTTP Basic authentication that may do everything, and its password.
    std::optional<std::string> basic_user{};
    std::optional<std::string> basic_password{};
    /// Runs an OAuth2 issuer with this client, at oauth2_issuer_url(), and accepts its tokens.
    std::optional<std::string> oauth2_client_id{};
    std::optional<std::string> oauth2_client_secret{};
    /// Accepts tokens of the issuer for this audience only.
    std::optional<std::string> oauth2_audience{};
    /// How long a token of the issuer is valid; 0 is an hour.
    milliseconds oauth2_token_life{0};
    /// Largest message in bytes; 0 is 1,048,576.
    std::size_t max_text_size = 0;
    /// The time without traffic after which the broker closes a connection with 1001; 0 is Pulsar's 300 s.
    milliseconds idle_timeout{0};
    /// The version of Pulsar that it plays. Before 4 it lacks what those WebSocket proxies lack.
    std::optional<std::string> pulsar_version{};
};

/// A message as the broker stored it.
struct stored_message {
    /// The full name of the topic; of a partitioned one, the partition.
    std::string topic;
    /// The id as a consumer receives it.
    std::string message_id;
    /// The content; none for a null value, which only native clients send.
    std::optional<std::string> payload;
    std::optional<std::string> key;
    /// The properties, in the order of their names.
    std::vector<std::pair<std::string, std::string>> properties;
    /// Milliseconds since 1970 UTC; 0 if there is no such time.
    std::int64_t event_time_ms;
    std::int64_t publish_time_ms;
    /// The time before which shared and key_shared subscriptions do not deliver it.
    std::int64_t deliver_at_ms;
    std::string producer_name;
    std::int64_t sequence_id;
};

/// An in-memory Pulsar broker on a real socket at 127.0.0.1, which produces on request the faults of a real one. It
/// ends with its handle.
class mock {
public:
    /// Starts a broker; by default on any free port, without authentication and TLS.
    static mock start(const mock_options &options = {}) { return try_start(options).value(); }
    /// As start, but returns a result in place of an exception.
    static result<mock> try_start(const mock_options &options = {})
    {
        stargate_mock_options raw = STARGATE_MOCK_OPTIONS_INIT;
        const auto text = [](const std::optional<std::string> &from) {
            return from ? from->c_str() : nullptr;
        };
        raw.port = options.port;
        raw.no_auto_create_topics = options.auto_create_topics ? 0 : 1;
        raw.no_websocket_compression = options.websocket_compression ? 0 : 1;
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
        raw.pulsar_version = text(options.pulsar_version);
        return detail::open<mock, stargate_mock>(
            [&](stargate_mock **out, stargate_error **error) { return stargate_mock_start(&raw, out, error); });
    }

    /// Returns the service URL, "ws://127.0.0.1:PORT" or "wss://...", for client.
    std::string url() const { return std::string(detail::view(stargate_mock_url(get()))); }
    /// Returns the URL of the REST API, "http://127.0.0.1:PORT".
    std::string http_url() const { return std::string(detail::view(stargate_mock_http_url(get()))); }
    /// Returns the URL of the OAuth2 issuer that the mock is with oauth2_client_id, for the option oauth2_issuer_url of
    /// a client.
    std::string oauth2_issuer_url() const { return std::string(detail::view(stargate_mock_oauth2_issuer_url(get()))); }

    /// Stores a message as if a producer had sent it, and returns its id. The broker creates the topic if it does not
    /// exist. On a partitioned topic the key selects the partition.
    std::string publish(const std::string &topic, const outgoing &message)
    {
        return try_publish(topic, message).value();
    }
    /// As publish, but returns a result in place of an exception.
    result<std::string> try_publish(const std::string &topic, const outgoing &message)
    {
        const detail::raw_outgoing raw(message);
        return detail::text_of([&](char **text, stargate_error **error) {
            return stargate_mock_publish(get(), topic.c_str(), raw.get(), text, error);
        });
    }

    /// Returns everything that a topic holds, acknowledged or not, partition after partition and in order.
    std::vector<stored_message> messages(const std::string &topic) const { return try_messages(topic).value(); }
    /// As messages, but returns a result in place of an exception.
    result<std::vector<stored_message>> try_messages(const std::string &topic) const
    {
        // An exception must not cross the frames of the library, so `visit` only notes the failure.
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

    /// Returns how many messages (a batch counts as one) a subscription has not acknowledged.
    std::size_t backlog(const std::string &topic, const std::string &subscription) const
    {
        return try_backlog(topic, subscription).value();
    }
    /// As backlog, but returns a result in place of an exception.
    result<std::size_t> try_backlog(const std::string &topic, const std::string &subscription) const
    {
        return number([&](std::size_t *out, stargate_error **error) {
            return stargate_mock_backlog(get(), topic.c_str(), subscription.c_str(), out, error);
        });
    }

    /// Creates a namespace ("tenant/namespace") and its tenant. "public/default" is there from the start.
    void create_namespace(const std::string &name) { try_create_namespace(name).value(); }
    /// As create_namespace, but returns a result in place of an exception.
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
    /// As create_partitioned, but returns a result in place of an exception.
    result<void> try_create_partitioned(const std::string &topic, std::uint32_t partitions)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_mock_create_partitioned(get(), topic.c_str(), partitions, error);
        });
    }
    /// Creates a durable subscription, at the beginning of the topic or at its end. Messages then wait for a consumer
    /// that is opened later. The broker creates the topic if it does not exist.
    void create_subscription(const std::string &topic, const std::string &subscription, bool earliest = true)
    {
        try_create_subscription(topic, subscription, earliest).value();
    }
    /// As create_subscription, but returns a result in place of an exception.
    result<void> try_create_subscription(const std::string &topic, const std::string &subscription,
                                         bool earliest = true)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_mock_create_subscription(get(), topic.c_str(), subscription.c_str(), earliest ? 1 : 0,
                                                     error);
        });
    }
    /// Enables or disables deduplication in a namespace. With it the broker drops messages whose sequence id it has
    /// seen.
    void set_deduplication(const std::string &name, bool on) { try_set_deduplication(name, on).value(); }
    /// As set_deduplication, but returns a result in place of an exception.
    result<void> try_set_deduplication(const std::string &name, bool on)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_mock_set_deduplication(get(), name.c_str(), on ? 1 : 0, error);
        });
    }
    /// Ends a topic: nothing more can be sent to it, and consumers learn that it has ended once they have everything.
    void terminate(const std::string &topic) { try_terminate(topic).value(); }
    /// As terminate, but returns a result in place of an exception.
    result<void> try_terminate(const std::string &topic)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_mock_terminate(get(), topic.c_str(), error); });
    }
    /// Deletes a topic by force. Connected clients are not notified, and the next message to it creates it again.
    void delete_topic(const std::string &topic) { try_delete_topic(topic).value(); }
    /// As delete_topic, but returns a result in place of an exception.
    result<void> try_delete_topic(const std::string &topic)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_mock_delete_topic(get(), topic.c_str(), error); });
    }

    /// Scripts a fault: it happens the next `count` times that `op` happens on `topic` (nullptr: on any), first in
    /// first out; SIZE_MAX means without limit.
    void fault(const char *op, const char *topic, const char *fault, std::size_t count = 1)
    {
        try_fault(op, topic, fault, count).value();
    }
    /// As fault, but returns a result in place of an exception.
    result<void> try_fault(const char *op, const char *topic, const char *fault, std::size_t count = 1)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_mock_fault(get(), op, topic, fault, count, error); });
    }
    /// Returns how many faults have not happened yet.
    std::size_t faults_left() const noexcept { return stargate_mock_faults_left(get()); }
    /// Forgets the faults that have not happened yet.
    void clear_faults() { try_clear_faults().value(); }
    /// As clear_faults, but returns a result in place of an exception.
    result<void> try_clear_faults()
    {
        return detail::attempt([&](stargate_error **error) { return stargate_mock_clear_faults(get(), error); });
    }

    /// Takes the broker down or up again. Down, connections are dropped and new ones refused; its data and its port
    /// stay.
    void set_up(bool up) { try_set_up(up).value(); }
    /// As set_up, but returns a result in place of an exception.
    result<void> try_set_up(bool up)
    {
        return detail::attempt([&](stargate_error **error) { return stargate_mock_set_up(get(), up ? 1 : 0, error); });
    }
    /// Drops the connections about a topic (nullptr: all of them) without a close frame; returns how many there were.
    std::size_t drop_connections(const char *topic = nullptr) { return try_drop_connections(topic).value(); }
    /// As drop_connections, but returns a result in place of an exception.
    result<std::size_t> try_drop_connections(const char *topic = nullptr)
    {
        return number([&](std::size_t *out, stargate_error **error) {
            return stargate_mock_drop_connections(get(), topic, out, error);
        });
    }
    /// Returns how many WebSocket connections are open.
    std::size_t connections() const noexcept { return stargate_mock_connections(get()); }

    /// Waits until `op` (as in fault, and "disconnect") has happened `at_least` times on `topic` (nullptr: on any),
    /// since the start or the last clear_requests(). It replaces sleeps in tests.
    void wait(const char *op, const char *topic, std::size_t at_least, milliseconds timeout = milliseconds(5000))
    {
        try_wait(op, topic, at_least, timeout).value();
    }
    /// As wait, but returns a result in place of an exception.
    result<void> try_wait(const char *op, const char *topic, std::size_t at_least,
                          milliseconds timeout = milliseconds(5000))
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_mock_wait(get(), op, topic, at_least, detail::ms(timeout), error);
        });
    }
    /// Returns how often `op` has happened on `topic` (nullptr: on any), since the start or the last clear_requests().
    std::size_t count(const char *op, const char *topic = nullptr) const { return try_count(op, topic).value(); }
    /// As count, but returns a result in place of an exception.
    result<std::size_t> try_count(const char *op, const char *topic = nullptr) const
    {
        return number([&](std::size_t *out, stargate_error **error) {
            return stargate_mock_count(get(), op, topic, out, error);
        });
    }
    /// Returns what clients did and received, as JSON, in order and at most the last 100,000; see
    /// stargate_mock_requests_json.
    std::string requests_json() const { return try_requests_json().value(); }
    /// As requests_json, but returns a result in place of an exception.
    result<std::string> try_requests_json() const
    {
        return detail::text_of(
            [&](char **text, stargate_error **error) { return stargate_mock_requests_json(get(), text, error); });
    }
    /// Empties the list of requests, and counts from zero again.
    void clear_requests() { try_clear_requests().value(); }
    /// As clear_requests, but returns a result in place of an exception.
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
