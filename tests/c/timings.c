/* The times of calls, checked against what the scripted servers record themselves; attempts and request ids
 * of executions. */
#define _GNU_SOURCE
#include "client.h"
#include "logs.h"
#include "lookup.h"
#include "phases.h"
#include "proxies.h"

#include <limits.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTS = REFOLD_TIMING_TRANSFER + 1, NEAR_US = 20000 };

static const char *const part_names[PARTS] = {"TOTAL", "RESOLVE", "CONNECT", "TLS", "FIRST_BYTE", "TRANSFER"};

/* All times of an execution or of an error. */
struct times {
    int64_t us[PARTS];
};

static struct times times_of(const refold_execution *execution, const refold_error *error) {
    struct times times;
    for (refold_timing part = 0; part < PARTS; part++)
        times.us[part] = execution != NULL ? refold_execution_timing_us(execution, part)
                                           : refold_error_timing_us(error, part);
    return times;
}

static int64_t sum_of_parts(const struct times *times) {
    int64_t sum = 0;
    for (refold_timing part = REFOLD_TIMING_RESOLVE; part < PARTS; part++)
        sum += times->us[part] > 0 ? times->us[part] : 0;
    return sum;
}

/* Which parts there are; all others have to be -1. */
#define BIT(part) (1u << (part))
#define EXCHANGE (BIT(REFOLD_TIMING_FIRST_BYTE) | BIT(REFOLD_TIMING_TRANSFER))
#define CONNECTED (EXCHANGE | BIT(REFOLD_TIMING_CONNECT))
#define WITH_TLS (CONNECTED | BIT(REFOLD_TIMING_TLS))
#define RESOLVED BIT(REFOLD_TIMING_RESOLVE)

static void check_parts(const struct times *times, unsigned parts) {
    for (refold_timing part = REFOLD_TIMING_RESOLVE; part < PARTS; part++)
        if ((parts & BIT(part)) != 0 ? times->us[part] < 0 : times->us[part] != -1)
            FAIL("%s is %lld", part_names[part], (long long)times->us[part]);
    CHECK(times->us[REFOLD_TIMING_TOTAL] >= sum_of_parts(times));
}

/* Against the record of the server ----------------------------------------------------------------------- */

/* What a call meets, in milliseconds. */
struct course {
    const char *name;
    const char *scheme, *host, *proxy; /* proxy: the scheme of its URL; NULL: none */
    int tls;                           /* the latest version; 0: any */
    bool races;                        /* the first address is silent */
    int64_t lookup_ms, tunnel_ms, handshake_ms, first_ms, chunk_ms;
    unsigned parts; /* of the first call */
};

enum { CHUNKS = 3, RACE_DELAY_MS = 250 };

/* When something happened, in microseconds. */
enum moment {
    PROXY_ACCEPTED,
    TUNNEL_OPENED,
    ACCEPTED,
    HANDSHAKEN,
    REQUESTED,
    FIRST_SENT,
    LAST_SENT,
    MOMENTS
};
static _Atomic int64_t moments[MOMENTS];

static void mark(enum moment moment) { moments[moment] = now_us(); }

static int64_t between(enum moment first, enum moment last) { return moments[last] - moments[first]; }

static const struct course *course_of(struct exchange *exchange) {
    return *(const struct course **)exchange_data(exchange);
}

static void accept_late(struct exchange *exchange) {
    mark(ACCEPTED);
    exchange_pause(exchange, course_of(exchange)->handshake_ms);
}

static void note_handshake(struct exchange *exchange) {
    (void)exchange;
    mark(HANDSHAKEN);
}

/* The status of the response: the client's first two calls get 200, the others 404. */
static void respond_late(struct exchange *exchange) {
    const struct course *course = course_of(exchange);
    mark(REQUESTED);
    exchange_pause(exchange, course->first_ms);
    mark(FIRST_SENT);
    exchange_send_head(exchange, exchange_index(exchange) < 2 ? 200 : 404, "Transfer-Encoding: chunked\r\n");
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        exchange_pause(exchange, course->chunk_ms);
        exchange_send_chunk(exchange, chunk == 0 ? COMPLETED : " ", chunk == 0 ? strlen(COMPLETED) : 1);
    }
    mark(LAST_SENT);
    exchange_send_chunk(exchange, NULL, 0);
}

static uint16_t port_behind_proxy;

static void tunnel_late(struct exchange *exchange) {
    exchange_pause(exchange, course_of(exchange)->tunnel_ms);
    mark(TUNNEL_OPENED);
}

static void open_http_tunnel(struct exchange *exchange) {
    tunnel_late(exchange);
    exchange_send_text(exchange, "HTTP/1.1 200 OK\r\n\r\n");
    exchange_relay(exchange, port_behind_proxy);
}

static void note_proxy(struct exchange *exchange) {
    (void)exchange;
    mark(PROXY_ACCEPTED);
}

static void open_socks_tunnel(struct exchange *exchange) {
    static const struct proxy_options open = {.is_socks = true};
    unsigned char request[300], reply[10] = {5, 0, 0, 1};
    mark(PROXY_ACCEPTED);
    if (!socks5_greet(exchange, &open) || !exchange_read_exactly(exchange, request, 5))
        return;
    size_t rest = request[3] == 1 ? 5 : request[3] == 4 ? 17 : request[4] + 2u;
    if (!exchange_read_exactly(exchange, request + 5, rest))
        return;
    tunnel_late(exchange);
    exchange_send(exchange, reply, sizeof reply);
    exchange_relay(exchange, port_behind_proxy);
    exchange_close(exchange);
}

static const struct course courses[] = {
    {"no delay", "http", "127.0.0.1", .parts = CONNECTED},
    {"a late first byte", "http", "127.0.0.1", .first_ms = 80, .parts = CONNECTED},
    {"late chunks", "http", "127.0.0.1", .chunk_ms = 40, .parts = CONNECTED},
    {"localhost", "http", "localhost", .first_ms = 30, .chunk_ms = 20, .parts = CONNECTED},
    {"a lookup", "http", "server.invalid", .lookup_ms = 90, .first_ms = 30, .parts = RESOLVED | CONNECTED},
    {"a silent address", "http", "server.invalid", .races = true, .lookup_ms = 30, .chunk_ms = 15,
     .parts = RESOLVED | CONNECTED},
    {"TLS 1.3", "https", "127.0.0.1", .handshake_ms = 70, .first_ms = 40, .chunk_ms = 15, .parts = WITH_TLS},
    {"TLS 1.2", "https", "127.0.0.1", .tls = TLS1_2_VERSION, .handshake_ms = 70, .chunk_ms = 15,
     .parts = WITH_TLS},
    {"an HTTP proxy", "https", "127.0.0.1", "http", .tunnel_ms = 60, .handshake_ms = 70, .first_ms = 40,
     .chunk_ms = 15, .parts = WITH_TLS},
    {"an HTTP proxy with TLS 1.2", "https", "localhost", "http", .tls = TLS1_2_VERSION, .tunnel_ms = 60,
     .first_ms = 40, .parts = WITH_TLS},
    {"SOCKS5", "http", "server.invalid", "socks5", .lookup_ms = 80, .tunnel_ms = 60, .first_ms = 40,
     .parts = RESOLVED | CONNECTED},
    {"SOCKS5 with names", "https", "localhost", "socks5h", .tunnel_ms = 60, .handshake_ms = 70,
     .chunk_ms = 15, .parts = WITH_TLS},
};

/* Lets the lookup of a call take its time. */
static void *release_lookup(void *data) {
    const struct course *course = data;
    own_thread();
    if (lookup_await_running(1, 10000))
        pause_ms(course->lookup_ms);
    lookup_release();
    return NULL;
}

/* Makes a call; returns its times, and stores its duration. */
static struct times time_call(const refold_client *client, const struct course *course, bool is_first,
                              int64_t *duration_us, refold_code want) {
    pthread_t thread;
    bool looks_up = is_first && course->lookup_ms > 0;
    if (looks_up) {
        lookup_script((struct lookup){
            .addresses = {course->races ? "127.0.0.9" : "127.0.0.1", course->races ? "127.0.0.1" : NULL},
            .silent = true});
        pthread_create(&thread, NULL, release_lookup, (void *)(uintptr_t)course);
    }
    refold_error *error = NULL;
    int64_t begin = now_us();
    refold_execution *execution = get(client, &error);
    *duration_us = now_us() - begin;
    if (looks_up)
        pthread_join(thread, NULL);
    CHECK_INT(refold_error_code(error), want);
    struct times times = times_of(execution, error);
    if (execution != NULL)
        CHECK_INT(refold_execution_attempts(execution), 1);
    refold_execution_free(execution);
    refold_error_free(error);
    return times;
}

static struct times recorded(const struct course *course, bool is_first, int64_t duration_us) {
    struct times times = {
        {duration_us, -1, -1, -1, between(REQUESTED, FIRST_SENT), between(FIRST_SENT, LAST_SENT)}};
    if (!is_first)
        return times;
    times.us[REFOLD_TIMING_RESOLVE] = course->lookup_ms > 0 ? course->lookup_ms * 1000 : -1;
    times.us[REFOLD_TIMING_CONNECT] = course->proxy != NULL ? between(PROXY_ACCEPTED, TUNNEL_OPENED)
                                      : course->races       ? RACE_DELAY_MS * 1000
                                                            : 0;
    /* The dialogue includes the lookup of a name for the proxy. */
    if (course->proxy != NULL && course->lookup_ms > 0)
        times.us[REFOLD_TIMING_CONNECT] -= course->lookup_ms * 1000;
    if (strcmp(course->scheme, "https") == 0)
        times.us[REFOLD_TIMING_TLS] = between(ACCEPTED, HANDSHAKEN);
    return times;
}

/* The part that is farthest from the record, and by how much. */
static int64_t farthest(const struct times *times, const struct times *record, refold_timing *part) {
    int64_t distance = 0;
    for (refold_timing i = 0; i < PARTS; i++)
        if (llabs(times->us[i] - record->us[i]) >= distance) {
            distance = llabs(times->us[i] - record->us[i]);
            *part = i;
        }
    return distance;
}

struct stage {
    struct server *server, *proxy;
    struct dead_port *hole;
    refold_client *client;
};

static struct stage set_stage(const struct course *const *course) {
    struct stage stage = {.hole = (*course)->races ? black_hole("127.0.0.9") : NULL};
    stage.server =
        serve(&(struct server_options){.port = stage.hole != NULL ? dead_port_number(stage.hole) : 0,
                                       .certificate = strcmp((*course)->scheme, "https") == 0 ? "good" : NULL,
                                       .maximum_tls = (*course)->tls,
                                       .connected = accept_late,
                                       .handshake_done = note_handshake,
                                       .handler = respond_late,
                                       .data = (void *)(uintptr_t)course});
    port_behind_proxy = server_port(stage.server);
    char *url = text_of("%s://%s:%u", (*course)->scheme, (*course)->host, port_behind_proxy);
    refold_options *options = test_options(url);
    refold_options_set_allow_plaintext(options, true);
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    if ((*course)->proxy != NULL) {
        bool is_socks = strcmp((*course)->proxy, "http") != 0;
        stage.proxy = serve(&(struct server_options){.connected = is_socks ? open_socks_tunnel : note_proxy,
                                                     .handler = is_socks ? NULL : open_http_tunnel,
                                                     .data = (void *)(uintptr_t)course});
        char *proxy = text_of("%s://127.0.0.1:%u", (*course)->proxy, server_port(stage.proxy));
        refold_options_set_proxy(options, proxy);
        free(proxy);
    }
    stage.client = client_of(options);
    free(url);
    return stage;
}

static void clear_stage(struct stage *stage) {
    refold_client_free(stage->client);
    server_stop(stage->proxy);
    server_stop(stage->server);
    dead_port_free(stage->hole);
}

/* The first call is on a new connection, the later ones reuse it; the last one fails. */
static bool calls_are_near(const struct course *course, char *why, size_t size) {
    struct stage stage = set_stage(&course);
    bool are_near = true;
    for (int call = 0; call < 3; call++) {
        int64_t duration_us;
        struct times times =
            time_call(stage.client, course, call == 0, &duration_us, call < 2 ? REFOLD_OK : 404);
        struct times record = recorded(course, call == 0, duration_us);
        refold_timing part = 0;
        check_parts(&times, call == 0 ? course->parts : EXCHANGE);
        CHECK(times.us[REFOLD_TIMING_TOTAL] <= duration_us);
        if (farthest(&times, &record, &part) > NEAR_US * check_patience()) {
            are_near = false;
            snprintf(why, size, "call %d: %s is %lld us, and %lld by the server's record", call,
                     part_names[part], (long long)times.us[part], (long long)record.us[part]);
        }
    }
    clear_stage(&stage);
    return are_near;
}

TEST(each_part_takes_as_long_as_the_server_records) {
    for (size_t i = 0; i < COUNT(courses); i++) {
        char why[200] = "";
        int attempts = 0;
        check_case("%s", courses[i].name);
        while (!calls_are_near(&courses[i], why, sizeof why) && ++attempts < 5)
            continue;
        if (attempts == 5)
            FAIL("%s", why);
    }
}

/* The line about the end of a call has the same times, in milliseconds. */
TEST(the_log_has_the_same_times) {
    struct server *server = serve_responses(
        2, (struct response[]){{.body = COMPLETED, .delay_ms = 12}, {.status = 404, .body = "{}"}});
    refold_options *options = test_options(server_url(server));
    struct log *log = log_start(options, REFOLD_LOG_INFO);
    refold_client *client = client_of(options);
    for (int call = 0; call < 2; call++) {
        refold_error *error = NULL;
        refold_execution *execution = get(client, &error);
        struct times times = times_of(execution, error);
        char shown[PARTS][30], *line;
        for (refold_timing part = 0; part < PARTS; part++)
            if (times.us[part] < 0)
                strcpy(shown[part], "-");
            else
                snprintf(shown[part], sizeof shown[part], "%lld.%03lld", (long long)times.us[part] / 1000,
                         (long long)times.us[part] % 1000);
        line = text_of("total %s ms (resolve %s, connect %s, TLS %s, first byte %s, transfer %s)", shown[0],
                       shown[1], shown[2], shown[3], shown[4], shown[5]);
        CHECK_CONTAINS(log_line(log, (size_t)call), line);
        free(line);
        refold_execution_free(execution);
        refold_error_free(error);
    }
    refold_client_free(client);
    log_free(log);
    server_stop(server);
}

/* Without a call ----------------------------------------------------------------------------------------- */

static void check_no_times(const refold_execution *execution, const refold_error *error) {
    static const refold_timing numbers[] = {INT32_MIN, -1, 0, 1, 2, 3, 4, 5, 6, 255, 256, 1 << 16, INT32_MAX};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        check_case("%d", numbers[i]);
        CHECK_INT(refold_execution_timing_us(execution, numbers[i]), -1);
        CHECK_INT(refold_error_timing_us(error, numbers[i]), -1);
    }
    CHECK_INT(refold_execution_attempts(execution), 0);
    CHECK_STR(refold_execution_request_id(execution), NULL);
}

TEST(what_no_call_made_has_no_times) {
    check_no_times(NULL, NULL);
    refold_execution *execution = parsed(COMPLETED);
    refold_error *error = NULL;
    CHECK(refold_parse_execution("{", 1, &error) == NULL);
    check_no_times(execution, error);
    refold_execution_free(execution);
    refold_error_free(error);
    error = client_error(test_options("no url"));
    check_no_times(NULL, error);
    refold_error_free(error);
    refold_client *client = client_of(test_options("https://127.0.0.1:1"));
    CHECK(refold_get_execution(client, "no id", NULL, &error) == NULL);
    check_no_times(NULL, error);
    refold_error_free(error);
    CHECK(refold_wait_execution(client, NULL, 0, NULL, NULL, NULL, &error) == NULL);
    check_no_times(NULL, error);
    refold_error_free(error);
    refold_client_free(client);
}

TEST(numbers_that_are_no_part_have_no_time) {
    static const refold_timing numbers[] = {INT32_MIN, -1, PARTS, 256, 1 << 16, INT32_MAX};
    struct server *server =
        serve_responses(2, (struct response[]){{.body = COMPLETED}, {.status = 404, .body = "{}"}});
    refold_client *client = client_to(server);
    refold_execution *execution = must_get(client);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK(refold_execution_timing_us(execution, REFOLD_TIMING_TOTAL) >= 0);
    CHECK(refold_error_timing_us(error, REFOLD_TIMING_TOTAL) >= 0);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        check_case("%d", numbers[i]);
        CHECK_INT(refold_execution_timing_us(execution, numbers[i]), -1);
        CHECK_INT(refold_error_timing_us(error, numbers[i]), -1);
    }
    refold_execution_free(execution);
    refold_error_free(error);
    refold_client_free(client);
    server_stop(server);
}

/* Retries ------------------------------------------------------------------------------------------------ */

enum { FIRST_DELAY_MS = 150, SECOND_DELAY_MS = 50, PAUSE_MS = 1000 };

/* The parts are those of the last attempt; TOTAL has all attempts and pauses. */
TEST(the_parts_are_of_the_last_attempt) {
    static const struct {
        const char *name;
        const char *headers; /* of the first response */
        int status;          /* of the second */
        unsigned parts;
    } rows[] = {{"success", "Retry-After: 1\r\n", 200, EXCHANGE},
                {"another connection", "Retry-After: 1\r\nConnection: close\r\n", 200, CONNECTED},
                {"failure", "Retry-After: 1\r\n", 404, EXCHANGE},
                {"failure again", "Retry-After: 1\r\n", 503, EXCHANGE}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct response responses[] = {
            {.status = 503, .headers = rows[i].headers, .body = "", .delay_ms = FIRST_DELAY_MS},
            {.status = rows[i].status, .body = COMPLETED, .delay_ms = SECOND_DELAY_MS}};
        struct server *server = serve_responses(COUNT(responses), responses);
        refold_options *options = test_options(server_url(server));
        refold_options_set_max_retries(options, 1);
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        check_case("%s", rows[i].name);
        int64_t begin = now_us();
        refold_execution *execution = get(client, &error);
        int64_t duration_us = now_us() - begin;
        struct times times = times_of(execution, error);
        check_parts(&times, rows[i].parts);
        CHECK_INT(execution != NULL ? refold_execution_attempts(execution) : refold_error_attempts(error), 2);
        CHECK_TIME(times.us[REFOLD_TIMING_FIRST_BYTE] / 1000, SECOND_DELAY_MS, FIRST_DELAY_MS - 1);
        CHECK_BETWEEN(times.us[REFOLD_TIMING_TOTAL], (FIRST_DELAY_MS + PAUSE_MS + SECOND_DELAY_MS) * 1000,
                      duration_us);
        refold_execution_free(execution);
        refold_error_free(error);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Failures ----------------------------------------------------------------------------------------------- */

/* The part in which a phase blocks a call. */
static refold_timing part_of(const struct phase *phase) {
    static const struct {
        const char *message;
        refold_timing part;
    } parts[] = {{"while looking up the host name", REFOLD_TIMING_RESOLVE},
                 {"while connecting", REFOLD_TIMING_CONNECT},
                 {"while requesting a tunnel from the proxy", REFOLD_TIMING_CONNECT},
                 {"in the TLS handshake", REFOLD_TIMING_TLS},
                 {"while sending the request", REFOLD_TIMING_FIRST_BYTE},
                 {"while waiting for the response", REFOLD_TIMING_FIRST_BYTE},
                 {"while receiving the response", REFOLD_TIMING_TRANSFER}};
    if (strstr(phase->name, "dripping header") != NULL || strstr(phase->name, "interim") != NULL)
        return REFOLD_TIMING_TRANSFER;
    for (size_t i = 0; i < COUNT(parts); i++)
        if (strcmp(parts[i].message, phase->message) == 0)
            return parts[i].part;
    FAIL("an unknown phase: %s", phase->message);
    return REFOLD_TIMING_TOTAL;
}

/* The parts that may follow a part are not gone through. */
static void check_ended_in(const struct times *times, refold_timing part, int64_t at_least_us) {
    for (refold_timing later = part + 1; later < PARTS; later++)
        if (part != REFOLD_TIMING_RESOLVE || later != REFOLD_TIMING_CONNECT)
            CHECK_INT(times->us[later], -1);
    CHECK(times->us[REFOLD_TIMING_TOTAL] >= sum_of_parts(times));
    CHECK(times->us[REFOLD_TIMING_TOTAL] >= at_least_us);
    if (times->us[part] < times->us[REFOLD_TIMING_TOTAL] / 2)
        FAIL("%s is only %lld of %lld us", part_names[part], (long long)times->us[part],
             (long long)times->us[REFOLD_TIMING_TOTAL]);
}

TEST(a_timeout_counts_in_the_part_that_it_ended) {
    enum { LIMIT_MS = 200 };
    for (size_t i = 0; i < phase_count; i++) {
        if (phases[i].occurrence != IN_ANY_CALL)
            continue;
        struct scene scene = scene_open(&phases[i]);
        refold_options *options = scene_options(&scene);
        refold_error *error = NULL;
        check_case("%s", phases[i].name);
        refold_options_set_timeout_ms(options, (uint64_t)(LIMIT_MS * check_patience()));
        refold_client *client = client_of(options);
        if (phases[i].is_warm)
            CHECK_INT(get_code(client), REFOLD_OK);
        CHECK(get(client, &error) == NULL);
        struct times times = times_of(NULL, error);
        check_ended_in(&times, part_of(&phases[i]), LIMIT_MS * check_patience() * 1000);
        if (phases[i].is_warm)
            check_parts(&times, BIT(REFOLD_TIMING_FIRST_BYTE));
        EXPECT_ERROR(error, REFOLD_ERROR_TIMEOUT, phases[i].message);
        refold_client_free(client);
        scene_close(&scene);
    }
}

struct call {
    refold_client *client;
    refold_cancel *cancel;
    refold_error *error;
};

static void *make_call(void *data) {
    struct call *call = data;
    CHECK(refold_get_execution(call->client, TEST_ID, call->cancel, &call->error) == NULL);
    return NULL;
}

TEST(a_cancelled_call_counts_in_the_part_that_it_ended) {
    enum { BEFORE_MS = 80 };
    for (size_t i = 0; i < phase_count; i++) {
        if (phases[i].occurrence != IN_ANY_CALL || phases[i].is_warm)
            continue;
        struct scene scene = scene_open(&phases[i]);
        pthread_t thread;
        struct call call = {.client = client_of(scene_options(&scene)), .cancel = refold_cancel_new()};
        check_case("%s", phases[i].name);
        pthread_create(&thread, NULL, make_call, &call);
        CHECK(scene_await(&scene, 1));
        pause_ms(BEFORE_MS * check_patience());
        refold_cancel_trigger(call.cancel);
        pthread_join(thread, NULL);
        struct times times = times_of(NULL, call.error);
        check_ended_in(&times, part_of(&phases[i]), BEFORE_MS * check_patience() * 1000);
        EXPECT_ERROR(call.error, REFOLD_ERROR_CANCELLED, NULL);
        refold_cancel_free(call.cancel);
        refold_client_free(call.client);
        scene_close(&scene);
    }
}

TEST(a_call_cancelled_before_it_starts_has_no_parts) {
    refold_client *client = client_of(test_options("https://127.0.0.1:1"));
    refold_cancel *cancel = refold_cancel_new();
    refold_error *error = NULL;
    refold_cancel_trigger(cancel);
    CHECK(refold_get_execution(client, TEST_ID, cancel, &error) == NULL);
    struct times times = times_of(NULL, error);
    check_parts(&times, 0);
    refold_error_free(error);
    refold_cancel_free(cancel);
    refold_client_free(client);
}

/* Failures that are no timeouts. */
TEST(failed_calls_have_the_parts_that_they_went_through) {
    struct dead_port *port = refusing_port(NULL);
    struct server *unknown = serve(&(struct server_options){.certificate = "unknown"});
    struct server *closing = serve_responses(1, &(struct response){.silent = true, .ending = CLOSE});
    struct server *cut = serve_responses(1, &(struct response){.body = COMPLETED, .is_cut = true, .cut = 5});
    char *secure = text_of("https://127.0.0.1:%u", server_port(unknown));
    const struct {
        const char *name, *url;
        refold_code code;
        unsigned parts;
    } rows[] = {
        {"no such name", "https://server.invalid", REFOLD_ERROR_RESOLVE, RESOLVED},
        {"connection refused", dead_port_url(port), REFOLD_ERROR_CONNECT, BIT(REFOLD_TIMING_CONNECT)},
        {"an unknown authority", secure, REFOLD_ERROR_TLS,
         BIT(REFOLD_TIMING_CONNECT) | BIT(REFOLD_TIMING_TLS)},
        {"no response", server_url(closing), REFOLD_ERROR_TRANSPORT,
         BIT(REFOLD_TIMING_CONNECT) | BIT(REFOLD_TIMING_FIRST_BYTE)},
        {"half a response", server_url(cut), REFOLD_ERROR_TRANSPORT, CONNECTED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        refold_error *error = NULL;
        lookup_script((struct lookup){0});
        refold_client *client = client_of(test_options(rows[i].url));
        check_case("%s", rows[i].name);
        CHECK(get(client, &error) == NULL);
        struct times times = times_of(NULL, error);
        check_parts(&times, rows[i].parts);
        EXPECT_ERROR(error, rows[i].code, NULL);
        refold_client_free(client);
    }
    free(secure);
    server_stop(cut);
    server_stop(closing);
    server_stop(unknown);
    dead_port_free(port);
}

/* Waits -------------------------------------------------------------------------------------------------- */

enum { POLLS = 3, INTERVAL_MS = 200 };

static void respond_to_poll(struct exchange *exchange) {
    size_t poll = exchange_index(exchange);
    exchange_respond(exchange, &(struct response){.delay_ms = 40 + 60 * (int64_t)poll,
                                                  .body = poll < POLLS - 1 ? RUNNING : COMPLETED});
}

static bool check_snapshot(const refold_execution *execution, void *data) {
    int *polls = data;
    struct times times = times_of(execution, NULL);
    int64_t delay_ms = 40 + 60 * *polls;
    check_case("poll %d", *polls);
    check_parts(&times, *polls == 0 ? CONNECTED : EXCHANGE);
    CHECK_TIME(times.us[REFOLD_TIMING_FIRST_BYTE] / 1000, delay_ms, delay_ms + 150);
    CHECK_TIME(times.us[REFOLD_TIMING_TOTAL] / 1000, delay_ms, delay_ms + 150);
    CHECK_INT(refold_execution_attempts(execution), 1);
    ++*polls;
    return true;
}

TEST(a_snapshot_has_the_times_of_its_poll) {
    struct server *server = serve(&(struct server_options){.handler = respond_to_poll});
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, INTERVAL_MS);
    refold_client *client = client_of(options);
    int polls = 0;
    refold_error *error = UNREAD_ERROR;
    refold_execution *execution =
        refold_wait_execution(client, TEST_ID, 0, check_snapshot, &polls, NULL, &error);
    CHECK_INT(polls, POLLS);
    CHECK(error == NULL);
    struct times times = times_of(execution, NULL);
    check_parts(&times, EXCHANGE);
    CHECK_TIME(times.us[REFOLD_TIMING_TOTAL] / 1000, 160, 310);
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
}

static bool stop(const refold_execution *execution, void *polls) {
    (void)execution;
    return ++*(int *)polls < POLLS;
}

/* TOTAL of a wait's error is the whole wait, and of its cause that poll alone. */
TEST(the_error_of_a_wait_has_the_time_of_the_wait) {
    static const struct {
        const char *name;
        struct response last; /* after two snapshots */
        uint64_t timeout_ms;
        refold_code code;
        unsigned parts;
        int64_t min_ms, max_ms;
    } rows[] = {
        {"a failure", {.status = 404, .body = "{}", .delay_ms = 30}, 0, 404, EXCHANGE, 530, 1000},
        {"stopped", {.body = RUNNING, .delay_ms = 30}, 0, REFOLD_ERROR_CANCELLED, EXCHANGE, 530, 1000},
        {"timed out in a pause", {.body = RUNNING}, 1300, REFOLD_ERROR_TIMEOUT, EXCHANGE, 1300, 1500},
        {"timed out in a poll",
         {.silent = true, .ending = HOLD},
         800,
         REFOLD_ERROR_TIMEOUT,
         BIT(REFOLD_TIMING_FIRST_BYTE),
         800,
         900},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].timeout_ms > 0 && check_is_slow())
            continue;
        struct response responses[] = {{.body = RUNNING}, {.body = RUNNING}, rows[i].last};
        struct server *server = serve_responses(COUNT(responses), responses);
        refold_options *options = test_options(server_url(server));
        refold_options_set_poll_interval_ms(options, INTERVAL_MS);
        refold_client *client = client_of(options);
        refold_error *error = UNREAD_ERROR;
        int polls = 0;
        check_case("%s", rows[i].name);
        CHECK(refold_wait_execution(client, TEST_ID, rows[i].timeout_ms,
                                    rows[i].code == REFOLD_ERROR_CANCELLED ? stop : NULL, &polls, NULL,
                                    &error) == NULL);
        struct times times = times_of(NULL, error);
        check_parts(&times, rows[i].parts);
        CHECK_TIME(times.us[REFOLD_TIMING_TOTAL] / 1000, rows[i].min_ms, rows[i].max_ms);
        const refold_error *cause = refold_error_cause(error);
        CHECK_INT(cause != NULL, rows[i].last.silent);
        if (cause != NULL) {
            struct times of_cause = times_of(NULL, cause);
            check_parts(&of_cause, rows[i].parts);
            CHECK(of_cause.us[REFOLD_TIMING_TOTAL] <= times.us[REFOLD_TIMING_TOTAL] - 500 * 1000);
        }
        EXPECT_ERROR(error, rows[i].code, NULL);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Attempts and request ids ------------------------------------------------------------------------------- */

TEST(a_snapshot_has_the_attempts_of_its_poll) {
    struct response responses[] = {{.body = RUNNING},
                                   {.status = 503, .headers = "Retry-After: 0\r\n", .body = ""},
                                   {.status = 503, .headers = "Retry-After: 0\r\n", .body = ""},
                                   {.body = COMPLETED}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, 10);
    refold_options_set_max_retries(options, 2);
    refold_client *client = client_of(options);
    refold_execution *execution = refold_wait_execution(client, TEST_ID, 0, NULL, NULL, NULL, NULL);
    CHECK_INT(refold_execution_attempts(execution), 3);
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
}

TEST(the_request_id_is_that_of_the_response) {
    static const struct {
        const char *name, *headers, *want;
    } rows[] = {
        {"absent", "X-Request: req-1\r\nRequest-Id: req-2\r\n", NULL},
        {"present", "x-request-id: req-1\r\n", "req-1"},
        {"in other letters", "X-REQUEST-ID: Req 1\r\n", "Req 1"},
        {"with blanks", "X-Request-Id:  \t req-1 \t \r\n", "req-1"},
        {"empty", "X-Request-Id:\r\n", NULL},
        {"UTF-8",
         "X-Request-Id: gr\xc3\xbc\xc3\x9f"
         "e\r\n",
         "gr\xc3\xbc\xc3\x9f"
         "e"},
        {"not UTF-8", "X-Request-Id: a\xff\r\n", NULL},
        {"the key", "X-Request-Id: <" TEST_KEY ">\r\n", "<***>"},
        {"a custom value", "X-Request-Id: <" TEST_HEADER_VALUE ">\r\n", "<***>"},
        {"twice", "X-Request-Id: req-1\r\nX-Request-Id: req-2\r\n", "req-1"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct server *server =
            serve_responses(1, &(struct response){.body = COMPLETED, .headers = rows[i].headers});
        refold_options *options = test_options(server_url(server));
        refold_options_set_header(options, "X-Custom", TEST_HEADER_VALUE);
        refold_client *client = client_of(options);
        check_case("%s", rows[i].name);
        for (int waits = 0; waits < 2; waits++) {
            refold_execution *execution =
                waits ? refold_wait_execution(client, TEST_ID, 0, NULL, NULL, NULL, NULL) : must_get(client);
            CHECK_STR(refold_execution_request_id(execution), rows[i].want);
            CHECK_INT(refold_execution_attempts(execution), 1);
            refold_execution_free(execution);
        }
        refold_client_free(client);
        server_stop(server);
    }
}

/* The last attempt's, not that of a failed one before it. */
TEST(the_request_id_is_of_the_last_attempt) {
    struct response responses[] = {
        {.status = 503, .headers = "Retry-After: 0\r\nX-Request-Id: req-1\r\n", .body = ""},
        {.body = COMPLETED},
        {.status = 503, .headers = "Retry-After: 0\r\nX-Request-Id: req-1\r\n", .body = ""},
        {.body = COMPLETED, .headers = "X-Request-Id: req-2\r\n"}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_options *options = test_options(server_url(server));
    refold_options_set_max_retries(options, 1);
    refold_client *client = client_of(options);
    for (int call = 0; call < 2; call++) {
        refold_execution *execution = must_get(client);
        CHECK_INT(refold_execution_attempts(execution), 2);
        CHECK_STR(refold_execution_request_id(execution), call == 0 ? NULL : "req-2");
        refold_execution_free(execution);
    }
    refold_client_free(client);
    server_stop(server);
}

/* The id outlives the client, like the execution itself. */
TEST(times_and_request_ids_outlive_the_client) {
    struct server *server =
        serve_responses(1, &(struct response){.body = COMPLETED, .headers = "X-Request-Id: req-1\r\n"});
    refold_client *client = client_to(server);
    refold_execution *execution = must_get(client);
    refold_execution *retained = refold_execution_retain(execution);
    refold_client_free(client);
    server_stop(server);
    refold_execution_free(execution);
    CHECK_STR(refold_execution_request_id(retained), "req-1");
    CHECK(refold_execution_timing_us(retained, REFOLD_TIMING_TOTAL) > 0);
    refold_execution_free(retained);
}
