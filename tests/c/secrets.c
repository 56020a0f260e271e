/* Secrets: the library leaves no copy in memory, and no error contains one.
 *
 * These tests search the memory of their own process. The server therefore runs in a child, and here a secret
 * exists in clear only while a setter is called: it is computed from its number and searched for in masked
 * form. */
#define _GNU_SOURCE
#include "client.h"
#include "gzip.h"
#include "proxies.h"
#include "remote.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Secrets ------------------------------------------------------------------------------------------------ */

enum secret { KEY, OLD_TOKEN, TOKEN, PASSWORD, BAD_PASSWORD, OLD_HEADER, HEADER, SECRETS };
enum { SECRET_LENGTH = 40, MASK = 0x80 };

/* Each round has other secrets, so that remains of one round are not found in the next. */
static unsigned secrets_round;

static void new_secrets(void) { secrets_round++; }

/* One byte of a secret. The alphabet has quotes and slashes, which JSON may escape. */
static char secret_byte(enum secret secret, int at) {
    static const char alphabet[] = "qwertyuiopasdfghjklzxcvbnm/\"QWERTYUIOPASDFGHJKLZXCVBNM0123456789";
    unsigned number = ((unsigned)secret + 3 + SECRETS * secrets_round) * 2654435761u + (unsigned)at * 40503u;
    number ^= number >> 13;
    number *= 2246822519u;
    return alphabet[(number >> 16) % (sizeof alphabet - 1)];
}

struct secret_text {
    char text[SECRET_LENGTH + 1];
};

static void compute_secret(enum secret secret, struct secret_text *out) {
    for (int i = 0; i < SECRET_LENGTH; i++)
        out->text[i] = secret_byte(secret, i);
    out->text[SECRET_LENGTH] = '\0';
}

static void wipe(void *memory, size_t length) { explicit_bzero(memory, length); }

/* Searching ---------------------------------------------------------------------------------------------- */

/* The bytes to search for, masked so that the needle does not match itself. */
struct needle {
    unsigned char bytes[100];
    size_t length;
};

static void mask(struct needle *needle, const char *text, size_t length) {
    needle->length = length;
    for (size_t i = 0; i < length; i++)
        needle->bytes[i] = (unsigned char)text[i] ^ MASK;
}

/* The needle is 12 bytes of the secret: enough to rule out a chance match. */
static struct needle needle_of(enum secret secret) {
    struct secret_text whole;
    struct needle needle;
    compute_secret(secret, &whole);
    mask(&needle, whole.text + 14, 12);
    wipe(&whole, sizeof whole);
    return needle;
}

#define USER "proxy-user"

/* The secret as encoded in a header of basic authentication. */
static struct needle encoded_needle_of(enum secret secret) {
    struct secret_text whole;
    struct needle needle;
    char login[100];
    unsigned char encoded[200];
    compute_secret(secret, &whole);
    int length = snprintf(login, sizeof login, USER ":%s", whole.text);
    EVP_EncodeBlock(encoded, (unsigned char *)login, length);
    mask(&needle, (char *)encoded + 20, 24);
    wipe(&whole, sizeof whole);
    wipe(login, sizeof login);
    wipe(encoded, sizeof encoded);
    return needle;
}

static int count_in(const unsigned char *memory, size_t length, const struct needle *needle) {
    int count = 0;
    const unsigned char *end = memory + length, *at = memory;
    while (at + needle->length <= end &&
           (at = memchr(at, needle->bytes[0] ^ MASK, (size_t)(end - at) - needle->length + 1)) != NULL) {
        size_t same = 1;
        while (same < needle->length && at[same] == (needle->bytes[same] ^ MASK))
            same++;
        count += same == needle->length;
        at++;
    }
    return count;
}

enum { WINDOW = 1 << 20 };
static unsigned char window[WINDOW];

static int count_in_mapping(int memory, uintptr_t start, uintptr_t end, const struct needle *needle) {
    int count = 0;
    while (start < end) {
        size_t wanted = end - start < WINDOW ? end - start : WINDOW;
        ssize_t got = pread(memory, window, wanted, (off_t)start);
        if (got <= 0)
            return count;
        count += count_in(window, (size_t)got, needle);
        /* Windows overlap, so a match across a boundary is found in the next one. */
        start += (size_t)got == end - start ? (size_t)got : (size_t)got - needle->length;
    }
    return count;
}

/* The number of matches in all writable memory of this process, except the stack and the search window. */
static int copies_of(struct needle needle) {
    char line[500];
    int count = 0, memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "r");
    wipe(window, sizeof window);
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t start, end;
        char rights[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) != 3 || rights[1] != 'w' ||
            strstr(line, "[stack]"))
            continue;
        uintptr_t from = (uintptr_t)window, to = from + sizeof window;
        if (start <= from && to <= end) {
            count += count_in_mapping(memory, start, from, &needle);
            start = to;
        }
        count += count_in_mapping(memory, start, end, &needle);
    }
    wipe(window, sizeof window);
    if (maps == NULL || memory < 0)
        FAIL("memory cannot be searched");
    fclose(maps);
    close(memory);
    return count;
}

/* Skipped under valgrind, which keeps freed blocks and registers in memory that would be searched. */
#define CHECK_GONE(needle) ((void)(check_in_valgrind() || CHECK_INT(copies_of(needle), 0)))
#define CHECK_FOUND(needle) ((void)(check_in_valgrind() || CHECK(copies_of(needle) > 0)))

static void check_none_is_left(void) {
    static const char *const names[] = {"key",          "old token",        "token",       "password",
                                        "bad password", "old header value", "header value"};
    if (check_in_valgrind())
        return;
    for (int secret = 0; secret < SECRETS; secret++) {
        int copies = copies_of(needle_of(secret));
        if (copies != 0)
            FAIL("%d copies of the %s are left", copies, names[secret]);
    }
    CHECK_INT(copies_of(encoded_needle_of(PASSWORD)), 0);
    CHECK_INT(copies_of(encoded_needle_of(BAD_PASSWORD)), 0);
}

/* Servers ------------------------------------------------------------------------------------------------ */

enum behavior {
    SUCCESS,          /* 200 */
    NOT_FOUND,        /* 404 */
    UNAVAILABLE,      /* 503 twice, then 200 */
    ECHO,             /* 404 with the request's secrets in every field */
    ESCAPED_ECHO,     /* the same, with JSON escapes */
    COMPRESSED_ECHO,  /* the same, with gzip */
    ECHO_IN_HEADER,   /* 404 with the secret in x-request-id */
    CHUNKED_ECHO,     /* like ECHO, in chunks of a few bytes */
    NOT_AN_EXECUTION, /* 200 with an echo, which is not an execution */
    TRUNCATED_ECHO,   /* like ECHO, cut in the body */
    UNAVAILABLE_ECHO, /* 503 twice with an echo, then 200 */
    LARGE_ECHO,       /* 404 with many echoes in a large message, in members and in their keys */
    LARGE_GZIP_ECHO,  /* the same, with gzip */
    LARGE_PAGE,       /* 404 with many echoes, which is no JSON */
    STALE_ECHO,       /* 200; then 408 with many echoes, which ends the connection; then 200 */
    SILENCE
};

enum proxy_kind { NO_PROXY, HTTP_PROXY, SOCKS_PROXY };

struct script {
    enum behavior behavior;
    enum proxy_kind proxy;
    bool is_secure;
    bool is_followed; /* by part of a TLS record */
};

static const char *sent_secret(struct exchange *exchange) {
    const char *head = exchange_head(exchange);
    const char *key = head_value(head, "x-api-key");
    const char *token = head_value(head, "authorization");
    return key != NULL ? key : token != NULL ? token + strlen("Bearer ") : "nothing";
}

static const char *sent_header(struct exchange *exchange) {
    const char *value = head_value(exchange_head(exchange), "x-custom");
    return value == NULL ? "nothing" : value;
}

/* The content of a JSON string, with all bytes escaped or only those that must be; freed by the caller. */
static char *json_text(const char *text, bool escape_all) {
    char *json = calloc(1, 6 * strlen(text) + 1);
    for (char *to = json; *text != '\0'; text++) {
        if (escape_all)
            to += sprintf(to, "\\u%04x", (unsigned char)*text);
        else
            to += sprintf(to, strchr("\"\\", *text) != NULL ? "\\%c" : "%c", *text);
    }
    return json;
}

static char *echo(struct exchange *exchange, bool escape_all) {
    const struct script *script = exchange_data(exchange);
    struct secret_text password = {"nothing"};
    if (script->proxy != NO_PROXY)
        compute_secret(PASSWORD, &password);
    char *secret = json_text(sent_secret(exchange), escape_all), *word = json_text(password.text, escape_all);
    char *header = json_text(sent_header(exchange), escape_all);
    char *body = text_of(
        "{\"message\": \"no <%s>, no <%s>\", \"error_code\": \"<%s>\", \"http_error_type\": \"<%s>\", "
        "\"request_id\": \"<%s>\", \"more\": [\"<%s>\", {\"<%s>\": 1}], \"header\": \"<%s>\"}",
        secret, word, secret, secret, secret, secret, secret, header);
    free(secret);
    free(word);
    free(header);
    return body;
}

/* A body of about `size` bytes, nearly all of them echoes. */
static char *large_echo(struct exchange *exchange, bool is_page, size_t size) {
    char *secret = json_text(sent_secret(exchange), false);
    char *body = calloc(1, size + 1000), *to = body;
    to += sprintf(to, is_page ? "<" : "{\"message\": \"");
    while (to < body + size / 2)
        to += sprintf(to, "\\n<%s>", secret);
    to += sprintf(to, is_page ? ">" : "\"");
    for (int i = 0; to < body + size; i++)
        to += sprintf(to, ", \"%d <%s>\": \"<%s>\"", i, secret, secret);
    sprintf(to, "}");
    free(secret);
    return body;
}

static void send_chunked(struct exchange *exchange, const char *body) {
    exchange_send_head(exchange, 404, "Transfer-Encoding: chunked\r\n");
    for (; *body != '\0'; body += strlen(body) < 7 ? strlen(body) : 7)
        exchange_send_chunk(exchange, body, strlen(body) < 7 ? strlen(body) : 7);
    exchange_send_chunk(exchange, NULL, 0);
}

static void send_compressed(struct exchange *exchange, const char *body) {
    struct bytes packed = gzip_of(body, strlen(body));
    exchange_respond(exchange, &(struct response){.status = 404,
                                                  .headers = "Content-Encoding: gzip\r\n",
                                                  .body = packed.start,
                                                  .length = packed.length});
    free(packed.start);
}

static void respond(struct exchange *exchange) {
    enum behavior behavior = ((const struct script *)exchange_data(exchange))->behavior;
    char *body = echo(exchange, behavior == ESCAPED_ECHO), *headers = NULL;
    if ((behavior == UNAVAILABLE_ECHO || behavior == UNAVAILABLE) && exchange_index(exchange) % 3 == 2)
        behavior = SUCCESS;
    if (behavior == STALE_ECHO && exchange_index(exchange) != 1)
        behavior = SUCCESS;
    if (behavior == SUCCESS)
        exchange_respond(exchange, &(struct response){.body = COMPLETED});
    else if (behavior == NOT_FOUND)
        exchange_respond(exchange, &(struct response){.status = 404, .body = "{}"});
    else if (behavior == UNAVAILABLE)
        exchange_respond(exchange,
                         &(struct response){.status = 503, .headers = "Retry-After: 0\r\n", .body = "{}"});
    else if (behavior == LARGE_ECHO || behavior == LARGE_GZIP_ECHO || behavior == LARGE_PAGE) {
        free(body);
        body = large_echo(exchange, behavior == LARGE_PAGE, 900000);
        if (behavior == LARGE_GZIP_ECHO)
            send_compressed(exchange, body);
        else
            exchange_respond(exchange, &(struct response){.status = 404, .body = body});
    } else if (behavior == STALE_ECHO) {
        free(body);
        body = large_echo(exchange, true, 100000);
        exchange_respond(exchange,
                         &(struct response){.status = 408, .headers = "Connection: close\r\n", .body = body});
    } else if (behavior == CHUNKED_ECHO)
        send_chunked(exchange, body);
    else if (behavior == COMPRESSED_ECHO)
        send_compressed(exchange, body);
    else if (behavior == SILENCE)
        exchange_await_close(exchange);
    else if (behavior == NOT_AN_EXECUTION)
        exchange_respond(exchange, &(struct response){.body = body});
    else if (behavior == TRUNCATED_ECHO)
        exchange_respond(exchange,
                         &(struct response){.status = 404, .body = body, .is_cut = true, .cut = 130});
    else {
        headers = text_of("x-request-id: <%s>\r\nRetry-After: 0\r\nx-echo: <%s>, <%s>\r\n",
                          sent_secret(exchange), sent_header(exchange), sent_secret(exchange));
        exchange_respond(exchange, &(struct response){.status = behavior == UNAVAILABLE_ECHO ? 503 : 404,
                                                      .headers = headers,
                                                      .body = behavior == ECHO_IN_HEADER ? "{}" : body});
    }
    free(headers);
    free(body);
}

static void respond_as_scripted(struct exchange *exchange) {
    bool is_followed = ((const struct script *)exchange_data(exchange))->is_followed;
    exchange_cork(exchange, is_followed);
    respond(exchange);
    if (is_followed)
        exchange_send_below_tls(exchange, "\x17", 1);
    exchange_cork(exchange, false);
}

/* Starts both in the child; the info is the server's URL and the proxy's host:port. */
static void serve_secrets(const void *data, char *info, size_t size) {
    const struct script *script = data;
    static struct script kept;
    kept = *script;
    struct secret_text password;
    struct server_options options = {.handler = respond_as_scripted, .data = &kept};
    options.certificate = script->is_secure ? "good" : NULL;
    compute_secret(PASSWORD, &password);
    struct server *server = serve(&options);
    struct proxy *proxy = proxy_start((struct proxy_options){
        .is_socks = script->proxy == SOCKS_PROXY, .user = USER, .password = strdup(password.text)});
    snprintf(info, size, "%s %s", server_url(server), strstr(proxy_url(proxy, "http", NULL), "//") + 2);
}

struct peers {
    struct remote *remote;
    char server[80], proxy[80];
};

static struct peers peers_start(struct script script) {
    certificate_path("ca.pem");
    struct peers peers = {.remote = remote_start(serve_secrets, &script)};
    if (sscanf(remote_info(peers.remote), "%79s %79s", peers.server, peers.proxy) != 2)
        abort();
    return peers;
}

/* Calls -------------------------------------------------------------------------------------------------- */

static void set_key(refold_options *options) {
    struct secret_text key;
    compute_secret(KEY, &key);
    refold_options_set_api_key(options, key.text, TEST_ACCOUNT);
    wipe(&key, sizeof key);
}

static void set_token(refold_options *options, enum secret which) {
    struct secret_text token;
    compute_secret(which, &token);
    refold_options_set_session_token(options, token.text);
    wipe(&token, sizeof token);
}

static void set_header(refold_options *options, enum secret which) {
    struct secret_text value;
    compute_secret(which, &value);
    refold_options_set_header(options, "X-Custom", value.text);
    wipe(&value, sizeof value);
}

static void replace_token(const refold_client *client, enum secret which) {
    struct secret_text token;
    compute_secret(which, &token);
    CHECK_INT(refold_client_set_session_token(client, token.text), REFOLD_OK);
    wipe(&token, sizeof token);
}

/* The password is part of the URL, percent-encoded where necessary. */
static void set_proxy(refold_options *options, enum proxy_kind proxy, const char *address,
                      enum secret secret) {
    char url[400], *to = url;
    to += sprintf(to, "%s://" USER ":", proxy == SOCKS_PROXY ? "socks5h" : "http");
    for (int i = 0; i < SECRET_LENGTH; i++) {
        char byte = secret_byte(secret, i);
        to += sprintf(to, byte == '/' || byte == '"' ? "%%%02X" : "%c", byte);
    }
    sprintf(to, "@%s", address);
    refold_options_set_proxy(options, url);
    wipe(url, sizeof url);
}

/* Checks that no secret is in a text of an error. */
static void check_has_no_secret(const char *text) {
    for (int secret = 0; text != NULL && secret < SECRETS; secret++) {
        struct needle needle = needle_of(secret);
        CHECK_INT(count_in((const unsigned char *)text, strlen(text), &needle), 0);
    }
    struct needle needle = encoded_needle_of(PASSWORD);
    CHECK_INT(text == NULL ? 0 : count_in((const unsigned char *)text, strlen(text), &needle), 0);
}

static atomic_int logged_lines;

static void check_line(refold_log_level level, const char *message, void *unused) {
    (void)level;
    (void)unused;
    logged_lines++;
    check_has_no_secret(message);
}

static void check_error_has_no_secret(const refold_error *error) {
    check_has_no_secret(refold_error_message(error));
    check_has_no_secret(refold_error_api_code(error));
    check_has_no_secret(refold_error_http_error_type(error));
    check_has_no_secret(refold_error_request_id(error));
    check_has_no_secret(refold_error_body(error, NULL));
}

struct scenario {
    enum behavior behavior;
    bool is_secure;
    bool has_token;
    enum proxy_kind proxy;
    bool is_followed;
    bool is_unlogged; /* otherwise, calls log at the level DEBUG */
};

static void call(const refold_client *client, const struct scenario *scenario) {
    enum behavior behavior = scenario->behavior;
    refold_error *error = NULL;
    refold_execution *execution = get(client, &error);
    CHECK((execution != NULL) == (behavior == SUCCESS || behavior == UNAVAILABLE ||
                                  behavior == UNAVAILABLE_ECHO || behavior == STALE_ECHO));
    check_error_has_no_secret(error);
    if (behavior == ECHO || behavior == ESCAPED_ECHO || behavior == COMPRESSED_ECHO ||
        behavior == CHUNKED_ECHO) {
        CHECK_CONTAINS(refold_error_message(error),
                       scenario->proxy == NO_PROXY ? "no <***>, no <nothing>" : "no <***>, no <***>");
        CHECK_STR(refold_error_api_code(error), "<***>");
        CHECK_STR(refold_error_http_error_type(error), "<***>");
        CHECK_STR(refold_error_request_id(error), "<***>");
        CHECK_CONTAINS(refold_error_body(error, NULL), "[\"<***>\", {\"<***>\": 1}], \"header\": \"<***>\"}");
    } else if (behavior == LARGE_ECHO || behavior == LARGE_GZIP_ECHO) {
        CHECK_CONTAINS(refold_error_message(error), "<***>\n<***>");
        CHECK_CONTAINS(refold_error_body(error, NULL), "<***>\\n<***>");
    } else if (behavior == ECHO_IN_HEADER) {
        CHECK_STR(refold_error_request_id(error), "<***>");
    }
    refold_error_free(error);
    refold_execution_free(execution);
}

static refold_options *options_for(const struct peers *peers, bool has_token, enum proxy_kind proxy) {
    refold_options *options = refold_options_new();
    refold_options_set_base_url(options, peers->server);
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_timeout_ms(options, 20000 * (uint64_t)check_patience());
    if (has_token)
        set_token(options, OLD_TOKEN);
    else
        set_key(options);
    set_header(options, OLD_HEADER); /* replaced below */
    set_header(options, HEADER);
    if (proxy != NO_PROXY) {
        set_proxy(options, proxy, peers->proxy, BAD_PASSWORD); /* replaced below */
        set_proxy(options, proxy, peers->proxy, PASSWORD);
    }
    return options;
}

static void check_scenario(const struct scenario *scenario) {
    check_case("behavior %d%s%s, proxy %d", scenario->behavior, scenario->is_secure ? ", TLS" : "",
               scenario->has_token ? ", token" : ", key", scenario->proxy);
    new_secrets();
    struct peers peers = peers_start(
        (struct script){scenario->behavior, scenario->proxy, scenario->is_secure, scenario->is_followed});
    refold_options *options = options_for(&peers, scenario->has_token, scenario->proxy);
    if (scenario->behavior == SILENCE)
        refold_options_set_timeout_ms(options, 100);
    if (!scenario->is_unlogged)
        refold_options_set_log(options, REFOLD_LOG_DEBUG, check_line, NULL);
    logged_lines = 0;
    if (scenario->behavior != UNAVAILABLE_ECHO && scenario->behavior != UNAVAILABLE)
        refold_options_set_max_retries(options, 0);
    refold_error *error = NULL;
    refold_client *client = refold_client_new(options, &error);
    CHECK(client != NULL);
    refold_options_free(options);
    call(client, scenario);
    if (scenario->has_token) {
        replace_token(client, TOKEN);
        CHECK_GONE(needle_of(OLD_TOKEN));
        call(client, scenario);
    }
    /* The search does find a secret that is in memory. */
    CHECK_FOUND(needle_of(scenario->has_token ? TOKEN : KEY));
    if (scenario->proxy != NO_PROXY)
        CHECK_FOUND(needle_of(PASSWORD));
    CHECK_FOUND(needle_of(HEADER));
    CHECK_GONE(needle_of(OLD_HEADER));
    CHECK_GONE(needle_of(BAD_PASSWORD));
    CHECK_INT(logged_lines > 0, !scenario->is_unlogged);
    refold_client_free(client);
    check_none_is_left();
    remote_stop(peers.remote);
}

/* Without a log, other code redacts and frees what a server sends. */
TEST(no_secret_remains_without_a_log) {
    static const enum behavior behaviors[] = {SUCCESS, UNAVAILABLE, ECHO, COMPRESSED_ECHO, NOT_AN_EXECUTION};
    for (size_t i = 0; i < COUNT(behaviors); i++)
        check_scenario(&(struct scenario){
            .behavior = behaviors[i], .is_secure = i % 2 == 0, .has_token = true, .is_unlogged = true});
}

TEST(no_secret_remains_in_memory) {
    for (enum behavior behavior = SUCCESS; behavior <= SILENCE; behavior++)
        for (int i = 0; i < 4; i++)
            check_scenario(
                &(struct scenario){.behavior = behavior, .is_secure = i % 2 == 1, .has_token = i / 2 == 1});
}

/* Part of another TLS record arrives with the response. */
TEST(no_secret_remains_when_data_follows_the_response) {
    static const enum behavior behaviors[] = {ECHO,         ESCAPED_ECHO,   COMPRESSED_ECHO,
                                              CHUNKED_ECHO, ECHO_IN_HEADER, NOT_AN_EXECUTION};
    for (size_t i = 0; i < COUNT(behaviors); i++)
        check_scenario(&(struct scenario){
            .behavior = behaviors[i], .is_secure = true, .has_token = true, .is_followed = true});
}

TEST(no_proxy_password_remains_in_memory) {
    static const enum behavior behaviors[] = {SUCCESS,      NOT_FOUND,       UNAVAILABLE,      ECHO,
                                              ESCAPED_ECHO, COMPRESSED_ECHO, UNAVAILABLE_ECHO, SILENCE};
    for (size_t i = 0; i < COUNT(behaviors); i++) {
        /* Except plaintext through an HTTP proxy: there the proxy itself responds. */
        check_scenario(&(struct scenario){
            .behavior = behaviors[i], .is_secure = true, .has_token = false, .proxy = HTTP_PROXY});
        check_scenario(&(struct scenario){
            .behavior = behaviors[i], .is_secure = true, .has_token = true, .proxy = SOCKS_PROXY});
        check_scenario(&(struct scenario){
            .behavior = behaviors[i], .is_secure = false, .has_token = false, .proxy = SOCKS_PROXY});
    }
    check_scenario(
        &(struct scenario){.behavior = SUCCESS, .is_secure = false, .has_token = false, .proxy = HTTP_PROXY});
}

/* Secrets of options that are replaced, unset, rejected or freed. */
TEST(freed_options_leave_no_secret) {
    new_secrets();
    refold_options *options = refold_options_new();
    set_key(options);
    set_token(options, OLD_TOKEN);
    set_token(options, TOKEN);
    set_proxy(options, HTTP_PROXY, "127.0.0.1:1", BAD_PASSWORD);
    set_proxy(options, HTTP_PROXY, "127.0.0.1:1", PASSWORD);
    set_header(options, OLD_HEADER);
    set_header(options, HEADER);
    CHECK_GONE(needle_of(OLD_TOKEN));
    CHECK_GONE(needle_of(BAD_PASSWORD));
    CHECK_GONE(needle_of(OLD_HEADER));
    CHECK_FOUND(needle_of(TOKEN));
    CHECK_FOUND(needle_of(HEADER));
    refold_error *error = NULL;
    CHECK(refold_client_new(options, &error) == NULL);
    check_error_has_no_secret(error);
    refold_error_free(error);
    refold_options_set_api_key(options, NULL, NULL);
    CHECK_GONE(needle_of(KEY));
    refold_options_set_session_token(options, NULL);
    CHECK_GONE(needle_of(TOKEN));
    refold_options_set_proxy(options, NULL);
    CHECK_GONE(needle_of(PASSWORD));
    refold_options_set_header(options, "x-custom", NULL);
    CHECK_GONE(needle_of(HEADER));
    set_header(options, HEADER);
    refold_options_set_header(options, NULL, NULL);
    CHECK_GONE(needle_of(HEADER));
    set_key(options);
    set_header(options, HEADER);
    refold_options_set_header(options, "Host", "refused");
    set_proxy(options, HTTP_PROXY, "no host", PASSWORD);
    CHECK(refold_client_new(options, &error) == NULL);
    check_error_has_no_secret(error);
    refold_error_free(error);
    refold_options_free(options);
    check_none_is_left();
}

/* Wipes a variable in the environment, which belongs to the host and not to the library. */
static void wipe_variable(const char *name) {
    char *value = getenv(name);
    if (value != NULL)
        wipe(value, strlen(value));
    unsetenv(name);
}

TEST(secrets_from_the_environment_are_wiped) {
    new_secrets();
    struct peers peers = peers_start((struct script){SUCCESS, HTTP_PROXY, true, false});
    struct secret_text key;
    char url[400];
    compute_secret(KEY, &key);
    setenv("REFOLD_API_KEY", key.text, 1);
    wipe(&key, sizeof key);
    setenv("REFOLD_LINKED_ACCOUNT_ID", TEST_ACCOUNT, 1);
    setenv("REFOLD_BASE_URL", peers.server, 1);
    refold_options *options = refold_options_new_from_env();
    wipe_variable("REFOLD_API_KEY");
    wipe_variable("REFOLD_LINKED_ACCOUNT_ID");
    wipe_variable("REFOLD_BASE_URL");
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    char *to = url + sprintf(url, "http://" USER ":");
    for (int i = 0; i < SECRET_LENGTH; i++) {
        char byte = secret_byte(PASSWORD, i);
        to += sprintf(to, byte == '/' || byte == '"' ? "%%%02X" : "%c", byte);
    }
    sprintf(to, "@%s", peers.proxy);
    setenv("HTTPS_PROXY", url, 1);
    refold_client *client = client_of(options);
    wipe_variable("HTTPS_PROXY");
    wipe(url, sizeof url);
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    check_none_is_left();
    remote_stop(peers.remote);
}

/* Calls without a response: rejected logins, refused connections, untrusted certificates. */
TEST(failures_leave_no_secret) {
    new_secrets();
    struct peers peers = peers_start((struct script){SUCCESS, HTTP_PROXY, true, false});
    for (int i = 0; i < 4; i++) {
        refold_options *options = refold_options_new();
        check_case("failure %d", i);
        set_key(options);
        set_header(options, HEADER);
        refold_options_set_log(options, REFOLD_LOG_DEBUG, check_line, NULL);
        refold_options_set_base_url(options, i == 2 ? "https://127.0.0.1:1" : peers.server);
        refold_options_set_max_retries(options, i == 2 ? 1 : 0);
        /* With i == 1, the HTTP proxy waits for the end of a head. */
        refold_options_set_connect_timeout_ms(options, i == 1 ? 300 : 10000);
        if (i < 2)
            set_proxy(options, i == 0 ? HTTP_PROXY : SOCKS_PROXY, peers.proxy, BAD_PASSWORD);
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        CHECK(get(client, &error) == NULL);
        CHECK_INT(refold_error_code(error), i == 3 ? REFOLD_ERROR_TLS : REFOLD_ERROR_CONNECT);
        check_error_has_no_secret(error);
        refold_client_free(client);
        refold_error_free(error);
        check_none_is_left();
    }
    remote_stop(peers.remote);
}
