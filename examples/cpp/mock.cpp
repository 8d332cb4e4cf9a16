// How an application's own test looks: it runs against a broker inside of the library, which fails on request.
//
//     ./mock
#include <stargate_mock.hpp>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

namespace {

// What is tested: it must place its order even when the connection breaks at the worst moment.
void place_order(const std::string &url)
{
    stargate::client client(url);
    auto producer = client.open_producer("orders", {}, 5s);
    producer.send("one pizza", 5s);
}

} // namespace

int main()
{
    try {
        auto mock = stargate::mock::start();
        // The first message is stored, and its connection ends before the receipt.
        mock.fault("send", "orders", "drop-after");
        place_order(mock.url());
        // So there was a second connection, and the message was sent again.
        mock.wait("connect", "orders", 2);
        mock.wait("send", "orders", 2);
        std::cout << "the order was placed over two connections: " << mock.requests_json() << '\n';
        return mock.messages("orders").size() == 2 ? 0 : 1;
    } catch (const stargate::exception &failed) {
        std::cerr << failed.what() << '\n';
        return 1;
    }
}
