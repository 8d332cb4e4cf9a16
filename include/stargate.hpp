/*
 * stargate.hpp: stargate in C++17, header only, over the C library (link with -lstargate).
 *
 *     stargate::client client("ws://localhost:8080");
 *     stargate::consumer consumer = client.open_consumer("orders", "billing");
 *     consumer.listen([](const stargate::message_view &message) {
 *         std::cout << message.payload() << '\n';
 *         return stargate::outcome::ack;
 *     });
 *     stargate::producer producer = client.open_producer("orders");
 *     std::cout << producer.send("one pizza") << '\n';
 *
 * Every call that can fail throws stargate::exception. Its twin `try_...` throws nothing and returns a result<T>, which
 * holds a value or an error: `if (result)`, then `*result` or `result.error()`. The header works with -fno-exceptions,
 * where the calls that throw end the program instead.
 *
 * A call that ends in `_async` and returns a std::future<result<T>> does not wait. Its result is set where callbacks
 * run: with options::poll_callbacks that is in client::poll, so poll before `get()`.
 *
 * Handles are move-only, and close when they go out of scope, without waiting for receipts; call close() first to wait.
 * Callables given to the library are kept until their last call has ended. An exception that leaves one goes no
 * further: a handler's costs its message a negative acknowledgement, any other is dropped.
 *
 * Ownership, callbacks, threads, time and fork are as the rules at the top of stargate.h say.
 */
#ifndef STARGATE_HPP
#define STARGATE_HPP

#include "stargate.h"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <future>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define STARGATE_HAS_EXCEPTIONS 1
#else
#define STARGATE_HAS_EXCEPTIONS 0
#endif

namespace stargate {

using milliseconds = std::chrono::milliseconds;

/// Waits without limit; for an open or a send: as long as the options connect_timeout and send_timeout allow.
inline constexpr milliseconds forever = milliseconds::max();

namespace detail {
/// A timeout for C, where -1 is without limit. What is left of a time that is over is 0.
constexpr std::int64_t ms(milliseconds timeout) noexcept
{
    return timeout == forever ? -1 : timeout.count() < 0 ? 0 : timeout.count();
}
} // namespace detail

/// What went wrong; the numbers of stargate_status.
enum class status : std::int32_t {
    ok = STARGATE_OK,
    timeout = STARGATE_TIMEOUT,
    closed = STARGATE_CLOSED,
    end_of_topic = STARGATE_END_OF_TOPIC,
    interrupted = STARGATE_INTERRUPTED,
    invalid_argument = STARGATE_INVALID_ARGUMENT,
    connect = STARGATE_CONNECT,
    authentication = STARGATE_AUTHENTICATION,
    authorization = STARGATE_AUTHORIZATION,
    not_found = STARGATE_NOT_FOUND,
    busy = STARGATE_BUSY,
    queue_full = STARGATE_QUEUE_FULL,
    too_big = STARGATE_TOO_BIG,
    broker = STARGATE_BROKER,
    protocol = STARGATE_PROTOCOL,
    outcome_unknown = STARGATE_OUTCOME_UNKNOWN,
    topic_terminated = STARGATE_TOPIC_TERMINATED,
    forked = STARGATE_FORKED,
    would_deadlock = STARGATE_WOULD_DEADLOCK,
    crypto = STARGATE_CRYPTO,
    internal = STARGATE_INTERNAL,
};

/// What a handler decides about a message.
enum class outcome : std::int32_t {
    /// It is done: acknowledge it.
    ack = STARGATE_ACK,
    /// The application acknowledges it later, by its id.
    continue_ = STARGATE_CONTINUE,
    /// It failed: the broker redelivers it after the option negative_ack_delay.
    nack = STARGATE_NACK,
    /// The retry letter topic redelivers it after a delay: `return message.reconsume_later(std::chrono::seconds(60));`.
    reconsume_later = STARGATE_RECONSUME_LATER,
};

enum class log_level : std::int32_t {
    error = STARGATE_LOG_ERROR,
    warn = STARGATE_LOG_WARN,
    info = STARGATE_LOG_INFO,
    debug = STARGATE_LOG_DEBUG,
};

enum class connection_state : std::int32_t {
    connecting = STARGATE_STATE_CONNECTING,
    connected = STARGATE_STATE_CONNECTED,
    disconnected = STARGATE_STATE_DISCONNECTED,
    closed = STARGATE_STATE_CLOSED,
    failed = STARGATE_STATE_FAILED,
    stalled = STARGATE_STATE_STALLED,
};

namespace detail {

inline std::string_view view(stargate_str text) noexcept
{
    return text.ptr == nullptr ? std::string_view() : std::string_view(text.ptr, text.len);
}

inline std::optional<std::string_view> optional_view(stargate_str text) noexcept
{
    return text.ptr == nullptr ? std::nullopt : std::optional<std::string_view>(std::in_place, text.ptr, text.len);
}

/// Runs `body`, and lets no exception out: `otherwise` is the answer then.
template <class Body, class Answer>
Answer guarded(Body &&body, Answer otherwise) noexcept
{
#if STARGATE_HAS_EXCEPTIONS
    try {
        return body();
    } catch (...) {
        return otherwise;
    }
#else
    (void)otherwise;
    return body();
#endif
}

/// What every callable is held by while C has it.
template <class F>
void *keep(F &&callable)
{
    return new std::decay_t<F>(std::forward<F>(callable));
}

template <class F>
void release(void *kept) noexcept
{
    guarded(
        [kept] {
            delete static_cast<F *>(kept);
            return 0;
        },
        0);
}

/// Writes the text that a callable gives into the buffer of C.
template <class F>
stargate_status write_text(void *kept, char *buffer, std::size_t capacity, std::size_t *length) noexcept
{
    return guarded(
        [&]() -> stargate_status {
            const std::string text = (*static_cast<F *>(kept))();
            *length = text.size();
            if (text.size() > capacity)
                return STARGATE_TOO_BIG;
            text.copy(buffer, capacity);
            return STARGATE_OK;
        },
        static_cast<stargate_status>(STARGATE_AUTHENTICATION));
}

} // namespace detail

/// The version of the library that runs; that of the headers is STARGATE_VERSION.
inline std::string_view version() noexcept
{
    return stargate_version();
}

/// Whether the library that runs can serve a program compiled with these headers.
inline bool is_compatible() noexcept
{
    return stargate_version_compatible(STARGATE_VERSION_NUMBER) != 0;
}

/// Why a call failed. A plain value, to keep and to copy.
class error {
public:
    error(stargate::status status, std::string message) : status_(status), message_(std::move(message)) {}

    /// A copy of an error of C, which stays its owner's. NULL is an error without text.
    explicit error(stargate_status status, const stargate_error *from)
        : status_(static_cast<stargate::status>(status)),
          message_(from == nullptr ? std::string(stargate_status_name(status))
                                   : std::string(detail::view(stargate_error_message(from)))),
          topic_(detail::view(stargate_error_topic(from))),
          broker_text_(detail::view(stargate_error_broker_text(from))),
          http_status_(stargate_error_http_status(from)),
          retriable_(stargate_error_is_retriable(from) != 0)
    {
    }

    /// Returns the kind of failure, for programs to act on.
    stargate::status status() const noexcept { return status_; }
    /// Returns the full description on one line: operation, topic and every cause.
    const std::string &message() const noexcept { return message_; }
    /// The full name of the topic concerned, or empty.
    const std::string &topic() const noexcept { return topic_; }
    /// The server's own words, or empty.
    const std::string &broker_text() const noexcept { return broker_text_; }
    /// The HTTP status with which the server refused the connection, or 0.
    int http_status() const noexcept { return http_status_; }
    /// Returns whether the same call may succeed later. After a timeout a second send can store the message twice.
    bool is_retriable() const noexcept { return retriable_; }

private:
    stargate::status status_;
    std::string message_;
    std::string topic_;
    std::string broker_text_;
    int http_status_ = 0;
    bool retriable_ = false;
};

/// What calls that fail throw; the twins `try_...` return the error instead.
class exception : public std::exception {
public:
    explicit exception(stargate::error error) : error_(std::make_shared<stargate::error>(std::move(error))) {}

    const char *what() const noexcept override { return error_->message().c_str(); }
    const stargate::error &error() const noexcept { return *error_; }

private:
    std::shared_ptr<const stargate::error> error_; // so that copying the exception cannot throw
};

/// The name of a status, as in C: STARGATE_TIMEOUT.
inline std::ostream &operator<<(std::ostream &out, status status)
{
    return out << stargate_status_name(static_cast<stargate_status>(status));
}
inline std::ostream &operator<<(std::ostream &out, outcome outcome)
{
    switch (outcome) {
    case outcome::ack:
        return out << "ack";
    case outcome::continue_:
        return out << "continue";
    case outcome::nack:
        return out << "nack";
    case outcome::reconsume_later:
        return out << "reconsume_later";
    }
    return out << static_cast<std::int32_t>(outcome);
}
inline std::ostream &operator<<(std::ostream &out, log_level level)
{
    switch (level) {
    case log_level::error:
        return out << "error";
    case log_level::warn:
        return out << "warn";
    case log_level::info:
        return out << "info";
    case log_level::debug:
        return out << "debug";
    }
    return out << static_cast<std::int32_t>(level);
}
inline std::ostream &operator<<(std::ostream &out, connection_state state)
{
    switch (state) {
    case connection_state::connecting:
        return out << "connecting";
    case connection_state::connected:
        return out << "connected";
    case connection_state::disconnected:
        return out << "disconnected";
    case connection_state::closed:
        return out << "closed";
    case connection_state::failed:
        return out << "failed";
    case connection_state::stalled:
        return out << "stalled";
    }
    return out << static_cast<std::int32_t>(state);
}
/// The whole story on one line.
inline std::ostream &operator<<(std::ostream &out, const error &error)
{
    return out << error.message();
}

namespace detail {

[[noreturn]] inline void fail(const stargate::error &error)
{
#if STARGATE_HAS_EXCEPTIONS
    throw exception(error);
#else
    (void)error;
    std::abort();
#endif
}

} // namespace detail

/// A value or an error.
template <class T>
class [[nodiscard]] result {
public:
    result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    result(stargate::error error) : held_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const noexcept { return held_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The value; there must be one.
    T &operator*() & noexcept { return *std::get_if<0>(&held_); }
    const T &operator*() const & noexcept { return *std::get_if<0>(&held_); }
    T &&operator*() && noexcept { return std::move(*std::get_if<0>(&held_)); }
    T *operator->() noexcept { return std::get_if<0>(&held_); }
    const T *operator->() const noexcept { return std::get_if<0>(&held_); }

    /// The error; there must be one.
    const stargate::error &error() const & noexcept { return *std::get_if<1>(&held_); }

    /// The value, or stargate::exception.
    T &value() &
    {
        check();
        return **this;
    }
    const T &value() const &
    {
        check();
        return **this;
    }
    T value() &&
    {
        check();
        return std::move(**this);
    }

private:
    void check() const
    {
        if (!has_value())
            detail::fail(error());
    }

    std::variant<T, stargate::error> held_;
};

/// Success or an error.
template <>
class [[nodiscard]] result<void> {
public:
    result() = default;
    result(stargate::error error) : error_(std::move(error)) {}

    bool has_value() const noexcept { return !error_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    /// The error; there must be one.
    const stargate::error &error() const & noexcept { return *error_; }

    /// Nothing, or stargate::exception.
    void value() const
    {
        if (error_)
            detail::fail(*error_);
    }

private:
    std::optional<stargate::error> error_;
};

namespace detail {

/// Calls a function of C whose last argument is the error: what it says, as an error or nothing.
template <class Call>
std::optional<error> failure(Call &&call)
{
    stargate_error *from = nullptr;
    const stargate_status status = call(&from);
    if (status == STARGATE_OK)
        return std::nullopt;
    const std::unique_ptr<stargate_error, void (*)(stargate_error *)> owner(from, stargate_error_free);
    return error(status, from);
}

template <class Call>
result<void> attempt(Call &&call)
{
    if (auto failed = failure(std::forward<Call>(call)))
        return std::move(*failed);
    return {};
}

template <class Call>
result<std::string> text_of(Call &&call)
{
    char *text = nullptr;
    if (auto failed = failure([&](stargate_error **error) { return call(&text, error); }))
        return std::move(*failed);
    std::string copy(text == nullptr ? "" : text);
    stargate_string_free(text);
    return copy;
}

/// Calls a function of C that opens something: the handle of C++ for it.
template <class Handle, class Raw, class Call>
result<Handle> open(Call &&call)
{
    Raw *raw = nullptr;
    if (auto failed = failure([&](stargate_error **error) { return call(&raw, error); }))
        return std::move(*failed);
    return Handle(raw);
}

} // namespace detail

/// Compares message ids by the positions that they name: below, at or above 0.
inline result<int> try_compare_message_ids(std::string_view left, std::string_view right)
{
    std::int32_t order = 0;
    auto failed = detail::failure([&](stargate_error **error) {
        return stargate_message_id_compare(std::string(left).c_str(), std::string(right).c_str(), &order, error);
    });
    if (failed)
        return std::move(*failed);
    return static_cast<int>(order);
}
/// As try_compare_message_ids, but throws.
inline int compare_message_ids(std::string_view left, std::string_view right)
{
    return try_compare_message_ids(left, right).value();
}

/// What a message id names.
struct message_position {
    std::uint64_t ledger;
    std::uint64_t entry;
    /// Of a topic with partitions.
    std::optional<std::uint32_t> partition;
    /// Of a message that was sent in a batch.
    std::optional<std::uint32_t> batch_index;
};

/// ledger:entry:partition:batch_index, with -1 for what does not apply.
inline std::ostream &operator<<(std::ostream &out, const message_position &position)
{
    const auto index = [](const std::optional<std::uint32_t> &given) {
        return given ? static_cast<std::int64_t>(*given) : -1;
    };
    return out << position.ledger << ':' << position.entry << ':' << index(position.partition) << ':'
               << index(position.batch_index);
}

/// Where the message of an id is stored.
inline result<message_position> try_position_of(std::string_view message_id)
{
    message_position position{};
    std::int32_t partition = -1, batch_index = -1;
    auto failed = detail::failure([&](stargate_error **error) {
        return stargate_message_id_parts(std::string(message_id).c_str(), &position.ledger, &position.entry, &partition,
                                         &batch_index, error);
    });
    if (failed)
        return std::move(*failed);
    if (partition >= 0)
        position.partition = static_cast<std::uint32_t>(partition);
    if (batch_index >= 0)
        position.batch_index = static_cast<std::uint32_t>(batch_index);
    return position;
}
/// As try_position_of, but throws.
inline message_position position_of(std::string_view message_id)
{
    return try_position_of(message_id).value();
}

/// A view of a received message, as passed to a handler; it is valid for that call.
class message_view {
public:
    explicit message_view(const stargate_message *message) noexcept : message_(message) {}

    std::string_view payload() const noexcept
    {
        const stargate_bytes bytes = stargate_message_payload(message_);
        return {static_cast<const char *>(bytes.ptr), bytes.len};
    }
    /// Returns the id in base64, to acknowledge the message later or to start a reader after it.
    std::string_view id() const noexcept { return detail::view(stargate_message_id(message_)); }
    std::string_view topic() const noexcept { return detail::view(stargate_message_topic(message_)); }
    std::optional<std::string_view> key() const noexcept
    {
        return detail::optional_view(stargate_message_key(message_));
    }
    std::optional<std::string_view> property(const std::string &name) const noexcept
    {
        return detail::optional_view(stargate_message_property(message_, name.c_str()));
    }
    /// All of them, in the order of their names.
    std::vector<std::pair<std::string_view, std::string_view>> properties() const
    {
        std::vector<std::pair<std::string_view, std::string_view>> all;
        stargate_str name, value;
        for (std::size_t i = 0; stargate_message_property_at(message_, i, &name, &value) != 0; i++)
            all.emplace_back(detail::view(name), detail::view(value));
        return all;
    }
    /// Milliseconds since 1970 UTC; 0 when there is no such time.
    std::int64_t publish_time_ms() const noexcept { return stargate_message_publish_time_ms(message_); }
    std::int64_t event_time_ms() const noexcept { return stargate_message_event_time_ms(message_); }
    std::uint32_t redelivery_count() const noexcept { return stargate_message_redelivery_count(message_); }
    /// Returns how often the retry letter topic has redelivered the message.
    std::uint32_t reconsume_times() const noexcept { return stargate_message_reconsume_times(message_); }
    /// Returns the outcome with which a handler schedules redelivery after `delay`; see
    /// stargate_message_reconsume_later.
    outcome reconsume_later(milliseconds delay) const noexcept
    {
        return static_cast<outcome>(stargate_message_reconsume_later(message_, delay.count()));
    }
    /// Returns whether the payload is still encrypted; see the option crypto_failure_action.
    bool is_encrypted() const noexcept { return stargate_message_is_encrypted(message_) != 0; }
    std::optional<std::string_view> encryption_context() const noexcept
    {
        return detail::optional_view(stargate_message_encryption_context(message_));
    }
    const stargate_message *get() const noexcept { return message_; }

protected:
    const stargate_message *message_;
};

/// A received message that the application owns.
class message : public message_view {
public:
    /// Takes over a message of C.
    explicit message(stargate_message *owned) noexcept : message_view(owned), owner_(owned, stargate_message_free) {}
    /// A copy that outlives the handler's call. The payload is shared.
    explicit message(const message_view &view) noexcept : message(stargate_message_clone(view.get())) {}
    /// What is moved from has no message: calls that are given it fail.
    message(message &&from) noexcept
        : message_view(std::exchange(from.message_, nullptr)),
          owner_(std::move(from.owner_))
    {
    }
    message &operator=(message &&from) noexcept
    {
        message_ = std::exchange(from.message_, nullptr);
        owner_ = std::move(from.owner_);
        return *this;
    }

private:
    std::unique_ptr<stargate_message, void (*)(stargate_message *)> owner_;
};

namespace detail {
class raw_outgoing;
}

/// A message to send: a payload, and what goes with it.
class outgoing {
public:
    outgoing(std::string payload) : payload_(std::move(payload)) {}
    outgoing(std::string_view payload) : payload_(payload) {}
    outgoing(const char *payload) : payload_(payload) {}

    outgoing &key(std::string key) { return key_ = std::move(key), *this; }
    outgoing &property(std::string name, std::string value)
    {
        return properties_.emplace_back(std::move(name), std::move(value)), *this;
    }
    /// The receipt returns it; it is not sent.
    outgoing &context(std::string context) { return context_ = std::move(context), *this; }
    outgoing &event_time_ms(std::int64_t since_1970) { return event_time_ms_ = since_1970, *this; }
    outgoing &deliver_at_ms(std::int64_t since_1970) { return deliver_at_ms_ = since_1970, *this; }
    outgoing &deliver_after(milliseconds delay) { return deliver_after_ = delay, *this; }
    outgoing &replicate_to(std::string cluster) { return clusters_.push_back(std::move(cluster)), *this; }
    /// Keeps the message in the cluster that it is sent to.
    outgoing &disable_replication() { return clusters_ = {"__local__"}, *this; }

private:
    friend class detail::raw_outgoing;

    std::string payload_;
    std::optional<std::string> key_;
    std::vector<std::pair<std::string, std::string>> properties_;
    std::optional<std::string> context_;
    std::int64_t event_time_ms_ = 0;
    std::int64_t deliver_at_ms_ = 0;
    milliseconds deliver_after_{0};
    std::vector<std::string> clusters_;
};

namespace detail {

/// A message as the struct of C, which points into the message and into this.
class raw_outgoing {
public:
    explicit raw_outgoing(const outgoing &from)
    {
        for (const auto &[name, value] : from.properties_)
            properties_.push_back({name.c_str(), value.c_str()});
        for (const auto &cluster : from.clusters_)
            clusters_.push_back(cluster.c_str());
        raw_.payload = {from.payload_.data(), from.payload_.size()};
        raw_.key = from.key_ ? from.key_->c_str() : nullptr;
        raw_.properties = properties_.data();
        raw_.property_count = properties_.size();
        raw_.context = from.context_ ? from.context_->c_str() : nullptr;
        raw_.event_time_ms = from.event_time_ms_;
        raw_.deliver_at_ms = from.deliver_at_ms_;
        raw_.deliver_after_ms = from.deliver_after_.count();
        raw_.replication_clusters = clusters_.data();
        raw_.replication_cluster_count = clusters_.size();
    }

    const stargate_outgoing *get() const noexcept { return &raw_; }

private:
    std::vector<stargate_property> properties_; // a move leaves the properties where they are
    std::vector<const char *> clusters_;
    stargate_outgoing raw_ = STARGATE_OUTGOING_INIT;
};

} // namespace detail

/// A change of state of a connection; its texts live for the call.
struct state_change {
    connection_state state;
    /// Which of the handle's connections it is.
    std::uint32_t session;
    std::string_view topic;
    /// As "name:port"; may be empty.
    std::string_view host;
    std::optional<stargate::error> error;
    /// Until the next attempt, where one follows.
    std::optional<milliseconds> retry_in;
    /// Such as "http://squid:3128"; empty for a direct connection.
    std::string_view proxy;
};

enum class key_half : std::int32_t {
    /// A producer encrypts with it.
    public_key = STARGATE_PUBLIC_KEY,
    /// A consumer decrypts with it.
    private_key = STARGATE_PRIVATE_KEY,
};

/// A request for a key of end-to-end encryption; its texts live for the call.
struct key_request {
    std::string_view name;
    key_half half;
    /// For a private key, what came with the message.
    std::vector<std::pair<std::string_view, std::string_view>> metadata;
};

/// A key in PEM, and for a public key what goes with each message, not encrypted.
struct key {
    std::string pem;
    std::vector<std::pair<std::string, std::string>> metadata{};
};

/// Options as texts. An invalid option is remembered, and opening a handle with these options fails with its error.
class options {
public:
    options() : raw_(stargate_options_new(), stargate_options_free) {}
    options(std::initializer_list<std::pair<std::string, std::string>> values) : options()
    {
        for (const auto &[key, value] : values)
            set(key, value);
    }

    options &set(const std::string &key, const std::string &value)
    {
        return note([&](stargate_error **error) {
            return stargate_options_set(raw_.get(), key.c_str(), value.c_str(), error);
        });
    }

    /// Sets the options of a JSON object, such as {"queue_size": 100, "lazy": true}; all of them or none.
    options &set_json(const std::string &json)
    {
        return note([&](stargate_error **error) { return stargate_options_set_json(raw_.get(), json.c_str(), error); });
    }

    /// Adds a header to each WebSocket upgrade and each request to the REST API.
    options &header(const std::string &name, const std::string &value)
    {
        return note([&](stargate_error **error) {
            return stargate_options_header(raw_.get(), name.c_str(), value.c_str(), error);
        });
    }

    /// Runs the callbacks and handlers of a client with these options in client::poll, and on no thread of the library.
    options &poll_callbacks()
    {
        return note([&](stargate_error **error) { return stargate_options_poll_callbacks(raw_.get(), error); });
    }

    /// Calls `log(log_level, std::string_view target, std::string_view text)` with each record up to `max_level`, from
    /// any thread, until the callable is destroyed; what it uses must live as long.
    template <class F>
    options &on_log(log_level max_level, F &&log)
    {
        using Kept = std::decay_t<F>;
        const auto trampoline = [](void *kept, std::int32_t level, stargate_str target, stargate_str text) noexcept {
            detail::guarded(
                [&] {
                    auto &call = *static_cast<Kept *>(kept);
                    call(static_cast<log_level>(level), detail::view(target), detail::view(text));
                    return 0;
                },
                0);
        };
        void *kept = detail::keep(std::forward<F>(log));
        return note([&](stargate_error **error) {
            return stargate_options_on_log(raw_.get(), static_cast<std::int32_t>(max_level), trampoline, kept,
                                           detail::release<Kept>, error);
        });
    }

    /// Calls `listener(const state_change &)` at each change, on the client's callback thread.
    template <class F>
    options &on_state(F &&listener)
    {
        using Kept = std::decay_t<F>;
        const auto trampoline = [](void *kept, const stargate_state_change *from) noexcept {
            detail::guarded(
                [&] {
                    state_change change{static_cast<connection_state>(from->state),
                                        from->session,
                                        detail::view(from->topic),
                                        detail::view(from->host),
                                        std::nullopt,
                                        std::nullopt,
                                        detail::view(from->proxy)};
                    if (from->error != nullptr)
                        change.error = stargate::error(stargate_error_status(from->error), from->error);
                    if (from->retry_in_ms >= 0)
                        change.retry_in = milliseconds(from->retry_in_ms);
                    (*static_cast<Kept *>(kept))(static_cast<const state_change &>(change));
                    return 0;
                },
                0);
        };
        void *kept = detail::keep(std::forward<F>(listener));
        return note([&](stargate_error **error) {
            return stargate_options_on_state(raw_.get(), trampoline, kept, detail::release<Kept>, error);
        });
    }

    /// Asks `token()` for the token, a std::string, at each connect. An exception, or an empty string, fails the
    /// attempt.
    template <class F>
    options &on_token(F &&token)
    {
        using Kept = std::decay_t<F>;
        void *kept = detail::keep(std::forward<F>(token));
        return note([&](stargate_error **error) {
            return stargate_options_on_token(raw_.get(), detail::write_text<Kept>, kept, detail::release<Kept>, error);
        });
    }

    /// Asks `headers()` for headers, a std::string of "Name: value" a line, at each connect and each request to the
    /// REST API. An exception fails the attempt.
    template <class F>
    options &on_headers(F &&headers)
    {
        using Kept = std::decay_t<F>;
        void *kept = detail::keep(std::forward<F>(headers));
        return note([&](stargate_error **error) {
            return stargate_options_on_headers(raw_.get(), detail::write_text<Kept>, kept, detail::release<Kept>,
                                               error);
        });
    }

    /// Asks `keys(const key_request &) -> std::optional<key>` for the keys of end-to-end encryption; see
    /// stargate_options_on_key. An exception, or none, means that there is no such key.
    template <class F>
    options &on_key(F &&keys)
    {
        using Kept = std::decay_t<F>;
        const auto trampoline = [](void *kept, std::int32_t half, stargate_str name, const stargate_property *metadata,
                                   std::size_t count, stargate_key *into) noexcept {
            return detail::guarded(
                [&]() -> stargate_status {
                    key_request request{detail::view(name), static_cast<key_half>(half), {}};
                    for (std::size_t i = 0; i < count; i++)
                        request.metadata.emplace_back(metadata[i].key, metadata[i].value);
                    const std::optional<key> found =
                        (*static_cast<Kept *>(kept))(static_cast<const key_request &>(request));
                    if (!found)
                        return STARGATE_NOT_FOUND;
                    for (const auto &[key, value] : found->metadata) {
                        if (stargate_key_add_metadata(into, key.c_str(), value.c_str(), nullptr) != STARGATE_OK)
                            return STARGATE_INVALID_ARGUMENT;
                    }
                    return stargate_key_set(into, found->pem.data(), found->pem.size(), nullptr);
                },
                static_cast<stargate_status>(STARGATE_NOT_FOUND));
        };
        void *kept = detail::keep(std::forward<F>(keys));
        return note([&](stargate_error **error) {
            return stargate_options_on_key(raw_.get(), trampoline, kept, detail::release<Kept>, error);
        });
    }

    /// All options there are, as a JSON array: key, type, default, range and what it does.
    static std::string_view describe() noexcept { return detail::view(stargate_options_describe()); }

    const stargate_options *get() const noexcept { return raw_.get(); }
    /// The first mistake, if there was one.
    const std::optional<stargate::error> &mistake() const noexcept { return mistake_; }

private:
    template <class Call>
    options &note(Call &&call)
    {
        auto failed = detail::failure(std::forward<Call>(call));
        if (failed && !mistake_)
            mistake_ = std::move(failed);
        return *this;
    }

    std::unique_ptr<stargate_options, void (*)(stargate_options *)> raw_;
    std::optional<stargate::error> mistake_;
};

/// The receipt of a message: the broker has it.
struct receipt {
    /// Empty for a duplicate: a message sent twice to a namespace with deduplication.
    std::string message_id;
};

/// The message id, or "duplicate".
inline std::ostream &operator<<(std::ostream &out, const receipt &receipt)
{
    return receipt.message_id.empty() ? out << "duplicate" : out << receipt.message_id;
}

/// How a send with a callback ended; its texts live for the call.
struct delivery_report {
    /// Why there is no receipt.
    std::optional<stargate::error> error;
    std::string_view message_id;
    std::optional<std::string_view> context;
    bool duplicate;
};

/// The error, or the message id, or "duplicate".
inline std::ostream &operator<<(std::ostream &out, const delivery_report &report)
{
    if (report.error)
        return out << *report.error;
    return report.duplicate ? out << "duplicate" : out << report.message_id;
}

namespace detail {

/// Calls a function of C that sends a batch: one result for each message, in the same order.
template <class Call>
std::vector<result<receipt>> send_all(const std::vector<outgoing> &messages, Call &&call)
{
    std::vector<raw_outgoing> owners(messages.begin(), messages.end());
    std::vector<stargate_outgoing> raw;
    raw.reserve(owners.size());
    for (const auto &owner : owners)
        raw.push_back(*owner.get());
    std::vector<stargate_send_result> ends(messages.size());
    const auto failed =
        failure([&](stargate_error **error) { return call(raw.data(), raw.size(), ends.data(), error); });
    std::vector<result<receipt>> results;
    results.reserve(ends.size());
    for (const auto &end : ends) {
        if (end.status == STARGATE_OK)
            results.emplace_back(receipt{end.message_id == nullptr ? "" : end.message_id});
        else if (end.error != nullptr || !failed)
            results.emplace_back(error(end.status, end.error));
        else
            results.emplace_back(*failed); // Nothing was sent.
    }
    stargate_send_results_free(ends.data(), ends.size());
    return results;
}

} // namespace detail

/// Sends messages over a connection of their own, which is closed whatever happens; one result for each, in the same
/// order. `url` is that of a producer, "ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic".
inline std::vector<result<receipt>> produce(const std::string &url, const std::vector<outgoing> &messages,
                                            const options &options = {}, milliseconds timeout = forever)
{
    if (options.mistake())
        return {messages.size(), *options.mistake()};
    return detail::send_all(messages, [&](auto *raw, std::size_t count, auto *ends, stargate_error **error) {
        return stargate_produce(url.c_str(), raw, count, options.get(), detail::ms(timeout), ends, error);
    });
}

namespace detail {

/// Keeps the promise of an asynchronous call: T is void, or the class of the handle that an open gave.
template <class T>
void keep_promise(void *kept, stargate_status status, void *handle, const stargate_error *from) noexcept
{
    guarded(
        [&] {
            auto &promise = *static_cast<std::promise<result<T>> *>(kept);
            if (status != STARGATE_OK)
                promise.set_value(error(status, from));
            else if constexpr (std::is_void_v<T>)
                promise.set_value(result<void>());
            else
                promise.set_value(T(static_cast<decltype(std::declval<T &>().get())>(handle)));
            return 0;
        },
        0);
    (void)handle;
}

/// Makes an asynchronous call; if it fails, the future is ready.
template <class T, class Call>
std::future<result<T>> promised(Call &&call)
{
    using Promise = std::promise<result<T>>;
    Promise promise;
    auto future = promise.get_future();
    void *kept = keep(std::move(promise));
    auto failed = failure([&](stargate_error **error) { return call(kept, release<Promise>, error); });
    if (!failed)
        return future;
    Promise ended;
    ended.set_value(std::move(*failed));
    return ended.get_future();
}

} // namespace detail

/// Sends messages to one topic.
class producer {
public:
    explicit producer(stargate_producer *owned) noexcept : raw_(owned, stargate_producer_free) {}

    /// Sends a message and waits for its receipt.
    receipt send(const outgoing &message, milliseconds timeout = forever) { return try_send(message, timeout).value(); }
    /// As send, but returns a result in place of an exception.
    result<receipt> try_send(const outgoing &message, milliseconds timeout = forever)
    {
        const detail::raw_outgoing raw(message);
        auto id = detail::text_of([&](char **text, stargate_error **error) {
            return stargate_producer_send(raw_.get(), raw.get(), detail::ms(timeout), text, error);
        });
        if (!id)
            return id.error();
        return receipt{*std::move(id)};
    }

    /// Accepts a message, and calls `on_sent(const delivery_report &)` once with the outcome, on the client's callback
    /// thread. If this call fails, `on_sent` is not called. `timeout` bounds the wait for room. In a callback, and on
    /// the thread that polls them, it does not wait: without room it fails with status::would_deadlock, or with a
    /// timeout of 0 with status::queue_full.
    template <class F>
    void send_async(const outgoing &message, F &&on_sent, milliseconds timeout = forever)
    {
        try_send_async(message, std::forward<F>(on_sent), timeout).value();
    }
    /// As send_async, but returns a result in place of an exception.
    template <class F>
    result<void> try_send_async(const outgoing &message, F &&on_sent, milliseconds timeout = forever)
    {
        using Kept = std::decay_t<F>;
        const auto trampoline = [](void *kept, const stargate_delivery_report *from) noexcept {
            detail::guarded(
                [&] {
                    delivery_report end{std::nullopt, detail::view(from->message_id),
                                        detail::optional_view(from->context), from->duplicate != 0};
                    if (from->error != nullptr)
                        end.error = stargate::error(stargate_error_status(from->error), from->error);
                    (*static_cast<Kept *>(kept))(static_cast<const delivery_report &>(end));
                    return 0;
                },
                0);
        };
        const detail::raw_outgoing raw(message);
        void *kept = detail::keep(std::forward<F>(on_sent));
        return detail::attempt([&](stargate_error **error) {
            return stargate_producer_send_async(raw_.get(), raw.get(), detail::ms(timeout), trampoline, kept,
                                                detail::release<Kept>, error);
        });
    }

    /// Sends messages in their order, many in flight at a time; one result for each, in the same order.
    std::vector<result<receipt>> send_batch(const std::vector<outgoing> &messages, milliseconds timeout = forever)
    {
        return detail::send_all(messages, [&](auto *raw, std::size_t count, auto *ends, stargate_error **error) {
            return stargate_producer_send_batch(raw_.get(), raw, count, detail::ms(timeout), ends, error);
        });
    }

    /// Waits until every message accepted before has its receipt or has failed.
    void flush(milliseconds timeout = forever) { try_flush(timeout).value(); }
    /// As flush, but returns a result in place of an exception.
    result<void> try_flush(milliseconds timeout = forever)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_producer_flush(raw_.get(), detail::ms(timeout), error); });
    }
    /// As flush, but does not wait.
    std::future<result<void>> flush_async(milliseconds timeout = forever)
    {
        return detail::promised<void>([&](void *kept, auto destroy, stargate_error **error) {
            return stargate_producer_flush_async(raw_.get(), detail::ms(timeout), detail::keep_promise<void>, kept,
                                                 destroy, error);
        });
    }
    /// Ends when there is room for a message whose payload, key and properties have `bytes` together; see
    /// stargate_producer_room_async.
    std::future<result<void>> room_async(std::size_t bytes, milliseconds timeout = forever)
    {
        return detail::promised<void>([&](void *kept, auto destroy, stargate_error **error) {
            return stargate_producer_room_async(raw_.get(), bytes, detail::ms(timeout), detail::keep_promise<void>,
                                                kept, destroy, error);
        });
    }
    void wait_connected(milliseconds timeout = forever) { try_wait_connected(timeout).value(); }
    /// As wait_connected, but returns a result in place of an exception.
    result<void> try_wait_connected(milliseconds timeout = forever)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_producer_wait_connected(raw_.get(), detail::ms(timeout), error);
        });
    }
    /// Returns the full name of the topic.
    std::string_view topic() const noexcept { return detail::view(stargate_producer_topic(raw_.get())); }
    bool is_connected() const noexcept { return stargate_producer_is_connected(raw_.get()) != 0; }
    /// Returns the counters as a JSON object.
    std::string stats_json() const { return try_stats_json().value(); }
    /// As stats_json, but returns a result in place of an exception.
    result<std::string> try_stats_json() const
    {
        return detail::text_of(
            [&](char **text, stargate_error **error) { return stargate_producer_stats_json(raw_.get(), text, error); });
    }
    /// Waits for the receipts and callbacks of accepted messages, and closes.
    void close(milliseconds timeout = forever) { try_close(timeout).value(); }
    /// As close, but returns a result in place of an exception.
    result<void> try_close(milliseconds timeout = forever)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_producer_close(raw_.get(), detail::ms(timeout), error); });
    }
    /// As close, but does not wait.
    std::future<result<void>> close_async(milliseconds timeout = forever)
    {
        return detail::promised<void>([&](void *kept, auto destroy, stargate_error **error) {
            return stargate_producer_close_async(raw_.get(), detail::ms(timeout), detail::keep_promise<void>, kept,
                                                 destroy, error);
        });
    }
    stargate_producer *get() const noexcept { return raw_.get(); }

private:
    std::unique_ptr<stargate_producer, void (*)(stargate_producer *)> raw_;
};

namespace detail {

/// The functions of C for a consumer.
struct consumer_functions {
    using handle = stargate_consumer;
    static constexpr auto receive = stargate_consumer_receive;
    static constexpr auto receive_many = stargate_consumer_receive_many;
    static constexpr auto receive_async = stargate_consumer_receive_async;
    static constexpr auto interrupt = stargate_consumer_interrupt;
    static constexpr auto listen = stargate_consumer_listen;
    static constexpr auto is_end_of_topic = stargate_consumer_is_end_of_topic;
    static constexpr auto topic = stargate_consumer_topic;
    static constexpr auto wait_connected = stargate_consumer_wait_connected;
    static constexpr auto is_connected = stargate_consumer_is_connected;
    static constexpr auto stats_json = stargate_consumer_stats_json;
    static constexpr auto close = stargate_consumer_close;
    static constexpr auto close_async = stargate_consumer_close_async;
    static constexpr auto free = stargate_consumer_free;
};

/// The functions of C for a reader.
struct reader_functions {
    using handle = stargate_reader;
    static constexpr auto receive = stargate_reader_receive;
    static constexpr auto receive_many = stargate_reader_receive_many;
    static constexpr auto receive_async = stargate_reader_receive_async;
    static constexpr auto interrupt = stargate_reader_interrupt;
    static constexpr auto listen = stargate_reader_listen;
    static constexpr auto is_end_of_topic = stargate_reader_is_end_of_topic;
    static constexpr auto topic = stargate_reader_topic;
    static constexpr auto wait_connected = stargate_reader_wait_connected;
    static constexpr auto is_connected = stargate_reader_is_connected;
    static constexpr auto stats_json = stargate_reader_stats_json;
    static constexpr auto close = stargate_reader_close;
    static constexpr auto close_async = stargate_reader_close_async;
    static constexpr auto free = stargate_reader_free;
};

/// The state of one processor: the callable that `init` made for it.
template <class Init>
struct processor {
    using callable = std::invoke_result_t<Init &, std::uint32_t>;

    static stargate_status init(void *kept, std::uint32_t number, void **state) noexcept
    {
        return guarded(
            [&]() -> stargate_status {
                *state = new callable((*static_cast<Init *>(kept))(number));
                return STARGATE_OK;
            },
            static_cast<stargate_status>(STARGATE_INTERNAL));
    }

    static std::int32_t handle(void *state, const stargate_message *message) noexcept
    {
        return guarded(
            [&]() -> std::int32_t {
                auto &call = *static_cast<callable *>(state);
                const message_view view(message);
                if constexpr (std::is_void_v<std::invoke_result_t<callable &, const message_view &>>) {
                    call(view);
                    return STARGATE_ACK;
                } else {
                    const outcome decided = call(view);
                    return static_cast<std::int32_t>(decided);
                }
            },
            threw);
    }

    static void drop(void *state) noexcept { release<callable>(state); }

    static stargate_handler table() noexcept
    {
        stargate_handler table = STARGATE_HANDLER_INIT;
        table.init = init;
        table.handle = handle;
        table.drop = drop;
        return table;
    }

    /// No outcome of the library: it counts as a handler that failed, and costs the message a negative acknowledgement.
    static constexpr std::int32_t threw = -1;
};

/// One callable for all processors.
template <class F>
auto for_each_processor(F &&handle)
{
    auto shared = std::make_shared<std::decay_t<F>>(std::forward<F>(handle));
    return [shared](std::uint32_t) {
        return [shared](const message_view &message) {
            return (*shared)(message);
        };
    };
}

/// Whether F can be a handler.
template <class F>
inline constexpr bool handles = std::is_invocable_v<std::decay_t<F> &, const message_view &>;

/// What consumers and readers have in common.
template <class Functions>
class receiver {
public:
    using handle = typename Functions::handle;

    /// Waits for the next message and returns it; none if none arrives in time.
    std::optional<message> receive(milliseconds timeout = forever) { return try_receive(timeout).value(); }
    /// As receive, but returns a result in place of an exception.
    result<std::optional<message>> try_receive(milliseconds timeout = forever)
    {
        stargate_message *raw = nullptr;
        auto failed = failure(
            [&](stargate_error **error) { return Functions::receive(raw_.get(), detail::ms(timeout), &raw, error); });
        if (failed && failed->status() == status::timeout)
            return std::optional<message>();
        if (failed)
            return std::move(*failed);
        return std::optional<message>(std::in_place, raw);
    }

    /// Waits for the next message, and returns it with those that have already arrived, up to `max`; none if none
    /// arrives in time.
    std::vector<message> receive_many(std::size_t max, milliseconds timeout = forever)
    {
        return try_receive_many(max, timeout).value();
    }
    /// As receive_many, but returns a result in place of an exception.
    result<std::vector<message>> try_receive_many(std::size_t max, milliseconds timeout = forever)
    {
        std::vector<stargate_message *> raw(max);
        std::size_t count = 0;
        auto failed = failure([&](stargate_error **error) {
            return Functions::receive_many(raw_.get(), max, detail::ms(timeout), raw.data(), &count, error);
        });
        if (failed && failed->status() != status::timeout)
            return std::move(*failed);
        std::vector<message> messages;
        messages.reserve(count);
        for (std::size_t i = 0; i < count; i++)
            messages.emplace_back(raw[i]);
        return messages;
    }

    /// As receive_many, but does not wait.
    std::future<result<std::vector<message>>> receive_async(std::size_t max, milliseconds timeout = forever)
    {
        using Messages = result<std::vector<message>>;
        const auto trampoline = [](void *kept, stargate_status ended, stargate_message **raw, std::size_t count,
                                   const stargate_error *from) noexcept {
            guarded(
                [&] {
                    std::vector<message> messages;
                    messages.reserve(count);
                    for (std::size_t i = 0; i < count; i++)
                        messages.emplace_back(raw[i]);
                    auto &promise = *static_cast<std::promise<Messages> *>(kept);
                    if (ended == STARGATE_OK || ended == STARGATE_TIMEOUT)
                        promise.set_value(std::move(messages));
                    else
                        promise.set_value(error(ended, from));
                    return 0;
                },
                0);
        };
        return promised<std::vector<message>>([&](void *kept, auto destroy, stargate_error **error) {
            return Functions::receive_async(raw_.get(), max, detail::ms(timeout), trampoline, kept, destroy, error);
        });
    }

    /// Ends every receive that waits now, on any thread, with status::interrupted; if none waits, the next one.
    void interrupt() { try_interrupt().value(); }
    /// As interrupt, but returns a result in place of an exception.
    result<void> try_interrupt()
    {
        return attempt([&](stargate_error **error) { return Functions::interrupt(raw_.get(), error); });
    }

    /// Runs `init(std::uint32_t processor)` on the thread of each processor, and what it returns, which is called as
    /// `(const message_view &) -> outcome` (or void, to acknowledge), on each of that processor's messages.
    template <class Init>
    void listen_each(Init &&init)
    {
        try_listen_each(std::forward<Init>(init)).value();
    }
    /// As listen_each, but returns a result in place of an exception.
    template <class Init>
    result<void> try_listen_each(Init &&init)
    {
        using Kept = std::decay_t<Init>;
        const stargate_handler handler = processor<Kept>::table();
        void *kept = keep(std::forward<Init>(init));
        return attempt([&](stargate_error **error) {
            return Functions::listen(raw_.get(), &handler, kept, release<Kept>, error);
        });
    }

    /// Runs `handle(const message_view &) -> outcome` (or void, to acknowledge) on every message. With the option
    /// processors above 1 several threads call it at once.
    template <class F>
    void listen(F &&handle)
    {
        try_listen(std::forward<F>(handle)).value();
    }
    /// As listen, but returns a result in place of an exception.
    template <class F>
    result<void> try_listen(F &&handle)
    {
        return try_listen_each(for_each_processor(std::forward<F>(handle)));
    }

    /// Returns whether the topic was terminated and everything in it has been acknowledged or read.
    bool is_end_of_topic(milliseconds timeout = forever) { return try_is_end_of_topic(timeout).value(); }
    /// As is_end_of_topic, but returns a result in place of an exception.
    result<bool> try_is_end_of_topic(milliseconds timeout = forever)
    {
        std::int32_t end = 0;
        auto failed = failure([&](stargate_error **error) {
            return Functions::is_end_of_topic(raw_.get(), detail::ms(timeout), &end, error);
        });
        if (failed)
            return std::move(*failed);
        return end != 0;
    }
    void wait_connected(milliseconds timeout = forever) { try_wait_connected(timeout).value(); }
    /// As wait_connected, but returns a result in place of an exception.
    result<void> try_wait_connected(milliseconds timeout = forever)
    {
        return attempt(
            [&](stargate_error **error) { return Functions::wait_connected(raw_.get(), detail::ms(timeout), error); });
    }
    /// Returns the full name of the topic.
    std::string_view topic() const noexcept { return view(Functions::topic(raw_.get())); }
    /// Returns whether all connections are up now.
    bool is_connected() const noexcept { return Functions::is_connected(raw_.get()) != 0; }
    /// Returns the counters as a JSON object.
    std::string stats_json() const { return try_stats_json().value(); }
    /// As stats_json, but returns a result in place of an exception.
    result<std::string> try_stats_json() const
    {
        return text_of(
            [&](char **text, stargate_error **error) { return Functions::stats_json(raw_.get(), text, error); });
    }
    /// Lets handlers finish their messages, and closes. After success no handler runs.
    void close(milliseconds timeout = forever) { try_close(timeout).value(); }
    /// As close, but returns a result in place of an exception.
    result<void> try_close(milliseconds timeout = forever)
    {
        return attempt(
            [&](stargate_error **error) { return Functions::close(raw_.get(), detail::ms(timeout), error); });
    }
    /// As close, but does not wait.
    std::future<result<void>> close_async(milliseconds timeout = forever)
    {
        return promised<void>([&](void *kept, auto destroy, stargate_error **error) {
            return Functions::close_async(raw_.get(), detail::ms(timeout), keep_promise<void>, kept, destroy, error);
        });
    }
    handle *get() const noexcept { return raw_.get(); }

protected:
    explicit receiver(handle *owned) noexcept : raw_(owned, Functions::free) {}

    std::unique_ptr<handle, void (*)(handle *)> raw_;
};

} // namespace detail

/// Consumes the messages of a subscription.
class consumer : public detail::receiver<detail::consumer_functions> {
public:
    explicit consumer(stargate_consumer *owned) noexcept : receiver(owned) {}

    /// Returns the name of the subscription.
    std::string_view subscription() const noexcept { return detail::view(stargate_consumer_subscription(get())); }

    /// Acknowledges a message.
    void ack(const message_view &message) { try_ack(message).value(); }
    /// As ack, but returns a result in place of an exception.
    result<void> try_ack(const message_view &message)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_consumer_ack(get(), message.get(), error); });
    }
    /// Acknowledges each of the messages.
    void ack(const std::vector<message> &messages) { try_ack(messages).value(); }
    /// As ack, but returns a result in place of an exception.
    result<void> try_ack(const std::vector<message> &messages)
    {
        std::vector<stargate_message *> raw;
        raw.reserve(messages.size());
        // C takes the array that a receive filled, and changes no message.
        for (const auto &message : messages)
            raw.push_back(const_cast<stargate_message *>(message.get()));
        return detail::attempt(
            [&](stargate_error **error) { return stargate_consumer_ack_many(get(), raw.data(), raw.size(), error); });
    }
    /// Acknowledges a message by its id, as after outcome::continue_.
    void ack(std::string_view message_id) { try_ack(message_id).value(); }
    /// As ack, but returns a result in place of an exception.
    result<void> try_ack(std::string_view message_id)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_consumer_ack_id(get(), std::string(message_id).c_str(), error);
        });
    }
    /// Acknowledges a message and all before it; see stargate_consumer_ack_cumulative.
    void ack_cumulative(const message_view &message) const { try_ack_cumulative(message).value(); }
    /// As ack_cumulative, but returns a result in place of an exception.
    result<void> try_ack_cumulative(const message_view &message) const
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_consumer_ack_cumulative(get(), message.get(), error); });
    }
    void ack_cumulative(std::string_view message_id) const { try_ack_cumulative(message_id).value(); }
    /// As ack_cumulative, but returns a result in place of an exception.
    result<void> try_ack_cumulative(std::string_view message_id) const
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_consumer_ack_cumulative_id(get(), std::string(message_id).c_str(), error);
        });
    }
    /// Requests redelivery of a message, after the option negative_ack_delay.
    void nack(const message_view &message) { try_nack(message).value(); }
    /// As nack, but returns a result in place of an exception.
    result<void> try_nack(const message_view &message)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_consumer_nack(get(), message.get(), error); });
    }
    void nack(std::string_view message_id) { try_nack(message_id).value(); }
    /// As nack, but returns a result in place of an exception.
    result<void> try_nack(std::string_view message_id)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_consumer_nack_id(get(), std::string(message_id).c_str(), error);
        });
    }
    /// Schedules redelivery of a message after `delay`, from the retry letter topic; see
    /// stargate_consumer_reconsume_later.
    void reconsume_later(const message_view &message, milliseconds delay, milliseconds timeout = forever)
    {
        try_reconsume_later(message, delay, timeout).value();
    }
    /// As reconsume_later, but returns a result in place of an exception.
    result<void> try_reconsume_later(const message_view &message, milliseconds delay, milliseconds timeout = forever)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_consumer_reconsume_later(get(), message.get(), delay.count(), detail::ms(timeout), error);
        });
    }
    /// Moves to another position: "earliest", "latest" or an id, or with `after` the position after that id; see
    /// stargate_consumer_seek.
    void seek(std::string_view position, bool after = false, milliseconds timeout = forever)
    {
        try_seek(position, after, timeout).value();
    }
    /// As seek, but returns a result in place of an exception.
    result<void> try_seek(std::string_view position, bool after = false, milliseconds timeout = forever)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_consumer_seek(get(), std::string(position).c_str(), after, detail::ms(timeout), error);
        });
    }
    /// Moves to the first message published at or after that time, in milliseconds since 1970 UTC.
    void seek_time(std::int64_t time_ms, milliseconds timeout = forever) { try_seek_time(time_ms, timeout).value(); }
    /// As seek_time, but returns a result in place of an exception.
    result<void> try_seek_time(std::int64_t time_ms, milliseconds timeout = forever)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_consumer_seek_time(get(), time_ms, detail::ms(timeout), error);
        });
    }
    /// Returns the ids of the last messages, one for each partition that has any, as a JSON array.
    std::string last_message_ids_json(milliseconds timeout = forever)
    {
        return try_last_message_ids_json(timeout).value();
    }
    /// As last_message_ids_json, but returns a result in place of an exception.
    result<std::string> try_last_message_ids_json(milliseconds timeout = forever)
    {
        return detail::text_of([&](char **text, stargate_error **error) {
            return stargate_consumer_last_message_ids_json(get(), detail::ms(timeout), text, error);
        });
    }
    /// Returns how many messages the subscription has not acknowledged; see stargate_consumer_backlog.
    std::uint64_t backlog(milliseconds timeout = forever) { return try_backlog(timeout).value(); }
    /// As backlog, but returns a result in place of an exception.
    result<std::uint64_t> try_backlog(milliseconds timeout = forever)
    {
        std::uint64_t count = 0;
        auto failed = detail::failure([&](stargate_error **error) {
            return stargate_consumer_backlog(get(), detail::ms(timeout), &count, error);
        });
        if (failed)
            return std::move(*failed);
        return count;
    }
    /// Requests this many more messages, in pull mode.
    void permit(std::uint32_t messages) { try_permit(messages).value(); }
    /// As permit, but returns a result in place of an exception.
    result<void> try_permit(std::uint32_t messages)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_consumer_permit(get(), messages, error); });
    }
    /// Deletes the subscription and closes the consumer.
    void unsubscribe(milliseconds timeout = forever) { try_unsubscribe(timeout).value(); }
    /// As unsubscribe, but returns a result in place of an exception.
    result<void> try_unsubscribe(milliseconds timeout = forever)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_consumer_unsubscribe(get(), detail::ms(timeout), error); });
    }
};

/// Reads a topic from the option starting_message, without a subscription.
class reader : public detail::receiver<detail::reader_functions> {
public:
    explicit reader(stargate_reader *owned) noexcept : receiver(owned) {}

    /// Moves to another position: "earliest", "latest" or an id, or with `after` the position after that id; see
    /// stargate_reader_seek.
    void seek(std::string_view position, bool after = false, milliseconds timeout = forever)
    {
        try_seek(position, after, timeout).value();
    }
    /// As seek, but returns a result in place of an exception.
    result<void> try_seek(std::string_view position, bool after = false, milliseconds timeout = forever)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_reader_seek(get(), std::string(position).c_str(), after, detail::ms(timeout), error);
        });
    }
    /// Moves to the first message published at or after that time, in milliseconds since 1970 UTC.
    void seek_time(std::int64_t time_ms, milliseconds timeout = forever) { try_seek_time(time_ms, timeout).value(); }
    /// As seek_time, but returns a result in place of an exception.
    result<void> try_seek_time(std::int64_t time_ms, milliseconds timeout = forever)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_reader_seek_time(get(), time_ms, detail::ms(timeout), error);
        });
    }
    /// Returns the ids of the last messages, one for each partition that has any, as a JSON array.
    std::string last_message_ids_json(milliseconds timeout = forever)
    {
        return try_last_message_ids_json(timeout).value();
    }
    /// As last_message_ids_json, but returns a result in place of an exception.
    result<std::string> try_last_message_ids_json(milliseconds timeout = forever)
    {
        return detail::text_of([&](char **text, stargate_error **error) {
            return stargate_reader_last_message_ids_json(get(), detail::ms(timeout), text, error);
        });
    }
    /// Returns whether the topic has a message that the application has not received yet.
    bool has_message_available(milliseconds timeout = forever) { return try_has_message_available(timeout).value(); }
    /// As has_message_available, but returns a result in place of an exception.
    result<bool> try_has_message_available(milliseconds timeout = forever)
    {
        std::int32_t available = 0;
        auto failed = detail::failure([&](stargate_error **error) {
            return stargate_reader_has_message_available(get(), detail::ms(timeout), &available, error);
        });
        if (failed)
            return std::move(*failed);
        return available != 0;
    }
    /// Marks where the topic ends now, for receive_before_end.
    void mark_end(milliseconds timeout = forever) { try_mark_end(timeout).value(); }
    /// As mark_end, but returns a result in place of an exception.
    result<void> try_mark_end(milliseconds timeout = forever)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_reader_mark_end(get(), detail::ms(timeout), error); });
    }
    /// Waits for the next message before the marked end and returns it; none once the application has received
    /// everything up to there. If none arrives in time, the error is timeout. See stargate_reader_receive_before_end.
    std::optional<message> receive_before_end(milliseconds timeout = forever)
    {
        return try_receive_before_end(timeout).value();
    }
    /// As receive_before_end, but returns a result in place of an exception.
    result<std::optional<message>> try_receive_before_end(milliseconds timeout = forever)
    {
        stargate_message *raw = nullptr;
        auto failed = detail::failure([&](stargate_error **error) {
            return stargate_reader_receive_before_end(get(), detail::ms(timeout), &raw, error);
        });
        if (failed)
            return std::move(*failed);
        return raw == nullptr ? std::optional<message>() : std::optional<message>(std::in_place, raw);
    }
    bool is_caught_up() const noexcept { return stargate_reader_is_caught_up(get()) != 0; }
};

/// A client of a Pulsar cluster.
class client {
public:
    /// Creates a client for the servers at `url` ("ws://host:port", several hosts separated by commas). It does not
    /// connect.
    explicit client(const std::string &url, const options &options = {}) : client(try_create(url, options).value()) {}
    /// As the constructor, with a result in place of an exception.
    static result<client> try_create(const std::string &url, const options &options = {})
    {
        return open<client, stargate_client>(options, [&](stargate_client **out, stargate_error **error) {
            return stargate_client_new(url.c_str(), options.get(), out, error);
        });
    }

    producer open_producer(std::string_view topic, const options &options = {}, milliseconds timeout = forever)
    {
        return try_open_producer(topic, options, timeout).value();
    }
    /// As open_producer, but returns a result in place of an exception.
    result<producer> try_open_producer(std::string_view topic, const options &options = {},
                                       milliseconds timeout = forever)
    {
        return open<producer, stargate_producer>(options, [&](stargate_producer **out, stargate_error **error) {
            return stargate_producer_open(get(), std::string(topic).c_str(), options.get(), detail::ms(timeout), out,
                                          error);
        });
    }

    consumer open_consumer(std::string_view topic, const std::string &subscription, const options &options = {},
                           milliseconds timeout = forever)
    {
        return try_open_consumer(topic, subscription, options, timeout).value();
    }
    /// As open_consumer, but returns a result in place of an exception.
    result<consumer> try_open_consumer(std::string_view topic, const std::string &subscription,
                                       const options &options = {}, milliseconds timeout = forever)
    {
        return open<consumer, stargate_consumer>(options, [&](stargate_consumer **out, stargate_error **error) {
            return stargate_consumer_open(get(), std::string(topic).c_str(), subscription.c_str(), options.get(),
                                          detail::ms(timeout), out, error);
        });
    }

    /// Opens a consumer of several topics, on one connection.
    consumer open_consumer(const std::vector<std::string> &topics, const std::string &subscription,
                           const options &options = {}, milliseconds timeout = forever)
    {
        return try_open_consumer(topics, subscription, options, timeout).value();
    }
    consumer open_consumer(std::initializer_list<std::string> topics, const std::string &subscription,
                           const options &options = {}, milliseconds timeout = forever)
    {
        return open_consumer(std::vector<std::string>(topics), subscription, options, timeout);
    }
    /// As open_consumer, but returns a result in place of an exception.
    result<consumer> try_open_consumer(const std::vector<std::string> &topics, const std::string &subscription,
                                       const options &options = {}, milliseconds timeout = forever)
    {
        std::vector<const char *> names;
        for (const auto &topic : topics)
            names.push_back(topic.c_str());
        return open<consumer, stargate_consumer>(options, [&](stargate_consumer **out, stargate_error **error) {
            return stargate_consumer_open_topics(get(), names.data(), names.size(), subscription.c_str(), options.get(),
                                                 detail::ms(timeout), out, error);
        });
    }

    /// Opens a consumer of every persistent topic whose full name matches a regular expression.
    consumer open_pattern(const std::string &pattern, const std::string &subscription, const options &options = {},
                          milliseconds timeout = forever)
    {
        return try_open_pattern(pattern, subscription, options, timeout).value();
    }
    /// As open_pattern, but returns a result in place of an exception.
    result<consumer> try_open_pattern(const std::string &pattern, const std::string &subscription,
                                      const options &options = {}, milliseconds timeout = forever)
    {
        return open<consumer, stargate_consumer>(options, [&](stargate_consumer **out, stargate_error **error) {
            return stargate_consumer_open_pattern(get(), pattern.c_str(), subscription.c_str(), options.get(),
                                                  detail::ms(timeout), out, error);
        });
    }

    reader open_reader(std::string_view topic, const options &options = {}, milliseconds timeout = forever)
    {
        return try_open_reader(topic, options, timeout).value();
    }
    /// As open_reader, but returns a result in place of an exception.
    result<reader> try_open_reader(std::string_view topic, const options &options = {}, milliseconds timeout = forever)
    {
        return open<reader, stargate_reader>(options, [&](stargate_reader **out, stargate_error **error) {
            return stargate_reader_open(get(), std::string(topic).c_str(), options.get(), detail::ms(timeout), out,
                                        error);
        });
    }

    /// As open_producer, but does not wait.
    std::future<result<producer>> open_producer_async(const std::string &topic, const options &options = {},
                                                      milliseconds timeout = forever)
    {
        return open_async<producer>(options, [&](auto done, void *kept, auto destroy, stargate_error **error) {
            return stargate_producer_open_async(get(), topic.c_str(), options.get(), detail::ms(timeout), done, kept,
                                                destroy, error);
        });
    }
    /// As open_consumer, but does not wait.
    std::future<result<consumer>> open_consumer_async(const std::string &topic, const std::string &subscription,
                                                      const options &options = {}, milliseconds timeout = forever)
    {
        return open_async<consumer>(options, [&](auto done, void *kept, auto destroy, stargate_error **error) {
            return stargate_consumer_open_async(get(), topic.c_str(), subscription.c_str(), options.get(),
                                                detail::ms(timeout), done, kept, destroy, error);
        });
    }
    /// As open_reader, but does not wait.
    std::future<result<reader>> open_reader_async(const std::string &topic, const options &options = {},
                                                  milliseconds timeout = forever)
    {
        return open_async<reader>(options, [&](auto done, void *kept, auto destroy, stargate_error **error) {
            return stargate_reader_open_async(get(), topic.c_str(), options.get(), detail::ms(timeout), done, kept,
                                              destroy, error);
        });
    }
    /// As close, but does not wait.
    std::future<result<void>> close_async(milliseconds timeout = forever)
    {
        return detail::promised<void>([&](void *kept, auto destroy, stargate_error **error) {
            return stargate_client_close_async(get(), detail::ms(timeout), detail::keep_promise<void>, kept, destroy,
                                               error);
        });
    }

    /// Closes everything opened through this client. After success no callback runs any more.
    void close(milliseconds timeout = forever) { try_close(timeout).value(); }
    /// As close, but returns a result in place of an exception.
    result<void> try_close(milliseconds timeout = forever)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_client_close(get(), detail::ms(timeout), error); });
    }

    /// Runs the callbacks that are due, with options::poll_callbacks, and returns how many. It waits at most `timeout`
    /// for the first.
    std::size_t poll(milliseconds timeout) { return try_poll(timeout).value(); }
    /// As poll, but returns a result in place of an exception.
    result<std::size_t> try_poll(milliseconds timeout)
    {
        std::size_t served = 0;
        auto failed = detail::failure(
            [&](stargate_error **error) { return stargate_client_poll(get(), detail::ms(timeout), &served, error); });
        if (failed)
            return std::move(*failed);
        return served;
    }

    /// Returns a file descriptor that is readable while callbacks are due, with options::poll_callbacks. It belongs to
    /// the client.
    int event_fd() const { return try_event_fd().value(); }
    /// As event_fd, but returns a result in place of an exception.
    result<int> try_event_fd() const
    {
        std::int32_t descriptor = -1;
        auto failed = detail::failure(
            [&](stargate_error **error) { return stargate_client_event_fd(get(), &descriptor, error); });
        if (failed)
            return std::move(*failed);
        return static_cast<int>(descriptor);
    }

    /// Returns the counters of everything opened through this client, as a JSON object.
    std::string stats_json() const { return try_stats_json().value(); }
    /// As stats_json, but returns a result in place of an exception.
    result<std::string> try_stats_json() const
    {
        return detail::text_of(
            [&](char **text, stargate_error **error) { return stargate_client_stats_json(get(), text, error); });
    }

    /// Returns the proxy of the client's WebSockets, without user and password; empty if there is none.
    result<std::string> proxy() const
    {
        return detail::text_of(
            [&](char **text, stargate_error **error) { return stargate_client_proxy(get(), text, error); });
    }

    explicit client(stargate_client *owned) noexcept : raw_(owned, stargate_client_free) {}
    stargate_client *get() const noexcept { return raw_.get(); }

private:
    template <class Handle, class Raw, class Call>
    static result<Handle> open(const options &options, Call &&call)
    {
        if (options.mistake())
            return *options.mistake();
        return detail::open<Handle, Raw>(std::forward<Call>(call));
    }

    template <class Handle, class Call>
    static std::future<result<Handle>> open_async(const options &options, Call &&call)
    {
        if (options.mistake()) {
            std::promise<result<Handle>> ended;
            ended.set_value(*options.mistake());
            return ended.get_future();
        }
        return detail::promised<Handle>([&](void *kept, auto destroy, stargate_error **error) {
            return call(detail::keep_promise<Handle>, kept, destroy, error);
        });
    }

    std::unique_ptr<stargate_client, void (*)(stargate_client *)> raw_;
};

/// A named set of producers, consumers and readers, each reopened when it ends with a permanent error.
class supervisor {
public:
    /// Starts a supervisor from JSON (see stargate_supervisor_start); `options` are further options of connections.
    static supervisor start(const std::string &json, const options &options = {}, milliseconds timeout = forever)
    {
        return try_start(json, options, timeout).value();
    }
    /// As start, but returns a result in place of an exception.
    static result<supervisor> try_start(const std::string &json, const options &options = {},
                                        milliseconds timeout = forever)
    {
        if (options.mistake())
            return *options.mistake();
        return detail::open<supervisor, stargate_supervisor>([&](stargate_supervisor **out, stargate_error **error) {
            return stargate_supervisor_start(json.c_str(), options.get(), detail::ms(timeout), out, error);
        });
    }

    /// Returns the running supervisor of this name.
    static supervisor find(const std::string &name) { return try_find(name).value(); }
    /// As find, but returns a result in place of an exception.
    static result<supervisor> try_find(const std::string &name)
    {
        return detail::open<supervisor, stargate_supervisor>([&](stargate_supervisor **out, stargate_error **error) {
            return stargate_supervisor_find(name.c_str(), out, error);
        });
    }

    void add_producer(const std::string &json, milliseconds timeout = forever)
    {
        try_add_producer(json, timeout).value();
    }
    /// As add_producer, but returns a result in place of an exception.
    result<void> try_add_producer(const std::string &json, milliseconds timeout = forever)
    {
        return detail::attempt([&](stargate_error **error) {
            return stargate_supervisor_add_producer(get(), json.c_str(), detail::ms(timeout), error);
        });
    }

    /// Adds a consumer to receive from.
    void add_consumer(const std::string &json, milliseconds timeout = forever)
    {
        try_add_consumer(json, timeout).value();
    }
    /// As add_consumer, but returns a result in place of an exception.
    result<void> try_add_consumer(const std::string &json, milliseconds timeout = forever)
    {
        return add_receiving(stargate_supervisor_add_consumer, json, timeout);
    }
    /// Adds a consumer with a handler, as consumer::listen takes it. It keeps the handler after a restart.
    template <class F, std::enable_if_t<detail::handles<F>, int> = 0>
    void add_consumer(const std::string &json, F &&handle, milliseconds timeout = forever)
    {
        try_add_consumer(json, std::forward<F>(handle), timeout).value();
    }
    /// As add_consumer, but returns a result in place of an exception.
    template <class F, std::enable_if_t<detail::handles<F>, int> = 0>
    result<void> try_add_consumer(const std::string &json, F &&handle, milliseconds timeout = forever)
    {
        return add_handling(stargate_supervisor_add_consumer, json, detail::for_each_processor(std::forward<F>(handle)),
                            timeout);
    }
    /// Adds a consumer with a callable for each processor, as consumer::listen_each takes it.
    template <class Init>
    void add_consumer_each(const std::string &json, Init &&init, milliseconds timeout = forever)
    {
        try_add_consumer_each(json, std::forward<Init>(init), timeout).value();
    }
    /// As add_consumer_each, but returns a result in place of an exception.
    template <class Init>
    result<void> try_add_consumer_each(const std::string &json, Init &&init, milliseconds timeout = forever)
    {
        return add_handling(stargate_supervisor_add_consumer, json, std::forward<Init>(init), timeout);
    }

    /// Adds a reader to receive from.
    void add_reader(const std::string &json, milliseconds timeout = forever) { try_add_reader(json, timeout).value(); }
    /// As add_reader, but returns a result in place of an exception.
    result<void> try_add_reader(const std::string &json, milliseconds timeout = forever)
    {
        return add_receiving(stargate_supervisor_add_reader, json, timeout);
    }
    /// Adds a reader with a handler, as reader::listen takes it.
    template <class F, std::enable_if_t<detail::handles<F>, int> = 0>
    void add_reader(const std::string &json, F &&handle, milliseconds timeout = forever)
    {
        try_add_reader(json, std::forward<F>(handle), timeout).value();
    }
    /// As add_reader, but returns a result in place of an exception.
    template <class F, std::enable_if_t<detail::handles<F>, int> = 0>
    result<void> try_add_reader(const std::string &json, F &&handle, milliseconds timeout = forever)
    {
        return add_handling(stargate_supervisor_add_reader, json, detail::for_each_processor(std::forward<F>(handle)),
                            timeout);
    }
    /// Adds a reader with a callable for each processor, as reader::listen_each takes it.
    template <class Init>
    void add_reader_each(const std::string &json, Init &&init, milliseconds timeout = forever)
    {
        try_add_reader_each(json, std::forward<Init>(init), timeout).value();
    }
    /// As add_reader_each, but returns a result in place of an exception.
    template <class Init>
    result<void> try_add_reader_each(const std::string &json, Init &&init, milliseconds timeout = forever)
    {
        return add_handling(stargate_supervisor_add_reader, json, std::forward<Init>(init), timeout);
    }

    /// Returns the producer of a topic, as it is now; after a restart it is another one. It continues when this handle
    /// is freed.
    producer producer_of(std::string_view topic) { return try_producer_of(topic).value(); }
    /// As producer_of, but returns a result in place of an exception.
    result<producer> try_producer_of(std::string_view topic)
    {
        return detail::open<producer, stargate_producer>([&](stargate_producer **out, stargate_error **error) {
            return stargate_supervisor_producer(get(), std::string(topic).c_str(), out, error);
        });
    }
    /// Returns the consumer of a topic that has one.
    consumer consumer_of(std::string_view topic) { return try_consumer_of(topic).value(); }
    /// As consumer_of, but returns a result in place of an exception.
    result<consumer> try_consumer_of(std::string_view topic) { return consumer_named(topic, nullptr); }
    consumer consumer_of(std::string_view topic, const std::string &subscription)
    {
        return try_consumer_of(topic, subscription).value();
    }
    /// As consumer_of, but returns a result in place of an exception.
    result<consumer> try_consumer_of(std::string_view topic, const std::string &subscription)
    {
        return consumer_named(topic, subscription.c_str());
    }
    reader reader_of(std::string_view topic) { return try_reader_of(topic).value(); }
    /// As reader_of, but returns a result in place of an exception.
    result<reader> try_reader_of(std::string_view topic)
    {
        return detail::open<reader, stargate_reader>([&](stargate_reader **out, stargate_error **error) {
            return stargate_supervisor_reader(get(), std::string(topic).c_str(), out, error);
        });
    }

    /// Returns what the supervisor holds, as a JSON array.
    std::string keys_json() const { return try_keys_json().value(); }
    /// As keys_json, but returns a result in place of an exception.
    result<std::string> try_keys_json() const
    {
        return detail::text_of(
            [&](char **text, stargate_error **error) { return stargate_supervisor_keys_json(get(), text, error); });
    }

    /// Stops restarting, and closes everything that the supervisor holds. Its name can then be used again.
    void close(milliseconds timeout = forever) { try_close(timeout).value(); }
    /// As close, but returns a result in place of an exception.
    result<void> try_close(milliseconds timeout = forever)
    {
        return detail::attempt(
            [&](stargate_error **error) { return stargate_supervisor_close(get(), detail::ms(timeout), error); });
    }

    explicit supervisor(stargate_supervisor *owned) noexcept : raw_(owned, stargate_supervisor_free) {}
    stargate_supervisor *get() const noexcept { return raw_.get(); }

private:
    template <class Add>
    result<void> add_receiving(Add add, const std::string &json, milliseconds timeout)
    {
        return detail::attempt([&](stargate_error **error) {
            return add(get(), json.c_str(), nullptr, nullptr, nullptr, detail::ms(timeout), error);
        });
    }

    template <class Add, class Init>
    result<void> add_handling(Add add, const std::string &json, Init &&init, milliseconds timeout)
    {
        using Kept = std::decay_t<Init>;
        const stargate_handler handler = detail::processor<Kept>::table();
        void *kept = detail::keep(std::forward<Init>(init));
        return detail::attempt([&](stargate_error **error) {
            return add(get(), json.c_str(), &handler, kept, detail::release<Kept>, detail::ms(timeout), error);
        });
    }

    result<consumer> consumer_named(std::string_view topic, const char *subscription)
    {
        return detail::open<consumer, stargate_consumer>([&](stargate_consumer **out, stargate_error **error) {
            return stargate_supervisor_consumer(get(), std::string(topic).c_str(), subscription, out, error);
        });
    }

    std::unique_ptr<stargate_supervisor, void (*)(stargate_supervisor *)> raw_;
};

} // namespace stargate

#endif
