// What stargate.hpp adds to the C library: ownership, results, and callables of C++.
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
    return stargate::client::create(broker()).value();
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
    const auto opened = client.open_producer("persistent://public/nowhere/orders", {}, limit);
    CHECK(!opened);
    CHECK(opened.error().status() == stargate::status::not_found && opened.error().http_status() == 404);
    CHECK(opened.error().topic() == "persistent://public/nowhere/orders" && !opened.error().is_retriable());
    CHECK(opened.error().message().find("nowhere") != std::string::npos);
    CHECK(!stargate::client::create("nonsense"));
}

TEST(a_mistake_in_options_is_told_when_they_are_used)
{
    auto client = stargate::client::create("ws://127.0.0.1:9", {{"ack_timout", "1"}});
    CHECK(!client && client.error().message().find("\"ack_timeout\"") != std::string::npos);
}

TEST(a_message_goes_there_and_back)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto consumer = client.open_consumer(topic, "s", {}, limit).value();
    auto producer = client.open_producer(topic, {}, limit).value();
    using namespace std::string_literals;
    const auto receipt =
        producer.send(stargate::outgoing("a\0b"s).key("k").property("p", "1").property("o", "2")).value();
    auto received = consumer.receive(limit).value();
    CHECK(received && received->payload() == std::string_view("a\0b", 3) && received->key() == "k");
    CHECK(received->property("p") == "1" && !received->property("x") && received->properties().size() == 2);
    CHECK(stargate::compare_message_ids(receipt.message_id, std::string(received->id())).value() == 0);
    stargate::message moved = *std::move(received);
    CHECK(moved.payload().size() == 3);
    consumer.ack(moved).value();
    CHECK(!consumer.receive(0ms).value());
    CHECK(consumer.receive_many(10, 0ms).value().empty());
    CHECK(consumer.stats_json().value().find("\"received\":1") != std::string::npos);
    client.close(limit).value();
    CHECK(consumer.receive(0ms).error().status() == stargate::status::closed);
}

TEST(a_lambda_is_a_handler_and_ends_with_the_consumer)
{
    enum { MESSAGES = 1000 };
    auto client = connect();
    const std::string topic = new_topic();
    std::atomic<int> alive{0}, handled{0}, wrong{0}, stored{0};
    {
        auto consumer = client.open_consumer(topic, "s", {}, limit).value();
        consumer
            .listen([&, trace = tracer(alive), expected = 0](const stargate::message_view &message) mutable {
                wrong += message.payload() != std::to_string(expected++);
                ++handled;
                return stargate::outcome::ack;
            })
            .value();
        CHECK(alive > 0);
        auto producer = client.open_producer(topic, {}, limit).value();
        for (int i = 0; i < MESSAGES; i++) {
            producer
                .send_async(stargate::outgoing(std::to_string(i)).context("c"),
                            [&, trace = tracer(alive)](const stargate::delivery_report &sent) {
                                stored += !sent.error && sent.context == "c" && !sent.message_id.empty();
                            })
                .value();
        }
        wait_until([&] { return handled == MESSAGES; });
        producer.close(limit).value();
        consumer.close(limit).value();
        CHECK(stored == MESSAGES && wrong == 0);
    }
    CHECK(alive == 0);
}

TEST(each_processor_has_its_own_callable)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto consumer = client.open_consumer(topic, "s", {{"processors", "3"}}, limit).value();
    auto producer = client.open_producer(topic, {}, limit).value();
    std::mutex lock;
    std::set<std::uint32_t> made;
    std::atomic<int> handled{0}, alive{0};
    consumer
        .listen_each([&](std::uint32_t number) {
            const std::lock_guard<std::mutex> held(lock);
            made.insert(number);
            return [&handled, trace = tracer(alive)](const stargate::message_view &) {
                ++handled;
            };
        })
        .value();
    CHECK((made == std::set<std::uint32_t>{0, 1, 2}) && alive == 3);
    for (const auto &end : producer.send_batch(std::vector<stargate::outgoing>(30, "x"), limit))
        CHECK(end && !end->message_id.empty());
    wait_until([&] { return handled == 30; });
    consumer.close(limit).value();
    CHECK(alive == 0);
}

TEST(an_exception_in_a_handler_costs_that_message_a_negative_acknowledgement)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto consumer =
        client.open_consumer(topic, "s", {{"subscription_type", "shared"}, {"negative_ack_delay", "100"}}, limit)
            .value();
    auto producer = client.open_producer(topic, {}, limit).value();
    std::atomic<int> handled{0};
    consumer
        .listen([&](const stargate::message_view &message) {
            ++handled;
            if (message.redelivery_count() == 0)
                throw std::runtime_error("on purpose");
        })
        .value();
    producer.send("x").value();
    wait_until([&] { return handled == 2; });
    CHECK(consumer.stats_json().value().find("\"handler_errors\":1") != std::string::npos);
}

TEST(an_exception_in_init_fails_the_listen)
{
    auto client = connect();
    auto consumer = client.open_consumer(new_topic(), "s", {}, limit).value();
    const auto listening = consumer.listen_each(
        [](std::uint32_t) -> void (*)(const stargate::message_view &) { throw std::runtime_error("on purpose"); });
    CHECK(!listening && listening.error().message().find("init of processor 0") != std::string::npos);
}

TEST(an_exception_in_a_callback_goes_no_further)
{
    auto client = connect();
    auto producer = client.open_producer(new_topic(), {}, limit).value();
    std::atomic<int> called{0};
    for (int i = 0; i < 2; i++) {
        producer
            .send_async("x",
                        [&](const stargate::delivery_report &) {
                            ++called;
                            throw std::runtime_error("on purpose");
                        })
            .value();
    }
    producer.close(limit).value();
    CHECK(called == 2);
}

TEST(a_callable_that_is_refused_is_released)
{
    std::atomic<int> alive{0}, called{0};
    auto client = stargate::client::create("ws://127.0.0.1:9", {{"lazy", "true"}}).value();
    auto producer = client.open_producer("t").value();
    producer.close(limit).value();
    const auto refused = producer.send_async("x", [&, trace = tracer(alive)](const stargate::delivery_report &) { ++called; });
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
    auto client = stargate::client::create(broker(), options).value();
    auto producer = client.open_producer(new_topic(), {}, limit).value();
    producer.close(limit).value();
    CHECK(lines > 0 && connected == 1);

    stargate::options failing;
    failing.on_token([]() -> std::string { throw std::runtime_error("on purpose"); });
    auto refused = stargate::client::create(broker(), failing).value().open_producer(new_topic(), {}, limit);
    CHECK(!refused && refused.error().status() == stargate::status::authentication);
}

TEST(callbacks_are_polled_where_that_is_wanted)
{
    auto client = stargate::client::create(broker(), stargate::options().poll_callbacks()).value();
    CHECK(client.event_fd().value() >= 0);
    auto producer = client.open_producer(new_topic(), {}, limit).value();
    int sent = 0; // one thread does it all
    producer
        .send_async("x",
                    [&, here = std::this_thread::get_id()](const stargate::delivery_report &) {
                        CHECK(std::this_thread::get_id() == here);
                        sent++;
                    })
        .value();
    CHECK(client.poll(limit).value() == 1 && sent == 1);
    CHECK(client.poll(0ms).value() == 0);
    CHECK(!connect().event_fd());
}

TEST(handles_close_when_they_go_out_of_scope_in_any_order)
{
    std::optional<stargate::client> client(connect());
    const std::string topic = new_topic();
    auto consumer = client->open_consumer(topic, "s", {}, limit).value();
    auto producer = client->open_producer(topic, {}, limit).value();
    client.reset();
    producer.send("after the client").value();
    auto received = consumer.receive(limit).value();
    CHECK(received && received->payload() == "after the client");
}

TEST(a_reader_reads_from_the_earliest)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto producer = client.open_producer(topic, {}, limit).value();
    for (int i = 0; i < 10; i++)
        producer.send(std::to_string(i)).value();
    auto reader = client.open_reader(topic, {{"starting_message", "earliest"}}, limit).value();
    int read = 0;
    while (read < 10) {
        for (const auto &message : reader.receive_many(100, limit).value())
            CHECK(message.payload() == std::to_string(read++));
    }
    CHECK(!reader.is_end_of_topic(limit).value());
}

TEST(handles_say_what_they_are)
{
    auto client = connect();
    const std::string topic = new_topic(), full = "persistent://public/default/" + topic;
    auto consumer =
        client.open_consumer(topic, "s", {{"connections", "2"}, {"subscription_type", "shared"}}, limit).value();
    auto reader = client.open_reader(topic, {}, limit).value();
    auto producer = client.open_producer(topic, {}, limit).value();
    CHECK(producer.topic() == full && consumer.topic() == full && reader.topic() == full);
    CHECK(consumer.subscription() == "s");
    CHECK(producer.is_connected() && consumer.is_connected() && reader.is_connected());
    const auto position = stargate::position_of(producer.send("x").value().message_id).value();
    CHECK(position.ledger > 0 && position.entry == 0 && !position.partition && !position.batch_index);
    CHECK(!stargate::position_of("nonsense"));
    CHECK(client.stats_json().value().find("\"receipts\":1") != std::string::npos);
    client.close(limit).value();
    CHECK(!producer.is_connected() && !consumer.is_connected() && !reader.is_connected());
}

TEST(ad_hoc_producing_gives_a_result_for_each_message)
{
    const std::string topic = new_topic();
    auto consumer = connect().open_consumer(topic, "s", {}, limit).value();
    const std::string url = std::string(broker()) + "/ws/v2/producer/persistent/public/default/" + topic;
    const auto ends = stargate::produce(url, {stargate::outgoing("a").key("k"), "b"}, {}, limit);
    CHECK(ends.size() == 2 && ends[0] && ends[1] && !ends[1]->message_id.empty());
    CHECK(consumer.receive(limit).value()->key() == "k");

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
        auto supervisor = stargate::supervisor::start(
                              R"({"name": ")" + topic + R"(", "host": ")" + host() + R"(", "producer": {"topic": ")"
                                  + topic + R"("}, "consumer": {"topic": ")" + topic + R"(", "subscription": "s"}})",
                              {}, limit)
                              .value();
        CHECK(stargate::supervisor::find(topic).value().keys_json().value().find("\"subscription\":\"s\"")
              != std::string::npos);
        supervisor.producer_of(topic).value().send("x", limit).value();
        auto consumer = supervisor.consumer_of(topic).value();
        CHECK(consumer.receive(limit).value()->payload() == "x");
        CHECK(supervisor.consumer_of(topic, "other").error().status() == stargate::status::not_found);

        const std::string json =
            R"({"topic": ")" + other + R"(", "subscription": "s", "starting_message": "earliest"})";
        const std::string reader = R"({"topic": ")" + other + R"(", "starting_message": "earliest"})";
        supervisor.add_producer(R"({"topic": ")" + other + R"("})", limit).value();
        supervisor
            .add_consumer(
                R"({"topic": ")" + other + R"(", "subscription": "s"})",
                [&, trace = tracer(alive)](const stargate::message_view &) { ++handled; }, limit)
            .value();
        supervisor
            .add_reader_each(
                reader,
                [&](std::uint32_t) {
                    return [&, trace = tracer(alive)](const stargate::message_view &) {
                        ++read;
                    };
                },
                limit)
            .value();
        const auto twice = supervisor.add_consumer(R"({"topic": ")" + other + R"(", "subscription": "s"})", limit);
        CHECK(!twice && twice.error().status() == stargate::status::busy);
        CHECK(!supervisor.add_reader(json, limit)); // a reader has no subscription
        supervisor.producer_of(other).value().send("y", limit).value();
        wait_until([&] { return handled == 1 && read == 1; });
        CHECK(supervisor.reader_of(other).value().is_connected());
        supervisor.close(limit).value();
    }
    wait_until([&] { return alive == 0; });
    CHECK(!stargate::supervisor::find(topic));
    CHECK(!stargate::supervisor::start("{}", {{"no_such", "1"}}));
}

TEST(a_mock_is_a_broker_that_fails_on_request)
{
    auto mock = stargate::mock::start().value();
    CHECK(mock.url().rfind("ws://127.0.0.1:", 0) == 0 && mock.http_url().rfind("http://127.0.0.1:", 0) == 0);
    auto client = stargate::client::create(mock.url()).value();
    auto consumer = client.open_consumer("orders", "s", {}, limit).value();
    auto producer = client.open_producer("orders", {}, limit).value();
    mock.fault("send", "orders", "drop-after").value();
    CHECK(mock.faults_left() == 1);
    producer.send(stargate::outgoing("one").key("k").property("p", "1"), limit).value();
    mock.wait("send", "orders", 2, limit).value();
    CHECK(mock.faults_left() == 0 && mock.count("send", "orders").value() == 2);

    const auto stored = mock.messages("orders").value();
    CHECK(stored.size() == 2 && stored[1].payload == "one" && stored[1].key == "k");
    CHECK((stored[0].properties == std::vector<std::pair<std::string, std::string>>{{"p", "1"}}));
    CHECK(stored[0].topic == "persistent://public/default/orders" && stored[0].publish_time_ms > 0);
    CHECK(mock.backlog("orders", "s").value() == 2);
    CHECK(!mock.publish("orders", "two").value().empty());
    CHECK(mock.messages("orders").value().size() == 3);
    CHECK(mock.connections() == 2 && mock.drop_connections("orders").value() == 2);
    mock.create_namespace("public/other").value();
    mock.create_partitioned("public/other/parts", 3).value();
    mock.create_subscription("public/other/sub", "s").value();
    mock.set_deduplication("public/other", true).value();
    mock.terminate("orders").value();
    CHECK(mock.publish("orders", "three").error().status() == stargate::status::broker);
    mock.delete_topic("public/other/sub").value();
    CHECK(mock.requests_json().value().find("\"op\":\"send\"") != std::string::npos);
    mock.clear_requests().value();
    mock.clear_faults().value();
    mock.set_up(false).value();
    CHECK(!stargate::client::create(mock.url()).value().open_producer("t", {}, limit));
    mock.set_up(true).value();
    CHECK(!mock.fault("nonsense", nullptr, "drop"));
    CHECK(mock.messages("unknown").error().status() == stargate::status::not_found);
}

TEST(a_mock_is_as_its_options_say)
{
    stargate::mock_options options;
    options.token = "secret";
    options.auto_create_topics = false;
    auto mock = stargate::mock::start(options).value();
    CHECK(stargate::client::create(mock.url()).value().open_producer("t", {}, limit).error().http_status() == 401);
    auto client = stargate::client::create(mock.url(), {{"token", "secret"}}).value();
    CHECK(client.open_producer("t", {}, limit).error().status() == stargate::status::not_found);
    options.token.reset();
    options.tls_cert_file = "/does/not/exist";
    CHECK(!stargate::mock::start(options));
}

TEST(a_mock_is_an_issuer_and_has_users)
{
    stargate::mock_options options;
    options.basic_user = "mario";
    options.basic_password = "pizza";
    options.oauth2_client_id = "shop";
    options.oauth2_client_secret = "hush";
    auto mock = stargate::mock::start(options).value();
    const auto sends = [&](const stargate::options &with) {
        auto client = stargate::client::create(mock.url(), with).value();
        return client.open_producer("t", {}, limit).value().send("x", limit).has_value();
    };
    CHECK(sends({{"basic_user", "mario"}, {"basic_password", "pizza"}}));
    CHECK(sends({{"oauth2_issuer_url", mock.oauth2_issuer_url()},
                 {"oauth2_client_id", "shop"},
                 {"oauth2_client_secret", "hush"}}));
    CHECK(stargate::client::create(mock.url()).value().open_producer("t", {}, limit).error().http_status() == 401);
}

TEST(nothing_thrown_leaves_any_callable)
{
    // An int is no std::exception; each kind of callable throws one, and the process goes on.
    auto mock = stargate::mock::start().value();
    std::atomic<int> logging{0}, logged{0}, changed{0}, sent{0}, handled{0}, read{0}, supervised{0};
    {
        stargate::options options;
        options
            .on_log(stargate::log_level::debug, [&, trace = tracer(logging)](auto, auto, auto) { ++logged, throw 1; })
            .on_state([&](const stargate::state_change &) { ++changed, throw 2; });
        auto client = stargate::client::create(mock.url(), options).value();
        auto consumer = client.open_consumer("t", "s", {}, limit).value();
        auto reader = client.open_reader("t", {{"starting_message", "earliest"}}, limit).value();
        auto producer = client.open_producer("t", {}, limit).value();
        consumer.listen([&](const stargate::message_view &) { ++handled, throw 3; }).value();
        reader
            .listen_each([&](std::uint32_t) {
                return [&](const stargate::message_view &) {
                    ++read, throw 4;
                };
            })
            .value();
        CHECK(!client.open_consumer("u", "s", {}, limit)
                   .value()
                   .listen_each([](std::uint32_t) -> void (*)(const stargate::message_view &) { throw 5; }));
        producer.send_async("x", [&](const stargate::delivery_report &) { ++sent, throw 6; }, limit).value();
        wait_until([&] { return handled > 0 && read > 0 && sent == 1; });
        stargate::options token;
        token.on_token([]() -> std::string { throw 7; });
        CHECK(!stargate::client::create(mock.url(), token).value().open_producer("t", {}, limit));
        auto supervisor =
            stargate::supervisor::start(R"({"host": ")" + mock.url().substr(5) + R"("})", {}, limit).value();
        supervisor
            .add_reader(
                R"({"topic": "t", "starting_message": "earliest"})",
                [&](const stargate::message_view &) { ++supervised, throw 8; }, limit)
            .value();
        wait_until([&] { return supervised > 0; });
        CHECK(logged > 0 && changed > 0);
        supervisor.close(limit).value();
        client.close(limit).value();
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

    admin.check_health().value();
    CHECK(!admin.broker_version().value().empty() && !admin.clusters().value().empty());
    CHECK(admin.ensure_tenant(tenant, "boss").value() && !admin.ensure_tenant(tenant).value());
    CHECK(has(admin.tenants().value(), tenant));
    CHECK(admin.tenant(tenant).value().find("boss") != std::string::npos);
    CHECK(admin.create_tenant(tenant).error().status() == stargate::status::busy);
    admin.create_namespace(space).value();
    CHECK(!admin.ensure_namespace(space).value() && has(admin.namespaces(tenant).value(), space));
    CHECK(!admin.message_ttl(space).value() && !admin.deduplication(space).value() && !admin.retention(space).value());
    admin.set_message_ttl(space, 60s).value();
    admin.set_deduplication(space, true).value();
    admin.set_retention(space, 10, 20).value();
    CHECK(admin.message_ttl(space).value() == 60s && admin.deduplication(space).value() == true);
    CHECK(admin.retention(space).value()->find("20") != std::string::npos);
    admin.remove_policy(space, "retention").value();
    CHECK(!admin.namespace_policies(space).value().empty());

    admin.create_topic(topic).value();
    CHECK(!admin.ensure_topic(topic).value() && admin.partitions(topic).value() == 0);
    CHECK(admin.ensure_partitioned_topic(space + "/p", 2).value());
    admin.grow_partitions(space + "/p", 3).value();
    CHECK(admin.partitions(space + "/p").value() == 3);
    CHECK(has(admin.topics(space).value(), "persistent://" + topic));
    CHECK(has(admin.partitioned_topics(space).value(), "persistent://" + space + "/p"));

    std::vector<std::string> walked;
    const auto keep = [&](const std::string &name) {
        return walked.push_back(name), walked.size() < 3;
    };
    admin.walk_topics(tenant, keep).value();
    CHECK(walked.size() == 3 && has(admin.topics(space).value(), walked[2]));
    const auto throws = [&](const std::string &name) -> bool {
        throw std::runtime_error(name);
    };
    admin.walk_topics(std::nullopt, throws).value();

    admin.create_subscription(topic, "s", "earliest").value();
    CHECK(!admin.ensure_subscription(topic, "s").value() && has(admin.subscriptions(topic).value(), "s"));
    auto producer = client.open_producer(topic, {}, limit).value();
    const std::string first = producer.send("one", limit).value().message_id;
    const std::string second = producer.send("two", limit).value().message_id;
    producer.close(limit).value();
    CHECK(stargate::compare_message_ids(*admin.last_message_id(topic).value(), second).value() == 0);
    CHECK(admin.peek(topic, "s").value().at(0).payload() == "one");
    CHECK(admin.peek_entry(topic, "s", 2).value().at(0).payload() == "two");
    CHECK(admin.peek_entry(topic, "s", 3).value().empty());
    CHECK(admin.read_entry(topic, second).value().at(0).payload() == "two");
    CHECK(admin.examine_message(topic, "earliest").value().at(0).payload() == "one");
    admin.skip(topic, "s", 1).value();
    CHECK(admin.peek(topic, "s").value().at(0).payload() == "two");
    admin.seek(topic, "s", first, true).value();
    CHECK(admin.peek(topic, "s").value().at(0).payload() == "two");
    admin.seek_time(topic, "s", 1).value();
    CHECK(admin.peek(topic, "s").value().at(0).payload() == "one");
    admin.skip_all(topic, "s").value();
    CHECK(admin.peek(topic, "s").value().empty());
    CHECK(admin.topic_stats(topic).value().find("\"msgBacklog\":0") != std::string::npos);
    CHECK(admin.request("GET", "tenants").value().find(tenant) != std::string::npos);

    admin.delete_subscription(topic, "s").value();
    CHECK(admin.terminate_topic(topic).value().size() == 1);
    admin.delete_topic(topic).value();
    CHECK(admin.topic_stats(topic).error().status() == stargate::status::not_found);
    CHECK(admin.peek(topic, "s").error().http_status() == 404);
}

TEST(consumers_and_readers_go_to_other_places)
{
    auto client = connect();
    const std::string topic = new_topic();
    auto consumer = client.open_consumer(topic, "s", {}, limit).value();
    auto reader = client.open_reader(topic, {}, limit).value();
    CHECK(!reader.has_message_available(limit).value());
    auto producer = client.open_producer(topic, {}, limit).value();
    producer.send("one", limit).value();
    const std::string second = producer.send("two", limit).value().message_id;
    CHECK(reader.has_message_available(limit).value());
    CHECK(reader.receive(limit).value()->payload() == "one" && reader.receive(limit).value()->payload() == "two");
    CHECK(!reader.has_message_available(limit).value());
    reader.seek_time(1, limit).value();
    CHECK(reader.receive(limit).value()->payload() == "one");
    CHECK(reader.last_message_ids_json(limit).value().size() > 4);
    for (int i = 0; i < 2; i++)
        consumer.ack(*consumer.receive(limit).value()).value();
    consumer.seek_time(1, limit).value();
    CHECK(consumer.receive(limit).value()->payload() == "one");
    CHECK(consumer.last_message_ids_json(limit).value() == reader.last_message_ids_json(limit).value());
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
        auto consumer = client.open_consumer(topic, "s", stargate::options().on_key(keys), limit).value();
        auto producer =
            client.open_producer(topic, stargate::options{{"encryption_key", "billing"}}.on_key(keys), limit).value();
        producer.send("one pizza", limit).value();
        auto received = consumer.receive(limit).value();
        CHECK(received->payload() == "one pizza" && !received->is_encrypted() && refused == 0);
        CHECK(!client.open_producer(topic, stargate::options{{"encryption_key", "other"}}.on_key(keys), limit));
        const auto thrower = [](const stargate::key_request &) -> std::optional<stargate::key> {
            throw 1;
        };
        CHECK(!client.open_producer(topic, stargate::options{{"encryption_key", "k"}}.on_key(thrower), limit));
        client.close(limit).value();
    }
    wait_until([&] { return alive == 0; });
}
