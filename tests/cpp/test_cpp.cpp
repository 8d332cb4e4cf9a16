// What stargate.hpp adds to the C library: ownership, results, and callables of C++.
#include "testing.h"

#include <stargate.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
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
    const auto receipt = producer.send(stargate::outgoing("a\0b"s).key("k").property("p", "1").property("o", "2")).value();
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
                            [&, trace = tracer(alive)](const stargate::sent &sent) {
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
            return [&handled, trace = tracer(alive)](const stargate::message_view &) { ++handled; };
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
        client.open_consumer(topic, "s", {{"subscription_type", "shared"}, {"negative_ack_delay", "100"}}, limit).value();
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
    const auto listening = consumer.listen_each([](std::uint32_t) -> void (*)(const stargate::message_view &) {
        throw std::runtime_error("on purpose");
    });
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
                        [&](const stargate::sent &) {
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
    const auto refused = producer.send_async("x", [&, trace = tracer(alive)](const stargate::sent &) { ++called; });
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
    producer.send_async("x", [&, here = std::this_thread::get_id()](const stargate::sent &) {
        CHECK(std::this_thread::get_id() == here);
        sent++;
    }).value();
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
