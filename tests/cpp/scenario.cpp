// Carries out a scenario of tests/scenarios/table with stargate.hpp: scenario SCENARIO [URL]
//
// The README there describes the steps and what each of them prints.
#include <stargate_mock.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

constexpr stargate::milliseconds patience = 10s;
constexpr stargate::milliseconds moment = 100ms;
const std::string default_namespace = "persistent://public/default/";

// A scenario that cannot be carried out.
struct mistake : std::runtime_error {
    using std::runtime_error::runtime_error;
};

bool starts_with(const std::string &text, const std::string &with)
{
    return text.compare(0, with.size(), with) == 0;
}

std::string replaced(std::string text, const std::string &gone, const std::string &instead)
{
    for (auto at = text.find(gone); at != std::string::npos; at = text.find(gone, at + instead.size()))
        text.replace(at, gone.size(), instead);
    return text;
}

strings split(const std::string &text, char at)
{
    strings parts(1);
    for (const char byte : text) {
        if (byte == at)
            parts.emplace_back();
        else
            parts.back() += byte;
    }
    return parts;
}

std::string joined(const strings &parts, const std::string &with)
{
    std::string text;
    for (const auto &part : parts)
        text += (&part == parts.data() ? "" : with) + part;
    return text;
}

std::string repeated(const std::string &text, std::size_t times)
{
    std::string all;
    while (times-- > 0)
        all += text;
    return all;
}

// A line of a scenario.
struct step {
    std::string verb;
    std::string handle;
    std::vector<std::pair<std::string, std::string>> given;

    explicit step(const std::string &line)
    {
        std::size_t at = line.find(' ');
        verb = line.substr(0, at);
        while (at < line.size()) {
            const auto end = line.find_first_of(" =", ++at);
            const std::string word = line.substr(at, end - at);
            at = end;
            if (at >= line.size() || line[at] == ' ')
                handle = word;
            else
                given.emplace_back(word, value(line, ++at));
        }
    }

    const std::string *get(const std::string &name) const
    {
        const auto found = std::find_if(given.begin(), given.end(), [&](auto &pair) { return pair.first == name; });
        return found == given.end() ? nullptr : &found->second;
    }
    const std::string &text(const std::string &name) const
    {
        if (get(name) == nullptr)
            throw mistake("the step " + verb + " needs " + name + "=");
        return *get(name);
    }
    long long number(const std::string &name, long long otherwise) const
    {
        return get(name) == nullptr ? otherwise : std::stoll(*get(name));
    }
    std::size_t count() const
    {
        return get("count") != nullptr && *get("count") == "all" ? SIZE_MAX
                                                                 : static_cast<std::size_t>(number("count", 1));
    }
    stargate::milliseconds time(const std::string &name) const
    {
        return stargate::milliseconds(number(name, patience.count()));
    }

private:
    // Reads a value, and moves `at` behind it.
    static std::string value(const std::string &line, std::size_t &at)
    {
        std::string bytes;
        if (at >= line.size() || line[at] != '"') {
            bytes = line.substr(at, line.find(' ', at) - at);
            at += bytes.size();
            return bytes;
        }
        while (line.at(++at) != '"') {
            if (line[at] != '\\') {
                bytes += line[at];
            } else if (line.at(++at) == 'x') {
                bytes += static_cast<char>(std::stoi(line.substr(at + 1, 2), nullptr, 16));
                at += 2;
            } else {
                bytes += line[at];
            }
        }
        at++;
        return bytes;
    }
};

std::string quoted(std::string_view bytes)
{
    std::string text = "\"";
    for (const char byte : bytes) {
        char escaped[5];
        std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
        if (byte == '"' || byte == '\\')
            text += {'\\', byte};
        else
            text += byte >= 0x20 && byte < 0x7f ? std::string(1, byte) : escaped;
    }
    return text + "\"";
}

std::string payload_text(std::string_view payload)
{
    if (payload.size() <= 64)
        return quoted(payload);
    std::uint32_t hash = 0;
    for (const char byte : payload)
        hash = hash * 31 + static_cast<unsigned char>(byte);
    char text[64];
    std::snprintf(text, sizeof text, "<%zu bytes, hash %08x>", payload.size(), static_cast<unsigned>(hash));
    return text;
}

std::string kind_of(stargate::status status)
{
    std::string name = stargate_status_name(static_cast<stargate_status>(status));
    name.erase(0, std::string("STARGATE_").size());
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) { return std::tolower(letter); });
    return name;
}

std::string error_text(const stargate::error &error)
{
    return "error " + kind_of(error.status()) + ": " + error.message();
}

// How many of PREFIX1 to PREFIXcount are among the payloads, and whether each came first after the one before it.
std::string progress(const strings &payloads, const std::string &prefix, std::size_t count)
{
    strings wanted, first;
    std::set<std::string> seen;
    for (std::size_t number = 1; number <= count; number++)
        wanted.push_back(prefix + std::to_string(number));
    for (const auto &payload : payloads)
        if (starts_with(payload, prefix) && seen.insert(payload).second)
            first.push_back(payload);
    const auto there = std::count_if(wanted.begin(), wanted.end(), [&](auto &payload) { return seen.count(payload); });
    if (static_cast<std::size_t>(there) < count)
        return std::to_string(there) + " of " + std::to_string(count);
    return "all " + std::to_string(count) + (first == wanted ? ", in order" : ", out of order");
}

// What callbacks write and steps wait for.
class log {
public:
    void push(std::string entry)
    {
        const std::lock_guard guard(lock_);
        entries_.push_back(std::move(entry));
        changed_.notify_all();
    }
    // Adds an entry, and returns whether it is the first of its kind.
    bool push_new(const std::string &entry)
    {
        const std::lock_guard guard(lock_);
        const bool first = std::find(entries_.begin(), entries_.end(), entry) == entries_.end();
        entries_.push_back(entry);
        changed_.notify_all();
        return first;
    }
    // Waits until the entries are as expected, or time is over, and returns them.
    strings wait_until(const std::function<bool(const strings &)> &wanted)
    {
        std::unique_lock guard(lock_);
        changed_.wait_for(guard, patience, [&] { return wanted(entries_); });
        return entries_;
    }
    strings now()
    {
        return wait_until([](const strings &) { return true; });
    }
    void clear()
    {
        const std::lock_guard guard(lock_);
        entries_.clear();
    }

private:
    std::mutex lock_;
    std::condition_variable changed_;
    strings entries_;
};

// Entries with how often each is there, sorted.
strings counted(const strings &entries, std::string (*text)(std::string_view))
{
    std::map<std::string, std::size_t> counts;
    strings parts;
    for (const auto &entry : entries)
        counts[entry]++;
    for (const auto &[entry, count] : counts)
        parts.push_back(text(entry) + " " + std::to_string(count));
    return parts;
}

using message = std::shared_ptr<stargate::message>;
using messages = std::vector<message>;

// A producer, consumer or reader under its name in the scenario.
struct handle {
    std::variant<stargate::producer, stargate::consumer, stargate::reader> native;
    std::shared_ptr<log> states;
    // The payloads that a handler or `drain` has seen.
    std::shared_ptr<log> seen = std::make_shared<log>();
    // How many messages of `send_async` were accepted, and how those that have ended did.
    std::size_t accepted = 0;
    std::shared_ptr<log> ended = std::make_shared<log>();
    messages received{};
    messages in_hand{};

    stargate::producer &producer() { return std::get<stargate::producer>(native); }
    stargate::consumer &consumer() { return std::get<stargate::consumer>(native); }
    stargate::reader &reader() { return std::get<stargate::reader>(native); }

    // Calls with the handle as it is.
    template <class Call>
    auto any(Call &&call)
    {
        return std::visit(std::forward<Call>(call), native);
    }
    // Calls with the consumer or reader.
    template <class Call>
    auto receiver(Call &&call)
    {
        return std::holds_alternative<stargate::reader>(native) ? call(reader()) : call(consumer());
    }

    // The last message that was received with the payload of the step.
    message message_of(const step &step)
    {
        const auto found = std::find_if(received.rbegin(), received.rend(), [&](const message &message) {
            return message->payload() == step.text("payload");
        });
        if (found == received.rend())
            throw mistake("no message was received with the payload " + step.text("payload"));
        return *found;
    }
    void settled(const message &message)
    {
        in_hand.erase(std::remove(in_hand.begin(), in_hand.end(), message), in_hand.end());
    }
};

class interpreter {
public:
    interpreter(const std::string &scenario, const char *url)
        : folder_(scenario.substr(0, scenario.rfind('/') + 1)),
          run_(std::to_string(getpid()) + "-"
               + std::to_string(std::chrono::system_clock::now().time_since_epoch().count()) + "-"),
          mock_(url == nullptr ? std::make_unique<stargate::mock>(stargate::mock::start()) : nullptr),
          url_(url == nullptr ? mock_->url() : url),
          client_(url_)
    {
    }

    void carry_out(const step &step)
    {
        const auto found = verbs().find(step.verb);
        if (found == verbs().end())
            throw mistake("there is no step " + step.verb);
        std::string outcome;
        try {
            outcome = found->second(*this, step);
        } catch (const stargate::exception &exception) {
            outcome = error_text(exception.error());
        }
        show(step.verb + (step.handle.empty() ? "" : " ") + step.handle + ": " + (outcome.empty() ? "ok" : outcome));
    }

    void end()
    {
        client_.close(patience);
        show("end");
    }

private:
    using verb = std::function<std::string(interpreter &, const step &)>;

    // Makes a verb of a method that returns its outcome, or nothing for "ok".
    template <class Method>
    static verb method(Method carry_out)
    {
        return [carry_out](interpreter &self, const step &step) -> std::string {
            if constexpr (std::is_void_v<decltype((self.*carry_out)(step))>)
                return (self.*carry_out)(step), std::string();
            else
                return (self.*carry_out)(step);
        };
    }

    static const std::map<std::string, verb> &verbs()
    {
        static const std::map<std::string, verb> verbs = {
            {"producer", method(&interpreter::open)},
            {"consumer", method(&interpreter::open)},
            {"reader", method(&interpreter::open)},
            {"close", method(&interpreter::close)},
            {"close_client", method(&interpreter::close_client)},
            {"states", method(&interpreter::states)},
            {"stats", method(&interpreter::stats)},
            {"send", method(&interpreter::send)},
            {"send_async", method(&interpreter::send_async)},
            {"receipts", method(&interpreter::receipts)},
            {"flush", method(&interpreter::flush)},
            {"receive", method(&interpreter::receive)},
            {"receive_many", method(&interpreter::receive)},
            {"read_to_end", method(&interpreter::read_to_end)},
            {"interrupt", method(&interpreter::interrupt)},
            {"drain", method(&interpreter::drain)},
            {"available", method(&interpreter::available)},
            {"end_of_topic", method(&interpreter::end_of_topic)},
            {"backlog", method(&interpreter::backlog)},
            {"compare", method(&interpreter::compare)},
            {"seek", method(&interpreter::seek)},
            {"ack", method(&interpreter::ack)},
            {"ack_cumulative", method(&interpreter::ack_cumulative)},
            {"nack", method(&interpreter::nack)},
            {"reconsume_later", method(&interpreter::reconsume_later)},
            {"unsubscribe", method(&interpreter::unsubscribe)},
            {"listen", method(&interpreter::listen)},
            {"handled", method(&interpreter::handled)},
            {"fault", method(&interpreter::fault)},
            {"down", method(&interpreter::down)},
            {"up", method(&interpreter::up)},
            {"cut", method(&interpreter::cut)},
            {"wait", method(&interpreter::wait)},
            {"stored", method(&interpreter::stored)},
            {"partitions", method(&interpreter::partitions)},
            {"deduplicate", method(&interpreter::deduplicate)},
            {"terminate", method(&interpreter::terminate)},
        };
        return verbs;
    }

    void show(const std::string &line) const
    {
        const std::string host = url_.substr(url_.find("://") + 3);
        std::cout << replaced(replaced(line, run_, ""), host, "BROKER") << std::endl;
    }

    // What the parameters stand for.

    handle &of(const step &step)
    {
        const auto found = handles_.find(step.handle);
        if (found == handles_.end())
            throw mistake("there is no handle " + step.handle);
        return *found->second;
    }
    stargate::mock &mock(const step &step) const
    {
        if (mock_ == nullptr)
            throw mistake("on a real broker there is no step " + step.verb);
        return *mock_;
    }
    std::string full_name(const std::string &name) const
    {
        return name.find('/') == std::string::npos ? default_namespace + run_ + name : name;
    }
    std::string topic(const step &step) const { return full_name(step.text("topic")); }
    const std::string &id(const std::string &payload) const
    {
        const auto found = ids_.find(payload);
        if (found == ids_.end())
            throw mistake("no message was sent with the payload " + payload);
        return found->second;
    }
    stargate::options options(const step &step) const
    {
        stargate::options options;
        for (const auto &[key, value] : step.given) {
            const auto digits = std::min(value.find_first_not_of("0123456789"), value.size());
            if (key == "topic" || key == "subscription")
                continue;
            if (starts_with(value, "@"))
                options.set(key, id(value.substr(1)));
            else if (starts_with(value, "./"))
                options.set(key, folder_ + value);
            else
                options.set(key, digits > 0 && value.compare(digits, value.npos, "ms") == 0 ? value.substr(0, digits)
                                                                                            : value);
        }
        return options;
    }

    // Handles.

    void open(const step &step)
    {
        const auto states = std::make_shared<log>();
        auto with = options(step);
        with.on_state([states](const stargate::state_change &change) {
            static const char *const names[] = {"connecting", "connected", "disconnected",
                                                "closed",     "failed",    "stalled"};
            states->push(names[static_cast<std::size_t>(change.state)]);
        });
        if (step.verb == "producer")
            keep(step, handle{client_.open_producer(topic(step), with, patience), states});
        else if (step.verb == "reader")
            keep(step, handle{client_.open_reader(topic(step), with, patience), states});
        else
            keep(step, handle{open_consumer(step, with), states});
    }
    void keep(const step &step, handle &&opened)
    {
        handles_[step.handle] = std::make_unique<handle>(std::move(opened));
    }
    stargate::consumer open_consumer(const step &step, const stargate::options &with)
    {
        strings topics = split(step.text("topic"), ',');
        for (auto &name : topics)
            name = full_name(name);
        return topics.size() == 1 ? client_.open_consumer(topics[0], step.text("subscription"), with, patience)
                                  : client_.open_consumer(topics, step.text("subscription"), with, patience);
    }
    void close(const step &step)
    {
        of(step).any([&](auto &native) { native.close(step.time("timeout")); });
    }
    void close_client(const step &) { client_.close(patience); }
    std::string states(const step &step)
    {
        auto states = of(step).states->wait_until([&](const strings &states) { return states.size() >= step.count(); });
        states.resize(std::min(states.size(), step.count()));
        return joined(states, " ");
    }
    std::string stats(const step &step)
    {
        const std::string json = of(step).any([](auto &native) { return native.stats_json(); });
        strings counters = split(step.text("counters"), ',');
        for (auto &name : counters) {
            const std::string key = '"' + name + "\":";
            const auto at = json.find(key);
            if (at == std::string::npos)
                throw mistake("there is no counter " + name);
            name += "=" + std::to_string(std::stoll(json.substr(at + key.size())));
        }
        return joined(counters, " ");
    }

    // Producers.

    void send(const step &step)
    {
        const std::string &payload = step.text("payload");
        stargate::outgoing message(repeated(payload, static_cast<std::size_t>(step.number("repeat", 1))));
        if (step.get("key") != nullptr)
            message.key(step.text("key"));
        message.event_time_ms(step.number("event_time", 0));
        for (const auto &[key, value] : step.given)
            if (starts_with(key, "property."))
                message.property(key.substr(key.find('.') + 1), value);
        ids_[payload] = of(step).producer().send(message).message_id;
    }
    std::string send_async(const step &step)
    {
        handle &handle = of(step);
        for (std::size_t number = 1; number <= step.count(); number++) {
            const std::string payload = step.text("payload") + std::to_string(number);
            const auto repeat = static_cast<std::size_t>(step.number("repeat", 1));
            try {
                handle.producer().send_async(repeated(payload, repeat),
                                             [ended = handle.ended](const stargate::delivery_report &report) {
                                                 ended->push(report.error ? kind_of(report.error->status()) : "ok");
                                             });
            } catch (const stargate::exception &exception) {
                return "accepted " + std::to_string(number - 1) + ", then " + error_text(exception.error());
            }
            handle.accepted++;
        }
        return "accepted " + std::to_string(step.count());
    }
    std::string receipts(const step &step)
    {
        handle &handle = of(step);
        auto ended = handle.ended->wait_until([&](const strings &all) { return all.size() == handle.accepted; });
        ended.resize(handle.accepted, "missing");
        handle.ended->clear();
        handle.accepted = 0;
        const auto failed = std::remove(ended.begin(), ended.end(), "ok");
        const auto good = ended.end() - failed;
        ended.erase(failed, ended.end());
        strings parts = counted(ended, [](std::string_view kind) { return std::string(kind); });
        if (good > 0)
            parts.insert(parts.begin(), "ok " + std::to_string(good));
        return joined(parts, ", ");
    }
    void flush(const step &step) { of(step).producer().flush(patience); }

    // Receiving.

    std::string receive(const step &step)
    {
        handle &handle = of(step);
        const std::size_t begin = handle.received.size(), end = begin + step.count();
        std::string why;
        while (handle.received.size() < end && why.empty()) {
            try {
                const std::size_t missing = step.verb == "receive" ? 1 : end - handle.received.size();
                if (!receive_some(handle, missing, step))
                    why = "nothing";
            } catch (const stargate::exception &exception) {
                why = error_text(exception.error());
            }
        }
        const auto received =
            messages(handle.received.begin() + static_cast<std::ptrdiff_t>(begin), handle.received.end());
        std::string outcome = received.empty() ? "" : std::to_string(received.size());
        outcome += (outcome.empty() || why.empty() ? "" : ", then ") + why;
        return outcome + lines_of(received, step.get("order") != nullptr);
    }
    // Receives one message, or up to so many with the call for several; returns whether there was any.
    static bool receive_some(handle &handle, std::size_t most, const step &step)
    {
        return handle.receiver([&](auto &native) {
            std::vector<stargate::message> received;
            if (step.verb == "receive_many")
                received = native.receive_many(most, step.time("timeout"));
            else if (auto one = native.receive(step.time("timeout")))
                received.push_back(std::move(*one));
            for (auto &one : received) {
                handle.received.push_back(std::make_shared<stargate::message>(std::move(one)));
                handle.in_hand.push_back(handle.received.back());
            }
            return !received.empty();
        });
    }
    std::string interrupt(const step &step)
    {
        return of(step).receiver([](auto &native) -> std::string {
            std::thread soon([&] {
                std::this_thread::sleep_for(moment);
                native.interrupt();
            });
            auto received = native.try_receive(patience);
            soon.join();
            if (!received && received.error().status() == stargate::status::interrupted)
                return "interrupted";
            return received.value() ? "received" : "nothing";
        });
    }
    std::string lines_of(const messages &received, bool in_any_order) const
    {
        strings lines;
        for (const auto &message : received)
            lines.push_back("\n" + line_of(*message));
        if (in_any_order)
            std::sort(lines.begin(), lines.end());
        return joined(lines, "");
    }
    std::string line_of(const stargate::message &message) const
    {
        std::string line = "  " + replaced(std::string(message.topic()), default_namespace, "");
        line += ": " + payload_text(message.payload());
        if (message.key())
            line += " key=" + quoted(*message.key());
        if (message.event_time_ms() != 0)
            line += " event_time=" + std::to_string(message.event_time_ms());
        if (message.redelivery_count() > 0)
            line += " redelivered=" + std::to_string(message.redelivery_count());
        if (message.reconsume_times() > 0)
            line += " reconsumed=" + std::to_string(message.reconsume_times());
        for (const auto &[name, value] : message.properties())
            if (name.empty() || name[0] < 'A' || name[0] > 'Z')
                line += " property." + std::string(name) + "=" + quoted(value);
        return line;
    }
    std::string read_to_end(const step &step)
    {
        stargate::reader &reader = of(step).reader();
        messages received;
        reader.mark_end(patience);
        while (auto message = reader.receive_before_end(patience))
            received.push_back(std::make_shared<stargate::message>(std::move(*message)));
        return std::to_string(received.size()) + lines_of(received, false);
    }
    std::string drain(const step &step)
    {
        handle &handle = of(step);
        auto deadline = std::chrono::steady_clock::now() + patience;
        for (;;) {
            const auto so_far = progress(handle.seen->now(), step.text("payload"), step.count());
            if (starts_with(so_far, "all"))
                return so_far;
            const auto left = deadline - std::chrono::steady_clock::now();
            const auto wait =
                std::max(stargate::milliseconds(0), std::chrono::duration_cast<stargate::milliseconds>(left));
            const auto message = handle.consumer().receive(wait);
            if (!message)
                return so_far;
            handle.consumer().ack(*message);
            if (handle.seen->push_new(std::string(message->payload())))
                deadline = std::chrono::steady_clock::now() + patience;
        }
    }
    std::string available(const step &step) { return of(step).reader().has_message_available(patience) ? "yes" : "no"; }
    std::string end_of_topic(const step &step)
    {
        const bool ended = until(
            true, [&] { return of(step).receiver([](auto &native) { return native.is_end_of_topic(patience); }); });
        return ended ? "yes" : "no";
    }
    std::string backlog(const step &step)
    {
        const auto wanted = static_cast<std::uint64_t>(step.number("count", 0));
        return std::to_string(until(wanted, [&] { return of(step).consumer().backlog(patience); }));
    }
    // Asks until the answer is the wanted one, or time is over; returns the last answer.
    template <class Answer, class Ask>
    static Answer until(Answer wanted, Ask &&ask)
    {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        for (;;) {
            const Answer answer = ask();
            if (answer == wanted || std::chrono::steady_clock::now() > deadline)
                return answer;
            std::this_thread::sleep_for(20ms);
        }
    }
    std::string compare(const step &step)
    {
        return of(step).message_of(step)->id() == id(step.text("payload")) ? "same id" : "different id";
    }
    void seek(const step &step)
    {
        const std::string &to = step.text("to");
        const std::string position = to[0] == '@' ? id(to.substr(1)) : to;
        of(step).receiver([&](auto &native) { native.seek(position, step.get("after") != nullptr, patience); });
    }

    // Acknowledging.

    void ack(const step &step)
    {
        handle &handle = of(step);
        if (step.get("payload") != nullptr) {
            const auto message = handle.message_of(step);
            handle.consumer().ack(*message);
            handle.settled(message);
            return;
        }
        std::vector<stargate::message> all;
        for (const auto &message : handle.in_hand)
            all.push_back(std::move(*message));
        const auto acknowledged = handle.consumer().try_ack(all);
        for (std::size_t i = 0; i < all.size(); i++)
            *handle.in_hand[i] = std::move(all[i]);
        handle.in_hand.clear();
        acknowledged.value();
    }
    void ack_cumulative(const step &step) { of(step).consumer().ack_cumulative(*of(step).message_of(step)); }
    void nack(const step &step)
    {
        const auto message = of(step).message_of(step);
        of(step).consumer().nack(*message);
        of(step).settled(message);
    }
    void reconsume_later(const step &step)
    {
        const auto message = of(step).message_of(step);
        of(step).consumer().reconsume_later(*message, step.time("delay"), patience);
        of(step).settled(message);
    }
    void unsubscribe(const step &step) { of(step).consumer().unsubscribe(patience); }

    // Handlers.

    void listen(const step &step)
    {
        const auto work = [step, seen = of(step).seen](const stargate::message_view &message) {
            const std::string payload(message.payload());
            const auto once = [&](const char *name) {
                return step.get(name) != nullptr && *step.get(name) == payload;
            };
            if (!seen->push_new(payload))
                return stargate::outcome::ack;
            if (once("fail_once"))
                throw std::runtime_error("this handler fails once");
            if (once("reconsume_once"))
                return message.reconsume_later(100ms);
            return once("nack_once") ? stargate::outcome::nack : stargate::outcome::ack;
        };
        of(step).receiver([&](auto &native) { native.listen(work); });
    }
    std::string handled(const step &step)
    {
        log &seen = *of(step).seen;
        if (step.get("calls") != nullptr) {
            const auto calls = static_cast<std::size_t>(step.number("calls", 1));
            const auto all = seen.wait_until([&](const strings &payloads) { return payloads.size() >= calls; });
            return joined(counted(all, payload_text), ", ");
        }
        const auto so_far = [&](const strings &payloads) {
            return progress(payloads, step.text("payload"), step.count());
        };
        return so_far(seen.wait_until([&](const strings &payloads) { return starts_with(so_far(payloads), "all"); }));
    }

    // The mock broker.

    void fault(const step &step)
    {
        const std::string on = step.get("topic") != nullptr ? topic(step) : "";
        mock(step).fault(step.text("op").c_str(), on.empty() ? nullptr : on.c_str(), step.text("fault").c_str(),
                         step.count());
    }
    void down(const step &step) { mock(step).set_up(false); }
    void up(const step &step) { mock(step).set_up(true); }
    void cut(const step &step)
    {
        const std::string on = step.get("topic") != nullptr ? topic(step) : "";
        mock(step).drop_connections(on.empty() ? nullptr : on.c_str());
    }
    void wait(const step &step)
    {
        const std::string on = step.get("topic") != nullptr ? topic(step) : "";
        mock(step).wait(step.text("op").c_str(), on.empty() ? nullptr : on.c_str(), step.count(), patience);
    }
    std::string stored(const step &step) { return std::to_string(mock(step).messages(topic(step)).size()); }
    void partitions(const step &step)
    {
        mock(step).create_partitioned(topic(step), static_cast<std::uint32_t>(step.count()));
    }
    void deduplicate(const step &step) { mock(step).set_deduplication(step.text("namespace"), true); }
    void terminate(const step &step) { mock(step).terminate(topic(step)); }

    std::string folder_;
    // Begins the name of each topic of this run.
    std::string run_;
    std::unique_ptr<stargate::mock> mock_;
    std::string url_;
    stargate::client client_;
    std::map<std::string, std::unique_ptr<handle>> handles_;
    std::map<std::string, std::string> ids_;
};

} // namespace

int main(int argc, char **argv)
{
    try {
        if (argc < 2)
            throw mistake("scenario SCENARIO [URL]");
        std::ifstream file(argv[1]);
        if (!file)
            throw mistake(std::string("there is no file ") + argv[1]);
        interpreter interpreter(argv[1], argc > 2 ? argv[2] : nullptr);
        for (std::string line; std::getline(file, line);)
            if (!line.empty() && line[0] != '#' && !starts_with(line, "on "))
                interpreter.carry_out(step(line));
        interpreter.end();
        return 0;
    } catch (const std::exception &reason) {
        std::cerr << reason.what() << '\n';
        return 2;
    }
}
