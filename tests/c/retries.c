/* Retries: which failures are retried, how often, and after which pause. Slow cases run concurrently. */
#define _GNU_SOURCE
#include "client.h"
#include "logs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define AT_ONCE "Retry-After: 0\r\n"

/* A server that sends these responses, a client with `max_retries`, and the expected result of one call. */
struct retry_case {
    const char *name;
    struct response responses[4];
    size_t response_count;
    uint32_t max_retries;
    uint64_t timeout_ms;
    refold_code want; /* 0: an execution */
    size_t requests;
    int64_t min_ms, max_ms; /* bounds on the duration of the call; 0: none */
};

/* The times between the requests of a case. */
struct gaps {
    int64_t ms[4];
};

static struct gaps run_case(const struct retry_case *row) {
    struct gaps gaps = {{0}};
    struct server *server = serve_responses(row->response_count, row->responses);
    refold_options *options = test_options(server_url(server));
    refold_options_set_max_retries(options, row->max_retries);
    if (row->timeout_ms != 0)
        refold_options_set_timeout_ms(options, row->timeout_ms);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    check_case("%s", row->name);
    int64_t before = now_ms();
    refold_execution *execution = get(client, &error);
    int64_t took = now_ms() - before;
    if (refold_error_code(error) != row->want)
        FAIL("the code is %d (%s), wanted %d", refold_error_code(error), refold_error_message(error),
             row->want);
    CHECK_INT(execution != NULL, row->want == REFOLD_OK);
    CHECK_INT(server_requests(server), row->requests);
    if (row->want != REFOLD_OK)
        CHECK_INT(refold_error_attempts(error), row->requests);
    if (row->max_ms != 0)
        CHECK_TIME(took, row->min_ms, row->max_ms);
    for (size_t i = 1; i < server_requests(server) && i <= COUNT(gaps.ms); i++)
        gaps.ms[i - 1] = server_request_ms(server, i) - server_request_ms(server, i - 1);
    refold_execution_free(execution);
    refold_error_free(error);
    refold_client_free(client);
    server_stop(server);
    return gaps;
}

static void run_row(void *row) { run_case(row); }

/* Retried failures --------------------------------------------------------------------------------------- */

TEST(transient_failures_are_retried) {
    static const int statuses[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct retry_case row = {
            .name = refold_code_name(statuses[i]),
            .responses = {{.status = statuses[i], .headers = AT_ONCE}, {.body = COMPLETED}},
            .response_count = 2,
            .max_retries = 1,
            .requests = 2};
        run_case(&row);
        row.name = "without success";
        row.response_count = 1;
        row.max_retries = 3;
        row.want = statuses[i];
        row.requests = 4;
        run_case(&row);
        row.name = "no retries";
        row.max_retries = 0;
        row.requests = 1;
        run_case(&row);
    }
}

TEST(two_retries_are_the_default) {
    struct server *server = serve_responses(1, &(struct response){.status = 503, .headers = AT_ONCE});
    refold_options *options = refold_options_new();
    refold_options_set_api_key(options, TEST_KEY, TEST_ACCOUNT);
    check_log(options);
    refold_options_set_base_url(options, server_url(server));
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), 503);
    CHECK_INT(server_requests(server), 3);
    refold_client_free(client);
    server_stop(server);
}

TEST(permanent_failures_are_not_retried) {
    static const int statuses[] = {301, 302, 304, 400, 401, 402, 403, 404, 405, 409,
                                   410, 418, 422, 425, 451, 501, 505, 599, 600, 999};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", statuses[i]);
        run_case(&(struct retry_case){
            .name = name,
            .responses = {{.status = statuses[i], .headers = AT_ONCE, .body = ""}, {.body = COMPLETED}},
            .response_count = 2,
            .max_retries = 3,
            .want = statuses[i],
            .requests = 1});
    }
}

TEST(unusable_responses_are_not_retried) {
    static struct retry_case rows[] = {
        {"not an execution",
         {{.body = "{}", .headers = AT_ONCE}},
         1,
         3,
         0,
         REFOLD_ERROR_INVALID_RESPONSE,
         1,
         0,
         0},
        {"an unknown encoding",
         {{.body = "{}", .headers = AT_ONCE "Content-Encoding: br\r\n"}},
         1,
         3,
         0,
         REFOLD_ERROR_INVALID_RESPONSE,
         1,
         0,
         0},
        {"a truncated 404",
         {{.status = 404, .body = "{}", .headers = AT_ONCE, .is_cut = true, .cut = 1}},
         1,
         3,
         0,
         404,
         1,
         0,
         0},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        run_case(&rows[i]);
    struct server *server = serve_responses(1, &(struct response){.body = COMPLETED, .headers = AT_ONCE});
    refold_options *options = test_options(server_url(server));
    refold_options_set_max_retries(options, 3);
    refold_options_set_max_response_bytes(options, 5);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_ERROR_RESPONSE_TOO_LARGE);
    CHECK_INT(server_requests(server), 1);
    refold_client_free(client);
    server_stop(server);
}

TEST(broken_connections_are_retried) {
    static struct retry_case rows[] = {
        {"closed",
         {{.silent = true, .ending = CLOSE}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         450,
         2500},
        {"reset", {{.silent = true, .ending = RESET}, {.body = COMPLETED}}, 2, 1, 0, REFOLD_OK, 2, 450, 2500},
        {"closed in the head",
         {{.raw = true, .body = "HTTP/1.1 2", .ending = CLOSE}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         450,
         2500},
        {"closed in the body",
         {{.body = COMPLETED, .is_cut = true, .cut = 4}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         450,
         2500},
        {"reset in the body",
         {{.body = COMPLETED, .is_cut = true, .cut = 4, .ending = RESET}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         450,
         2500},
        {"closed in a chunk",
         {{.body = COMPLETED, .framing = CHUNKED, .is_cut = true, .cut = 4}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         450,
         2500},
        {"a truncated 503",
         {{.status = 503, .body = COMPLETED, .is_cut = true, .cut = 4}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         450,
         2500},
        {"without success",
         {{.silent = true, .ending = CLOSE}},
         1,
         1,
         0,
         REFOLD_ERROR_TRANSPORT,
         2,
         450,
         2500},
    };
    run_on_threads(COUNT(rows), run_row, rows, sizeof rows[0]);
}

TEST(refused_connections_are_retried) {
    struct dead_port *port = refusing_port(NULL);
    refold_options *options = test_options(dead_port_url(port));
    refold_options_set_max_retries(options, 1);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    int64_t before = now_ms();
    CHECK(get(client, &error) == NULL);
    CHECK_TIME(now_ms() - before, 450, 2500);
    CHECK_ERROR(error, REFOLD_ERROR_CONNECT, NULL);
    CHECK_INT(refold_error_attempts(error), 2);
    CHECK(refold_error_is_retryable(error));
    refold_error_free(error);
    refold_client_free(client);
    dead_port_free(port);
}

static void measure_timeout(struct timing *timing) {
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    refold_options *options = test_options(server_url(server));
    refold_options_set_max_retries(options, 3);
    refold_options_set_timeout_ms(options, 200);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    int64_t began = now_us();
    CHECK(get(client, &error) == NULL);
    timing->us = now_us() - began;
    CHECK(timing->us >= 200 * 1000);
    CHECK_ERROR(error, REFOLD_ERROR_TIMEOUT, "200");
    CHECK(refold_error_is_retryable(error));
    CHECK_INT(refold_error_attempts(error), 1);
    CHECK(server_requests(server) <= 1);
    if (server_requests(server) == 0)
        check_missed(timing, "no request arrived");
    refold_error_free(error);
    refold_client_free(client);
    server_stop(server);
}

TEST(timeouts_are_not_retried) {
    struct timing timing = {.max_ms = 300};
    while (CHECK_AGAIN(timing))
        measure_timeout(&timing);
}

TEST(cancelled_calls_are_not_retried) {
    struct server *server = serve_responses(1, &(struct response){.status = 503, .headers = AT_ONCE});
    refold_client *client = client_to(server);
    refold_cancel *cancel = refold_cancel_new();
    refold_cancel_trigger(cancel);
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_get_execution(client, TEST_ID, cancel, &error) == NULL);
    CHECK_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    CHECK(!refold_error_is_retryable(error));
    CHECK_INT(refold_error_attempts(error), 0);
    CHECK_INT(server_requests(server), 0);
    refold_error_free(error);
    refold_cancel_free(cancel);
    refold_client_free(client);
    server_stop(server);
}

TEST(only_retryable_errors_are_retried) {
    for (int status = 300; status < 1000; status += status < 600 ? 1 : 57) {
        bool is_retryable =
            status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
        if (check_is_slow() && status % 10 > 4)
            continue;
        struct server *server = serve_responses(1, &(struct response){.status = status});
        refold_client *client = client_to(server);
        refold_error *error = NULL;
        check_case("%d", status);
        CHECK(get(client, &error) == NULL);
        CHECK_INT(refold_error_is_retryable(error), is_retryable);
        refold_error_free(error);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Pauses ------------------------------------------------------------------------------------------------- */

enum { SAMPLES = 12, SLACK_MS = 250 };

static void take_sample(void *data) {
    struct retry_case row = {.name = "pauses",
                             .responses = {{.status = 503}},
                             .response_count = 1,
                             .max_retries = 2,
                             .want = 503,
                             .requests = 3};
    *(struct gaps *)data = run_case(&row);
}

/* Returns by how many milliseconds the latest sample exceeds the maximum pause. */
static int64_t lateness_of_samples(void) {
    struct gaps samples[SAMPLES];
    run_on_threads(SAMPLES, take_sample, samples, sizeof samples[0]);
    int64_t min = INT64_MAX, max = 0, latest = INT64_MIN;
    for (int i = 0; i < SAMPLES; i++) {
        const int64_t *ms = samples[i].ms;
        CHECK(ms[0] >= 500 - 2);
        CHECK(ms[1] >= 1000 - 2);
        int64_t late = ms[0] - 1000 > ms[1] - 2000 ? ms[0] - 1000 : ms[1] - 2000;
        latest = late > latest ? late : latest;
        min = ms[1] < min ? ms[1] : min;
        max = ms[1] > max ? ms[1] : max;
    }
    CHECK(max - min > 100);
    return latest;
}

/* Pauses of 1 s, then 2 s, each multiplied by a random factor of 0.5 to 1. All samples of an attempt have to
 * be in time, so that no attempt passes by short pauses alone. */
TEST(pauses_grow_with_jitter) {
    struct timing timing = {.max_ms = SLACK_MS};
    while (CHECK_AGAIN(timing))
        timing.us = 1000 * lateness_of_samples();
}

/* A Retry-After header with the HTTP date that is `seconds` from now. */
static const char *date_header(char *header, size_t size, int seconds) {
    char date[80];
    time_t then = time(NULL) + seconds;
    struct tm parts;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &parts));
    snprintf(header, size, "Retry-After: %s\r\n", date);
    return header;
}

TEST(retry_after_sets_the_pause) {
    char soon[120], past[120];
    struct retry_case rows[] = {
        {"0 s", {{.status = 503, .headers = AT_ONCE}, {.body = COMPLETED}}, 2, 1, 0, REFOLD_OK, 2, 0, 400},
        {"2 s",
         {{.status = 503, .headers = "Retry-After: 2\r\n"}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         1990,
         2500},
        {"3 s, in a 429",
         {{.status = 429, .headers = "Retry-After: 3\r\n"}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         2990,
         3500},
        {"a date",
         {{.status = 503, .headers = date_header(soon, sizeof soon, check_in_valgrind() ? 12 : 4)},
          {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         1900, /* the date has whole seconds, and was computed before the request */
         4500},
        {"a date that has passed",
         {{.status = 503, .headers = date_header(past, sizeof past, -100)}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         0,
         400},
        {"nonsense",
         {{.status = 503, .headers = "Retry-After: soon\r\n"}, {.body = COMPLETED}},
         2,
         1,
         0,
         REFOLD_OK,
         2,
         498,
         1500},
        {"each response sets its own pause",
         {{.status = 503, .headers = "Retry-After: 1\r\n"},
          {.status = 503, .headers = AT_ONCE},
          {.body = COMPLETED}},
         3,
         2,
         0,
         REFOLD_OK,
         3,
         990,
         1500},
    };
    run_on_threads(COUNT(rows), run_row, rows, sizeof rows[0]);
}

TEST(pauses_beyond_the_limits_are_not_begun) {
    char later[120];
    struct retry_case rows[] = {
        {"61 s", {{.status = 503, .headers = "Retry-After: 61\r\n"}}, 1, 3, 0, 503, 1, 0, 400},
        {"61 s, no deadline",
         {{.status = 503, .headers = "Retry-After: 61\r\n"}},
         1,
         3,
         UINT64_MAX,
         503,
         1,
         0,
         400},
        {"an hour", {{.status = 429, .headers = "Retry-After: 3600\r\n"}}, 1, 3, 0, 429, 1, 0, 400},
        {"a date",
         {{.status = 503, .headers = date_header(later, sizeof later, 90)}},
         1,
         3,
         0,
         503,
         1,
         0,
         400},
        {"past the deadline",
         {{.status = 503, .headers = "Retry-After: 5\r\n"}},
         1,
         3,
         1000 * (uint64_t)check_patience(),
         503,
         1,
         0,
         400},
        {"the library's own pause, past the deadline", {{.status = 503}}, 1, 3, 400, 503, 1, 0, 300},
        {"the library's second pause, past the deadline", {{.status = 503}}, 1, 3, 1400, 503, 2, 498, 1350},
    };
    size_t count = check_is_slow() ? 4 : COUNT(rows);
    run_on_threads((int)count, run_row, rows, sizeof rows[0]);
}

struct waiter {
    refold_client *client;
    refold_cancel *cancel;
    refold_code code;
};

static void *wait_in_thread(void *data) {
    struct waiter *waiter = data;
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_get_execution(waiter->client, TEST_ID, waiter->cancel, &error) == NULL);
    waiter->code = refold_error_code(error);
    refold_error_free(error);
    return NULL;
}

/* A pause of 60 s is accepted if the deadline allows it: the call pauses until it is cancelled. */
TEST(a_retry_after_of_sixty_seconds_is_honored) {
    struct server *server =
        serve_responses(1, &(struct response){.status = 503, .headers = "Retry-After: 60\r\n"});
    refold_options *options = test_options(server_url(server));
    refold_options_set_max_retries(options, 1);
    refold_options_set_timeout_ms(options, 0);
    struct waiter waiter = {.client = client_of(options), .cancel = refold_cancel_new()};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, wait_in_thread, &waiter) == 0);
    CHECK(server_await_requests(server, 1, 5000));
    pause_ms(200);
    refold_cancel_trigger(waiter.cancel);
    pthread_join(thread, NULL);
    CHECK_INT(waiter.code, REFOLD_ERROR_CANCELLED);
    CHECK_INT(server_requests(server), 1);
    refold_cancel_free(waiter.cancel);
    refold_client_free(waiter.client);
    server_stop(server);
}
