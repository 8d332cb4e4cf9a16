// One thread does it all: an epoll loop, in which a timer sends a message every 10 ms and a handler counts what comes
// back. No callback runs anywhere else, so nothing here is locked.
//
//     ./poll_loop [ws://localhost:8080]       (or PULSAR_URL in the environment)
#include <stargate.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

constexpr int messages = 100;
constexpr stargate::milliseconds limit = 10s;

void watch(int loop, int descriptor)
{
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    if (epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event) != 0)
        std::abort();
}

int run(const std::string &url, const std::string &topic)
{
    stargate::client client(url, stargate::options().poll_callbacks());
    const int callbacks = client.event_fd();
    int sent = 0, stored = 0, handled = 0;

    auto consumer = client.open_consumer(topic, "example", {}, limit);
    consumer.listen([&](const stargate::message_view &) { handled++; }); // no outcome: acknowledged
    auto producer = client.open_producer(topic, {}, limit);
    const auto on_sent = [&](const stargate::delivery_report &end) {
        if (end.error)
            std::cerr << "not stored: " << end.error->message() << '\n';
        else
            stored++;
    };

    const int loop = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    itimerspec every_10_ms{};
    every_10_ms.it_interval.tv_nsec = 10'000'000;
    every_10_ms.it_value.tv_nsec = 1;
    watch(loop, callbacks);
    watch(loop, timer);
    timerfd_settime(timer, 0, &every_10_ms, nullptr);
    while (stored < messages || handled < messages) {
        epoll_event events[2];
        const int ready = epoll_wait(loop, events, 2, static_cast<int>(limit.count()));
        if (ready <= 0) {
            std::cerr << "nothing happened in " << limit.count() << " ms\n";
            return 1;
        }
        for (int i = 0; i < ready; i++) {
            char expirations[8];
            if (events[i].data.fd == callbacks)
                client.poll(0ms);
            else if (read(timer, expirations, sizeof expirations) > 0 && sent++ < messages)
                producer.send_async("tick", on_sent, 0ms); // 0: a loop does not wait for room
        }
    }
    std::cout << "stored " << stored << ", handled " << handled << ", all on one thread\n";
    client.close(limit);
    close(timer);
    close(loop);
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    const char *from_environment = std::getenv("PULSAR_URL");
    const std::string url = argc > 1 ? argv[1] : from_environment != nullptr ? from_environment : "ws://localhost:8080";
    try {
        return run(url, "example-poll-" + std::to_string(std::chrono::system_clock::now().time_since_epoch().count()));
    } catch (const stargate::exception &failed) {
        std::cerr << failed.what() << '\n';
        return 1;
    }
}
