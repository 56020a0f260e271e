/* What a TLS handshake can come to, as "Retries" and "For every function" tell it. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>

static void hang_up(struct exchange *exchange) { exchange_close(exchange); }

/* One call over TLS with the test authority trusted: its code, and the connections it took. */
static void call_tls(struct server_options server_options, refold_code want, size_t connections,
                     bool retryable) {
    struct server *server = serve(&server_options);
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_max_retries(options, 1);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    refold_execution_free(get(client, &error));
    CHECK_INT(refold_error_code(error), want);
    CHECK_INT(refold_error_is_retryable(error), retryable);
    CHECK_INT(server_connections(server), connections);
    refold_error_free(error);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_lost_handshake_is_tried_again_and_a_bad_certificate_is_not) {
    static const char *const bad[] = {"expired", "wrong-host", "self-signed", "unknown", "early"};
    struct server_options options = {.answers = &(struct answer){.body = COMPLETED}, .answer_count = 1};
    options.certificate = certificate_path("good.pem");
    options.private_key = certificate_path("good.key");
    call_tls(options, REFOLD_OK, 1, false);
    options.connected = hang_up;
    struct server *server = serve(&options);
    refold_options *client_options = test_options(server_url(server));
    refold_options_set_max_retries(client_options, 1);
    refold_client *client = client_of(client_options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK(refold_error_is_retryable(error));
    CHECK_INT(refold_error_attempts(error), 2);
    CHECK_INT(server_connections(server), 2);
    refold_error_free(error);
    refold_client_free(client);
    server_stop(server);
    options.connected = NULL;
    for (size_t i = 0; i < COUNT(bad); i++) {
        char certificate[40], key[40];
        snprintf(certificate, sizeof certificate, "%s.pem", bad[i]);
        snprintf(key, sizeof key, "%s.key", bad[i]);
        options.certificate = certificate_path(certificate);
        options.private_key = certificate_path(key);
        check_case("%s", bad[i]);
        call_tls(options, REFOLD_ERROR_TLS, 1, false);
    }
}

/* Fatal, "access denied": what a server says that wants a certificate of its clients, say. */
static void refuse(struct exchange *exchange) {
    char hello;
    exchange_read(exchange, &hello, 1);
    exchange_send(exchange, "\x15\3\3\0\2\2\x31", 7);
    exchange_await_close(exchange);
}

/* The last message of a server's part of a handshake, as its first one. */
static void begin_at_the_end(struct exchange *exchange) {
    char hello;
    exchange_read(exchange, &hello, 1);
    exchange_send(exchange, "\x16\3\3\0\4\x0e\0\0\0", 9);
    exchange_await_close(exchange);
}

/* A record that nobody has the keys of. */
static void send_a_forged_record(struct exchange *exchange) {
    static const char record[5 + 64] = {0x17, 3, 3, 0, 64};
    exchange_send_below_tls(exchange, record, sizeof record);
    exchange_await_close(exchange);
}

static refold_error *tls_error(const struct server_options *server_options) {
    struct server *server = serve(server_options);
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    refold_client_free(client);
    server_stop(server);
    return error;
}

TEST(a_server_that_refuses_the_handshake_is_heard) {
    struct server_options options = {.connected = refuse};
    options.certificate = certificate_path("good.pem");
    options.private_key = certificate_path("good.key");
    refold_error *error = tls_error(&options);
    CHECK(!refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_TLS, "the server refused the handshake (access denied)");
}

TEST(a_server_that_breaks_the_rules_is_named) {
    struct server_options options = {.connected = begin_at_the_end};
    options.certificate = certificate_path("good.pem");
    options.private_key = certificate_path("good.key");
    refold_error *error = tls_error(&options);
    CHECK(!refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_TLS, "its messages come in a wrong order");
}

TEST(a_forged_record_breaks_the_connection) {
    struct server_options options = {.handler = send_a_forged_record};
    options.certificate = certificate_path("good.pem");
    options.private_key = certificate_path("good.key");
    refold_error *error = tls_error(&options);
    CHECK(refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_TRANSPORT, "what came is not valid TLS");
}

TEST(a_long_key_arrives_whole) {
    struct server_options server_options = {.answers = &(struct answer){.body = COMPLETED},
                                            .answer_count = 1};
    for (int i = 0; i < 2; i++) {
        check_case("%s", i == 0 ? "plain" : "TLS");
        server_options.certificate = i == 0 ? NULL : certificate_path("good.pem");
        server_options.private_key = i == 0 ? NULL : certificate_path("good.key");
        struct server *server = serve(&server_options);
        refold_options *options = test_options(server_url(server));
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
        char *key = repeated("0123456789", 20000);
        refold_options_set_api_key(options, key, TEST_ACCOUNT);
        refold_client *client = client_of(options);
        CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_CONTAINS(server_head(server, 0), key);
        free(key);
        refold_client_free(client);
        server_stop(server);
    }
}

static void call_tls_on_small_stack(void *data) {
    struct server *server = data;
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    refold_execution *execution = get(client, &error);
    CHECK_STR(error == NULL ? NULL : refold_error_message(error), NULL);
    CHECK_STR(refold_execution_status(execution), "COMPLETED");
    refold_execution_free(execution);
    refold_error_free(error);
    refold_client_free(client);
}

TEST(tls_needs_no_more_than_128_kib_of_stack) {
    struct server_options options = {.answers = &(struct answer){.body = COMPLETED}, .answer_count = 1};
    options.certificate = certificate_path("good.pem");
    options.private_key = certificate_path("good.key");
    struct server *server = serve(&options);
    certificate_path("ca.pem");
    run_on_stack(128 * 1024, call_tls_on_small_stack, server);
    server_stop(server);
}
