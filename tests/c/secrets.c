/* Secrets: no copy that the library made stays in memory, and none is ever told.
 *
 * The memory of this process is searched. So the server runs in a child, with copies of its own, and here a
 * secret is whole only while a setter is called: it is made from its number, and searched for in a masked
 * form. */
#define _GNU_SOURCE
#include "client.h"
#include "gzip.h"
#include "proxies.h"
#include "remote.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Making them -------------------------------------------------------------------------------------------- */

enum secret { KEY, OLD_TOKEN, TOKEN, PASSWORD, BAD_PASSWORD, SECRETS };
enum { SECRET_LENGTH = 40, MASK = 0x80 };

/* Others in each round, so that what one has left is not found in the next. */
static unsigned secrets_round;

static void new_secrets(void) { secrets_round++; }

/* One byte of a secret; quotes and slashes among them, which JSON may escape. */
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

static void reveal(enum secret secret, struct secret_text *out) {
    for (int i = 0; i < SECRET_LENGTH; i++)
        out->text[i] = secret_byte(secret, i);
    out->text[SECRET_LENGTH] = '\0';
}

static void wipe(void *memory, size_t length) { explicit_bzero(memory, length); }

/* Searching ---------------------------------------------------------------------------------------------- */

/* What is searched for, each byte masked so that this is not found. */
struct needle {
    unsigned char bytes[100];
    size_t length;
};

static void mask(struct needle *needle, const char *text, size_t length) {
    needle->length = length;
    for (size_t i = 0; i < length; i++)
        needle->bytes[i] = (unsigned char)text[i] ^ MASK;
}

/* 12 bytes of it are no chance. */
static struct needle needle_of(enum secret secret) {
    struct secret_text whole;
    struct needle needle;
    reveal(secret, &whole);
    mask(&needle, whole.text + 14, 12);
    wipe(&whole, sizeof whole);
    return needle;
}

#define USER "proxy-user"

/* As it stands in a header of basic authentication. */
static struct needle encoded_needle_of(enum secret secret) {
    struct secret_text whole;
    struct needle needle;
    char login[100];
    unsigned char encoded[200];
    reveal(secret, &whole);
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
        /* What lies across two windows is seen in the next. */
        start += (size_t)got == end - start ? (size_t)got : (size_t)got - needle->length;
    }
    return count;
}

/* How often it stands in what this process can write to, but for the stack, and the window through which it
 * looks. */
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

/* Not in valgrind, which keeps what was freed, and registers, in memory that would be searched. */
#define CHECK_GONE(needle) ((void)(check_in_valgrind() || CHECK_INT(copies_of(needle), 0)))
#define CHECK_FOUND(needle) ((void)(check_in_valgrind() || CHECK(copies_of(needle) > 0)))

static void check_none_is_left(void) {
    static const char *const names[] = {"key", "old token", "token", "password", "bad password"};
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

/* Servers that know them --------------------------------------------------------------------------------- */

enum how {
    NORMALLY,    /* 200 */
    NOT_FOUND,   /* 404 */
    PATIENTLY,   /* 503 twice, then as it should */
    ECHOING,     /* 404, and all that it was told, in every field */
    ESCAPING,    /* the same as JSON may write it */
    COMPRESSING, /* the same, gzip */
    IN_HEADERS,  /* echoed as x-request-id */
    IN_PIECES,   /* chunked, a few bytes at a time */
    USELESSLY,   /* 200, and no execution */
    BRIEFLY,     /* half of an echo, and the end */
    LATER,       /* 503 twice, echoing; then as it should */
    NOT_AT_ALL   /* silence */
};

/* What stands between. */
enum between { NO_PROXY, HTTP_PROXY, SOCKS_PROXY };

struct manner {
    enum how how;
    enum between between;
    bool is_secure;
    bool is_followed; /* by half a record */
};

static const char *sent_secret(struct exchange *exchange) {
    const char *head = exchange_head(exchange);
    const char *key = head_value(head, "x-api-key");
    const char *token = head_value(head, "authorization");
    return key != NULL ? key : token != NULL ? token + strlen("Bearer ") : "nothing";
}

/* As a JSON string, each byte as an escape or only those that must be; to be freed. */
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
    const struct manner *manner = exchange_data(exchange);
    struct secret_text password = {"nothing"};
    if (manner->between != NO_PROXY)
        reveal(PASSWORD, &password);
    char *secret = json_text(sent_secret(exchange), escape_all), *word = json_text(password.text, escape_all);
    char *body = text_of(
        "{\"message\": \"no <%s>, no <%s>\", \"error_code\": \"<%s>\", \"http_error_type\": \"<%s>\", "
        "\"request_id\": \"<%s>\", \"more\": [\"<%s>\", {\"<%s>\": 1}]}",
        secret, word, secret, secret, secret, secret, secret);
    free(secret);
    free(word);
    return body;
}

static void send_in_pieces(struct exchange *exchange, const char *body) {
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

static void response(struct exchange *exchange) {
    enum how how = ((const struct manner *)exchange_data(exchange))->how;
    char *body = echo(exchange, how == ESCAPING), *headers = NULL;
    if ((how == LATER || how == PATIENTLY) && exchange_index(exchange) % 3 == 2)
        how = NORMALLY;
    if (how == NORMALLY)
        exchange_respond(exchange, &(struct response){.body = COMPLETED});
    else if (how == NOT_FOUND)
        exchange_respond(exchange, &(struct response){.status = 404, .body = "{}"});
    else if (how == PATIENTLY)
        exchange_respond(exchange,
                         &(struct response){.status = 503, .headers = "Retry-After: 0\r\n", .body = "{}"});
    else if (how == IN_PIECES)
        send_in_pieces(exchange, body);
    else if (how == COMPRESSING)
        send_compressed(exchange, body);
    else if (how == NOT_AT_ALL)
        exchange_await_close(exchange);
    else if (how == USELESSLY)
        exchange_respond(exchange, &(struct response){.body = body});
    else if (how == BRIEFLY)
        exchange_respond(exchange,
                         &(struct response){.status = 404, .body = body, .is_cut = true, .cut = 130});
    else {
        headers = text_of("x-request-id: <%s>\r\nRetry-After: 0\r\n", sent_secret(exchange));
        exchange_respond(exchange, &(struct response){.status = how == LATER ? 503 : 404,
                                                      .headers = headers,
                                                      .body = how == IN_HEADERS ? "{}" : body});
    }
    free(headers);
    free(body);
}

static void respond_as_scripted(struct exchange *exchange) {
    bool is_followed = ((const struct manner *)exchange_data(exchange))->is_followed;
    exchange_cork(exchange, is_followed);
    response(exchange);
    if (is_followed)
        exchange_send_below_tls(exchange, "\x17", 1);
    exchange_cork(exchange, false);
}

/* Tells two host:port, the server's and the proxy's. */
static void serve_secrets(const void *data, char *info, size_t size) {
    const struct manner *manner = data;
    static struct manner kept;
    kept = *manner;
    struct secret_text password;
    struct server_options options = {.handler = respond_as_scripted, .data = &kept};
    options.certificate = manner->is_secure ? "good" : NULL;
    reveal(PASSWORD, &password);
    struct server *server = serve(&options);
    struct proxy *proxy = proxy_start((struct proxy_options){
        .is_socks = manner->between == SOCKS_PROXY, .user = USER, .password = strdup(password.text)});
    snprintf(info, size, "%s %s", server_url(server), strstr(proxy_url(proxy, "http", NULL), "//") + 2);
}

struct place {
    struct remote *remote;
    char server[80], proxy[80];
};

static struct place place_open(struct manner manner) {
    certificate_path("ca.pem");
    struct place place = {.remote = remote_start(serve_secrets, &manner)};
    if (sscanf(remote_info(place.remote), "%79s %79s", place.server, place.proxy) != 2)
        abort();
    return place;
}

/* Calls -------------------------------------------------------------------------------------------------- */

static void set_key(refold_options *options) {
    struct secret_text key;
    reveal(KEY, &key);
    refold_options_set_api_key(options, key.text, TEST_ACCOUNT);
    wipe(&key, sizeof key);
}

static void set_token(refold_options *options, enum secret which) {
    struct secret_text token;
    reveal(which, &token);
    refold_options_set_session_token(options, token.text);
    wipe(&token, sizeof token);
}

static void replace_token(const refold_client *client, enum secret which) {
    struct secret_text token;
    reveal(which, &token);
    CHECK_INT(refold_client_set_session_token(client, token.text), REFOLD_OK);
    wipe(&token, sizeof token);
}

/* The password in a URL, escaped where it must be. */
static void set_proxy(refold_options *options, enum between between, const char *where, enum secret secret) {
    char url[400], *to = url;
    to += sprintf(to, "%s://" USER ":", between == SOCKS_PROXY ? "socks5h" : "http");
    for (int i = 0; i < SECRET_LENGTH; i++) {
        char byte = secret_byte(secret, i);
        to += sprintf(to, byte == '/' || byte == '"' ? "%%%02X" : "%c", byte);
    }
    sprintf(to, "@%s", where);
    refold_options_set_proxy(options, url);
    wipe(url, sizeof url);
}

/* None of them in anything that an error tells. */
static void check_has_no_secret(const char *text) {
    for (int secret = 0; text != NULL && secret < SECRETS; secret++) {
        struct needle needle = needle_of(secret);
        CHECK_INT(count_in((const unsigned char *)text, strlen(text), &needle), 0);
    }
    struct needle needle = encoded_needle_of(PASSWORD);
    CHECK_INT(text == NULL ? 0 : count_in((const unsigned char *)text, strlen(text), &needle), 0);
}

static void check_error_has_no_secret(const refold_error *error) {
    check_has_no_secret(refold_error_message(error));
    check_has_no_secret(refold_error_api_code(error));
    check_has_no_secret(refold_error_http_error_type(error));
    check_has_no_secret(refold_error_request_id(error));
    check_has_no_secret(refold_error_body(error, NULL));
}

struct scenario {
    enum how how;
    bool is_secure;
    bool has_token;
    enum between between;
    bool is_followed;
};

static void call(const refold_client *client, const struct scenario *scenario) {
    enum how how = scenario->how;
    refold_error *error = NULL;
    refold_execution *execution = get(client, &error);
    CHECK((execution != NULL) == (how == NORMALLY || how == PATIENTLY || how == LATER));
    check_error_has_no_secret(error);
    if (how == ECHOING || how == ESCAPING || how == COMPRESSING || how == IN_PIECES) {
        CHECK_CONTAINS(refold_error_message(error),
                       scenario->between == NO_PROXY ? "no <***>, no <nothing>" : "no <***>, no <***>");
        CHECK_STR(refold_error_api_code(error), "<***>");
        CHECK_STR(refold_error_http_error_type(error), "<***>");
        CHECK_STR(refold_error_request_id(error), "<***>");
        CHECK_CONTAINS(refold_error_body(error, NULL), "[\"<***>\", {\"<***>\": 1}]");
    } else if (how == IN_HEADERS) {
        CHECK_STR(refold_error_request_id(error), "<***>");
    }
    refold_error_free(error);
    refold_execution_free(execution);
}

static refold_options *options_for(const struct place *place, bool has_token, enum between between) {
    refold_options *options = refold_options_new();
    refold_options_set_base_url(options, place->server);
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_timeout_ms(options, 20000 * (uint64_t)check_patience());
    if (has_token)
        set_token(options, OLD_TOKEN);
    else
        set_key(options);
    if (between != NO_PROXY) {
        set_proxy(options, between, place->proxy, BAD_PASSWORD); /* To be replaced. */
        set_proxy(options, between, place->proxy, PASSWORD);
    }
    return options;
}

static void check_scenario(const struct scenario *scenario) {
    check_case("answer %d%s%s, proxy %d", scenario->how, scenario->is_secure ? ", TLS" : "",
               scenario->has_token ? ", token" : ", key", scenario->between);
    new_secrets();
    struct place place = place_open(
        (struct manner){scenario->how, scenario->between, scenario->is_secure, scenario->is_followed});
    refold_options *options = options_for(&place, scenario->has_token, scenario->between);
    if (scenario->how == NOT_AT_ALL)
        refold_options_set_timeout_ms(options, 100);
    if (scenario->how != LATER && scenario->how != PATIENTLY)
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
    /* It can be found at all. */
    CHECK_FOUND(needle_of(scenario->has_token ? TOKEN : KEY));
    if (scenario->between != NO_PROXY)
        CHECK_FOUND(needle_of(PASSWORD));
    CHECK_GONE(needle_of(BAD_PASSWORD));
    refold_client_free(client);
    check_none_is_left();
    remote_stop(place.remote);
}

TEST(no_secret_remains_in_memory) {
    for (enum how how = NORMALLY; how <= NOT_AT_ALL; how++)
        for (int i = 0; i < 4; i++)
            check_scenario(&(struct scenario){.how = how, .is_secure = i % 2 == 1, .has_token = i / 2 == 1});
}

/* The beginning of another record comes with the answer. */
TEST(no_secret_remains_when_data_follows_the_response) {
    static const enum how hows[] = {ECHOING, ESCAPING, COMPRESSING, IN_PIECES, IN_HEADERS, USELESSLY};
    for (size_t i = 0; i < COUNT(hows); i++)
        check_scenario(
            &(struct scenario){.how = hows[i], .is_secure = true, .has_token = true, .is_followed = true});
}

TEST(no_proxy_password_remains_in_memory) {
    static const enum how hows[] = {NORMALLY, NOT_FOUND,   PATIENTLY, ECHOING,
                                    ESCAPING, COMPRESSING, LATER,     NOT_AT_ALL};
    for (size_t i = 0; i < COUNT(hows); i++) {
        /* A plaintext request through an HTTP proxy is answered by the proxy itself. */
        check_scenario(
            &(struct scenario){.how = hows[i], .is_secure = true, .has_token = false, .between = HTTP_PROXY});
        check_scenario(
            &(struct scenario){.how = hows[i], .is_secure = true, .has_token = true, .between = SOCKS_PROXY});
        check_scenario(&(struct scenario){
            .how = hows[i], .is_secure = false, .has_token = false, .between = SOCKS_PROXY});
    }
    check_scenario(
        &(struct scenario){.how = NORMALLY, .is_secure = false, .has_token = false, .between = HTTP_PROXY});
}

/* Options alone: replaced, taken back, refused, freed. */
TEST(freed_options_leave_no_secret) {
    new_secrets();
    refold_options *options = refold_options_new();
    set_key(options);
    set_token(options, OLD_TOKEN);
    set_token(options, TOKEN);
    set_proxy(options, HTTP_PROXY, "127.0.0.1:1", BAD_PASSWORD);
    set_proxy(options, HTTP_PROXY, "127.0.0.1:1", PASSWORD);
    CHECK_GONE(needle_of(OLD_TOKEN));
    CHECK_GONE(needle_of(BAD_PASSWORD));
    CHECK_FOUND(needle_of(TOKEN));
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
    set_key(options);
    set_proxy(options, HTTP_PROXY, "no host", PASSWORD);
    CHECK(refold_client_new(options, &error) == NULL);
    check_error_has_no_secret(error);
    refold_error_free(error);
    refold_options_free(options);
    check_none_is_left();
}

/* Wiped in the host's own copy of the environment, for which the library is not to blame. */
static void forget_variable(const char *name) {
    char *value = getenv(name);
    if (value != NULL)
        wipe(value, strlen(value));
    unsetenv(name);
}

TEST(secrets_from_the_environment_are_wiped) {
    new_secrets();
    struct place place = place_open((struct manner){NORMALLY, HTTP_PROXY, true, false});
    struct secret_text key;
    char url[400];
    reveal(KEY, &key);
    setenv("REFOLD_API_KEY", key.text, 1);
    wipe(&key, sizeof key);
    setenv("REFOLD_LINKED_ACCOUNT_ID", TEST_ACCOUNT, 1);
    setenv("REFOLD_BASE_URL", place.server, 1);
    refold_options *options = refold_options_new_from_env();
    forget_variable("REFOLD_API_KEY");
    forget_variable("REFOLD_LINKED_ACCOUNT_ID");
    forget_variable("REFOLD_BASE_URL");
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    char *to = url + sprintf(url, "http://" USER ":");
    for (int i = 0; i < SECRET_LENGTH; i++) {
        char byte = secret_byte(PASSWORD, i);
        to += sprintf(to, byte == '/' || byte == '"' ? "%%%02X" : "%c", byte);
    }
    sprintf(to, "@%s", place.proxy);
    setenv("HTTPS_PROXY", url, 1);
    refold_client *client = client_of(options);
    forget_variable("HTTPS_PROXY");
    wipe(url, sizeof url);
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    check_none_is_left();
    remote_stop(place.remote);
}

/* Where no answer comes: refused logins and connections, certificates that nobody trusts. */
TEST(failures_leave_no_secret) {
    new_secrets();
    struct place place = place_open((struct manner){NORMALLY, HTTP_PROXY, true, false});
    for (int i = 0; i < 4; i++) {
        refold_options *options = refold_options_new();
        check_case("failure %d", i);
        set_key(options);
        refold_options_set_base_url(options, i == 2 ? "https://127.0.0.1:1" : place.server);
        refold_options_set_max_retries(options, i == 2 ? 1 : 0);
        refold_options_set_connect_timeout_ms(options,
                                              i == 1 ? 300 : 10000); /* It waits for the end of a head. */
        if (i < 2)
            set_proxy(options, i == 0 ? HTTP_PROXY : SOCKS_PROXY, place.proxy, BAD_PASSWORD);
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        CHECK(get(client, &error) == NULL);
        CHECK_INT(refold_error_code(error), i == 3 ? REFOLD_ERROR_TLS : REFOLD_ERROR_CONNECT);
        check_error_has_no_secret(error);
        refold_client_free(client);
        refold_error_free(error);
        check_none_is_left();
    }
    remote_stop(place.remote);
}
