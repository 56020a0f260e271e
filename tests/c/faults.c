/* Faults at every step: a relay between client and server breaks the connection after each byte of an
 * exchange in turn. Every call must end with the right error and leak nothing, and the next call must
 * succeed. */
#define _GNU_SOURCE
#include "client.h"
#include "gzip.h"
#include "proxies.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* Responses ---------------------------------------------------------------------------------------------- */

#define OK_LINE "HTTP/1.1 200 OK\r\n"
#define LENGTH "Content-Length: 23\r\n"
#define CHUNKED_LINE "Transfer-Encoding: chunked\r\n"
#define GZIP "Content-Encoding: gzip\r\n"
#define CLOSING "Connection: close\r\n"

struct row {
    const char *name;
    const char *head; /* without the empty line and, for a compressed body, without the Content-Length */
    const char *body;
    refold_code code; /* if it arrives completely */
    bool is_packed;   /* the body is sent compressed, in the framing of the head */
    bool closes;      /* the server closes after the response */
    bool until_close; /* the connection's end is the body's */
};

static const struct row rows[] = {
    {"a length", OK_LINE LENGTH, COMPLETED, .code = REFOLD_OK},
    {"a length, closing", OK_LINE LENGTH CLOSING, COMPLETED, .code = REFOLD_OK, .closes = true},
    {"chunks", OK_LINE CHUNKED_LINE, "1\r\n{\r\n16;a=b\r\n\"status\": \"COMPLETED\"}\r\n0\r\nA: b\r\n\r\n",
     .code = REFOLD_OK},
    {"gzip", OK_LINE GZIP, COMPLETED, .code = REFOLD_OK, .is_packed = true},
    {"gzip in chunks", OK_LINE GZIP CHUNKED_LINE, COMPLETED, .code = REFOLD_OK, .is_packed = true},
    {"until close", OK_LINE CLOSING, COMPLETED, .code = REFOLD_OK, .closes = true, .until_close = true},
    {"gzip until close", OK_LINE GZIP CLOSING, COMPLETED, .code = REFOLD_OK, .is_packed = true,
     .closes = true, .until_close = true},
    {"an envelope", "HTTP/1.1 404 Not Found\r\nContent-Length: 23\r\n", "{\"message\": \"not here\"}",
     .code = REFOLD_ERROR_NOT_FOUND},
    {"an envelope in chunks, closing", "HTTP/1.1 503 Service Unavailable\r\n" CHUNKED_LINE CLOSING,
     "17\r\n{\"message\": \"not here\"}\r\n0\r\n\r\n", .code = REFOLD_ERROR_SERVICE_UNAVAILABLE,
     .closes = true},
};

/* A response as it is sent. */
struct script {
    char *head, *body;
    size_t length; /* of the body */
    bool closes;
};

static struct script packed_script(const struct row *row) {
    struct bytes packed = gzip_of(row->body, strlen(row->body));
    bool is_chunked = strstr(row->head, CHUNKED_LINE) != NULL;
    struct script script = {.closes = row->closes, .body = calloc(1, 300)};
    if (row->until_close || is_chunked)
        script.head = text_of("%s\r\n", row->head);
    else
        script.head = text_of("%sContent-Length: %zu\r\n\r\n", row->head, packed.length);
    char *size = text_of(is_chunked ? "%zx\r\n" : "", packed.length);
    const char *last = is_chunked ? "\r\n0\r\n\r\n" : "";
    memcpy(script.body, size, strlen(size));
    memcpy(script.body + strlen(size), packed.start, packed.length);
    memcpy(script.body + strlen(size) + packed.length, last, strlen(last));
    script.length = strlen(size) + packed.length + strlen(last);
    free(size);
    free(packed.start);
    return script;
}

static struct script script_of(const struct row *row) {
    if (row->is_packed)
        return packed_script(row);
    return (struct script){.head = text_of("%s\r\n", row->head),
                           .body = text_of("%s", row->body),
                           .length = strlen(row->body),
                           .closes = row->closes};
}

static void script_free(struct script *script) {
    free(script->head);
    free(script->body);
}

/* The relay ---------------------------------------------------------------------------------------------- */

enum way { CLOSES, RESETS, KEEPS_SILENT };
enum direction { TO_CLIENT, TO_SERVER };

/* A server and the relay to it. */
struct path {
    struct server *server, *relay;
    uint16_t port;                         /* the relay's target: the server, or a proxy */
    _Atomic(const struct script *) script; /* what the server responds */
    pthread_mutex_t lock;
    /* guarded by lock: */
    size_t connection; /* the number of the connection to break */
    enum direction direction;
    size_t left; /* bytes that still pass */
    bool is_broken;
    enum way way;
    refold_cancel *cancel; /* triggered once the connection is silent; may be NULL */
};

enum { NO_CONNECTION = -1 };

/* Sends head and body separately, so that in TLS each is a record. */
static void follow_script(struct exchange *exchange) {
    const struct path *path = exchange_data(exchange);
    const struct script *script = path->script;
    exchange_send_text(exchange, script->head);
    exchange_send(exchange, script->body, script->length);
    if (script->closes)
        exchange_close(exchange);
}

static size_t admit(struct exchange *exchange, bool to_client, size_t count) {
    struct path *path = exchange_data(exchange);
    size_t admitted = count;
    pthread_mutex_lock(&path->lock);
    if (exchange_connection(exchange) == path->connection && to_client == (path->direction == TO_CLIENT)) {
        admitted = count < path->left ? count : path->left;
        path->left -= admitted;
        path->is_broken = admitted < count;
    }
    pthread_mutex_unlock(&path->lock);
    return admitted;
}

static void relay(struct exchange *exchange) {
    struct path *path = exchange_data(exchange);
    if (!exchange_relay_in_part(exchange, path->port, admit))
        return;
    /* Only a silence is cancelled. After the other faults the token may be that of the next call. */
    if (path->way == CLOSES) {
        exchange_close(exchange);
    } else if (path->way == RESETS) {
        exchange_reset(exchange);
    } else {
        pthread_mutex_lock(&path->lock);
        refold_cancel_trigger(path->cancel);
        pthread_mutex_unlock(&path->lock);
    }
    exchange_await_close(exchange);
}

static void path_open(struct path *path, bool secure, int maximum_tls) {
    *path = (struct path){.connection = (size_t)NO_CONNECTION};
    pthread_mutex_init(&path->lock, NULL);
    /* Handshakes of one length, so that the stages of a response begin at the same bytes in every call. */
    struct server_options options = {
        .handler = follow_script, .data = path, .maximum_tls = maximum_tls, .keeps_sessions = true};
    options.certificate = secure ? "good" : NULL;
    path->server = serve(&options);
    path->port = server_port(path->server);
    path->relay = serve(&(struct server_options){.connected = relay, .data = path});
}

static void path_close(struct path *path) {
    server_stop(path->relay);
    server_stop(path->server);
    pthread_mutex_destroy(&path->lock);
}

/* Calls -------------------------------------------------------------------------------------------------- */

struct plan {
    const struct row *row;
    enum way way;
    enum direction direction;
    bool secure;
    bool idle;            /* on a reused connection */
    const char *proxy;    /* the proxy's URL up to its host; NULL: none */
    bool is_single_use;   /* one call per client, so that no TLS session is resumed */
    uint64_t deadline_ms; /* the timeout that ends a silence; 0: it is cancelled */
    size_t first, step;   /* the bytes after which to break */
    size_t max;           /* 0: no limit */
};

static refold_client *client_over(struct path *path, const struct plan *plan) {
    uint16_t relay_port = server_port(path->relay);
    char *url = text_of("%s://127.0.0.1:%u", plan->secure ? "https" : "http",
                        plan->proxy == NULL ? relay_port : server_port(path->server));
    refold_options *options = test_options(url);
    if (plan->proxy != NULL) {
        char *proxy = text_of("%s127.0.0.1:%u", plan->proxy, relay_port);
        refold_options_set_proxy(options, proxy);
        free(proxy);
    }
    if (plan->secure)
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
    if (plan->deadline_ms > 0)
        refold_options_set_timeout_ms(options, plan->deadline_ms);
    free(url);
    return client_of(options);
}

/* Arms the relay: the next connection, or the one in use, breaks after `left` more bytes. */
static void arm(struct path *path, const struct plan *plan, size_t left, refold_cancel *cancel) {
    size_t connections = server_connections(path->relay);
    pthread_mutex_lock(&path->lock);
    path->connection = plan->idle ? connections - 1 : connections;
    path->direction = plan->direction;
    path->left = left;
    path->is_broken = false;
    path->way = plan->way;
    path->cancel = cancel;
    pthread_mutex_unlock(&path->lock);
}

/* Returns whether it broke the connection. */
static bool disarm(struct path *path) {
    pthread_mutex_lock(&path->lock);
    bool is_broken = path->is_broken;
    path->connection = (size_t)NO_CONNECTION;
    path->cancel = NULL;
    pthread_mutex_unlock(&path->lock);
    return is_broken;
}

struct outcome {
    bool is_broken;
    bool was_resent; /* on another connection */
    refold_code code;
};

static struct outcome call_over(struct path *path, const struct plan *plan, const struct script *script,
                                size_t left, const refold_client *client) {
    refold_cancel *cancel = plan->way == KEEPS_SILENT && plan->deadline_ms == 0 ? refold_cancel_new() : NULL;
    refold_error *error = UNREAD_ERROR;
    size_t connections = server_connections(path->relay) + !plan->idle;
    path->script = script;
    arm(path, plan, left, cancel);
    refold_execution *execution = refold_get_execution(client, TEST_ID, cancel, &error);
    struct outcome outcome = {.is_broken = disarm(path), .code = refold_error_code(error)};
    outcome.was_resent = server_connections(path->relay) > connections;
    CHECK((execution == NULL) == (error != NULL));
    CHECK_STR(refold_execution_status(execution), error == NULL ? "COMPLETED" : NULL);
    if (error != NULL) {
        CHECK(refold_error_message(error)[0] != '\0');
        CHECK_INT(refold_error_attempts(error), 1);
    }
    if (outcome.code < 0)
        CHECK_INT(refold_error_is_retryable(error),
                  outcome.code != REFOLD_ERROR_CANCELLED && outcome.code != REFOLD_ERROR_INVALID_RESPONSE);
    refold_execution_free(execution);
    refold_error_free(error);
    refold_cancel_free(cancel);
    return outcome;
}

/* The next call succeeds. With a short timeout it may need several attempts on a busy machine. */
static void call_successfully(struct path *path, const struct plan *plan, const refold_client *client) {
    static const struct script keeping = {OK_LINE LENGTH "\r\n", COMPLETED, 23, false},
                               closing = {OK_LINE LENGTH CLOSING "\r\n", COMPLETED, 23, true};
    refold_code code;
    int attempts = 0;
    path->script = plan->idle ? &keeping : &closing;
    do
        code = get_code(client);
    while (code == REFOLD_ERROR_TIMEOUT && plan->deadline_ms > 0 && ++attempts < 500);
    CHECK_INT(code, REFOLD_OK);
}

/* How far the exchange got: no byte, so the request was sent again; to the proxy, which had not accepted yet;
 * not to the end of the head; to the end of the head; or into the body. */
enum stage { NO_BYTE, AT_PROXY, LOST, EMPTY, HEAD_RECEIVED };

static refold_code code_at(const struct plan *plan, enum stage stage) {
    const struct row *row = plan->row;
    bool is_silent = plan->way == KEEPS_SILENT;
    if (stage == NO_BYTE)
        return row->code;
    if (is_silent && plan->deadline_ms == 0)
        return REFOLD_ERROR_CANCELLED;
    if (stage >= EMPTY && row->code > 0)
        return row->code;
    if (stage == AT_PROXY && plan->proxy != NULL)
        return REFOLD_ERROR_CONNECT;
    /* Without TLS, truncation looks like the end of the body. An empty one was not cut off. */
    if (stage == EMPTY && plan->way == CLOSES && row->until_close && !plan->secure)
        return REFOLD_ERROR_INVALID_RESPONSE;
    return is_silent ? REFOLD_ERROR_TIMEOUT : REFOLD_ERROR_TRANSPORT;
}

/* For plaintext, and for bytes of the client, the byte at which each stage begins is known. */
static enum stage stage_at(const struct plan *plan, const struct script *script, size_t passed) {
    if (plan->idle && plan->way != KEEPS_SILENT && (plan->direction == TO_SERVER || passed == 0))
        return NO_BYTE;
    if (plan->direction == TO_SERVER || passed < strlen(script->head))
        return LOST;
    return passed == strlen(script->head) ? EMPTY : HEAD_RECEIVED;
}

/* Otherwise the stages follow each other, as far as their codes differ. */
static enum stage stage_after(const struct plan *plan, enum stage stage, struct outcome outcome) {
    if (outcome.was_resent)
        return NO_BYTE;
    if (stage == NO_BYTE)
        stage = AT_PROXY;
    while (stage < HEAD_RECEIVED && outcome.code != code_at(plan, stage))
        stage++;
    return stage;
}

static void check_outcome(const struct plan *plan, const struct script *script, size_t passed,
                          struct outcome outcome, enum stage *stage) {
    enum stage before = *stage;
    if (plan->proxy == NULL && (!plan->secure || plan->direction == TO_SERVER))
        *stage = stage_at(plan, script, passed);
    else
        *stage = stage_after(plan, before, outcome);
    CHECK(*stage >= before);
    CHECK_INT(outcome.was_resent, *stage == NO_BYTE);
    CHECK_INT(outcome.code, code_at(plan, *stage));
}

static void name_case(const struct plan *plan, size_t passed) {
    static const char *const ways[] = {"closed", "reset", "silent"};
    check_case("%s, %s%s, %s, %s, %s after %zu bytes to the %s%s", plan->row->name,
               plan->proxy == NULL ? "" : plan->proxy, plan->secure ? "TLS" : "plaintext",
               plan->idle ? "idle" : "fresh", plan->is_single_use ? "full handshake" : "any handshake",
               ways[plan->way], passed, plan->direction == TO_CLIENT ? "client" : "server",
               plan->deadline_ms > 0 ? ", deadline" : "");
}

/* Breaks one call and makes the next; returns false if nothing broke, because all bytes had passed. */
static bool break_once(struct path *path, const struct plan *plan, const struct script *script, size_t passed,
                       const refold_client *client, enum stage *stage) {
    name_case(plan, passed);
    struct outcome outcome = call_over(path, plan, script, passed, client);
    if (plan->deadline_ms > 0 && !outcome.is_broken)
        CHECK_INT(outcome.code, REFOLD_ERROR_TIMEOUT); /* the call timed out earlier */
    else if (outcome.is_broken)
        check_outcome(plan, script, passed, outcome, stage);
    else
        CHECK_INT(outcome.code, plan->row->code);
    if (!outcome.is_broken && plan->max == 0)
        return false;
    call_successfully(path, plan, client);
    return true;
}

/* Breaks a call after each byte in turn, until all have passed; returns their number. */
static size_t break_everywhere(struct path *path, const struct plan *plan) {
    enum { MAX_BYTES = 20000 };
    struct script script = script_of(plan->row);
    size_t passed = plan->first, max = plan->max == 0 ? MAX_BYTES : plan->max;
    enum stage stage = NO_BYTE;
    int descriptors = descriptor_count();
    refold_client *client = client_over(path, plan);
    if (plan->idle)
        call_successfully(path, plan, client);
    while (passed < max && break_once(path, plan, &script, passed, client, &stage)) {
        CHECK_INT(descriptor_count(), descriptors + plan->idle);
        passed += plan->step;
        if (plan->is_single_use) {
            refold_client_free(client);
            client = client_over(path, plan);
        }
    }
    CHECK(passed < MAX_BYTES);
    refold_client_free(client);
    CHECK_INT(descriptor_count(), descriptors);
    /* The server may still be reading the script. */
    CHECK(server_await_open(path->server, 0, 5000));
    script_free(&script);
    return passed;
}

/* Single calls ------------------------------------------------------------------------------------------- */

/* Every byte; under valgrind, where calls are slow, every seventh. */
static size_t usual_step(void) { return check_in_valgrind() ? 7 : 1; }

TEST(plaintext_connections_may_break_at_any_byte) {
    struct path path;
    path_open(&path, false, 0);
    for (size_t i = 0; i < COUNT(rows) * 3 * 2; i++) {
        struct plan plan = {
            .row = &rows[i / 6], .way = (enum way)(i / 2 % 3), .idle = i % 2, .step = usual_step()};
        CHECK(break_everywhere(&path, &plan) > strlen(plan.row->head) + 2);
    }
    path_close(&path);
}

/* TLS is slow, so the three faults alternate from byte to byte, starting with another one for each row. */
static size_t break_in_rotation(struct path *path, struct plan plan, size_t row) {
    size_t step = plan.step, max = 0;
    plan.step = 3 * step;
    for (size_t way = 0; way < 3; way++) {
        plan.way = (enum way)way;
        plan.first = (way + row) % 3 * step;
        size_t count = break_everywhere(path, &plan);
        max = count > max ? count : max;
    }
    return max;
}

/* Requests are the same for every row. */
TEST(requests_may_break_at_any_byte) {
    enum { MIN_BYTES = 200 };
    for (size_t i = 0; i < 2 * 2; i++) {
        struct plan plan = {.row = &rows[0], .idle = i / 2, .secure = i % 2, .step = usual_step()};
        plan.direction = TO_SERVER;
        struct path path;
        path_open(&path, plan.secure, 0);
        if (plan.secure)
            CHECK(break_in_rotation(&path, plan, 0) > MIN_BYTES);
        for (size_t way = 0; !plan.secure && way < 3; way++) {
            plan.way = (enum way)way;
            CHECK(break_everywhere(&path, &plan) > MIN_BYTES);
        }
        path_close(&path);
    }
}

/* Whether the response needs every byte that comes over TLS. If its end is known, the close_notify that
 * follows may be lost. */
static bool needs_every_byte(const struct row *row) { return !row->closes || row->until_close; }

/* All resumed handshakes are alike: one row is enough. */
TEST(tls_connections_may_break_at_any_byte) {
    struct path path;
    path_open(&path, true, 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan = {.row = &rows[i], .secure = true, .step = usual_step()};
        if (i == 0)
            CHECK(break_in_rotation(&path, plan, i) > 400);
        plan.idle = true;
        if (needs_every_byte(plan.row))
            CHECK(break_in_rotation(&path, plan, i) > strlen(plan.row->head));
    }
    path_close(&path);
}

/* Handshakes without resumption, in both versions of TLS; in the older one not at every byte. */
TEST(full_handshakes_may_break_at_any_byte) {
    for (size_t i = 0; i < 2; i++) {
        struct plan plan = {
            .row = &rows[0], .secure = true, .is_single_use = true, .step = i == 0 ? usual_step() : 5};
        struct path path;
        path_open(&path, true, i == 0 ? 0 : TLS1_2_VERSION);
        CHECK(break_in_rotation(&path, plan, 0) > 700);
        path_close(&path);
    }
}

/* Proxies, and what follows their acceptance: only the start of a TLS session. */
TEST(tunnels_may_break_at_any_byte) {
    static const struct {
        const char *scheme;
        struct proxy_options options;
        bool secure;
        size_t max;
    } kinds[] = {{"http://", {.is_socks = false}, true, 100},
                 {"http://user:word@", {.user = "user", .password = "word"}, true, 100},
                 {"socks5h://", {.is_socks = true}, false, 0},
                 {"socks5://user:word@", {.is_socks = true, .user = "user", .password = "word"}, false, 0}};
    for (size_t i = 0; i < COUNT(kinds) * 3; i++) {
        struct proxy *proxy = proxy_start(kinds[i / 3].options);
        struct plan plan = {
            .row = &rows[0], .way = (enum way)(i % 3), .secure = kinds[i / 3].secure, .step = usual_step()};
        plan.proxy = kinds[i / 3].scheme;
        plan.max = kinds[i / 3].max;
        struct path path;
        path_open(&path, plan.secure, 0);
        path.port = server_port(proxy_server(proxy));
        CHECK(break_everywhere(&path, &plan) > 70);
        path_close(&path);
        proxy_stop(proxy);
    }
}

/* A silence that is not cancelled ends with the timeout of the call. */
TEST(silence_at_any_byte_ends_with_the_timeout) {
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        struct plan plan = {.row = &rows[i / 2], .way = CLOSES, .secure = i % 2, .step = usual_step()};
        struct path path;
        path_open(&path, plan.secure, 0);
        if (needs_every_byte(plan.row)) {
            plan.first = plan.secure ? 500 : 0;
            plan.max = break_everywhere(&path, &plan) - plan.step;
            plan.way = KEEPS_SILENT;
            plan.deadline_ms = check_in_valgrind() ? 500 : 20;
            plan.step = check_in_valgrind() ? 51 : 17;
            break_everywhere(&path, &plan);
        }
        path_close(&path);
    }
}

/* Waits -------------------------------------------------------------------------------------------------- */

/* A wait whose second poll breaks. */
struct breaking_wait {
    struct path *path;
    const struct plan *plan;
    size_t passed; /* bytes of that poll that pass */
    int snapshots;
};

static bool break_the_next_poll(const refold_execution *execution, void *data) {
    static const struct script completed = {OK_LINE LENGTH "\r\n", COMPLETED, 23, false};
    struct breaking_wait *wait = data;
    if (wait->snapshots++ == 0) {
        CHECK_STR(refold_execution_status(execution), "RUNNING");
        wait->path->script = &completed;
        arm(wait->path, wait->plan, wait->passed, NULL);
    }
    return true;
}

/* A poll that breaks at any byte is a tolerated failure. */
TEST(a_poll_may_break_at_any_byte) {
    static const struct script running = {OK_LINE "Content-Length: 21\r\n\r\n", RUNNING, 21, false};
    enum { RESPONSE_BYTES = 62 };
    struct path path;
    path_open(&path, false, 0);
    int descriptors = descriptor_count();
    for (size_t i = 0; i < 2 * RESPONSE_BYTES; i += 5) {
        struct plan plan = {.way = (enum way)(i / RESPONSE_BYTES), .idle = true};
        struct breaking_wait wait = {&path, &plan, i % RESPONSE_BYTES, 0};
        refold_options *options = test_options(server_url(path.relay));
        refold_options_set_poll_interval_ms(options, 10);
        refold_client *client = client_of(options);
        refold_error *error = UNREAD_ERROR;
        check_case("way %d, after %zu bytes", plan.way, wait.passed);
        path.script = &running;
        refold_execution *execution =
            refold_wait_execution(client, TEST_ID, 0, break_the_next_poll, &wait, NULL, &error);
        CHECK(disarm(&path));
        CHECK(error == NULL);
        CHECK_STR(refold_execution_status(execution), "COMPLETED");
        CHECK_INT(wait.snapshots, 2);
        refold_execution_free(execution);
        refold_error_free(error);
        refold_client_free(client);
        CHECK_INT(descriptor_count(), descriptors);
    }
    path_close(&path);
}
