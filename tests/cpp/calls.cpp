// Calls: results, errors, cancellation and progress callbacks.
#include "support.hpp"

#include <atomic>
#include <csignal>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <vector>

using refold::code;

static const char documented[] = "6a106ba44480b80424a65289";

static_assert(std::is_base_of_v<std::runtime_error, refold::error>);
static_assert(std::is_nothrow_copy_constructible_v<refold::error>);

TEST(get_returns_an_execution) {
    const refold::client client(sandbox());
    const refold::execution execution = client.get(documented);
    CHECK_TEXT(execution.name(), "Execution for workflow 6a106ba44480b80424a65289");
    CHECK_TEXT(execution.id(), documented);
    CHECK_TEXT(execution.status(), "COMPLETED");
    CHECK(execution.state() == refold::state::completed);
    CHECK_DOUBLE(execution.completion_percentage().value_or(-1), 100);
    CHECK_INT(execution.nodes().size(), 1);
    CHECK_TEXT(execution.nodes()[0].latest_output()["message"].string(), "Workflow started successfully");
}

TEST(options_are_read_from_the_environment) {
    setenv("REFOLD_BASE_URL", std::getenv("SANDBOX_URL"), 1);
    setenv("REFOLD_SESSION_TOKEN", "sandbox.session.token", 1);
    const refold::client client(refold::options::from_env().set_timeout(5s));
    CHECK(client.get("completed").state() == refold::state::completed);
    refold::options options = refold::options::from_env();
    options.set_api_key("tk_sandbox", "user_12345");
    CHECK(code_of([&] { refold::client both(options); }) == code::invalid_argument);
    const refold::client other(options.set_session_token(nullptr));
    CHECK(other.get("completed").state() == refold::state::completed);
    unsetenv("REFOLD_BASE_URL");
    unsetenv("REFOLD_SESSION_TOKEN");
}

TEST(settings_reach_the_server) {
    const scripted_server server(body(COMPLETED));
    const std::string_view key("tk_key and more", 6);
    refold::options options = server.options();
    options.set_api_key(key, std::string("someone@example.com")).set_user_agent("monitor/2.1");
    refold::client(options).get("an-id");
    const std::string head = server.head();
    CHECK_STR(head_line(head.c_str()), "GET /api/v2/public/execution/an-id HTTP/1.1");
    CHECK_STR(head_value(head.c_str(), "x-api-key"), "tk_key");
    CHECK_STR(head_value(head.c_str(), "linked_account_id"), "someone@example.com");
    CHECK_CONTAINS(head_value(head.c_str(), "user-agent"), "monitor/2.1 ");
}

TEST(every_setter_is_accepted) {
    refold::options options;
    options.set_session_token("a.b.c")
        .set_api_key(nullptr, nullptr)
        .set_base_url("https://127.0.0.1:1/prefix");
    options.set_timeout(1s).set_connect_timeout(0s).set_max_retries(0).set_max_response_bytes(0);
    options.set_poll_interval(1min).set_proxy("").set_ca_file(nullptr).set_ca_pem({}).set_user_agent(nullptr);
    const refold::client client(options.set_allow_plaintext(true));
    client.set_session_token("d.e.f");
    CHECK(code_of([&] { client.set_session_token(""); }) == code::invalid_argument);
    CHECK(code_of([&] { client.get("an-id"); }) == code::connect);
}

TEST(an_error_has_the_fields_of_the_envelope) {
    const char *envelope =
        "{\"status_code\": 409, \"http_error_type\": \"CONFLICT\", \"error_code\": \"BUSY\", "
        "\"message\": \"It runs already\", \"request_id\": \"r-1\"}";
    const scripted_server server(status(429, envelope, "Retry-After: 7\r\n"));
    const refold::error error = error_of([&] { server.client().get("an-id"); });
    CHECK(error.code() == code::too_many_requests);
    CHECK_TEXT(name(error.code()), "TOO_MANY_REQUESTS");
    CHECK_STR(error.what(), "It runs already");
    CHECK_INT(error.http_status().value_or(0), 409);
    CHECK_TEXT(error.http_error_type(), "CONFLICT");
    CHECK_TEXT(error.api_code(), "BUSY");
    CHECK_TEXT(error.request_id(), "r-1");
    CHECK_TEXT(error.body(), envelope);
    CHECK(error.retry_after() == 7s);
    CHECK(error.is_retryable());
    CHECK_INT(error.attempts(), 1);
}

TEST(sandbox_error_has_code_and_message) {
    const refold::error error = error_of([] { refold::client(sandbox()).get("unknown"); });
    CHECK(error.code() == code::not_found);
    CHECK_TEXT(error.api_code(), "RESOURCE_NOT_FOUND");
    CHECK_STR(error.what(), "Execution not found");
    CHECK(!error.is_retryable());
}

TEST(an_error_without_a_response_has_no_fields) {
    const refold::error error = error_of([] { refold::client{refold::options()}; });
    CHECK(error.code() == code::invalid_argument);
    CHECK_CONTAINS(error.what(), "credentials are missing");
    CHECK(!error.http_status() && !error.http_error_type() && !error.api_code() && !error.request_id());
    CHECK(!error.body() && !error.retry_after());
    CHECK_INT(error.attempts(), 0);
}

TEST(an_error_body_is_raw_bytes) {
    response gateway = status(502, "<p>\0\xff</p>");
    gateway.length = 9;
    const scripted_server server(gateway);
    const refold::error error = error_of([&] { server.client().get("an-id"); });
    REQUIRE(error.body().has_value());
    CHECK_BYTES(error.body()->data(), error.body()->size(), "<p>\0\xff</p>", 9);
}

TEST(copies_of_an_error_share_its_contents) {
    std::optional<refold::error> copy;
    std::optional<std::string_view> id;
    {
        const scripted_server server(status(404, "{\"message\": \"gone\", \"request_id\": \"r-2\"}"));
        const refold::error error = error_of([&] { server.client().get("an-id"); });
        id = error.request_id();
        copy = error;
    }
    CHECK_STR(copy->what(), "gone");
    CHECK_TEXT(id, "r-2");
    copy = refold::error(code::conflict, "mine");
    CHECK(copy->code() == code::conflict && !copy->http_status());
    CHECK_STR(copy->what(), "mine");
}

TEST(invalid_arguments_are_rejected) {
    const scripted_server server(body(COMPLETED));
    const refold::client client = server.client();
    CHECK(code_of([&] { client.get(nullptr); }) == code::invalid_argument);
    CHECK(code_of([&] { client.get(".."); }) == code::invalid_argument);
    CHECK(code_of([&] { client.get(std::string("an\0id", 5)); }) == code::invalid_argument);
    CHECK(code_of([&] { client.get(std::string_view("an\0id", 5)); }) == code::invalid_argument);
    CHECK(code_of([&] { client.wait("an-id", -1ms); }) == code::invalid_argument);
    CHECK(code_of([] { refold::options().set_timeout(-1s); }) == code::invalid_argument);
    CHECK_STR(server.head().c_str(), "");
}

TEST(a_call_times_out) {
    const scripted_server server(silence());
    const refold::client client(server.options().set_timeout(50ms));
    const std::int64_t begun = now_ms();
    const refold::error error = error_of([&] { client.get("an-id"); });
    CHECK(now_ms() - begun >= 50);
    CHECK(error.code() == code::timeout);
    CHECK(error.is_retryable());
}

TEST(a_wait_times_out) {
    const scripted_server server(body(RUNNING));
    const refold::client client = server.client();
    CHECK(code_of([&] { client.wait("an-id", 50ms); }) == code::timeout);
}

TEST(the_cause_of_a_timeout_outlives_it) {
    const refold::client client(sandbox().set_max_retries(0).set_poll_interval(1h));
    std::optional<refold::error> cause;
    {
        const refold::error error = error_of([&] { client.wait("error-503", 2s); }); // in the first pause
        CHECK(error.code() == code::timeout);
        cause = error.cause();
    }
    REQUIRE(cause.has_value());
    CHECK(cause->code() == code::service_unavailable);
    CHECK_INT(cause->http_status().value_or(0), 503);
    CHECK_INT(cause->attempts(), 1);
    CHECK(cause->what()[0] != '\0' && cause->body().has_value());
    CHECK(!cause->cause());
}

TEST(other_errors_have_no_cause) {
    const refold::client client(sandbox());
    CHECK(!error_of([&] { client.wait("stuck", 300ms); }).cause());
    CHECK(!error_of([&] { client.wait("unknown", 1s); }).cause());
    CHECK(!error_of([&] { client.wait("an id"); }).cause());
    CHECK(!refold::error(code::timeout, "made by a test").cause());
}

// Runs the call, and triggers its token once the server has received the request.
template <class Call> static refold::code code_when_cancelled(const scripted_server &server, Call call) {
    const refold::cancel_token cancel;
    CHECK(!cancel.is_triggered());
    std::thread other([&] {
        server.await_request();
        cancel.trigger();
    });
    const refold::code code = code_of([&] { call(&cancel); });
    other.join();
    CHECK(cancel.is_triggered());
    return code;
}

TEST(another_thread_cancels_a_call) {
    const scripted_server server(silence());
    const refold::client client = server.client();
    CHECK(code_when_cancelled(server, [&](auto cancel) { client.get("an-id", cancel); }) == code::cancelled);
}

TEST(another_thread_cancels_a_wait) {
    const scripted_server server(body(RUNNING));
    const refold::client client(server.options().set_poll_interval(1h));
    const auto wait = [&](auto cancel) { client.wait("an-id", 0ms, nullptr, cancel); };
    CHECK(code_when_cancelled(server, wait) == code::cancelled);
}

TEST(a_triggered_token_cancels_at_once) {
    const refold::client client(sandbox());
    const refold::cancel_token cancel;
    cancel.trigger();
    CHECK(code_of([&] { client.get("completed", &cancel); }) == code::cancelled);
    CHECK(code_of([&] {
              client.wait(
                  "completed", 0s, [](auto &) {}, &cancel);
          }) == code::cancelled);
}

static const refold::cancel_token *signal_token;

TEST(a_signal_handler_cancels_a_call) {
    const scripted_server server(silence());
    const refold::client client = server.client();
    const refold::cancel_token cancel;
    signal_token = &cancel;
    std::signal(SIGUSR1, [](int) { signal_token->trigger(); });
    std::thread other([&] {
        server.await_request();
        kill(getpid(), SIGUSR1);
    });
    CHECK(code_of([&] { client.get("an-id", &cancel); }) == code::cancelled);
    other.join();
    std::signal(SIGUSR1, SIG_DFL);
}

TEST(progress_receives_every_snapshot) {
    const scripted_server server(body(RUNNING), body(RUNNING), body("{\"status\": \"ERRORED\"}"));
    const refold::client client = server.client();
    const std::thread::id here = std::this_thread::get_id();
    std::vector<refold::execution> seen;
    const refold::execution last = client.wait("an-id", 0s, [&](const refold::execution &execution) {
        CHECK(std::this_thread::get_id() == here);
        seen.push_back(execution.share());
    });
    REQUIRE(seen.size() == 3);
    CHECK_TEXT(seen[0].status(), "RUNNING");
    CHECK_TEXT(seen[1].status(), "RUNNING");
    CHECK_TEXT(seen[2].status(), "ERRORED");
    CHECK(seen[2].c_object() == last.c_object());
}

TEST(progress_follows_a_sandbox_run_to_its_end) {
    const refold::client client(sandbox());
    double previous = -1;
    const auto execution = client.wait("running-cpp", 20s, [&](const refold::execution &snapshot) {
        CHECK(snapshot.completion_percentage().value_or(-1) >= previous);
        previous = snapshot.completion_percentage().value_or(-1);
        return true;
    });
    CHECK(execution.state() == refold::state::completed);
    CHECK_DOUBLE(previous, 100);
    CHECK(client.wait("running-cpp").state() == refold::state::completed);
}

TEST(progress_that_returns_false_stops_the_wait) {
    const refold::client client(sandbox());
    int calls = 0;
    const auto stop = [&](const refold::execution &) { return ++calls < 2; };
    CHECK(code_of([&] { client.wait("stuck", 0s, stop); }) == code::cancelled);
    CHECK_INT(calls, 2);
}

static bool stop_at_once(const refold::execution &) { return false; }

TEST(false_is_ignored_at_the_final_snapshot) {
    const refold::client client(sandbox());
    CHECK(client.wait("completed", 0s, stop_at_once).state() == refold::state::completed);
    CHECK(code_of([&] { client.wait("stuck", 0s, &stop_at_once); }) == code::cancelled);
}

struct own_exception {
    int number;
};

TEST(an_exception_in_progress_is_rethrown) {
    const refold::client client(sandbox());
    for (const char *id : {"stuck", "completed"}) { // also at a final snapshot
        check_case("%s", id);
        int calls = 0, caught = 0;
        try {
            client.wait(id, 0s, [&](const refold::execution &) {
                calls++;
                throw own_exception{7};
            });
        } catch (const own_exception &exception) {
            caught = exception.number;
        }
        CHECK_INT(calls, 1);
        CHECK_INT(caught, 7);
    }
}

TEST(progress_may_use_the_same_client) {
    const refold::client client(sandbox());
    const refold::cancel_token cancel;
    const auto nested = [&](const refold::execution &snapshot) {
        const std::string id(snapshot.id().value_or(""));
        CHECK(client.get(id, &cancel).state() == snapshot.state());
        CHECK(code_of([&] { client.get("unknown"); }) == code::not_found);
        cancel.trigger();
    };
    CHECK(code_of([&] { client.wait("stuck", 0s, nested, &cancel); }) == code::cancelled);
}

TEST(many_threads_share_a_client) {
    const refold::client client(sandbox());
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; i++)
        threads.emplace_back([&client, &good, i] {
            for (int j = 0; j < 10; j++) {
                if ((i + j) % 2 == 0)
                    good += client.get("completed").state() == refold::state::completed;
                else
                    good += code_of([&] { client.get("unknown"); }) == code::not_found;
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK_INT(good, 160);
}

TEST(clients_can_be_moved) {
    refold::client first(sandbox());
    refold::client second = std::move(first);
    CHECK(second.get("completed").state() == refold::state::completed);
    CHECK(code_of([&] { first.get("completed"); }) == code::invalid_argument); // NOLINT: on purpose
    CHECK(code_of([&] { first.set_session_token("a.b.c"); }) == code::invalid_argument);
    first = std::move(second);
    CHECK(first.wait("completed").state() == refold::state::completed);
}

TEST(options_and_tokens_can_be_moved) {
    refold::options first = sandbox();
    refold::options second = std::move(first);
    first.set_base_url("nonsense").set_timeout(1s); // no effect: moved-from
    CHECK(code_of([&] { refold::client client(first); }) == code::invalid_argument);
    refold::cancel_token token;
    const refold::cancel_token moved = std::move(token);
    token.trigger();
    CHECK(!token.is_triggered() && !moved.is_triggered());
    CHECK(refold::client(second).get("completed", &moved).state() == refold::state::completed);
}

TEST(results_outlive_their_client) {
    std::optional<refold::execution> execution;
    std::optional<refold::error> error;
    {
        const scripted_server server(body("{\"status\": \"RUNNING\", \"name\": \"a name\"}"),
                                     status(404, ""));
        const refold::client client = server.client();
        execution = client.get("an-id");
        error = error_of([&] { client.get("an-id"); });
    }
    CHECK_TEXT(execution->name(), "a name");
    CHECK(error->code() == code::not_found);
}
