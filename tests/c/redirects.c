/* "Redirects are never followed": whatever a server says in a 3xx answer, nobody else sees a connection. */
#include "client.h"
#include "lookup.h"

#include <stdio.h>
#include <stdlib.h>

static const int kinds[] = {301, 302, 303, 307, 308};
/* Not redirects that a client would follow by itself, but 3xx all the same. */
static const int others[] = {300, 304, 305, 306, 399};

/* The place that the server sends its callers to, with listeners at all of them. */
struct places {
    struct server *other_host, *other_port, *secure, *plaintext;
    char *locations[10];
    size_t count;
};

static void add_location(struct places *places, char *location) {
    places->locations[places->count++] = location;
}

static struct places open_places(void) {
    const struct server_options options = {.responses = &(struct response){.body = COMPLETED},
                                           .response_count = 1};
    struct server_options elsewhere = options, with_tls = options;
    elsewhere.address = "127.0.0.2";
    with_tls.certificate = "good";
    struct places places = {.other_host = serve(&elsewhere),
                            .other_port = serve(&options),
                            .secure = serve(&with_tls),
                            .plaintext = serve(&options)};
    lookup_script((struct lookup){.addresses = {"127.0.0.2"}});
    add_location(&places, text_of("%s/", server_url(places.other_host)));
    add_location(&places, text_of("%s/api/" TEST_ID, server_url(places.other_port)));
    add_location(&places, text_of("%s/api/" TEST_ID, server_url(places.secure)));
    add_location(&places, text_of("%s/api/" TEST_ID, server_url(places.plaintext)));
    add_location(&places, text_of("http://localhost:%u/", server_port(places.other_port)));
    add_location(&places, text_of("http://elsewhere.invalid:%u/", server_port(places.other_host)));
    add_location(&places, text_of("//127.0.0.1:%u/", server_port(places.other_port)));
    add_location(&places, text_of("/relative"));
    add_location(&places, text_of("?query"));
    add_location(&places, text_of("http://[::1"));
    return places;
}

static void check_unseen(const struct places *places) {
    CHECK_INT(server_connections(places->other_host), 0);
    CHECK_INT(server_connections(places->other_port), 0);
    CHECK_INT(server_connections(places->secure), 0);
    CHECK_INT(server_connections(places->plaintext), 0);
    CHECK_INT(lookup_count(), 0);
}

static void close_places(struct places *places) {
    server_stop(places->other_host);
    server_stop(places->other_port);
    server_stop(places->secure);
    server_stop(places->plaintext);
    for (size_t i = 0; i < places->count; i++)
        free(places->locations[i]);
}

/* One call and one wait to a server that answers so: both fail with the status, after one request each,
 * though retries are allowed. */
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
    struct places places = open_places();
    for (int secure = 0; secure < 2; secure++)
        for (size_t kind = 0; kind < COUNT(kinds); kind++)
            for (size_t i = 0; i < places.count; i++)
                check_redirect(secure, kinds[kind], places.locations[i]);
    check_unseen(&places);
    close_places(&places);
}

TEST(every_other_3xx_response_is_an_error) {
    struct places places = open_places();
    for (size_t i = 0; i < COUNT(others); i++)
        if (others[i] != 304)
            check_redirect(false, others[i], places.locations[1]);
    for (size_t i = 0; i < COUNT(kinds); i++)
        check_redirect(false, kinds[i], NULL);
    check_unseen(&places);
    close_places(&places);
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

/* "An answer without an envelope still gives code and a message" that says what to do. */
TEST(the_message_explains_that_redirects_are_not_followed) {
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct server *server = serve_responses(
            1, &(struct response){
                   .status = kinds[i], .headers = "Location: https://elsewhere.invalid/\r\n", .body = ""});
        refold_client *client = client_to(server);
        refold_error *error = NULL;
        CHECK(get(client, &error) == NULL);
        EXPECT_ERROR(error, kinds[i], "redirect");
        refold_client_free(client);
        server_stop(server);
    }
}
