/* Errors: what they report for every kind of response, and for none. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"
#include "remote.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_ID "4b3f1a9e-0000-4000-8000-2f1f5d6b7c8a"

/* Makes one call that receives this response and returns its error; `change` may adjust the options. */
static refold_error *error_of(const struct response *response, void (*change)(refold_options *)) {
    struct server *server = serve_responses(1, response);
    refold_options *options = test_options(server_url(server));
    if (change != NULL)
        change(options);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    refold_execution *execution = get(client, &error);
    CHECK(execution == NULL);
    refold_execution_free(execution);
    CHECK_INT(refold_error_attempts(error), 1);
    refold_client_free(client);
    server_stop(server);
    return error;
}

/* Envelopes ---------------------------------------------------------------------------------------------- */

struct envelope_case {
    int status; /* of the response */
    const char *body;
    int http_status; /* of the error */
    const char *type, *code, *message, *id;
};

#define COMPOSED NULL /* the library composes the message, which contains the status */

static const struct envelope_case envelopes[] = {
    {404,
     "{\"status_code\": 404, \"http_error_type\": \"NOT_FOUND\", \"error_code\": \"RESOURCE_NOT_FOUND\", "
     "\"message\": "
     "\"Execution not found\"}",
     404, "NOT_FOUND", "RESOURCE_NOT_FOUND", "Execution not found", NULL},
    {404,
     "{\"http_error_type\": \"RESOURCE_NOT_FOUND\", \"error_code\": \"NOT_FOUND\", \"message\": \"swapped\"}",
     404, "RESOURCE_NOT_FOUND", "NOT_FOUND", "swapped", NULL},
    {400, "{\"error\": \"VALIDATION_ERROR\", \"message\": \"m\"}", 400, NULL, "VALIDATION_ERROR", "m", NULL},
    {400, "{\"error\": \"second\", \"error_code\": \"first\"}", 400, NULL, "first", COMPOSED, NULL},
    {400, "{\"error\": \"second\", \"error_code\": null}", 400, NULL, "second", COMPOSED, NULL},
    {400, "{\"error\": {\"code\": 7}, \"message\": \"m\"}", 400, NULL, NULL, "m", NULL},
    {500, "{\"request_id\": \"" REQUEST_ID "\", \"message\": \"m\"}", 500, NULL, NULL, "m", REQUEST_ID},
    {500, "{\"status_code\": 400, \"message\": \"m\"}", 400, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": 100, \"message\": \"m\"}", 100, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": 999, \"message\": \"m\"}", 999, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": 99, \"message\": \"m\"}", 401, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": 1000, \"message\": \"m\"}", 401, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": 0, \"message\": \"m\"}", 401, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": -404, \"message\": \"m\"}", 401, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": 4294967700, \"message\": \"m\"}", 401, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": 1e400, \"message\": \"m\"}", 401, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": \"403\", \"message\": \"m\"}", 401, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": null, \"message\": \"m\"}", 401, NULL, NULL, "m", NULL},
    {401, "{\"status_code\": 403.0, \"message\": \"m\"}", 403, NULL, NULL, "m", NULL},
    {403, "{\"message\": 7}", 403, NULL, NULL, COMPOSED, NULL},
    {403, "{\"message\": null, \"error_code\": \"C\"}", 403, NULL, "C", COMPOSED, NULL},
    {403, "{\"message\": {\"text\": \"m\"}}", 403, NULL, NULL, COMPOSED, NULL},
    {403, "{\"message\": \"\"}", 403, NULL, NULL, COMPOSED, NULL},
    {403, "{\"message\": \"\\u0000m\"}", 403, NULL, NULL, COMPOSED, NULL},
    {403, "{\"http_error_type\": 7, \"error_code\": [], \"request_id\": false, \"message\": \"m\"}", 403,
     NULL, NULL, "m", NULL},
    {409, "{\"http_error_type\": \"\", \"error_code\": \"\", \"message\": \"m\"}", 409, "", "", "m", NULL},
    {409, "{\"message\": \"a\", \"message\": \"b\"}", 409, NULL, NULL, "b", NULL},
    {422, "{\"message\": \"\\u00fc \\ud83d\\ude00 \\ud83d \\n\"}", 422, NULL, NULL,
     "\xc3\xbc \xf0\x9f\x98\x80 \xef\xbf\xbd \n", NULL},
    {501, "{\"http_error_type\": \"NOT_IMPLEMENTED\", \"message\": \"m\", \"more\": [1, {\"a\": null}]}", 501,
     "NOT_IMPLEMENTED", NULL, "m", NULL},
    {404, "{}", 404, NULL, NULL, COMPOSED, NULL},
    {404, "[]", 404, NULL, NULL, COMPOSED, NULL},
    {404, "[{\"message\": \"m\"}]", 404, NULL, NULL, COMPOSED, NULL},
    {404, "\"text\"", 404, NULL, NULL, COMPOSED, NULL},
    {404, "null", 404, NULL, NULL, COMPOSED, NULL},
    {404, "7", 404, NULL, NULL, COMPOSED, NULL},
    {404, "{\"message\": \"m\"", 404, NULL, NULL, COMPOSED, NULL},
    {404, "{\"message\": \"m\"} and more", 404, NULL, NULL, COMPOSED, NULL},
    {404, "Not here", 404, NULL, NULL, COMPOSED, NULL},
    {502, "<html><body><h1>502 Bad Gateway</h1></body></html>", 502, NULL, NULL, COMPOSED, NULL},
    {404, "\xff\xfe\x80", 404, NULL, NULL, COMPOSED, NULL},
};

static void check_envelope(const struct envelope_case *envelope, const struct response *response) {
    refold_error *error = error_of(response, NULL);
    size_t length = 0;
    char number[8];
    snprintf(number, sizeof number, "%d", envelope->status);
    CHECK_ERROR(error, envelope->status, envelope->message == COMPOSED ? number : envelope->message);
    if (envelope->message != COMPOSED)
        CHECK_STR(refold_error_message(error), envelope->message);
    CHECK_INT(refold_error_http_status(error), envelope->http_status);
    CHECK_STR(refold_error_http_error_type(error), envelope->type);
    CHECK_STR(refold_error_api_code(error), envelope->code);
    CHECK_STR(refold_error_request_id(error), envelope->id);
    const char *body = refold_error_body(error, &length);
    CHECK_BYTES(body, length, envelope->body, strlen(envelope->body));
    CHECK(body != NULL && body[length] == '\0');
    CHECK(refold_error_body(error, NULL) == body);
    refold_error_free(error);
}

TEST(envelope_fields_are_returned_verbatim) {
    for (size_t i = 0; i < COUNT(envelopes); i++) {
        check_case("%d %s", envelopes[i].status, envelopes[i].body);
        check_envelope(&envelopes[i],
                       &(struct response){.status = envelopes[i].status, .body = envelopes[i].body});
    }
}

/* Framing and Content-Type make no difference. */
TEST(envelopes_are_read_in_any_framing) {
    static const struct response ways[] = {{.framing = CHUNKED},
                                           {.framing = UNTIL_CLOSE},
                                           {.type = ""},
                                           {.type = "text/html"},
                                           {.ending = CLOSE}};
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct response response = ways[i];
        check_case("%zu", i);
        response.status = envelopes[0].status;
        response.body = envelopes[0].body;
        check_envelope(&envelopes[0], &response);
    }
}

TEST(a_request_id_header_is_the_fallback) {
    static const struct {
        const char *body, *want;
    } cases[] = {{"{\"message\": \"m\"}", "of-the-header"},
                 {"{\"request_id\": null}", "of-the-header"},
                 {"{\"request_id\": 7}", "of-the-header"},
                 {"<p>", "of-the-header"},
                 {"", "of-the-header"},
                 {"{\"request_id\": \"of-the-body\"}", "of-the-body"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_case("%s", cases[i].body);
        refold_error *error = error_of(&(struct response){.status = 400,
                                                          .headers = "X-Request-Id: of-the-header\r\n",
                                                          .body = cases[i].body},
                                       NULL);
        CHECK_STR(refold_error_request_id(error), cases[i].want);
        refold_error_free(error);
    }
}

/* Other responses ---------------------------------------------------------------------------------------- */

/* A composed message names the server and the execution. */
TEST(gateways_are_identified) {
    static const struct {
        int status;
        const char *start, *end;
    } cases[] = {{502, "HTTP 502 Bad Gateway", ""},
                 {504, "HTTP 504 Gateway Timeout", ""},
                 {503, "HTTP 503 Service Unavailable", ""},
                 {777, "HTTP 777", ""},
                 {301, "HTTP 301 Moved Permanently", " (redirects are never followed: check the base URL)"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct server *server = serve_responses(
            1, &(struct response){.status = cases[i].status, .type = "text/html", .body = "<html>"});
        char *message = text_of("%s from %s for execution " TEST_ID "%s", cases[i].start,
                                strstr(server_url(server), "//") + 2, cases[i].end);
        refold_client *client = client_to(server);
        refold_error *error = NULL;
        check_case("%d", cases[i].status);
        CHECK(get(client, &error) == NULL);
        CHECK_STR(refold_error_message(error), message);
        EXPECT_ERROR(error, cases[i].status, NULL);
        refold_client_free(client);
        free(message);
        server_stop(server);
    }
}

TEST(empty_error_responses_are_reported) {
    refold_error *error = error_of(&(struct response){.status = 502}, NULL);
    size_t length = 77;
    CHECK_ERROR(error, 502, "502");
    const char *body = refold_error_body(error, &length);
    CHECK(body == NULL || body[0] == '\0');
    CHECK_INT(length, 0);
    refold_error_free(error);
}

TEST(the_code_is_the_status) {
    static const int statuses[] = {300, 305, 399, 400, 402, 405, 418, 422, 451,
                                   499, 500, 501, 505, 520, 599, 600, 777, 999};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        check_case("%d", statuses[i]);
        refold_error *error =
            error_of(&(struct response){.status = statuses[i], .body = "{\"message\": \"m\"}"}, NULL);
        CHECK_ERROR(error, statuses[i], "m");
        CHECK_INT(refold_error_http_status(error), statuses[i]);
        refold_error_free(error);
    }
}

TEST(bodies_are_cut_at_64_kib) {
    static const size_t sizes[] = {65535, 65536, 65537, 500000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t length = 0;
        char *body = repeated("x", sizes[i]);
        check_case("%zu", sizes[i]);
        refold_error *error = error_of(&(struct response){.status = 500, .body = body}, NULL);
        const char *got = refold_error_body(error, &length);
        CHECK_INT(refold_error_code(error), 500);
        CHECK_BYTES(got, length, body, sizes[i] < 65536 ? sizes[i] : 65536);
        CHECK(got != NULL && got[length] == '\0');
        refold_error_free(error);
        free(body);
    }
}

/* The envelope is read from bodies of up to 1 MiB. */
TEST(envelopes_are_read_up_to_1_mib) {
    static const struct {
        size_t size;
        bool read;
    } cases[] = {{65000, true},         {70000, true},   {1000000, true},
                 {(1 << 20) - 1, true}, {1 << 20, true}, {2 << 20, false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        static const char end[] = "\", \"message\": \"at the end\"}";
        static const char start[] = "{\"padding\": \"";
        char *padding = repeated("x", cases[i].size - (sizeof start - 1) - (sizeof end - 1));
        char *body = text_of("%s%s%s", start, padding, end);
        size_t length = 0;
        check_case("%zu", strlen(body));
        refold_error *error = error_of(&(struct response){.status = 409, .body = body}, NULL);
        CHECK_INT(refold_error_code(error), 409);
        if (cases[i].read)
            CHECK_STR(refold_error_message(error), "at the end");
        else
            CHECK_CONTAINS(refold_error_message(error), "409");
        CHECK_BYTES(refold_error_body(error, &length), length, body, length);
        CHECK_INT(length, cases[i].size < 65536 ? cases[i].size : 65536);
        refold_error_free(error);
        free(body);
        free(padding);
    }
}

static void limit_body(refold_options *options) { refold_options_set_max_response_bytes(options, 10); }

/* A status other than 2xx is the code, whatever is wrong with the body. */
TEST(the_code_is_the_status_whatever_the_body) {
    static const struct {
        const char *name;
        struct response response;
        void (*change)(refold_options *);
    } cases[] = {
        {"cut", {.body = "{\"message\": \"m\"}", .is_cut = true, .cut = 5}, NULL},
        {"cut before the first byte", {.body = "{\"message\": \"m\"}", .is_cut = true}, NULL},
        {"cut by a reset", {.body = "{\"message\": \"m\"}", .is_cut = true, .cut = 5, .ending = RESET}, NULL},
        {"cut chunk", {.body = "{\"message\": \"m\"}", .framing = CHUNKED, .is_cut = true, .cut = 5}, NULL},
        {"bad chunk",
         {.body = "zz\r\n",
          .headers = "Transfer-Encoding: chunked\r\n",
          .framing = NO_FRAMING,
          .ending = CLOSE},
         NULL},
        {"not gzip", {.body = "this is not gzip", .headers = "Content-Encoding: gzip\r\n"}, NULL},
        {"another encoding", {.body = "who knows", .headers = "Content-Encoding: br\r\n"}, NULL},
        {"not UTF-8", {.body = "{\"message\": \"\xff\"}"}, NULL},
        {"too large", {.body = "{\"message\": \"longer than ten bytes\"}"}, limit_body},
        {"too large, in chunks",
         {.body = "{\"message\": \"longer than ten bytes\"}", .framing = CHUNKED},
         limit_body},
        {"a huge announcement",
         {.body = "x",
          .headers = "Content-Length: 18446744073709551615\r\n",
          .framing = NO_FRAMING,
          .ending = CLOSE},
         NULL},
    };
    static const int statuses[] = {404, 500};
    for (size_t i = 0; i < COUNT(cases) * COUNT(statuses); i++) {
        struct response response = cases[i / 2].response;
        response.status = statuses[i % 2];
        check_case("%s, %d", cases[i / 2].name, response.status);
        refold_error *error = error_of(&response, cases[i / 2].change);
        CHECK_ERROR(error, response.status, NULL);
        CHECK_INT(refold_error_http_status(error), response.status);
        CHECK_INT(refold_error_is_retryable(error), response.status == 500);
        size_t length = 0;
        const char *body = refold_error_body(error, &length);
        CHECK(body == NULL || (length <= 65536 && body[length] == '\0'));
        refold_error_free(error);
    }
}

/* A 2xx response without an execution: a negative code, and the response's status. */
TEST(unusable_successes_are_errors) {
    static const struct {
        const char *name;
        struct response response;
        void (*change)(refold_options *);
        refold_code want;
        bool retryable;
    } cases[] = {
        {"empty", {.body = ""}, NULL, REFOLD_ERROR_INVALID_RESPONSE, false},
        {"no content",
         {.status = 204, .framing = NO_FRAMING, .type = ""},
         NULL,
         REFOLD_ERROR_INVALID_RESPONSE,
         false},
        {"html", {.body = "<html>", .type = "text/html"}, NULL, REFOLD_ERROR_INVALID_RESPONSE, false},
        {"another object", {.body = "{}"}, NULL, REFOLD_ERROR_INVALID_RESPONSE, false},
        {"an array", {.body = "[{\"status\": \"RUNNING\"}]"}, NULL, REFOLD_ERROR_INVALID_RESPONSE, false},
        {"a status of another type", {.body = "{\"status\": 7}"}, NULL, REFOLD_ERROR_INVALID_RESPONSE, false},
        {"half an object", {.body = "{\"status\": \"RUN"}, NULL, REFOLD_ERROR_TRANSPORT, true},
        {"two objects", {.body = RUNNING RUNNING}, NULL, REFOLD_ERROR_INVALID_RESPONSE, false},
        {"not UTF-8", {.body = "{\"status\": \"\xff\"}"}, NULL, REFOLD_ERROR_INVALID_RESPONSE, false},
        {"another encoding",
         {.body = COMPLETED, .headers = "Content-Encoding: br\r\n"},
         NULL,
         REFOLD_ERROR_INVALID_RESPONSE,
         false},
        {"too large", {.body = COMPLETED}, limit_body, REFOLD_ERROR_RESPONSE_TOO_LARGE, false},
        {"too large, in chunks",
         {.body = COMPLETED, .framing = CHUNKED},
         limit_body,
         REFOLD_ERROR_RESPONSE_TOO_LARGE,
         false},
        {"too large, until close",
         {.body = COMPLETED, .framing = UNTIL_CLOSE},
         limit_body,
         REFOLD_ERROR_RESPONSE_TOO_LARGE,
         false},
        {"cut", {.body = COMPLETED, .is_cut = true, .cut = 5}, NULL, REFOLD_ERROR_TRANSPORT, true},
        {"cut by a reset",
         {.body = COMPLETED, .is_cut = true, .cut = 5, .ending = RESET},
         NULL,
         REFOLD_ERROR_TRANSPORT,
         true},
        {"cut chunk",
         {.body = COMPLETED, .framing = CHUNKED, .is_cut = true, .cut = 5},
         NULL,
         REFOLD_ERROR_TRANSPORT,
         true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_case("%s", cases[i].name);
        refold_error *error = error_of(&cases[i].response, cases[i].change);
        CHECK_ERROR(error, cases[i].want, NULL);
        CHECK_INT(refold_error_is_retryable(error), cases[i].retryable);
        if (cases[i].want == REFOLD_ERROR_INVALID_RESPONSE)
            CHECK_INT(refold_error_http_status(error),
                      cases[i].response.status == 0 ? 200 : cases[i].response.status);
        refold_error_free(error);
    }
}

/* The message contains the limit, and a body of exactly the limit is accepted. */
TEST(a_body_above_the_limit_is_too_large) {
    struct server *server = serve_body(COMPLETED);
    for (size_t limit = strlen(COMPLETED) - 1; limit <= strlen(COMPLETED) + 1; limit++) {
        refold_options *options = test_options(server_url(server));
        refold_options_set_max_response_bytes(options, limit);
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        check_case("%zu", limit);
        refold_execution_free(get(client, &error));
        if (limit >= strlen(COMPLETED))
            CHECK(error == NULL);
        else
            CHECK_ERROR(error, REFOLD_ERROR_RESPONSE_TOO_LARGE, "22");
        refold_error_free(error);
        refold_client_free(client);
    }
    server_stop(server);
}

TEST(any_2xx_is_a_success) {
    static const int statuses[] = {200, 201, 202, 203, 206, 299};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct server *server =
            serve_responses(1, &(struct response){.status = statuses[i], .body = COMPLETED});
        refold_client *client = client_to(server);
        check_case("%d", statuses[i]);
        CHECK_INT(get_code(client), REFOLD_OK);
        refold_client_free(client);
        server_stop(server);
    }
}

TEST(invalid_http_is_a_transport_error) {
    static const char SPEAKS_NO_HTTP[] = ": it does not speak HTTP/1.1";
    static const struct {
        const char *text, *reason;
    } cases[] = {{"what is this?\r\n\r\n", SPEAKS_NO_HTTP},
                 {"SSH-2.0-OpenSSH_9.2\r\n", SPEAKS_NO_HTTP},
                 {"220 mail.invalid ESMTP\r\n\r\n", SPEAKS_NO_HTTP},
                 {"\x15\x03\x01\x00\x02\x02\x50\r\n\r\n", SPEAKS_NO_HTTP},
                 {"HTTP/9.9 200 OK\r\n\r\n", SPEAKS_NO_HTTP},
                 {"HTTP/1.1 abc OK\r\n\r\n", ": its status line is malformed"},
                 {"HTTP/1.1 2000 OK\r\n\r\n{}", ": its status line is malformed"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_case("%s", cases[i].text);
        refold_error *error =
            error_of(&(struct response){.raw = true, .body = cases[i].text, .ending = CLOSE}, NULL);
        CHECK_ERROR(error, REFOLD_ERROR_TRANSPORT, "127.0.0.1");
        CHECK_CONTAINS(refold_error_message(error), cases[i].reason);
        CHECK_INT(refold_error_http_status(error), 0);
        CHECK_STR(refold_error_body(error, NULL), NULL);
        refold_error_free(error);
    }
}

/* One broken connection, one sentence, whatever frames the body. */
TEST(a_connection_lost_in_the_body_has_one_message) {
    /* The start of a gzip stream. */
    static const char packed[] = "\x1f\x8b\x08\0\0\0\0\0\2\3\xab\x56\x2a\x2e";
    static const struct response ways[] = {
        {.body = packed,
         .length = sizeof packed - 1,
         .headers = "Content-Encoding: gzip\r\n",
         .is_cut = true,
         .cut = 12},
        {.body = packed,
         .length = sizeof packed - 1,
         .headers = "Content-Encoding: gzip\r\n",
         .framing = CHUNKED,
         .is_cut = true,
         .cut = 12},
        {.body = COMPLETED, .is_cut = true, .cut = 5},
        {.body = COMPLETED, .framing = CHUNKED, .is_cut = true, .cut = 5},
        {.body = COMPLETED, .framing = CHUNKED, .is_cut = true, .cut = sizeof COMPLETED - 1},
        {.body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
         .raw = true,
         .ending = CLOSE},
        {.body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
         .raw = true,
         .ending = CLOSE},
        {.body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2", .raw = true, .ending = CLOSE},
    };
    for (size_t i = 0; i < COUNT(ways); i++) {
        check_case("%zu", i);
        refold_error *error = error_of(&ways[i], NULL);
        CHECK_CONTAINS(refold_error_message(error), ": it closed while receiving the response");
        EXPECT_ERROR(error, REFOLD_ERROR_TRANSPORT, "lost the connection to 127.0.0.1:");
    }
}

TEST(a_connection_lost_before_the_response_is_a_transport_error) {
    static const struct response ways[] = {
        {.silent = true, .ending = CLOSE},
        {.silent = true, .ending = RESET},
        {.raw = true, .body = "HTTP/1.1 200 OK\r\nContent-", .ending = CLOSE}};
    for (size_t i = 0; i < COUNT(ways); i++) {
        check_case("%zu", i);
        refold_error *error = error_of(&ways[i], NULL);
        CHECK_ERROR(error, REFOLD_ERROR_TRANSPORT, "127.0.0.1");
        CHECK_INT(refold_error_http_status(error), 0);
        CHECK(refold_error_is_retryable(error));
        refold_error_free(error);
    }
}

/* No response -------------------------------------------------------------------------------------------- */

TEST(a_refused_connection_is_a_connect_error) {
    struct dead_port *port = refusing_port(NULL);
    refold_client *client = client_of(test_options(dead_port_url(port)));
    char *where = text_of("could not connect to 127.0.0.1:%u: connection refused", dead_port_number(port));
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_ERROR(error, REFOLD_ERROR_CONNECT, where);
    CHECK_INT(refold_error_http_status(error), 0);
    CHECK_STR(refold_error_body(error, NULL), NULL);
    CHECK(refold_error_is_retryable(error));
    CHECK_INT(refold_error_attempts(error), 1);
    refold_error_free(error);
    refold_client_free(client);
    dead_port_free(port);
    free(where);
}

TEST(an_unknown_host_name_is_a_resolve_error) {
    lookup_script((struct lookup){.error = EAI_NONAME});
    refold_client *client = client_of(test_options("https://no-such-host.invalid"));
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_ERROR(error, REFOLD_ERROR_RESOLVE, "no-such-host.invalid");
    CHECK_INT(refold_error_attempts(error), 1);
    CHECK_INT(lookup_count(), 1);
    refold_error_free(error);
    refold_client_free(client);
}

/* Resources ---------------------------------------------------------------------------------------------- */

/* A huge Content-Length alone reserves no memory. */
TEST(an_announced_length_takes_no_memory) {
    static const char *const lengths[] = {"200000000", "268435456"};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *header = text_of("Content-Length: %s\r\n", lengths[i]);
        int64_t before = resident_bytes();
        check_case("%s", lengths[i]);
        refold_error *error = error_of(
            &(struct response){.body = RUNNING, .headers = header, .framing = NO_FRAMING, .ending = CLOSE},
            NULL);
        CHECK_ERROR(error, REFOLD_ERROR_TRANSPORT, NULL);
        CHECK_BETWEEN(resident_bytes() - before, -100000000, 20000000);
        refold_error_free(error);
        free(header);
    }
}

/* Sets a limit that leaves no descriptor to open; returns the previous limit. */
static struct rlimit forbid_descriptors(void) {
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    return before;
}

TEST(exhausted_descriptors_are_a_resource_error) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = test_options(server_url(server));
    refold_options_set_max_retries(options, 3);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    struct rlimit before = forbid_descriptors();
    refold_execution *execution = get(client, &error);
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK(execution == NULL);
    CHECK_ERROR(error, REFOLD_ERROR_RESOURCE, NULL);
    CHECK(!refold_error_is_retryable(error));
    CHECK_INT(refold_error_attempts(error), 1);
    CHECK_INT(server_connections(server), 0);
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_error_free(error);
    refold_client_free(client);
    server_stop(server);
}

TEST(roots_unreadable_without_descriptors_are_a_resource_error) {
    setenv("SSL_CERT_FILE", certificate_path("ca.pem"), 1);
    refold_options *options = test_options("https://server.invalid");
    refold_error *error = NULL;
    struct rlimit before = forbid_descriptors();
    refold_client *client = refold_client_new(options, &error);
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK(client == NULL);
    EXPECT_ERROR(error, REFOLD_ERROR_RESOURCE, "ca.pem");
    refold_client_free(client_of(options));
    unsetenv("SSL_CERT_FILE");
}

static void serve_completed(const void *data, char *info, size_t size) {
    (void)data;
    snprintf(info, size, "%s", server_url(serve_body(COMPLETED)));
}

/* poll(2) fails if it is given more descriptors than the limit. The server has a process, and so a limit, of
 * its own. */
TEST(a_kept_connection_needs_no_further_descriptors) {
    struct remote *remote = remote_start(serve_completed, NULL);
    refold_client *client = client_of(test_options(remote_info(remote)));
    refold_cancel *cancel = refold_cancel_new();
    refold_error *error = NULL;
    CHECK_INT(get_code(client), REFOLD_OK);
    struct rlimit before = forbid_descriptors();
    refold_execution *execution = refold_get_execution(client, TEST_ID, cancel, &error);
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK_STR(error == NULL ? NULL : refold_error_message(error), NULL);
    refold_execution_free(execution);
    refold_error_free(error);
    refold_cancel_free(cancel);
    refold_client_free(client);
    remote_stop(remote);
}

/* A token made without free descriptors still cancels. */
TEST(tokens_need_no_descriptors) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    struct rlimit before = forbid_descriptors();
    refold_cancel *cancel = refold_cancel_new();
    setrlimit(RLIMIT_NOFILE, &before);
    REQUIRE(cancel != NULL);
    refold_error *error = NULL;
    refold_execution *execution = refold_get_execution(client, TEST_ID, cancel, &error);
    CHECK(execution != NULL);
    refold_execution_free(execution);
    refold_cancel_trigger(cancel);
    CHECK(refold_cancel_is_triggered(cancel));
    CHECK(refold_get_execution(client, TEST_ID, cancel, &error) == NULL);
    EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    refold_cancel_free(cancel);
    refold_client_free(client);
    server_stop(server);
}

/* Retry-After -------------------------------------------------------------------------------------------- */

TEST(retry_after_in_seconds_is_read) {
    static const struct {
        const char *value;
        int64_t want;
    } cases[] = {{NULL, -1},
                 {"0", 0},
                 {"7", 7000},
                 {" 7 ", 7000},
                 {"120", 120000},
                 {"soon", -1},
                 {"-5", -1},
                 {"1.5", -1},
                 {"7 s", -1},
                 {"+7", -1},
                 {"0x7", -1},
                 {"7, 8", -1},
                 {"\xff", -1},
                 {"2026", 2026000},
                 {"Wed, 21 Oct 2015 07:28:00 GMT", 0},
                 {"Wed, 99 Oct 2015 07:28:00 GMT", -1},
                 {"Wed, 21 Oct 2015", -1}};
    static const int statuses[] = {429, 503, 404};
    for (size_t i = 0; i < COUNT(cases) * COUNT(statuses); i++) {
        const char *value = cases[i / COUNT(statuses)].value;
        int status = statuses[i % COUNT(statuses)];
        char *header = value == NULL ? text_of("X-None: 1\r\n") : text_of("Retry-After: %s\r\n", value);
        check_case("%d %s", status, value);
        refold_error *error =
            error_of(&(struct response){.status = status, .headers = header, .body = "{}"}, NULL);
        CHECK_INT(refold_error_code(error), status);
        CHECK_INT(refold_error_retry_after_ms(error), cases[i / COUNT(statuses)].want);
        refold_error_free(error);
        free(header);
    }
}

TEST(retry_after_may_be_a_date) {
    static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT"};
    for (size_t i = 0; i < COUNT(formats); i++) {
        char date[80], header[120];
        time_t then = time(NULL) + 40;
        struct tm parts;
        strftime(date, sizeof date, formats[i], gmtime_r(&then, &parts));
        snprintf(header, sizeof header, "retry-after: %s\r\n", date);
        refold_error *error =
            error_of(&(struct response){.status = 429, .headers = header, .body = "{}"}, NULL);
        CHECK_BETWEEN(refold_error_retry_after_ms(error), 40000 - 10000 * check_patience(), 40000);
        CHECK(refold_error_is_retryable(error));
        refold_error_free(error);
    }
}

TEST(a_huge_retry_after_does_not_overflow) {
    static const char *const values[] = {"9223372036854775807", "9223372036854775", "9223372036854776",
                                         "18446744073709551615", "99999999999999999999999999"};
    for (size_t i = 0; i < COUNT(values); i++) {
        char *header = text_of("Retry-After: %s\r\n", values[i]);
        check_case("%s", values[i]);
        refold_error *error =
            error_of(&(struct response){.status = 429, .headers = header, .body = "{}"}, NULL);
        int64_t wait = refold_error_retry_after_ms(error);
        CHECK(wait == -1 || wait > 60000);
        refold_error_free(error);
        free(header);
    }
}

/* Secrets ------------------------------------------------------------------------------------------------ */

static void use_token(refold_options *options) {
    refold_options_set_api_key(options, NULL, NULL);
    refold_options_set_session_token(options, TEST_TOKEN);
}

static void check_redacted(const struct response *response, void (*change)(refold_options *),
                           const char *secret) {
    refold_error *error = error_of(response, change);
    const char *const texts[] = {refold_error_message(error), refold_error_http_error_type(error),
                                 refold_error_api_code(error), refold_error_request_id(error)};
    size_t length = 0;
    const char *body = refold_error_body(error, &length);
    CHECK(body != NULL && memmem(body, length, secret, strlen(secret)) == NULL &&
          memmem(body, length, "***", 3) != NULL);
    for (size_t i = 0; i < COUNT(texts); i++)
        if (texts[i] != NULL)
            CHECK_LACKS(texts[i], secret);
    if (strchr(response->body, '{') != NULL && response->status != 0)
        for (size_t i = 0; i < COUNT(texts); i++)
            CHECK_CONTAINS(texts[i], "***");
    refold_error_free(error);
}

TEST(echoed_secrets_are_redacted) {
    static const struct {
        const char *secret;
        void (*change)(refold_options *);
    } cases[] = {{TEST_KEY, NULL}, {TEST_TOKEN, use_token}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *secret = cases[i].secret;
        char *envelope = text_of(
            "{\"message\": \"no key %s and %s.\", \"error_code\": \"x%s\", \"http_error_type\": \"%s\", "
            "\"request_id\": \"%s\"}",
            secret, secret, secret, secret, secret);
        char *page = text_of("<html>%s</html>", secret);
        check_case("%s, envelope", secret);
        check_redacted(&(struct response){.status = 401, .body = envelope}, cases[i].change, secret);
        check_case("%s, page", secret);
        check_redacted(&(struct response){.status = 502, .body = page, .type = "text/html"}, cases[i].change,
                       secret);
        check_case("%s, header", secret);
        char *header = text_of("X-Request-Id: %s\r\n", secret);
        refold_error *error =
            error_of(&(struct response){.status = 400, .headers = header, .body = "{}"}, cases[i].change);
        CHECK_STR(refold_error_request_id(error), "***");
        refold_error_free(error);
        free(header);
        free(envelope);
        free(page);
    }
}

/* A secret that starts within the first 64 KiB and ends beyond them leaves no part of itself. */
TEST(secrets_cut_by_the_body_limit_are_redacted) {
    for (size_t inside = 1; inside <= strlen(TEST_KEY); inside++) {
        char *padding = repeated(".", 65536 - inside);
        char *body = text_of("%s" TEST_KEY "%s", padding, padding);
        size_t length = 0;
        check_case("%zu", inside);
        refold_error *error =
            error_of(&(struct response){.status = 500, .body = body, .type = "text/html"}, NULL);
        const char *got = refold_error_body(error, &length);
        CHECK(length <= 65536);
        CHECK(got != NULL && memmem(got, length, "tk_", 3) == NULL);
        CHECK(got != NULL && length > 65500 && strchr(got, 't') == NULL);
        refold_error_free(error);
        free(body);
        free(padding);
    }
}

static void use_unusual_key(refold_options *options) {
    refold_options_set_api_key(options, "quote\"slash/umlaut\xc3\xbc-end", "account");
}

static void use_repetitive_key(refold_options *options, const char *end) {
    char *start = repeated("a", 600), *key = text_of("%s%s", start, end);
    refold_options_set_api_key(options, key, "account");
    refold_options_set_timeout_ms(options, 1000 * (uint64_t)check_patience());
    free(start);
    free(key);
}

static void use_key_of_a(refold_options *options) { use_repetitive_key(options, ""); }
static void use_key_of_a_and_b(refold_options *options) { use_repetitive_key(options, "b"); }

/* The time for it is proportional to the body, whatever the secret is. */
TEST(repetitive_secrets_are_redacted_in_time) {
    static const struct {
        const char *part;
        void (*change)(refold_options *);
        const char *body;
    } cases[] = {{"a", use_key_of_a, "***"},           {"\\u0061", use_key_of_a, "***"},
                 {"a", use_key_of_a_and_b, NULL},      {"\\u0061", use_key_of_a_and_b, NULL},
                 {"\"a", use_key_of_a_and_b, NULL},    {"\\", use_key_of_a_and_b, NULL},
                 {"\\ud83d", use_key_of_a_and_b, NULL}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *body = repeated(cases[i].part, (1 << 20) / strlen(cases[i].part));
        struct timing timing = {.max_ms = 500};
        check_case("%zu: %s", i, cases[i].part);
        while (CHECK_AGAIN(timing)) {
            int64_t began = now_us();
            refold_error *error = error_of(
                &(struct response){.status = 404, .body = body, .type = "text/plain"}, cases[i].change);
            timing.us = now_us() - began;
            if (cases[i].body != NULL)
                CHECK_STR(refold_error_body(error, NULL), cases[i].body);
            EXPECT_ERROR(error, 404, NULL);
        }
        free(body);
    }
}

/* JSON can escape the same secret in several ways. */
TEST(escaped_secrets_are_redacted) {
    static const char *const bodies[] = {
        "{\"message\": \"bad key quote\\\"slash/umlaut\xc3\xbc-end.\"}",
        "{\"message\": \"bad key quote\\\"slash\\/umlaut\\u00fc-end.\"}",
        "{\"message\": \"bad key \\u0071uote\\u0022slash\\u002fumlaut\\u00FC-end.\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        check_case("%s", bodies[i]);
        refold_error *error = error_of(&(struct response){.status = 401, .body = bodies[i]}, use_unusual_key);
        CHECK_STR(refold_error_message(error), "bad key ***.");
        CHECK_LACKS(refold_error_body(error, NULL), "umlaut");
        refold_error_free(error);
    }
}

/* Names -------------------------------------------------------------------------------------------------- */

TEST(every_code_has_a_name) {
    static const struct {
        refold_code code;
        const char *name;
    } cases[] = {{REFOLD_OK, "OK"},
                 {REFOLD_ERROR_BAD_REQUEST, "BAD_REQUEST"},
                 {REFOLD_ERROR_UNAUTHORIZED, "UNAUTHORIZED"},
                 {REFOLD_ERROR_FORBIDDEN, "FORBIDDEN"},
                 {REFOLD_ERROR_NOT_FOUND, "NOT_FOUND"},
                 {REFOLD_ERROR_REQUEST_TIMEOUT, "REQUEST_TIMEOUT"},
                 {REFOLD_ERROR_CONFLICT, "CONFLICT"},
                 {REFOLD_ERROR_UNPROCESSABLE_ENTITY, "UNPROCESSABLE_ENTITY"},
                 {REFOLD_ERROR_TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS"},
                 {REFOLD_ERROR_INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR"},
                 {REFOLD_ERROR_NOT_IMPLEMENTED, "NOT_IMPLEMENTED"},
                 {REFOLD_ERROR_BAD_GATEWAY, "BAD_GATEWAY"},
                 {REFOLD_ERROR_SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"},
                 {REFOLD_ERROR_GATEWAY_TIMEOUT, "GATEWAY_TIMEOUT"},
                 {REFOLD_ERROR_INVALID_ARGUMENT, "INVALID_ARGUMENT"},
                 {REFOLD_ERROR_CANCELLED, "CANCELLED"},
                 {REFOLD_ERROR_TIMEOUT, "TIMEOUT"},
                 {REFOLD_ERROR_RESOLVE, "RESOLVE"},
                 {REFOLD_ERROR_CONNECT, "CONNECT"},
                 {REFOLD_ERROR_TLS, "TLS"},
                 {REFOLD_ERROR_TRANSPORT, "TRANSPORT"},
                 {REFOLD_ERROR_INVALID_RESPONSE, "INVALID_RESPONSE"},
                 {REFOLD_ERROR_RESPONSE_TOO_LARGE, "RESPONSE_TOO_LARGE"},
                 {REFOLD_ERROR_INTERNAL, "INTERNAL"},
                 {REFOLD_ERROR_RESOURCE, "RESOURCE"},
                 {301, "HTTP_ERROR"},
                 {402, "HTTP_ERROR"},
                 {418, "HTTP_ERROR"},
                 {505, "HTTP_ERROR"},
                 {999, "HTTP_ERROR"}};
    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_STR(refold_code_name(cases[i].code), cases[i].name);
}
