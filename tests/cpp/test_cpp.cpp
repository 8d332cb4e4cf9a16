// What stargate.hpp adds to the C library: ownership, results, and callables of C++.
#include "proxy.h"
#include "testing.h"

#include <stargate_admin.hpp>
#include <stargate_mock.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <iterator>
#include <mutex>
#include <numeric>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr stargate::milliseconds limit{TIMEOUT_MS};

// Waits until `condition` is so; the library has no event for it.
template <class Condition>
void wait_until(Condition &&condition)
{
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!condition() && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(5ms);
    CHECK(condition());
}

stargate::client connect()
{
    return stargate::client(broker());
}

// The broker's "host:port".
std::string host()
{
    const std::string url = broker();
    return url.substr(url.find("://") + 3);
}

// Tells when the last copy of what holds it is gone.
struct tracer {
    explicit tracer(std::atomic<int> &alive) : alive(&alive) { ++alive; }
    tracer(const tracer &other) : alive(other.alive) { ++*alive; }
    tracer(tracer &&other) noexcept : alive(other.alive) { ++*alive; }
    tracer &operator=(const tracer &) = delete;
    ~tracer() { --*alive; }

    std::atomic<int> *alive;
};

} // namespace

TEST(results_hold_a_value_or_an_error)
{
    stargate::result<int> good(3);
    CHECK(good && *good == 3 && good.value() == 3);
    stargate::result<int> bad(stargate::error(stargate::status::busy, "in use"));
    CHECK(!bad && bad.error().status() == stargate::status::busy);
    try {
        (void)bad.value();
        CHECK(!"it threw nothing");
    } catch (const stargate::exception &thrown) {
        CHECK(thrown.error().status() == stargate::status::busy && std::string(thrown.what()) == "in use");
    }
    CHECK(stargate::result<void>().has_value());
}

TEST(the_library_is_that_of_the_headers)
{
    CHECK(stargate::version() == STARGATE_VERSION && stargate::is_compatible());
    CHECK(stargate::options::describe().find("\"ack_timeout\"") != std::string_view::npos);
}

TEST(errors_carry_everything)
{
    auto client = connect();
    const auto opened = client.try_open_producer("persistent://public/nowhere/orders", {}, limit);
    CHECK(!opened);
    CHECK(opened.error().status() == stargate::status::not_found && opened.error().http_status() == 404);
    CHECK(opened.error().topic() == "persistent://public/nowhere/orders" && !opened.error().is_retriable());
    CHECK(opened.error().message().find("nowhere") != std::string::npos);
    CHECK(!stargate::client::try_create("nonsense"));
}

TEST(a_mistake_in_options_is_told_when_they_are_used)
{
    auto client = stargate::client::try_create("ws://127.0.0.1:9", {{"ack_timout", "1"}});
    CHECK(!client && client.error().message().find("\"ack_timeout\"") != std::string::npos);
}

template <class T>
std::string printed(const T &value)
{
    std::ostringstream out;
    out << value;
    return out.str();
}

// What a newcomer writes first: constructors and calls that throw.
TEST(calls_throw_and_their_twins_return_the_error)
{
    stargate::client client(broker());
    stargate::producer producer = client.open_producer(new_topic(), {}, limit);
    const stargate::receipt receipt = producer.send("one pizza", limit);
    CHECK(printed(receipt) == receipt.message_id && !receipt.message_id.empty());
    producer.close(limit);
    const auto twin = producer.try_send("too late", limit);
    CHECK(!twin && twin.error().status() == stargate::status::closed);
    try {
        producer.send("too late", limit);
        CHECK(!"it throws");
    } catch (const stargate::exception &thrown) {
        CHECK(thrown.error().message() == twin.error().message());
        CHECK(printed(thrown.error()) == thrown.what());
    }
    try {
        stargate::client nowhere("nonsense");
        CHECK(!"it throws");
    } catch (const stargate::exception &thrown) {
        CHECK(thrown.error().status() == stargate::status::invalid_argument);
    }
}

TEST(values_print)
{
    CHECK(printed(stargate::status::timeout) == stargate_status_name(STARGATE_TIMEOUT));
    CHECK(printed(stargate::outcome::continue_) == "continue" && printed(stargate::outcome::nack) == "nack");
    CHECK(printed(stargate::log_level::warn) == "warn");
    CHECK(printed(stargate::connection_state::stalled) == "stalled");
    CHECK(printed(stargate::receipt{""}) == "duplicate");
    CHECK(printed(stargate::position_of("CC8QACAAMAU=")) == "47:0:-1:0");
    CHECK(printed(stargate::delivery_report{std::nullopt, "id", std::nullopt, false}) == "id");
}

TEST(a_message_goes_there_and_back)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto consumer = client.open_consumer(topic, "s", {}, limit);
    auto producer = client.open_producer(topic, {}, limit);
    using namespace std::string_literals;
    const auto receipt = producer.send(stargate::outgoing("a\0b"s).key("k").property("p", "1").property("o", "2"));
    auto received = consumer.receive(limit);
    CHECK(received && received->payload() == std::string_view("a\0b", 3) && received->key() == "k");
    CHECK(received->property("p") == "1" && !received->property("x") && received->properties().size() == 2);
    CHECK(stargate::compare_message_ids(receipt.message_id, std::string(received->id())) == 0);
    stargate::message moved = *std::move(received);
    CHECK(moved.payload().size() == 3);
    consumer.ack(moved);
    CHECK(!consumer.receive(0ms));
    CHECK(consumer.receive_many(10, 0ms).empty());
    CHECK(consumer.stats_json().find("\"received\":1") != std::string::npos);
    client.close(limit);
    CHECK(consumer.try_receive(0ms).error().status() == stargate::status::closed);
}

TEST(a_time_that_is_over_is_no_time)
{
    auto client = connect();
    auto consumer = client.open_consumer(new_topic(), "s", {}, limit);
    for (const auto left : {-1ms, -5ms, 0ms})
        CHECK(!consumer.receive(left));
}

TEST(a_message_that_was_moved_away_is_not_acknowledged)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto consumer = client.open_consumer(topic, "s", {}, limit);
    client.open_producer(topic, {}, limit).send("order");
    auto batch = consumer.receive_many(1, limit);
    CHECK(batch.size() == 1);
    stargate::message taken = std::move(batch[0]);
    CHECK(taken.payload() == "order");
    const auto refused = consumer.try_ack(batch);
    CHECK(!refused && refused.error().status() == stargate::status::invalid_argument);
    batch[0] = std::move(taken);
    consumer.ack(batch);
}

TEST(a_lambda_is_a_handler_and_ends_with_the_consumer)
{
    enum { MESSAGES = 1000 };
    auto client = connect();
    const std::string topic = new_topic();
    std::atomic<int> alive{0}, handled{0}, wrong{0}, stored{0};
    {
        auto consumer = client.open_consumer(topic, "s", {}, limit);
        consumer.listen([&, trace = tracer(alive), expected = 0](const stargate::message_view &message) mutable {
            wrong += message.payload() != std::to_string(expected++);
            ++handled;
            return stargate::outcome::ack;
        });
        CHECK(alive > 0);
        auto producer = client.open_producer(topic, {}, limit);
        for (int i = 0; i < MESSAGES; i++) {
            producer.send_async(stargate::outgoing(std::to_string(i)).context("c"),
                                [&, trace = tracer(alive)](const stargate::delivery_report &sent) {
                                    stored += !sent.error && sent.context == "c" && !sent.message_id.empty();
                                });
        }
        wait_until([&] { return handled == MESSAGES; });
        producer.close(limit);
        consumer.close(limit);
        CHECK(stored == MESSAGES && wrong == 0);
    }
    CHECK(alive == 0);
}

TEST(each_processor_has_its_own_callable)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto consumer = client.open_consumer(topic, "s", {{"processors", "3"}}, limit);
    auto producer = client.open_producer(topic, {}, limit);
    std::mutex lock;
    std::set<std::uint32_t> made;
    std::atomic<int> handled{0}, alive{0};
    consumer.listen_each([&](std::uint32_t number) {
        const std::lock_guard<std::mutex> held(lock);
        made.insert(number);
        return [&handled, trace = tracer(alive)](const stargate::message_view &) {
            ++handled;
        };
    });
    CHECK((made == std::set<std::uint32_t>{0, 1, 2}) && alive == 3);
    for (const auto &end : producer.send_batch(std::vector<stargate::outgoing>(30, "x"), limit))
        CHECK(end && !end->message_id.empty());
    wait_until([&] { return handled == 30; });
    consumer.close(limit);
    CHECK(alive == 0);
}

TEST(an_exception_in_a_handler_costs_that_message_a_negative_acknowledgement)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto consumer =
        client.open_consumer(topic, "s", {{"subscription_type", "shared"}, {"negative_ack_delay", "100"}}, limit);
    auto producer = client.open_producer(topic, {}, limit);
    std::atomic<int> handled{0};
    consumer.listen([&](const stargate::message_view &message) {
        ++handled;
        if (message.redelivery_count() == 0)
            throw std::runtime_error("on purpose");
    });
    producer.send("x");
    wait_until([&] { return handled == 2; });
    CHECK(consumer.stats_json().find("\"handler_errors\":1") != std::string::npos);
}

TEST(an_exception_in_init_fails_the_listen)
{
    auto client = connect();
    auto consumer = client.open_consumer(new_topic(), "s", {}, limit);
    const auto listening = consumer.try_listen_each(
        [](std::uint32_t) -> void (*)(const stargate::message_view &) { throw std::runtime_error("on purpose"); });
    CHECK(!listening && listening.error().message().find("init of processor 0") != std::string::npos);
}

TEST(an_exception_in_a_callback_goes_no_further)
{
    auto client = connect();
    auto producer = client.open_producer(new_topic(), {}, limit);
    std::atomic<int> called{0};
    for (int i = 0; i < 2; i++) {
        producer.send_async("x", [&](const stargate::delivery_report &) {
            ++called;
            throw std::runtime_error("on purpose");
        });
    }
    producer.close(limit);
    CHECK(called == 2);
}

TEST(a_callable_that_is_refused_is_released)
{
    std::atomic<int> alive{0}, called{0};
    stargate::client client("ws://127.0.0.1:9", {{"lazy", "true"}});
    auto producer = client.open_producer("t");
    producer.close(limit);
    const auto refused =
        producer.try_send_async("x", [&, trace = tracer(alive)](const stargate::delivery_report &) { ++called; });
    CHECK(!refused && refused.error().status() == stargate::status::closed);
    CHECK(alive == 0 && called == 0);
}

TEST(logs_states_and_tokens_are_callables)
{
    std::atomic<int> lines{0}, connected{0};
    stargate::options options;
    options
        .on_log(stargate::log_level::info,
                [&](stargate::log_level, std::string_view, std::string_view text) { lines += !text.empty(); })
        .on_state([&](const stargate::state_change &change) {
            connected += change.state == stargate::connection_state::connected && !change.host.empty();
        });
    stargate::client client(broker(), options);
    auto producer = client.open_producer(new_topic(), {}, limit);
    producer.close(limit);
    CHECK(lines > 0 && connected == 1);

    stargate::options failing;
    failing.on_token([]() -> std::string { throw std::runtime_error("on purpose"); });
    auto refused = stargate::client(broker(), failing).try_open_producer(new_topic(), {}, limit);
    CHECK(!refused && refused.error().status() == stargate::status::authentication);

    stargate::options unsigned_;
    unsigned_.header("X-Key", "k").on_headers([]() -> std::string { throw std::runtime_error("on purpose"); });
    refused = stargate::client(broker(), unsigned_).try_open_producer(new_topic(), {}, limit);
    CHECK(!refused && refused.error().status() == stargate::status::authentication);
    stargate::options signed_;
    signed_.header("X-Key", "k").on_headers([] { return std::string("X-Signature: s"); });
    CHECK(stargate::client(broker(), signed_).try_open_producer(new_topic(), {}, limit));
    stargate::options wrong;
    wrong.header("Host", "x");
    CHECK(!stargate::client::try_create(broker(), wrong));
}

TEST(a_proxy_is_named_by_the_client_and_its_states)
{
    static counter tunnels = COUNTER_INIT;
    const auto at = "127.0.0.1:" + std::to_string(proxy_start(&tunnels));
    auto mock = stargate::mock::start();
    const auto send_one = [&](const std::string &proxy, const std::string &shown) {
        std::atomic<int> connected{0};
        stargate::options options;
        options.set("proxy", proxy).on_state([&](const stargate::state_change &change) {
            connected += change.state == stargate::connection_state::connected && change.proxy == shown;
        });
        stargate::client client(mock.url(), options);
        CHECK(client.proxy().value() == shown);
        auto producer = client.open_producer("t", {}, limit);
        producer.send("through", limit);
        wait_until([&] { return connected == 1; });
        client.close(limit);
    };
    send_one("http://me:secret@" + at, "http://" + at);
    CHECK(counter_get(&tunnels) == 1);
    send_one("none", "");
    CHECK(counter_get(&tunnels) == 1);
}

TEST(callbacks_are_polled_where_that_is_wanted)
{
    stargate::client client(broker(), stargate::options().poll_callbacks());
    CHECK(client.event_fd() >= 0);
    auto producer = client.open_producer(new_topic(), {}, limit);
    int sent = 0; // one thread does it all
    producer.send_async("x", [&, here = std::this_thread::get_id()](const stargate::delivery_report &) {
        CHECK(std::this_thread::get_id() == here);
        sent++;
    });
    CHECK(client.poll(limit) == 1 && sent == 1);
    CHECK(client.poll(0ms) == 0);
    CHECK(!connect().try_event_fd());
}

TEST(handles_close_when_they_go_out_of_scope_in_any_order)
{
    std::optional<stargate::client> client(connect());
    const std::string topic = new_topic();
    auto consumer = client->open_consumer(topic, "s", {}, limit);
    auto producer = client->open_producer(topic, {}, limit);
    client.reset();
    producer.send("after the client");
    auto received = consumer.receive(limit);
    CHECK(received && received->payload() == "after the client");
}

TEST(a_reader_reads_from_the_earliest)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto producer = client.open_producer(topic, {}, limit);
    for (int i = 0; i < 10; i++)
        producer.send(std::to_string(i));
    auto reader = client.open_reader(topic, {{"starting_message", "earliest"}}, limit);
    int read = 0;
    while (read < 10) {
        for (const auto &message : reader.receive_many(100, limit))
            CHECK(message.payload() == std::to_string(read++));
    }
    CHECK(!reader.is_end_of_topic(limit));
}

TEST(handles_say_what_they_are)
{
    auto client = connect();
    const std::string topic = new_topic(), full = "persistent://public/default/" + topic;
    auto consumer = client.open_consumer(topic, "s", {{"connections", "2"}, {"subscription_type", "shared"}}, limit);
    auto reader = client.open_reader(topic, {}, limit);
    auto producer = client.open_producer(topic, {}, limit);
    CHECK(producer.topic() == full && consumer.topic() == full && reader.topic() == full);
    CHECK(consumer.subscription() == "s");
    CHECK(producer.is_connected() && consumer.is_connected() && reader.is_connected());
    const auto position = stargate::position_of(producer.send("x").message_id);
    CHECK(position.ledger > 0 && position.entry == 0 && !position.partition && !position.batch_index);
    CHECK(!stargate::try_position_of("nonsense"));
    // Views of a message are arguments as they are, and topics a list.
    auto several = client.open_consumer({topic, topic + "-other"}, "several", {}, limit);
    client.open_producer(producer.topic(), {}, limit).send("y", limit);
    const auto message = several.receive(limit);
    CHECK(message && stargate::position_of(message->id()).ledger > 0);
    several.ack(message->id());
    CHECK(client.stats_json().find("\"receipts\":2") != std::string::npos);
    client.close(limit);
    CHECK(!producer.is_connected() && !consumer.is_connected() && !reader.is_connected());
}

TEST(ad_hoc_producing_gives_a_result_for_each_message)
{
    const std::string topic = new_topic();
    auto consumer = connect().open_consumer(topic, "s", {}, limit);
    const std::string url = std::string(broker()) + "/ws/v2/producer/persistent/public/default/" + topic;
    const auto ends = stargate::produce(url, {stargate::outgoing("a").key("k"), "b"}, {}, limit);
    CHECK(ends.size() == 2 && ends[0] && ends[1] && !ends[1]->message_id.empty());
    CHECK(consumer.receive(limit)->key() == "k");

    const auto refused = stargate::produce("ws://127.0.0.1:9", {"a", "b"});
    CHECK(refused.size() == 2 && !refused[1] && refused[1].error().status() == stargate::status::invalid_argument);
    const auto mistaken = stargate::produce(url, {"a"}, {{"no_such", "1"}});
    CHECK(mistaken.size() == 1 && mistaken[0].error().message().find("no_such") != std::string::npos);
}

TEST(a_supervisor_has_what_its_json_names_and_what_is_added)
{
    const std::string topic = new_topic(), other = new_topic();
    std::atomic<int> handled{0}, alive{0}, read{0};
    {
        auto supervisor = stargate::supervisor::try_start(
                              R"({"name": ")" + topic + R"(", "host": ")" + host() + R"(", "producer": {"topic": ")"
                                  + topic + R"("}, "consumer": {"topic": ")" + topic + R"(", "subscription": "s"}})",
                              {}, limit)
                              .value();
        CHECK(stargate::supervisor::find(topic).keys_json().find("\"subscription\":\"s\"") != std::string::npos);
        supervisor.producer_of(topic).send("x", limit);
        auto consumer = supervisor.consumer_of(topic);
        CHECK(consumer.receive(limit)->payload() == "x");
        CHECK(supervisor.try_consumer_of(topic, "other").error().status() == stargate::status::not_found);

        const std::string json =
            R"({"topic": ")" + other + R"(", "subscription": "s", "starting_message": "earliest"})";
        const std::string reader = R"({"topic": ")" + other + R"(", "starting_message": "earliest"})";
        supervisor.add_producer(R"({"topic": ")" + other + R"("})", limit);
        supervisor.add_consumer(
            R"({"topic": ")" + other + R"(", "subscription": "s"})",
            [&, trace = tracer(alive)](const stargate::message_view &) { ++handled; }, limit);
        supervisor.add_reader_each(
            reader,
            [&](std::uint32_t) {
                return [&, trace = tracer(alive)](const stargate::message_view &) {
                    ++read;
                };
            },
            limit);
        const auto twice = supervisor.try_add_consumer(R"({"topic": ")" + other + R"(", "subscription": "s"})", limit);
        CHECK(!twice && twice.error().status() == stargate::status::busy);
        CHECK(!supervisor.try_add_reader(json, limit)); // a reader has no subscription
        supervisor.producer_of(other).send("y", limit);
        wait_until([&] { return handled == 1 && read == 1; });
        CHECK(supervisor.reader_of(other).is_connected());
        supervisor.close(limit);
    }
    wait_until([&] { return alive == 0; });
    CHECK(!stargate::supervisor::try_find(topic));
    CHECK(!stargate::supervisor::try_start("{}", {{"no_such", "1"}}));
}

TEST(a_mock_is_a_broker_that_fails_on_request)
{
    auto mock = stargate::mock::start();
    CHECK(mock.url().rfind("ws://127.0.0.1:", 0) == 0 && mock.http_url().rfind("http://127.0.0.1:", 0) == 0);
    stargate::client client(mock.url());
    auto consumer = client.open_consumer("orders", "s", {}, limit);
    auto producer = client.open_producer("orders", {}, limit);
    mock.fault("send", "orders", "drop-after");
    CHECK(mock.faults_left() == 1);
    producer.send(stargate::outgoing("one").key("k").property("p", "1"), limit);
    mock.wait("send", "orders", 2, limit);
    CHECK(mock.faults_left() == 0 && mock.count("send", "orders") == 2);

    const auto stored = mock.messages("orders");
    CHECK(stored.size() == 2 && stored[1].payload == "one" && stored[1].key == "k");
    CHECK((stored[0].properties == std::vector<std::pair<std::string, std::string>>{{"p", "1"}}));
    CHECK(stored[0].topic == "persistent://public/default/orders" && stored[0].publish_time_ms > 0);
    CHECK(mock.backlog("orders", "s") == 2);
    CHECK(!mock.publish("orders", "two").empty());
    CHECK(mock.messages("orders").size() == 3);
    CHECK(mock.connections() == 2 && mock.drop_connections("orders") == 2);
    mock.create_namespace("public/other");
    mock.create_partitioned("public/other/parts", 3);
    mock.create_subscription("public/other/sub", "s");
    mock.set_deduplication("public/other", true);
    mock.terminate("orders");
    CHECK(mock.try_publish("orders", "three").error().status() == stargate::status::broker);
    mock.delete_topic("public/other/sub");
    CHECK(mock.requests_json().find("\"op\":\"send\"") != std::string::npos);
    mock.clear_requests();
    mock.clear_faults();
    mock.set_up(false);
    CHECK(!stargate::client(mock.url()).try_open_producer("t", {}, limit));
    mock.set_up(true);
    CHECK(!mock.try_fault("nonsense", nullptr, "drop"));
    CHECK(mock.try_messages("unknown").error().status() == stargate::status::not_found);
}

// What ended by itself leaves nothing for a close to complain about, and none for the end of its scope.
TEST(closing_what_has_ended_is_no_error)
{
    auto mock = stargate::mock::start();
    stargate::client client(mock.url());
    auto producer = client.open_producer("t", {}, limit);
    auto consumer = client.open_consumer("t", "s", {}, limit);
    auto reader = client.open_reader("t", {}, limit);
    mock.fault("connect", "t", "http:401", 3);
    CHECK(mock.drop_connections("t") == 3);
    wait_until([&] { return !producer.try_wait_connected(limit); });
    CHECK(producer.try_send("x", limit).error().status() == stargate::status::authentication);
    for (int round = 0; round < 2; ++round) {
        producer.close(stargate::milliseconds(0));
        consumer.close(limit);
        reader.close(limit);
    }
    client.close(limit);
}

TEST(a_mock_is_as_its_options_say)
{
    stargate::mock_options options;
    options.token = "secret";
    options.auto_create_topics = false;
    auto mock = stargate::mock::start(options);
    CHECK(stargate::client(mock.url()).try_open_producer("t", {}, limit).error().http_status() == 401);
    stargate::client client(mock.url(), {{"token", "secret"}});
    CHECK(client.try_open_producer("t", {}, limit).error().status() == stargate::status::not_found);
    options.token.reset();
    options.tls_cert_file = "/does/not/exist";
    CHECK(!stargate::mock::try_start(options));
}

TEST(a_mock_is_an_issuer_and_has_users)
{
    stargate::mock_options options;
    options.basic_user = "mario";
    options.basic_password = "pizza";
    options.oauth2_client_id = "shop";
    options.oauth2_client_secret = "hush";
    auto mock = stargate::mock::start(options);
    const auto sends = [&](const stargate::options &with) {
        stargate::client client(mock.url(), with);
        return client.open_producer("t", {}, limit).try_send("x", limit).has_value();
    };
    CHECK(sends({{"basic_user", "mario"}, {"basic_password", "pizza"}}));
    CHECK(sends({{"oauth2_issuer_url", mock.oauth2_issuer_url()},
                 {"oauth2_client_id", "shop"},
                 {"oauth2_client_secret", "hush"}}));
    CHECK(stargate::client(mock.url()).try_open_producer("t", {}, limit).error().http_status() == 401);
}

TEST(nothing_thrown_leaves_any_callable)
{
    // An int is no std::exception; each kind of callable throws one, and the process goes on.
    auto mock = stargate::mock::start();
    std::atomic<int> logging{0}, logged{0}, changed{0}, sent{0}, handled{0}, read{0}, supervised{0};
    {
        stargate::options options;
        options
            .on_log(stargate::log_level::debug, [&, trace = tracer(logging)](auto, auto, auto) { ++logged, throw 1; })
            .on_state([&](const stargate::state_change &) { ++changed, throw 2; });
        stargate::client client(mock.url(), options);
        auto consumer = client.open_consumer("t", "s", {}, limit);
        auto reader = client.open_reader("t", {{"starting_message", "earliest"}}, limit);
        auto producer = client.open_producer("t", {}, limit);
        consumer.listen([&](const stargate::message_view &) { ++handled, throw 3; });
        reader.listen_each([&](std::uint32_t) {
            return [&](const stargate::message_view &) {
                ++read, throw 4;
            };
        });
        CHECK(!client.open_consumer("u", "s", {}, limit)
                   .try_listen_each([](std::uint32_t) -> void (*)(const stargate::message_view &) { throw 5; }));
        producer.send_async("x", [&](const stargate::delivery_report &) { ++sent, throw 6; }, limit);
        wait_until([&] { return handled > 0 && read > 0 && sent == 1; });
        stargate::options token;
        token.on_token([]() -> std::string { throw 7; });
        CHECK(!stargate::client(mock.url(), token).try_open_producer("t", {}, limit));
        auto supervisor = stargate::supervisor::start(R"({"host": ")" + mock.url().substr(5) + R"("})", {}, limit);
        supervisor.add_reader(
            R"({"topic": "t", "starting_message": "earliest"})",
            [&](const stargate::message_view &) { ++supervised, throw 8; }, limit);
        wait_until([&] { return supervised > 0; });
        CHECK(logged > 0 && changed > 0);
        supervisor.close(limit);
        client.close(limit);
    }
    wait_until([&] { return logging == 0; }); // until then there may be records
}

TEST(the_rest_api_has_a_call_for_each_function)
{
    auto client = connect();
    stargate::admin admin(client, limit);
    const std::string tenant = new_topic(), space = tenant + "/n", topic = space + "/t";
    const auto has = [](const std::vector<std::string> &names, const std::string &wanted) {
        return std::find(names.begin(), names.end(), wanted) != names.end();
    };

    admin.check_health();
    CHECK(!admin.broker_version().empty() && !admin.clusters().empty());
    CHECK(admin.ensure_tenant(tenant, "boss") && !admin.ensure_tenant(tenant));
    CHECK(has(admin.tenants(), tenant));
    CHECK(admin.tenant(tenant).find("boss") != std::string::npos);
    CHECK(admin.try_create_tenant(tenant).error().status() == stargate::status::busy);
    admin.create_namespace(space);
    CHECK(!admin.ensure_namespace(space) && has(admin.namespaces(tenant), space));
    CHECK(!admin.message_ttl(space) && !admin.deduplication(space) && !admin.retention(space));
    admin.set_message_ttl(space, 60s);
    admin.set_deduplication(space, true);
    admin.set_retention(space, 10, 20);
    CHECK(admin.message_ttl(space) == 60s && admin.deduplication(space) == true);
    CHECK(admin.retention(space)->find("20") != std::string::npos);
    admin.remove_policy(space, "retention");
    CHECK(!admin.namespace_policies(space).empty());

    admin.create_topic(topic);
    CHECK(!admin.ensure_topic(topic) && admin.partitions(topic) == 0);
    CHECK(admin.ensure_partitioned_topic(space + "/p", 2));
    admin.grow_partitions(space + "/p", 3);
    CHECK(admin.partitions(space + "/p") == 3);
    CHECK(has(admin.topics(space), "persistent://" + topic));
    CHECK(has(admin.partitioned_topics(space), "persistent://" + space + "/p"));

    std::vector<std::string> walked;
    const auto keep = [&](const std::string &name) {
        return walked.push_back(name), walked.size() < 3;
    };
    admin.walk_topics(tenant, keep);
    CHECK(walked.size() == 3 && has(admin.topics(space), walked[2]));
    const auto throws = [&](const std::string &name) -> bool {
        throw std::runtime_error(name);
    };
    admin.walk_topics(std::nullopt, throws);

    admin.create_subscription(topic, "s", "earliest");
    CHECK(!admin.ensure_subscription(topic, "s") && has(admin.subscriptions(topic), "s"));
    auto producer = client.open_producer(topic, {}, limit);
    const std::string first = producer.send("one", limit).message_id;
    const std::string second = producer.send("two", limit).message_id;
    producer.close(limit);
    CHECK(stargate::compare_message_ids(*admin.last_message_id(topic), second) == 0);
    CHECK(admin.peek(topic, "s").at(0).payload() == "one");
    CHECK(admin.peek_entry(topic, "s", 2).at(0).payload() == "two");
    CHECK(admin.peek_entry(topic, "s", 3).empty());
    CHECK(admin.read_entry(topic, second).at(0).payload() == "two");
    CHECK(admin.examine_message(topic, "earliest").at(0).payload() == "one");
    admin.skip(topic, "s", 1);
    CHECK(admin.peek(topic, "s").at(0).payload() == "two");
    admin.seek(topic, "s", first, true);
    CHECK(admin.peek(topic, "s").at(0).payload() == "two");
    admin.seek_time(topic, "s", 1);
    CHECK(admin.peek(topic, "s").at(0).payload() == "one");
    admin.skip_all(topic, "s");
    CHECK(admin.peek(topic, "s").empty());
    CHECK(admin.topic_stats(topic).find("\"msgBacklog\":0") != std::string::npos);
    CHECK(admin.request("GET", "tenants").find(tenant) != std::string::npos);

    const std::string schema = R"({"type":"STRING"})";
    CHECK(admin.upload_schema(topic, schema) == 0);
    CHECK(admin.schema(topic).find("STRING") != std::string::npos && admin.schemas(topic)[0] == '[');
    CHECK(admin.test_schema_compatibility(topic, schema).find("true") != std::string::npos);
    admin.delete_schema(topic);
    CHECK(admin.try_schema(topic).error().status() == stargate::status::not_found);

    admin.delete_subscription(topic, "s");
    CHECK(admin.terminate_topic(topic).size() == 1);
    admin.delete_topic(topic);
    CHECK(admin.try_topic_stats(topic).error().status() == stargate::status::not_found);
    CHECK(admin.try_peek(topic, "s").error().http_status() == 404);
}

TEST(consumers_and_readers_go_to_other_places)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto consumer = client.open_consumer(topic, "s", {}, limit);
    auto reader = client.open_reader(topic, {}, limit);
    CHECK(!reader.has_message_available(limit));
    auto producer = client.open_producer(topic, {}, limit);
    producer.send("one", limit);
    const std::string second = producer.send("two", limit).message_id;
    CHECK(reader.has_message_available(limit));
    CHECK(reader.receive(limit)->payload() == "one" && reader.receive(limit)->payload() == "two");
    CHECK(!reader.has_message_available(limit));
    reader.seek_time(1, limit);
    CHECK(reader.receive(limit)->payload() == "one");
    CHECK(reader.last_message_ids_json(limit).size() > 4);
    for (int i = 0; i < 2; i++)
        consumer.ack(*consumer.receive(limit));
    consumer.seek_time(1, limit);
    CHECK(consumer.receive(limit)->payload() == "one");
    CHECK(consumer.last_message_ids_json(limit) == reader.last_message_ids_json(limit));
}

TEST(a_callable_gives_the_keys)
{
    const auto file = [](const char *name) {
        std::ifstream pem(std::string(KEYS "/") + name);
        return std::string(std::istreambuf_iterator<char>(pem), {});
    };
    std::atomic<int> alive{0}, refused{0};
    {
        const auto keys = [&,
                           trace = tracer(alive)](const stargate::key_request &wanted) -> std::optional<stargate::key> {
            if (wanted.name != "billing")
                return std::nullopt;
            if (wanted.half == stargate::key_half::public_key)
                return stargate::key{file("rsa.pub.pem"), {{"version", "3"}}};
            if (wanted.metadata.size() != 1 || wanted.metadata[0].second != "3")
                ++refused;
            return stargate::key{file("rsa.pem")};
        };
        auto client = connect();
        const std::string topic = new_topic();
        auto consumer = client.open_consumer(topic, "s", stargate::options().on_key(keys), limit);
        auto producer =
            client.open_producer(topic, stargate::options{{"encryption_key", "billing"}}.on_key(keys), limit);
        producer.send("one pizza", limit);
        auto received = consumer.receive(limit);
        CHECK(received->payload() == "one pizza" && !received->is_encrypted() && refused == 0);
        CHECK(!client.try_open_producer(topic, stargate::options{{"encryption_key", "other"}}.on_key(keys), limit));
        const auto thrower = [](const stargate::key_request &) -> std::optional<stargate::key> {
            throw 1;
        };
        CHECK(!client.try_open_producer(topic, stargate::options{{"encryption_key", "k"}}.on_key(thrower), limit));
        client.close(limit);
    }
    wait_until([&] { return alive == 0; });
}
