/* Connections are kept alive and shared: their number, when one may be reused, and the system calls that a
 * call on a reused one makes. */
#define _GNU_SOURCE
#include "client.h"
#include "clock.h"
#include "lookup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The number of connections ------------------------------------------------------------------------------ */

enum { THREADS = 64, CALLS = 100 };

static void call_often(void *data) {
    for (int i = 0; i < CALLS; i++)
        CHECK_INT(get_code(data), REFOLD_OK);
}

TEST(n_threads_need_at_most_n_connections) {
    for (int secure = 0; secure < 2; secure++) {
        static const int counts[] = {1, 2, THREADS};
        for (size_t i = 0; i < COUNT(counts); i++) {
            struct server *server =
                serve(&(struct server_options){.responses = &(struct response){.body = COMPLETED},
                                               .response_count = 1,
                                               .certificate = secure ? "good" : NULL});
            refold_client *client = trusting_client(server);
            check_case("%d threads%s", counts[i], secure ? ", TLS" : "");
            run_on_threads(counts[i], call_often, client, 0);
            CHECK_INT(server_requests(server), counts[i] * CALLS);
            CHECK_BETWEEN(server_connections(server), 1, counts[i]);
            /* They are shared: a later thread opens no connection. */
            size_t before = server_connections(server);
            run_on_threads(1, call_often, client, 0);
            CHECK_INT(server_connections(server), before);
            refold_client_free(client);
            CHECK(server_await_open(server, 0, 5000));
            server_stop(server);
        }
    }
}

/* Responses after which a connection is reused ----------------------------------------------------------- */

static const struct {
    const char *name;
    struct response response;
    refold_code code;
    bool is_reused;
} responses[] = {
    {"Content-Length", {.body = COMPLETED}, REFOLD_OK, true},
    {"chunks", {.body = COMPLETED, .framing = CHUNKED}, REFOLD_OK, true},
    {"chunks with a trailer",
     {.raw = true,
      .body =
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n" COMPLETED "\r\n0\r\nA: b\r\n\r\n"},
     REFOLD_OK,
     true},
    {"not an execution", {.body = "[]"}, REFOLD_ERROR_INVALID_RESPONSE, true},
    {"400", {.status = 400, .body = "{\"message\": \"no\"}"}, 400, true},
    {"401", {.status = 401, .body = "{}"}, 401, true},
    {"404", {.status = 404, .body = "{\"message\": \"no\"}", .framing = CHUNKED}, 404, true},
    {"429", {.status = 429, .body = "slow down", .type = "text/plain"}, 429, true},
    {"500", {.status = 500, .body = ""}, 500, true},
    {"503", {.status = 503, .body = "<html>"}, 503, true},
    {"302", {.status = 302, .headers = "Location: /elsewhere\r\n", .body = ""}, 302, true},
    {"204", {.raw = true, .body = "HTTP/1.1 204 No Content\r\n\r\n"}, REFOLD_ERROR_INVALID_RESPONSE, true},
    {"304", {.raw = true, .body = "HTTP/1.1 304 Not Modified\r\n\r\n"}, 304, true},
    {"204 of no length",
     {.raw = true, .body = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"},
     REFOLD_ERROR_INVALID_RESPONSE,
     true},
    {"304 of no length",
     {.raw = true, .body = "HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n"},
     304,
     true},
    {"Content-Length after odd fields",
     {.raw = true, .body = "HTTP/1.1 200 OK\r\nA : b\r\n c\r\nContent-Length:\r\n 23\r\n\r\n" COMPLETED},
     REFOLD_OK,
     true},
    {"an interim response",
     {.raw = true,
      .body =
          "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n" COMPLETED},
     REFOLD_OK,
     true},
    {"204 with chunks",
     {.raw = true, .body = "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"},
     REFOLD_ERROR_INVALID_RESPONSE,
     false},
    {"204 with a length",
     {.raw = true, .body = "HTTP/1.1 204 No Content\r\nContent-Length: 23\r\n\r\n"},
     REFOLD_ERROR_INVALID_RESPONSE,
     false},
    {"204 with an invalid length",
     {.raw = true, .body = "HTTP/1.1 204 No Content\r\nContent-Length: 0, 1\r\n\r\n"},
     REFOLD_ERROR_INVALID_RESPONSE,
     false},
    {"304 with chunks",
     {.raw = true, .body = "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"},
     304,
     false},
    {"304 with an unknown encoding",
     {.raw = true, .body = "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: a\r\n\r\n"},
     304,
     false},
    {"304 with a length",
     {.raw = true, .body = "HTTP/1.1 304 Not Modified\r\nContent-Length: 23\r\n\r\n"},
     304,
     false},
    {"304 with an invalid length",
     {.raw = true, .body = "HTTP/1.1 304 Not Modified\r\nContent-Length: many\r\n\r\n"},
     304,
     false},
    {"HTTP/1.0 304 that stays, with a length",
     {.raw = true,
      .body = "HTTP/1.0 304 Not Modified\r\nConnection: keep-alive\r\nContent-Length: 23\r\n\r\n"},
     304,
     false},
    {"an interim response with a length",
     {.raw = true,
      .body = "HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
              "23\r\n\r\n" COMPLETED},
     REFOLD_OK,
     false},
    {"an interim response with chunks, then another",
     {.raw = true,
      .body = "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 100 "
              "Continue\r\n\r\nHTTP/1.1 200 "
              "OK\r\nContent-Length: 23\r\n\r\n" COMPLETED},
     REFOLD_OK,
     false},
    {"chunks and a length",
     {.raw = true,
      .body = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n" COMPLETED
              "\r\n0\r\n\r\n"},
     REFOLD_OK,
     false},
    {"an invalid length of an error",
     {.raw = true, .body = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nContent-Length: x\r\n\r\n"},
     404,
     false},
    {"an invalid chunk size of an error",
     {.raw = true,
      .body = "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n"},
     404,
     false},
    {"a close with an odd character",
     {.raw = true,
      .body = "HTTP/1.1 200 OK\r\nConnection: close, \xe4\x01\r\nContent-Length: 23\r\n\r\n" COMPLETED},
     REFOLD_OK,
     false},
    {"a close after a blank",
     {.raw = true, .body = "HTTP/1.1 200 OK\r\nConnection : close\r\nContent-Length: 23\r\n\r\n" COMPLETED},
     REFOLD_OK,
     false},
    {"a folded close",
     {.raw = true,
      .body = "HTTP/1.1 200 OK\r\nConnection: a,\r\n close\r\nContent-Length: 23\r\n\r\n" COMPLETED},
     REFOLD_OK,
     false},
    {"until close", {.body = COMPLETED, .framing = UNTIL_CLOSE}, REFOLD_OK, false},
    {"Connection: close", {.body = COMPLETED, .headers = "Connection: close\r\n"}, REFOLD_OK, false},
    {"HTTP/1.0",
     {.raw = true, .body = "HTTP/1.0 200 OK\r\nContent-Length: 23\r\n\r\n" COMPLETED},
     REFOLD_OK,
     false},
    {"too large", {.body = COMPLETED "          "}, REFOLD_ERROR_RESPONSE_TOO_LARGE, false},
    {"an unknown encoding",
     {.body = COMPLETED, .headers = "Content-Encoding: br\r\n"},
     REFOLD_ERROR_INVALID_RESPONSE,
     false},
    {"data after Content-Length",
     {.raw = true, .body = "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n" COMPLETED "H"},
     REFOLD_OK,
     false},
    {"data after the last chunk",
     {.raw = true,
      .body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n" COMPLETED
              "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"},
     REFOLD_OK,
     false},
    {"data after an empty body",
     {.raw = true, .body = "HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"},
     304,
     false},
};

TEST(every_complete_response_leaves_a_reusable_connection) {
    for (size_t i = 0; i < 2 * COUNT(responses); i++) {
        size_t row = i / 2;
        bool secure = i % 2 == 1;
        struct server *server = serve(&(struct server_options){.responses = &responses[row].response,
                                                               .response_count = 1,
                                                               .certificate = secure ? "good" : NULL});
        refold_options *options = test_options(server_url(server));
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
        refold_options_set_max_response_bytes(options, 30);
        refold_client *client = client_of(options);
        check_case("%s%s", responses[row].name, secure ? ", TLS" : "");
        for (int call = 0; call < 5; call++)
            CHECK_INT(get_code(client), responses[row].code);
        CHECK_INT(server_requests(server), 5);
        if (responses[row].is_reused)
            CHECK_INT(server_connections(server), 1);
        else if (responses[row].response.headers == NULL) /* for the others, either is allowed */
            CHECK_INT(server_connections(server), 5);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Connections closed by the server ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct response response;
} closings[] = {
    {"closed after each response", {.body = COMPLETED, .ending = CLOSE}},
    {"reset after each response", {.body = COMPLETED, .ending = RESET}},
    {"half closed after each response", {.body = COMPLETED, .ending = HALF_CLOSE}},
    {"closed without a close_notify", {.body = COMPLETED, .ending = TRUNCATE}},
    {"closed after chunks", {.body = COMPLETED, .framing = CHUNKED, .ending = CLOSE}},
    {"closed after Connection: close",
     {.body = COMPLETED, .headers = "Connection: close\r\n", .ending = CLOSE}},
};

static void call_some(void *data) {
    for (int i = 0; i < 25; i++) {
        refold_execution_free(must_get(data));
    }
}

/* A reset discards unread data, so the call may rightly fail. The pause lets the client read the response
 * first. */
static void respond_then_reset(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
    exchange_pause(exchange, 5);
    exchange_reset(exchange);
}

TEST(a_server_that_closes_after_each_response_fails_no_call) {
    for (size_t i = 0; i < 2 * COUNT(closings); i++) {
        const struct response *response = &closings[i / 2].response;
        struct server_options options = {
            .responses = response, .response_count = 1, .certificate = i % 2 ? "good" : NULL};
        if (response->ending == RESET)
            options.handler = respond_then_reset;
        struct server *server = serve(&options);
        refold_client *client = trusting_client(server);
        check_case("%s%s", closings[i / 2].name, i % 2 ? ", TLS" : "");
        run_on_threads(4, call_some, client, 0);
        CHECK(server_requests(server) >= 100);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Closes the connection when its next request arrives, without a response, as when the server's idle timeout
 * races a request. */
static void close_on_second_request(struct exchange *exchange) {
    atomic_int *served = exchange_data(exchange);
    if (exchange_index(exchange) % 3 == 1) {
        exchange_close(exchange);
        return;
    }
    (*served)++;
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
}

static void reset_on_second_request(struct exchange *exchange) {
    if (exchange_index(exchange) % 3 == 1)
        exchange_reset(exchange);
    else
        close_on_second_request(exchange);
}

/* Resending is not a retry: it happens even if no retry is allowed, without a pause, and counts as no
 * attempt. */
TEST(a_request_that_races_the_close_is_resent_at_once) {
    void (*handlers[])(struct exchange *) = {close_on_second_request, reset_on_second_request};
    for (size_t i = 0; i < 4; i++) {
        atomic_int served = 0;
        struct server *server = serve(&(struct server_options){
            .handler = handlers[i / 2], .data = &served, .certificate = i % 2 ? "good" : NULL});
        refold_client *client = trusting_client(server);
        check_case("%zu", i);
        int64_t best = INT64_MAX;
        for (int call = 0; call < 20; call++) {
            int64_t began = now_ms();
            CHECK_INT(get_code(client), REFOLD_OK);
            int64_t took = now_ms() - began;
            best = took < best ? took : best;
        }
        CHECK_TIME(best, 0, 100);
        CHECK_INT(served, 20);
        refold_client_free(client);
        server_stop(server);
    }
}

static void drop_every_request(struct exchange *exchange) {
    if (exchange_connection(exchange) == 0 && exchange_index(exchange) == 0)
        exchange_respond(exchange, &(struct response){.body = COMPLETED});
    else
        exchange_close(exchange);
}

TEST(a_request_is_resent_only_once) {
    struct server *server = serve(&(struct server_options){.handler = drop_every_request});
    refold_client *client = client_to(server);
    refold_error *error = NULL;
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK(get(client, &error) == NULL);
    CHECK_INT(refold_error_attempts(error), 1);
    CHECK(refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_TRANSPORT, NULL);
    CHECK_INT(server_requests(server), 3);
    CHECK_INT(server_connections(server), 2);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_request_on_a_new_connection_is_not_resent) {
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = CLOSE});
    refold_client *client = client_to(server);
    CHECK_INT(get_code(client), REFOLD_ERROR_TRANSPORT);
    CHECK_INT(server_requests(server), 1);
    refold_client_free(client);
    server_stop(server);
}

/* Responses to a request that a server may have sent before it read the request. */
static const struct {
    const char *name, *response;
    enum ending ending;
    bool is_end; /* it ended the idle connection, and the request is resent */
    refold_code code;
} crossing_responses[] = {
    {"408", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", CLOSE, true,
     REFOLD_OK},
    {"408, held open", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", HOLD,
     true, REFOLD_OK},
    {"408 with a page",
     "HTTP/1.1 408 Request Timeout\r\nContent-Length: 9\r\nRetry-After: 70\r\nConnection: Keep, "
     "Close\r\n\r\n<html>...",
     CLOSE, true, REFOLD_OK},
    {"408 in chunks",
     "HTTP/1.1 408 Request Timeout\r\nTransfer-Encoding: chunked\r\nConnection: "
     "close\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
     CLOSE, true, REFOLD_OK},
    {"408 until close", "HTTP/1.1 408 Request Timeout\r\n\r\n<html>", CLOSE, true, REFOLD_OK},
    {"408 of HTTP/1.0", "HTTP/1.0 408 Too Late\r\n\r\n<html>", HALF_CLOSE, true, REFOLD_OK},
    {"408 with a cut body",
     "HTTP/1.1 408 Request Timeout\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<html>", CLOSE, true,
     REFOLD_OK},
    {"408 with a bad length", "HTTP/1.1 408 Request Timeout\r\nContent-Length: x\r\n\r\n", CLOSE, true,
     REFOLD_OK},
    {"408 that keeps the connection", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", HOLD,
     false, 408},
    {"400", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", CLOSE, false, 400},
    {"429", "HTTP/1.1 429 Slow\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", CLOSE, false, 429},
    {"503", "HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", CLOSE, false, 503},
};

static void cross_the_second_request(struct exchange *exchange) {
    size_t row = *(size_t *)exchange_data(exchange);
    if (exchange_index(exchange) == 1)
        exchange_respond(exchange, &(struct response){.raw = true,
                                                      .body = crossing_responses[row].response,
                                                      .ending = crossing_responses[row].ending});
    else
        exchange_respond(exchange, &(struct response){.body = COMPLETED});
}

TEST(a_408_that_ends_a_reused_connection_is_no_response) {
    for (size_t i = 0; i < 2 * COUNT(crossing_responses); i++) {
        size_t row = i / 2;
        struct server *server = serve(&(struct server_options){
            .handler = cross_the_second_request, .data = &row, .certificate = i % 2 ? "good" : NULL});
        refold_client *client = trusting_client(server);
        refold_error *error = NULL;
        bool is_end = crossing_responses[row].is_end;
        check_case("%s%s", crossing_responses[row].name, i % 2 ? ", TLS" : "");
        CHECK_INT(get_code(client), REFOLD_OK);
        int64_t began = now_ms();
        refold_execution_free(get(client, &error));
        CHECK_TIME(now_ms() - began, 0, 500);
        CHECK_INT(refold_error_code(error), crossing_responses[row].code);
        CHECK_INT(server_requests(server), is_end ? 3 : 2);
        CHECK_INT(server_connections(server), is_end ? 2 : 1);
        refold_error_free(error);
        refold_client_free(client);
        server_stop(server);
    }
}

static void respond_408_but_first(struct exchange *exchange) {
    if (exchange_index(exchange) == 0)
        exchange_respond(exchange, &(struct response){.body = COMPLETED});
    else
        exchange_respond(
            exchange, &(struct response){
                          .status = 408, .headers = "Connection: close\r\n", .body = "{}", .ending = CLOSE});
}

TEST(a_408_on_a_new_connection_is_the_callers) {
    struct server *server = serve(&(struct server_options){.handler = respond_408_but_first});
    refold_client *client = client_to(server);
    refold_error *error = NULL;
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK(get(client, &error) == NULL);
    CHECK_INT(refold_error_attempts(error), 1);
    EXPECT_ERROR(error, 408, NULL);
    CHECK_INT(server_requests(server), 3);
    CHECK_INT(get_code(client), 408);
    CHECK_INT(server_requests(server), 4);
    refold_client_free(client);
    server_stop(server);
}

static void respond_half(struct exchange *exchange) {
    if (exchange_index(exchange) == 0) {
        exchange_respond(exchange, &(struct response){.body = COMPLETED});
    } else {
        exchange_send_text(exchange, "H");
        exchange_close(exchange);
    }
}

TEST(nothing_is_resent_once_a_response_has_begun) {
    struct server *server = serve(&(struct server_options){.handler = respond_half});
    refold_client *client = client_to(server);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_INT(get_code(client), REFOLD_ERROR_TRANSPORT);
    CHECK_INT(server_requests(server), 2);
    refold_client_free(client);
    server_stop(server);
}

/* Closes idle connections after 0 to 4 ms, even if a request is on its way. */
static void close_soon(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
    exchange_pause(exchange, (int64_t)exchange_index(exchange) % 5);
    exchange_close(exchange);
}

static void call_with_pauses(void *data) {
    for (int i = 0; i < 60; i++) {
        refold_execution_free(must_get(data));
        pause_ms(i % 6);
    }
}

TEST(idle_connections_closed_by_the_server_fail_no_call) {
    for (int secure = 0; secure < 2; secure++) {
        struct server *server =
            serve(&(struct server_options){.handler = close_soon, .certificate = secure ? "good" : NULL});
        refold_client *client = trusting_client(server);
        check_case(secure ? "TLS" : "plaintext");
        run_on_threads(4, call_with_pauses, client, 0);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Bytes on idle connections ------------------------------------------------------------------------------ */

#define WRONG "{\"status\": \"RUNNING\", \"name\": \"wrong\"}"
#define RIGHT "{\"status\": \"COMPLETED\", \"name\": \"right\"}"

static const char *const late_bytes[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n" WRONG,
    "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n",
    "H",
    "\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
};

struct late {
    const char *bytes;
    struct event *sent;
    struct event *wanted;
};

/* Sends the response and, once the client has read it, unrequested bytes. */
static void respond_and_send_more(struct exchange *exchange) {
    struct late *late = exchange_data(exchange);
    exchange_respond(exchange, &(struct response){.body = RIGHT});
    if (exchange_index(exchange) % 2 == 1)
        return;
    event_await(late->wanted, 1 + (int)exchange_index(exchange) / 2, 10000);
    exchange_send_text(exchange, late->bytes);
    event_add(late->sent, 1);
}

TEST(late_bytes_are_never_taken_for_a_response) {
    enum { ROUNDS = 20 };
    for (size_t i = 0; i < 2 * COUNT(late_bytes); i++) {
        struct late late = {.bytes = late_bytes[i / 2], .sent = event_new(), .wanted = event_new()};
        struct server *server = serve(&(struct server_options){
            .handler = respond_and_send_more, .data = &late, .certificate = i % 2 ? "good" : NULL});
        refold_client *client = trusting_client(server);
        check_case("%zu%s", i / 2, i % 2 ? ", TLS" : "");
        for (int round = 0; round < 2 * ROUNDS; round++) {
            refold_error *error = NULL;
            refold_execution *execution = get(client, &error);
            CHECK_STR(refold_execution_name(execution), "right");
            refold_execution_free(execution);
            refold_error_free(error);
            if (round % 2 == 1)
                continue;
            event_add(late.wanted, 1);
            CHECK(event_await(late.sent, round / 2 + 1, 10000));
        }
        CHECK_INT(server_requests(server), 2 * ROUNDS);
        CHECK_INT(server_connections(server), ROUNDS + 1);
        refold_client_free(client);
        server_stop(server);
        event_free(late.sent);
        event_free(late.wanted);
    }
}

/* What arrives on an idle connection, below TLS. */
static const struct {
    const char *name;
    bool has_close_notify;
    const char *part;
    size_t count;
} late_records[] = {
    {"a close_notify", true, "", 0},
    {"a close_notify and junk", true, "junk", 1},
    {"a close_notify and 960 KB of junk", true, "junk and junk and junk; ", 40000},
    {"a close_notify and a partial header", true, "\x17\x03\x03\x40", 1},
    {"junk", false, "junk", 1},
    {"960 KB of junk", false, "junk and junk and junk; ", 40000},
    {"a partial header", false, "\x17\x03\x03\x40", 1},
    {"a partial record", false, "\x17\x03\x03\x40junk and junk and junk and junk", 1},
    {"invalid records", false, "\x14\x03\x03\x01", 10000},
};

struct late_record {
    size_t row;
    struct event *read, *sent;
};

static void respond_and_misbehave(struct exchange *exchange) {
    struct late_record *late = exchange_data(exchange);
    size_t row = late->row;
    exchange_respond(exchange, &(struct response){.body = RIGHT});
    if (exchange_index(exchange) > 0)
        return;
    event_await(late->read, 1, 10000);
    if (late_records[row].has_close_notify)
        exchange_close_notify(exchange);
    char *bytes = repeated(late_records[row].part, late_records[row].count);
    exchange_send_below_tls(exchange, bytes, strlen(bytes));
    free(bytes);
    event_add(late->sent, 1);
    exchange_await_close(exchange);
}

TEST(tls_sessions_that_misbehave_while_idle_are_not_reused) {
    for (size_t i = 0; i < COUNT(late_records); i++) {
        struct late_record late = {i, event_new(), event_new()};
        struct server *server = serve(
            &(struct server_options){.handler = respond_and_misbehave, .data = &late, .certificate = "good"});
        refold_client *client = trusting_client(server);
        check_case("%s", late_records[i].name);
        CHECK_INT(get_code(client), REFOLD_OK);
        event_add(late.read, 1);
        CHECK(event_await(late.sent, 1, 10000));
        CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_INT(server_connections(server), 2);
        CHECK_INT(server_requests(server), 2);
        refold_client_free(client);
        server_stop(server);
        event_free(late.read);
        event_free(late.sent);
    }
}

/* Idle time ---------------------------------------------------------------------------------------------- */

static void hold_until_all_have_arrived(struct exchange *exchange) {
    struct event *arrived = exchange_data(exchange);
    event_add(arrived, 1);
    if (exchange_index(exchange) < 3)
        event_await(arrived, 3, 10000);
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
}

static void call_at_the_advanced_time(void *client) {
    clock_follow(true);
    CHECK_INT(get_code(client), REFOLD_OK);
    clock_follow(false);
}

TEST(connections_idle_for_more_than_a_minute_are_dropped) {
    for (int secure = 0; secure < 2; secure++) {
        struct event *arrived = event_new();
        struct server *server = serve(&(struct server_options){
            .handler = hold_until_all_have_arrived, .data = arrived, .certificate = secure ? "good" : NULL});
        refold_client *client = trusting_client(server);
        check_case(secure ? "TLS" : "plaintext");
        run_on_threads(3, call_at_the_advanced_time, client, 0);
        CHECK_INT(server_connections(server), 3);
        clock_advance(59 * 1000);
        call_at_the_advanced_time(client); /* uses one of the three */
        CHECK_INT(server_connections(server), 3);
        CHECK_INT(server_open(server), 3);
        clock_advance(2 * 1000);
        call_at_the_advanced_time(client);
        CHECK_INT(server_connections(server), 3);
        CHECK(server_await_open(server, 1, 5000)); /* the two that were idle for 61 s are closed */
        clock_advance(61 * 1000);
        call_at_the_advanced_time(client);
        CHECK_INT(server_connections(server), 4);
        CHECK(server_await_open(server, 1, 5000));
        refold_client_free(client);
        server_stop(server);
        event_free(arrived);
    }
}

/* System calls ------------------------------------------------------------------------------------------- */

TEST(a_reused_connection_needs_neither_lookup_nor_thread) {
    struct server *server = serve_body(COMPLETED);
    char *url = text_of("http://server.invalid:%u", server_port(server));
    refold_options *options = test_options(url);
    refold_options_set_allow_plaintext(options, true);
    refold_client *client = client_of(options);
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK(await_threads(1, 5000));
    for (int i = 0; i < 100; i++) {
        CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_INT(thread_count(), 1);
    }
    CHECK_INT(lookup_count(), 1);
    CHECK_INT(server_connections(server), 1);
    refold_client_free(client);
    server_stop(server);
    free(url);
}

/* Makes a system call that marks a position in the trace. */
static void mark(void) { syscall(SYS_close, -4711); }

enum { WARM_UP = 20, TRACED = 100 };

/* Makes the traced calls, between two marks. */
static void make_traced_calls(bool secure) {
    /* Raw, so that head and body are sent at once: the client would wait twice for two segments. */
    const struct response response = {
        .raw = true,
        .body = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                "23\r\n\r\n" COMPLETED};
    struct server *server = serve(&(struct server_options){
        .responses = &response, .response_count = 1, .certificate = secure ? "good" : NULL});
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_log(options, REFOLD_LOG_OFF, NULL, NULL);
    refold_client *client = client_of(options);
    refold_cancel *cancel = refold_cancel_new();
    int failed = 0;
    for (int i = 0; i < WARM_UP + TRACED; i++) {
        if (i == WARM_UP)
            mark();
        refold_error *error = NULL;
        refold_execution_free(refold_get_execution(client, TEST_ID, cancel, &error));
        failed += error != NULL;
        refold_error_free(error);
    }
    mark();
    CHECK_INT(failed, 0);
    CHECK_INT(server_connections(server), 1);
    refold_cancel_free(cancel);
    refold_client_free(client);
    server_stop(server);
}

/* Runs the test of this name under strace, which writes the trace to a file. */
static bool trace_self(const char *test, const char *kind, const char *trace) {
    char program[4096] = "";
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        setenv("TRACED_CALLS", kind, 1);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* LeakSanitizer needs ptrace itself */
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(126);
        execlp("strace", "strace", "-f", "-qq", "-o", trace, program, test, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(child, &status, 0);
    if (status != 0)
        FAIL("strace (is it installed?) or the traced program ended with %d", status);
    return status == 0;
}

/* The system calls between the two marks, on the thread that made them. */
struct traced {
    int marks, calls, forks, threads;
    char names[400];
};

static void count_line(struct traced *traced, long thread, long *marked, const char *call) {
    if (strncmp(call, "close(-4711", 11) == 0) {
        traced->marks++;
        *marked = thread;
    } else if (traced->marks == 1 && thread == *marked && strncmp(call, "<...", 4) != 0) {
        bool is_fork_check = strncmp(call, "getpid(", 7) == 0;
        traced->forks += is_fork_check;
        traced->calls += !is_fork_check;
        traced->threads += strncmp(call, "clone", 5) == 0;
        size_t used = strlen(traced->names);
        if (used < 200)
            snprintf(traced->names + used, sizeof traced->names - used, "%.*s ", (int)strcspn(call, "("),
                     call);
    }
}

static struct traced read_trace(const char *trace) {
    struct traced traced = {0};
    char line[8192];
    long marked = -1;
    FILE *file = fopen(trace, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *call = NULL;
        long thread = strtol(line, &call, 10);
        count_line(&traced, thread, &marked, call + strspn(call, " "));
    }
    if (file != NULL)
        fclose(file);
    return traced;
}

/* A sanitizer makes a few system calls of its own. */
#ifdef CHECK_SANITIZED
enum { MAX_CALLS = 4 * TRACED + 20 };
#else
enum { MAX_CALLS = 4 * TRACED };
#endif

TEST(a_call_on_a_reused_connection_makes_four_system_calls) {
    static const char *const kinds[] = {"plaintext", "TLS"};
    const char *traced_kind = getenv("TRACED_CALLS");
    if (traced_kind != NULL) {
        make_traced_calls(strcmp(traced_kind, "TLS") == 0);
        return;
    }
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char trace[] = "/tmp/trace-XXXXXX";
        int file = mkstemp(trace);
        REQUIRE(file >= 0);
        close(file);
        check_case("%s", kinds[i]);
        if (trace_self("a_call_on_a_reused_connection_makes_four_system_calls", kinds[i], trace)) {
            struct traced traced = read_trace(trace);
            CHECK_INT(traced.marks, 2);
            CHECK_INT(traced.threads, 0);
            if (traced.calls < 3 * TRACED || traced.calls > MAX_CALLS)
                FAIL("%d calls took %d system calls: %s", TRACED, traced.calls, traced.names);
        }
        unlink(trace);
    }
}
