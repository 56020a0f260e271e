/* timeout_ms, connect_timeout_ms and the timeout of a wait bound everything the caller waits for: a call
 * never ends early, and at most 100 ms late. A busy machine may be later, so the best of a few attempts
 * counts. */
#define _GNU_SOURCE
#include "client.h"
#include "clock.h"
#include "gzip.h"
#include "logs.h"
#include "lookup.h"
#include "phases.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_MS = 100 };

/* The timeout under test; a call must reach the phase in which it ends within this time. */
static int64_t limit_ms(void) { return check_in_valgrind() ? 1000 : 100; }

/* The timeout that expires. */
enum bound { WHOLE_CALL, CONNECTING, WAIT };

/* The outcome of a call. */
struct outcome {
    refold_code code;
    uint32_t attempts;
    bool retryable;
    char message[300];
    int64_t us;
};

static struct outcome outcome_of(refold_execution *execution, refold_error *error, int64_t began_us) {
    struct outcome outcome = {.us = now_us() - began_us,
                              .code = refold_error_code(error),
                              .attempts = refold_error_attempts(error),
                              .retryable = refold_error_is_retryable(error)};
    snprintf(outcome.message, sizeof outcome.message, "%s", refold_error_message(error));
    refold_execution_free(execution);
    refold_error_free(error);
    return outcome;
}

static struct outcome timed_get(const refold_client *client) {
    refold_error *error = UNREAD_ERROR;
    int64_t began = now_us();
    refold_execution *execution = refold_get_execution(client, TEST_ID, NULL, &error);
    return outcome_of(execution, error, began);
}

static struct outcome timed_wait(const refold_client *client, uint64_t timeout_ms) {
    refold_error *error = UNREAD_ERROR;
    int64_t began = now_us();
    refold_execution *execution =
        refold_wait_execution(client, TEST_ID, timeout_ms, NULL, NULL, NULL, &error);
    return outcome_of(execution, error, began);
}

static struct outcome exceed_bound(const struct phase *phase, enum bound bound) {
    struct scene scene = scene_open(phase);
    refold_options *options = scene_options(&scene);
    if (bound == WHOLE_CALL)
        refold_options_set_timeout_ms(options, (uint64_t)limit_ms());
    if (bound == CONNECTING)
        refold_options_set_connect_timeout_ms(options, (uint64_t)limit_ms());
    refold_client *client = client_of(options);
    if (phase->is_warm)
        CHECK_INT(get_code(client), REFOLD_OK);
    struct outcome outcome = bound == WAIT ? timed_wait(client, (uint64_t)limit_ms()) : timed_get(client);
    refold_client_free(client);
    scene_close(&scene);
    return outcome;
}

static void check_outcome(enum bound bound, const struct outcome *outcome) {
    char limit[60];
    snprintf(limit, sizeof limit, bound == CONNECTING ? "%d ms (connect_timeout_ms)" : "%d ms",
             (int)limit_ms());
    if (outcome->us < limit_ms() * 1000)
        FAIL("it ended after %lld us: %s", (long long)outcome->us, outcome->message);
    if (outcome->code != (bound == CONNECTING ? REFOLD_ERROR_CONNECT : REFOLD_ERROR_TIMEOUT))
        FAIL("the code is %d: %s", outcome->code, outcome->message);
    CHECK(outcome->retryable);
    CHECK_CONTAINS(outcome->message, limit);
    if (bound != WAIT)
        CHECK_INT(outcome->attempts, 1);
}

/* Counts only attempts in which the call reached the phase; the message of a wait does not name it. */
static void check_bound(const struct phase *phase, enum bound bound) {
    struct timing timing = {.max_ms = limit_ms() + LATE_MS};
    check_case("%s", phase->name);
    while (CHECK_AGAIN(timing)) {
        struct outcome outcome = exceed_bound(phase, bound);
        check_outcome(bound, &outcome);
        timing.us = outcome.us;
        if (bound != WAIT && strstr(outcome.message, phase->message) == NULL)
            check_missed(&timing, "%s", outcome.message);
    }
}

TEST(the_timeout_holds_in_every_phase) {
    for (size_t i = 0; i < phase_count; i++)
        if (phases[i].occurrence == IN_ANY_CALL)
            check_bound(&phases[i], WHOLE_CALL);
}

TEST(the_connect_timeout_holds_in_every_connecting_phase) {
    for (size_t i = 0; i < phase_count; i++)
        if (phases[i].is_connecting)
            check_bound(&phases[i], CONNECTING);
}

TEST(the_wait_timeout_holds_in_every_phase) {
    for (size_t i = 0; i < phase_count; i++)
        if (phases[i].occurrence != BETWEEN_ATTEMPTS && !phases[i].is_warm)
            check_bound(&phases[i], WAIT);
}

TEST(timeouts_leak_nothing) {
    int before = descriptor_count();
    for (size_t i = 0; i < phase_count; i++) {
        if (phases[i].occurrence != IN_ANY_CALL)
            continue;
        check_case("%s", phases[i].name);
        struct scene scene = scene_open(&phases[i]);
        refold_options *options = scene_options(&scene);
        refold_options_set_timeout_ms(options, 30);
        refold_client *client = client_of(options);
        timed_get(client);
        if (phases[i].has_lookup)
            lookup_release();
        CHECK(await_threads(1, 5000));
        if (!phases[i].is_warm) /* its first call succeeded and left a connection for reuse */
            CHECK_INT(descriptor_count(), before);
        refold_client_free(client);
        CHECK_INT(descriptor_count(), before);
        scene_close(&scene);
    }
}

/* Across attempts ---------------------------------------------------------------------------------------- */

TEST(all_attempts_share_the_timeout) {
    struct dead_port *port = refusing_port(NULL);
    refold_options *options = test_options(dead_port_url(port));
    refold_options_set_max_retries(options, 100);
    refold_options_set_timeout_ms(options, 1500);
    refold_client *client = client_of(options);
    struct outcome outcome = timed_get(client);
    /* The first pause takes 0.5 to 1 s. The second, at least 1 s, would exceed the deadline and does not
     * begin. */
    CHECK_INT(outcome.code, REFOLD_ERROR_CONNECT);
    CHECK_INT(outcome.attempts, 2);
    CHECK_TIME(outcome.us / 1000, 500, 1500 + LATE_MS);
    refold_client_free(client);
    dead_port_free(port);
}

/* Sends a 503 at once, then no response to later requests. */
static void fall_silent(struct exchange *exchange) {
    if (exchange_index(exchange) == 0)
        exchange_respond(exchange, &(struct response){.status = 503, .headers = "Retry-After: 0\r\n"});
    else
        exchange_hold(exchange);
}

enum { LATER_ATTEMPT_MS = 1300 };

static void make_later_attempt(struct timing *timing) {
    struct server *server = serve(&(struct server_options){.handler = fall_silent});
    refold_options *options = test_options(server_url(server));
    refold_options_set_max_retries(options, 3);
    refold_options_set_timeout_ms(options, LATER_ATTEMPT_MS);
    refold_client *client = client_of(options);
    struct outcome outcome = timed_get(client);
    timing->us = outcome.us;
    if (outcome.attempts == 1) {
        check_missed(timing, "no later attempt: %s", outcome.message);
    } else {
        CHECK_INT(outcome.attempts, 2);
        CHECK_INT(outcome.code, REFOLD_ERROR_TIMEOUT);
        CHECK(outcome.us >= LATER_ATTEMPT_MS * 1000);
    }
    refold_client_free(client);
    server_stop(server);
}

TEST(a_later_attempt_ends_with_the_timeout_of_the_call) {
    struct timing timing = {.max_ms = LATER_ATTEMPT_MS + LATE_MS};
    while (CHECK_AGAIN(timing))
        make_later_attempt(&timing);
}

static void say_nothing(struct exchange *exchange) { exchange_hold(exchange); }

struct long_silence {
    struct server *server;
    int64_t limit_ms;
};

static void time_silence(void *data) {
    const struct long_silence *silence = data;
    refold_options *options = test_options(server_url(silence->server));
    refold_options_set_timeout_ms(options, (uint64_t)silence->limit_ms);
    refold_client *client = client_of(options);
    struct timing timing = {.max_ms = silence->limit_ms + LATE_MS};
    while (CHECK_AGAIN(timing)) {
        struct outcome outcome = timed_get(client);
        CHECK_INT(outcome.code, REFOLD_ERROR_TIMEOUT);
        CHECK(outcome.us >= silence->limit_ms * 1000);
        timing.us = outcome.us;
    }
    refold_client_free(client);
}

/* The kernel's socket timers are coarse, and coarser the longer they run. They may expire in time by chance,
 * but not for limits spread over a whole step. */
TEST(a_timeout_of_seconds_is_as_punctual_as_a_short_one) {
    struct server *server = serve(&(struct server_options){.handler = say_nothing});
    struct long_silence silences[16];
    for (size_t i = 0; i < COUNT(silences); i++)
        silences[i] = (struct long_silence){server, 3000 + 31 * (int64_t)i};
    run_on_threads(COUNT(silences), time_silence, silences, sizeof *silences);
    server_stop(server);
}

/* As much as is received at once: 64 KiB of gzip, which decompress to 66 MB of numbers, the slowest text to
 * scan. */
static struct bytes packed_numbers(void) {
    enum { LENGTH = 66000000 };
    char *numbers = repeated("1,", LENGTH / 2), *text = text_of("{\"a\": [%s", numbers);
    struct bytes packed = gzip_of(text, strlen(text));
    free(text);
    free(numbers);
    return packed;
}

/* A large response first, so that the connection's receive buffer reaches its maximum. */
static void respond_large_then_numbers(struct exchange *exchange) {
    const struct bytes *packed = exchange_data(exchange);
    bool is_first = strstr(head_line(exchange_head(exchange)), "/large ") != NULL;
    char *blanks = is_first ? repeated(" ", 200000) : NULL;
    char *large = blanks == NULL ? NULL : text_of("%s" COMPLETED, blanks);
    if (large != NULL)
        exchange_respond(exchange, &(struct response){.body = large});
    else
        exchange_respond(exchange, &(struct response){.body = packed->start,
                                                      .length = packed->length,
                                                      .headers = "Content-Encoding: gzip\r\n",
                                                      .is_cut = true,
                                                      .cut = packed->length - 1,
                                                      .ending = HOLD});
    free(large);
    free(blanks);
}

TEST(slow_decompression_ends_with_the_timeout) {
    const int64_t limit = limit_ms() / 2;
    struct bytes packed = packed_numbers();
    struct server *server =
        serve(&(struct server_options){.handler = respond_large_then_numbers, .data = &packed});
    struct timing timing = {.max_ms = limit + LATE_MS};
    while (CHECK_AGAIN(timing)) {
        refold_options *options = test_options(server_url(server));
        refold_options_set_timeout_ms(options, (uint64_t)limit);
        refold_client *client = client_of(options);
        refold_execution *large = refold_get_execution(client, "large", NULL, NULL);
        if (large == NULL)
            check_missed(&timing, "the large response was too late");
        struct outcome outcome = timed_get(client);
        CHECK_INT(outcome.code, REFOLD_ERROR_TIMEOUT);
        timing.us = outcome.us;
        refold_execution_free(large);
        refold_client_free(client);
    }
    server_stop(server);
    free(packed.start);
}

TEST(a_connect_timeout_is_retried) {
    struct dead_port *hole = black_hole(NULL);
    refold_options *options = test_options(dead_port_url(hole));
    refold_options_set_connect_timeout_ms(options, 50);
    refold_options_set_max_retries(options, 1);
    refold_client *client = client_of(options);
    struct outcome outcome = timed_get(client);
    CHECK_INT(outcome.code, REFOLD_ERROR_CONNECT);
    CHECK_INT(outcome.attempts, 2);
    CHECK(outcome.retryable);
    CHECK_TIME(outcome.us / 1000, 50 + 500 + 50, 50 + 1000 + 50 + 500);
    refold_client_free(client);
    dead_port_free(hole);
}

TEST(the_earlier_of_both_timeouts_counts) {
    struct dead_port *hole = black_hole(NULL);
    static const struct {
        uint64_t whole, connecting;
        refold_code code;
    } rows[] = {
        {60, 5000, REFOLD_ERROR_TIMEOUT},       {5000, 60, REFOLD_ERROR_CONNECT},
        {0, 60, REFOLD_ERROR_CONNECT},          {60, 0, REFOLD_ERROR_TIMEOUT},
        {UINT64_MAX, 60, REFOLD_ERROR_CONNECT}, {60, UINT64_MAX, REFOLD_ERROR_TIMEOUT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        refold_options *options = test_options(dead_port_url(hole));
        refold_options_set_timeout_ms(options, rows[i].whole);
        refold_options_set_connect_timeout_ms(options, rows[i].connecting);
        refold_client *client = client_of(options);
        struct outcome outcome = timed_get(client);
        check_case("%zu", i);
        CHECK_INT(outcome.code, rows[i].code);
        CHECK_TIME(outcome.us / 1000, 60, 2000);
        refold_client_free(client);
    }
    dead_port_free(hole);
}

static void respond_late(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED, .delay_ms = 1100});
}

TEST(the_connect_timeout_does_not_bound_the_response) {
    struct server *server = serve(&(struct server_options){.handler = respond_late, .certificate = "good"});
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_connect_timeout_ms(options, 1000);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK); /* on a new connection */
    CHECK_INT(get_code(client), REFOLD_OK); /* and on a reused one */
    refold_client_free(client);
    server_stop(server);
}

TEST(each_poll_has_its_own_timeout) {
    struct server *server = serve(&(struct server_options){.handler = fall_silent});
    refold_options *options = test_options(server_url(server));
    refold_options_set_timeout_ms(options, 500);
    refold_options_set_poll_interval_ms(options, 10);
    refold_client *client = client_of(options);
    /* A 503 and four timeouts of 500 ms are tolerated; the sixth failure in a row ends the wait. */
    struct outcome outcome = timed_wait(client, 0);
    CHECK_INT(outcome.code, REFOLD_ERROR_TIMEOUT);
    CHECK_INT(server_requests(server), 6);
    CHECK_TIME(outcome.us / 1000, 5 * 500, 5 * 500 + 1500);
    refold_client_free(client);
    server_stop(server);
}

/* No timeout, and the defaults --------------------------------------------------------------------------- */

/* The arguments of a thread that advances the clock. */
struct clock_step {
    struct server *server;
    struct event *reached;
    int64_t advance_ms;
};

static void *advance_clock(void *data) {
    struct clock_step *clock_step = data;
    event_await(clock_step->reached, 1, 10000);
    clock_advance(clock_step->advance_ms);
    server_release(clock_step->server);
    return NULL;
}

static void respond_when_released(struct exchange *exchange) {
    exchange_send_text(exchange, "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n");
    event_add(exchange_data(exchange), 1);
    /* Byte by byte, because a response that has arrived completely is accepted even if it is late. */
    if (exchange_hold(exchange))
        exchange_drip(exchange, COMPLETED, strlen(COMPLETED), 1, 1);
}

static void connect_when_released(struct exchange *exchange) {
    char byte;
    if (exchange_read(exchange, &byte, 1) == 1)
        event_add(exchange_data(exchange), 1);
    if (exchange_hold(exchange))
        exchange_send_text(exchange, "\x16");
    exchange_await_close(exchange);
}

/* Makes a call and advances its clock by `advance_ms` before the server continues. */
static struct outcome call_with_advanced_clock(refold_options *options, struct server *server,
                                               struct event *reached, int64_t advance_ms, bool waits,
                                               uint64_t wait_ms) {
    struct clock_step clock_step = {.server = server, .reached = reached, .advance_ms = advance_ms};
    refold_client *client = client_of(options);
    pthread_t thread;
    clock_follow(true);
    pthread_create(&thread, NULL, advance_clock, &clock_step);
    struct outcome outcome = waits ? timed_wait(client, wait_ms) : timed_get(client);
    pthread_join(thread, NULL);
    clock_follow(false);
    refold_client_free(client);
    return outcome;
}

#define UNSET (UINT64_MAX - 12345)
enum { SECOND_MS = 1000, YEAR_S = 365 * 24 * 3600 };

TEST(zero_is_no_timeout_and_the_default_is_30_seconds) {
    static const int64_t years = (int64_t)YEAR_S * 1000 * 300;
    static const struct {
        uint64_t timeout_ms;
        int64_t advance_ms;
        bool waits;
        uint64_t wait_ms;
        refold_code code;
    } rows[] = {
        {0, years, false, 0, REFOLD_OK},
        {UINT64_MAX, years, false, 0, REFOLD_OK},
        {UINT64_MAX - 1, years, false, 0, REFOLD_OK},
        {INT64_MAX, years, false, 0, REFOLD_OK},
        {(uint64_t)INT64_MAX + 1, years, false, 0, REFOLD_OK},
        {UINT64_MAX / 1000, years, false, 0, REFOLD_OK},
        {0, years, true, 0, REFOLD_OK},
        {0, years, true, UINT64_MAX, REFOLD_OK},
        {UINT64_MAX, years, true, UINT64_MAX, REFOLD_OK},
        {UNSET, 29 * SECOND_MS, false, 0, REFOLD_OK},
        {UNSET, 30 * SECOND_MS, false, 0, REFOLD_ERROR_TIMEOUT},
        {UNSET, 29 * SECOND_MS, true, 30 * SECOND_MS, REFOLD_OK},
        {0, 31 * SECOND_MS, true, 30 * SECOND_MS, REFOLD_ERROR_TIMEOUT},
        {3600 * SECOND_MS, 3599 * SECOND_MS, false, 0, REFOLD_OK},
        {3600 * SECOND_MS, 3600 * SECOND_MS, false, 0, REFOLD_ERROR_TIMEOUT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_case("%zu", i);
        struct event *reached = event_new();
        struct server *server =
            serve(&(struct server_options){.handler = respond_when_released, .data = reached});
        refold_options *options = refold_options_new();
        refold_options_set_api_key(options, TEST_KEY, TEST_ACCOUNT);
        check_log(options);
        refold_options_set_base_url(options, server_url(server));
        if (rows[i].timeout_ms != UNSET)
            refold_options_set_timeout_ms(options, rows[i].timeout_ms);
        struct outcome outcome = call_with_advanced_clock(options, server, reached, rows[i].advance_ms,
                                                          rows[i].waits, rows[i].wait_ms);
        if (outcome.code != rows[i].code)
            FAIL("the code is %d: %s", outcome.code, outcome.message);
        server_stop(server);
        event_free(reached);
    }
}

TEST(the_default_connect_timeout_is_ten_seconds) {
    static const struct {
        uint64_t connecting;
        int64_t advance_ms;
        refold_code code;
    } rows[] = {{UNSET, 10 * SECOND_MS, REFOLD_ERROR_CONNECT},
                {UNSET, 9 * SECOND_MS, REFOLD_ERROR_TIMEOUT},
                {0, 25 * SECOND_MS, REFOLD_ERROR_TIMEOUT},
                {UINT64_MAX, 25 * SECOND_MS, REFOLD_ERROR_TIMEOUT}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_case("%zu", i);
        struct event *reached = event_new();
        struct server *server =
            serve(&(struct server_options){.connected = connect_when_released, .data = reached});
        char *url = text_of("https://127.0.0.1:%u", server_port(server));
        refold_options *options = test_options(url);
        refold_options_set_timeout_ms(options, (uint64_t)rows[i].advance_ms + 300);
        if (rows[i].connecting != UNSET)
            refold_options_set_connect_timeout_ms(options, rows[i].connecting);
        struct outcome outcome =
            call_with_advanced_clock(options, server, reached, rows[i].advance_ms, false, 0);
        if (outcome.code != rows[i].code)
            FAIL("the code is %d: %s", outcome.code, outcome.message);
        server_stop(server);
        event_free(reached);
        free(url);
    }
}
