// The log, the times of calls, and further header fields.
#include "support.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

using refold::code;
using refold::log_level;

static_assert(std::is_nothrow_move_constructible_v<refold::client>);
static_assert(std::is_nothrow_move_assignable_v<refold::options>);

namespace {

// Keeps the lines of a log, each after the number of its level.
class collector {
public:
    void add(log_level level, std::string_view line) {
        const std::lock_guard<std::mutex> guard(lock_);
        lines_.append(std::to_string(static_cast<int>(level))).append(" ").append(line).append("\n");
    }

    std::string lines() const {
        const std::lock_guard<std::mutex> guard(lock_);
        return lines_;
    }

private:
    mutable std::mutex lock_;
    std::string lines_;
};

// Returns a callable for set_log() that shares the collector.
auto to(std::shared_ptr<collector> lines) {
    return [lines](log_level level, std::string_view line) { lines->add(level, line); };
}

std::size_t count(const std::string &text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        found++;
    return found;
}

// The sum of all times but the total.
std::chrono::microseconds sum(const refold::timings &times) {
    std::chrono::microseconds sum{0};
    for (const auto &part : {times.resolve, times.connect, times.tls, times.first_byte, times.transfer})
        sum += part.value_or(0us);
    return sum;
}

} // namespace

TEST(log_has_the_lines_of_its_level_and_those_before) {
    for (const log_level level : {log_level::off, log_level::warn, log_level::info, log_level::debug}) {
        check_case("level %d", static_cast<int>(level));
        const scripted_server server(status(503, "", "Retry-After: 0\r\n"), body(COMPLETED));
        const auto lines = std::make_shared<collector>();
        refold::client(server.options().set_max_retries(1).set_log(level, to(lines))).get("an-id");
        const std::string log = lines->lines();
        CHECK_INT(count(log, "\n3 ") > 0, level >= log_level::debug);
        CHECK_INT(count(log, ": execution an-id: OK, COMPLETED; attempts 2; "), level >= log_level::info);
        CHECK_INT(count(log, ": attempt 1 failed, retrying in 0 ms: "), level >= log_level::warn);
        CHECK_INT(log.empty(), level == log_level::off);
    }
}

TEST(log_takes_callables_of_every_kind) {
    const scripted_server server(body(COMPLETED));
    static std::atomic<int> calls;
    struct counter {
        void operator()(log_level, std::string_view) const noexcept { calls++; }
    };
    const auto logs = [&](refold::options &options) {
        calls = 0;
        refold::client(options).get("an-id");
        return calls.load();
    };
    refold::options options = server.options();
    void (*const function)(log_level, std::string_view) = [](log_level, std::string_view) { calls++; };
    CHECK_INT(logs(options.set_log(log_level::info, function)), 1);
    CHECK_INT(logs(options.set_log(log_level::info, *function)), 1);
    const counter constant;
    CHECK_INT(logs(options.set_log(log_level::info, constant)), 1);
    auto movable = [unique = std::make_unique<int>(0), own = 0](log_level, std::string_view) mutable {
        calls = ++*unique + ++own;
    };
    CHECK_INT(logs(options.set_log(log_level::info, std::move(movable))), 2);
    CHECK_INT(logs(options.set_log(log_level::info, [](auto, auto) { return ++calls; })), 1);
    CHECK_INT(logs(options.set_log(log_level::info, decltype(function){nullptr})), 0);
    CHECK_INT(logs(options.set_log(log_level::info, counter{})), 1);
    CHECK_INT(logs(options.set_log(log_level::info, nullptr)), 0);
    CHECK_INT(logs(options.set_log(log_level::info, std::function<void(log_level, std::string_view)>())), 0);
}

TEST(log_callable_lives_as_long_as_its_last_owner) {
    auto lines = std::make_shared<collector>();
    const std::weak_ptr<collector> observer = lines;
    std::optional<refold::client> first, second;
    const scripted_server server(body(COMPLETED));
    {
        refold::options options = server.options();
        options.set_log(log_level::info, to(std::move(lines)));
        const refold::options moved = std::move(options);
        options.set_log(log_level::info, nullptr); // moved-from: no effect
        first.emplace(moved);
        second.emplace(moved);
    }
    first->get("an-id");
    second->get("an-id");
    first.reset();
    second->get("an-id");
    refold::client third = std::move(*second);
    second.reset();
    third.get("an-id");
    REQUIRE(!observer.expired());
    CHECK_INT(count(observer.lock()->lines(), "\n"), 4);
    third = server.client();
    CHECK(observer.expired());
    third.get("an-id");
}

TEST(log_callable_is_replaced_by_the_next_one) {
    const scripted_server server(body(COMPLETED));
    auto before = std::make_shared<collector>(), after = std::make_shared<collector>();
    const std::weak_ptr<collector> observer = before;
    refold::options options = server.options();
    options.set_log(log_level::info, to(std::move(before)));
    options.set_log(log_level::info, to(after));
    CHECK(observer.expired());
    refold::client(options).get("an-id");
    CHECK_INT(count(after->lines(), "\n"), 1);
    const std::weak_ptr<collector> last = after;
    after.reset();
    options.set_log(log_level::info, nullptr);
    CHECK(last.expired());
}

// Destroys the client of a call that is running, and ends the call.
template <class Call> static void check_log_after_the_client(const scripted_server &server, Call call) {
    auto lines = std::make_shared<collector>();
    const std::weak_ptr<collector> observer = lines;
    const refold::cancel_token cancel;
    std::optional<refold::client> client(
        server.options().set_poll_interval(1h).set_log(log_level::info, to(std::move(lines))));
    std::thread other([&] { CHECK(code_of([&] { call(*client, &cancel); }) == code::cancelled); });
    server.await_request();
    client.reset();
    const std::shared_ptr<collector> kept = observer.lock();
    CHECK(kept != nullptr);
    cancel.trigger();
    other.join();
    REQUIRE(kept != nullptr);
    CHECK_CONTAINS(kept->lines().c_str(), "CANCELLED");
    CHECK_INT(kept.use_count(), 1);
}

TEST(log_callable_outlives_the_client_of_a_running_get) {
    check_log_after_the_client(scripted_server(silence()),
                               [](auto &client, auto cancel) { client.get("an-id", cancel); });
}

TEST(log_callable_outlives_the_client_of_a_running_wait) {
    check_log_after_the_client(scripted_server(body(RUNNING)),
                               [](auto &client, auto cancel) { client.wait("an-id", 0s, nullptr, cancel); });
}

TEST(log_callable_that_throws_does_not_disturb_the_call) {
    const scripted_server server(body(RUNNING), body(COMPLETED));
    std::atomic<int> calls{0};
    const refold::client client(server.options().set_log(log_level::debug, [&](log_level, auto) {
        if (calls++ % 2 == 0)
            throw std::runtime_error("from the callable");
        throw 7;
    }));
    CHECK(client.wait("an-id").state() == refold::state::completed);
    CHECK(calls > 2);
}

TEST(log_callable_may_use_the_same_client) {
    const scripted_server server(body(COMPLETED));
    std::optional<refold::client> client;
    int calls = 0;
    client.emplace(server.options().set_log(log_level::info, [&](log_level, std::string_view) {
        calls++;
        CHECK(client->get("another-id").state() == refold::state::completed);
        CHECK(code_of([&] { client->get(".."); }) == code::invalid_argument);
    }));
    client->get("an-id");
    CHECK_INT(calls, 1); // not for the calls of the callable
    client->get("an-id");
    CHECK_INT(calls, 2);
}

TEST(log_callable_serves_many_threads) {
    const auto lines = std::make_shared<collector>();
    const refold::client client(sandbox().set_log(log_level::info, to(lines)));
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
        threads.emplace_back([&client] {
            for (int j = 0; j < 5; j++)
                client.get("completed");
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK_INT(count(lines->lines(), ": execution completed: OK, COMPLETED"), 40);
}

TEST(header_fields_reach_the_server_and_not_the_log) {
    const scripted_server server(body(COMPLETED));
    const auto lines = std::make_shared<collector>();
    refold::options options = server.options();
    options.set_header("X-Removed", "gone").set_header("x-tenant", "before").set_header("x-removed", nullptr);
    options.set_header(std::string("X-Tenant"), std::string_view("tenant-secret and more", 13));
    refold::client(options.set_log(log_level::debug, to(lines))).get("an-id");
    const std::string head = server.head();
    CHECK_STR(head_value(head.c_str(), "x-tenant"), "tenant-secret");
    CHECK_INT(head_count(head.c_str(), "x-tenant"), 1);
    CHECK_STR(head_value(head.c_str(), "x-removed"), nullptr);
    CHECK_CONTAINS(lines->lines().c_str(), "X-Tenant");
    CHECK_LACKS(lines->lines().c_str(), "tenant-secret");
    CHECK_LACKS(lines->lines().c_str(), "tk_key");
}

TEST(invalid_header_fields_are_rejected) {
    const auto code_with = [](const char *name, const char *value) {
        return code_of([&] { refold::client client(sandbox().set_header(name, value)); });
    };
    CHECK(code_with("accept", "text/html") == code::invalid_argument);
    CHECK(code_with("a name", "value") == code::invalid_argument);
    CHECK(code_with("name", "a\r\nvalue") == code::invalid_argument);
    CHECK(code_of([] { refold::options().set_header("name", std::string("a\0b", 3)); }) ==
          code::invalid_argument);
    refold::options options = sandbox();
    options.set_header("accept", "text/html").set_header(nullptr, nullptr);
    CHECK(refold::client(options).get("completed").state() == refold::state::completed);
}

TEST(execution_has_the_times_of_its_call) {
    response slow = status(200, COMPLETED, "x-request-id: r-7\r\n");
    slow.delay_ms = 30;
    const scripted_server server(slow);
    const refold::client client = server.client();
    for (const bool is_reused : {false, true}) {
        check_case(is_reused ? "reused connection" : "new connection");
        const std::int64_t begun = now_us();
        const refold::execution execution = client.get("an-id");
        const std::int64_t taken = now_us() - begun;
        const refold::timings times = execution.timings();
        REQUIRE(times.total && times.first_byte && times.transfer);
        CHECK_BETWEEN(times.total->count(), 30000, taken);
        CHECK(*times.first_byte >= 30ms && *times.total >= sum(times));
        CHECK(times.connect.has_value() != is_reused);
        CHECK(!times.resolve && !times.tls);
        CHECK_INT(execution.attempts(), 1);
        CHECK_TEXT(execution.request_id(), "r-7");
    }
}

TEST(execution_has_the_attempts_of_its_call) {
    const scripted_server server(status(503, "", "Retry-After: 1\r\n"), body(COMPLETED));
    const refold::execution execution = refold::client(server.options().set_max_retries(1)).get("an-id");
    CHECK_INT(execution.attempts(), 2);
    CHECK(execution.timings().total >= 1s + sum(execution.timings()));
    CHECK_TEXT(execution.request_id(), nullptr);
}

TEST(error_has_the_times_of_its_call) {
    const scripted_server server(silence());
    const refold::error error =
        error_of([&] { refold::client(server.options().set_timeout(50ms)).get("an-id"); });
    CHECK(error.code() == code::timeout);
    const refold::timings times = error.timings();
    CHECK(times.total >= 50ms && times.total >= sum(times));
    CHECK(times.connect.has_value() && times.first_byte.has_value());
    CHECK(!times.resolve && !times.tls && !times.transfer);
}

TEST(times_are_absent_without_a_call) {
    const refold::execution parsed = refold::execution::parse(COMPLETED);
    const refold::error unsent = error_of([] { refold::client(sandbox()).get(".."); });
    for (const refold::timings &times :
         {parsed.timings(), unsent.timings(), refold::error(code::conflict, "mine").timings()}) {
        CHECK(!times.total && !times.resolve && !times.connect && !times.tls);
        CHECK(!times.first_byte && !times.transfer);
    }
    CHECK_INT(parsed.attempts(), 0);
    CHECK_TEXT(parsed.request_id(), nullptr);
}
