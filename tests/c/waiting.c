/* Waiting: refold_wait_execution() polls until the status is final. */
#define _GNU_SOURCE
#include "client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT(status, name) "{\"status\": \"" status "\", \"name\": \"" name "\"}"
#define AT_ONCE "Retry-After: 0\r\n"

/* A client that polls this server every `interval` milliseconds, without retries. */
static refold_client *poller_of(struct server *server, uint64_t interval) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, interval);
    return client_of(options);
}

/* The snapshots that a callback received, and when it stops the wait. */
struct seen {
    int count;
    char names[64][24];
    const refold_execution *last;
    refold_execution *kept;
    int stop_at; /* return false at this call, counted from 1; 0: never */
    pthread_t thread;
};

static bool record_snapshot(const refold_execution *execution, void *user_data) {
    struct seen *seen = user_data;
    const char *name = refold_execution_name(execution);
    if (seen->count < (int)COUNT(seen->names))
        snprintf(seen->names[seen->count], sizeof seen->names[0], "%s", name == NULL ? "-" : name);
    seen->count++;
    seen->last = execution;
    seen->thread = pthread_self();
    return seen->count != seen->stop_at;
}

/* Waits with record_snapshot() and expects this code; returns the execution, freed by the caller. */
static refold_execution *wait_recording(refold_client *client, struct seen *seen, uint64_t timeout_ms,
                                        refold_code want) {
    refold_error *error = UNREAD_ERROR;
    refold_execution *execution =
        refold_wait_execution(client, TEST_ID, timeout_ms, record_snapshot, seen, NULL, &error);
    CHECK_INT((execution == NULL) == (error != NULL), 1);
    if (refold_error_code(error) != want)
        FAIL("the code is %d (%s), wanted %d", refold_error_code(error), refold_error_message(error), want);
    refold_error_free(error);
    return execution;
}

TEST(polls_until_the_status_is_final) {
    static const struct response responses[] = {{.body = SNAPSHOT("RUNNING", "one")},
                                                {.body = SNAPSHOT("RUNNING", "two")},
                                                {.body = SNAPSHOT("STOPPING", "three")},
                                                {.body = SNAPSHOT("COMPLETED", "four")}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_client *client = poller_of(server, 10);
    struct seen seen = {0};
    refold_execution *execution = wait_recording(client, &seen, 0, REFOLD_OK);
    CHECK_STR(refold_execution_name(execution), "four");
    CHECK_INT(refold_execution_state(execution), REFOLD_STATE_COMPLETED);
    CHECK_INT(seen.count, 4);
    CHECK_STR(seen.names[0], "one");
    CHECK_STR(seen.names[1], "two");
    CHECK_STR(seen.names[2], "three");
    CHECK_STR(seen.names[3], "four");
    CHECK(pthread_equal(seen.thread, pthread_self()));
    CHECK_INT(server_requests(server), 4);
    CHECK_INT(server_connections(server), 1);
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_failed_run_is_a_successful_wait) {
    static const struct {
        const char *status;
        refold_state state;
    } cases[] = {{"COMPLETED", REFOLD_STATE_COMPLETED},
                 {"ERRORED", REFOLD_STATE_ERRORED},
                 {"STOPPED", REFOLD_STATE_STOPPED},
                 {"TIMED_OUT", REFOLD_STATE_TIMED_OUT}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *body = text_of("{\"status\": \"%s\"}", cases[i].status);
        struct server *server = serve_responses(2, (struct response[]){{.body = RUNNING}, {.body = body}});
        refold_client *client = poller_of(server, 10);
        struct seen seen = {0};
        check_case("%s", cases[i].status);
        refold_execution *execution = wait_recording(client, &seen, 0, REFOLD_OK);
        CHECK_STR(refold_execution_status(execution), cases[i].status);
        CHECK_INT(refold_execution_state(execution), cases[i].state);
        CHECK_INT(seen.count, 2);
        refold_execution_free(execution);
        refold_client_free(client);
        server_stop(server);
        free(body);
    }
}

TEST(an_unknown_status_is_not_final) {
    static const char *const statuses[] = {"",        "PAUSED", "completed", "COMPLETED ", "COMPLETED\\u0000",
                                           "Success", "SKIPPED"};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        char *body = text_of("{\"status\": \"%s\"}", statuses[i]);
        struct server *server = serve_responses(2, (struct response[]){{.body = body}, {.body = COMPLETED}});
        refold_client *client = poller_of(server, 10);
        struct seen seen = {0};
        check_case("%s", statuses[i]);
        refold_execution_free(wait_recording(client, &seen, 0, REFOLD_OK));
        CHECK_INT(seen.count, 2);
        refold_client_free(client);
        server_stop(server);
        free(body);
    }
}

TEST(the_callback_is_optional) {
    struct server *server = serve_responses(2, (struct response[]){{.body = RUNNING}, {.body = COMPLETED}});
    refold_client *client = poller_of(server, 10);
    refold_error *error = UNREAD_ERROR;
    refold_execution *execution = refold_wait_execution(client, TEST_ID, 0, NULL, &server, NULL, &error);
    CHECK_STR(refold_execution_status(execution), "COMPLETED");
    CHECK(error == NULL);
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
}

/* Pauses ------------------------------------------------------------------------------------------------- */

enum { INTERVAL = 40, SLACK_MS = 90 };

/* Returns by how many microseconds the latest request of a wait is later than expected; none may be early. */
static int64_t latest_of(const struct response *responses, const int64_t *want, size_t count) {
    struct server *server = serve_responses(count + 1, responses);
    refold_client *client = poller_of(server, INTERVAL);
    struct seen seen = {0};
    int64_t latest = 0;
    refold_execution_free(wait_recording(client, &seen, 0, REFOLD_OK));
    for (size_t i = 0; i <= count; i++)
        seen.count -= responses[i].status == 0;
    CHECK_INT(seen.count, 0);
    for (size_t i = 0; i < count; i++) {
        int64_t late = server_request_ms(server, i + 1) - server_request_ms(server, i) - want[i];
        check_case("before request %zu", i + 1);
        CHECK_BETWEEN(late, -2, INT64_MAX);
        latest = late > latest ? late : latest;
    }
    refold_client_free(client);
    server_stop(server);
    return latest * 1000;
}

/* Returns the pause before the last of `count` requests of a wait, in microseconds; at least `min_ms`. */
static int64_t last_pause_of(refold_client *client, struct server *server, size_t count, int64_t min_ms) {
    struct seen seen = {0};
    refold_execution_free(wait_recording(client, &seen, 0, REFOLD_OK));
    refold_client_free(client);
    CHECK_INT(server_requests(server), count);
    int64_t took = server_request_ms(server, count - 1) - server_request_ms(server, count - 2);
    server_stop(server);
    CHECK_INT(seen.count, 2);
    CHECK(took >= min_ms);
    return took * 1000;
}

static void check_pauses(const struct response *responses, const int64_t *want, size_t count) {
    struct timing timing = {.max_ms = SLACK_MS};
    while (CHECK_AGAIN(timing))
        timing.us = latest_of(responses, want, count);
}

/* Each time the body is unchanged, the pause grows by half, up to ten times the interval. */
TEST(pauses_grow_while_nothing_changes) {
    static const int64_t want[] = {40, 60, 90, 135, 202, 303, 400, 400};
    struct response responses[COUNT(want) + 1];
    for (size_t i = 0; i < COUNT(responses); i++)
        responses[i] = (struct response){.body = i == COUNT(want) ? COMPLETED : RUNNING};
    check_pauses(responses, want, COUNT(want));
}

TEST(a_change_resets_the_pause) {
    static const int64_t want[] = {40, 60, 90, 40, 60, 40, 40};
    static const struct response responses[] = {
        {.body = SNAPSHOT("RUNNING", "a")}, {.body = SNAPSHOT("RUNNING", "a")},
        {.body = SNAPSHOT("RUNNING", "a")}, {.body = SNAPSHOT("RUNNING", "b")},
        {.body = SNAPSHOT("RUNNING", "b")}, {.body = SNAPSHOT("RUNNING", "a")},
        {.body = SNAPSHOT("RUNNING", "b")}, {.body = COMPLETED}};
    check_pauses(responses, want, COUNT(want));
}

/* Each failed poll in a row doubles the pause, up to ten times the interval. A success undoes that. */
TEST(failed_polls_double_the_pause) {
    static const int64_t want[] = {80, 160, 320, 400, 400, 40, 60, 120};
    static const struct response responses[] = {{.status = 429},
                                                {.status = 503},
                                                {.status = 408},
                                                {.status = 500},
                                                {.status = 503, .headers = AT_ONCE},
                                                {.body = RUNNING},
                                                {.body = RUNNING},
                                                {.status = 502},
                                                {.body = COMPLETED}};
    check_pauses(responses, want, COUNT(want));
}

TEST(one_second_is_the_default_pause) {
    struct timing timing = {.max_ms = 1250};
    while (CHECK_AGAIN(timing)) {
        struct server *server =
            serve_responses(2, (struct response[]){{.body = RUNNING}, {.body = COMPLETED}});
        timing.us = last_pause_of(client_to(server), server, 2, 998);
    }
}

TEST(retry_after_of_a_snapshot_is_honored) {
    struct timing timing = {.max_ms = 1300};
    while (CHECK_AGAIN(timing)) {
        struct server *server = serve_responses(
            2, (struct response[]){{.body = RUNNING, .headers = "Retry-After: 1\r\n"}, {.body = COMPLETED}});
        timing.us = last_pause_of(poller_of(server, 10), server, 2, 990);
    }
}

TEST(retry_after_of_a_failed_poll_is_honored) {
    struct timing timing = {.max_ms = 1300};
    while (CHECK_AGAIN(timing)) {
        struct server *server = serve_responses(
            3, (struct response[]){
                   {.body = RUNNING}, {.status = 429, .headers = "Retry-After: 1\r\n"}, {.body = COMPLETED}});
        timing.us = last_pause_of(poller_of(server, 10), server, 3, 990);
    }
}

/* The callback ------------------------------------------------------------------------------------------- */

TEST(false_stops_the_wait) {
    for (int at = 1; at <= 3; at++) {
        struct server *server = serve_body(RUNNING);
        refold_client *client = poller_of(server, 10);
        struct seen seen = {.stop_at = at};
        refold_error *error = UNREAD_ERROR;
        check_case("%d", at);
        CHECK(refold_wait_execution(client, TEST_ID, 0, record_snapshot, &seen, NULL, &error) == NULL);
        EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
        CHECK_INT(seen.count, at);
        CHECK_INT(server_requests(server), at);
        refold_client_free(client);
        server_stop(server);
    }
}

TEST(false_at_the_end_is_ignored) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = poller_of(server, 10);
    struct seen seen = {.stop_at = 1};
    refold_execution *execution = wait_recording(client, &seen, 0, REFOLD_OK);
    CHECK_STR(refold_execution_status(execution), "COMPLETED");
    CHECK_INT(seen.count, 1);
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
}

/* A callback that returns a byte, as a caller's compiler may represent a bool: any byte but 0 is true. */
static unsigned char returned_byte;

static unsigned char return_byte(const refold_execution *execution, void *user_data) {
    (void)execution;
    ++*(int *)user_data;
    return returned_byte;
}

TEST(any_nonzero_byte_of_the_callback_is_true) {
    static const unsigned char bytes[] = {0, 1, 2, 3, 127, 128, 254, 255};
    for (size_t i = 0; i < COUNT(bytes); i++) {
        struct server *server =
            serve_responses(2, (struct response[]){{.body = RUNNING}, {.body = COMPLETED}});
        refold_client *client = poller_of(server, 10);
        refold_error *error = UNREAD_ERROR;
        int calls = 0;
        returned_byte = bytes[i];
        check_case("%u", bytes[i]);
        refold_execution *execution = refold_wait_execution(
            client, TEST_ID, 0, (refold_progress_fn)(void (*)(void))return_byte, &calls, NULL, &error);
        CHECK_INT(refold_error_code(error), bytes[i] == 0 ? REFOLD_ERROR_CANCELLED : REFOLD_OK);
        CHECK_INT(calls, bytes[i] == 0 ? 1 : 2);
        refold_execution_free(execution);
        refold_error_free(error);
        refold_client_free(client);
        server_stop(server);
    }
}

static bool keep(const refold_execution *execution, void *user_data) {
    struct seen *seen = user_data;
    if (seen->kept == NULL)
        seen->kept = refold_execution_retain(execution);
    return record_snapshot(execution, user_data);
}

TEST(the_callback_may_keep_a_snapshot) {
    struct server *server = serve_responses(2, (struct response[]){{.body = SNAPSHOT("RUNNING", "kept")},
                                                                   {.body = SNAPSHOT("COMPLETED", "last")}});
    refold_client *client = poller_of(server, 10);
    struct seen seen = {0};
    refold_error *error = UNREAD_ERROR;
    refold_execution *execution = refold_wait_execution(client, TEST_ID, 0, keep, &seen, NULL, &error);
    refold_client_free(client);
    server_stop(server);
    CHECK_STR(refold_execution_name(execution), "last");
    CHECK_STR(refold_execution_name(seen.kept), "kept");
    CHECK_STR(refold_execution_status(seen.kept), "RUNNING");
    refold_execution_free(execution);
    CHECK_STR(refold_execution_name(seen.kept), "kept");
    refold_execution_free(seen.kept);
}

struct caller {
    refold_client *client;
    refold_cancel *cancel;
    int calls;
};

static bool call_from_callback(const refold_execution *execution, void *user_data) {
    struct caller *caller = user_data;
    refold_error *error = UNREAD_ERROR;
    (void)execution;
    caller->calls++;
    refold_execution *other = refold_get_execution(caller->client, "another", caller->cancel, &error);
    CHECK_STR(refold_execution_id(other), "another");
    CHECK(error == NULL);
    refold_execution_free(other);
    other = refold_wait_execution(caller->client, "a-third", 0, NULL, NULL, caller->cancel, &error);
    CHECK_STR(refold_execution_id(other), "a-third");
    refold_execution_free(other);
    return true;
}

static void respond_by_id(struct exchange *exchange) {
    bool runs = strstr(head_line(exchange_head(exchange)), TEST_ID) != NULL && exchange_index(exchange) < 4;
    exchange_respond(exchange, &(struct response){.body = runs ? RUNNING : COMPLETED});
}

/* No lock or connection is held while the callback runs, so one connection is enough for both calls. */
TEST(the_callback_may_use_the_same_client_and_token) {
    struct server *server = serve(&(struct server_options){.handler = respond_by_id});
    struct caller caller = {.client = poller_of(server, 10), .cancel = refold_cancel_new()};
    refold_error *error = UNREAD_ERROR;
    refold_execution *execution =
        refold_wait_execution(caller.client, TEST_ID, 0, call_from_callback, &caller, caller.cancel, &error);
    CHECK_STR(refold_execution_status(execution), "COMPLETED");
    CHECK(error == NULL);
    CHECK_INT(caller.calls, 3);
    CHECK_INT(server_requests(server), 9);
    CHECK_INT(server_connections(server), 1);
    refold_execution_free(execution);
    refold_cancel_free(caller.cancel);
    refold_client_free(caller.client);
    server_stop(server);
}

static bool trigger(const refold_execution *execution, void *user_data) {
    (void)execution;
    refold_cancel_trigger(user_data);
    return true;
}

TEST(the_callback_may_trigger_the_token) {
    struct server *server = serve_body(RUNNING);
    refold_client *client = client_to(server);
    refold_cancel *cancel = refold_cancel_new();
    refold_error *error = UNREAD_ERROR;
    int64_t before = now_ms();
    CHECK(refold_wait_execution(client, TEST_ID, 0, trigger, cancel, cancel, &error) == NULL);
    CHECK_TIME(now_ms() - before, 0, 500);
    EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    CHECK_INT(server_requests(server), 1);
    refold_cancel_free(cancel);
    refold_client_free(client);
    server_stop(server);
}

/* Timeouts ----------------------------------------------------------------------------------------------- */

TEST(the_timeout_bounds_the_wait) {
    struct server *server = serve_body(RUNNING);
    refold_client *client = poller_of(server, 30);
    struct timing timing = {.max_ms = 400};
    while (CHECK_AGAIN(timing)) {
        struct seen seen = {0};
        refold_error *error = UNREAD_ERROR;
        int64_t began = now_us();
        CHECK(refold_wait_execution(client, TEST_ID, 300, record_snapshot, &seen, NULL, &error) == NULL);
        timing.us = now_us() - began;
        CHECK(timing.us >= 200 * 1000);
        CHECK_ERROR(error, REFOLD_ERROR_TIMEOUT, "300");
        CHECK(refold_error_is_retryable(error));
        if (seen.count < 2)
            check_missed(&timing, "only %d polls got a response", seen.count);
        refold_error_free(error);
    }
    refold_client_free(client);
    server_stop(server);
}

/* Two polls of two attempts each, then a long pause. The status contains a secret, which must be redacted. */
#define ECHO "{\"status\": \"PAUSED by " TEST_KEY
static const struct response echoing_responses[] = {{.status = 503, .headers = AT_ONCE},
                                                    {.body = RUNNING},
                                                    {.status = 503, .headers = AT_ONCE},
                                                    {.body = NULL, .headers = "Retry-After: 30\r\n"}};

/* The error of a wait with these responses, freed by the caller. */
static refold_error *error_of_echoing_wait(uint64_t timeout_ms, int stop_at) {
    char *filler = repeated("waiting ", 1000);
    char *body = text_of(ECHO " %s\"}", filler);
    struct response responses[COUNT(echoing_responses)];
    memcpy(responses, echoing_responses, sizeof responses);
    responses[COUNT(responses) - 1].body = body;
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, 10);
    refold_options_set_max_retries(options, 1);
    refold_client *client = client_of(options);
    struct seen seen = {.stop_at = stop_at};
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_wait_execution(client, TEST_ID, timeout_ms, record_snapshot, &seen, NULL, &error) == NULL);
    CHECK_INT(seen.count, 2);
    CHECK_INT(server_requests(server), COUNT(responses));
    refold_client_free(client);
    server_stop(server);
    free(body);
    free(filler);
    return error;
}

TEST(the_last_status_is_reported_cut_and_redacted) {
    refold_error *error = error_of_echoing_wait(1000, 0);
    CHECK_ERROR(error, REFOLD_ERROR_TIMEOUT, "PAUSED by ***");
    CHECK_LACKS(refold_error_message(error), TEST_KEY);
    CHECK_BETWEEN(strlen(refold_error_message(error)), 20, 400);
    refold_error_free(error);
}

TEST(an_ended_wait_counts_the_attempts_of_all_polls) {
    check_case("timed out");
    refold_error *error = error_of_echoing_wait(1000, 0);
    CHECK_INT(refold_error_attempts(error), COUNT(echoing_responses));
    EXPECT_ERROR(error, REFOLD_ERROR_TIMEOUT, NULL);
    check_case("stopped by the callback");
    error = error_of_echoing_wait(0, 2);
    CHECK_INT(refold_error_attempts(error), COUNT(echoing_responses));
    EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
}

/* Times a wait of 300 ms whose responses are RUNNING and `second`. */
static void time_second_poll(struct timing *timing, struct response second, refold_error **error) {
    struct server *server = serve_responses(2, (struct response[]){{.body = RUNNING}, second});
    refold_client *client = poller_of(server, 10);
    struct seen seen = {0};
    *error = UNREAD_ERROR;
    int64_t began = now_us();
    CHECK(refold_wait_execution(client, TEST_ID, 300, record_snapshot, &seen, NULL, error) == NULL);
    timing->us = now_us() - began;
    CHECK(*error != NULL);
    CHECK(seen.count <= 1);
    CHECK(server_requests(server) <= 2);
    if (seen.count < 1 || server_requests(server) < 2)
        check_missed(timing, "only %zu polls", server_requests(server));
    refold_client_free(client);
    server_stop(server);
}

TEST(the_timeout_bounds_a_poll) {
    struct timing timing = {.max_ms = 400};
    while (CHECK_AGAIN(timing)) {
        refold_error *error;
        time_second_poll(&timing, (struct response){.silent = true, .ending = HOLD}, &error);
        CHECK(timing.us >= 300 * 1000);
        EXPECT_ERROR(error, REFOLD_ERROR_TIMEOUT, NULL);
    }
}

TEST(the_timeout_bounds_a_retry_after) {
    struct timing timing = {.max_ms = 400};
    while (CHECK_AGAIN(timing)) {
        refold_error *error;
        time_second_poll(&timing, (struct response){.status = 429, .headers = "Retry-After: 30\r\n"}, &error);
        refold_error_free(error);
    }
}

/* Causes ------------------------------------------------------------------------------------------------- */

static const struct cause {
    const char *name;
    struct response responses[3]; /* the last one is repeated */
    size_t count;
    refold_code code; /* REFOLD_OK: there is no cause */
    int http_status;
    const char *message, *api_code, *body;
} causes[] = {
    {"no failure", {{.body = RUNNING, .headers = "Retry-After: 30\r\n"}}, 1, .code = REFOLD_OK},
    {"a failure before a success",
     {{.status = 503}, {.body = RUNNING, .headers = "Retry-After: 30\r\n"}},
     2,
     .code = REFOLD_OK},
    {"an error response",
     {{.body = RUNNING},
      {.status = 503, .body = "{\"message\": \"" TEST_KEY "\", \"error_code\": \"BUSY\"}"}},
     2,
     503,
     503,
     "***",
     "BUSY",
     "{\"message\": \"***\", \"error_code\": \"BUSY\"}"},
    {"a rate limit",
     {{.status = 429, .headers = "Retry-After: 30\r\n"}},
     1,
     429,
     429,
     "HTTP 429 Too Many Requests",
     NULL,
     NULL},
    {"a lost connection",
     {{.body = RUNNING, .headers = "Connection: close\r\n", .ending = CLOSE},
      {.silent = true, .ending = RESET}},
     2,
     REFOLD_ERROR_TRANSPORT,
     0,
     "lost the connection",
     NULL,
     NULL},
    {"the timeout of a poll",
     {{.body = RUNNING}, {.silent = true, .ending = HOLD}},
     2,
     REFOLD_ERROR_TIMEOUT,
     0,
     "while waiting for the response",
     NULL,
     NULL},
};

static void check_cause(const refold_error *cause, const struct cause *want) {
    CHECK_INT(refold_error_code(cause), want->code);
    CHECK_INT(refold_error_http_status(cause), want->http_status);
    CHECK_CONTAINS(refold_error_message(cause), want->message);
    CHECK_STR(refold_error_api_code(cause), want->api_code);
    CHECK_STR(refold_error_body(cause, NULL), want->body);
    CHECK_INT(refold_error_attempts(cause), 1);
    CHECK(refold_error_is_retryable(cause));
    CHECK_INT(refold_error_retry_after_ms(cause), want->code == 429 ? 30000 : -1);
    CHECK(refold_error_cause(cause) == NULL);
    CHECK(refold_error_request_id(cause) == NULL);
}

/* A wait that ran out of time carries the failure of its last poll, which outlives client and server. */
TEST(a_timeout_carries_the_failure_of_the_last_poll) {
    for (size_t i = 0; i < COUNT(causes); i++) {
        struct server *server = serve_responses(causes[i].count, causes[i].responses);
        refold_client *client = poller_of(server, 50);
        refold_error *error = UNREAD_ERROR;
        check_case("%s", causes[i].name);
        CHECK(refold_wait_execution(client, TEST_ID, 600, NULL, NULL, NULL, &error) == NULL);
        refold_client_free(client);
        server_stop(server);
        CHECK_ERROR(error, REFOLD_ERROR_TIMEOUT, "600 ms");
        CHECK_INT(refold_error_http_status(error), 0);
        const refold_error *cause = refold_error_cause(error);
        CHECK(refold_error_cause(error) == cause);
        CHECK_INT(cause == NULL, causes[i].code == REFOLD_OK);
        if (cause != NULL)
            check_cause(cause, &causes[i]);
        refold_error_free(error);
    }
}

TEST(other_errors_of_a_wait_have_no_cause) {
    static const struct {
        struct response response;
        refold_code code;
        int stop_at;
    } cases[] = {{{.status = 404}, 404, 0},
                 {{.status = 503, .headers = AT_ONCE}, 503, 0},
                 {{.body = "{}"}, REFOLD_ERROR_INVALID_RESPONSE, 0},
                 {{.body = RUNNING}, REFOLD_ERROR_CANCELLED, 1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct server *server =
            serve_responses(2, (struct response[]){{.status = 503, .headers = AT_ONCE}, cases[i].response});
        refold_client *client = poller_of(server, 10);
        struct seen seen = {.stop_at = cases[i].stop_at};
        refold_error *error = UNREAD_ERROR;
        check_case("%d", cases[i].code);
        CHECK(refold_wait_execution(client, TEST_ID, 0, record_snapshot, &seen, NULL, &error) == NULL);
        CHECK(refold_error_cause(error) == NULL);
        EXPECT_ERROR(error, cases[i].code, NULL);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Failures ----------------------------------------------------------------------------------------------- */

/* timeout_ms bounds each poll. Up to five timeouts in a row are tolerated; the sixth ends the wait. */
TEST(poll_timeouts_are_tolerated) {
    static const struct response silent = {.silent = true, .ending = HOLD};
    for (size_t failures = 1; failures <= 6; failures += 1 + 3 * (failures == 1)) {
        struct response responses[9] = {{.body = RUNNING}};
        for (size_t i = 1; i <= failures; i++)
            responses[i] = silent;
        responses[failures + 1] = (struct response){.body = COMPLETED};
        struct server *server = serve_responses(failures + 2, responses);
        refold_options *options = test_options(server_url(server));
        refold_options_set_poll_interval_ms(options, 10);
        refold_options_set_timeout_ms(options, 300 * (uint64_t)check_patience());
        refold_client *client = client_of(options);
        struct seen seen = {0};
        check_case("%zu in a row", failures);
        refold_execution_free(
            wait_recording(client, &seen, 0, failures > 5 ? REFOLD_ERROR_TIMEOUT : REFOLD_OK));
        CHECK_INT(seen.count, failures > 5 ? 1 : 2);
        refold_client_free(client);
        server_stop(server);
    }
}

static const struct response transient_failures[] = {{.status = 408, .headers = AT_ONCE},
                                                     {.status = 429, .headers = AT_ONCE},
                                                     {.status = 500, .headers = AT_ONCE},
                                                     {.status = 502, .headers = AT_ONCE},
                                                     {.status = 503, .headers = AT_ONCE},
                                                     {.status = 504, .headers = AT_ONCE},
                                                     {.silent = true, .ending = CLOSE},
                                                     {.silent = true, .ending = RESET},
                                                     {.body = COMPLETED, .is_cut = true, .cut = 3},
                                                     {.body = "{\"status\": \"COMP"}};

/* Up to 5 in a row are tolerated; each success resets the count. */
TEST(transient_poll_failures_are_tolerated) {
    for (size_t kind = 0; kind < COUNT(transient_failures); kind++) {
        struct response responses[13];
        for (size_t i = 0; i < COUNT(responses); i++)
            responses[i] = transient_failures[kind];
        responses[5] = (struct response){.body = RUNNING};
        responses[11] = (struct response){.body = SNAPSHOT("COMPLETED", "last")};
        struct server *server = serve_responses(COUNT(responses), responses);
        refold_client *client = poller_of(server, 10);
        struct seen seen = {0};
        check_case("%zu: %d", kind, transient_failures[kind].status);
        refold_execution_free(wait_recording(client, &seen, 0, REFOLD_OK));
        CHECK_INT(seen.count, 2);
        CHECK_INT(server_requests(server), 12);
        refold_client_free(client);
        server_stop(server);
    }
}

TEST(the_sixth_failure_in_a_row_ends_the_wait) {
    static const refold_code codes[] = {408,
                                        429,
                                        500,
                                        502,
                                        503,
                                        504,
                                        REFOLD_ERROR_TRANSPORT,
                                        REFOLD_ERROR_TRANSPORT,
                                        REFOLD_ERROR_TRANSPORT,
                                        REFOLD_ERROR_TRANSPORT};
    for (size_t kind = 0; kind < COUNT(transient_failures); kind++) {
        /* The first connection is closed, so that all failures are on new connections: a stale one would
         * cause one more request. */
        struct response responses[8] = {
            {.body = RUNNING, .headers = "Connection: close\r\n", .ending = CLOSE}};
        for (size_t i = 1; i < COUNT(responses); i++)
            responses[i] = transient_failures[kind];
        struct server *server = serve_responses(COUNT(responses), responses);
        refold_client *client = poller_of(server, 10);
        struct seen seen = {0};
        check_case("%zu: %d", kind, transient_failures[kind].status);
        refold_execution_free(wait_recording(client, &seen, 0, codes[kind]));
        CHECK_INT(seen.count, 1);
        CHECK_INT(server_requests(server), 7);
        refold_client_free(client);
        server_stop(server);
    }
}

TEST(other_failures_end_the_wait) {
    static const struct {
        struct response response;
        refold_code want;
    } cases[] = {{{.status = 401}, 401},
                 {{.status = 404, .body = "{\"message\": \"m\"}"}, 404},
                 {{.status = 501}, 501},
                 {{.status = 302, .headers = "Location: /\r\n"}, 302},
                 {{.body = "{}"}, REFOLD_ERROR_INVALID_RESPONSE},
                 {{.body = "<html>"}, REFOLD_ERROR_INVALID_RESPONSE}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct response responses[] = {{.body = RUNNING}, cases[i].response, {.body = COMPLETED}};
        struct server *server = serve_responses(COUNT(responses), responses);
        refold_client *client = poller_of(server, 10);
        struct seen seen = {0};
        check_case("%d", cases[i].want);
        CHECK(wait_recording(client, &seen, 0, cases[i].want) == NULL);
        CHECK_INT(seen.count, 1);
        CHECK_INT(server_requests(server), 2);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Each poll is one call with the client's options, including retries. */
TEST(each_poll_has_its_retries) {
    static const struct response responses[] = {{.status = 503, .headers = AT_ONCE},
                                                {.status = 503, .headers = AT_ONCE},
                                                {.body = RUNNING},
                                                {.status = 503, .headers = AT_ONCE},
                                                {.body = COMPLETED}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, 10);
    refold_options_set_max_retries(options, 2);
    refold_client *client = client_of(options);
    struct seen seen = {0};
    refold_execution_free(wait_recording(client, &seen, 0, REFOLD_OK));
    CHECK_INT(seen.count, 2);
    CHECK_INT(server_requests(server), 5);
    refold_client_free(client);
    server_stop(server);
}

/* Six polls of three attempts each. */
TEST(retries_do_not_count_as_failed_polls) {
    struct server *server = serve_responses(1, &(struct response){.status = 503, .headers = AT_ONCE});
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, 10);
    refold_options_set_max_retries(options, 2);
    refold_client *client = client_of(options);
    struct seen seen = {0};
    CHECK(wait_recording(client, &seen, 0, 503) == NULL);
    CHECK_INT(seen.count, 0);
    CHECK_INT(server_requests(server), 18);
    refold_client_free(client);
    server_stop(server);
}

/* Tokens ------------------------------------------------------------------------------------------------- */

static bool renew_token(const refold_execution *execution, void *user_data) {
    (void)execution;
    CHECK_INT(refold_client_set_session_token(user_data, "renewed"), REFOLD_OK);
    return true;
}

TEST(a_new_token_applies_to_the_next_poll) {
    struct server *server = serve_responses(2, (struct response[]){{.body = RUNNING}, {.body = COMPLETED}});
    refold_options *options = test_options(server_url(server));
    refold_options_set_api_key(options, NULL, NULL);
    refold_options_set_session_token(options, "first");
    refold_options_set_poll_interval_ms(options, 10);
    refold_client *client = client_of(options);
    refold_execution *execution = refold_wait_execution(client, TEST_ID, 0, renew_token, client, NULL, NULL);
    CHECK(execution != NULL);
    CHECK_STR(head_value(server_head(server, 0), "authorization"), "Bearer first");
    CHECK_STR(head_value(server_head(server, 1), "authorization"), "Bearer renewed");
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
}

/* The status in the message is redacted with the credentials of its poll. */
TEST(a_replaced_token_is_not_in_the_message_of_a_wait) {
    struct response response = {.body = "{\"status\": \"PAUSED by first-token and renewed\"}",
                                .headers = "Retry-After: 30\r\n"};
    struct server *server = serve_responses(1, &response);
    refold_options *options = test_options(server_url(server));
    refold_options_set_api_key(options, NULL, NULL);
    refold_options_set_session_token(options, "first-token");
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(refold_wait_execution(client, TEST_ID, 300, renew_token, client, NULL, &error) == NULL);
    CHECK_LACKS(refold_error_message(error), "first-token");
    EXPECT_ERROR(error, REFOLD_ERROR_TIMEOUT, "PAUSED by *** and renewed");
    CHECK_INT(server_requests(server), 1);
    refold_client_free(client);
    server_stop(server);
}

struct cancelling {
    struct server *server;
    refold_cancel *cancel;
};

static void *cancel_after_the_first_poll(void *data) {
    struct cancelling *cancelling = data;
    CHECK(server_await_requests(cancelling->server, 1, 5000));
    pause_ms(100); /* the wait is now in its pause of a minute */
    refold_cancel_trigger(cancelling->cancel);
    return NULL;
}

static int64_t cancel_the_pause(void) {
    struct server *server = serve_body(RUNNING);
    refold_client *client = poller_of(server, 60000);
    struct cancelling cancelling = {server, refold_cancel_new()};
    pthread_t thread;
    refold_error *error = UNREAD_ERROR;
    if (pthread_create(&thread, NULL, cancel_after_the_first_poll, &cancelling) != 0)
        abort();
    int64_t began = now_us();
    CHECK(refold_wait_execution(client, TEST_ID, 0, NULL, NULL, cancelling.cancel, &error) == NULL);
    int64_t took = now_us() - began;
    CHECK(took >= 100 * 1000);
    EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    pthread_join(thread, NULL);
    refold_cancel_free(cancelling.cancel);
    refold_client_free(client);
    server_stop(server);
    return took;
}

TEST(cancelling_ends_the_pause) {
    struct timing timing = {.max_ms = 400};
    while (CHECK_AGAIN(timing))
        timing.us = cancel_the_pause();
}
