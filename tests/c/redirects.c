/* Redirects are never followed: a 3xx response causes no connection to another server. */
#include "client.h"
#include "lookup.h"

#include <stdio.h>
#include <stdlib.h>

static const int redirects[] = {301, 302, 303, 307, 308};
/* Statuses of the 3xx class that no client follows automatically. */
static const int others[] = {300, 304, 305, 306, 399};

/* Redirect targets, with a server at each of them. */
struct targets {
    struct server *other_host, *other_port, *secure, *plaintext;
    char *locations[10];
    size_t count;
};

static void add_location(struct targets *targets, char *location) {
    targets->locations[targets->count++] = location;
}

static struct targets open_targets(void) {
    const struct server_options options = {.responses = &(struct response){.body = COMPLETED},
                                           .response_count = 1};
    struct server_options elsewhere = options, with_tls = options;
    elsewhere.address = "127.0.0.2";
    with_tls.certificate = "good";
    struct targets targets = {.other_host = serve(&elsewhere),
                              .other_port = serve(&options),
                              .secure = serve(&with_tls),
                              .plaintext = serve(&options)};
    lookup_script((struct lookup){.addresses = {"127.0.0.2"}});
    add_location(&targets, text_of("%s/", server_url(targets.other_host)));
    add_location(&targets, text_of("%s/api/" TEST_ID, server_url(targets.other_port)));
    add_location(&targets, text_of("%s/api/" TEST_ID, server_url(targets.secure)));
    add_location(&targets, text_of("%s/api/" TEST_ID, server_url(targets.plaintext)));
    add_location(&targets, text_of("http://localhost:%u/", server_port(targets.other_port)));
    add_location(&targets, text_of("http://elsewhere.invalid:%u/", server_port(targets.other_host)));
    add_location(&targets, text_of("//127.0.0.1:%u/", server_port(targets.other_port)));
    add_location(&targets, text_of("/relative"));
    add_location(&targets, text_of("?query"));
    add_location(&targets, text_of("http://[::1"));
    return targets;
}

static void check_no_contact(const struct targets *targets) {
    CHECK_INT(server_connections(targets->other_host), 0);
    CHECK_INT(server_connections(targets->other_port), 0);
    CHECK_INT(server_connections(targets->secure), 0);
    CHECK_INT(server_connections(targets->plaintext), 0);
    CHECK_INT(lookup_count(), 0);
}

static void close_targets(struct targets *targets) {
    server_stop(targets->other_host);
    server_stop(targets->other_port);
    server_stop(targets->secure);
    server_stop(targets->plaintext);
    for (size_t i = 0; i < targets->count; i++)
        free(targets->locations[i]);
}

/* One call and one wait on a server that sends this response: both fail with the status after one request
 * each, although retries are allowed. */
static void check_redirect(bool secure, int status, const char *location) {
    char *headers = location == NULL ? NULL : text_of("Location: %s\r\n", location);
    const struct response response = {
        .status = status, .headers = headers, .body = "{\"message\": \"moved\"}"};
    const struct server_options server_options = {
        .responses = &response, .response_count = 1, .certificate = secure ? "good" : NULL};
    struct server *server = serve(&server_options);
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_max_retries(options, 3);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    check_case("%d from %s to %s", status, server_url(server), location);
    CHECK(get(client, &error) == NULL);
    CHECK_INT(refold_error_http_status(error), status);
    CHECK_INT(refold_error_attempts(error), 1);
    CHECK(!refold_error_is_retryable(error));
    EXPECT_ERROR(error, status, status == 304 ? NULL : "moved");
    error = UNREAD_ERROR;
    CHECK(refold_wait_execution(client, TEST_ID, 5000, NULL, NULL, NULL, &error) == NULL);
    EXPECT_ERROR(error, status, NULL);
    CHECK_INT(server_requests(server), 2);
    CHECK_INT(server_connections(server), 1);
    refold_client_free(client);
    server_stop(server);
    free(headers);
}

TEST(redirect_targets_see_no_connection) {
    struct targets targets = open_targets();
    for (int secure = 0; secure < 2; secure++)
        for (size_t redirect = 0; redirect < COUNT(redirects); redirect++)
            for (size_t i = 0; i < targets.count; i++)
                check_redirect(secure, redirects[redirect], targets.locations[i]);
    check_no_contact(&targets);
    close_targets(&targets);
}

TEST(every_other_3xx_response_is_an_error) {
    struct targets targets = open_targets();
    for (size_t i = 0; i < COUNT(others); i++)
        if (others[i] != 304)
            check_redirect(false, others[i], targets.locations[1]);
    for (size_t i = 0; i < COUNT(redirects); i++)
        check_redirect(false, redirects[i], NULL);
    check_no_contact(&targets);
    close_targets(&targets);
}

TEST(a_redirect_to_itself_is_not_followed) {
    struct server *server =
        serve_responses(2, (struct response[]){{.status = 302, .headers = "Location: /again\r\n", .body = ""},
                                               {.body = COMPLETED}});
    refold_client *client = client_to(server);
    CHECK_INT(get_code(client), 302);
    CHECK_INT(server_requests(server), 1);
    refold_client_free(client);
    server_stop(server);
}

/* A response without an envelope still yields a code and a message that explains what to do. */
TEST(the_message_explains_that_redirects_are_not_followed) {
    for (size_t i = 0; i < COUNT(redirects); i++) {
        struct server *server =
            serve_responses(1, &(struct response){.status = redirects[i],
                                                  .headers = "Location: https://elsewhere.invalid/\r\n",
                                                  .body = ""});
        refold_client *client = client_to(server);
        refold_error *error = NULL;
        CHECK(get(client, &error) == NULL);
        EXPECT_ERROR(error, redirects[i], "redirect");
        refold_client_free(client);
        server_stop(server);
    }
}
