/* The log: the format of each line, what each level includes, and the demands on the callback and on standard
 * error. log_start() also checks every line for secrets and control characters. */
#define _GNU_SOURCE
#include "client.h"
#include "logs.h"
#include "lookup.h"
#include "proxies.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE "Retry-After: 0\r\n"
#define OWN_FIELDS "host, user-agent, accept, accept-encoding, x-api-key, linked_account_id"
#define PATH "/api/v2/public/execution/" TEST_ID

/* The parts of lines that scenarios share, normalized. */
#define GET_BEGINS(call) "DEBUG call " call " +T ms: get " TEST_ID ", timeout 20000 ms"
#define ON(connection) "DEBUG call 1 connection " connection " +T ms: "
#define SENT "sent GET " PATH " HTTP/1.1 with the fields " OWN_FIELDS
#define ENDED "execution " TEST_ID ": "
#define NEW_PLAINTEXT "total T ms (resolve -, connect T, TLS -, first byte T, transfer T)"
#define REUSED "total T ms (resolve -, connect -, TLS -, first byte T, transfer T)"

/* printf to a string that is freed when the program ends; a test makes few. */
static const char *line_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *line_of(const char *format, ...) {
    static char *kept[400];
    static size_t count;
    va_list arguments;
    va_start(arguments, format);
    char **text = &kept[count++ % COUNT(kept)];
    free(*text);
    if (vasprintf(text, format, arguments) < 0)
        abort();
    va_end(arguments);
    return *text;
}

/* Options whose timeout is that of GET_BEGINS, whatever the patience is. */
static refold_options *options_to(const char *url) {
    refold_options *options = test_options(url);
    refold_options_set_timeout_ms(options, 20000);
    return options;
}

/* A server, a client and its log. */
struct scene {
    struct server *server;
    refold_client *client;
    struct log *log;
    unsigned port;
};

static struct scene open_scene(struct server *server, refold_options *options, refold_log_level level) {
    struct scene scene = {.server = server, .port = server_port(server)};
    scene.log = log_start(options, level);
    scene.client = client_of(options);
    return scene;
}

static struct scene scene_of(size_t count, const struct response *responses, refold_log_level level) {
    struct server *server = serve_responses(count, responses);
    return open_scene(server, options_to(server_url(server)), level);
}

static void close_scene(struct scene *scene) {
    refold_client_free(scene->client);
    log_free(scene->log);
    server_stop(scene->server);
}

static refold_code wait_code(const refold_client *client, uint64_t timeout_ms) {
    refold_error *error = UNREAD_ERROR;
    refold_execution_free(refold_wait_execution(client, TEST_ID, timeout_ms, NULL, NULL, NULL, &error));
    refold_code code = refold_error_code(error);
    refold_error_free(error);
    return code;
}

/* Checks the lines from the first one with this text on. */
static void check_from(struct log *log, const char *first, const char *const *lines) {
    size_t at = 0;
    while (log_line(log, at) != NULL && strstr(log_line(log, at), first) == NULL)
        at++;
    for (; *lines != NULL; lines++, at++)
        CHECK_STR(log_normalized(log, at), *lines);
}
#define CHECK_FROM(log, first, ...) check_from((log), (first), (const char *const[]){__VA_ARGS__, NULL})

/* The format of each line -------------------------------------------------------------------------------- */

TEST(a_get_is_logged_from_beginning_to_end) {
    struct response responses[] = {{.body = COMPLETED, .headers = "X-Request-Id: req-7\r\n"},
                                   {.status = 404, .body = "{\"message\": \"no such run\"}"},
                                   {.body = COMPLETED, .ending = CLOSE}};
    struct scene scene = scene_of(COUNT(responses), responses, REFOLD_LOG_DEBUG);
    CHECK_INT(get_code(scene.client), REFOLD_OK);
    CHECK_LINES(scene.log, GET_BEGINS("1"), line_of(ON("1") "connecting to 127.0.0.1:%u", scene.port),
                line_of(ON("1") "connected to 127.0.0.1:%u", scene.port), ON("1") SENT,
                ON("1") "received HTTP/1.1 200 OK", ON("1") "received Content-Length: 23",
                ON("1") "received Content-Type: application/json", ON("1") "received X-Request-Id: req-7",
                ON("1") "kept for the next call",
                line_of("INFO call 1 +T ms: " ENDED "OK, COMPLETED; attempts 1; " NEW_PLAINTEXT
                        "; received %d bytes, unpacked 23; new connection 1; request id req-7",
                        (int)server_sent(scene.server)));
    uint64_t sent = server_sent(scene.server);
    log_clear(scene.log);
    CHECK_INT(get_code(scene.client), 404);
    CHECK_LINES(scene.log, GET_BEGINS("1"), ON("1") "reused", ON("1") SENT,
                ON("1") "received HTTP/1.1 404 Not Found", ON("1") "received Content-Length: 26",
                ON("1") "received Content-Type: application/json", ON("1") "kept for the next call",
                line_of("INFO call 1 +T ms: " ENDED "NOT_FOUND (404); attempts 1; " REUSED
                        "; received %d bytes, unpacked 26; reused connection 1; request id -; no such run",
                        (int)(server_sent(scene.server) - sent)));
    close_scene(&scene);
}

TEST(a_retry_is_logged_with_its_reason_and_pause) {
    struct response responses[] = {{.status = 503, .headers = AT_ONCE, .body = ""}, {.body = COMPLETED}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_options *options = options_to(server_url(server));
    refold_options_set_max_retries(options, 1);
    struct scene scene = open_scene(server, options, REFOLD_LOG_INFO);
    CHECK_INT(get_code(scene.client), REFOLD_OK);
    CHECK_LINES(scene.log,
                line_of("WARN call 1 +T ms: attempt 1 failed, retrying in 0 ms: SERVICE_UNAVAILABLE (503), "
                        "HTTP 503 Service Unavailable "
                        "from 127.0.0.1:%u for execution " TEST_ID,
                        scene.port),
                "INFO call 1 +T ms: " ENDED "OK, COMPLETED; attempts 2; " REUSED
                "; received 94 bytes, unpacked 23; reused connection 1; request id -");
    close_scene(&scene);
}

/* The third and the fourth poll fail. */
TEST(a_wait_is_logged_poll_by_poll) {
    struct response responses[] = {{.body = RUNNING},
                                   {.body = RUNNING},
                                   {.status = 500, .body = ""},
                                   {.status = 500, .body = ""},
                                   {.body = COMPLETED}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_options *options = options_to(server_url(server));
    refold_options_set_poll_interval_ms(options, 100);
    struct scene scene = open_scene(server, options, REFOLD_LOG_INFO);
    CHECK_INT(wait_code(scene.client, 0), REFOLD_OK);
    const char *reason =
        line_of("HTTP 500 Internal Server Error from 127.0.0.1:%u for execution " TEST_ID, scene.port);
    static const char code[] = "INTERNAL_SERVER_ERROR (500), ";
    static const char failed[] = ENDED "INTERNAL_SERVER_ERROR (500); attempts 1; " REUSED
                                       "; received 89 bytes, unpacked 0; reused connection 1; request id -; ";
    CHECK_LINES(scene.log,
                "INFO call 1 poll 1 +T ms: " ENDED "OK, RUNNING; attempts 1; " NEW_PLAINTEXT
                "; received 92 bytes, unpacked 21; new connection 1; request id -",
                "INFO call 1 poll 2 +T ms: " ENDED "OK, RUNNING; attempts 1; " REUSED
                "; received 92 bytes, unpacked 21; reused connection 1; request id -",
                line_of("INFO call 1 poll 3 +T ms: %s%s", failed, reason),
                line_of("WARN call 1 poll 3 +T ms: poll failed, polling again in 300 ms: %s%s", code, reason),
                line_of("INFO call 1 poll 4 +T ms: %s%s", failed, reason),
                line_of("WARN call 1 poll 4 +T ms: poll failed, polling again in 600 ms: %s%s", code, reason),
                "INFO call 1 poll 5 +T ms: " ENDED "OK, COMPLETED; attempts 1; " REUSED
                "; received 94 bytes, unpacked 23; reused connection 1; request id -",
                "INFO call 1 +T ms: " ENDED "OK, COMPLETED; attempts 5; " REUSED
                "; received 94 bytes, unpacked 23; reused connection 1; request id -");
    /* The last line has the time of the whole wait: the pauses alone take 1,150 ms. */
    const char *total = strstr(log_line(scene.log, 7), "total ");
    CHECK_TIME(total == NULL ? 0 : atoi(total + strlen("total ")), 1150, 2000);
    close_scene(&scene);
}

TEST(beginnings_name_the_timeout) {
    struct scene scene = scene_of(1, &(struct response){.body = COMPLETED}, REFOLD_LOG_DEBUG);
    static const struct {
        uint64_t timeout_ms;
        const char *line;
    } waits[] = {{0, "none"}, {1, "1 ms"}, {1234567, "1234567 ms"}};
    for (size_t i = 0; i < COUNT(waits); i++) {
        check_case("%s", waits[i].line);
        log_clear(scene.log);
        wait_code(scene.client, waits[i].timeout_ms);
        CHECK_STR(log_normalized(scene.log, 0),
                  line_of("DEBUG call 1 +T ms: wait for " TEST_ID ", timeout %s", waits[i].line));
    }
    close_scene(&scene);
    struct server *server = serve_body(COMPLETED);
    refold_options *options = test_options(server_url(server));
    refold_options_set_timeout_ms(options, 0);
    scene = open_scene(server, options, REFOLD_LOG_DEBUG);
    CHECK_INT(get_code(scene.client), REFOLD_OK);
    CHECK_STR(log_normalized(scene.log, 0), "DEBUG call 1 +T ms: get " TEST_ID ", timeout none");
    close_scene(&scene);
}

/* Names and addresses ------------------------------------------------------------------------------------ */

static refold_options *options_by_name(unsigned port, struct lookup lookup) {
    refold_options *options = options_to(line_of("http://server.invalid:%u", port));
    refold_options_set_allow_plaintext(options, true);
    lookup_script(lookup);
    return options;
}

TEST(lookups_and_connection_attempts_are_logged) {
    struct server *server = serve_body(COMPLETED);
    unsigned port = server_port(server);
    struct scene scene = open_scene(
        server, options_by_name(port, (struct lookup){.addresses = {"::1", "127.0.0.5", "127.0.0.1"}}),
        REFOLD_LOG_DEBUG);
    CHECK_INT(get_code(scene.client), REFOLD_OK);
    CHECK_LINES(
        scene.log, GET_BEGINS("1"), ON("1") "looking up server.invalid",
        ON("1") "server.invalid has the addresses ::1, 127.0.0.5, 127.0.0.1",
        line_of(ON("1") "connecting to [::1]:%u", port),
        line_of(ON("1") "no connection to [::1]:%u: connection refused", port),
        line_of(ON("1") "connecting to 127.0.0.5:%u", port),
        line_of(ON("1") "no connection to 127.0.0.5:%u: connection refused", port),
        line_of(ON("1") "connecting to 127.0.0.1:%u", port),
        line_of(ON("1") "connected to 127.0.0.1:%u", port), ON("1") SENT, ON("1") "received HTTP/1.1 200 OK",
        ON("1") "received Content-Length: 23", ON("1") "received Content-Type: application/json",
        ON("1") "kept for the next call",
        "INFO call 1 +T ms: " ENDED
        "OK, COMPLETED; attempts 1; total T ms (resolve T, connect T, TLS -, first byte T, transfer T); "
        "received 94 bytes, unpacked 23; new connection 1; request id -");
    close_scene(&scene);
}

TEST(addresses_that_are_raced_are_logged) {
    struct dead_port *silent = black_hole("127.0.0.2");
    unsigned port = dead_port_number(silent);
    struct server *server = serve(&(struct server_options){.address = "127.0.0.1",
                                                           .port = (uint16_t)port,
                                                           .responses = &(struct response){.body = COMPLETED},
                                                           .response_count = 1});
    REQUIRE(server != NULL);
    struct scene scene =
        open_scene(server, options_by_name(port, (struct lookup){.addresses = {"127.0.0.2", "127.0.0.1"}}),
                   REFOLD_LOG_DEBUG);
    CHECK_INT(get_code(scene.client), REFOLD_OK);
    CHECK_FROM(scene.log, "connecting", line_of(ON("1") "connecting to 127.0.0.2:%u", port),
               line_of(ON("1") "connecting to 127.0.0.1:%u", port),
               line_of(ON("1") "connected to 127.0.0.1:%u", port), ON("1") SENT);
    close_scene(&scene);
    dead_port_free(silent);
}

TEST(failed_lookups_and_connections_are_logged) {
    static const char no_response[] = "; received 0 bytes, unpacked 0; new connection 1; request id -; ";
    struct dead_port *port = refusing_port(NULL);
    unsigned number = dead_port_number(port);
    refold_options *options = options_by_name(number, (struct lookup){.error = EAI_NONAME});
    struct log *log = log_start(options, REFOLD_LOG_DEBUG);
    refold_client *client = client_of(options);
    refold_error *error;
    CHECK(get(client, &error) == NULL);
    CHECK_LINES(log, GET_BEGINS("1"), ON("1") "looking up server.invalid", ON("1") "closed",
                line_of("INFO call 1 +T ms: " ENDED
                        "RESOLVE (-4); attempts 1; total T ms (resolve T, connect -, TLS -, first byte "
                        "-, transfer -)%s%s",
                        no_response, refold_error_message(error)));
    EXPECT_ERROR(error, REFOLD_ERROR_RESOLVE, "server.invalid");
    log_clear(log);
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    CHECK(get(client, &error) == NULL);
    CHECK_LINES(log, GET_BEGINS("1"), ON("1") "looking up server.invalid",
                ON("1") "server.invalid has the addresses 127.0.0.1",
                line_of(ON("1") "connecting to 127.0.0.1:%u", number),
                line_of(ON("1") "no connection to 127.0.0.1:%u: connection refused", number),
                ON("1") "closed",
                line_of("INFO call 1 +T ms: " ENDED
                        "CONNECT (-5); attempts 1; total T ms (resolve T, connect T, TLS -, first byte "
                        "-, transfer -)%s%s",
                        no_response, refold_error_message(error)));
    EXPECT_ERROR(error, REFOLD_ERROR_CONNECT, "refused");
    refold_client_free(client);
    log_free(log);
    dead_port_free(port);
}

/* Proxies ------------------------------------------------------------------------------------------------ */

#define LOGIN "user:hush-hush"
#define THROUGH_TLS "total T ms (resolve -, connect T, TLS T, first byte T, transfer T)"

TEST(a_tunnel_through_an_http_proxy_is_logged) {
    static const char *const settings[] = {"refold_options_set_proxy", "https_proxy", "HTTPS_PROXY",
                                           "all_proxy", "ALL_PROXY"};
    struct server *server = serve(&(struct server_options){
        .certificate = "good", .responses = &(struct response){.body = COMPLETED}, .response_count = 1});
    struct proxy *proxy = proxy_start((struct proxy_options){.user = "user", .password = "hush-hush"});
    for (size_t i = 0; i < COUNT(settings); i++) {
        unsigned port = server_port(proxy_server(proxy));
        check_case("%s", settings[i]);
        refold_options *options = options_to(server_url(server));
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
        if (i == 0)
            refold_options_set_proxy(options, proxy_url(proxy, "http", LOGIN));
        else
            setenv(settings[i], proxy_url(proxy, "http", LOGIN), 1);
        struct log *log = log_start(options, REFOLD_LOG_DEBUG);
        refold_client *client = client_of(options);
        unsetenv(settings[i]);
        CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_FROM(log, "get", GET_BEGINS("1"),
                   line_of(ON("1") "proxy 127.0.0.1:%u, HTTP, set by %s", port, settings[i]),
                   line_of(ON("1") "connecting to 127.0.0.1:%u", port),
                   line_of(ON("1") "connected to 127.0.0.1:%u", port),
                   line_of(ON("1") "requesting a tunnel to 127.0.0.1:%u", server_port(server)),
                   ON("1") "received HTTP/1.1 200 Connection established", ON("1") "the tunnel is open");
        CHECK(log_find(log, SENT) != NULL);
        CHECK(strstr(log_normalized(log, log_count(log) - 1), THROUGH_TLS) != NULL);
        refold_client_free(client);
        log_free(log);
    }
    proxy_stop(proxy);
    server_stop(server);
}

TEST(a_refused_tunnel_is_logged_without_credentials) {
    struct proxy *proxy = proxy_start((struct proxy_options){.user = "user", .password = "another"});
    unsigned port = server_port(proxy_server(proxy));
    refold_options *options = options_to("https://127.0.0.1:1");
    refold_options_set_proxy(options, proxy_url(proxy, "http", LOGIN));
    struct log *log = log_start(options, REFOLD_LOG_DEBUG);
    refold_client *client = client_of(options);
    refold_error *error;
    CHECK(get(client, &error) == NULL);
    CHECK_FROM(log, "requesting", ON("1") "requesting a tunnel to 127.0.0.1:1",
               ON("1") "received HTTP/1.1 407 Proxy Authentication Required");
    CHECK(log_find(log, "received Proxy-Authenticate: ***") != NULL);
    CHECK_INT(log_matches(log, "the tunnel is open"), 0);
    CHECK_STR(log_normalized(log, log_count(log) - 2), ON("1") "closed");
    CHECK_STR(
        log_normalized(log, log_count(log) - 1),
        line_of("INFO call 1 +T ms: " ENDED "CONNECT (-5); attempts 1; total T ms (resolve -, connect T, "
                "TLS -, first byte -, transfer -); received 0 bytes, unpacked 0; new connection 1; request "
                "id -; %s",
                refold_error_message(error)));
    EXPECT_ERROR(error, REFOLD_ERROR_CONNECT, line_of("127.0.0.1:%u", port));
    refold_client_free(client);
    log_free(log);
    proxy_stop(proxy);
}

TEST(a_forwarded_request_is_logged) {
    struct server *server = serve_body(COMPLETED);
    struct proxy *proxy = proxy_start((struct proxy_options){.user = "user", .password = "hush-hush"});
    unsigned port = server_port(proxy_server(proxy));
    refold_options *options = options_to(server_url(server));
    refold_options_set_proxy(options, proxy_url(proxy, "http", LOGIN));
    struct scene scene = open_scene(server, options, REFOLD_LOG_DEBUG);
    CHECK_INT(get_code(scene.client), REFOLD_OK);
    CHECK_FROM(scene.log, "proxy",
               line_of(ON("1") "proxy 127.0.0.1:%u, HTTP, set by refold_options_set_proxy", port),
               line_of(ON("1") "connecting to 127.0.0.1:%u", port),
               line_of(ON("1") "connected to 127.0.0.1:%u", port),
               line_of(ON("1") "sent GET %s" PATH
                               " HTTP/1.1 with the fields host, user-agent, accept, accept-encoding, "
                               "proxy-authorization, x-api-key, linked_account_id",
                       server_url(server)),
               ON("1") "received HTTP/1.1 200 OK");
    CHECK_INT(log_matches(scene.log, "tunnel"), 0);
    close_scene(&scene);
    proxy_stop(proxy);
}

static const struct proxy_options socks_login = {.is_socks = true, .user = "user", .password = "hush-hush"};

/* A SOCKS5 proxy that cannot connect to IPv6 addresses. */
static void refuse_ipv6(struct exchange *exchange) {
    unsigned char request[22], reply[10] = {5, 0, 0, 1};
    if (!socks5_greet(exchange, &socks_login) || !exchange_read_exactly(exchange, request, 4) ||
        !exchange_read_exactly(exchange, request + 4, request[3] == 4 ? 18 : 6))
        return;
    reply[1] = request[3] == 4 ? 5 : 0;
    exchange_send(exchange, reply, sizeof reply);
    if (reply[1] == 0)
        exchange_relay(exchange, *(uint16_t *)exchange_data(exchange));
    exchange_close(exchange);
}

TEST(tunnels_through_a_socks5_proxy_are_logged) {
    struct server *server = serve_body(COMPLETED);
    uint16_t port = server_port(server);
    struct server *proxy = serve(&(struct server_options){.connected = refuse_ipv6, .data = &port});
    unsigned proxy_port = server_port(proxy);
    lookup_script((struct lookup){.addresses = {"2001:db8::1", "192.0.2.1"}});
    for (int by_name = 0; by_name < 2; by_name++) {
        struct proxy *accepting = proxy_start(socks_login);
        refold_options *options =
            options_by_name(port, (struct lookup){.addresses = {"2001:db8::1", "192.0.2.1"}});
        refold_options_set_proxy(options, by_name ? proxy_url(accepting, "socks5h", LOGIN)
                                                  : line_of("socks5://" LOGIN "@127.0.0.1:%u", proxy_port));
        struct log *log = log_start(options, REFOLD_LOG_DEBUG);
        refold_client *client = client_of(options);
        check_case("%s", by_name ? "socks5h" : "socks5");
        CHECK_INT(get_code(client), REFOLD_OK);
        if (by_name)
            CHECK_FROM(
                log, "proxy",
                line_of(ON("1") "proxy 127.0.0.1:%u, SOCKS5 with names, set by refold_options_set_proxy",
                        server_port(proxy_server(accepting))),
                line_of(ON("1") "connecting to 127.0.0.1:%u", server_port(proxy_server(accepting))),
                line_of(ON("1") "connected to 127.0.0.1:%u", server_port(proxy_server(accepting))),
                line_of(ON("1") "requesting a tunnel to server.invalid:%u", port),
                ON("1") "the tunnel is open", ON("1") SENT);
        else
            CHECK_FROM(
                log, "proxy",
                line_of(ON("1") "proxy 127.0.0.1:%u, SOCKS5, set by refold_options_set_proxy", proxy_port),
                line_of(ON("1") "connecting to 127.0.0.1:%u", proxy_port),
                line_of(ON("1") "connected to 127.0.0.1:%u", proxy_port), ON("1") "looking up server.invalid",
                ON("1") "server.invalid has the addresses 2001:db8::1, 192.0.2.1",
                line_of(ON("1") "requesting a tunnel to [2001:db8::1]:%u", port),
                line_of(ON("1") "no tunnel: [2001:db8::1]:%u: connection refused", port),
                line_of(ON("1") "requesting a tunnel to 192.0.2.1:%u", port), ON("1") "the tunnel is open",
                ON("1") SENT);
        refold_client_free(client);
        log_free(log);
        proxy_stop(accepting);
    }
    server_stop(proxy);
    server_stop(server);
}

/* TLS ---------------------------------------------------------------------------------------------------- */

/* The end of a certificate's validity as the log shows it. */
static const char *expiry_of(const char *path) {
    struct tm end = {0};
    FILE *file = fopen(path, "r");
    X509 *certificate = file == NULL ? NULL : PEM_read_X509(file, NULL, NULL, NULL);
    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
        abort();
    X509_free(certificate);
    fclose(file);
    return line_of("%04d-%02d-%02d %02d:%02d:%02d UTC", end.tm_year + 1900, end.tm_mon + 1, end.tm_mday,
                   end.tm_hour, end.tm_min, end.tm_sec);
}

/* The connection of the second call resumes the session of the first. */
TEST(handshakes_and_certificates_are_logged) {
    static const struct {
        int version;
        const char *line;
    } rows[] = {{TLS1_2_VERSION, "TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_"}, {0, "TLS 1.3, TLS13_AES_"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct response closing = {.body = COMPLETED, .ending = CLOSE, .headers = "Connection: close\r\n"};
        struct server *server = serve(&(struct server_options){.certificate = "good",
                                                               .responses = &closing,
                                                               .response_count = 1,
                                                               .maximum_tls = rows[i].version});
        refold_options *options = options_to(server_url(server));
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
        struct scene scene = open_scene(server, options, REFOLD_LOG_DEBUG);
        check_case("%s", rows[i].line);
        for (int call = 0; call < 2; call++) {
            log_clear(scene.log);
            CHECK_INT(get_code(scene.client), REFOLD_OK);
            const char *handshake = log_normalized(scene.log, 3);
            CHECK_CONTAINS(handshake, line_of(ON("1") "%s", rows[i].line));
            CHECK_CONTAINS(handshake, call == 0 ? ", ALPN http/1.1, full handshake"
                                                : ", ALPN http/1.1, resumed session");
            CHECK_STR(log_normalized(scene.log, 4),
                      line_of(ON("1") "certificate of Test good from Test ca, expires %s, for localhost, "
                                      "127.0.0.1, 127.0.0.2, ::1",
                              expiry_of(certificate_path("good.pem"))));
            CHECK_STR(log_normalized(scene.log, log_count(scene.log) - 2), ON("1") "closed");
            CHECK_CONTAINS(log_normalized(scene.log, log_count(scene.log) - 1), THROUGH_TLS);
        }
        close_scene(&scene);
    }
}

/* Connections -------------------------------------------------------------------------------------------- */

/* Closes the connection as soon as the second request on it has been read. */
static void close_at_second(struct exchange *exchange) {
    if (exchange_index(exchange) == 1)
        exchange_close(exchange);
    else
        exchange_respond(exchange, &(struct response){.body = COMPLETED});
}

TEST(a_connection_lost_while_idle_is_logged) {
    static const char lost[] =
        "WARN call 1 connection 1 +T ms: lost while idle, replaced by another connection";
    static const struct response closing[] = {{.body = COMPLETED, .ending = CLOSE}, {.body = COMPLETED}};
    static const struct response expired[] = {
        {.body = COMPLETED},
        {.status = 408, .headers = "Connection: close\r\n", .body = "", .ending = CLOSE},
        {.body = COMPLETED}};
    static const struct server_options servers[] = {{.responses = closing, .response_count = COUNT(closing)},
                                                    {.handler = close_at_second},
                                                    {.responses = expired, .response_count = COUNT(expired)}};
    for (size_t i = 0; i < COUNT(servers); i++) {
        struct server *server = serve(&servers[i]);
        struct scene scene = open_scene(server, options_to(server_url(server)), REFOLD_LOG_INFO);
        check_case("%zu", i);
        CHECK_INT(get_code(scene.client), REFOLD_OK);
        log_clear(scene.log);
        if (i == 0)
            CHECK(server_await_open(server, 0, 5000));
        CHECK_INT(get_code(scene.client), REFOLD_OK);
        CHECK_STR(log_normalized(scene.log, 0), lost);
        CHECK_STR(log_normalized(scene.log, 1),
                  "INFO call 1 +T ms: " ENDED "OK, COMPLETED; attempts 1; " NEW_PLAINTEXT
                  "; received 94 bytes, unpacked 23; new connection 2; request id -");
        CHECK_INT(log_count(scene.log), 2);
        close_scene(&scene);
    }
}

TEST(calls_without_a_connection_say_so) {
    struct scene scene = scene_of(1, &(struct response){.body = COMPLETED}, REFOLD_LOG_INFO);
    refold_cancel *cancel = refold_cancel_new();
    refold_cancel_trigger(cancel);
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_get_execution(scene.client, TEST_ID, cancel, &error) == NULL);
    CHECK_LINES(
        scene.log,
        line_of("INFO call 1 +T ms: " ENDED
                "CANCELLED (-2); attempts 0; total T ms (resolve -, connect -, TLS "
                "-, first byte -, transfer -); received 0 bytes, unpacked 0; no connection; request id -; "
                "%s",
                refold_error_message(error)));
    EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    refold_cancel_free(cancel);
    /* A call that does not begin has no lines. */
    log_clear(scene.log);
    CHECK(refold_get_execution(scene.client, "no id", NULL, NULL) == NULL);
    CHECK(refold_get_execution(scene.client, NULL, NULL, NULL) == NULL);
    CHECK_INT(log_count(scene.log), 0);
    close_scene(&scene);
}

/* Levels ------------------------------------------------------------------------------------------------- */

TEST(each_level_includes_those_before_it) {
    static const struct {
        refold_log_level level;
        const char *levels[3]; /* of the lines */
    } rows[] = {{REFOLD_LOG_OFF, {NULL}},
                {REFOLD_LOG_WARN, {"WARN "}},
                {REFOLD_LOG_INFO, {"WARN ", "INFO "}},
                {REFOLD_LOG_DEBUG, {"WARN ", "INFO ", "DEBUG "}}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct response responses[] = {{.status = 503, .headers = AT_ONCE, .body = ""}, {.body = COMPLETED}};
        struct server *server = serve_responses(COUNT(responses), responses);
        refold_options *options = options_to(server_url(server));
        refold_options_set_max_retries(options, 1);
        struct scene scene = open_scene(server, options, rows[i].level);
        check_case("level %d", rows[i].level);
        CHECK_INT(get_code(scene.client), REFOLD_OK);
        for (refold_log_level level = REFOLD_LOG_WARN; level <= REFOLD_LOG_DEBUG; level++) {
            size_t lines = 0;
            for (size_t line = 0; line < log_count(scene.log); line++)
                lines += log_level(scene.log, line) == level;
            CHECK(level <= rows[i].level ? lines > 0 : lines == 0);
            if (level < REFOLD_LOG_DEBUG)
                CHECK_INT(lines, level <= rows[i].level);
        }
        close_scene(&scene);
    }
}

TEST(the_last_setting_of_the_log_counts) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = options_to(server_url(server));
    struct log *silent = log_start(options, REFOLD_LOG_DEBUG), *log = log_start(options, REFOLD_LOG_INFO);
    refold_client *logging = client_of(options);
    options = options_to(server_url(server));
    log_free(silent);
    silent = log_start(options, REFOLD_LOG_DEBUG);
    refold_options_set_log(options, REFOLD_LOG_OFF, log_collect, silent);
    refold_client *off = client_of(options);
    options = options_to(server_url(server));
    refold_options_set_log(options, REFOLD_LOG_DEBUG, NULL, silent);
    refold_client *null = client_of(options);
    CHECK_INT(get_code(logging), REFOLD_OK);
    CHECK_INT(get_code(off), REFOLD_OK);
    CHECK_INT(get_code(null), REFOLD_OK);
    CHECK_INT(log_count(log), 1);
    CHECK_INT(log_count(silent), 0);
    refold_client_free(logging);
    refold_client_free(off);
    refold_client_free(null);
    log_free(silent);
    log_free(log);
    server_stop(server);
}

TEST(an_unknown_level_is_an_invalid_argument) {
    static const refold_log_level levels[] = {INT32_MIN, -1, 4, 256, INT32_MAX};
    for (size_t i = 0; i < COUNT(levels); i++) {
        check_case("%d", levels[i]);
        refold_options *options = test_options("https://127.0.0.1:1");
        refold_options_set_log(options, levels[i], log_collect, NULL);
        EXPECT_ERROR(client_error(options), REFOLD_ERROR_INVALID_ARGUMENT, "log");
        options = test_options("https://127.0.0.1:1");
        refold_options_set_log(options, levels[i], NULL, NULL);
        EXPECT_ERROR(client_error(options), REFOLD_ERROR_INVALID_ARGUMENT, "log");
        options = test_options("https://127.0.0.1:1");
        refold_options_set_log(options, levels[i], NULL, NULL);
        refold_options_set_log(options, REFOLD_LOG_OFF, NULL, NULL);
        refold_client_free(client_of(options));
    }
}

/* Lines about what a server sends ------------------------------------------------------------------------ */

/* Sends what is to be logged in the status line, in fields and in a body. */
static void send_hostile(struct exchange *exchange) {
    const struct bytes_of_server { const char *text; } *hostile = exchange_data(exchange);
    char *response =
        text_of("HTTP/1.1 404 N%so\r\nX-Request-Id: %s\r\nX-Long: %s\r\nContent-Length: %zu\r\n\r\n"
                "{\"message\": \"%s\", \"error_code\": \"%s\"}",
                hostile->text, hostile->text, hostile->text,
                strlen("{\"message\": \"\", \"error_code\": \"\"}") + 2 * strlen(hostile->text),
                hostile->text, hostile->text);
    exchange_send_text(exchange, response);
    free(response);
}

static struct log *lines_about(const char *text) {
    struct server *server = serve(&(struct server_options){.handler = send_hostile, .data = &text});
    refold_options *options = options_to(server_url(server));
    refold_options_set_header(options, "X-Custom", TEST_HEADER_VALUE);
    struct log *log = log_start(options, REFOLD_LOG_DEBUG);
    refold_client *client = client_of(options);
    get_code(client);
    refold_client_free(client);
    server_stop(server);
    return log;
}

/* log_start() checks that no line has a control character or a secret; here, that the text is there at all.
 */
TEST(hostile_fields_are_shown_without_their_controls) {
    static const struct {
        const char *sent, *shown;
    } rows[] = {
        {"a\x1b[31mb", "a?[31mb"},
        {"a\tb", "a?b"},
        {"a\x7f\xc2\x85z", "a??z"},
        {"\xe2\x80\xa8\xe2\x80\xa9", "??"},
        {"x\xff\xfey", "x\xef\xbf\xbd\xef\xbf\xbdy"},
        {"gr\xc3\xbc\xc3\x9f"
         "e",
         "gr\xc3\xbc\xc3\x9f"
         "e"},
        {"<" TEST_KEY ">", "<***>"},
        {"<" TEST_HEADER_VALUE ">", "<***>"},
        {TEST_KEY TEST_HEADER_VALUE TEST_KEY, "***"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_case("row %zu", i);
        struct log *log = lines_about(rows[i].sent);
        const char *field = log_find(log, "received X-Long: ");
        CHECK_CONTAINS(field, line_of("received X-Long: %s", rows[i].shown));
        log_free(log);
    }
}

TEST(long_lines_end_at_1023_bytes) {
    static const char *const letters[] = {"a", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < COUNT(letters); i++) {
        static const size_t lengths[] = {300, 2000, 15000};
        for (size_t j = 0; j < COUNT(lengths); j++) {
            char *text = repeated(letters[i], lengths[j] / strlen(letters[i]));
            struct log *log = lines_about(text);
            const char *field = log_find(log, "received X-Long: ");
            check_case("%zu bytes of %s", lengths[j], letters[i]);
            CHECK_INT(field != NULL, 1);
            size_t length = field == NULL ? 0 : strlen(field);
            bool is_whole = field != NULL && strstr(field, text) != NULL;
            CHECK_INT(is_whole, lengths[j] == 300);
            if (field != NULL && !is_whole) {
                CHECK_BETWEEN(length, 1020, 1023);
                CHECK_STR(field + length - 3, "...");
            }
            log_free(log);
            free(text);
        }
    }
}

/* A secret that a line would cut in two is redacted before. */
TEST(a_secret_at_the_end_of_a_line_is_not_cut) {
    for (size_t padding = 900; padding < 1020; padding++) {
        char *before = repeated("a", padding), *text = text_of("%s" TEST_KEY, before);
        struct log *log = lines_about(text);
        check_case("%zu", padding);
        CHECK_INT(log_matches(log, "tk_t"), 0);
        log_free(log);
        free(text);
        free(before);
    }
}

static void send_secret_fields(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED,
                                                  .headers = "Set-Cookie: session=abc\r\n"
                                                             "set-cookie2: session=abc\r\n"
                                                             "WWW-Authenticate: Basic realm=\"abc\"\r\n"
                                                             "Proxy-Authenticate: Digest nonce=\"abc\"\r\n"
                                                             "X-Set-Cookie: visible\r\n"
                                                             "Set-Cookie: a=b;\r\n session=abc\r\n"
                                                             "WWW-Authenticate:\r\n\tBasic abc\r\n"});
}

TEST(secrets_of_the_server_are_not_shown) {
    struct server *server = serve(&(struct server_options){.handler = send_secret_fields});
    struct scene scene = open_scene(server, options_to(server_url(server)), REFOLD_LOG_DEBUG);
    CHECK_INT(get_code(scene.client), REFOLD_OK);
    CHECK_FROM(scene.log, "Set-Cookie", ON("1") "received Set-Cookie: ***",
               ON("1") "received set-cookie2: ***", ON("1") "received WWW-Authenticate: ***",
               ON("1") "received Proxy-Authenticate: ***", ON("1") "received X-Set-Cookie: visible",
               ON("1") "received Set-Cookie: ***", ON("1") "received ***",
               ON("1") "received WWW-Authenticate: ***", ON("1") "received ***");
    close_scene(&scene);
}

/* A status is any text that a server chooses. */
TEST(the_status_of_an_execution_is_quoted) {
    char *status = repeated("s", 5000);
    const struct {
        char *body;
        const char *shown;
    } rows[] = {
        {text_of("{\"status\": \"a\\nb\\u0000c\"}"), "OK, a?b"},
        {text_of("{\"status\": \"\"}"), "OK, ; attempts 1"},
        {text_of("{\"status\": \"<" TEST_KEY ">\"}"), "OK, <***>; attempts 1"},
        {text_of("{\"status\": \"%s\"}", status), line_of("OK, %.100s; attempts 1", status)},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct server *server = serve_body(rows[i].body);
        struct scene scene = open_scene(server, options_to(server_url(server)), REFOLD_LOG_INFO);
        check_case("row %zu", i);
        CHECK_INT(get_code(scene.client), REFOLD_OK);
        CHECK_CONTAINS(log_line(scene.log, 0), rows[i].shown);
        close_scene(&scene);
        free(rows[i].body);
    }
    free(status);
}

/* The callback ------------------------------------------------------------------------------------------- */

struct nested {
    const refold_client *client;
    refold_cancel *cancel;
    size_t lines;
    int depth, max_depth;
    bool renews, cancels;
};

static void call_back(refold_log_level level, const char *message, void *data) {
    struct nested *nested = data;
    (void)level;
    (void)message;
    nested->lines++;
    nested->depth++;
    if (nested->depth > nested->max_depth)
        nested->max_depth = nested->depth;
    if (nested->depth == 1) {
        CHECK_INT(get_code(nested->client), REFOLD_OK);
        CHECK_INT(wait_code(nested->client, 0), REFOLD_OK);
    }
    if (nested->renews)
        CHECK_INT(refold_client_set_session_token(nested->client, TEST_TOKEN), REFOLD_OK);
    if (nested->cancels)
        refold_cancel_trigger(nested->cancel);
    nested->depth--;
}

TEST(a_callback_may_call_the_same_client) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = options_to(server_url(server));
    struct nested nested = {.cancel = refold_cancel_new(), .renews = true};
    refold_options_set_api_key(options, NULL, NULL);
    refold_options_set_session_token(options, TEST_TOKEN);
    refold_options_set_log(options, REFOLD_LOG_DEBUG, call_back, &nested);
    refold_client *client = client_of(options);
    nested.client = client;
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_INT(nested.max_depth, 1);
    CHECK(nested.lines >= 8);
    CHECK_INT(server_requests(server), 1 + 2 * nested.lines);
    nested.lines = 0;
    nested.cancels = true;
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_get_execution(client, TEST_ID, nested.cancel, &error) == NULL);
    EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    CHECK(nested.lines > 0);
    refold_cancel_free(nested.cancel);
    refold_client_free(client);
    server_stop(server);
}

struct slow {
    int64_t until_us, pause_ms, late_us;
};

static void take_long(refold_log_level level, const char *message, void *data) {
    struct slow *slow = data;
    (void)level;
    (void)message;
    int64_t begin = now_us();
    pause_ms(slow->pause_ms);
    int64_t late = now_us() - (begin > slow->until_us ? begin : slow->until_us);
    slow->late_us += late > 0 ? late : 0;
}

static void hold(struct exchange *exchange) { exchange_hold(exchange); }

/* Only what the callback takes after the deadline is added to the timeout. */
TEST(a_slow_callback_delays_a_timeout_by_its_own_time_alone) {
    enum { TIMEOUT_MS = 300 };
    static const int64_t pauses[] = {0, 40, 500};
    for (size_t i = 0; i < COUNT(pauses); i++) {
        struct server *server = serve(&(struct server_options){.handler = hold});
        refold_options *options = options_to(server_url(server));
        struct slow slow = {.pause_ms = pauses[i]};
        refold_options_set_timeout_ms(options, TIMEOUT_MS);
        refold_options_set_log(options, REFOLD_LOG_DEBUG, take_long, &slow);
        refold_client *client = client_of(options);
        struct timing timing = {.max_ms = TIMEOUT_MS + 100};
        check_case("%d ms", (int)pauses[i]);
        while (CHECK_AGAIN(timing)) {
            int64_t begin = now_us();
            slow.late_us = 0;
            slow.until_us = begin + TIMEOUT_MS * 1000;
            CHECK_INT(get_code(client), REFOLD_ERROR_TIMEOUT);
            timing.us = now_us() - begin - slow.late_us;
            CHECK(timing.us >= TIMEOUT_MS * 1000);
        }
        refold_client_free(client);
        server_stop(server);
    }
}

static _Thread_local bool is_calling;
static atomic_int strangers;

static void note_thread(refold_log_level level, const char *message, void *log) {
    strangers += !is_calling;
    log_collect(level, message, log);
}

enum { THREADS = 16, CALLS = 30 };

static void call_often(void *client) {
    is_calling = true;
    for (int i = 0; i < CALLS; i++)
        CHECK_INT(get_code(client), REFOLD_OK);
    is_calling = false;
}

/* The number after a word in a line; -1 if there is none. */
static long number_after(const char *line, const char *word) {
    const char *at = strstr(line, word);
    return at == NULL ? -1 : atol(at + strlen(word));
}

TEST(the_callback_runs_on_the_threads_that_call) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = options_to(line_of("http://server.invalid:%u", server_port(server)));
    refold_options_set_allow_plaintext(options, true);
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    struct log *log = log_start(options, REFOLD_LOG_DEBUG);
    refold_options_set_log(options, REFOLD_LOG_DEBUG, note_thread, log);
    refold_client *client = client_of(options);
    strangers = 0;
    run_on_threads(THREADS, call_often, client, 0);
    CHECK_INT(strangers, 0);
    CHECK_INT(log_matches(log, "OK, COMPLETED"), THREADS * CALLS);
    CHECK_INT(log_matches(log, ": get " TEST_ID), THREADS * CALLS);
    /* Each call has a number of its own, and all its lines have it. */
    static int ends[THREADS * CALLS + 1];
    memset(ends, 0, sizeof ends);
    long first = number_after(log_line(log, 0), "call ");
    for (size_t i = 0; i < log_count(log); i++) {
        long call = number_after(log_line(log, i), "call ");
        if (call < first)
            first = call;
    }
    size_t connections = 0;
    for (size_t i = 0; i < log_count(log); i++) {
        long call = number_after(log_line(log, i), "call ") - first;
        if (!CHECK_BETWEEN(call, 0, THREADS * CALLS - 1))
            break;
        ends[call] += strstr(log_line(log, i), "OK, COMPLETED") != NULL;
        connections += strstr(log_line(log, i), ": connected to ") != NULL;
    }
    for (int i = 0; i < THREADS * CALLS; i++)
        if (!CHECK_INT(ends[i], 1))
            break;
    CHECK_INT(connections, server_connections(server));
    refold_client_free(client);
    log_free(log);
    server_stop(server);
}

/* The connection of a call is the one that all its lines name. */
TEST(lines_of_a_connection_have_its_number) {
    struct server *server = serve_body(COMPLETED);
    struct scene scene = open_scene(server, options_to(server_url(server)), REFOLD_LOG_DEBUG);
    run_on_threads(THREADS, call_often, scene.client, 0);
    for (size_t i = 0; i < log_count(scene.log); i++) {
        const char *line = log_line(scene.log, i);
        bool has_phase = strstr(line, ": get ") == NULL && strstr(line, ": execution ") == NULL;
        long connection = number_after(line, " connection ");
        if (!CHECK(connection > 0 || !has_phase))
            break;
    }
    close_scene(&scene);
}

/* Times ascend within a call. */
TEST(times_of_lines_ascend) {
    struct scene scene = scene_of(1, &(struct response){.body = COMPLETED, .delay_ms = 60}, REFOLD_LOG_DEBUG);
    CHECK_INT(get_code(scene.client), REFOLD_OK);
    double last = 0;
    for (size_t i = 0; i < log_count(scene.log); i++) {
        const char *plus = strchr(log_line(scene.log, i), '+');
        REQUIRE(plus != NULL);
        double time = strtod(plus + 1, NULL);
        CHECK(time >= last);
        if (strstr(plus, "received HTTP/1.1") != NULL)
            CHECK(time - last >= 50);
        last = time;
    }
    close_scene(&scene);
}

/* Standard error ----------------------------------------------------------------------------------------- */

/* What a child finds in place of its standard error. */
enum errors { PIPE, CLOSED_PIPE, FULL_PIPE, NO_DESCRIPTOR, TERMINAL /* that is not read */ };

struct child {
    const char *level; /* of REFOLD_LOG; NULL: unset */
    const char *url;
    enum errors errors;
    bool sets_log; /* replaces it */
};

/* Makes a call with options from the environment; the exit status is 0 if it succeeds, 1 if there is no
 * client, and 2 otherwise. */
static void run_child(const struct child *child) {
    alarm((unsigned)(30 * check_patience()));
    setenv("REFOLD_API_KEY", TEST_KEY, 1);
    setenv("REFOLD_LINKED_ACCOUNT_ID", TEST_ACCOUNT, 1);
    setenv("REFOLD_BASE_URL", child->url, 1);
    if (child->level != NULL)
        setenv("REFOLD_LOG", child->level, 1);
    refold_error *error = NULL;
    refold_options *options = refold_options_new_from_env();
    refold_options_set_timeout_ms(options, 20000 * (uint64_t)check_patience());
    refold_options_set_max_retries(options, 1);
    if (child->sets_log)
        refold_options_set_log(options, REFOLD_LOG_OFF, NULL, NULL);
    char *name = repeated("x", 600);
    refold_options_set_header(options, name, "");
    free(name);
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (client == NULL)
        _exit(refold_error_code(error) == REFOLD_ERROR_INVALID_ARGUMENT &&
                      strstr(refold_error_message(error), "REFOLD_LOG") != NULL
                  ? 1
                  : 3);
    /* More lines than a terminal keeps. */
    for (int i = child->errors == TERMINAL ? 200 : 1; i > 1; i--)
        get_code(client);
    _exit(get_code(client) == REFOLD_OK ? 0 : 2);
}

static void open_terminal(int ends[2]) {
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
    if (ends[0] < 0 || grantpt(ends[0]) != 0 || unlockpt(ends[0]) != 0)
        abort();
    ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
}

/* Runs a child, and returns what it wrote to standard error, freed by the caller. */
static char *output_of(const struct child *child, int want_status) {
    enum { CAPACITY = 65536 };
    char *output = calloc(1, CAPACITY + 1);
    int ends[2], status = -1;
    if (output == NULL || pipe(ends) != 0)
        abort();
    if (child->errors == TERMINAL) {
        close(ends[0]);
        close(ends[1]);
        open_terminal(ends);
    }
    if (child->errors == FULL_PIPE) {
        static const char filler[4096];
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        while (write(ends[1], filler, sizeof filler) > 0)
            continue;
        fcntl(ends[1], F_SETFL, 0);
    }
    fflush(stdout);
    pid_t process = fork();
    if (process == 0) {
        signal(SIGPIPE, SIG_DFL);
        close_all_owned();
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        close(ends[0]);
        if (child->errors == NO_DESCRIPTOR)
            close(STDERR_FILENO);
        run_child(child);
    }
    close(ends[1]);
    if (child->errors == CLOSED_PIPE)
        close(ends[0]);
    size_t length = 0;
    ssize_t got = 0;
    while (child->errors == PIPE && (got = read(ends[0], output + length, CAPACITY - length)) > 0)
        length += (size_t)got;
    CHECK_INT(waitpid(process, &status, 0), process);
    CHECK_INT(WIFSIGNALED(status) ? WTERMSIG(status) : 0, 0);
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, want_status);
    if (child->errors != CLOSED_PIPE)
        close(ends[0]);
    return output;
}

/* Each call makes two attempts. */
static const struct response twice[] = {{.status = 503, .headers = AT_ONCE, .body = ""}, {.body = COMPLETED}};

static char *logged_by(const struct child *child, int want_status) {
    struct server *server = serve_responses(COUNT(twice), twice);
    struct child run = *child;
    run.url = server_url(server);
    char *output = output_of(&run, want_status);
    CHECK_LACKS(output, TEST_KEY);
    server_stop(server);
    return output;
}

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

TEST(refold_log_writes_lines_to_standard_error) {
    static const struct {
        const char *level;
        int levels; /* 0: nothing is written */
    } rows[] = {{NULL, 0},   {"", 0},     {"off", 0},  {"OFF", 0},   {"warn", 1},  {"WARN", 1}, {"wArN", 1},
                {"info", 2}, {"INFO", 2}, {"Info", 2}, {"debug", 3}, {"DEBUG", 3}, {"dEbuG", 3}};
    static const char *const prefixes[] = {"refold WARN call ", "refold INFO call ", "refold DEBUG call "};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *output = logged_by(&(struct child){.level = rows[i].level}, 0);
        check_case("%s", rows[i].level == NULL ? "unset" : rows[i].level);
        size_t known = 0;
        for (int level = 1; level <= 3; level++) {
            size_t lines = count_of(output, prefixes[level - 1]);
            CHECK(level <= rows[i].levels ? lines > 0 : lines == 0);
            known += lines;
        }
        /* There is nothing else, and the last line ends, too. */
        CHECK_INT(count_of(output, "\n"), known);
        CHECK(output[0] == '\0' || output[strlen(output) - 1] == '\n');
        if (rows[i].levels == 1)
            CHECK_CONTAINS(output, " ms: attempt 1 failed, retrying in 0 ms: SERVICE_UNAVAILABLE (503), HTTP "
                                   "503 Service Unavailable");
        free(output);
    }
}

TEST(an_unknown_value_of_refold_log_is_invalid) {
    static const char *const values[] = {"trace",     "error", "1",    "debug ", " debug",
                                         "warn,info", "w",     "\xff", "\n"};
    for (size_t i = 0; i < COUNT(values); i++) {
        check_case("value %zu", i);
        char *output = logged_by(&(struct child){.level = values[i]}, 1);
        CHECK_STR(output, "");
        free(output);
    }
}

TEST(set_log_replaces_refold_log) {
    static const char *const values[] = {"debug", "nonsense"};
    for (size_t i = 0; i < COUNT(values); i++) {
        check_case("%s", values[i]);
        char *output = logged_by(&(struct child){.level = values[i], .sets_log = true}, 0);
        CHECK_STR(output, "");
        free(output);
    }
}

/* Neither SIGPIPE nor a write that blocks may end or delay the program. */
TEST(unusable_standard_error_does_no_harm) {
    static const enum errors all[] = {CLOSED_PIPE, FULL_PIPE, NO_DESCRIPTOR, TERMINAL};
    for (size_t i = 0; i < COUNT(all); i++) {
        check_case("%zu", i);
        free(logged_by(&(struct child){.level = "debug", .errors = all[i]}, 0));
    }
}
