// One step after the other: sends messages, each with its receipt, receives them, and acknowledges each.
//
//     ./sync [ws://localhost:8080]       (or PULSAR_URL in the environment)
//
// It uses no exceptions, so it checks every result.
#include <stargate.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

namespace {

constexpr int messages = 3;
constexpr stargate::milliseconds limit = 10s;

// Tells why there is no result; 1, for main to return.
template <class T>
int failed(const stargate::result<T> &result)
{
    std::cerr << result.error().message() << '\n';
    return 1;
}

} // namespace

int main(int argc, char **argv)
{
    const char *from_environment = std::getenv("PULSAR_URL");
    const std::string url = argc > 1 ? argv[1] : from_environment != nullptr ? from_environment : "ws://localhost:8080";
    const std::string topic =
        "example-sync-" + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());

    auto client = stargate::client::try_create(url);
    if (!client)
        return failed(client);
    // The subscription begins at the latest message, so it has to be there before the first one.
    auto consumer = client->try_open_consumer(topic, "billing", {}, limit);
    if (!consumer)
        return failed(consumer);
    auto producer = client->try_open_producer(topic, {}, limit);
    if (!producer)
        return failed(producer);

    for (int i = 1; i <= messages; i++) {
        const std::string text = "order " + std::to_string(i);
        const auto receipt =
            producer->try_send(stargate::outgoing(text).key("customer 7").property("source", "web"), limit);
        if (!receipt)
            return failed(receipt);
        std::cout << "sent " << text << ", stored as " << receipt->message_id << '\n';
    }

    int orders = 0;
    while (true) {
        const auto received = consumer->try_receive(orders < messages ? limit : 0ms);
        if (!received)
            return failed(received);
        if (!*received) // nothing came
            break;
        const stargate::message &message = **received;
        std::cout << "received " << message.payload() << " from " << message.key().value_or("nobody") << " by "
                  << message.property("source").value_or("nothing") << '\n';
        if (const auto told = consumer->try_ack(message); !told)
            return failed(told);
        orders++;
    }
    if (const auto closed = client->try_close(limit); !closed)
        return failed(closed);
    return orders == messages ? 0 : 1;
}
