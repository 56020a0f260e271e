/* Response bodies: framing, compression, limits, and every way to damage them. Responses are written byte for
 * byte. */
#define _GNU_SOURCE
#include "client.h"
#include "gzip.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OK_LINE "HTTP/1.1 200 OK\r\n"
/* 40 (0x28) bytes. */
#define BODY "{\"status\": \"COMPLETED\", \"name\": \"whole\"}"

static struct bytes concatenated(const void *one, size_t one_length, const void *other, size_t other_length) {
    struct bytes bytes = {.start = malloc(one_length + other_length + 1),
                          .length = one_length + other_length};
    if (bytes.start == NULL)
        abort();
    memcpy(bytes.start, one, one_length);
    memcpy(bytes.start + one_length, other, other_length);
    bytes.start[bytes.length] = '\0';
    return bytes;
}

/* A response with this head and body. */
static struct bytes response_of(const char *head, const void *body, size_t length) {
    return concatenated(head, strlen(head), body, length);
}

/* What a server sends to every request, and how it ends. */
struct script {
    struct bytes response;
    size_t step; /* bytes per write; 0: all at once */
    enum ending ending;
    bool cuts; /* the n-th request gets only the first n bytes */
};

static void follow_script(struct exchange *exchange) {
    const struct script *script = exchange_data(exchange);
    size_t index = exchange_index(exchange);
    size_t length = script->cuts && index < script->response.length ? index : script->response.length;
    if (script->step > 0)
        exchange_drip(exchange, script->response.start, length, script->step, 0);
    else
        exchange_send(exchange, script->response.start, length);
    struct response end = {.silent = true, .ending = script->ending};
    exchange_respond(exchange, &end);
}

static struct server *serve_script(struct script *script, bool secure) {
    struct server_options options = {.handler = follow_script, .data = script};
    options.certificate = secure ? "good" : NULL;
    return serve(&options);
}

static refold_client *client_with_limit(struct server *server, uint64_t limit) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_max_response_bytes(options, limit);
    return client_of(options);
}

/* Whether the body arrived unchanged. Long bodies, made for their length, are checked by their name only. */
static void check_whole(const refold_execution *execution) {
    size_t length;
    const char *text = refold_json_text(refold_execution_json(execution), &length);
    CHECK_STR(refold_execution_name(execution), "whole");
    if (text != NULL && length < 50)
        CHECK_STR(text, BODY);
}

/* Makes one call and returns its code. A success must have the whole body. */
static refold_code call(const refold_client *client, bool *retryable) {
    refold_error *error = NULL;
    refold_execution *execution = get(client, &error);
    refold_code code = refold_error_code(error);
    if (execution != NULL)
        check_whole(execution);
    else
        CHECK(refold_error_message(error)[0] != '\0');
    *retryable = refold_error_is_retryable(error);
    refold_execution_free(execution);
    refold_error_free(error);
    return code;
}

static refold_code call_script(struct script script, bool secure, uint64_t limit) {
    bool retryable;
    struct server *server = serve_script(&script, secure);
    refold_client *client = client_with_limit(server, limit);
    refold_code code = call(client, &retryable);
    refold_client_free(client);
    server_stop(server);
    return code;
}

/* Complete bodies ---------------------------------------------------------------------------------------- */

#define CHUNKED_HEAD OK_LINE "Transfer-Encoding: chunked\r\n\r\n"
#define LAST_CHUNK "0\r\n\r\n"

static const struct {
    const char *name, *response;
    enum ending ending;
} whole_responses[] = {
    {"a length", OK_LINE "Content-Length: 40\r\n\r\n" BODY, HOLD},
    {"a length in small letters, without a space", OK_LINE "content-length:40\r\n\r\n" BODY, HOLD},
    {"no reason", "HTTP/1.1 200\r\nContent-Length: 40\r\n\r\n" BODY, HOLD},
    {"an empty reason", "HTTP/1.1 200 \r\nContent-Length: 40\r\n\r\n" BODY, HOLD},
    {"another 2xx", "HTTP/1.1 299 Whatever\r\nContent-Length: 40\r\n\r\n" BODY, HOLD},
    {"unusual headers",
     OK_LINE "Content-Length: 40\r\nEmpty:\r\nOther: \xc3\xa4\xff\r\nx-1_2.3~: \t tab\t \r\n\r\n" BODY, HOLD},
    {"identity", OK_LINE "Content-Encoding: identity\r\nContent-Length: 40\r\n\r\n" BODY, HOLD},
    {"identity in capitals", OK_LINE "Content-Encoding: IDENTITY\r\nContent-Length: 40\r\n\r\n" BODY, HOLD},
    {"one chunk", CHUNKED_HEAD "28\r\n" BODY "\r\n" LAST_CHUNK, HOLD},
    {"two chunks",
     CHUNKED_HEAD "1\r\n{\r\n27\r\n\"status\": \"COMPLETED\", \"name\": \"whole\"}\r\n" LAST_CHUNK, HOLD},
    {"Chunked", OK_LINE "transfer-encoding: Chunked\r\n\r\n28\r\n" BODY "\r\n" LAST_CHUNK, HOLD},
    {"zeros before a size", CHUNKED_HEAD "0000028\r\n" BODY "\r\n000\r\n\r\n", HOLD},
    {"sizes in capitals",
     CHUNKED_HEAD "1A\r\n{\"status\": \"COMPLETED\", \"n\r\nE\r\name\": \"whole\"}\r\n" LAST_CHUNK, HOLD},
    {"a chunk's extension", CHUNKED_HEAD "28;a=b\r\n" BODY "\r\n" LAST_CHUNK, HOLD},
    {"a chunk's extension with spaces", CHUNKED_HEAD "28 ; a = b\r\n" BODY "\r\n0;c\r\n\r\n", HOLD},
    {"a trailer", CHUNKED_HEAD "28\r\n" BODY "\r\n0\r\nA: b\r\n\r\n", HOLD},
    {"trailers",
     CHUNKED_HEAD "28\r\n" BODY
                  "\r\n0\r\nA: b\r\nContent-Length: 3\r\nC: a trailer that is a good deal longer\r\n\r\n",
     HOLD},
    {"odd trailers", CHUNKED_HEAD "28\r\n" BODY "\r\n0\r\nA : b\r\n folded\r\nno colon\r\n: \x01\r\n\r\n",
     HOLD},
    {"chunks in a second line",
     OK_LINE "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n" BODY "\r\n" LAST_CHUNK,
     HOLD},
    {"chunks after identity",
     OK_LINE "Transfer-Encoding: , identity ,\tCHUNKED, \r\n\r\n28\r\n" BODY "\r\n" LAST_CHUNK, HOLD},
    {"folded chunks", OK_LINE "Transfer-Encoding:\r\n chunked\r\n\r\n28\r\n" BODY "\r\n" LAST_CHUNK, HOLD},
    {"blanks after a size", CHUNKED_HEAD "28 \t\r\n" BODY "\r\n0  \r\n\r\n", HOLD},
    {"chunks and a length",
     OK_LINE "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n" BODY "\r\n" LAST_CHUNK, HOLD},
    {"until close", OK_LINE "\r\n" BODY, CLOSE},
    {"until close, announced", OK_LINE "Connection: close\r\n\r\n" BODY, CLOSE},
    {"until half closed", OK_LINE "\r\n" BODY, HALF_CLOSE},
    {"a length and closed", OK_LINE "Content-Length: 40\r\nConnection: close\r\n\r\n" BODY, CLOSE},
    {"chunks and closed",
     OK_LINE "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n" BODY "\r\n" LAST_CHUNK, CLOSE},
    {"identity as the framing", OK_LINE "Transfer-Encoding: identity\r\n\r\n" BODY, CLOSE},
    {"identity as the framing, half closed", OK_LINE "Transfer-Encoding: identity\r\n\r\n" BODY, HALF_CLOSE},
    {"HTTP/1.0, announcing the close", "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n" BODY, CLOSE},
    {"HTTP/1.0 until half closed", "HTTP/1.0 200 OK\r\n\r\n" BODY, HALF_CLOSE},
    {"HTTP/1.0 until close", "HTTP/1.0 200 OK\r\n\r\n" BODY, CLOSE},
    {"HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 40\r\n\r\n" BODY, CLOSE},
    {"HTTP/1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 40\r\n\r\n" BODY,
     HOLD},
    {"100 before", "HTTP/1.1 100 Continue\r\n\r\n" OK_LINE "Content-Length: 40\r\n\r\n" BODY, HOLD},
    {"100 with a header before",
     "HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" OK_LINE "Content-Length: 40\r\n\r\n" BODY, HOLD},
    {"one of HTTP/1.0 with bare line ends before",
     "\r\nHTTP/1.0 100\n\n" OK_LINE "Content-Length: 40\r\n\r\n" BODY, HOLD},
    {"102 before", "HTTP/1.1 102 Processing\r\n\r\n" OK_LINE "Content-Length: 40\r\n\r\n" BODY, HOLD},
    {"103 before",
     "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nLink: <b>\r\n\r\n" OK_LINE
     "Content-Length: 40\r\n\r\n" BODY,
     HOLD},
    {"an unknown one before",
     "HTTP/1.1 199 Whatever\r\nContent-Length: 5\r\n\r\n" OK_LINE "Content-Length: 40\r\n\r\n" BODY, HOLD},
    {"several before",
     "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: "
     "b\r\n\r\n"
     "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" CHUNKED_HEAD "28\r\n" BODY
     "\r\n" LAST_CHUNK,
     HOLD},
};

TEST(complete_bodies_are_accepted_in_any_framing) {
    for (size_t i = 0; i < 4 * COUNT(whole_responses); i++) {
        size_t row = i / 4;
        const char *response = whole_responses[row].response;
        struct script script = {
            .response = {.start = (char *)(uintptr_t)response, .length = strlen(response)},
            .step = i % 2,
            .ending = whole_responses[row].ending};
        check_case("%s%s%s", whole_responses[row].name, i % 2 ? ", byte by byte" : "",
                   i / 2 % 2 ? ", TLS" : "");
        CHECK_INT(call_script(script, i / 2 % 2, 0), REFOLD_OK);
    }
}

TEST(gzip_is_requested_and_decoded) {
    struct bytes bodies[] = {
        gzip_of(BODY, 40), gzip_as(BODY, 40, 0, false), gzip_as(BODY, 40, 1, true), {NULL, 0}};
    /* Two gzip members make one body (RFC 1952, 2.2). */
    struct bytes one = gzip_of(BODY, 10), other = gzip_as(BODY + 10, 30, 9, true);
    bodies[3] = concatenated(one.start, one.length, other.start, other.length);
    free(one.start);
    free(other.start);
    for (size_t i = 0; i < 2 * COUNT(bodies); i++) {
        struct bytes body = bodies[i / 2];
        char *with_length =
            text_of(OK_LINE "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", body.length);
        const char *until_close = OK_LINE "content-encoding:gzip\r\n\r\n";
        const char *in_capitals = OK_LINE "CONTENT-ENCODING: GZIP\r\n\r\n";
        const char *by_its_old_name =
            "HTTP/1.1 100 Continue\r\n\r\n" OK_LINE "Content-Encoding: \tX-gzip \r\n\r\n";
        char *in_chunks = text_of(
            OK_LINE "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", body.length);
        struct bytes chunk = concatenated(body.start, body.length, "\r\n" LAST_CHUNK, 7);
        struct script scripts[] = {
            {.response = response_of(with_length, body.start, body.length), .ending = HOLD},
            {.response = response_of(until_close, body.start, body.length), .ending = CLOSE},
            {.response = response_of(in_capitals, body.start, body.length), .ending = CLOSE},
            {.response = response_of(by_its_old_name, body.start, body.length), .ending = CLOSE},
            {.response = response_of(in_chunks, chunk.start, chunk.length), .ending = HOLD},
        };
        for (size_t j = 0; j < COUNT(scripts); j++) {
            check_case("body %zu, framing %zu%s", i / 2, j, i % 2 ? ", byte by byte" : "");
            scripts[j].step = i % 2;
            CHECK_INT(call_script(scripts[j], false, 40), REFOLD_OK);
            free(scripts[j].response.start);
        }
        free(with_length);
        free(in_chunks);
        free(chunk.start);
    }
    for (size_t i = 0; i < COUNT(bodies); i++)
        free(bodies[i].start);
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_STR(head_value(server_head(server, 0), "accept-encoding"), "gzip");
    refold_client_free(client);
    server_stop(server);
}

TEST(other_encodings_are_rejected) {
    static const char *const encodings[] = {"br",
                                            "deflate",
                                            "zstd",
                                            "compress",
                                            "br, gzip",
                                            "gzip, br",
                                            "gzip, gzip",
                                            "nonsense",
                                            "X-br",
                                            "identity\r\nContent-Encoding: br",
                                            "gzip\r\nContent-Encoding: br",
                                            "gzip\r\nContent-Encoding: gzip"};
    for (size_t i = 0; i < COUNT(encodings); i++) {
        char *headers = text_of("Content-Encoding: %s\r\n", encodings[i]);
        struct server *server = serve_responses(1, &(struct response){.body = BODY, .headers = headers});
        refold_options *options = test_options(server_url(server));
        refold_options_set_max_retries(options, 2);
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        check_case("%s", encodings[i]);
        CHECK(get(client, &error) == NULL);
        CHECK(!refold_error_is_retryable(error));
        CHECK_INT(refold_error_attempts(error), 1);
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_RESPONSE, NULL);
        refold_client_free(client);
        server_stop(server);
        free(headers);
    }
}

/* Echoes the API key in header lines of this format. */
static void echo_key(struct exchange *exchange) {
    const char *key = head_value(exchange_head(exchange), "x-api-key");
    char *lines = text_of(exchange_data(exchange), key, key);
    char *text = text_of(OK_LINE "%sContent-Length: 40\r\n\r\n" BODY, lines);
    exchange_send_text(exchange, text);
    free(lines);
    free(text);
}

TEST(a_key_echoed_as_an_encoding_is_redacted) {
    static const char *const keys[] = {"gzip_live_mixedCASE", "pk, gzip", "x-gzip",
                                       "J\xc3\xb6rg \xe2\x82\xac"};
    static const char *const lines[] = {
        "Content-Encoding: <%s>\r\n",
        "Content-Encoding: gzip, <%s>\r\n",
        "Content-Encoding: <%s>,gzip\r\n",
        "Content-Encoding: <%s>\r\nContent-Encoding: gzip\r\n",
        "Content-Encoding: GZIP\r\nContent-Encoding: <%s>\r\n",
        "Content-Encoding: gzip\r\nContent-Encoding: <%s>,\r\n <%s>\r\n",
        "Content-Encoding: gzip,\r\n\t<%s>\r\n",
        "Content-Encoding: gzip, <%s>\r\n \r\n",
        "Content-Encoding : <%s>\r\n",
        "Content-Encoding: \x01<%s>\x1b\r\n",
    };
    for (size_t i = 0; i < COUNT(keys) * COUNT(lines); i++) {
        const char *key = keys[i / COUNT(lines)], *line = lines[i % COUNT(lines)];
        struct server *server =
            serve(&(struct server_options){.handler = echo_key, .data = (void *)(uintptr_t)line});
        refold_options *options = test_options(server_url(server));
        refold_options_set_api_key(options, key, "account");
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        check_case("%s in %s", key, line);
        CHECK(get(client, &error) == NULL);
        CHECK_CONTAINS(refold_error_message(error), "<***>");
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_RESPONSE, "which was not requested");
        refold_client_free(client);
        server_stop(server);
    }
}

/* Truncated bodies --------------------------------------------------------------------------------------- */

/* Truncates the response at every byte; from `first` on, each truncation must be a retryable transport
 * error. */
static void check_cuts(const char *name, struct bytes response, bool secure, enum ending ending,
                       size_t first) {
    struct script script = {.response = response, .ending = ending, .cuts = true};
    struct server *server = serve_script(&script, secure);
    refold_client *client = client_with_limit(server, 0);
    for (size_t cut = 0; cut < response.length; cut++) {
        bool retryable;
        refold_code code = call(client, &retryable);
        check_case("%s, %s, cut after %zu of %zu", name, secure ? "TLS" : "plaintext", cut, response.length);
        if (cut >= first && code != REFOLD_ERROR_TRANSPORT)
            FAIL("the code is %d", code);
        if (cut >= first)
            CHECK(retryable);
    }
    CHECK_INT(server_requests(server), response.length);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_truncated_body_is_never_accepted) {
    struct bytes packed = gzip_of(BODY, 40);
    char *packed_head =
        text_of(OK_LINE "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", packed.length);
    struct bytes packed_response = response_of(packed_head, packed.start, packed.length);
    char *chunked_head =
        text_of(OK_LINE "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", packed.length);
    struct bytes chunk = concatenated(packed.start, packed.length, "\r\n0\r\nA: b\r\n\r\n", 13);
    struct bytes chunked_response = response_of(chunked_head, chunk.start, chunk.length);
    const char *length = OK_LINE "Content-Length: 40\r\n\r\n" BODY;
    const char *chunks = OK_LINE "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n27;a=b\r\n\"status\": "
                                 "\"COMPLETED\", \"name\": \"whole\"}\r\n0\r\n\r\n";
    const char *trailers = CHUNKED_HEAD "28\r\n" BODY "\r\n0\r\nA: b\r\nC: d\r\n\r\n";
    const char *framing =
        CHUNKED_HEAD "0001;a=\"b\"\r\n{\r\n01\r\n\"\r\n26 ; c\r\n"
                     "status\": \"COMPLETED\", \"name\": \"whole\"}\r\n000;d\r\nA: b\r\n\r\n";
    const char *lines = OK_LINE
        "Transfer-Encoding: identity\r\nTransfer-Encoding:  Chunked ,\r\n\r\n28\r\n" BODY "\r\n" LAST_CHUNK;
    const char *interim = "HTTP/1.1 100 Continue\r\n\r\n" OK_LINE "Content-Length: 40\r\n\r\n" BODY;
    const struct {
        const char *name;
        struct bytes response;
    } rows[] = {
        {"a length", {(char *)(uintptr_t)length, strlen(length)}},
        {"chunks", {(char *)(uintptr_t)chunks, strlen(chunks)}},
        {"trailers", {(char *)(uintptr_t)trailers, strlen(trailers)}},
        {"an interim response", {(char *)(uintptr_t)interim, strlen(interim)}},
        {"chunks in a second line", {(char *)(uintptr_t)lines, strlen(lines)}},
        {"gzip", packed_response},
        {"gzip in chunks", chunked_response},
        {"all that chunks may have", {(char *)(uintptr_t)framing, strlen(framing)}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_cuts(rows[i].name, rows[i].response, false, CLOSE, 0);
        check_cuts(rows[i].name, rows[i].response, false, RESET, 0);
        check_cuts(rows[i].name, rows[i].response, false, HALF_CLOSE, 0);
        if (i % 2 == 0) {
            check_cuts(rows[i].name, rows[i].response, true, CLOSE, 0);
            check_cuts(rows[i].name, rows[i].response, true, TRUNCATE, 0);
        }
    }
    free(packed.start);
    free(packed_head);
    free(packed_response.start);
    free(chunked_head);
    free(chunk.start);
    free(chunked_response.start);
}

/* A body that ends with the connection needs an orderly end of the connection. */
TEST(a_body_until_close_needs_a_clean_close) {
    const char *text = OK_LINE "\r\n" BODY;
    struct bytes response = {(char *)(uintptr_t)text, strlen(text)};
    check_cuts("until close", response, false, RESET, 0);
    check_cuts("until close", response, true, TRUNCATE, 0);
    check_cuts("until close", response, true, RESET, 0);
    struct script whole = {.response = response, .ending = RESET};
    check_case("whole, but reset");
    CHECK_INT(call_script(whole, false, 0), REFOLD_ERROR_TRANSPORT);
    whole.ending = TRUNCATE;
    check_case("whole, but without a close_notify");
    CHECK_INT(call_script(whole, true, 0), REFOLD_ERROR_TRANSPORT);
    whole.ending = CLOSE;
    check_case("whole");
    CHECK_INT(call_script(whole, true, 0), REFOLD_OK);
}

/* The body is complete for HTTP, but not for gzip. */
TEST(truncated_gzip_is_reported_as_truncated) {
    for (int decorated = 0; decorated < 2; decorated++) {
        struct bytes packed = gzip_as(BODY, 40, decorated ? 0 : 9, decorated);
        for (size_t cut = 1; cut < packed.length; cut++) {
            char *head = text_of(OK_LINE "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", cut);
            struct script script = {.response = response_of(head, packed.start, cut), .ending = HOLD};
            check_case("%zu of %zu", cut, packed.length);
            CHECK_INT(call_script(script, false, 0), REFOLD_ERROR_TRANSPORT);
            free(script.response.start);
            free(head);
        }
        free(packed.start);
    }
}

#define GATEWAY ": it was probably cut off before a gateway"
#define CUT_JSON "the response ends in the middle of its JSON" GATEWAY
#define CUT_GZIP "the response ends in the middle of its gzip stream" GATEWAY

/* What follows a whole gzip stream, and the code. */
static const struct {
    const char *name, *after;
    size_t length;
    refold_code code;
} after_gzip[] = {
    {"nothing", "", 0, REFOLD_OK},
    {"a zero", "\0", 1, REFOLD_OK},
    {"a block of zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, REFOLD_OK},
    {"a letter", "a", 1, REFOLD_ERROR_INVALID_RESPONSE},
    {"a line end", "\r\n", 2, REFOLD_ERROR_INVALID_RESPONSE},
    {"nine letters", "abcdefghi", 9, REFOLD_ERROR_INVALID_RESPONSE},
    {"ten letters", "abcdefghij", 10, REFOLD_ERROR_INVALID_RESPONSE},
    {"a letter after zeros", "\0\0a", 3, REFOLD_ERROR_INVALID_RESPONSE},
    {"JSON", BODY, 40, REFOLD_ERROR_INVALID_RESPONSE},
};

/* Makes three calls, which must have the same code, each with one attempt, on one connection. */
static void check_reuse(const struct response *response, bool secure, refold_code code, const char *message) {
    struct server *server = serve(&(struct server_options){
        .responses = response, .response_count = 1, .certificate = secure ? "good" : NULL});
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_client *client = client_of(options);
    for (int i = 0; i < 3; i++) {
        refold_error *error = NULL;
        refold_execution *execution = get(client, &error);
        CHECK_INT(refold_error_code(error), code);
        if (execution != NULL)
            check_whole(execution);
        else
            CHECK_ERROR(error, code, message);
        CHECK_INT(refold_error_is_retryable(error), code == REFOLD_ERROR_TRANSPORT);
        refold_execution_free(execution);
        refold_error_free(error);
    }
    CHECK_INT(server_requests(server), 3);
    CHECK_INT(server_connections(server), 1);
    refold_client_free(client);
    server_stop(server);
}

TEST(framing_ends_a_gzip_body_not_its_stream) {
    struct bytes packed = gzip_of(BODY, 40);
    for (size_t i = 0; i < 4 * COUNT(after_gzip); i++) {
        size_t row = i / 4;
        bool secure = i / 2 % 2;
        struct bytes body =
            concatenated(packed.start, packed.length, after_gzip[row].after, after_gzip[row].length);
        struct response response = {.body = body.start,
                                    .length = body.length,
                                    .headers = "Content-Encoding: gzip\r\n",
                                    .framing = i % 2 ? CHUNKED : BY_LENGTH};
        check_case("%s, %s%s", after_gzip[row].name, i % 2 ? "chunked" : "with a length",
                   secure ? ", TLS" : "");
        const char *message = after_gzip[row].code == REFOLD_OK ? NULL : "its body is not valid gzip";
        check_reuse(&response, secure, after_gzip[row].code, message);
        free(body.start);
    }
    free(packed.start);
}

TEST(an_empty_body_is_empty_whatever_its_encoding) {
    static const struct {
        const char *lines, *rest;
        refold_code code;
    } rows[] = {
        {"HTTP/1.1 204 No Content\r\n", "", REFOLD_ERROR_INVALID_RESPONSE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "", REFOLD_ERROR_INVALID_RESPONSE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", REFOLD_ERROR_INVALID_RESPONSE},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n", "", 404},
        {"HTTP/1.1 304 Not Modified\r\n", "", 304},
    };
    static const char *const encodings[] = {"gzip", "x-gzip", "br", "gzip, br", "identity"};
    for (size_t i = 0; i < COUNT(rows) * COUNT(encodings); i++) {
        size_t row = i / COUNT(encodings);
        const char *encoding = encodings[i % COUNT(encodings)];
        char *text = text_of("%sContent-Encoding: %s\r\n\r\n%s", rows[row].lines, encoding, rows[row].rest);
        check_case("%.30s, %s", rows[row].lines, encoding);
        check_reuse(&(struct response){.raw = true, .body = text}, false, rows[row].code,
                    rows[row].code < 0 ? "it is empty" : NULL);
        free(text);
    }
}

/* A gateway that lost its server in the middle of a body may send what it has as a whole response. */
TEST(a_body_cut_before_a_gateway_is_retryable) {
    static const char body[] = " {\"status\": \"\\u00e9\xc3\xa9\", \"nodes\": [{\"a\": true}, -1.5e3]}";
    enum { LENGTH = sizeof body - 1 };
    struct bytes whole_packed = gzip_of(body, LENGTH);
    for (size_t cut = 2; cut < LENGTH; cut++) {
        struct bytes packed = gzip_of(body, cut);
        const struct response responses[] = {
            {.body = body, .length = cut},
            {.body = body, .length = cut, .framing = CHUNKED},
            {.body = packed.start, .length = packed.length, .headers = "Content-Encoding: gzip\r\n"},
        };
        for (size_t i = 0; i < COUNT(responses); i++) {
            check_case("%zu of %d, framing %zu", cut, LENGTH, i);
            check_reuse(&responses[i], false, REFOLD_ERROR_TRANSPORT, CUT_JSON);
        }
        free(packed.start);
        refold_error *error = UNREAD_ERROR;
        CHECK(refold_parse_execution(body, cut, &error) == NULL);
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_RESPONSE, NULL);
    }
    for (size_t cut = 1; cut < whole_packed.length; cut++) {
        struct response response = {.body = whole_packed.start,
                                    .length = cut,
                                    .headers = "Content-Encoding: gzip\r\n",
                                    .framing = cut % 2 ? CHUNKED : BY_LENGTH};
        check_case("%zu of %zu packed", cut, whole_packed.length);
        check_reuse(&response, cut % 5 == 0, REFOLD_ERROR_TRANSPORT, CUT_GZIP);
    }
    free(whole_packed.start);
    static const struct {
        const char *name;
        struct response response;
        refold_code code;
    } others[] = {
        {"wrong JSON", {.body = "{\"status\": \"R\", }"}, REFOLD_ERROR_INVALID_RESPONSE},
        {"wrong JSON that ends too early", {.body = "{\"status\" \"R\""}, REFOLD_ERROR_INVALID_RESPONSE},
        {"too many brackets", {.body = "{\"status\": \"R\"}}"}, REFOLD_ERROR_INVALID_RESPONSE},
        {"no status", {.body = "{}"}, REFOLD_ERROR_INVALID_RESPONSE},
        {"no object", {.body = "[1, 2"}, REFOLD_ERROR_INVALID_RESPONSE},
        {"HTML", {.body = "<html>"}, REFOLD_ERROR_INVALID_RESPONSE},
        {"nothing", {.body = ""}, REFOLD_ERROR_INVALID_RESPONSE},
        {"blanks", {.body = " \r\n"}, REFOLD_ERROR_INVALID_RESPONSE},
        {"a cut error", {.status = 404, .body = "{\"message\": "}, 404},
        {"a cut error in gzip",
         {.status = 401, .body = "\x1f\x8b\x08", .headers = "Content-Encoding: gzip\r\n"},
         401},
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        check_case("%s", others[i].name);
        check_reuse(&others[i].response, false, others[i].code, NULL);
    }
}

/* What cannot be decoded is read to its end if it is short, so its connection stays in use. */
TEST(an_undecodable_body_keeps_its_connection) {
    char *long_text = repeated("no gzip ", 5000);
    const struct {
        const char *name;
        struct response response;
        refold_code code;
    } rows[] = {
        {"no gzip", {.body = "abc", .headers = "Content-Encoding: gzip\r\n"}, REFOLD_ERROR_INVALID_RESPONSE},
        {"JSON", {.body = BODY, .headers = "Content-Encoding: gzip\r\n"}, REFOLD_ERROR_INVALID_RESPONSE},
        {"much text",
         {.body = long_text, .headers = "Content-Encoding: gzip\r\n"},
         REFOLD_ERROR_INVALID_RESPONSE},
        {"much text in a chunk",
         {.body = long_text, .headers = "Content-Encoding: gzip\r\n", .framing = CHUNKED},
         REFOLD_ERROR_INVALID_RESPONSE},
        {"br", {.body = BODY, .headers = "Content-Encoding: br\r\n"}, REFOLD_ERROR_INVALID_RESPONSE},
        {"an error", {.status = 503, .body = "abc", .headers = "Content-Encoding: gzip\r\n"}, 503},
        {"an error in br", {.status = 404, .body = "abc", .headers = "Content-Encoding: br\r\n"}, 404},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct server *server = serve_responses(1, &rows[i].response);
        refold_client *client = client_to(server);
        check_case("%s", rows[i].name);
        for (int call = 0; call < 3; call++)
            CHECK_INT(get_code(client), rows[i].code);
        CHECK_INT(server_requests(server), 3);
        CHECK_INT(server_connections(server), 1);
        refold_client_free(client);
        server_stop(server);
    }
    free(long_text);
}

TEST(empty_members_of_content_encoding_are_ignored) {
    struct bytes packed = gzip_of(BODY, 40);
    static const struct {
        const char *lines;
        bool is_gzip;
    } rows[] = {
        {"Content-Encoding: gzip,\r\n", true},
        {"Content-Encoding: , gzip ,,\r\n", true},
        {"Content-Encoding: identity, gzip\r\n", true},
        {"Content-Encoding: ,\r\nContent-Encoding: x-gzip,\r\n", true},
        {"Content-Encoding:\r\n", false},
        {"Content-Encoding: ,\r\n", false},
        {"Content-Encoding: identity,,identity\r\n", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_case("%s", rows[i].lines);
        struct response response = {.body = rows[i].is_gzip ? packed.start : BODY,
                                    .length = rows[i].is_gzip ? packed.length : 40,
                                    .headers = rows[i].lines};
        check_reuse(&response, false, REFOLD_OK, NULL);
    }
    free(packed.start);
}

TEST(corrupt_gzip_is_rejected) {
    enum { MAGIC = 3, CHECKSUMS = 8 }; /* their sizes in bytes, at the start and the end */
    struct bytes packed = gzip_of(BODY, 40);
    char *head = text_of(OK_LINE "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", packed.length);
    struct bytes response = response_of(head, packed.start, packed.length);
    for (size_t i = 0; i < 8 * packed.length; i++) {
        size_t at = i / 8;
        response.start[strlen(head) + at] ^= (char)(1 << i % 8);
        check_case("bit %zu of byte %zu of %zu", i % 8, at, packed.length);
        refold_code code = call_script((struct script){.response = response, .ending = HOLD}, false, 1000);
        /* Fields that do not affect the body, such as the time, may have any value; call() checks the
         * body. */
        if (code != REFOLD_ERROR_INVALID_RESPONSE && code != REFOLD_ERROR_TRANSPORT)
            CHECK_INT(code, REFOLD_OK);
        if (at >= packed.length - CHECKSUMS || at < MAGIC)
            CHECK_INT(code, REFOLD_ERROR_INVALID_RESPONSE);
        response.start[strlen(head) + at] ^= (char)(1 << i % 8);
    }
    free(response.start);
    free(packed.start);
    free(head);
}

/* Truncated in each way that the client itself must detect, then complete at the second attempt. */
struct retry_case {
    struct response responses[2];
    bool secure;
};

static void retry_case(void *data) {
    struct retry_case *row = data;
    struct server_options server_options = {.responses = row->responses, .response_count = 2};
    server_options.certificate = row->secure ? "good" : NULL;
    struct server *server = serve(&server_options);
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_max_retries(options, 1);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_INT(server_requests(server), 2);
    refold_client_free(client);
    server_stop(server);
}

TEST(truncated_responses_are_retried) {
    struct bytes packed = gzip_of(BODY, 40), cut = gzip_of(BODY, 20);
    struct retry_case rows[] = {
        {{{.body = BODY, .is_cut = true, .cut = 39}, {.body = BODY}}, false},
        {{{.raw = true, .body = CHUNKED_HEAD "28\r\n" BODY "\r\n0\r\n", .ending = CLOSE}, {.body = BODY}},
         false},
        {{{.raw = true, .body = CHUNKED_HEAD "28\r\n" BODY "\r\n", .ending = CLOSE}, {.body = BODY}}, false},
        {{{.body = BODY, .framing = UNTIL_CLOSE, .ending = RESET}, {.body = BODY}}, false},
        {{{.body = BODY, .framing = UNTIL_CLOSE, .ending = TRUNCATE}, {.body = BODY}}, true},
        {{{.body = packed.start, .length = packed.length - 1, .headers = "Content-Encoding: gzip\r\n"},
          {.body = BODY}},
         false},
        {{{.body = BODY, .length = 20}, {.body = BODY}}, false},
        {{{.body = cut.start, .length = cut.length, .headers = "Content-Encoding: gzip\r\n"}, {.body = BODY}},
         false},
    };
    run_on_threads(COUNT(rows), retry_case, rows, sizeof rows[0]);
    free(packed.start);
    free(cut.start);
}

/* Heads -------------------------------------------------------------------------------------------------- */

#define ENVELOPE "{\"message\": \"no\", \"error_code\": \"e\"}"
/* ENVELOPE has 36 (0x24) bytes. */
#define UNAVAILABLE_LINE "HTTP/1.1 503 Service Unavailable\r\n"

/* Makes one call to a server that sends this text and keeps the connection open; the caller frees the error.
 */
static refold_execution *get_text(const char *text, size_t step, refold_error **error) {
    struct script script = {
        .response = {(char *)(uintptr_t)text, strlen(text)}, .step = step, .ending = HOLD};
    struct server *server = serve_script(&script, false);
    refold_client *client = client_with_limit(server, 0);
    refold_execution *execution = get(client, error);
    refold_client_free(client);
    server_stop(server);
    return execution;
}

/* What is wrong with these lines of a head, or unusual, never matters: no field that they belong to is read.
 */
static const char *const ignored_lines[] = {
    "A: b\r\n folded\r\n",
    "A: b\r\n\tfolded\r\n   and again\r\n",
    "A:\r\n folded\r\n",
    "A: b\r\n \r\n",
    "A: b\n folded\n",
    "A: b\r\n Content-Length: 3\r\n",
    "A: b\r\n Transfer-Encoding: chunked\r\n",
    "A: b\r\n\x01\r\n",
    "A : b\r\n",
    "A\t: b\r\n",
    "A: \x01\r\n",
    "A: \x7f\r\n",
    "A: \x1b[2J\x07\r\n",
    "A: b\rc\r\n",
    "A: b\r\r\n",
    "A\x01: b\r\n",
    "A b: c\r\n",
    "\"A\": b\r\n",
    "\xc3\xa4: b\r\n",
    ": b\r\n",
    ":\r\n",
    "no colon\r\n",
    "no colon\r\n folded\r\n",
    "{\"a\": 1}\r\n",
    "HTTP/1.1 200 OK\r\n",
    "Content-Length.: 3\r\n",
    "X-Content-Length: 3\r\n",
    "Transfer-Encoding!: chunked\r\n",
    "\x01"
    "Content-Length: 3\r\n",
};

TEST(lines_of_a_head_that_are_not_read_never_matter) {
    for (size_t i = 0; i < 4 * COUNT(ignored_lines); i++) {
        const char *line = ignored_lines[i / 4];
        bool is_first = i % 2 == 0;
        size_t step = i / 2 % 2;
        check_case("%s%s, %zu", is_first ? "first: " : "", line, step);
        char *success = text_of(OK_LINE "%sContent-Length: 40\r\n%s\r\n" BODY, is_first ? line : "",
                                is_first ? "" : line);
        char *failure = text_of(UNAVAILABLE_LINE "%sRetry-After: 70\r\nContent-Length: 36\r\n%s\r\n" ENVELOPE,
                                is_first ? line : "", is_first ? "" : line);
        refold_error *error = NULL;
        refold_execution *execution = get_text(success, step, &error);
        CHECK_INT(refold_error_code(error), REFOLD_OK);
        check_whole(execution);
        refold_execution_free(execution);
        refold_error_free(error);
        CHECK(get_text(failure, step, &error) == NULL);
        CHECK_INT(refold_error_retry_after_ms(error), 70000);
        CHECK_STR(refold_error_api_code(error), "e");
        CHECK_STR(refold_error_message(error), "no");
        EXPECT_ERROR(error, 503, NULL);
        free(success);
        free(failure);
    }
}

/* A blank starts a line that continues the one before it. Without a field to continue, it is ignored. */
TEST(a_first_line_with_a_leading_blank_is_ignored) {
    static const char *const lines[] = {" A: b\r\n", "\tA: b\r\n", " \r\n", " Content-Length: 3\r\n",
                                        " A: b\r\n Content-Length: 3\r\n"};
    for (size_t i = 0; i < COUNT(lines); i++) {
        char *text = text_of(OK_LINE "%sContent-Length: 40\r\n\r\n" BODY, lines[i]);
        refold_error *error = NULL;
        check_case("%s", lines[i]);
        refold_execution *execution = get_text(text, 0, &error);
        CHECK_INT(refold_error_code(error), REFOLD_OK);
        check_whole(execution);
        refold_execution_free(execution);
        refold_error_free(error);
        free(text);
    }
}

/* Fields that are read, in forms that few servers send. Each is preceded by a status line. */
static const struct {
    const char *name, *head;
    refold_code code;
    int64_t retry_after_ms;
    const char *request_id;
} unusual_heads[] = {
    {"a folded length", "200 OK\r\nContent-Length:\r\n 40\r\n", REFOLD_OK, -1, NULL},
    {"a length and a fold", "200 OK\r\nContent-Length: 40\r\n\t \r\n", REFOLD_OK, -1, NULL},
    {"equal lengths", "200 OK\r\nContent-Length: 40, 40\r\nContent-Length: 040\r\n", REFOLD_OK, -1, NULL},
    {"a folded list of lengths", "200 OK\r\nContent-Length: 40,\r\n 40\r\n", REFOLD_OK, -1, NULL},
    {"a control character in the reason", "200 O\x1bK\x7f\r\nContent-Length: 40\r\n", REFOLD_OK, -1, NULL},
    {"a folded encoding", "200 OK\r\nContent-Encoding:\r\n identity\r\nContent-Length: 40\r\n", REFOLD_OK, -1,
     NULL},
    {"a control character in an encoding",
     "200 OK\r\nContent-Encoding: identity\x01\r\nContent-Length: 40\r\n", REFOLD_OK, -1, NULL},
    {"a blank after the name of the encoding", "200 OK\r\nContent-Encoding : br\r\nContent-Length: 40\r\n",
     REFOLD_ERROR_INVALID_RESPONSE, -1, NULL},
    {"a folded pause", "503 No\r\nRetry-After:\r\n 70\r\nContent-Length: 40\r\n", 503, 70000, NULL},
    {"a folded date", "503 No\r\nRetry-After: Sun, 06 Nov\r\n\t1994 08:49:37 GMT\r\nContent-Length: 40\r\n",
     503, 0, NULL},
    {"a blank before a colon", "503 No\r\nRetry-After : 70\r\nContent-Length: 40\r\n", 503, 70000, NULL},
    {"blanks before a colon", "503 No\r\nRETRY-AFTER \t :70\r\nContent-Length: 40\r\n", 503, 70000, NULL},
    {"a control character in a pause",
     "503 No\r\nRetry-After: \x01"
     "70\r\nContent-Length: 40\r\n",
     503, 70000, NULL},
    {"a pause without a colon", "503 No\r\nRetry-After 70\r\nContent-Length: 40\r\n", 503, -1, NULL},
    {"a control character in a request id", "503 No\r\nX-Request-Id: a\x1b[0m\x7f\r\nContent-Length: 40\r\n",
     503, -1, "a [0m"},
    {"a folded request id", "503 No\r\nX-Request-Id: a\r\n  b\r\nContent-Length: 40\r\n", 503, -1, "a b"},
    {"a request id after a blank", "503 No\r\nX-Request-Id\t: a\r\nContent-Length: 40\r\n", 503, -1, "a"},
    {"an odd field between those that are read",
     "503 No\r\nRetry-After: 70\r\nA\r\n b\r\nX-Request-Id: a\r\nContent-Length: 40\r\n", 503, 70000, "a"},
    {"DEL in the reason", "503 \x7f\r\nRetry-After: 70\r\nContent-Length: 40\r\n", 503, 70000, NULL},
    {"a bare CR in the reason", "503 a\rb\r\nRetry-After: 70\r\nContent-Length: 40\r\n", 503, 70000, NULL},
    {"odd lines in an interim head",
     "100 Con\x1btinue\r\nA : b\r\n folded\r\nno colon\r\nA: \x7f\r\n\r\nHTTP/1.1 503 No\r\nRetry-After: "
     "70\r\nContent-Length: 40\r\n",
     503, 70000, NULL},
};

TEST(fields_are_read_in_every_form_that_has_one_meaning) {
    for (size_t i = 0; i < 2 * COUNT(unusual_heads); i++) {
        size_t row = i / 2;
        char *text = text_of("HTTP/1.1 %s\r\n" BODY, unusual_heads[row].head);
        refold_error *error = NULL;
        check_case("%s, %zu", unusual_heads[row].name, i % 2);
        refold_execution_free(get_text(text, i % 2, &error));
        CHECK_INT(refold_error_code(error), unusual_heads[row].code);
        if (error != NULL) {
            CHECK_INT(refold_error_retry_after_ms(error), unusual_heads[row].retry_after_ms);
            CHECK_STR(refold_error_request_id(error), unusual_heads[row].request_id);
        }
        refold_error_free(error);
        free(text);
    }
}

/* A success whose framing is ambiguous is rejected at once, even though the connection stays open. An error
 * keeps its status and Retry-After. */
static const char *const invalid_framings[] = {
    "Content-Length : 40\r\n",
    "Content-Length\r\n",
    "Content-Length 40\r\n",
    "Content-Length\x01: 40\r\n",
    "Content-Length: 40\x01\r\n",
    "Content-Length: 4\r0\r\n",
    "Content-Length: 4\r\n 0\r\n",
    "Content-Length:\r\n",
    "Content-Length: ,\r\n",
    "Content-Length: 40,\r\n",
    "Content-Length: many\r\n",
    "Content-Length: -40\r\n",
    "Content-Length: +40\r\n",
    "Content-Length: 40 40\r\n",
    "Content-Length: 40.0\r\n",
    "Content-Length: 0x28\r\n",
    "Content-Length: \xd9\xa4\r\n",
    "Content-Length: 99999999999999999999999\r\n",
    "Content-Length: 40\r\nContent-Length: 39\r\n",
    "Content-Length: 0\r\nContent-Length: x\r\n",
    "Content-Length: x\r\nContent-Length: 40\r\n",
    "Content-Length: 40, 39\r\n",
    "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
};

static void check_refused(const char *success, const char *failure, size_t step) {
    refold_error *error = NULL;
    int64_t began = now_ms();
    CHECK(get_text(success, step, &error) == NULL);
    CHECK(!refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_TRANSPORT, "the framing of its body is invalid");
    CHECK(get_text(failure, step, &error) == NULL);
    CHECK_INT(refold_error_retry_after_ms(error), 70000);
    EXPECT_ERROR(error, 503, NULL);
    CHECK_TIME(now_ms() - began, 0, 5000);
}

TEST(a_success_is_refused_for_its_framing_alone) {
    for (size_t i = 0; i < 2 * COUNT(invalid_framings); i++) {
        const char *line = invalid_framings[i / 2];
        char *success = text_of(OK_LINE "%s\r\n" BODY, line);
        char *failure = text_of(UNAVAILABLE_LINE "Retry-After: 70\r\n%s\r\n" ENVELOPE, line);
        check_case("%s, %zu", line, i % 2);
        check_refused(success, failure, i % 2);
        free(success);
        free(failure);
    }
}

/* A chunked body follows each. */
static const struct {
    const char *version, *lines;
} invalid_encodings[] = {
    {"1.0", "Transfer-Encoding: chunked\r\n"},
    {"1.0", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n"},
    {"1.0", "Transfer-Encoding: chunked\r\nContent-Length: 51\r\n"},
    {"1.0", "Transfer-Encoding: identity\r\n"},
    {"1.0", "Transfer-Encoding:\r\n"},
    {"1.1", "Transfer-Encoding: chunked, identity\r\n"},
    {"1.1", "Transfer-Encoding: chunked, chunked\r\n"},
    {"1.1", "Transfer-Encoding: chunked,\r\n chunked\r\n"},
    {"1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
    {"1.1", "Transfer-Encoding: chunked\r\nA: b\r\ntransfer-encoding: Identity\r\n"},
    {"1.1", "Transfer-Encoding: chunked chunked\r\n"},
    {"1.1", "Transfer-Encoding: gzip\r\n"},
    {"1.1", "Transfer-Encoding: gzip, chunked\r\n"},
    {"1.1", "Transfer-Encoding: chunked, gzip\r\n"},
    {"1.1", "Transfer-Encoding: identity, deflate\r\n"},
    {"1.1", "Transfer-Encoding: unchunked\r\n"},
    {"1.1", "Transfer-Encoding: chunked2\r\n"},
    {"1.1", "Transfer-Encoding: chunk\r\n ed\r\n"},
    {"1.1", "Transfer-Encoding: chunked;a=b\r\n"},
    {"1.1", "Transfer-Encoding: \"chunked\"\r\n"},
    {"1.1", "Transfer-Encoding: chunked\x01\r\n"},
    {"1.1", "Transfer-Encoding: \x0b"
            "chunked\r\n"},
    {"1.1", "Transfer-Encoding: chunked\xc2\xa0\r\n"},
    {"1.1", "Transfer-Encoding: chun\rked\r\n"},
    {"1.1", "Transfer-Encoding: \r\n"},
    {"1.1", "Transfer-Encoding: ,\r\n"},
    {"1.1", "Transfer-Encoding : chunked\r\n"},
    {"1.1", "Transfer-Encoding\r\n"},
    {"1.1", "Transfer-Encoding: x\r\nContent-Length: 51\r\n"},
};

TEST(transfer_encodings_other_than_chunked_are_refused) {
    for (size_t i = 0; i < 2 * COUNT(invalid_encodings); i++) {
        const char *version = invalid_encodings[i / 2].version, *lines = invalid_encodings[i / 2].lines;
        char *success = text_of("HTTP/%s 200 OK\r\n%s\r\n28\r\n" BODY "\r\n" LAST_CHUNK, version, lines);
        char *failure = text_of(
            "HTTP/%s 503 No\r\nRetry-After: 70\r\n%s\r\n24\r\n" ENVELOPE "\r\n" LAST_CHUNK, version, lines);
        check_case("HTTP/%s, %s, %zu", version, lines, i % 2);
        check_refused(success, failure, i % 2);
        free(success);
        free(failure);
    }
}

/* With each of these in place of the size of the first chunk, or of the last one. */
TEST(a_chunk_size_has_digits_only) {
    static const char *const before[] = {"+",    "-",  " ",        "\t",           "\x0b",
                                         "\x01", "0x", "\xc2\xa0", "\xe2\x80\x83", "_"};
    static const char *const after[] = {"\x0b", "\x01", "\xc2\xa0", "_", "h", ".0", ";a\nb"};
    for (size_t i = 0; i < 4 * (COUNT(before) + COUNT(after)); i++) {
        size_t row = i / 4;
        const char *prefix = row < COUNT(before) ? before[row] : "";
        const char *suffix = row < COUNT(before) ? "" : after[row - COUNT(before)];
        bool is_first = i % 2 == 0;
        const char *const sizes[] = {is_first ? prefix : "", is_first ? suffix : "", is_first ? "" : prefix,
                                     is_first ? "" : suffix};
        char *success = text_of(CHUNKED_HEAD "%s28%s\r\n" BODY "\r\n%s0%s\r\n\r\n", sizes[0], sizes[1],
                                sizes[2], sizes[3]);
        char *failure = text_of("HTTP/1.1 503 No\r\nRetry-After: 70\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "%s24%s\r\n" ENVELOPE "\r\n%s0%s\r\n\r\n",
                                sizes[0], sizes[1], sizes[2], sizes[3]);
        check_case("%s28%s, %zu", prefix, suffix, i % 4);
        refold_error *error = NULL;
        CHECK(get_text(success, i / 2 % 2, &error) == NULL);
        EXPECT_ERROR(error, REFOLD_ERROR_TRANSPORT, NULL);
        CHECK(get_text(failure, i / 2 % 2, &error) == NULL);
        CHECK_INT(refold_error_retry_after_ms(error), 70000);
        EXPECT_ERROR(error, 503, NULL);
        free(success);
        free(failure);
    }
}

/* Whichever of the two faults is noticed first. */
TEST(invalid_chunks_matter_more_than_what_is_in_them) {
    static const char *const ends[] = {"\r\n+0\r\n\r\n", "..0\r\n\r\n", "..+0\r\n\r\n",
                                       "\r\n0\rno size\r\n\r\n", "\r\n28\r\n" BODY "..0\r\n\r\n"};
    for (size_t i = 0; i < COUNT(ends) * 2; i++) {
        char *response = text_of(
            OK_LINE "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc%s", ends[i / 2]);
        refold_error *error = NULL;
        check_case("%zu", i);
        CHECK(get_text(response, i % 2, &error) == NULL);
        CHECK(!refold_error_is_retryable(error));
        EXPECT_ERROR(error, REFOLD_ERROR_TRANSPORT, NULL);
        free(response);
    }
}

/* Invalid HTTP ------------------------------------------------------------------------------------------- */

TEST(invalid_http_is_rejected) {
    static const char *const responses[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "220 mail ESMTP\r\n",
        "ICY 200 OK\r\n\r\n",
        "\x15\x03\x01\x02\x02\x46",
        "<html>\r\n\r\n</html>",
        "HTTP/2.0 200 OK\r\nContent-Length: 40\r\n\r\n" BODY,
        "HTTP/1.1 abc OK\r\nContent-Length: 40\r\n\r\n" BODY,
        "HTTP/1.1 20 OK\r\nContent-Length: 40\r\n\r\n" BODY,
        "HTTP/1.1 2000 OK\r\nContent-Length: 40\r\n\r\n" BODY,
        "HTTP/1.1 099 OK\r\nContent-Length: 40\r\n\r\n" BODY,
        "HTTP/1.1\r\nContent-Length: 40\r\n\r\n" BODY,
        "HTTP/1.1 200OK\r\nContent-Length: 40\r\n\r\n" BODY,
    };
    for (size_t i = 0; i < COUNT(responses); i++) {
        struct script script = {.response = {(char *)(uintptr_t)responses[i], strlen(responses[i])},
                                .ending = CLOSE};
        check_case("%zu: %.30s", i, responses[i]);
        CHECK_INT(call_script(script, false, 0), REFOLD_ERROR_TRANSPORT);
    }
}

TEST(invalid_chunks_are_rejected) {
    static const char *const chunks[] = {
        "zz\r\n" BODY "\r\n" LAST_CHUNK,
        "-28\r\n" BODY "\r\n" LAST_CHUNK,
        "\r\n" BODY "\r\n" LAST_CHUNK,
        ";a=b\r\n" BODY "\r\n" LAST_CHUNK,
        "0x28\r\n" BODY "\r\n" LAST_CHUNK,
        "2 8\r\n" BODY "\r\n" LAST_CHUNK,
        "27\r\n" BODY "\r\n" LAST_CHUNK,
        "29\r\n" BODY "\r\n" LAST_CHUNK,
        "28\r\n" BODY LAST_CHUNK,
        "28\n" BODY "\n0\n\n",
        "FFFFFFFFFFFFFFFFF28\r\n" BODY "\r\n" LAST_CHUNK,
        "FFFFFFFFFFFFFFFF\r\n" BODY "\r\n" LAST_CHUNK,
        "7FFFFFFFFFFFFFFF\r\n" BODY "\r\n" LAST_CHUNK,
        BODY,
    };
    for (size_t i = 0; i < COUNT(chunks); i++) {
        struct script script = {.response = response_of(CHUNKED_HEAD, chunks[i], strlen(chunks[i])),
                                .ending = CLOSE};
        check_case("%zu: %.20s", i, chunks[i]);
        CHECK_INT(call_script(script, false, 0), REFOLD_ERROR_TRANSPORT);
        free(script.response.start);
    }
}

/* The header's limit ------------------------------------------------------------------------------------- */

enum { MAX_HEADER_BYTES = 64 * 1024 };

/* A complete response whose head has `length` bytes, in lines of `line` to 2 * `line` bytes. */
static struct bytes response_with_head(size_t length, size_t line) {
    static const char start[] = OK_LINE "Content-Length: 40\r\n", end[] = "\r\n" BODY;
    struct bytes response = {.length = length + 40};
    response.start = malloc(response.length + 1);
    if (response.start == NULL)
        abort();
    memcpy(response.start, start, sizeof start - 1);
    for (size_t at = sizeof start - 1, left; (left = length - 2 - at) > 0;
         at += left < 2 * line ? left : line) {
        size_t size = left < 2 * line ? left : line;
        memset(response.start + at, 'x', size);
        response.start[at + 1] = ':';
        memcpy(response.start + at + size - 2, "\r\n", 2);
    }
    memcpy(response.start + length - 2, end, sizeof end);
    return response;
}

TEST(headers_are_limited_to_64_kib) {
    static const struct {
        size_t length, line;
        refold_code code;
    } rows[] = {
        {1000, 10, REFOLD_OK},
        {60 * 1024, 60 * 1024, REFOLD_OK},
        {60 * 1024, 1000, REFOLD_OK},
        {MAX_HEADER_BYTES, MAX_HEADER_BYTES, REFOLD_OK},
        {MAX_HEADER_BYTES, 1000, REFOLD_OK},
        {MAX_HEADER_BYTES + 1, MAX_HEADER_BYTES, REFOLD_ERROR_RESPONSE_TOO_LARGE},
        {MAX_HEADER_BYTES + 1, 1000, REFOLD_ERROR_RESPONSE_TOO_LARGE},
        {1000 * 1000, 1000 * 1000, REFOLD_ERROR_RESPONSE_TOO_LARGE},
        {1000 * 1000, 10 * 1000, REFOLD_ERROR_RESPONSE_TOO_LARGE},
    };
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        struct script script = {.response = response_with_head(rows[i / 2].length, rows[i / 2].line),
                                .ending = HOLD};
        check_case("%zu bytes in lines of %zu%s", rows[i / 2].length, rows[i / 2].line, i % 2 ? ", TLS" : "");
        CHECK_INT(call_script(script, i % 2, 0), rows[i / 2].code);
        free(script.response.start);
    }
}

TEST(headers_are_limited_to_128_fields) {
    static const char *const before[] = {"", "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"};
    for (size_t i = 0; i < 2 * COUNT(before); i++) {
        char *fields = repeated("A: b\r\n", i % 2 == 0 ? 127 : 128);
        char *text = text_of("%s" OK_LINE "%sContent-Length: 40\r\n\r\n" BODY, before[i / 2], fields);
        struct script script = {.response = {text, strlen(text)}, .ending = HOLD};
        check_case("%s%zu fields", i / 2 == 0 ? "" : "an interim response and ", 128 + i % 2);
        CHECK_INT(call_script(script, false, 0), i % 2 == 0 ? REFOLD_OK : REFOLD_ERROR_RESPONSE_TOO_LARGE);
        free(text);
        free(fields);
    }
}

/* The body's limit, and memory --------------------------------------------------------------------------- */

/* An execution of exactly `length` bytes. */
static struct bytes execution_of(size_t length) {
    static const char start[] = "{\"status\": \"COMPLETED\", \"name\": \"whole\", \"x\": \"";
    struct bytes body = {.start = malloc(length + 1), .length = length};
    if (body.start == NULL)
        abort();
    memset(body.start, 'x', length);
    memcpy(body.start, start, sizeof start - 1);
    memcpy(body.start + length - 2, "\"}", 3);
    return body;
}

TEST(the_response_limit_is_exact) {
    static const size_t lengths[] = {100, 16 * 1024, 65535, 65536, 65537, 128 * 1024, 1000 * 1000};
    for (size_t i = 0; i < 4 * COUNT(lengths); i++) {
        size_t length = lengths[i / 4];
        struct bytes body = execution_of(length);
        struct bytes packed = gzip_of(body.start, length);
        char *packed_head =
            text_of(OK_LINE "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", packed.length);
        char *head = i % 4 == 0   ? text_of(OK_LINE "Content-Length: %zu\r\n\r\n", length)
                     : i % 4 == 1 ? text_of(OK_LINE "\r\n")
                                  : text_of(CHUNKED_HEAD "%zx\r\n", length);
        struct bytes response = i % 4 == 3 ? response_of(packed_head, packed.start, packed.length)
                                           : response_of(head, body.start, body.length);
        if (i % 4 == 2) {
            struct bytes whole = concatenated(response.start, response.length, "\r\n" LAST_CHUNK, 7);
            free(response.start);
            response = whole;
        }
        struct script script = {.response = response, .ending = i % 4 == 1 ? CLOSE : HOLD};
        check_case("%zu bytes, framing %zu", length, i % 4);
        CHECK_INT(call_script(script, false, length - 1), REFOLD_ERROR_RESPONSE_TOO_LARGE);
        CHECK_INT(call_script(script, false, length), REFOLD_OK);
        CHECK_INT(call_script(script, false, length + 1), REFOLD_OK);
        CHECK_INT(call_script(script, false, 0), REFOLD_OK);
        CHECK_INT(call_script(script, false, UINT64_MAX), REFOLD_OK);
        free(response.start);
        free(head);
        free(packed_head);
        free(packed.start);
        free(body.start);
    }
}

/* The peak of resident memory since the last reset_peak(). */
static int64_t peak_bytes(void) {
    char line[200];
    long long kilobytes = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %lld kB", &kilobytes) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kilobytes * 1024;
}

static bool reset_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    bool done = file != NULL && fputs("5", file) >= 0;
    return file != NULL && fclose(file) == 0 && done;
}

/* What a server sends before it repeats a block without end. */
struct stream {
    const char *name, *head, *block;
    size_t block_length; /* 0: strlen(block) */
    refold_code code;    /* expected with a limit of 4 MiB */
};

#define STORED_BLOCK                                                                                         \
    "\0\x10\0\xef\xff"                                                                                       \
    "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""

static const struct stream streams[] = {
    {"until close", OK_LINE "\r\n", "{    }", 0, REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"a length", OK_LINE "Content-Length: 9000000000000\r\n\r\n", "{    }", 0,
     REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"the largest length", OK_LINE "Content-Length: 18446744073709551615\r\n\r\n", "x", 0,
     REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"small chunks", CHUNKED_HEAD, "5\r\nabcde\r\n", 0, REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"the largest chunk", CHUNKED_HEAD "FFFFFFFFFFFFFFFF\r\n", "x", 0, REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"an endless chunk size", CHUNKED_HEAD, "0", 0, REFOLD_ERROR_TRANSPORT},
    {"an endless chunk extension", CHUNKED_HEAD "5;", "a", 0, REFOLD_ERROR_TRANSPORT},
    {"an endless trailer", CHUNKED_HEAD "28\r\n" BODY "\r\n0\r\nA: ", "a", 0, REFOLD_ERROR_TRANSPORT},
    {"an endless header", OK_LINE "A: ", "a", 0, REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"endless headers", OK_LINE, "A: b\r\n", 0, REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"endless interim responses", "", "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", 0,
     REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"an endless status line", "HTTP/1.1 200 ", "a", 0, REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"gzip that grows little", OK_LINE "Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08", STORED_BLOCK,
     sizeof STORED_BLOCK - 1, REFOLD_ERROR_RESPONSE_TOO_LARGE},
    {"an error", "HTTP/1.1 400 Bad Request\r\n\r\n", "x", 0, 400},
    {"an error in chunks", "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nabcde\r\n",
     0, 400},
};

static void send_stream(struct exchange *exchange) {
    static _Thread_local char chunk[65536];
    const struct stream *stream = exchange_data(exchange);
    size_t block = stream->block_length == 0 ? strlen(stream->block) : stream->block_length;
    size_t length = sizeof chunk / block * block;
    for (size_t at = 0; at < length; at += block)
        memcpy(chunk + at, stream->block, block);
    exchange_send_text(exchange, stream->head);
    if (strstr(stream->head, "gzip") != NULL)
        exchange_send(exchange, "\0\0\0\0\0\0\3", 7); /* the rest of the gzip header */
    while (exchange_send(exchange, chunk, length))
        continue;
    exchange_close(exchange);
}

enum { MEMORY_LIMIT = 4 << 20, MEMORY_SLACK = 3 << 19 };

/* Makes a call that may use at most `max` bytes. */
static void check_memory(struct server *server, refold_code want, int64_t max) {
    bool retryable;
    refold_client *client = client_with_limit(server, MEMORY_LIMIT);
    REQUIRE(reset_peak());
    int64_t before = resident_bytes();
    int64_t began = now_ms();
    refold_code code = call(client, &retryable);
    int64_t grown = peak_bytes() - before;
    if (code != want)
        FAIL("the code is %d, wanted %d", code, want);
    CHECK_TIME(now_ms() - began, 0, 15000);
    if (!check_is_slow())
        CHECK_BETWEEN(grown, INT64_MIN, max + MEMORY_SLACK);
    refold_client_free(client);
}

TEST(endless_responses_stay_within_the_memory_limit) {
    for (size_t i = 0; i < COUNT(streams); i++) {
        struct server *server =
            serve(&(struct server_options){.handler = send_stream, .data = (void *)(uintptr_t)&streams[i]});
        check_case("%s", streams[i].name);
        check_memory(server, streams[i].code, MEMORY_LIMIT);
        server_stop(server);
    }
}

TEST(gzip_bombs_stay_within_the_memory_limit) {
    enum { UNPACKED_BYTES = 64 << 20 };
    char *unpacked = calloc(1, UNPACKED_BYTES);
    REQUIRE(unpacked != NULL);
    memset(unpacked, ' ', UNPACKED_BYTES);
    struct bytes bomb = gzip_of(unpacked, UNPACKED_BYTES);
    free(unpacked);
    static const struct {
        const char *line;
        refold_code code;
    } rows[] = {{"HTTP/1.1 200 OK", REFOLD_ERROR_RESPONSE_TOO_LARGE}, {"HTTP/1.1 404 Not Found", 404}};
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        char *head = i % 2 ? text_of("%s\r\nContent-Encoding: gzip\r\n\r\n", rows[i / 2].line)
                           : text_of("%s\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                                     rows[i / 2].line, bomb.length);
        struct script script = {.response = response_of(head, bomb.start, bomb.length), .ending = HOLD};
        struct server *server = serve_script(&script, false);
        check_case("%s, %s", rows[i / 2].line, i % 2 ? "until close" : "with a length");
        check_memory(server, rows[i / 2].code, MEMORY_LIMIT);
        server_stop(server);
        free(script.response.start);
        free(head);
    }
    free(bomb.start);
}

/* Bodies that unpack to just the limit, of `part` again and again between `first` and `last`. */
static const struct {
    const char *first, *part, *last;
    refold_code code;
    int64_t limits; /* the memory, as a multiple of the limit */
} packed_texts[] = {
    {"{\"x\":", "[", "", REFOLD_ERROR_TRANSPORT, 1},
    {"", "[", "", REFOLD_ERROR_INVALID_RESPONSE, 1},
    {"", "{\"\":", "", REFOLD_ERROR_TRANSPORT, 1},
    {"", "[1 2]", "", REFOLD_ERROR_INVALID_RESPONSE, 1},
    {"", "[", "]", REFOLD_ERROR_INVALID_RESPONSE, 1},
    {"{\"x\":\"", "text\\n", "", REFOLD_ERROR_TRANSPORT, 1},
    {"{\"x\":\"", "\xf0\x9f\x98\x80", "\xff", REFOLD_ERROR_INVALID_RESPONSE, 1},
    {"{\"x\":", "7", "", REFOLD_ERROR_TRANSPORT, 1},
    {"", "<p>text</p>\n", "", REFOLD_ERROR_INVALID_RESPONSE, 1},
    {"{\"name\":\"whole\",\"x\":[", "[],", "0],\"status\":\"R\"}", REFOLD_OK, 1},
    /* A typed string is unescaped, and takes its size once more. */
    {"{\"name\":\"whole\",\"status\":\"", "x", "\"}", REFOLD_OK, 2},
    {"{\"name\":\"whole\",\"status\":\"", "\\n", "\"}", REFOLD_OK, 2},
    {"{\"name\":\"whole\",\"status\":\"\"", ",\"org_id\":\"text\"", "}", REFOLD_OK, 2},
};

/* Above 32 MiB, the allocator maps each buffer by itself, so growth takes no second one. A quarter is for the
 * stack of brackets. Where memory is not measured, smaller texts suffice. */
TEST(packed_texts_stay_within_the_memory_limit) {
    const size_t limit = check_is_slow() ? 4 << 20 : 66 << 20;
    for (size_t i = 0; i < COUNT(packed_texts); i++) {
        const char *first = packed_texts[i].first, *part = packed_texts[i].part, *last = packed_texts[i].last;
        size_t count = (limit - strlen(first) - strlen(last)) / strlen(part);
        char *parts = repeated(part, count), *text = text_of("%s%s%s", first, parts, last);
        struct bytes packed = gzip_as(text, strlen(text), 1, false);
        free(parts);
        free(text);
        char *head = text_of(OK_LINE "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", packed.length);
        struct script script = {.response = response_of(head, packed.start, packed.length), .ending = HOLD};
        struct server *server = serve_script(&script, false);
        check_case("%s%s%s", first, part, last);
        refold_client *client = client_with_limit(server, limit);
        REQUIRE(reset_peak());
        int64_t before = resident_bytes();
        CHECK_INT(get_code(client), packed_texts[i].code);
        if (!check_is_slow())
            CHECK_BETWEEN(peak_bytes() - before, INT64_MIN,
                          packed_texts[i].limits * (int64_t)limit + (int64_t)limit / 2);
        refold_client_free(client);
        server_stop(server);
        free(script.response.start);
        free(head);
        free(packed.start);
    }
}

/* An execution with `count` nodes of the shortest possible text. */
static struct bytes short_nodes(size_t count) {
    char *more = repeated(",0", count - 1);
    char *text = text_of("{\"status\": \"RUNNING\", \"name\": \"whole\", \"nodes\": [0%s]}", more);
    free(more);
    return (struct bytes){text, strlen(text)};
}

TEST(nodes_stay_within_the_memory_limit) {
    enum { NODE_BYTES = 256, MAX_NODES = MEMORY_LIMIT / NODE_BYTES };
    static const size_t counts[] = {MAX_NODES, MAX_NODES + 1, MEMORY_LIMIT / 2 - 100};
    for (size_t i = 0; i < 2 * COUNT(counts); i++) {
        struct bytes body = short_nodes(counts[i / 2]), packed = gzip_of(body.start, body.length);
        struct response response = {.body = body.start, .length = body.length};
        if (i % 2)
            response = (struct response){
                .body = packed.start, .length = packed.length, .headers = "Content-Encoding: gzip\r\n"};
        struct server *server = serve(&(struct server_options){.responses = &response, .response_count = 1});
        check_case("%zu nodes, %s", counts[i / 2], i % 2 ? "gzip" : "identity");
        /* One limit for the body, one for the nodes. */
        check_memory(server, i / 2 == 0 ? REFOLD_OK : REFOLD_ERROR_RESPONSE_TOO_LARGE, 2 * MEMORY_LIMIT);
        server_stop(server);
        free(packed.start);
        free(body.start);
    }
}

/* Parsing a text has the default limit of a response. */
TEST(parsed_nodes_take_at_most_256_mib) {
    struct bytes text = short_nodes((256 << 20) / 256 + 1);
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_parse_execution(text.start, text.length, &error) == NULL);
    EXPECT_ERROR(error, REFOLD_ERROR_RESPONSE_TOO_LARGE, "more nodes than fit into 268435456 bytes");
    free(text.start);
}

/* In any number, as long as their text is longer than their memory. */
TEST(nodes_may_take_as_much_memory_as_their_text) {
    enum { NODES = 5000, BLANKS = 300 };
    char *blanks = repeated(" ", BLANKS), *node = text_of("%s0,", blanks), *nodes = repeated(node, NODES);
    char *body = text_of("{\"status\": \"RUNNING\", \"name\": \"whole\", \"nodes\": [%s0]}", nodes);
    struct server *server = serve_body(body);
    refold_client *client = client_with_limit(server, strlen(body));
    refold_execution *execution = get(client, NULL);
    CHECK_INT(refold_execution_node_count(execution), NODES + 1);
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
    free(body);
    free(nodes);
    free(node);
    free(blanks);
}

/* An error keeps at most the first 64 KiB of a body. */
TEST(an_error_takes_no_more_memory_than_it_exposes) {
    enum { LENGTH = 60000000 };
    char *body = repeated("nonsense\n", LENGTH / 9);
    struct server *server = serve_body(body);
    refold_client *client = client_with_limit(server, 0);
    refold_error *error = NULL;
    size_t shown = 0;
    int64_t before = resident_bytes();
    CHECK(get(client, &error) == NULL);
    CHECK(refold_error_body(error, &shown) != NULL);
    CHECK_INT(shown, 64 << 10);
    if (!check_is_slow())
        CHECK_BETWEEN(resident_bytes() - before, INT64_MIN, 4 << 20);
    EXPECT_ERROR(error, REFOLD_ERROR_INVALID_RESPONSE, NULL);
    refold_client_free(client);
    server_stop(server);
    free(body);
}

TEST(a_huge_content_length_alone_takes_no_memory) {
    static const char *const lengths[] = {"200000000", "9000000000000", "18446744073709551614",
                                          "18446744073709551615"};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *text = text_of(OK_LINE "Content-Length: %s\r\n\r\n" BODY, lengths[i]);
        struct script script = {.response = {text, strlen(text)}, .ending = CLOSE};
        struct server *server = serve_script(&script, false);
        refold_client *client = client_with_limit(server, 0);
        bool retryable;
        check_case("%s", lengths[i]);
        REQUIRE(reset_peak());
        int64_t before = resident_bytes();
        CHECK_INT(call(client, &retryable), REFOLD_ERROR_TRANSPORT);
        if (!check_is_slow())
            CHECK_BETWEEN(peak_bytes() - before, INT64_MIN, 1 << 20);
        refold_client_free(client);
        server_stop(server);
        free(text);
    }
}

TEST(the_default_response_limit_is_256_mib) {
    static const struct {
        const char *length;
        refold_code code;
    } rows[] = {{"268435456", REFOLD_ERROR_TRANSPORT}, {"268435457", REFOLD_ERROR_RESPONSE_TOO_LARGE}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *text = text_of(OK_LINE "Content-Length: %s\r\n\r\n{", rows[i].length);
        struct server *server =
            serve_responses(1, &(struct response){.raw = true, .body = text, .ending = CLOSE});
        refold_client *client = client_to(server);
        CHECK_INT(get_code(client), rows[i].code);
        refold_client_free(client);
        server_stop(server);
        free(text);
    }
}

/* Errors ------------------------------------------------------------------------------------------------- */

#define BAD_LINE "HTTP/1.1 400 Bad Request\r\n"

/* A response, its ending, and the part of the body that the error exposes. */
static const struct {
    const char *name, *response;
    enum ending ending;
    const char *body;
} bad_bodies[] = {
    {"cut", BAD_LINE "Content-Length: 100\r\n\r\n{\"message\":", CLOSE, "{\"message\":"},
    {"cut before its first byte", BAD_LINE "Content-Length: 100\r\n\r\n", CLOSE, NULL},
    {"half closed", BAD_LINE "Content-Length: 100\r\n\r\nabc", HALF_CLOSE, "abc"},
    {"a cut chunk", BAD_LINE "Transfer-Encoding: chunked\r\n\r\n100\r\nabc", CLOSE, "abc"},
    {"no last chunk", BAD_LINE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", CLOSE, "abc"},
    {"a bad chunk", BAD_LINE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", HOLD, NULL},
    {"an unsupported encoding", BAD_LINE "Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", HOLD, NULL},
    {"not gzip", BAD_LINE "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", HOLD, NULL},
    {"cut gzip", BAD_LINE "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", HOLD, NULL},
    {"above the limit", BAD_LINE "Content-Length: 20\r\n\r\naaaaaaaaaaaaaaaaaaaa", HOLD, "aaaaaaaaaaaaaaa"},
    {"above any limit", BAD_LINE "Content-Length: 9000000000000000\r\n\r\naaaaaaaaaaaaaaaa", HOLD,
     "aaaaaaaaaaaaaaa"},
    {"not UTF-8", BAD_LINE "Content-Length: 3\r\n\r\n\xff\xfe\x01", HOLD, "\xff\xfe\x01"},
    {"nothing", BAD_LINE "Content-Length: 0\r\n\r\n", HOLD, NULL},
    {"an execution", BAD_LINE "Content-Length: 13\r\n\r\n{\"status\":\"\"}", HOLD, "{\"status\":\"\"}"},
};

TEST(an_error_status_is_the_code_whatever_its_body) {
    for (size_t i = 0; i < COUNT(bad_bodies); i++) {
        const char *response = bad_bodies[i].response;
        struct script script = {.response = {(char *)(uintptr_t)response, strlen(response)},
                                .ending = bad_bodies[i].ending};
        struct server *server = serve_script(&script, false);
        refold_client *client = client_with_limit(server, 15);
        refold_error *error = NULL;
        check_case("%s", bad_bodies[i].name);
        CHECK(get(client, &error) == NULL);
        CHECK_INT(refold_error_http_status(error), 400);
        if (bad_bodies[i].body != NULL)
            CHECK_STR(refold_error_body(error, NULL), bad_bodies[i].body);
        EXPECT_ERROR(error, 400, "HTTP 400 Bad Request");
        refold_client_free(client);
        server_stop(server);
    }
}

TEST(every_status_is_reported_unchanged) {
    static const int statuses[] = {101, 300, 304, 400, 404, 418, 499, 500, 501, 599, 600, 700, 999};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        char *text = text_of("HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\n\r\n{}", statuses[i]);
        check_case("%d", statuses[i]);
        struct script script = {.response = {text, strlen(text)}, .ending = CLOSE};
        CHECK_INT(call_script(script, false, 0), statuses[i]);
        free(text);
    }
}

/* The call waits for the end of the body until the deadline, then reports the status. */
static void drip_error(struct exchange *exchange) {
    exchange_send_text(exchange, BAD_LINE "Content-Length: 100000\r\n\r\n");
    while (exchange_send_text(exchange, "x") && exchange_pause(exchange, 10))
        continue;
}

TEST(an_error_with_an_endless_body_is_reported_in_time) {
    struct server *server = serve(&(struct server_options){.handler = drip_error});
    refold_options *options = test_options(server_url(server));
    refold_options_set_timeout_ms(options, 200);
    refold_client *client = client_of(options);
    struct timing timing = {.max_ms = 300};
    while (CHECK_AGAIN(timing)) {
        int64_t began = now_us();
        CHECK_INT(get_code(client), 400);
        timing.us = now_us() - began;
    }
    refold_client_free(client);
    server_stop(server);
}
