/* The request on the wire, byte for byte where that matters. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *head_of_call(struct server *server, refold_client *client) {
    size_t before = server_requests(server);
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    CHECK_INT(server_requests(server), before + 1);
    const char *head = server_head(server, before);
    return head == NULL ? "" : head;
}

TEST(the_path_is_appended_to_the_prefix) {
    static const char *const cases[][2] = {{"", ""},
                                           {"/", ""},
                                           {"/prefix", "/prefix"},
                                           {"/prefix/", "/prefix"},
                                           {"/a/b-c_d.e~f", "/a/b-c_d.e~f"},
                                           {"/a/b/c/", "/a/b/c"}};
    struct server *server = serve_body(COMPLETED);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *url = text_of("%s%s", server_url(server), cases[i][0]);
        char *line = text_of("GET %s/api/v2/public/execution/" TEST_ID " HTTP/1.1", cases[i][1]);
        check_case("%s", cases[i][0]);
        CHECK_STR(head_line(head_of_call(server, client_of(test_options(url)))), line);
        free(url);
        free(line);
    }
    server_stop(server);
}

/* No header is repeated or empty, and there is no body. */
static void check_well_formed(const char *head) {
    CHECK(strncmp(head, "GET ", 4) == 0);
    for (const char *line = strstr(head, "\r\n"); line != NULL && line[2] != '\r';
         line = strstr(line + 2, "\r\n")) {
        char name[100];
        size_t length = strcspn(line + 2, ":");
        snprintf(name, sizeof name, "%.*s", (int)length, line + 2);
        check_case("%s", name);
        CHECK_INT(head_count(head, name), 1);
        CHECK(head_value(head, name) != NULL && head_value(head, name)[0] != '\0');
    }
    check_case(NULL);
    CHECK_INT(head_count(head, "content-length"), 0);
    CHECK_INT(head_count(head, "transfer-encoding"), 0);
    CHECK_INT(head_count(head, "expect"), 0);
    CHECK_INT(head_count(head, "cookie"), 0);
}

TEST(a_key_is_sent_with_its_account) {
    struct server *server = serve_body(COMPLETED);
    const char *head = head_of_call(server, client_to(server));
    check_well_formed(head);
    CHECK_STR(head_value(head, "x-api-key"), TEST_KEY);
    CHECK_STR(head_value(head, "linked_account_id"), TEST_ACCOUNT);
    CHECK_INT(head_count(head, "authorization"), 0);
    CHECK_STR(head_value(head, "host"), server_url(server) + strlen("http://"));
    CHECK_CONTAINS(head_value(head, "accept-encoding"), "gzip");
    server_stop(server);
}

static refold_options *options_with_token(struct server *server, const char *token) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_api_key(options, NULL, NULL);
    refold_options_set_session_token(options, token);
    return options;
}

TEST(a_token_is_sent_alone) {
    struct server *server = serve_body(COMPLETED);
    const char *head = head_of_call(server, client_of(options_with_token(server, TEST_TOKEN)));
    check_well_formed(head);
    CHECK_STR(head_value(head, "authorization"), "Bearer " TEST_TOKEN);
    CHECK_INT(head_count(head, "x-api-key"), 0);
    CHECK_INT(head_count(head, "linked_account_id"), 0);
    server_stop(server);
}

TEST(credentials_are_sent_byte_for_byte) {
    static const char *const texts[] = {"J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80", "a b  c",
                                        "\"quoted\", <a@b.c>; x=y", "{}[]()%20%00\\n\\",
                                        "\xc2\xa0\xef\xbb\xbf"
                                        "bom"};
    struct server *server = serve_body(COMPLETED);
    for (size_t i = 0; i < COUNT(texts); i++) {
        check_case("%s", texts[i]);
        refold_options *options = test_options(server_url(server));
        refold_options_set_api_key(options, texts[i], texts[i]);
        const char *head = head_of_call(server, client_of(options));
        CHECK_STR(head_value(head, "x-api-key"), texts[i]);
        CHECK_STR(head_value(head, "linked_account_id"), texts[i]);
        char *bearer = text_of("Bearer %s", texts[i]);
        head = head_of_call(server, client_of(options_with_token(server, texts[i])));
        CHECK_STR(head_value(head, "authorization"), bearer);
        free(bearer);
    }
    server_stop(server);
}

TEST(the_user_agent_holds_product_and_version) {
    struct server *server = serve_body(COMPLETED);
    char own[200];
    const char *head = head_of_call(server, client_to(server));
    snprintf(own, sizeof own, "%s", head_value(head, "user-agent"));
    CHECK_CONTAINS(own, "refold");
    CHECK_CONTAINS(own, REFOLD_VERSION);
    refold_options *options = test_options(server_url(server));
    refold_options_set_user_agent(options, "product/7.1 (\xc3\xbc)");
    char *both = text_of("product/7.1 (\xc3\xbc) %s", own);
    CHECK_STR(head_value(head_of_call(server, client_of(options)), "user-agent"), both);
    free(both);
    server_stop(server);
}

TEST(a_new_token_applies_to_later_calls) {
    static const char *const rejected[] = {NULL, "", "a\nb", "\xff", "\x01"};
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_of(options_with_token(server, "first"));
    CHECK_INT(get_code(client), REFOLD_OK);
    char second[] = "second";
    CHECK_INT(refold_client_set_session_token(client, second), REFOLD_OK);
    memset(second, 'x', strlen(second));
    CHECK_INT(get_code(client), REFOLD_OK);
    for (size_t i = 0; i < COUNT(rejected); i++)
        CHECK_INT(refold_client_set_session_token(client, rejected[i]), REFOLD_ERROR_INVALID_ARGUMENT);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_STR(head_value(server_head(server, 0), "authorization"), "Bearer first");
    CHECK_STR(head_value(server_head(server, 1), "authorization"), "Bearer second");
    CHECK_STR(head_value(server_head(server, 2), "authorization"), "Bearer second");
    refold_client_free(client);
    server_stop(server);
}

TEST(a_client_with_a_key_rejects_a_token) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    CHECK_INT(refold_client_set_session_token(client, TEST_TOKEN), REFOLD_ERROR_INVALID_ARGUMENT);
    const char *head = head_of_call(server, client);
    CHECK_STR(head_value(head, "x-api-key"), TEST_KEY);
    CHECK_INT(head_count(head, "authorization"), 0);
    server_stop(server);
}

static void replace_token(void *data) {
    refold_client *client = data;
    char token[40];
    for (int i = 0; i < 50; i++) {
        snprintf(token, sizeof token, "token-%d-end", i);
        CHECK_INT(refold_client_set_session_token(client, token), REFOLD_OK);
        CHECK_INT(get_code(client), REFOLD_OK);
    }
}

/* Each request carries a complete token, even if another thread replaces it meanwhile. */
TEST(tokens_can_be_replaced_while_calls_run) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_of(options_with_token(server, "token-0-end"));
    run_on_threads(4, replace_token, client, 0);
    refold_client_free(client);
    CHECK_INT(server_requests(server), 200);
    for (size_t i = 0; i < server_requests(server); i++) {
        int number = -1, end = 0;
        const char *value = head_value(server_head(server, i), "authorization");
        CHECK(value != NULL && sscanf(value, "Bearer token-%d-end%n", &number, &end) == 1 &&
              value[end] == '\0' && end > 0);
    }
    server_stop(server);
}

/* Redirects are never followed, because the key header must not reach another host: a 3xx response is an
 * error with that code. */
TEST(redirects_are_errors) {
    static const int statuses[] = {300, 301, 302, 303, 304, 307, 308, 399};
    struct server *elsewhere = serve_body(COMPLETED);
    char *location = text_of("Location: %s/other\r\n", server_url(elsewhere));
    for (size_t i = 0; i < COUNT(statuses); i++) {
        bool is_empty = statuses[i] == 304;
        struct server *server = serve_responses(
            1,
            &(struct response){.status = statuses[i], .headers = location, .body = is_empty ? "" : "moved"});
        refold_client *client = client_to(server);
        check_case("%d", statuses[i]);
        CHECK_INT(get_code(client), statuses[i]);
        CHECK_INT(server_requests(server), 1);
        refold_client_free(client);
        server_stop(server);
    }
    CHECK_INT(server_connections(elsewhere), 0);
    free(location);
    server_stop(elsewhere);
}

TEST(the_id_is_the_servers_or_else_the_requested_one) {
    static const char *const cases[][2] = {
        {"{\"status\": \"RUNNING\", \"_id\": \"of-the-server\"}", "of-the-server"},
        {"{\"status\": \"RUNNING\", \"_id\": \"\"}", ""},
        {"{\"status\": \"RUNNING\", \"_id\": null}", TEST_ID},
        {"{\"status\": \"RUNNING\", \"_id\": 7}", TEST_ID},
        {"{\"status\": \"RUNNING\"}", TEST_ID}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct server *server = serve_body(cases[i][0]);
        refold_client *client = client_to(server);
        check_case("%s", cases[i][0]);
        refold_execution *execution = get(client, NULL);
        CHECK_STR(refold_execution_id(execution), cases[i][1]);
        refold_execution_free(execution);
        refold_client_free(client);
        server_stop(server);
    }
}
