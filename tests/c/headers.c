/* refold_options_set_header: which fields can be set, how they are sent, and that their values are kept
 * secret. */
#define _GNU_SOURCE
#include "client.h"
#include "logs.h"
#include "proxies.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE TEST_HEADER_VALUE
#define AT_ONCE "Retry-After: 0\r\n"

/* The whole line of a field in a head; "": there is none. Freed by the caller. */
static char *line_of_field(const char *head, const char *name) {
    char *start = text_of("\r\n%s: ", name);
    const char *line = head == NULL ? NULL : strstr(head, start);
    char *text = line == NULL ? strdup("") : strndup(line + 2, strcspn(line + 2, "\r\n"));
    free(start);
    return text;
}

/* Makes a call with one field, which must be sent as `name: sent`, or refused if `sent` is NULL. */
static void check_field(struct server *server, const char *name, const char *value, const char *sent) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_header(options, name, value);
    if (sent == NULL) {
        refold_error *error = client_error(options);
        CHECK_LACKS(refold_error_message(error), VALUE);
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, "header");
        return;
    }
    size_t before = server_requests(server);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    char *want = text_of("%s: %s", name, sent), *got = line_of_field(server_head(server, before), name);
    CHECK_STR(got, want);
    CHECK_INT(head_count(server_head(server, before), name), 1);
    free(want);
    free(got);
    refold_client_free(client);
}

/* Names and values --------------------------------------------------------------------------------------- */

TEST(a_name_has_only_the_characters_of_a_token) {
    struct server *server = serve_body(COMPLETED);
    for (int byte = 1; byte < 256; byte++) {
        bool is_valid = byte < 128 && (isalnum(byte) || strchr("!#$%&'*+-.^_`|~", byte) != NULL);
        for (int place = 0; place < 3; place++) {
            char name[4] = "xyz";
            name[place] = (char)byte;
            check_case("byte %d at %d", byte, place);
            check_field(server, name, "v", is_valid ? "v" : NULL);
        }
    }
    server_stop(server);
}

TEST(a_value_has_no_control_characters_but_tabs) {
    struct server *server = serve_body(COMPLETED);
    for (int byte = 1; byte < 256; byte++) {
        char value[4] = "abc";
        bool is_valid = byte == '\t' || (byte >= 0x20 && byte < 0x7f); /* above, a byte alone is no UTF-8 */
        value[1] = (char)byte;
        check_case("byte %d", byte);
        check_field(server, "X-Custom", value, is_valid ? value : NULL);
    }
    server_stop(server);
}

TEST(names_and_values_of_every_kind) {
    char *name = repeated("n", 300), *value = repeated("v", 4000);
    const struct {
        const char *name, *value, *sent;
    } rows[] = {
        {"a", "b", "b"},
        {"X-CamelCase", "Value", "Value"},
        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
        {"0", "a: b; c=\"d\", <e>", "a: b; c=\"d\", <e>"},
        {name, "v", "v"},
        {"x", value, value},
        {"x", "", ""},
        {"x", " \t v \t ", "v"},
        {"x", " \t ", ""},
        {"x", "a  b\tc", "a  b\tc"},
        {"x",
         "gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x98\x80",
         "gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"x", "\xc2\x80", "\xc2\x80"},
        {"x", "\xff", NULL},
        {"x", "\xc3", NULL},
        {"x", "\xed\xa0\x80", NULL},
        {"x", VALUE "\r\nx-injected: y", NULL},
        {"x", VALUE "\n", NULL},
        {"x", "\r" VALUE, NULL},
        {"x\r\nx-injected: y\r\nz", VALUE, NULL},
        {"", VALUE, NULL},
        {NULL, VALUE, NULL},
        {":authority", VALUE, NULL},
        {"x:", VALUE, NULL},
        {"x ", VALUE, NULL},
        {" x", VALUE, NULL},
        {"\xc3\xbc", VALUE, NULL},
    };
    struct server *server = serve_body(COMPLETED);
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_case("row %zu", i);
        check_field(server, rows[i].name, rows[i].value, rows[i].sent);
    }
    for (size_t i = 0; i < server_requests(server); i++)
        CHECK_INT(head_count(server_head(server, i), "x-injected"), 0);
    free(name);
    free(value);
    server_stop(server);
}

TEST(fields_of_the_library_and_the_connection_are_refused) {
    static const char *const names[] = {"host",
                                        "content-length",
                                        "transfer-encoding",
                                        "connection",
                                        "te",
                                        "trailer",
                                        "upgrade",
                                        "expect",
                                        "accept",
                                        "accept-encoding",
                                        "user-agent",
                                        "authorization",
                                        "proxy-authorization",
                                        "x-api-key",
                                        "linked_account_id"};
    static const char *const neighbours[] = {
        "hos",       "accept-language",   "content-type",     "x-api-keys",
        "x_api_key", "linked-account-id", "proxy-connection", "cookie"};
    struct server *server = serve_body(COMPLETED);
    for (size_t i = 0; i < COUNT(names); i++) {
        char upper[40] = "", mixed[40] = "", longer[41];
        for (size_t j = 0; names[i][j] != '\0'; j++) {
            upper[j] = (char)toupper((unsigned char)names[i][j]);
            mixed[j] = j % 2 == 0 ? upper[j] : names[i][j];
        }
        snprintf(longer, sizeof longer, "%s1", names[i]);
        check_case("%s", names[i]);
        check_field(server, names[i], "v", NULL);
        check_field(server, upper, "v", NULL);
        check_field(server, mixed, "v", NULL);
        check_field(server, longer, "v", "v");
    }
    for (size_t i = 0; i < COUNT(neighbours); i++) {
        check_case("%s", neighbours[i]);
        check_field(server, neighbours[i], "v", "v");
    }
    server_stop(server);
}

/* A message has the name, and never the value. */
TEST(messages_name_the_field) {
    static const struct {
        const char *name, *value;
    } rows[] = {{"X-Broken", VALUE "\x01"}, {"X-Broken", VALUE "\xff"}, {"Host", VALUE}, {"X Broken", VALUE}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        refold_options *options = test_options(NULL);
        refold_options_set_header(options, rows[i].name, rows[i].value);
        refold_error *error = client_error(options);
        check_case("row %zu", i);
        CHECK_LACKS(refold_error_message(error), VALUE);
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, rows[i].name);
    }
}

/* Setting and removing ----------------------------------------------------------------------------------- */

/* The part of a head that follows the library's own fields; fails unless it is `want`. */
static void check_tail(struct server *server, refold_options *options, const char *want) {
    size_t before = server_requests(server);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    const char *head = server_head(server, before);
    const char *last = head == NULL ? NULL : strstr(head, "linked_account_id: " TEST_ACCOUNT "\r\n");
    CHECK_STR(last == NULL ? NULL : last + strlen("linked_account_id: " TEST_ACCOUNT "\r\n"), want);
}

TEST(fields_follow_those_of_the_library_in_order) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = test_options(server_url(server));
    check_tail(server, options, "\r\n");
    options = test_options(server_url(server));
    refold_options_set_header(options, "X-Two", "2");
    refold_options_set_header(options, "X-One", "1");
    refold_options_set_header(options, "A-Three", "3");
    check_tail(server, options, "X-Two: 2\r\nX-One: 1\r\nA-Three: 3\r\n\r\n");
    server_stop(server);
}

static void set_nothing(refold_options *options) { (void)options; }
static void replace(refold_options *options) { refold_options_set_header(options, "x-ONE", "other"); }
static void remove_one(refold_options *options) { refold_options_set_header(options, "x-one", NULL); }
static void remove_unknown(refold_options *options) { refold_options_set_header(options, "x-on", NULL); }
static void remove_nameless(refold_options *options) { refold_options_set_header(options, "", NULL); }
static void remove_all(refold_options *options) { refold_options_set_header(options, NULL, NULL); }
static void break_and_fix(refold_options *options) {
    refold_options_set_header(options, "X-One", "\n");
    refold_options_set_header(options, "X-One", "fixed");
}
static void break_and_remove(refold_options *options) {
    refold_options_set_header(options, "X Y", "v");
    refold_options_set_header(options, "Host", "v");
    refold_options_set_header(options, NULL, "v");
    refold_options_set_header(options, "x y", NULL);
    refold_options_set_header(options, "HOST", NULL);
    refold_options_set_header(options, "", NULL);
}
static void break_and_remove_all(refold_options *options) {
    refold_options_set_header(options, "X Y", "v");
    refold_options_set_header(options, NULL, NULL);
}

TEST(fields_are_replaced_and_removed_in_any_case) {
    static const struct {
        const char *name;
        void (*change)(refold_options *options);
        const char *one, *two; /* the values sent */
    } rows[] = {{"unchanged", set_nothing, "1", "2"},
                {"replaced", replace, "other", "2"},
                {"removed", remove_one, NULL, "2"},
                {"unknown removed", remove_unknown, "1", "2"},
                {"nameless removed", remove_nameless, "1", "2"},
                {"all removed", remove_all, NULL, NULL},
                {"broken and fixed", break_and_fix, "fixed", "2"},
                {"broken and removed", break_and_remove, "1", "2"},
                {"broken and all removed", break_and_remove_all, NULL, NULL}};
    struct server *server = serve_body(COMPLETED);
    for (size_t i = 0; i < COUNT(rows); i++) {
        refold_options *options = test_options(server_url(server));
        check_case("%s", rows[i].name);
        refold_options_set_header(options, "X-One", "1");
        refold_options_set_header(options, "X-Two", "2");
        rows[i].change(options);
        refold_client *client = client_of(options);
        CHECK_INT(get_code(client), REFOLD_OK);
        refold_client_free(client);
        const char *head = server_head(server, server_requests(server) - 1);
        CHECK_STR(head_value(head, "x-one"), rows[i].one);
        CHECK_STR(head_value(head, "x-two"), rows[i].two);
        CHECK_INT(head_count(head, "x-one"), rows[i].one != NULL);
    }
    server_stop(server);
}

/* A client keeps the fields that the options had when it was created. */
TEST(later_changes_of_options_do_not_reach_a_client) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = test_options(server_url(server));
    refold_options_set_header(options, "X-One", "1");
    refold_client *client = refold_client_new(options, NULL);
    refold_options_set_header(options, "X-One", "2");
    refold_options_set_header(options, "X-Two", "2");
    refold_options_free(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_STR(head_value(server_head(server, 0), "x-one"), "1");
    CHECK_STR(head_value(server_head(server, 0), "x-two"), NULL);
    refold_client_free(client);
    server_stop(server);
}

static void set_numbered(refold_options *options, int count) {
    for (int i = 0; i < count; i++) {
        char name[20];
        snprintf(name, sizeof name, "X-Field-%d", i);
        refold_options_set_header(options, name, "v");
    }
}

TEST(at_most_32_fields_can_be_set) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = test_options(server_url(server));
    set_numbered(options, 32);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_STR(head_value(server_head(server, 0), "x-field-0"), "v");
    CHECK_STR(head_value(server_head(server, 0), "x-field-31"), "v");
    refold_client_free(client);
    options = test_options(server_url(server));
    set_numbered(options, 33);
    EXPECT_ERROR(client_error(options), REFOLD_ERROR_INVALID_ARGUMENT, "32");
    options = test_options(server_url(server));
    set_numbered(options, 33);
    refold_options_set_header(options, "x-field-7", NULL);
    refold_client_free(client_of(options));
    options = test_options(server_url(server));
    set_numbered(options, 32);
    set_numbered(options, 32);
    refold_client_free(client_of(options));
    server_stop(server);
}

/* Names, values, and ": " and line end of each. */
TEST(fields_are_at_most_8_kib_together) {
    enum { LIMIT = 8192, AROUND = 4 };
    struct server *server = serve_body(COMPLETED);
    for (int fields = 1; fields <= 2; fields++) {
        for (int excess = 0; excess <= 1; excess++) {
            refold_options *options = test_options(server_url(server));
            size_t size = LIMIT - 1 - AROUND + (size_t)excess;
            check_case("%d fields, %d too long", fields, excess);
            if (fields == 2) {
                refold_options_set_header(options, "b", "1234");
                size -= 1 + 4 + AROUND;
            }
            char *value = repeated("v", size);
            refold_options_set_header(options, "a", value);
            if (excess) {
                EXPECT_ERROR(client_error(options), REFOLD_ERROR_INVALID_ARGUMENT, "8 KiB");
            } else {
                refold_client *client = client_of(options);
                CHECK_INT(get_code(client), REFOLD_OK);
                char *line = line_of_field(server_head(server, server_requests(server) - 1), "a");
                CHECK_INT(strlen(line), 3 + size);
                free(line);
                refold_client_free(client);
            }
            free(value);
        }
    }
    server_stop(server);
}

/* Where fields are sent ---------------------------------------------------------------------------------- */

TEST(a_connect_to_a_proxy_has_no_further_fields) {
    struct server *server = serve(&(struct server_options){
        .certificate = "good", .responses = &(struct response){.body = COMPLETED}, .response_count = 1});
    struct proxy *proxy = proxy_start((struct proxy_options){0});
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_proxy(options, proxy_url(proxy, "http", NULL));
    refold_options_set_header(options, "X-Custom", VALUE);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    const char *connect = server_head(proxy_server(proxy), 0);
    CHECK_CONTAINS(connect, "CONNECT 127.0.0.1:");
    CHECK_STR(head_value(connect, "x-custom"), NULL);
    CHECK_LACKS(connect, VALUE);
    CHECK_STR(head_value(server_head(server, 0), "x-custom"), VALUE);
    refold_client_free(client);
    proxy_stop(proxy);
    server_stop(server);
}

TEST(a_forwarded_request_has_the_further_fields) {
    struct proxy *proxy = proxy_start((struct proxy_options){.user = "user", .password = "hush-hush"});
    refold_options *options = test_options("http://unknown.invalid");
    refold_options_set_allow_plaintext(options, true);
    refold_options_set_proxy(options, proxy_url(proxy, "http", "user:hush-hush"));
    refold_options_set_header(options, "X-Custom", VALUE);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    const char *head = server_head(proxy_server(proxy), 0);
    CHECK_CONTAINS(head, "GET http://unknown.invalid/");
    CHECK_CONTAINS(head, "linked_account_id: " TEST_ACCOUNT "\r\nX-Custom: " VALUE "\r\n\r\n");
    refold_client_free(client);
    proxy_stop(proxy);
}

TEST(each_attempt_and_poll_sends_the_fields) {
    struct response responses[] = {{.status = 503, .headers = AT_ONCE, .body = ""},
                                   {.body = RUNNING},
                                   {.silent = true, .ending = CLOSE}, /* the connection was lost while idle */
                                   {.body = RUNNING},
                                   {.status = 503, .headers = AT_ONCE, .body = ""},
                                   {.body = COMPLETED}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_options *options = test_options(server_url(server));
    refold_options_set_header(options, "X-Custom", VALUE);
    refold_options_set_max_retries(options, 1);
    refold_options_set_poll_interval_ms(options, 10);
    refold_client *client = client_of(options);
    refold_execution *execution = refold_wait_execution(client, TEST_ID, 0, NULL, NULL, NULL, NULL);
    CHECK_STR(refold_execution_status(execution), "COMPLETED");
    CHECK_INT(server_requests(server), COUNT(responses));
    for (size_t i = 0; i < server_requests(server); i++) {
        check_case("request %zu", i);
        CHECK_STR(head_value(server_head(server, i), "x-custom"), VALUE);
    }
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
}

/* A session token may be replaced meanwhile; the fields stay. */
TEST(a_new_session_token_keeps_the_fields) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = test_options(server_url(server));
    refold_options_set_api_key(options, NULL, NULL);
    refold_options_set_session_token(options, "first");
    refold_options_set_header(options, "X-Custom", VALUE);
    refold_client *client = client_of(options);
    CHECK_INT(refold_client_set_session_token(client, TEST_TOKEN), REFOLD_OK);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_CONTAINS(server_head(server, 0),
                   "authorization: Bearer " TEST_TOKEN "\r\nX-Custom: " VALUE "\r\n\r\n");
    refold_client_free(client);
    server_stop(server);
}

/* Values are secrets ------------------------------------------------------------------------------------- */

/* Echoes the value as it was sent, in each field of an error. */
static void echo_value(struct exchange *exchange) {
    const char *value = head_value(exchange_head(exchange), "x-custom");
    char *headers = text_of("X-Request-Id: <%s>\r\n", value);
    char *body =
        text_of("{\"message\": \"no <%s>\", \"error_code\": \"<%s>\", \"http_error_type\": \"<%s>\", "
                "\"more\": [\"<%s>\"]}",
                value, value, value, value);
    exchange_respond(exchange, &(struct response){.status = 404, .headers = headers, .body = body});
    free(headers);
    free(body);
}

TEST(an_echoed_value_is_redacted) {
    static const struct {
        const char *value, *shown;
    } rows[] = {{VALUE, "<***>"}, {" \t" VALUE " ", "<***>"}, {"wxyz", "<***>"},
                {"wxy", "<wxy>"}, {" wxy ", "<wxy>"},         {"w", "<w>"},
                {"", "<>"},       {"w x/y z", "<***>"},       {"\xc3\xbc\xc3\x9f", "<***>"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct server *server = serve(&(struct server_options){.handler = echo_value});
        refold_options *options = test_options(server_url(server));
        refold_options_set_header(options, "X-Custom", rows[i].value);
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        check_case("row %zu", i);
        CHECK(get(client, &error) == NULL);
        char *message = text_of("no %s", rows[i].shown), *part = text_of("[\"%s\"]", rows[i].shown);
        CHECK_STR(refold_error_message(error), message);
        CHECK_STR(refold_error_api_code(error), rows[i].shown);
        CHECK_STR(refold_error_http_error_type(error), rows[i].shown);
        CHECK_STR(refold_error_request_id(error), rows[i].shown);
        CHECK_CONTAINS(refold_error_body(error, NULL), part);
        EXPECT_ERROR(error, 404, NULL);
        free(message);
        free(part);
        refold_client_free(client);
        server_stop(server);
    }
}

/* Each of several values, whatever the order, and where one contains another or the key. */
TEST(each_of_several_values_is_redacted) {
    struct server *server =
        serve_responses(1, &(struct response){.status = 404,
                                              .body = "{\"message\": \"<" VALUE "> <first-one> <" VALUE
                                                      "-longer> <" TEST_KEY "> <second>\"}"});
    refold_options *options = test_options(server_url(server));
    refold_options_set_header(options, "X-A", "first-one");
    refold_options_set_header(options, "X-B", VALUE);
    refold_options_set_header(options, "X-C", VALUE "-longer");
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_STR(refold_error_message(error), "<***> <***> <***> <***> <second>");
    refold_error_free(error);
    refold_client_free(client);
    server_stop(server);
}

/* A proxy that forwards requests sees the value, so its responses may have it, too. */
static void refuse_with_echo(struct exchange *exchange) {
    char *body = text_of("<%s>", head_value(exchange_head(exchange), "x-custom"));
    exchange_respond(exchange, &(struct response){.status = 502, .body = body, .type = "text/plain"});
    free(body);
}

TEST(a_value_echoed_by_a_proxy_is_redacted) {
    struct server *proxy = serve(&(struct server_options){.handler = refuse_with_echo});
    refold_options *options = test_options("http://unknown.invalid");
    refold_options_set_allow_plaintext(options, true);
    refold_options_set_proxy(options, server_url(proxy));
    refold_options_set_header(options, "X-Custom", VALUE);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_STR(refold_error_body(error, NULL), "<***>");
    EXPECT_ERROR(error, REFOLD_ERROR_BAD_GATEWAY, NULL);
    refold_client_free(client);
    server_stop(proxy);
}

/* Neither redaction nor the log removes values from an execution itself. */
TEST(an_execution_keeps_its_own_text) {
    struct server *server = serve_body("{\"status\": \"COMPLETED\", \"name\": \"" VALUE "\"}");
    refold_options *options = test_options(server_url(server));
    refold_options_set_header(options, "X-Custom", VALUE);
    refold_client *client = client_of(options);
    refold_execution *execution = must_get(client);
    CHECK_STR(refold_execution_name(execution), VALUE);
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
}
