/* The outcomes of TLS handshakes, and TLS records of every kind. */
#include "client.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void close_connection(struct exchange *exchange) { exchange_close(exchange); }

/* Makes one call over TLS, trusting the test authority, and checks its code and the number of connections. */
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

TEST(lost_handshakes_are_retried_but_not_bad_certificates) {
    static const char *const bad[] = {"expired", "wrong-host", "self-signed", "unknown", "early"};
    struct server_options options = {.responses = &(struct response){.body = COMPLETED}, .response_count = 1};
    options.certificate = "good";
    call_tls(options, REFOLD_OK, 1, false);
    options.connected = close_connection;
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
        options.certificate = bad[i];
        check_case("%s", bad[i]);
        call_tls(options, REFOLD_ERROR_TLS, 1, false);
    }
}

/* Sends the fatal alert "access denied", as a server does that requires client certificates. */
static void send_access_denied(struct exchange *exchange) {
    char hello;
    exchange_read(exchange, &hello, 1);
    exchange_send(exchange, "\x15\3\3\0\2\2\x31", 7);
    exchange_await_close(exchange);
}

/* Sends the last message of a server's handshake first. */
static void send_last_message_first(struct exchange *exchange) {
    char hello;
    exchange_read(exchange, &hello, 1);
    exchange_send(exchange, "\x16\3\3\0\4\x0e\0\0\0", 9);
    exchange_await_close(exchange);
}

/* Sends a hello of nearly 64 KiB, one byte per record: keeping the records needs six times as much memory. */
static void send_hello_in_tiny_records(struct exchange *exchange) {
    static const char record[] = {0x16, 3, 3, 0, 1, 'a'};
    enum { RECORDS = 60000 };
    char *records = calloc(RECORDS, sizeof record);
    char hello;
    for (size_t i = 0; i < RECORDS; i++)
        memcpy(records + i * sizeof record, record, sizeof record);
    exchange_read(exchange, &hello, 1);
    exchange_send(exchange, "\x16\3\3\0\4\2\0\xff\xf0", 9);
    exchange_send(exchange, records, RECORDS * sizeof record);
    free(records);
    exchange_await_close(exchange);
}

/* Sends a record that is not encrypted with the session's keys. */
static void send_forged_record(struct exchange *exchange) {
    static const char record[5 + 64] = {0x17, 3, 3, 0, 64};
    exchange_send_below_tls(exchange, record, sizeof record);
    exchange_await_close(exchange);
}

static refold_error *tls_error(struct server_options server_options) {
    server_options.certificate = "good";
    struct server *server = serve(&server_options);
    refold_client *client = trusting_client(server);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    refold_client_free(client);
    server_stop(server);
    return error;
}

TEST(an_alert_in_the_handshake_is_reported) {
    refold_error *error = tls_error((struct server_options){.connected = send_access_denied});
    CHECK(!refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_TLS, "the server refused the handshake (access denied)");
}

TEST(a_protocol_violation_is_reported) {
    refold_error *error = tls_error((struct server_options){.connected = send_last_message_first});
    CHECK(!refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_TLS, "its messages arrived in the wrong order");
}

TEST(a_handshake_message_in_too_many_records_is_rejected) {
    refold_error *error = tls_error((struct server_options){.connected = send_hello_in_tiny_records});
    CHECK(!refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_TLS, "payload too large");
}

TEST(a_forged_record_fails_the_connection) {
    refold_error *error = tls_error((struct server_options){.handler = send_forged_record});
    CHECK(refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_TRANSPORT, "the received data is not valid TLS");
}

TEST(a_long_key_arrives_complete) {
    enum { MAX_KEY_BYTES = 8192 };
    struct server_options server_options = {.responses = &(struct response){.body = COMPLETED},
                                            .response_count = 1};
    for (int i = 0; i < 2; i++) {
        check_case("%s", i == 0 ? "plaintext" : "TLS");
        server_options.certificate = i == 0 ? NULL : "good";
        struct server *server = serve(&server_options);
        refold_options *options = test_options(server_url(server));
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
        char *key = repeated("01234567", MAX_KEY_BYTES / 8);
        refold_options_set_api_key(options, key, key);
        refold_client *client = client_of(options);
        CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_CONTAINS(server_head(server, 0), key);
        free(key);
        refold_client_free(client);
        server_stop(server);
    }
}

static void call_on_stack(void *server) { must_complete(trusting_client(server)); }

TEST(tls_needs_at_most_128_kib_of_stack) {
    struct server *server = serve(&(struct server_options){
        .responses = &(struct response){.body = COMPLETED}, .response_count = 1, .certificate = "good"});
    certificate_path("ca.pem");
    run_on_stack(128 * 1024, call_on_stack, server);
    server_stop(server);
}

/* Records ------------------------------------------------------------------------------------------------ */

static struct server *serve_version(int version, struct server_options options) {
    options.minimum_tls = options.maximum_tls = version;
    options.certificate = "good";
    return serve(&options);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

struct in_records {
    size_t size; /* of each record but the last */
    size_t length;
};

static void respond_in_records(struct exchange *exchange) {
    const struct in_records *in_records = exchange_data(exchange);
    char *name = repeated("n", in_records->length);
    char *body = text_of("{\"status\":\"COMPLETED\",\"name\":\"%s\"}", name);
    char *response = text_of("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    size_t left = strlen(response);
    for (const char *next = response; left > 0;) {
        size_t size = left < in_records->size ? left : in_records->size;
        exchange_send(exchange, next, size);
        next += size;
        left -= size;
    }
    free(response);
    free(body);
    free(name);
}

/* A record holds at most 16 KiB; larger writes are split into several. */
TEST(responses_may_arrive_in_records_of_any_size) {
    static const struct in_records rows[] = {
        {1, 2000},       {2, 20000},       {100, 70000},    {5000, 200000},
        {16383, 300000}, {16384, 1000000}, {30000, 100000}, {SIZE_MAX, 3000000},
    };
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        struct in_records row = rows[i / 2];
        struct server *server = serve_version(
            versions[i % 2], (struct server_options){.handler = respond_in_records, .data = &row});
        refold_client *client = trusting_client(server);
        check_case("TLS 1.%zu, %zu bytes", 2 + i % 2, row.size);
        for (int call = 0; call < 3; call++) {
            refold_execution *execution = must_get(client);
            const char *name = refold_execution_name(execution);
            CHECK_INT(name == NULL ? 0 : strspn(name, "n"), row.length);
            refold_execution_free(execution);
        }
        CHECK_INT(server_connections(server), 1);
        refold_client_free(client);
        server_stop(server);
    }
}

static void cork(struct exchange *exchange) { exchange_cork(exchange, true); }

static void respond_at_once(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
    exchange_cork(exchange, false);
}

/* Sends the fatal alert "internal error". TLS 1.3 would have to encrypt it, so there it is invalid. */
static void send_alert(struct exchange *exchange) {
    exchange_send_below_tls(exchange, "\x15\3\3\0\2\2\x50", 7);
    exchange_cork(exchange, false);
}

static void respond_then_alert(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
    send_alert(exchange);
}

static void stop_responding(struct exchange *exchange) { (void)exchange; }

/* Overloaded servers do this, for example. With TLS 1.2 the response arrives with the end of the handshake;
 * with TLS 1.3 after it, before or while the request is sent. */
TEST(a_response_sent_before_the_request_is_accepted) {
    for (int i = 0; i < 20; i++) {
        struct server *server = serve_version(
            versions[i % 2],
            (struct server_options){.connected = i % 2 == 0 ? cork : NULL,
                                    .handshake_done = i / 2 % 2 == 0 ? respond_at_once : respond_then_alert,
                                    .handler = stop_responding});
        refold_client *client = trusting_client(server);
        check_case("TLS 1.%d%s", 2 + i % 2, i / 2 % 2 == 0 ? "" : ", and an alert");
        CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_INT(server_connections(server), 1);
        refold_client_free(client);
        server_stop(server);
    }
}

static void send_alert_and_wait(struct exchange *exchange) {
    send_alert(exchange);
    exchange_await_close(exchange);
}

/* The handshake succeeded; an alert after it is a lost connection, whether it arrives with the handshake or
 * later. */
TEST(an_alert_after_the_handshake_is_no_handshake_failure) {
    for (int i = 0; i < 4; i++) {
        struct server *server =
            serve_version(versions[i % 2], (struct server_options){.connected = i % 2 == 0 ? cork : NULL,
                                                                   .handshake_done = send_alert_and_wait,
                                                                   .handler = stop_responding});
        refold_client *client = trusting_client(server);
        refold_error *error = NULL;
        check_case("TLS 1.%d", 2 + i % 2);
        CHECK(get(client, &error) == NULL);
        CHECK(refold_error_is_retryable(error));
        EXPECT_ERROR(error, REFOLD_ERROR_TRANSPORT, "valid TLS");
        refold_client_free(client);
        server_stop(server);
    }
}

/* Client certificates and alerts ------------------------------------------------------------------------- */

static void renegotiate(struct exchange *exchange) { exchange_renegotiate(exchange); }

static void renegotiate_and_close(struct exchange *exchange) {
    exchange_ask_to_renegotiate(exchange);
    exchange_truncate(exchange);
}

static void renegotiate_and_end(struct exchange *exchange) {
    exchange_ask_to_renegotiate(exchange);
    exchange_close(exchange);
}

static void renegotiate_and_reset(struct exchange *exchange) {
    exchange_ask_to_renegotiate(exchange);
    exchange_reset(exchange);
}

/* Servers that want a certificate for some URLs only behave like this. */
static void respond_then_renegotiate(struct exchange *exchange) {
    if (exchange_index(exchange) == 0)
        exchange_respond(exchange, &(struct response){.body = COMPLETED});
    else
        exchange_renegotiate(exchange);
}

static void fail_to_decrypt(struct exchange *exchange) {
    exchange_send_mac_alert(exchange);
    exchange_await_close(exchange);
}

struct refusal {
    const char *name;
    int version;
    struct server_options options;
    refold_code code;
    const char *message;
    size_t connections; /* of one call with one retry */
};

static const char WANTS_CERTIFICATE[] = "the server requires a client certificate",
                  WANTS_RENEGOTIATION[] = "the server asked for a second TLS handshake";

static const struct refusal refusals[] = {
    {"TLS 1.2, required",
     TLS1_2_VERSION,
     {.client_certificate = REQUIRED},
     REFOLD_ERROR_TLS,
     WANTS_CERTIFICATE,
     1},
    {"TLS 1.3, required",
     TLS1_3_VERSION,
     {.client_certificate = REQUIRED},
     REFOLD_ERROR_TLS,
     WANTS_CERTIFICATE,
     1},
    {"TLS 1.2, optional", TLS1_2_VERSION, {.client_certificate = OPTIONAL}, REFOLD_OK, NULL, 1},
    {"TLS 1.3, optional", TLS1_3_VERSION, {.client_certificate = OPTIONAL}, REFOLD_OK, NULL, 1},
    {"renegotiation", TLS1_2_VERSION, {.handler = renegotiate}, REFOLD_ERROR_TLS, WANTS_RENEGOTIATION, 1},
    {"renegotiation, then the end of the stream",
     TLS1_2_VERSION,
     {.handler = renegotiate_and_close},
     REFOLD_ERROR_TLS,
     WANTS_RENEGOTIATION,
     1},
    {"renegotiation, then a close_notify",
     TLS1_2_VERSION,
     {.handler = renegotiate_and_end},
     REFOLD_ERROR_TLS,
     WANTS_RENEGOTIATION,
     1},
    {"renegotiation, then a reset",
     TLS1_2_VERSION,
     {.handler = renegotiate_and_reset},
     REFOLD_ERROR_TLS,
     WANTS_RENEGOTIATION,
     1},
    {"TLS 1.2, damaged records",
     TLS1_2_VERSION,
     {.handler = fail_to_decrypt},
     REFOLD_ERROR_TRANSPORT,
     "the server ended the TLS session (bad record MAC)",
     2},
    {"TLS 1.3, damaged records",
     TLS1_3_VERSION,
     {.handler = fail_to_decrypt},
     REFOLD_ERROR_TRANSPORT,
     "the server ended the TLS session (bad record MAC)",
     2},
};

/* Only an alert that another attempt could avoid is a lost connection. */
TEST(a_server_that_refuses_the_client_is_a_tls_error) {
    for (size_t i = 0; i < COUNT(refusals); i++) {
        const struct refusal *row = &refusals[i];
        struct server_options options = row->options;
        options.responses = &(struct response){.body = COMPLETED};
        options.response_count = 1;
        check_case("%s", row->name);
        struct server *server = serve_version(row->version, options);
        refold_options *client_options = test_options(server_url(server));
        refold_options_set_ca_file(client_options, certificate_path("ca.pem"));
        refold_options_set_max_retries(client_options, 1);
        refold_client *client = client_of(client_options);
        refold_error *error = NULL;
        refold_execution_free(get(client, &error));
        CHECK_INT(refold_error_code(error), row->code);
        CHECK_INT(server_connections(server), row->connections);
        if (row->code != REFOLD_OK) {
            CHECK_CONTAINS(refold_error_message(error), row->message);
            CHECK_INT(refold_error_is_retryable(error), row->code == REFOLD_ERROR_TRANSPORT);
        }
        refold_error_free(error);
        refold_client_free(client);
        server_stop(server);
    }
}

/* On a reused connection, the request is sent again on a new one before the call fails. */
TEST(a_reused_connection_may_be_refused_later) {
    struct server *server =
        serve_version(TLS1_2_VERSION, (struct server_options){.handler = respond_then_renegotiate});
    refold_client *client = trusting_client(server);
    refold_error *error = NULL;
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK(get(client, &error) == NULL);
    CHECK_INT(server_connections(server), 2);
    CHECK_INT(server_requests(server), 3);
    EXPECT_ERROR(error, REFOLD_ERROR_TLS, WANTS_RENEGOTIATION);
    refold_client_free(client);
    server_stop(server);
}

static void respond_then_forge(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
    send_forged_record(exchange);
}

TEST(a_complete_response_counts_whatever_follows_it) {
    enum { CALLS = 20 };
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct server *server =
            serve_version(versions[i], (struct server_options){.handler = respond_then_forge});
        refold_client *client = trusting_client(server);
        for (int call = 0; call < CALLS; call++)
            CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_INT(server_connections(server), CALLS);
        refold_client_free(client);
        server_stop(server);
    }
}
