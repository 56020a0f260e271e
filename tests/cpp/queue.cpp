// The queue: callables, futures and coroutines.
#include "support.hpp"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <poll.h>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <vector>

using refold::code;
using refold::outcome;

static_assert(std::is_nothrow_move_constructible_v<refold::queue>);
static_assert(std::is_nothrow_move_assignable_v<refold::queue>);
static_assert(!std::is_copy_constructible_v<refold::queue>);

namespace {

bool is_readable(const refold::queue &queue, std::chrono::milliseconds timeout = 0ms) {
    pollfd polled{};
    polled.fd = static_cast<int>(queue.descriptor());
    polled.events = POLLIN;
    return poll(&polled, 1, static_cast<int>(timeout.count())) == 1;
}

// Waits until there is an event.
void await_event(const refold::queue &queue) { CHECK(is_readable(queue, 10s * check_patience())); }

code code_of_outcome(const outcome &result) {
    const auto error = result.error();
    CHECK(error.has_value() != result.has_value());
    return error ? error->code() : code::ok;
}

// Returns a done callable that stores the code.
auto to(code &stored) {
    return [&stored](const outcome &result) { stored = code_of_outcome(result); };
}

constexpr code no_code{12345};

// Counts calls, which may be made on any thread.
class counter {
public:
    void add() {
        const std::lock_guard<std::mutex> guard(lock_);
        count_++;
        changed_.notify_all();
    }

    // Returns the number once it is at least `wanted`.
    int await(int wanted) {
        std::unique_lock<std::mutex> guard(lock_);
        CHECK(changed_.wait_for(guard, 10s * check_patience(), [&] { return count_ >= wanted; }));
        return count_;
    }

private:
    std::mutex lock_;
    std::condition_variable changed_;
    int count_ = 0;
};

void nothing(const outcome &) {}

} // namespace

TEST(queue_runs_done_on_the_thread_that_runs_it) {
    const scripted_server server(body(COMPLETED));
    refold::queue queue;
    const std::thread::id here = std::this_thread::get_id();
    int calls = 0;
    queue.get(server.client(), std::string_view("an-id and more", 5),
              [&, unique = std::make_unique<int>(1)](outcome result) {
                  CHECK(std::this_thread::get_id() == here);
                  const refold::execution execution = std::move(result).value();
                  CHECK(execution.state() == refold::state::completed);
                  calls += *unique;
              });
    CHECK_INT(queue.pending(), 1);
    await_event(queue);
    CHECK_INT(calls, 0);
    CHECK_INT(queue.run_ready(), 1);
    CHECK_INT(calls, 1);
    CHECK_INT(queue.pending(), 0);
    CHECK(!is_readable(queue));
    CHECK_INT(queue.run_ready(), 0);
    CHECK(!queue.run_one() && !queue.run_one(10ms));
    CHECK_STR(head_line(server.head().c_str()), "GET /api/v2/public/execution/an-id HTTP/1.1");
}

TEST(queue_shows_the_progress_of_a_wait_before_its_end) {
    const scripted_server server(body(RUNNING), body(COMPLETED));
    const refold::client client(server.options().set_poll_interval(100ms));
    refold::queue queue(1);
    std::string seen;
    const auto on_progress = [&](const refold::execution &snapshot) {
        seen.append(snapshot.status()) += ' ';
    };
    const auto on_done = [&](const outcome &result) { seen.append(result.value().status()) += '.'; };
    queue.wait(client, "an-id", 0s, on_progress, on_done);
    CHECK_INT(queue.run(), 2);
    CHECK_STR(seen.c_str(), "RUNNING COMPLETED.");
    queue.wait(client, "an-id", 1min, nullptr, on_done);
    CHECK(queue.run_one(10s * check_patience()));
    CHECK_STR(seen.c_str(), "RUNNING COMPLETED.COMPLETED.");
}

TEST(queue_reports_errors_to_done) {
    refold::queue queue;
    std::optional<refold::error> kept;
    queue.get(refold::client(sandbox()), "unknown", [&](const outcome &result) {
        CHECK(!result && !result.has_value());
        CHECK(code_of([&] { result.value(); }) == code::not_found);
        kept = result.error();
    });
    queue.run();
    REQUIRE(kept.has_value());
    CHECK_STR(kept->what(), "Execution not found");
    CHECK_TEXT(kept->api_code(), "RESOURCE_NOT_FOUND");
    code timeout = no_code;
    queue.wait(refold::client(sandbox()), "stuck", 50ms, nullptr, to(timeout));
    queue.run();
    CHECK(timeout == code::timeout);
}

TEST(queue_rejects_invalid_submissions) {
    const refold::client client(sandbox());
    refold::queue queue;
    auto shared = std::make_shared<int>();
    const std::weak_ptr<int> observer = shared;
    CHECK(code_of([&] { queue.get(client, nullptr, [shared](const outcome &) {}); }) ==
          code::invalid_argument);
    CHECK(code_of([&] { queue.get(client, "..", [shared](const outcome &) {}); }) == code::invalid_argument);
    CHECK(code_of([&] { queue.wait(client, "an-id", -1s, nullptr, nothing); }) == code::invalid_argument);
    CHECK(code_of([&] { queue.get_future(client, ".."); }) == code::invalid_argument);
    CHECK(code_of([&] { queue.wait_future(client, "an-id", -1s); }) == code::invalid_argument);
    CHECK(code_of([&] { queue.run_one(-1ms); }) == code::invalid_argument);
    CHECK(code_of([] { refold::queue large(1025); }) == code::invalid_argument);
    shared.reset();
    CHECK(observer.expired());
    CHECK_INT(queue.pending(), 0);
}

TEST(queue_that_was_moved_from_is_empty) {
    const scripted_server server(body(COMPLETED));
    const refold::client client = server.client();
    refold::queue queue, other(1);
    code stored = no_code, replaced = no_code;
    other.get(client, "an-id", to(replaced));
    queue.get(client, "an-id", to(stored));
    other = std::move(queue);
    queue.set_notify([] {});
    CHECK(!queue.run_one() && !queue.run_one(1h));
    CHECK_INT(queue.run_ready() + queue.run() + queue.pending(), 0);
    CHECK_INT(queue.descriptor(), -1);
    CHECK(queue.c_object() == nullptr);
    CHECK(code_of([&] { queue.get(client, "an-id", nothing); }) == code::invalid_argument);
    CHECK(code_of([&] { queue.get_future(client, "an-id"); }) == code::invalid_argument);
    other.run();
    CHECK(stored == code::ok && replaced == no_code);
}

TEST(queue_continues_after_a_callable_that_throws) {
    const scripted_server server(body(RUNNING), body(COMPLETED));
    const refold::client client(server.options().set_poll_interval(50ms));
    refold::queue queue(1);
    std::atomic<int> wakes{0};
    queue.set_notify([&] { wakes++; });
    int calls = 0;
    const auto throws = [&](const auto &) {
        calls++;
        throw std::runtime_error("from the callable");
    };
    const auto run = [&] {
        std::string caught;
        try {
            queue.run_ready();
        } catch (const std::runtime_error &error) {
            caught = error.what();
        }
        return caught;
    };
    queue.wait(client, "an-id", 0s, throws, throws);
    await_event(queue);
    CHECK_STR(run().c_str(), "from the callable");
    CHECK_INT(queue.pending(), 1);
    await_event(queue); // the exception of the progress did not end the wait
    queue.get(client, "an-id", [&](const outcome &result) { calls += 10 * result.has_value(); });
    while (queue.pending() > 0 && calls < 2) {
        await_event(queue);
        wakes = 0;
        CHECK_STR(run().c_str(), "from the callable");
        CHECK(wakes > 0); // the get may be ready
    }
    queue.run();
    CHECK_INT(calls, 12);
}

TEST(queue_returns_although_callables_keep_it_busy) {
    const scripted_server server(body(COMPLETED));
    const refold::client client = server.client();
    refold::queue queue;
    counter wakes;
    struct repeat {
        refold::queue &queue;
        const refold::client &client;
        int *remaining;
        void operator()(const outcome &) const {
            if (--*remaining == 0)
                return;
            queue.get(client, "an-id", *this);
            await_event(queue);
        }
    };
    int remaining = 20;
    queue.set_notify([&] { wakes.add(); });
    queue.get(client, "an-id", repeat{queue, client, &remaining});
    wakes.await(1);
    CHECK_INT(queue.run_ready(), 3);
    CHECK_INT(wakes.await(4 + 1), 4 + 1); // for each submission, and for the event that is left
    CHECK(is_readable(queue));
    queue.run();
    CHECK_INT(remaining, 0);
}

TEST(queue_can_be_run_by_a_callable_that_it_runs) {
    const scripted_server server(body(RUNNING), body(COMPLETED));
    const refold::client client(server.options().set_poll_interval(100ms));
    refold::queue queue;
    std::string order;
    queue.wait(
        client, "an-id", 0s,
        [&](const refold::execution &) {
            if (order.empty()) {
                order += "progress ";
                while (queue.pending() > 0)
                    queue.run_one();
                order += "returned";
            }
        },
        [&](const outcome &) { order += "done "; });
    queue.run();
    CHECK_STR(order.c_str(), "progress done returned");
}

TEST(queue_is_cancelled_by_a_token) {
    const scripted_server server(silence());
    const refold::client client = server.client();
    refold::queue queue(1);
    code in_flight = no_code, queued = no_code;
    std::future<refold::execution> future;
    {
        const refold::cancel_token cancel;
        queue.get(client, "an-id", to(in_flight), &cancel);
        queue.wait(client, "an-id", 0s, nullptr, to(queued), &cancel);
        future = queue.get_future(client, "an-id", &cancel);
        server.await_request();
        cancel.trigger();
    }
    queue.run();
    CHECK(in_flight == code::cancelled && queued == code::cancelled);
    CHECK(code_of([&] { future.get(); }) == code::cancelled);
}

TEST(queue_destroys_callables_that_have_not_run) {
    const scripted_server server(body(COMPLETED), silence());
    const refold::client client = server.client();
    auto shared = std::make_shared<int>();
    const std::weak_ptr<int> observer = shared;
    const auto must_not_run = [shared](const auto &) { FAIL("a callable was run"); };
    {
        refold::queue queue(1);
        queue.get(client, "an-id", must_not_run);
        await_event(queue);
        queue.get(client, "an-id", must_not_run);
        queue.wait(client, "an-id", 0s, must_not_run, must_not_run);
        queue.set_notify([shared] {});
    }
    CHECK_INT(shared.use_count(), 2);
    shared.reset();
    CHECK(!observer.expired()); // it is in `must_not_run`
}

TEST(queue_destroys_callables_once_they_have_run) {
    const refold::client client(sandbox());
    refold::queue queue;
    const auto shared = std::make_shared<int>();
    std::optional<outcome> kept;
    queue.get(client, "unknown", [&kept, shared](outcome result) { kept.emplace(std::move(result)); });
    CHECK_INT(shared.use_count(), 2);
    queue.run();
    CHECK_INT(shared.use_count(), 1);
    REQUIRE(kept.has_value());
    CHECK(code_of_outcome(*kept) == code::not_found);
}

TEST(queue_calls_the_last_notify_callable) {
    const refold::client client(sandbox());
    refold::queue queue;
    counter first, second;
    const auto shared = std::make_shared<int>();
    queue.set_notify([&first, shared] { first.add(); });
    queue.get(client, "completed", nothing);
    CHECK_INT(first.await(1), 1);
    CHECK_INT(queue.run_ready(), 1);
    CHECK_INT(shared.use_count(), 2);
    queue.set_notify([&second] {
        second.add();
        throw std::runtime_error("dropped");
    });
    CHECK_INT(shared.use_count(), 1);
    queue.get(client, "completed", nothing);
    CHECK_INT(second.await(1), 1);
    CHECK_INT(queue.run_ready(), 1);
    queue.set_notify(nullptr);
    queue.get(client, "completed", nothing);
    queue.run();
    CHECK_INT(first.await(1), 1);
    CHECK_INT(second.await(1), 1);
}

TEST(queue_is_run_by_many_threads) {
    constexpr int waits = 40;
    const scripted_server server(body(RUNNING), body(RUNNING), body(RUNNING), body(COMPLETED));
    const refold::client client(server.options().set_poll_interval(10ms));
    refold::queue queue;
    struct counts {
        std::atomic<bool> is_running{false};
        std::atomic<int> ended{0};
    };
    std::vector<counts> runs(waits);
    for (counts &run : runs)
        queue.wait(
            client, "an-id", 0s,
            [&run](const refold::execution &) {
                CHECK(!run.is_running.exchange(true));
                CHECK_INT(run.ended, 0);
                std::this_thread::yield();
                run.is_running = false;
            },
            [&run](const outcome &result) {
                CHECK(!run.is_running);
                CHECK(result.has_value());
                run.ended++;
            });
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&queue] { queue.run(); });
    for (std::thread &thread : threads)
        thread.join();
    for (const counts &run : runs)
        CHECK_INT(run.ended, 1);
}

TEST(queue_keeps_the_log_callable_for_its_calls) {
    const scripted_server server(silence());
    auto lines = std::make_shared<std::atomic<int>>(0);
    const std::weak_ptr<std::atomic<int>> observer = lines;
    refold::queue queue;
    const refold::cancel_token cancel;
    code stored = no_code;
    {
        refold::options options = server.options();
        options.set_log(refold::log_level::info, [lines](auto, auto) { ++*lines; });
        queue.get(refold::client(options), "an-id", to(stored), &cancel);
    }
    lines.reset();
    server.await_request();
    CHECK(!observer.expired());
    cancel.trigger();
    queue.run();
    CHECK(stored == code::cancelled);
    CHECK(observer.expired());
}

TEST(futures_become_ready_on_their_own) {
    const refold::client client(sandbox());
    refold::queue queue;
    std::vector<std::future<refold::execution>> futures;
    for (int i = 0; i < 50; i++)
        futures.push_back(queue.get_future(client, i % 2 == 0 ? "completed" : "unknown"));
    std::future<refold::execution> wait = queue.wait_future(client, "running-future", 20s);
    std::future<refold::execution> stuck = queue.wait_future(client, "stuck", 50ms);
    CHECK_INT(queue.pending(), 0);
    for (std::size_t i = 0; i < futures.size(); i++) {
        if (i % 2 == 0)
            CHECK(futures[i].get().state() == refold::state::completed);
        else
            CHECK(code_of([&] { futures[i].get(); }) == code::not_found);
    }
    CHECK(wait.get().state() == refold::state::completed);
    CHECK(code_of([&] { stuck.get(); }) == code::timeout);
}

TEST(futures_of_a_destroyed_queue_are_cancelled) {
    const scripted_server server(silence());
    const refold::client client = server.client();
    std::optional<refold::queue> queue(1);
    std::future<refold::execution> in_flight = queue->get_future(client, "an-id");
    std::future<refold::execution> queued = queue->wait_future(client, "an-id");
    queue->get_future(client, "an-id"); // its future is destroyed first
    server.await_request();
    queue.reset();
    const refold::error error = error_of([&] { in_flight.get(); });
    CHECK(error.code() == code::cancelled);
    CHECK_STR(error.what(), "the queue was destroyed");
    CHECK(code_of([&] { queued.get(); }) == code::cancelled);
}

#ifdef __cpp_lib_coroutine

namespace {

// A coroutine that starts at once and destroys itself at its end.
struct detached {
    struct promise_type {
        detached get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

// A coroutine that can be destroyed while it waits. Its exceptions leave the function that resumes it.
class task {
public:
    struct promise_type {
        task get_return_object() { return task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        [[noreturn]] void unhandled_exception() const { throw; }
    };

    task(task &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task &operator=(task &&) = delete;
    ~task() {
        if (handle_)
            handle_.destroy();
    }

private:
    explicit task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

    std::coroutine_handle<promise_type> handle_;
};

detached get_all(refold::queue &queue, const refold::client &client, std::string &seen) {
    const refold::execution one = co_await queue.get(client, "completed");
    seen.append(one.status()) += ' ';
    try {
        co_await queue.get(client, "unknown");
    } catch (const refold::error &error) {
        seen.append(name(error.code())) += ' ';
    }
    refold::awaitable first = queue.get(client, "errored"),
                      second = queue.get(client, std::string("stopped"));
    const refold::execution last = co_await second;
    seen.append(last.status()) += ' ';
    const refold::execution before = co_await first; // has probably ended
    seen.append(before.status()) += '.';
}

detached wait_for(refold::queue &queue, const refold::client &client, int &snapshots, code &ended) {
    const std::string id = "running-" + std::to_string(getpid()); // not watched by an earlier program
    const auto count = [&snapshots](const refold::execution &) { snapshots++; };
    const refold::execution execution = co_await queue.wait(client, id, 20s, count);
    CHECK(execution.state() == refold::state::completed);
    const refold::cancel_token cancel;
    refold::awaitable awaitable = queue.wait(client, "stuck", 0s, nullptr, &cancel);
    cancel.trigger();
    try {
        co_await awaitable;
    } catch (const refold::error &error) {
        ended = error.code();
    }
}

detached submit_again(refold::queue &queue, const refold::client &client, code &first, code &second) {
    const auto shared = std::make_shared<int>();
    try {
        co_await queue.get(client, "an-id");
    } catch (const refold::error &error) {
        first = error.code();
    }
    second = code_of([&] { (void)queue.get(client, "an-id"); });
}

task fail(refold::queue &queue, const refold::client &client) { co_await queue.get(client, "unknown"); }

task hold(refold::queue &queue, const refold::client &client, std::shared_ptr<int> shared) {
    co_await queue.get(client, "completed");
    FAIL("a destroyed coroutine was resumed %d", *shared);
}

} // namespace

TEST(coroutines_await_gets) {
    const refold::client client(sandbox());
    refold::queue queue;
    std::string seen;
    get_all(queue, client, seen);
    CHECK_STR(seen.c_str(), "");
    queue.run();
    CHECK_STR(seen.c_str(), "COMPLETED NOT_FOUND STOPPED ERRORED.");
}

TEST(coroutines_await_waits) {
    const refold::client client(sandbox());
    refold::queue queue;
    int snapshots = 0;
    code ended = no_code;
    wait_for(queue, client, snapshots, ended);
    queue.run();
    CHECK(snapshots > 0);
    CHECK(ended == code::cancelled);
}

TEST(coroutines_of_a_destroyed_queue_are_cancelled) {
    const scripted_server server(silence());
    const refold::client client = server.client();
    code first = no_code, second = no_code;
    std::optional<refold::queue> queue(std::in_place);
    submit_again(*queue, client, first, second);
    {
        const task failing = fail(*queue, client); // what it throws is dropped
        server.await_request();
        queue.reset();
    }
    CHECK(first == code::cancelled);
    CHECK(second == code::invalid_argument);
}

TEST(coroutine_that_throws_leaves_run_ready) {
    const refold::client client(sandbox());
    refold::queue queue;
    const task failing = fail(queue, client);
    await_event(queue);
    CHECK(code_of([&] { queue.run_ready(); }) == code::not_found);
    CHECK_INT(queue.pending(), 0);
}

TEST(coroutine_can_be_destroyed_while_it_waits) {
    const refold::client client(sandbox());
    refold::queue queue;
    const auto shared = std::make_shared<int>();
    { const task held = hold(queue, client, shared); }
    CHECK_INT(shared.use_count(), 1);
    CHECK_INT(queue.run(), 1);
    (void)queue.get(client, "completed"); // not awaited
    CHECK_INT(queue.run(), 1);
}

#endif
