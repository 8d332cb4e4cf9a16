// Produces 1,000 messages, consumes them with a lambda that acknowledges each, and reads them again from the earliest.
//
//     ./demo [ws://localhost:8080]       (or PULSAR_URL in the environment)
//
// Exits with 0 when every count is right.
#include <stargate.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <string>

using namespace std::chrono_literals;

namespace {

constexpr int messages = 1000;
constexpr stargate::milliseconds limit = 30s;

int produce(stargate::client &client, const std::string &topic)
{
    auto producer = client.open_producer(topic, {}, limit);
    int stored = 0; // by the callbacks, on one thread of the library; the close waits for all of them
    for (int i = 0; i < messages; i++) {
        producer.send_async("message " + std::to_string(i), [&stored](const stargate::delivery_report &sent) {
            if (sent.error)
                std::cerr << "not stored: " << sent.error->message() << '\n';
            else
                stored++;
        });
    }
    producer.close(limit);
    std::cout << "produced " << stored << " messages\n";
    return stored;
}

int consume(stargate::consumer &consumer)
{
    std::mutex lock;
    std::condition_variable changed;
    int handled = 0;
    int out_of_order = 0;

    consumer.listen([&](const stargate::message_view &message) {
        const std::lock_guard<std::mutex> held(lock);
        if (message.payload() != "message " + std::to_string(handled++))
            out_of_order++;
        changed.notify_one();
        return stargate::outcome::ack;
    });
    {
        std::unique_lock<std::mutex> held(lock);
        changed.wait_for(held, limit, [&] { return handled == messages; });
    }
    consumer.close(limit); // the acknowledgements are sent, and the lambda runs no more
    std::cout << "consumed " << handled << " messages, " << out_of_order << " out of order\n";
    return handled - out_of_order;
}

int read_again(stargate::client &client, const std::string &topic)
{
    auto reader = client.open_reader(topic, {{"starting_message", "earliest"}}, limit);
    int read = 0;
    while (read < messages) {
        const auto some = reader.receive_many(100, limit);
        if (some.empty())
            break;
        read += static_cast<int>(some.size());
    }
    std::cout << "read " << read << " messages again from the earliest\n";
    return read;
}

} // namespace

int main(int argc, char **argv)
{
    const char *from_environment = std::getenv("PULSAR_URL");
    const std::string url = argc > 1 ? argv[1] : from_environment != nullptr ? from_environment : "ws://localhost:8080";
    const std::string topic =
        "example-cpp-" + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());

    try {
        stargate::client client(url);
        // The subscription begins at the latest message, so it has to be there before the first one.
        auto consumer = client.open_consumer(topic, "example", {}, limit);
        const bool right = produce(client, topic) == messages && consume(consumer) == messages
                           && read_again(client, topic) == messages;
        client.close(limit);
        return right ? 0 : 1;
    } catch (const stargate::exception &failed) {
        std::cerr << failed.what() << '\n';
        return 1;
    }
}
