/* What becomes of submissions to a queue: gets and waits, their order, their events, and their log. */
#define _GNU_SOURCE
#include "client.h"
#include "logs.h"
#include "queues.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* A client that polls this server every `interval` milliseconds. */
static refold_client *poller_of(struct server *server, uint64_t interval) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, interval);
    return client_of(options);
}

/* Submitting --------------------------------------------------------------------------------------------- */

TEST(a_queue_has_1_to_1024_calls_in_flight) {
    static const uint32_t good[] = {0, 1, 1023, 1024}, bad[] = {1025, 1 << 16, INT32_MAX, UINT32_MAX};
    for (size_t i = 0; i < COUNT(good); i++) {
        check_case("%u", good[i]);
        refold_queue *queue = queue_of(good[i]);
        check_empty(queue);
        refold_queue_free(queue);
        queue = refold_queue_new(good[i], NULL);
        CHECK(queue != NULL);
        refold_queue_free(queue);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        refold_error *error = UNREAD_ERROR;
        check_case("%u", bad[i]);
        CHECK(refold_queue_new(bad[i], &error) == NULL);
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, "max_concurrent must be from 1 to 1024");
        CHECK(refold_queue_new(bad[i], NULL) == NULL);
    }
}

/* Submits a get or a wait. */
static bool submit(refold_queue *queue, const refold_client *client, const char *id, bool waits,
                   refold_error **error) {
    return waits ? refold_queue_wait_execution(queue, client, id, 1000, NULL, NULL, error)
                 : refold_queue_get_execution(queue, client, id, NULL, NULL, error);
}

TEST(invalid_submissions_are_rejected_without_an_event) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    refold_queue *queue = queue_of(0);
    char *long_id = repeated("a", 257);
    const struct {
        refold_queue *queue;
        const refold_client *client;
        const char *id, *mentioned;
    } rows[] = {{NULL, client, TEST_ID, "queue"},   {queue, NULL, TEST_ID, "client"},
                {queue, client, NULL, "id"},        {NULL, NULL, NULL, NULL},
                {queue, client, "", "id"},          {queue, client, "..", "id"},
                {queue, client, "a/b", "id"},       {queue, client, "a b", "id"},
                {queue, client, "a\r\nb: 1", "id"}, {queue, client, "a%2Fb", "id"},
                {queue, client, "\xc3\xa9", "id"},  {queue, client, "a\xff", "id"},
                {queue, client, long_id, "id"}};
    int threads = thread_count();
    for (size_t i = 0; i < COUNT(rows) * 2; i++) {
        size_t row = i / 2;
        refold_error *error = UNREAD_ERROR;
        check_case("%zu, %s", row, i % 2 == 1 ? "wait" : "get");
        CHECK(!submit(rows[row].queue, rows[row].client, rows[row].id, i % 2 == 1, &error));
        CHECK_INT(refold_error_attempts(error), 0);
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, rows[row].mentioned);
        CHECK(!submit(rows[row].queue, rows[row].client, rows[row].id, i % 2 == 1, NULL));
    }
    check_empty(queue);
    CHECK_INT(thread_count(), threads);
    CHECK_INT(server_connections(server), 0);
    free(long_id);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_get_ends_in_one_event) {
    struct server *server = serve_body(SNAPSHOT("COMPLETED", "one"));
    refold_client *client = client_to(server);
    refold_queue *queue = queue_of(0);
    int tag = 0;
    submit_get(queue, client, TEST_ID, NULL, &tag);
    CHECK_INT(refold_queue_pending(queue), 1);
    refold_event *event = take(queue, REFOLD_EVENT_DONE);
    CHECK(refold_event_user_data(event) == &tag);
    CHECK(refold_event_error(event) == NULL);
    CHECK_STR(refold_execution_name(refold_event_execution(event)), "one");
    CHECK_STR(refold_execution_id(refold_event_execution(event)), TEST_ID);
    CHECK_INT(refold_execution_attempts(refold_event_execution(event)), 1);
    refold_event_free(event);
    check_empty(queue);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* Whatever the blocking call would have returned is the error of the event. */
TEST(a_failed_call_ends_in_its_error) {
    static const struct response responses[] = {
        {.status = 404, .headers = "X-Request-Id: r-1\r\n", .body = "{\"message\": \"gone\"}"},
        {.status = 429, .headers = "Retry-After: 7\r\n"},
        {.body = "[]"},
        {.silent = true, .ending = RESET}};
    for (size_t i = 0; i < COUNT(responses); i++) {
        struct server *server = serve_responses(1, &responses[i]);
        refold_client *client = client_to(server);
        refold_queue *queue = queue_of(0);
        check_case("%zu", i);
        refold_error *error;
        CHECK(get(client, &error) == NULL);
        submit_get(queue, client, TEST_ID, NULL, NULL);
        refold_event *event = take(queue, REFOLD_EVENT_DONE);
        const refold_error *reported = refold_event_error(event);
        CHECK_INT(refold_error_code(reported), refold_error_code(error));
        CHECK_STR(refold_error_message(reported), refold_error_message(error));
        CHECK_STR(refold_error_body(reported, NULL), refold_error_body(error, NULL));
        CHECK_STR(refold_error_request_id(reported), refold_error_request_id(error));
        CHECK_INT(refold_error_retry_after_ms(reported), refold_error_retry_after_ms(error));
        CHECK_INT(refold_error_http_status(reported), refold_error_http_status(error));
        CHECK_INT(refold_error_attempts(reported), refold_error_attempts(error));
        CHECK(refold_error_timing_us(reported, REFOLD_TIMING_TOTAL) >= 0);
        refold_event_free(event);
        refold_error_free(error);
        refold_queue_free(queue);
        refold_client_free(client);
        server_stop(server);
    }
}

/* A submission holds its own references, and an event does not need the queue. */
TEST(client_token_and_queue_may_be_freed_early) {
    for (int waits = 0; waits < 2; waits++) {
        struct server *server = serve_by_id();
        refold_client *client = client_to(server);
        refold_queue *queue = queue_of(1);
        refold_cancel *cancel = refold_cancel_new();
        char id[] = "held-first";
        check_case("%s", waits ? "wait" : "get");
        for (int i = 0; i < 3; i++)
            if (waits)
                submit_wait(queue, client, id, cancel, NULL);
            else
                submit_get(queue, client, id, cancel, NULL);
        memset(id, 'x', sizeof id - 1);
        refold_client_free(client);
        refold_cancel_free(cancel);
        server_release(server);
        refold_event *events[3];
        for (int i = 0; i < 3; i++)
            events[i] = take(queue, REFOLD_EVENT_DONE);
        refold_execution *kept = refold_execution_retain(refold_event_execution(events[0]));
        refold_queue_free(queue);
        server_stop(server);
        for (int i = 0; i < 3; i++) {
            CHECK_STR(refold_execution_name(refold_event_execution(events[i])), "held-first");
            refold_event_free(events[i]);
        }
        CHECK_STR(refold_execution_name(kept), "held-first");
        refold_execution_free(kept);
    }
}

/* Turns -------------------------------------------------------------------------------------------------- */

TEST(turns_are_in_the_order_of_submission) {
    enum { CALLS = 60 };
    struct server *server = serve_by_id();
    refold_client *client = client_to(server);
    refold_queue *queue = queue_of(1);
    char ids[CALLS][20];
    for (int i = 0; i < CALLS; i++) {
        snprintf(ids[i], sizeof ids[i], "%s-%d", i == 0 ? "held" : "id", i);
        if (i % 3 == 2)
            submit_wait(queue, client, ids[i], NULL, ids[i]);
        else
            submit_get(queue, client, ids[i], NULL, ids[i]);
    }
    CHECK_INT(refold_queue_pending(queue), CALLS);
    server_release(server);
    for (int i = 0; i < CALLS; i++) {
        refold_event *event = take(queue, REFOLD_EVENT_DONE);
        CHECK(refold_event_user_data(event) == ids[i]);
        CHECK_STR(refold_execution_name(refold_event_execution(event)), ids[i]);
        refold_event_free(event);
        CHECK_INT(refold_queue_pending(queue), CALLS - 1 - i);
        CHECK_CONTAINS(head_line(server_head(server, (size_t)i)), ids[i]);
    }
    CHECK_INT(server_connections(server), 1);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* Polls take turns, too: a poll that becomes due later goes behind what was submitted before. */
TEST(a_poll_takes_its_turn_when_it_is_due) {
    struct server *server = serve_by_id();
    refold_client *client = poller_of(server, (uint64_t)(200 * check_patience()));
    refold_queue *queue = queue_of(1);
    submit_wait(queue, client, "run", NULL, NULL);
    refold_event_free(take(queue, REFOLD_EVENT_PROGRESS));
    submit_get(queue, client, "held", NULL, NULL);
    submit_get(queue, client, "second", NULL, NULL);
    CHECK(server_await_requests(server, 2, 10000));
    pause_ms(300 * check_patience()); /* until the poll is due */
    submit_get(queue, client, "third", NULL, NULL);
    CHECK_INT(server_requests(server), 2);
    server_release(server);
    CHECK(server_await_requests(server, 5, 10000));
    static const char *const ids[] = {"/run ", "/held ", "/second ", "/run ", "/third "};
    for (size_t i = 0; i < COUNT(ids); i++)
        CHECK_CONTAINS(head_line(server_head(server, i)), ids[i]);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* Counts the requests that have no response yet, and holds the first of them. */
struct flight {
    size_t held;
    atomic_int now, most;
};

static void count_in_flight(struct exchange *exchange) {
    struct flight *flight = exchange_data(exchange);
    int now = atomic_fetch_add(&flight->now, 1) + 1, most = flight->most;
    while (now > most && !atomic_compare_exchange_weak(&flight->most, &most, now))
        continue;
    bool goes_on = exchange_index(exchange) >= flight->held || exchange_hold(exchange);
    atomic_fetch_sub(&flight->now, 1);
    if (goes_on)
        exchange_respond(exchange,
                         &(struct response){.body = exchange_index(exchange) % 3 == 0 ? RUNNING : COMPLETED});
}

TEST(no_more_calls_are_in_flight_than_allowed) {
    static const uint32_t limits[] = {1, 3, 0};
    enum { CALLS = 100, DEFAULT = 32 };
    for (size_t row = 0; row < COUNT(limits); row++) {
        int limit = limits[row] == 0 ? DEFAULT : (int)limits[row];
        struct flight flight = {.held = (size_t)limit};
        struct server *server = serve(&(struct server_options){.handler = count_in_flight, .data = &flight});
        refold_client *client = poller_of(server, 10);
        refold_queue *queue = queue_of(limits[row]);
        check_case("%u", limits[row]);
        for (int i = 0; i < CALLS; i++)
            if (i % 2 == 0)
                submit_get(queue, client, TEST_ID, NULL, NULL);
            else
                submit_wait(queue, client, TEST_ID, NULL, NULL);
        CHECK(server_await_requests(server, (size_t)limit, 10000));
        pause_ms(20); /* for one too many */
        CHECK_INT(server_requests(server), limit);
        server_release(server);
        for (int done = 0; done < CALLS;) {
            refold_event *event = refold_queue_next(queue, 20000 * check_patience());
            REQUIRE(event != NULL);
            CHECK(refold_event_error(event) == NULL);
            done += refold_event_typeof(event) == REFOLD_EVENT_DONE;
            refold_event_free(event);
        }
        CHECK_INT(flight.most, limit);
        CHECK_INT(server_connections(server), limit);
        check_empty(queue);
        refold_queue_free(queue);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Timeouts ----------------------------------------------------------------------------------------------- */

TEST(the_timeout_of_a_get_begins_with_its_call) {
    enum { CALLS = 5, DELAY_MS = 100, TIMEOUT_MS = 300 };
    struct server *server =
        serve_responses(1, &(struct response){.body = COMPLETED, .delay_ms = DELAY_MS * check_patience()});
    refold_options *options = test_options(server_url(server));
    refold_options_set_timeout_ms(options, (uint64_t)(TIMEOUT_MS * check_patience()));
    refold_client *client = client_of(options);
    refold_queue *queue = queue_of(1);
    for (int i = 0; i < CALLS; i++)
        submit_get(queue, client, TEST_ID, NULL, NULL);
    take_all_done(queue, CALLS, REFOLD_OK);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* Returns by how many microseconds a wait that is queued exceeds its timeout. */
static int64_t exceed_timeout(refold_queue *queue, const refold_client *client, uint64_t timeout_ms) {
    refold_error *error = UNREAD_ERROR;
    int64_t submitted = now_us();
    CHECK(refold_queue_wait_execution(queue, client, TEST_ID, timeout_ms, NULL, NULL, &error));
    CHECK(error == NULL);
    refold_event *event = take(queue, REFOLD_EVENT_DONE);
    int64_t took = now_us() - submitted - (int64_t)timeout_ms * 1000;
    CHECK(took >= 0);
    const refold_error *reported = refold_event_error(event);
    CHECK_ERROR(reported, REFOLD_ERROR_TIMEOUT, NULL);
    CHECK_INT(refold_error_attempts(reported), 0);
    int64_t total_us = refold_error_timing_us(reported, REFOLD_TIMING_TOTAL);
    CHECK_BETWEEN(total_us, (int64_t)timeout_ms * 1000, (int64_t)timeout_ms * 1000 + took);
    refold_event_free(event);
    return took;
}

TEST(the_timeout_of_a_wait_begins_with_its_submission) {
    struct server *server = serve_by_id();
    refold_client *client = client_to(server);
    refold_queue *queue = queue_of(2);
    for (int i = 0; i < 3; i++)
        submit_get(queue, client, "held", NULL, NULL);
    CHECK(server_await_requests(server, 2, 10000));
    struct timing timing = {.max_ms = 100};
    while (CHECK_AGAIN(timing))
        timing.us = exceed_timeout(queue, client, 50);
    CHECK_INT(server_requests(server), 2);
    server_release(server);
    take_all_done(queue, 3, REFOLD_OK);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* Waits compared with blocking waits --------------------------------------------------------------------- */

enum { MAX_SEEN = 16 };

/* What a wait has shown. */
struct seen {
    int count;
    char names[MAX_SEEN][24];
    refold_execution *execution;
    refold_error *error; /* that of a blocking wait */
    refold_event *event; /* the last one of a queue */
    int64_t total_us;
    int64_t pauses_ms[MAX_SEEN];
    size_t requests;
};

static bool record_snapshot(const refold_execution *execution, void *data) {
    struct seen *seen = data;
    const char *name = refold_execution_name(execution);
    if (seen->count < MAX_SEEN && !refold_state_is_final(refold_execution_state(execution)))
        snprintf(seen->names[seen->count++], sizeof seen->names[0], "%s", name == NULL ? "-" : name);
    return true;
}

static void wait_blocking(struct seen *seen, const refold_client *client, uint64_t timeout_ms) {
    seen->error = UNREAD_ERROR;
    seen->execution =
        refold_wait_execution(client, TEST_ID, timeout_ms, record_snapshot, seen, NULL, &seen->error);
}

static void wait_in_queue(struct seen *seen, const refold_client *client, uint64_t timeout_ms) {
    refold_queue *queue = queue_of(1);
    CHECK(refold_queue_wait_execution(queue, client, TEST_ID, timeout_ms, NULL, seen, NULL));
    for (;;) {
        refold_event *event = refold_queue_next(queue, -1);
        CHECK(refold_event_user_data(event) == seen);
        if (refold_event_typeof(event) != REFOLD_EVENT_PROGRESS) {
            seen->event = event;
            break;
        }
        record_snapshot(refold_event_execution(event), seen);
        refold_event_free(event);
    }
    CHECK_INT(refold_event_typeof(seen->event), REFOLD_EVENT_DONE);
    check_empty(queue);
    refold_queue_free(queue);
}

struct course {
    const char *name;
    size_t count;
    struct response responses[10];
    uint64_t timeout_ms;
    refold_code code;
};

#define RUNS(name)                                                                                           \
    { .body = SNAPSHOT("RUNNING", name) }
#define ENDS                                                                                                 \
    { .body = SNAPSHOT("COMPLETED", "end") }
#define FAILS(code)                                                                                          \
    { .status = code }

static const struct course courses[] = {
    {"at once", 1, {ENDS}, 0, REFOLD_OK},
    {"growth", 6, {RUNS("a"), RUNS("a"), RUNS("a"), RUNS("a"), RUNS("a"), ENDS}, 0, REFOLD_OK},
    {"changes", 6, {RUNS("a"), RUNS("a"), RUNS("b"), RUNS("b"), RUNS("c"), ENDS}, 0, REFOLD_OK},
    {"failures",
     7,
     {RUNS("a"), FAILS(500), FAILS(503), RUNS("b"), FAILS(429), RUNS("b"), ENDS},
     0,
     REFOLD_OK},
    {"Retry-After",
     4,
     {{.body = RUNNING, .headers = "Retry-After: 1\r\n"},
      RUNS("a"),
      {.status = 503, .headers = "Retry-After: 0\r\n"},
      ENDS},
     0,
     REFOLD_OK},
    {"five failures", 6, {FAILS(500), FAILS(500), FAILS(500), FAILS(500), FAILS(500), ENDS}, 0, REFOLD_OK},
    {"six failures", 1, {FAILS(502)}, 0, 502},
    {"an error at once", 1, {FAILS(404)}, 0, 404},
    {"an error later", 3, {RUNS("a"), RUNS("b"), FAILS(403)}, 0, 403},
    {"an invalid response", 2, {RUNS("a"), {.body = "[]"}}, 0, REFOLD_ERROR_INVALID_RESPONSE},
    {"a timeout in a pause",
     2,
     {RUNS("a"), {.body = SNAPSHOT("RUNNING", "b"), .headers = "Retry-After: 9\r\n"}},
     200,
     REFOLD_ERROR_TIMEOUT},
    {"a timeout in a poll", 2, {RUNS("a"), {.silent = true, .ending = HOLD}}, 200, REFOLD_ERROR_TIMEOUT},
    {"a timeout after a failure",
     2,
     {RUNS("a"), {.status = 500, .headers = "Retry-After: 9\r\n"}},
     200,
     REFOLD_ERROR_TIMEOUT},
    {"a timeout without a response", 1, {{.silent = true, .ending = HOLD}}, 60, REFOLD_ERROR_TIMEOUT}};

/* Blanks the port and what is left of a timeout: "no response from 127.0.0.1:40000 within 88 ms". */
static char *without_numbers(const char *message) {
    static const char *const parts[] = {"127.0.0.1:", "within "};
    char *copy = strdup(message);
    for (size_t i = 0; i < COUNT(parts); i++) {
        char *at = strstr(copy, parts[i]);
        at = at == NULL ? copy + strlen(copy) : at + strlen(parts[i]);
        size_t digits = strspn(at, "0123456789");
        memmove(at, at + digits, strlen(at + digits) + 1);
    }
    return copy;
}

static void check_same_message(const char *one, const char *other) {
    char *texts[] = {without_numbers(one), without_numbers(other)};
    CHECK_STR(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
}

static void check_same_error(const refold_error *one, const refold_error *other) {
    CHECK_INT(refold_error_code(one), refold_error_code(other));
    check_same_message(refold_error_message(one), refold_error_message(other));
    CHECK_INT(refold_error_attempts(one), refold_error_attempts(other));
    CHECK_INT(refold_error_retry_after_ms(one), refold_error_retry_after_ms(other));
    CHECK_INT(refold_error_is_retryable(one), refold_error_is_retryable(other));
    CHECK_INT(refold_error_cause(one) == NULL, refold_error_cause(other) == NULL);
    for (refold_timing part = REFOLD_TIMING_TOTAL; part <= REFOLD_TIMING_TRANSFER; part++)
        CHECK_INT(refold_error_timing_us(one, part) < 0, refold_error_timing_us(other, part) < 0);
    if (refold_error_cause(one) != NULL && refold_error_cause(other) != NULL)
        check_same_error(refold_error_cause(one), refold_error_cause(other));
}

struct follower {
    const struct course *course;
    void (*wait)(struct seen *, const refold_client *, uint64_t);
    struct seen seen;
};

static void follow(void *data) {
    struct follower *follower = data;
    const struct course *course = follower->course;
    struct seen *seen = &follower->seen;
    struct server *server = serve_responses(course->count, course->responses);
    refold_client *client = poller_of(server, 20);
    check_case("%s", course->name);
    int64_t begun = now_us();
    follower->wait(seen, client, course->timeout_ms);
    seen->total_us = now_us() - begun;
    seen->requests = server_requests(server);
    for (size_t i = 1; i < seen->requests && i < MAX_SEEN; i++)
        seen->pauses_ms[i] = server_request_ms(server, i) - server_request_ms(server, i - 1);
    refold_client_free(client);
    server_stop(server);
}

/* Returns by how much the pauses of the two waits differ at most, in microseconds. */
static int64_t difference_of(const struct seen *one, const struct seen *other) {
    int64_t most = 0;
    for (size_t i = 1; i < one->requests && i < other->requests && i < MAX_SEEN; i++) {
        int64_t difference = llabs((long long)(one->pauses_ms[i] - other->pauses_ms[i]));
        most = difference > most ? difference : most;
    }
    return most * 1000;
}

static int64_t compare_waits(const struct course *course) {
    struct follower followers[] = {{.course = course, .wait = wait_blocking},
                                   {.course = course, .wait = wait_in_queue}};
    run_on_threads(2, follow, followers, sizeof followers[0]);
    struct seen blocking = followers[0].seen, queued = followers[1].seen;
    const refold_execution *execution = refold_event_execution(queued.event);
    const refold_error *error = refold_event_error(queued.event);
    CHECK_INT(queued.count, blocking.count);
    for (int i = 0; i < queued.count && i < blocking.count; i++)
        CHECK_STR(queued.names[i], blocking.names[i]);
    CHECK_INT(queued.requests, blocking.requests);
    CHECK_INT(refold_error_code(error), course->code);
    CHECK_INT(execution == NULL, blocking.execution == NULL);
    CHECK_STR(refold_execution_name(execution), refold_execution_name(blocking.execution));
    CHECK_INT(refold_execution_attempts(execution), refold_execution_attempts(blocking.execution));
    if (error != NULL) {
        check_same_error(error, blocking.error);
        CHECK_BETWEEN(refold_error_timing_us(error, REFOLD_TIMING_TOTAL), 1, queued.total_us);
    }
    refold_execution_free(blocking.execution);
    refold_error_free(blocking.error);
    refold_event_free(queued.event);
    return difference_of(&blocking, &queued);
}

TEST(a_wait_is_the_blocking_wait) {
    for (size_t i = 0; i < COUNT(courses); i++) {
        struct timing timing = {.max_ms = 60};
        while (CHECK_AGAIN(timing)) {
            check_case("%s", courses[i].name);
            timing.us = compare_waits(&courses[i]);
        }
    }
}

/* Progress ----------------------------------------------------------------------------------------------- */

TEST(a_wait_reports_progress_and_its_end) {
    static const struct response responses[] = {{.body = SNAPSHOT("RUNNING", "one")},
                                                {.body = SNAPSHOT("RUNNING", "two")},
                                                {.body = SNAPSHOT("STOPPED", "three")}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_client *client = poller_of(server, 50);
    refold_queue *queue = queue_of(1);
    int tag = 0;
    submit_wait(queue, client, TEST_ID, NULL, &tag);
    take_progress(queue, "one");
    CHECK_INT(refold_queue_pending(queue), 1);
    take_progress(queue, "two");
    refold_event *event = take(queue, REFOLD_EVENT_DONE);
    CHECK_STR(refold_execution_name(refold_event_execution(event)), "three");
    CHECK(refold_event_user_data(event) == &tag);
    refold_event_free(event);
    check_empty(queue);
    CHECK_INT(server_connections(server), 1);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* A run that goes on until the server is released. Its names count the requests. */
static void run_until_released(struct exchange *exchange) {
    atomic_bool *is_over = exchange_data(exchange);
    char *body = text_of("{\"status\": \"%s\", \"name\": \"%zu\"}", *is_over ? "COMPLETED" : "RUNNING",
                         exchange_index(exchange));
    exchange_respond(exchange, &(struct response){.body = body});
    free(body);
}

TEST(progress_that_was_not_taken_is_replaced) {
    atomic_bool is_over = false;
    struct server *server = serve(&(struct server_options){.handler = run_until_released, .data = &is_over});
    refold_client *client = poller_of(server, 10);
    refold_queue *queue = queue_of(1);
    for (size_t round = 1; round <= 2; round++) {
        submit_wait(queue, client, TEST_ID, NULL, NULL);
        size_t before = server_requests(server);
        CHECK(server_await_requests(server, before + 8, 10000));
        /* The snapshot before the last request has been reported. */
        refold_event *event = take(queue, REFOLD_EVENT_PROGRESS);
        int number = atoi(refold_execution_name(refold_event_execution(event)));
        CHECK(number >= (int)before + 6);
        refold_event_free(event);
        /* The next one is a new event, which is replaced in its turn. */
        before = server_requests(server);
        CHECK(server_await_requests(server, before + 3, 10000));
        is_over = true;
        int events = 0, last = number;
        for (bool is_done = false; !is_done; events++) {
            event = refold_queue_next(queue, -1);
            REQUIRE(event != NULL);
            is_done = refold_event_typeof(event) == REFOLD_EVENT_DONE;
            int now = atoi(refold_execution_name(refold_event_execution(event)));
            CHECK(now > last);
            last = now;
            refold_event_free(event);
            if (events == 0)
                CHECK(server_await_requests(server, (size_t)last + 2, 10000));
        }
        CHECK_BETWEEN(events, 2, 3);
        check_empty(queue);
        is_over = false;
    }
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* Many waits whose events are not taken: at most two for each, progress before the end. */
TEST(there_are_at_most_two_events_of_a_wait) {
    enum { WAITS = 50 };
    atomic_bool is_over = false;
    struct server *server = serve(&(struct server_options){.handler = run_until_released, .data = &is_over});
    refold_client *client = poller_of(server, 10);
    refold_queue *queue = queue_of(4);
    int events[WAITS] = {0};
    for (int i = 0; i < WAITS; i++)
        submit_wait(queue, client, TEST_ID, NULL, &events[i]);
    CHECK(server_await_requests(server, 5 * WAITS, 20000));
    is_over = true;
    for (int done = 0; done < WAITS;) {
        refold_event *event = refold_queue_next(queue, 10000 * check_patience());
        REQUIRE(event != NULL);
        int *count = refold_event_user_data(event);
        bool is_done = refold_event_typeof(event) == REFOLD_EVENT_DONE;
        done += is_done;
        *count += is_done ? 100 : 1;
        refold_event_free(event);
        if (!is_done && done == 0) /* the others go on meanwhile, so one more may come */
            CHECK(*count <= 2);
    }
    for (int i = 0; i < WAITS; i++)
        CHECK_BETWEEN(events[i], 100, 102);
    check_empty(queue);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_final_snapshot_is_only_the_last_event) {
    static const char *const statuses[] = {"COMPLETED", "ERRORED", "STOPPED", "TIMED_OUT"};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        char *body = text_of("{\"status\": \"%s\"}", statuses[i]);
        struct server *server = serve_body(body);
        refold_client *client = client_to(server);
        refold_queue *queue = queue_of(0);
        check_case("%s", statuses[i]);
        submit_wait(queue, client, TEST_ID, NULL, NULL);
        refold_event *event = take(queue, REFOLD_EVENT_DONE);
        CHECK_STR(refold_execution_status(refold_event_execution(event)), statuses[i]);
        refold_event_free(event);
        check_empty(queue);
        refold_queue_free(queue);
        refold_client_free(client);
        server_stop(server);
        free(body);
    }
}

TEST(a_session_token_can_be_replaced_between_polls) {
    struct server *server = serve_by_id();
    refold_options *options = test_options(server_url(server));
    refold_options_set_api_key(options, NULL, NULL);
    refold_options_set_session_token(options, TEST_TOKEN);
    refold_options_set_poll_interval_ms(options, 50);
    refold_client *client = client_of(options);
    refold_queue *queue = queue_of(0);
    submit_wait(queue, client, "run", NULL, NULL);
    take_progress(queue, "0");
    CHECK_INT(refold_client_set_session_token(client, TEST_TOKEN "-2"), REFOLD_OK);
    size_t before = server_requests(server);
    CHECK(server_await_requests(server, before + 1, 10000));
    CHECK_STR(head_value(server_head(server, 0), "authorization"), "Bearer " TEST_TOKEN);
    CHECK_STR(head_value(server_head(server, before), "authorization"), "Bearer " TEST_TOKEN "-2");
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* The log ------------------------------------------------------------------------------------------------ */

/* The normalized lines of one get and one wait, blocking or by a queue. */
static void log_calls(struct server *server, bool uses_queue, struct log **log) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, 20);
    *log = log_start(options, REFOLD_LOG_DEBUG);
    refold_client *client = client_of(options);
    if (uses_queue) {
        refold_queue *queue = queue_of(1);
        submit_get(queue, client, TEST_ID, NULL, NULL);
        take_done(queue, NULL, 404);
        submit_wait(queue, client, TEST_ID, NULL, NULL);
        refold_event *event;
        do {
            event = refold_queue_next(queue, -1);
            refold_event_free(event);
        } while (refold_queue_pending(queue) > 0);
        refold_queue_free(queue);
    } else {
        CHECK_INT(get_code(client), 404);
        refold_execution_free(refold_wait_execution(client, TEST_ID, 0, NULL, NULL, NULL, NULL));
    }
    refold_client_free(client);
}

TEST(the_lines_of_the_log_are_those_of_blocking_calls) {
    static const struct response responses[] = {
        {.status = 404}, {.body = RUNNING}, {.body = RUNNING}, {.status = 500}, {.body = COMPLETED}};
    struct log *logs[2];
    uint16_t port = 0;
    for (int i = 0; i < 2; i++) {
        struct server *server = serve(&(struct server_options){
            .responses = responses, .response_count = COUNT(responses), .port = port});
        REQUIRE(server != NULL);
        port = server_port(server);
        log_calls(server, i == 1, &logs[i]);
        server_stop(server);
    }
    CHECK_INT(log_count(logs[1]), log_count(logs[0]));
    CHECK(log_matches(logs[1], " poll 4 ") > 0);
    for (size_t i = 0; i < log_count(logs[0]); i++) {
        check_case("line %zu", i);
        CHECK_STR(log_normalized(logs[1], i), log_normalized(logs[0], i));
        CHECK_INT(log_level(logs[1], i), log_level(logs[0], i));
    }
    log_free(logs[0]);
    log_free(logs[1]);
}

static void begin_other_calls(refold_log_level level, const char *message, void *data) {
    (void)level;
    (void)message;
    refold_queue *queue = *(refold_queue * _Atomic *)data;
    CHECK(refold_queue_pending(queue) > 0);
    CHECK(refold_queue_descriptor(queue) != -2);
    CHECK(!refold_queue_get_execution(queue, NULL, TEST_ID, NULL, NULL, NULL));
}

/* The function of the log holds no lock of the queue. */
TEST(the_function_of_the_log_may_use_the_queue) {
    struct server *server = serve_responses(2, (struct response[]){{.body = RUNNING}, {.body = COMPLETED}});
    refold_queue *queue = queue_of(2);
    refold_queue *_Atomic shared = queue;
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, 10);
    refold_options_set_log(options, REFOLD_LOG_DEBUG, begin_other_calls, &shared);
    refold_client *client = client_of(options);
    refold_cancel *cancel = refold_cancel_new();
    submit_wait(queue, client, TEST_ID, cancel, NULL);
    refold_event_free(take(queue, REFOLD_EVENT_PROGRESS));
    take_done(queue, NULL, REFOLD_OK);
    refold_cancel_free(cancel);
    refold_client_free(client);
    refold_queue_free(queue);
    server_stop(server);
}
