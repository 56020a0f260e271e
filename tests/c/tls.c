/* Which certificates the library trusts, and how it reports the others. */
#define _GNU_SOURCE
#include "client.h"
#include "peers.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct server *serve_tls(const char *certificate, struct server_options options) {
    static const struct response completed = {.body = COMPLETED};
    options.certificate = certificate;
    options.responses = &completed;
    options.response_count = 1;
    return serve(&options);
}

static char *file_text(const char *path) {
    char *text = calloc(1, 100000);
    FILE *file = fopen(path, "r");
    if (file == NULL || fread(text, 1, 99999, file) == 0)
        abort();
    fclose(file);
    return text;
}

/* Sources of trust --------------------------------------------------------------------------------------- */

struct trust {
    const char *name;
    const char *ca_file, *ca_pem, *cert_file, *cert_dir; /* files of certificate_path() */
    bool is_trusted;
};

static const struct trust trusts[] = {
    {"no source", .is_trusted = false},
    {"ca_file", .ca_file = "ca.pem", .is_trusted = true},
    {"ca_pem", .ca_pem = "ca.pem", .is_trusted = true},
    {"both, one of them relevant", .ca_file = "unknown-ca.pem", .ca_pem = "ca.pem", .is_trusted = true},
    {"another ca_file", .ca_file = "unknown-ca.pem", .is_trusted = false},
    {"SSL_CERT_FILE", .cert_file = "ca.pem", .is_trusted = true},
    {"another SSL_CERT_FILE", .cert_file = "unknown-ca.pem", .is_trusted = false},
    {"SSL_CERT_DIR", .cert_dir = "hashed", .is_trusted = true},
    {"SSL_CERT_DIR beside SSL_CERT_FILE", .cert_file = "unknown-ca.pem", .cert_dir = "hashed",
     .is_trusted = true},
    {"ca_file beside SSL_CERT_FILE", .ca_file = "ca.pem", .cert_file = "unknown-ca.pem", .is_trusted = true},
    {"SSL_CERT_FILE beside ca_file", .ca_file = "unknown-ca.pem", .cert_file = "ca.pem", .is_trusted = true},
};

static refold_client *client_that_trusts(const struct trust *trust, const char *url) {
    refold_options *options = test_options(url);
    if (trust->cert_file != NULL)
        setenv("SSL_CERT_FILE", certificate_path(trust->cert_file), 1);
    if (trust->cert_dir != NULL)
        setenv("SSL_CERT_DIR", certificate_path(trust->cert_dir), 1);
    if (trust->ca_file != NULL)
        refold_options_set_ca_file(options, certificate_path(trust->ca_file));
    if (trust->ca_pem != NULL) {
        char *pem = file_text(certificate_path(trust->ca_pem));
        refold_options_set_ca_pem(options, pem, strlen(pem));
        free(pem);
    }
    refold_client *client = client_of(options);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    return client;
}

/* The library trusts the system's roots, or SSL_CERT_FILE and SSL_CERT_DIR instead, and the caller's roots.
 */
TEST(trust_comes_from_the_caller_and_the_environment) {
    struct server *server = serve_tls("good", (struct server_options){0});
    for (size_t i = 0; i < COUNT(trusts); i++) {
        check_case("%s", trusts[i].name);
        refold_client *client = client_that_trusts(&trusts[i], server_url(server));
        CHECK_INT(get_code(client), trusts[i].is_trusted ? REFOLD_OK : REFOLD_ERROR_TLS);
        refold_client_free(client);
    }
    server_stop(server);
}

/* Neither source skips a certificate because of a byte order mark before it. */
TEST(byte_order_marks_hide_no_certificate) {
    static const char mark[] = "\xef\xbb\xbf";
    struct server *server = serve_tls("good", (struct server_options){0});
    char *needed = file_text(certificate_path("ca.pem"));
    char *other = file_text(certificate_path("unknown-ca.pem"));
    char path[] = "/tmp/roots-XXXXXX";
    int file = mkstemp(path);
    for (int i = 0; i < 4; i++) {
        char *pem = i % 2 == 0 ? text_of("%s%s%s", mark, needed, other)
                               : text_of("%s%s%s%s", mark, other, mark, needed);
        check_case("%s, %s", i < 2 ? "ca_file" : "SSL_CERT_FILE", i % 2 == 0 ? "first" : "second");
        REQUIRE(ftruncate(file, 0) == 0 && pwrite(file, pem, strlen(pem), 0) == (ssize_t)strlen(pem));
        refold_options *options = test_options(server_url(server));
        if (i < 2)
            refold_options_set_ca_file(options, path);
        else
            setenv("SSL_CERT_FILE", path, 1);
        must_complete(client_of(options));
        unsetenv("SSL_CERT_FILE");
        free(pem);
    }
    close(file);
    unlink(path);
    free(needed);
    free(other);
    server_stop(server);
}

TEST(ssl_cert_dir_is_a_list) {
    struct server *server = serve_tls("good", (struct server_options){0});
    char *list = text_of("/nowhere::%s:", certificate_path("hashed"));
    setenv("SSL_CERT_DIR", list, 1);
    refold_client *client = client_of(test_options(server_url(server)));
    unsetenv("SSL_CERT_DIR");
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    free(list);
    server_stop(server);
}

/* The certificate names a public authority as its issuer but lacks that authority's signature: the error
 * shows whether the authority is among the roots. */
static const char *error_of_forged(const struct server *server) {
    static char message[500];
    refold_client *client = client_of(test_options(server_url(server)));
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_ERROR(error, REFOLD_ERROR_TLS, NULL);
    snprintf(message, sizeof message, "%s", refold_error_message(error));
    refold_error_free(error);
    refold_client_free(client);
    return message;
}

static const char OTHER_KEY[] = "the one named \"ISRG Root X1\" here has another key",
                  UNTRUSTED[] = "was issued by \"ISRG Root X1\", not trusted here";

TEST(public_roots_are_trusted_unless_replaced) {
    struct server *server = serve_tls("forged", (struct server_options){0});
    CHECK_CONTAINS(error_of_forged(server), OTHER_KEY);
    setenv("SSL_CERT_FILE", certificate_path("ca.pem"), 1);
    CHECK_CONTAINS(error_of_forged(server), UNTRUSTED);
    unsetenv("SSL_CERT_FILE");
    server_stop(server);
}

/* Changes the root to an empty folder, which simulates a system without roots. */
static bool change_root(const char *folder) {
    if (geteuid() != 0 && unshare(CLONE_NEWUSER) != 0)
        return false;
    return chroot(folder) == 0 && chdir("/") == 0;
}

/* On a system without roots, the bundled ones are used. */
TEST(bundled_roots_are_the_fallback) {
    struct server *server = serve_tls("forged", (struct server_options){0});
    char folder[] = "/tmp/empty-XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        if (!change_root(folder))
            _exit(2);
        _exit(strstr(error_of_forged(server), OTHER_KEY) != NULL ? 0 : 3);
    }
    waitpid(child, &status, 0);
    /* 2: this environment does not permit chroot(). */
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    rmdir(folder);
    server_stop(server);
}

/* Rejected servers --------------------------------------------------------------------------------------- */

static void hang_up(struct exchange *exchange) { exchange_close(exchange); }

static void hang_up_in_the_hello(struct exchange *exchange) {
    char byte;
    exchange_read(exchange, &byte, 1);
    exchange_reset(exchange);
}

static void hang_up_in_the_response(struct exchange *exchange) {
    char hello[600];
    exchange_read(exchange, hello, sizeof hello);
    exchange_send(exchange, "\x16\x03\x03\x00\x7a\x02\x00", 7);
    exchange_close(exchange);
}

static void respond_in_plaintext(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.status = 400, .body = "{}", .ending = CLOSE});
}

static void respond_nonsense(struct exchange *exchange) {
    exchange_send(exchange, "\x16\x03\x03\x00\x04\x02\x00\x00\x00", 9);
    exchange_await_close(exchange);
}

struct rejection {
    const char *name;
    const char *certificate;
    const char *trusted; /* NULL: ca.pem */
    struct server_options options;
    refold_code code;
    const char *message;
    bool is_retried;
};

static const struct rejection rejections[] = {
    {"expired", "expired", .code = REFOLD_ERROR_TLS, .message = "has expired"},
    {"not valid yet", "early", .code = REFOLD_ERROR_TLS, .message = "is not valid yet"},
    {"wrong host", "wrong-host", .code = REFOLD_ERROR_TLS,
     .message = "is for another host name: it names other.invalid"},
    {"wrong host, from a trusted authority of the same name", "namesake", "other/namesake.pem",
     .code = REFOLD_ERROR_TLS, .message = "is for another host name: it names other.invalid"},
    {"many hosts", "many-hosts", .code = REFOLD_ERROR_TLS,
     .message = "it names a.invalid, b.invalid, 192.0.2.1 and 2 more"},
    {"unknown authority", "unknown", .code = REFOLD_ERROR_TLS,
     .message = "was issued by \"Test unknown-ca\", not trusted here"},
    {"intermediate of an unknown authority", "chained", .code = REFOLD_ERROR_TLS,
     .message = "was issued by \"Test intermediate\" under \"Test unknown-ca\", not trusted here"},
    {"self-signed", "self-signed", .code = REFOLD_ERROR_TLS,
     .message = ": self-signed certificate, not trusted (refold_options_set_ca_file"},
    {"an authority's certificate, untrusted", "own-root", .code = REFOLD_ERROR_TLS,
     .message = ": self-signed certificate, not trusted (it can be trusted if it is made with CA:FALSE"},
    {"an authority's certificate, trusted", "own-root", "own-root.pem", .code = REFOLD_ERROR_TLS,
     .message = "is that of an authority: the server needs one that the authority issued, or a self-signed "
                "one with CA:FALSE"},
    {"an authority with a trusted name and another key", "impostor", .code = REFOLD_ERROR_TLS,
     .message = "does not end in a trusted root: the one named \"Test ca\" here has another key"},
    {"an authority with a P-521 key", "p521", "p521-ca.pem", .code = REFOLD_ERROR_TLS,
     .message = "is signed with an ECDSA key on the curve P-521, which is not supported"},
    {"SHA-512 with ECDSA", "sha512", .code = REFOLD_ERROR_TLS,
     .message = "is signed with ECDSA and SHA-512, which is not supported"},
    {"for clients only", "client-only", .code = REFOLD_ERROR_TLS,
     .message = "is not for servers: it lacks the extended key usage \"server authentication\""},
    {"RSA with 1024 bits", "weak", .code = REFOLD_ERROR_TLS,
     .message = "has an RSA key of 1024 bits, which is not supported"},
    {"an authority with an RSA key of 1024 bits", "weak-chain", "weak-ca.pem", .code = REFOLD_ERROR_TLS,
     .message = "is signed with an RSA key of 1024 bits, which is not supported"},
    {"unknown critical extension", "demanding", .code = REFOLD_ERROR_TLS,
     .message = "is not valid (unsupported critical extension"},
    {"another address",
     "good",
     NULL,
     {.address = "127.0.0.3"},
     REFOLD_ERROR_TLS,
     "is for another host name: it names localhost, 127.0.0.1, 127.0.0.2 and 1 more",
     false},
    {"TLS 1.0",
     "good",
     NULL,
     {.minimum_tls = TLS1_VERSION, .maximum_tls = TLS1_VERSION},
     REFOLD_ERROR_TLS,
     "TLS 1.2",
     false},
    {"TLS 1.1",
     "good",
     NULL,
     {.minimum_tls = TLS1_VERSION, .maximum_tls = TLS1_1_VERSION},
     REFOLD_ERROR_TLS,
     "TLS 1.2",
     false},
    {"plaintext HTTP",
     "good",
     NULL,
     {.connected = respond_in_plaintext},
     REFOLD_ERROR_TLS,
     "does not speak TLS",
     false},
    {"nonsense", "good", NULL, {.connected = respond_nonsense}, REFOLD_ERROR_TLS, "not valid TLS (", false},
    {"closed", "good", NULL, {.connected = hang_up}, REFOLD_ERROR_TRANSPORT, "TLS handshake", true},
    {"reset", "good", NULL, {.connected = hang_up_in_the_hello}, REFOLD_ERROR_TRANSPORT, "reset", true},
    {"truncated",
     "good",
     NULL,
     {.connected = hang_up_in_the_response},
     REFOLD_ERROR_TRANSPORT,
     "TLS handshake",
     true},
};

/* Checks the code, that the message explains the cause, and that only transient failures are retried. */
static void check_rejection(void *data) {
    const struct rejection *rejection = *(const struct rejection **)data;
    check_case("%s", rejection->name);
    struct server *server = serve_tls(rejection->certificate, rejection->options);
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options,
                               certificate_path(rejection->trusted == NULL ? "ca.pem" : rejection->trusted));
    refold_options_set_max_retries(options, 1);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_ERROR(error, rejection->code, rejection->message);
    CHECK_CONTAINS(refold_error_message(error), strstr(server_url(server), "//") + 2);
    const char *const debug_prints[] = {"Error", "Other(", "Invalid", "Some(", "::", "{", "["};
    for (size_t i = 0; i < COUNT(debug_prints); i++)
        CHECK_LACKS(refold_error_message(error), debug_prints[i]);
    CHECK(strlen(refold_error_message(error)) <= 200);
    CHECK_INT(refold_error_is_retryable(error), rejection->is_retried);
    CHECK_INT(refold_error_attempts(error), rejection->is_retried ? 2 : 1);
    CHECK_INT(refold_error_http_status(error), 0);
    CHECK_INT(server_connections(server), rejection->is_retried ? 2 : 1);
    CHECK_INT(server_requests(server), 0);
    refold_error_free(error);
    refold_client_free(client);
    server_stop(server);
}

TEST(the_reason_of_distrust_is_reported) {
    const struct rejection *each[COUNT(rejections)];
    certificate_path("ca.pem");
    for (size_t i = 0; i < COUNT(rejections); i++) {
        char key[60];
        each[i] = &rejections[i];
        /* certificate_path() is for the main thread only. */
        snprintf(key, sizeof key, "%s.pem", rejections[i].certificate);
        certificate_path(key);
        if (rejections[i].trusted != NULL)
            certificate_path(rejections[i].trusted);
        snprintf(key, sizeof key, "%s.key", rejections[i].certificate);
        certificate_path(key);
    }
    run_on_threads(COUNT(rejections), check_rejection, each, sizeof *each);
}

/* Verification cannot be disabled: neither by options that relax other rules, nor by the variables of other
 * programs. */
TEST(nothing_disables_verification) {
    static const char *const variables[] = {
        "REFOLD_INSECURE",  "REFOLD_ALLOW_PLAINTEXT",       "CURL_INSECURE",
        "SSL_NO_VERIFY",    "NODE_TLS_REJECT_UNAUTHORIZED", "GIT_SSL_NO_VERIFY",
        "PYTHONHTTPSVERIFY"};
    struct server *server = serve_tls("good", (struct server_options){0});
    for (size_t i = 0; i < COUNT(variables); i++)
        setenv(variables[i], strstr(variables[i], "NO") == variables[i] || variables[i][0] == 'P' ? "0" : "1",
               1);
    refold_options *options = test_options(server_url(server));
    refold_options_set_allow_plaintext(options, true);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_ERROR_TLS);
    for (size_t i = 0; i < COUNT(variables); i++)
        unsetenv(variables[i]);
    refold_client_free(client);
    server_stop(server);
}

/* Trusted servers ---------------------------------------------------------------------------------------- */

struct trusted_case {
    const char *name;
    struct server_options options;
    const char *host; /* in the base URL; NULL: the server's address */
};

static const struct trusted_case trusted_cases[] = {
    {"TLS 1.2", {.maximum_tls = TLS1_2_VERSION}, NULL},
    {"TLS 1.3", {.minimum_tls = TLS1_3_VERSION}, NULL},
    {"TLS 1.0 to 1.2", {.minimum_tls = TLS1_VERSION, .maximum_tls = TLS1_2_VERSION}, NULL},
    {"a second address", {.address = "127.0.0.2"}, NULL},
    {"IPv6", {.address = "::1"}, NULL},
    {"a name", {.address = NULL}, "localhost"},
    {"a name in capitals", {.address = NULL}, "LOCALHOST"},
    {"a name with a trailing dot", {.address = NULL}, "localhost."},
};

TEST(servers_with_the_right_certificate_are_trusted) {
    for (size_t i = 0; i < COUNT(trusted_cases); i++) {
        check_case("%s", trusted_cases[i].name);
        struct server *server = serve_tls("good", trusted_cases[i].options);
        char *url = trusted_cases[i].host == NULL
                        ? text_of("%s", server_url(server))
                        : text_of("https://%s:%u", trusted_cases[i].host, server_port(server));
        refold_options *options = test_options(url);
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
        refold_client *client = client_of(options);
        for (int call = 0; call < 3; call++)
            CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_INT(server_handshakes(server), 1);
        refold_client_free(client);
        free(url);
        server_stop(server);
    }
}

TEST(a_self_signed_certificate_of_no_authority_can_be_trusted) {
    struct server *server = serve_tls("self-signed", (struct server_options){0});
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("self-signed.pem"));
    must_complete(client_of(options));
    server_stop(server);
}

/* The server refuses the handshake if none of the protocols offered is known to it. */
TEST(http_1_1_is_the_only_protocol_offered) {
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct server *server = serve_tls(
            "good", (struct server_options){.maximum_tls = versions[i], .minimum_tls = versions[i]});
        check_case("TLS 1.%zu", 2 + i);
        must_complete(trusting_client(server));
        CHECK_STR(server_alpn(server), "http/1.1");
        server_stop(server);
    }
}

/* nginx -------------------------------------------------------------------------------------------------- */

static const char NGINX[] =
    "daemon off; master_process off; pid @FOLDER@/pid; error_log @FOLDER@/error.log;\n"
    "events { worker_connections 256; }\n"
    "http {\n"
    "  log_format seen '$connection $gzip_ratio $ssl_protocol $status';\n"
    "  access_log @FOLDER@/seen seen;\n"
    "  client_body_temp_path @FOLDER@/a; proxy_temp_path @FOLDER@/b; fastcgi_temp_path @FOLDER@/c;\n"
    "  uwsgi_temp_path @FOLDER@/d; scgi_temp_path @FOLDER@/e;\n"
    "  gzip on; gzip_proxied any; gzip_types application/json; gzip_min_length 1;\n"
    "  underscores_in_headers on; %s\n"
    "  server {\n"
    "    listen 127.0.0.1:@PORT@ ssl;\n"
    "    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate %s; ssl_certificate_key %s;\n"
    "    location / { proxy_pass http://127.0.0.1:%u; proxy_pass_request_headers on; }\n"
    "  }\n"
    "}\n";

/* Starts nginx as a TLS proxy of the server. */
static struct peer *start_nginx(const struct server *server, const char *settings) {
    char *configuration = text_of(NGINX, settings, certificate_path("good.pem"), certificate_path("good.key"),
                                  server_port(server));
    struct peer *nginx = peer_start("exec nginx -c @FOLDER@/conf -e @FOLDER@/error.log", configuration);
    free(configuration);
    return nginx;
}

static refold_client *client_to_nginx(const struct peer *nginx) {
    char url[60];
    snprintf(url, sizeof url, "https://127.0.0.1:%u", peer_port(nginx));
    refold_options *options = test_options(url);
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    return client_of(options);
}

/* The number of distinct connection numbers, the first words of the lines in nginx's log. */
static int connections_of(const char *log) {
    int count = 0, known[2000];
    for (const char *line = log; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1) {
        int number = atoi(line), at = 0;
        while (at < count && known[at] != number)
            at++;
        if (at == count && count < (int)COUNT(known))
            known[count++] = number;
    }
    return count;
}

static int lines_of(const char *log) {
    int count = 0;
    for (; *log != '\0'; log++)
        count += *log == '\n';
    return count;
}

TEST(nginx_connections_are_kept_and_compressed) {
    char *padding = repeated("the same over and over ", 5000);
    char *body = text_of("{\"status\": \"COMPLETED\", \"name\": \"%s\"}", padding);
    struct server *server = serve_body(body);
    struct peer *nginx = start_nginx(server, "");
    refold_client *client = client_to_nginx(nginx);
    for (int call = 0; call < 20; call++) {
        refold_error *error = NULL;
        refold_execution *execution = get(client, &error);
        CHECK_STR(refold_error_message(error), refold_error_message(NULL));
        CHECK_STR(refold_execution_name(execution), padding);
        refold_execution_free(execution);
        refold_error_free(error);
    }
    CHECK_STR(head_value(server_head(server, 19), "linked_account_id"), TEST_ACCOUNT);
    CHECK_STR(head_value(server_head(server, 19), "x-api-key"), TEST_KEY);
    refold_client_free(client);
    peer_end(nginx);
    char *log = peer_file(nginx, "seen");
    CHECK_INT(lines_of(log), 20);
    CHECK_INT(connections_of(log), 1);
    double ratio = 0;
    CHECK(sscanf(log, "%*d %lf", &ratio) == 1 && ratio > 10);
    CHECK_CONTAINS(log, "TLSv1.3 200");
    free(log);
    peer_stop(nginx);
    server_stop(server);
    free(body);
    free(padding);
}

static void call_often(void *data) {
    for (int call = 0; call < 50; call++)
        CHECK_INT(get_code(data), REFOLD_OK);
}

/* nginx closes each connection after a few requests. No call may fail, although none is retried. */
TEST(nginx_closing_its_connections_fails_no_call) {
    struct server *server = serve_body(COMPLETED);
    struct peer *nginx = start_nginx(server, "keepalive_requests 7;");
    refold_client *client = client_to_nginx(nginx);
    run_on_threads(8, call_often, client, 0);
    refold_client_free(client);
    peer_end(nginx);
    char *log = peer_file(nginx, "seen");
    CHECK_INT(lines_of(log), 400);
    CHECK_BETWEEN(connections_of(log), 400 / 7, 399);
    free(log);
    peer_stop(nginx);
    server_stop(server);
}

/* The same for idle connections, which nginx closes between two calls. */
TEST(nginx_closing_idle_connections_fails_no_call) {
    struct server *server = serve_body(COMPLETED);
    struct peer *nginx = start_nginx(server, "keepalive_timeout 1s;");
    refold_client *client = client_to_nginx(nginx);
    for (int call = 0; call < 3; call++) {
        CHECK_INT(get_code(client), REFOLD_OK);
        pause_ms(call == 0 ? 1500 : 990);
    }
    refold_client_free(client);
    peer_stop(nginx);
    server_stop(server);
}

/* A port that expects plaintext HTTP: nginx responds to a ClientHello with an HTML page. */
TEST(plaintext_http_is_recognized) {
    struct peer *nginx =
        peer_start("exec nginx -c @FOLDER@/conf -e @FOLDER@/error.log",
                   "daemon off; master_process off; pid @FOLDER@/pid; events {}\n"
                   "http { access_log off; client_body_temp_path @FOLDER@/a; proxy_temp_path "
                   "@FOLDER@/b; fastcgi_temp_path @FOLDER@/c; uwsgi_temp_path @FOLDER@/d; "
                   "scgi_temp_path @FOLDER@/e; server { listen 127.0.0.1:@PORT@; } }\n");
    refold_client *client = client_to_nginx(nginx);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    EXPECT_ERROR(error, REFOLD_ERROR_TLS, "does not speak TLS");
    refold_client_free(client);
    peer_stop(nginx);
}
