// Every part of stargate.hpp made real in a second file, and without exceptions where the build says so.
#include <stargate.hpp>
#include <stargate_admin.hpp>
#include <stargate_mock.hpp>

#include <string>

namespace {

static_assert(!std::is_copy_constructible_v<stargate::client> && std::is_move_constructible_v<stargate::client>);
static_assert(!std::is_copy_constructible_v<stargate::producer>
              && std::is_nothrow_move_assignable_v<stargate::producer>);
static_assert(!std::is_copy_constructible_v<stargate::consumer> && std::is_move_constructible_v<stargate::consumer>);
static_assert(!std::is_copy_constructible_v<stargate::message>
              && std::is_nothrow_move_constructible_v<stargate::message>);
static_assert(!std::is_copy_constructible_v<stargate::supervisor>
              && std::is_move_constructible_v<stargate::supervisor>);
static_assert(!std::is_copy_constructible_v<stargate::mock> && std::is_move_constructible_v<stargate::mock>);
static_assert(std::is_copy_constructible_v<stargate::error> && std::is_copy_constructible_v<stargate::exception>);

} // namespace

int use_everything(const std::string &url);
int use_everything(const std::string &url)
{
    stargate::options options{{"lazy", "true"}};
    options.on_log(stargate::log_level::debug, [](stargate::log_level, std::string_view, std::string_view) {})
        .on_state([](const stargate::state_change &) {})
        .on_token([] { return std::string("token"); });
    auto client = stargate::client::try_create(url, options);
    if (!client)
        return 1;
    auto producer = client->try_open_producer("t");
    auto consumer = client->try_open_consumer("t", "s");
    auto several = client->try_open_consumer(std::vector<std::string>{"t", "u"}, "s");
    auto pattern = client->try_open_pattern("persistent://public/default/t-.*", "s");
    auto reader = client->try_open_reader("t", {{"starting_message", "earliest"}});
    if (!producer || !consumer || !several || !pattern || !reader)
        return 1;
    (void)producer->try_send("x", stargate::milliseconds(0));
    (void)producer->try_send_async("x", [](const stargate::delivery_report &) {}, stargate::milliseconds(0));
    (void)producer->send_batch({"x", "y"}, stargate::milliseconds(0));
    (void)consumer->try_listen([](const stargate::message_view &) { return stargate::outcome::ack; });
    (void)reader->try_listen_each([](std::uint32_t) {
        return [](const stargate::message_view &) {
        };
    });
    (void)several->try_receive(stargate::milliseconds(0));
    (void)pattern->try_receive_many(10, stargate::milliseconds(0));
    auto supervisor = stargate::supervisor::try_start("{}");
    if (supervisor)
        (void)supervisor->try_add_consumer("{}", [](const stargate::message_view &) {});
    (void)stargate::produce(url, {"x"});
    (void)stargate::admin(*client).try_check_health();
    auto mock = stargate::mock::try_start();
    if (!mock || !mock->try_messages("t"))
        return 1;
    client->close(stargate::milliseconds(0));
    return 0;
}
