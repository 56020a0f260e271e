/* Proxies: scripted ones for failures, tinyproxy and microsocks for real behaviour. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"
#include "peers.h"
#include "proxies.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#define USER "a user"
#define PASSWORD "p@ss:w/rd%"
#define LOGIN "a%20user:p%40ss%3aw%2Frd%25"

static struct server *serve_name_at(const char *address, bool is_secure) {
    static const struct response completed = {.body = COMPLETED};
    struct server_options options = {.address = address, .responses = &completed, .response_count = 1};
    options.certificate = is_secure ? "wrong-host" : NULL; /* that of other.invalid */
    return serve(&options);
}

static struct server *serve_name(bool is_secure) { return serve_name_at(NULL, is_secure); }

static char *url_of(const char *scheme, const char *host, const struct server *server) {
    return text_of("%s://%s:%u", scheme, host, server_port(server));
}

static refold_options *options_to(const char *url) {
    refold_options *options = test_options(url);
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_allow_plaintext(options, true);
    return options;
}

/* Successful tunnels ------------------------------------------------------------------------------------- */

struct tunnel {
    const char *proxy; /* scheme of the proxy URL */
    const char *base;  /* scheme of the base URL */
    const char *host;  /* host of the base URL */
    bool has_login;
    const char *requested_host; /* the host that the proxy is to connect to */
    int address_type;           /* the address type of the SOCKS5 request */
};

static const struct tunnel tunnels[] = {
    {"http", "https", "other.invalid", false, "other.invalid", 0},
    {"http", "https", "other.invalid", true, "other.invalid", 0},
    {"HTTP", "https", "OTHER.invalid", false, "other.invalid", 0},
    {"socks5h", "https", "other.invalid", false, "other.invalid", 3},
    {"socks5h", "https", "other.invalid", true, "other.invalid", 3},
    {"socks5h", "http", "other.invalid", false, "other.invalid", 3},
    {"socks5h", "http", "127.0.0.1", true, "127.0.0.1", 1},
    {"socks5h", "http", "[::1]", false, "::1", 4},
    {"socks", "https", "other.invalid", false, "other.invalid", 3},
    {"socks5", "https", "other.invalid", false, "127.0.0.1", 1},
    {"socks5", "https", "other.invalid", true, "127.0.0.1", 1},
    {"socks5", "http", "other.invalid", false, "127.0.0.1", 1},
    {"socks5", "http", "127.0.0.1", false, "127.0.0.1", 1},
};

static void check_tunnel(const struct tunnel *tunnel) {
    check_case("%s over %s to %s%s", tunnel->base, tunnel->proxy, tunnel->host,
               tunnel->has_login ? ", with a login" : "");
    bool is_socks = strncmp(tunnel->proxy, "socks", 5) == 0;
    struct server *server = serve_name(strcmp(tunnel->base, "https") == 0);
    struct proxy *proxy =
        proxy_start((struct proxy_options){.is_socks = is_socks,
                                           .user = tunnel->has_login ? USER : NULL,
                                           .password = tunnel->has_login ? PASSWORD : NULL});
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    char *url = url_of(tunnel->base, tunnel->host, server);
    char *target = text_of("%s:%u", tunnel->requested_host, server_port(server));
    refold_options *options = options_to(url);
    refold_options_set_proxy(options, proxy_url(proxy, tunnel->proxy, tunnel->has_login ? LOGIN : NULL));
    refold_client *client = client_of(options);
    for (int call = 0; call < 3; call++)
        CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_INT(proxy_targets(proxy), 1);
    CHECK_INT(server_connections(proxy_server(proxy)), 1);
    CHECK_STR(proxy_target(proxy, 0), target);
    CHECK_INT(proxy_address_type(proxy), tunnel->address_type);
    CHECK_INT(server_connections(server), 1);
    CHECK_INT(server_requests(server), 3);
    CHECK_STR(head_value(server_head(server, 2), "x-api-key"), TEST_KEY);
    CHECK_STR(head_value(server_head(server, 2), "proxy-authorization"), NULL);
    /* The proxy resolves names, except with socks5. */
    CHECK_INT(lookup_count(), strcmp(tunnel->proxy, "socks5") == 0 && tunnel->host[0] == 'o' ? 1 : 0);
    if (!is_socks) {
        const char *head = server_head(proxy_server(proxy), 0);
        CHECK_STR(head_value(head, "host"), target);
        CHECK_STR(head_value(head, "x-api-key"), NULL);
        CHECK_STR(head_value(head, "linked_account_id"), NULL);
    }
    refold_client_free(client);
    free(target);
    free(url);
    proxy_stop(proxy);
    server_stop(server);
}

TEST(every_kind_of_proxy_reaches_the_server) {
    for (size_t i = 0; i < COUNT(tunnels); i++)
        check_tunnel(&tunnels[i]);
}

/* What a proxy sends in response to CONNECT, before it passes bytes on. */
static const char *const connect_responses[] = {
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0 200 Connection established\r\nProxy-Agent: a\r\n\r\n",
    "HTTP/1.1 200\n\n",
    "HTTP/1.1 299 \r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0 199 \n\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
    "\n\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nA : b\r\nno colon\r\nA: \x1b\x7f\r\n: b\r\n\r\n",
    "HTTP/1.1 200 O\x1bK\r\n folded\r\n\r\n",
    /* Fields that frame a body mean nothing in a success (RFC 9110, 9.3.6). */
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: many\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
};

struct connect_response {
    const char *text;
    size_t step;
    uint16_t port;
};

static void respond_to_connect(struct exchange *exchange) {
    const struct connect_response *response = exchange_data(exchange);
    if (response->step > 0)
        exchange_drip(exchange, response->text, strlen(response->text), response->step, 0);
    else
        exchange_send_text(exchange, response->text);
    exchange_relay(exchange, response->port);
}

/* The code and, unless it is NULL, part of the message of a call through such a proxy. */
static void check_connect(const char *text, size_t step, refold_code code, const char *part) {
    struct server *server = serve_name(true);
    struct connect_response response = {text, step, server_port(server)};
    struct server *proxy = serve(&(struct server_options){.handler = respond_to_connect, .data = &response});
    char *url = url_of("https", "other.invalid", server);
    refold_options *options = options_to(url);
    refold_options_set_proxy(options, server_url(proxy));
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    refold_execution_free(get(client, &error));
    CHECK_INT(refold_error_code(error), code);
    if (part != NULL)
        CHECK_CONTAINS(refold_error_message(error), part);
    CHECK_INT(server_requests(server), code == REFOLD_OK ? 1 : 0);
    refold_error_free(error);
    refold_client_free(client);
    free(url);
    server_stop(proxy);
    server_stop(server);
}

TEST(the_response_to_connect_has_the_forms_of_any_response) {
    for (size_t i = 0; i < 2 * COUNT(connect_responses); i++) {
        check_case("%s, %zu", connect_responses[i / 2], i % 2);
        check_connect(connect_responses[i / 2], i % 2, REFOLD_OK, NULL);
    }
}

TEST(the_response_to_connect_has_the_limits_of_any_response) {
    enum { LIMIT = 64 << 10, STATUS = 17, END = 2, FIELD = 5 };
    static const size_t lengths[] = {20 << 10, LIMIT, LIMIT + 1, 10 * LIMIT};
    static const size_t fields[] = {128, 129};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *value = repeated("b", lengths[i] - STATUS - END - FIELD);
        char *text = text_of("HTTP/1.1 200 OK\r\nA: %s\r\n\r\n", value);
        check_case("%zu bytes", lengths[i]);
        CHECK_INT(strlen(text), lengths[i]);
        if (lengths[i] <= LIMIT)
            check_connect(text, 0, REFOLD_OK, NULL);
        else
            check_connect(text, 0, REFOLD_ERROR_CONNECT, "65536 bytes");
        free(text);
        free(value);
    }
    for (size_t i = 0; i < COUNT(fields); i++) {
        char *lines = repeated("A: b\r\n", fields[i]);
        char *text = text_of("HTTP/1.1 200 OK\r\n%s\r\n", lines);
        check_case("%zu fields", fields[i]);
        check_connect(text, 0, fields[i] <= 128 ? REFOLD_OK : REFOLD_ERROR_CONNECT,
                      fields[i] <= 128 ? NULL : "128 fields");
        free(text);
        free(lines);
    }
}

TEST(other_responses_to_connect_are_refusals) {
    static const char *const responses[][2] = {
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", "101"},
        {"HTTP/1.1 304 Not Modified\r\n\r\n", "304"},
        {"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 \x1b\r\nA : b\r\n\r\n", "403"},
        {"\r\nHTTP/1.1 502 Bad Gateway\r\nContent-Length: x\r\n\r\n", "502"},
        {"HTTP/1.1 099 OK\r\n\r\n", "does not speak HTTP"},
        {"HTTP/1.1 2000 OK\r\n\r\n", "does not speak HTTP"},
        {"HTTP/2 200 OK\r\n\r\n", "does not speak HTTP"},
        {"HTTP/1.1 100 Continue\r\n\r\nnonsense\r\n\r\n", "does not speak HTTP"},
        {"nonsense", "does not speak HTTP"},
        {"\x15\x03\x01", "does not speak HTTP"},
        {"HTTP/1.1 200 OK\r\n\r\nmore", "more than its response"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n\x15", "more than its response"},
    };
    for (size_t i = 0; i < COUNT(responses); i++) {
        check_case("%s", responses[i][0]);
        check_connect(responses[i][0], 0, REFOLD_ERROR_CONNECT, responses[i][1]);
    }
}

/* Plaintext requests to an HTTP proxy put the whole URL in the request line, and reuse the connection. */
TEST(plaintext_requests_carry_the_absolute_url) {
    static const char *const logins[] = {NULL, LOGIN};
    for (size_t i = 0; i < COUNT(logins); i++) {
        struct proxy_options login = {.user = i == 0 ? NULL : USER, .password = PASSWORD};
        struct proxy *proxy = proxy_start(login);
        refold_options *options = options_to("http://unknown.invalid:8080/prefix");
        refold_options_set_proxy(options, proxy_url(proxy, "http", logins[i]));
        refold_client *client = client_of(options);
        CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_INT(get_code(client), REFOLD_OK);
        const char *head = server_head(proxy_server(proxy), 1);
        CHECK_STR(head_line(head),
                  "GET http://unknown.invalid:8080/prefix/api/v2/public/execution/" TEST_ID " HTTP/1.1");
        CHECK_STR(head_value(head, "host"), "unknown.invalid:8080");
        CHECK_STR(head_value(head, "x-api-key"), TEST_KEY);
        CHECK_INT(server_connections(proxy_server(proxy)), 1);
        refold_client_free(client);
        proxy_stop(proxy);
    }
}

/* Sends the request's head back as the body. */
static void echo_head(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.status = 502, .body = exchange_head(exchange)});
}

TEST(an_echoed_proxy_login_is_redacted) {
    static const char login[] = "dXNlcjp0aGUgcGFzc3dvcmQ="; /* user:the password */
    struct server *server = serve(&(struct server_options){.handler = echo_head});
    char *url = text_of("http://user:the%%20password@127.0.0.1:%u", server_port(server));
    refold_options *options = options_to("http://unknown.invalid");
    refold_options_set_proxy(options, url);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_CONTAINS(server_head(server, 0), login);
    CHECK_CONTAINS(refold_error_body(error, NULL), "proxy-authorization: Basic ***");
    CHECK_LACKS(refold_error_body(error, NULL), login);
    EXPECT_ERROR(error, REFOLD_ERROR_BAD_GATEWAY, "HTTP 502 Bad Gateway");
    refold_client_free(client);
    free(url);
    server_stop(server);
}

/* The body has the password, which contains the key, and the key. */
static void echo_both(struct exchange *exchange) {
    exchange_respond(exchange,
                     &(struct response){.status = 404,
                                        .body = "<left-" TEST_KEY "-right> <" TEST_KEY
                                                "-right> <left-" TEST_KEY "> <left-" TEST_KEY "-righ"});
}

TEST(a_secret_within_another_leaves_no_part_of_either) {
    struct server *server = serve(&(struct server_options){.handler = echo_both});
    char *url = text_of("http://user:left-" TEST_KEY "-right@127.0.0.1:%u", server_port(server));
    refold_options *options = options_to("http://unknown.invalid");
    refold_options_set_proxy(options, url);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_STR(refold_error_body(error, NULL), "<***> <***-right> <left-***> <***");
    refold_error_free(error);
    refold_client_free(client);
    free(url);
    server_stop(server);
}

/* The environment ---------------------------------------------------------------------------------------- */

static const char *const proxy_variables[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                              "http_proxy",  "HTTP_PROXY",  "no_proxy",  "NO_PROXY"};

static void unset_proxy_variables(void) {
    for (size_t i = 0; i < COUNT(proxy_variables); i++)
        unsetenv(proxy_variables[i]);
}

enum route { DIRECT, PROXIED };

struct environment_case {
    const char *name;
    /* Variables, each followed by its value. In values, $GOOD is replaced by the proxy's URL, $BARE by its
     * host and port, $DEAD by the URL of a port that refuses connections, and $PORT by the server's port. */
    const char *variables[9];
    const char *base; /* scheme and host; NULL: https://other.invalid */
    enum route route;
    const char *set; /* refold_options_set_proxy; NULL: not called */
};

static const struct environment_case environment_cases[] = {
    {"no variable", {0}, NULL, DIRECT, NULL},
    {"https_proxy", {"https_proxy", "$GOOD"}, NULL, PROXIED, NULL},
    {"HTTPS_PROXY", {"HTTPS_PROXY", "$GOOD"}, NULL, PROXIED, NULL},
    {"all_proxy", {"all_proxy", "$GOOD"}, NULL, PROXIED, NULL},
    {"ALL_PROXY", {"ALL_PROXY", "$GOOD"}, NULL, PROXIED, NULL},
    {"host and port alone", {"HTTPS_PROXY", "$BARE"}, NULL, PROXIED, NULL},
    {"HTTPS_PROXY precedes ALL_PROXY", {"ALL_PROXY", "$DEAD", "HTTPS_PROXY", "$GOOD"}, NULL, PROXIED, NULL},
    {"HTTPS_PROXY precedes all_proxy", {"all_proxy", "$DEAD", "HTTPS_PROXY", "$GOOD"}, NULL, PROXIED, NULL},
    {"an empty variable is unset", {"HTTPS_PROXY", "", "ALL_PROXY", "$GOOD"}, NULL, PROXIED, NULL},
    {"HTTP_PROXY is not read", {"HTTP_PROXY", "$DEAD", "http_proxy", "$DEAD"}, NULL, DIRECT, NULL},
    {"HTTP_PROXY is not validated", {"HTTP_PROXY", "nonsense", "http_proxy", "://"}, NULL, DIRECT, NULL},
    {"plaintext URLs use no variable",
     {"HTTP_PROXY", "$DEAD", "http_proxy", "$DEAD", "HTTPS_PROXY", "$DEAD", "ALL_PROXY", "$DEAD"},
     "http://127.0.0.1",
     DIRECT,
     NULL},
    {"disabled by the caller", {"HTTPS_PROXY", "$DEAD", "ALL_PROXY", "$DEAD"}, NULL, DIRECT, ""},
    {"disabled by the caller, variable not validated", {"HTTPS_PROXY", "nonsense"}, NULL, DIRECT, ""},
    {"the caller's proxy precedes HTTPS_PROXY", {"HTTPS_PROXY", "$DEAD"}, NULL, PROXIED, "$GOOD"},
    {"NO_PROXY does not apply to the caller's proxy", {"NO_PROXY", "*"}, NULL, PROXIED, "$GOOD"},

    {"NO_PROXY *", {"HTTPS_PROXY", "$DEAD", "NO_PROXY", "*"}, NULL, DIRECT, NULL},
    {"no_proxy", {"HTTPS_PROXY", "$DEAD", "no_proxy", "other.invalid"}, NULL, DIRECT, NULL},
    {"NO_PROXY", {"https_proxy", "$DEAD", "NO_PROXY", "other.invalid"}, NULL, DIRECT, NULL},
    {"a suffix", {"ALL_PROXY", "$DEAD", "NO_PROXY", "invalid"}, NULL, DIRECT, NULL},
    {"with a dot", {"ALL_PROXY", "$DEAD", "NO_PROXY", ".invalid"}, NULL, DIRECT, NULL},
    {"with a star", {"ALL_PROXY", "$DEAD", "NO_PROXY", "*.invalid"}, NULL, DIRECT, NULL},
    {"with a dot, the whole name", {"ALL_PROXY", "$DEAD", "NO_PROXY", ".other.invalid"}, NULL, DIRECT, NULL},
    {"in capitals", {"ALL_PROXY", "$DEAD", "NO_PROXY", "OTHER.Invalid"}, NULL, DIRECT, NULL},
    {"spaces", {"ALL_PROXY", "$DEAD", "NO_PROXY", " a.example , other.invalid , b"}, NULL, DIRECT, NULL},
    {"its port", {"ALL_PROXY", "$DEAD", "NO_PROXY", "other.invalid:$PORT"}, NULL, DIRECT, NULL},
    {"a suffix with its port", {"ALL_PROXY", "$DEAD", "NO_PROXY", ".invalid:$PORT"}, NULL, DIRECT, NULL},
    {"an address", {"ALL_PROXY", "$DEAD", "NO_PROXY", "127.0.0.1"}, "https://127.0.0.1", DIRECT, NULL},
    {"an address and its port",
     {"ALL_PROXY", "$DEAD", "NO_PROXY", "127.0.0.1:$PORT"},
     "https://127.0.0.1",
     DIRECT,
     NULL},
    {"a network",
     {"ALL_PROXY", "$DEAD", "NO_PROXY", "10.0.0.0/8, 127.0.0.0/8"},
     "https://127.0.0.1",
     DIRECT,
     NULL},
    {"an IPv6 network", {"ALL_PROXY", "$DEAD", "NO_PROXY", "::/64"}, "https://[::1]", DIRECT, NULL},
    {"a bracketed address", {"ALL_PROXY", "$DEAD", "NO_PROXY", "[::1]"}, "https://[::1]", DIRECT, NULL},
    {"a bracketed network", {"ALL_PROXY", "$DEAD", "NO_PROXY", "[::1]/128"}, "https://[::1]", DIRECT, NULL},
    {"another port", {"ALL_PROXY", "$GOOD", "NO_PROXY", "other.invalid:1"}, NULL, PROXIED, NULL},
    {"a suffix that starts within a label",
     {"ALL_PROXY", "$GOOD", "NO_PROXY", "ther.invalid"},
     NULL,
     PROXIED,
     NULL},
    {"a longer name", {"ALL_PROXY", "$GOOD", "NO_PROXY", "an.other.invalid"}, NULL, PROXIED, NULL},
    {"the address of a host given by name",
     {"ALL_PROXY", "$GOOD", "NO_PROXY", "127.0.0.1"},
     NULL,
     PROXIED,
     NULL},
    {"another address", {"ALL_PROXY", "$GOOD", "NO_PROXY", "127.0.0.2"}, "https://127.0.0.1", PROXIED, NULL},
    {"another network", {"ALL_PROXY", "$GOOD", "NO_PROXY", "10.0.0.0/8"}, "https://127.0.0.1", PROXIED, NULL},
    {"empty", {"ALL_PROXY", "$GOOD", "NO_PROXY", ""}, NULL, PROXIED, NULL},
    {"only commas", {"ALL_PROXY", "$GOOD", "NO_PROXY", " ,, , "}, NULL, PROXIED, NULL},
    {"a dot", {"ALL_PROXY", "$GOOD", "NO_PROXY", "."}, NULL, PROXIED, NULL},
    {"NO_PROXY alone", {"NO_PROXY", "a.example"}, NULL, DIRECT, NULL},
};

struct peers {
    struct server *server;
    struct proxy *proxy;
    struct dead_port *dead;
};

/* The value with its placeholder replaced, freed by the caller. */
static char *expand(const char *value, const struct peers *peers) {
    const char *placeholder = strchr(value, '$');
    if (placeholder == NULL)
        return text_of("%s", value);
    if (strncmp(placeholder, "$GOOD", 5) == 0)
        return text_of("%s", proxy_url(peers->proxy, "http", NULL));
    if (strncmp(placeholder, "$BARE", 5) == 0)
        return text_of("%s", strstr(proxy_url(peers->proxy, "http", NULL), "//") + 2);
    if (strncmp(placeholder, "$DEAD", 5) == 0)
        return text_of("%s", dead_port_url(peers->dead));
    return text_of("%.*s%u", (int)(placeholder - value), value, server_port(peers->server));
}

static void set_variables(const struct environment_case *row, const struct peers *peers) {
    for (size_t i = 0; i + 1 < COUNT(row->variables) && row->variables[i] != NULL; i += 2) {
        char *value = expand(row->variables[i + 1], peers);
        setenv(row->variables[i], value, 1);
        free(value);
    }
}

static void check_environment(const struct environment_case *row) {
    struct peers peers = {.proxy = proxy_start((struct proxy_options){0}), .dead = refusing_port(NULL)};
    bool is_name = row->base == NULL;
    bool is_secure = is_name || strncmp(row->base, "https", 5) == 0;
    check_case("%s", row->name);
    peers.server = serve_name_at(!is_name && strchr(row->base, '[') != NULL ? "::1" : NULL, is_secure);
    char *url = text_of("%s:%u", is_name ? "https://other.invalid" : row->base, server_port(peers.server));
    refold_options *options = options_to(url);
    set_variables(row, &peers);
    if (row->set != NULL) {
        char *set = expand(row->set, &peers);
        refold_options_set_proxy(options, set);
        free(set);
    }
    refold_client *client = client_of(options);
    unset_proxy_variables(); /* The client has read them. */
    /* For an address, the certificate does not match, and the handshake fails after the route is taken. */
    CHECK_INT(get_code(client), is_name || !is_secure ? REFOLD_OK : REFOLD_ERROR_TLS);
    CHECK_INT(server_connections(peers.server), 1);
    CHECK_INT(proxy_targets(peers.proxy), row->route == PROXIED ? 1 : 0);
    refold_client_free(client);
    free(url);
    dead_port_free(peers.dead);
    proxy_stop(peers.proxy);
    server_stop(peers.server);
}

TEST(proxy_variables_are_honored) {
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    for (size_t i = 0; i < COUNT(environment_cases); i++)
        check_environment(&environment_cases[i]);
}

/* An invalid value is INVALID_ARGUMENT, never a direct connection, and the message omits the password. */
TEST(invalid_proxy_urls_are_rejected) {
    static const char *const values[] = {"nonsense",
                                         "https://user:hush-hush@proxy:1",
                                         "socks4://user:hush-hush@proxy:1",
                                         "http://user:hush-hush@proxy:99999",
                                         "http://user:hush-hush@:1",
                                         "http://user:hush-hush%zz@proxy:1",
                                         "http://user:hush-hush@pro xy",
                                         "http://user:hush-hush@proxy:1/path",
                                         "user:hush-hush@proxy",
                                         "http://user:hush-hush\x01@proxy",
                                         "http://user:hush-hush\xff@proxy"};
    struct server *server = serve_name(true);
    char *url = url_of("https", "127.0.0.1", server);
    for (size_t i = 0; i < 2 * COUNT(values); i++) {
        const char *value = values[i / 2];
        bool is_set = i % 2 == 0;
        check_case("%s %s", is_set ? "set" : "HTTPS_PROXY", value);
        refold_options *options = options_to(url);
        if (is_set)
            refold_options_set_proxy(options, value);
        else
            setenv("HTTPS_PROXY", value, 1);
        refold_error *error = client_error(options);
        unset_proxy_variables();
        CHECK_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, is_set ? "proxy" : "HTTPS_PROXY");
        CHECK_LACKS(refold_error_message(error), "hush");
        refold_error_free(error);
    }
    CHECK_INT(server_connections(server), 0);
    free(url);
    server_stop(server);
}

/* Failing proxies ---------------------------------------------------------------------------------------- */

#define SCRIPT(name, ...)                                                                                    \
    static void name(struct exchange *exchange) {                                                            \
        char request[2000];                                                                                  \
        exchange_read(exchange, request, sizeof request);                                                    \
        __VA_ARGS__;                                                                                         \
        exchange_await_close(exchange);                                                                      \
    }

SCRIPT(keep_silent, (void)request)
SCRIPT(hang_up, exchange_close(exchange))
SCRIPT(reset, exchange_reset(exchange))
SCRIPT(respond_407, exchange_send_text(exchange, "HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n"))
SCRIPT(respond_400, exchange_send_text(exchange, "HTTP/1.1 400 Bad Request\r\n\r\n"))
SCRIPT(respond_403, exchange_send_text(exchange, "HTTP/1.1 403 Forbidden\r\n\r\n"))
SCRIPT(respond_404, exchange_send_text(exchange, "HTTP/1.1 404 Not Found\r\n\r\n"))
SCRIPT(respond_502, exchange_send_text(exchange, "HTTP/1.0 502 Bad Gateway\r\n\r\n<html>"))
SCRIPT(respond_301,
       exchange_send_text(exchange, "HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1:1/\r\n\r\n"))
SCRIPT(respond_nonsense, exchange_send_text(exchange, "SSH-2.0-OpenSSH\r\n\r\n"))
SCRIPT(respond_too_long, exchange_send_text(exchange, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"))
SCRIPT(respond_half, exchange_send_text(exchange, "HTTP/1.1 200 OK\r\nA: b\r\n"); exchange_close(exchange))
SCRIPT(require_no_login, exchange_send(exchange, "\5\0", 2))
SCRIPT(require_a_login, exchange_send(exchange, "\5\2", 2))
SCRIPT(accept_no_method, exchange_send(exchange, "\5\xff", 2))
SCRIPT(respond_socks4, exchange_send(exchange, "\0\x5a\0\0\0\0\0\0", 8))
SCRIPT(reject_the_login, exchange_send(exchange, "\5\2", 2); exchange_read(exchange, request, sizeof request);
       exchange_send(exchange, "\1\1", 2))
SCRIPT(reply_with_an_unknown_address_type, exchange_send(exchange, "\5\0", 2);
       exchange_read(exchange, request, sizeof request);
       exchange_send(exchange, "\5\0\0\x09\0\0\0\0\0\0", 10))

/* An error reply of RFC 1928, section 6. */
#define SOCKS_REPLY(name, reply)                                                                             \
    SCRIPT(name, exchange_send(exchange, "\5\0", 2); exchange_read(exchange, request, sizeof request);       \
           exchange_send(exchange, "\5" reply "\0\1\0\0\0\0\0\0", 10))

SOCKS_REPLY(reply_general_failure, "\1")
SOCKS_REPLY(reply_not_allowed, "\2")
SOCKS_REPLY(reply_network_unreachable, "\3")
SOCKS_REPLY(reply_host_unreachable, "\4")
SOCKS_REPLY(reply_connection_refused, "\5")
SOCKS_REPLY(reply_ttl_expired, "\6")
SOCKS_REPLY(reply_command_not_supported, "\7")
SOCKS_REPLY(reply_address_type_not_supported, "\10")
SOCKS_REPLY(reply_with_an_unknown_code, "\11")

static void respond_endlessly(struct exchange *exchange) {
    static const char line[] = "X-More: and more and more and more and more and more and more and more\r\n";
    exchange_send_text(exchange, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 10000 && exchange_send_text(exchange, line); i++)
        continue;
}

static void hang_up_on_request(struct exchange *exchange) { exchange_close(exchange); }

struct failure {
    const char *name;
    const char *proxy; /* the proxy URL up to host and port */
    void (*script)(struct exchange *exchange);
    const char *message;
    const char *base; /* NULL: https://other.invalid */
    bool is_final;    /* not retryable */
};

static const struct failure failures[] = {
    {"closes", "http://", hang_up, "closed the connection", NULL, false},
    {"resets", "http://", reset, "reset", NULL, false},
    {"keeps silent", "http://", keep_silent, "connect_timeout_ms", NULL, false},
    {"407", "http://", respond_407, "Authentication Required: it requires a user and a password", NULL, true},
    {"407 to a login", "http://user:hush-hush@", respond_407, "it requires another user or password", NULL,
     true},
    {"407 to plaintext", "http://user:hush-hush@", respond_407, "it requires another user or password",
     "http://127.0.0.1:1", true},
    {"407 to plaintext without a login", "http://", respond_407, "it requires a user and a password",
     "http://127.0.0.1:1", true},
    {"400", "http://", respond_400, "it responded with HTTP 400 Bad Request", NULL, true},
    {"403", "http://", respond_403, "it responded with HTTP 403 Forbidden", NULL, true},
    {"404", "http://", respond_404, "it responded with HTTP 404 Not Found", NULL, true},
    {"502", "http://user:hush-hush@", respond_502, "502", NULL, false},
    {"301", "http://", respond_301, "301", NULL, true},
    {"not HTTP", "http://", respond_nonsense, "does not speak HTTP", NULL, true},
    {"data after the response", "http://", respond_too_long, "more than its response", NULL, false},
    {"half a response", "http://", respond_half, "closed the connection", NULL, false},
    {"an endless response", "http://", respond_endlessly,
     "larger than 65536 bytes, or has more than 128 fields", NULL, false},
    {"SOCKS5 closes", "socks5h://", hang_up, "closed the connection", NULL, false},
    {"SOCKS5 keeps silent", "socks5h://user:hush-hush@", keep_silent, "connect_timeout_ms", NULL, false},
    {"SOCKS5 accepts no login", "socks5h://user:hush-hush@", require_no_login, "accepts no user", NULL, true},
    {"SOCKS5 requires a login", "socks5h://", require_a_login, "requires a user", NULL, true},
    {"SOCKS5 accepts no method", "socks5h://", accept_no_method, "requires a user", NULL, true},
    {"SOCKS5 rejects the login", "socks5h://user:hush-hush@", reject_the_login,
     "rejected the user or the password", NULL, true},
    {"SOCKS5: general failure", "socks5h://", reply_general_failure, "general failure", NULL, false},
    {"SOCKS5: not allowed", "socks5://", reply_not_allowed, "not allowed by its rules", NULL, true},
    {"SOCKS5: network unreachable", "socks5h://", reply_network_unreachable, "network unreachable", NULL,
     false},
    {"SOCKS5: host unreachable", "socks5h://", reply_host_unreachable, "host unreachable", NULL, false},
    {"SOCKS5: connection refused", "socks5h://", reply_connection_refused, "connection refused", NULL, false},
    {"SOCKS5: TTL expired", "socks5h://", reply_ttl_expired, "time to live expired", NULL, false},
    {"SOCKS5: command not supported", "socks5h://", reply_command_not_supported, "does not support that",
     NULL, true},
    {"SOCKS5: address type not supported", "socks5h://", reply_address_type_not_supported,
     "does not support that", NULL, true},
    {"SOCKS5: unknown reply code", "socks5h://", reply_with_an_unknown_code, "gives no reason", NULL, false},
    {"SOCKS5: unknown address type", "socks5h://", reply_with_an_unknown_address_type,
     "does not speak SOCKS5", NULL, true},
    {"SOCKS4 in place of SOCKS5", "socks5h://", respond_socks4, "does not speak SOCKS5", NULL, true},
    {"HTTP in place of SOCKS5", "socks5h://", respond_502, "does not speak SOCKS5", NULL, true},
};

static void check_failure(void *data) {
    const struct failure *failure = *(const struct failure **)data;
    check_case("%s", failure->name);
    struct server *proxy = serve(&(struct server_options){.connected = failure->script});
    const char *where = strstr(server_url(proxy), "//") + 2;
    char *url = text_of("%s%s", failure->proxy, where);
    refold_options *options = test_options(failure->base == NULL ? "https://other.invalid" : failure->base);
    refold_options_set_proxy(options, url);
    const uint64_t limit_ms = failure->script == keep_silent ? 200 : 10000;
    refold_options_set_connect_timeout_ms(options, limit_ms * (uint64_t)check_patience());
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_ERROR(error, REFOLD_ERROR_CONNECT, failure->message);
    char *start = text_of("the proxy %s did not connect to %s: ", where,
                          failure->base == NULL ? "other.invalid:443" : "127.0.0.1:1");
    CHECK(strncmp(refold_error_message(error), start, strlen(start)) == 0);
    CHECK_CONTAINS(refold_error_message(error), "(proxy set by refold_options_set_proxy)");
    free(start);
    CHECK_INT(refold_error_is_retryable(error), !failure->is_final);
    CHECK_LACKS(refold_error_message(error), "hush");
    /* The same in base64, at each of its three alignments. */
    CHECK_LACKS(refold_error_message(error), "aHVzaA");
    CHECK_LACKS(refold_error_message(error), "h1c2g");
    CHECK_LACKS(refold_error_message(error), "odXNo");
    CHECK_INT(server_connections(proxy), 1);
    refold_error_free(error);
    refold_client_free(client);
    free(url);
    server_stop(proxy);
}

/* A failure of the proxy is a CONNECT error, whose message has the proxy's status, host and port, and never
 * its password. */
TEST(a_failing_proxy_is_identified) {
    const struct failure *each[COUNT(failures)];
    for (size_t i = 0; i < COUNT(failures); i++)
        each[i] = &failures[i];
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    run_on_threads(COUNT(failures), check_failure, each, sizeof *each);
}

/* What a message must say about a proxy, by the phase in which the call ends. */
enum obstacle { PROXY_REFUSES, PROXY_SILENT, SERVER_SILENT, SERVER_CLOSES, SERVER_UNTRUSTED };

struct obstacle_case {
    enum obstacle obstacle;
    refold_code code;
    const char *message; /* $T: the server, $P: the proxy, $S: what set it */
};

static const struct obstacle_case obstacle_cases[] = {
    {PROXY_REFUSES, REFOLD_ERROR_CONNECT,
     "could not connect to the proxy $P: connection refused (proxy set by $S)"},
    {PROXY_SILENT, REFOLD_ERROR_TIMEOUT,
     "no complete response from $T through the proxy $P (proxy set by $S) within 300 ms: the timeout "
     "expired while requesting a tunnel from the proxy"},
    {SERVER_SILENT, REFOLD_ERROR_TIMEOUT,
     "no complete response from $T through the proxy $P (proxy set by $S) within 300 ms: the timeout "
     "expired while waiting for the response"},
    {SERVER_CLOSES, REFOLD_ERROR_TRANSPORT,
     "lost the connection to $T through the proxy $P: it closed while waiting for the response"},
    {SERVER_UNTRUSTED, REFOLD_ERROR_TLS,
     "no trusted TLS session with $T through the proxy $P: the server's certificate was issued by "
     "\"Test unknown-ca\", not trusted here (refold_options_set_ca_file adds it)"},
};

/* The message with its placeholders replaced, freed by the caller. */
static char *fill_in(const char *message, const char *server, const char *proxy, const char *setting) {
    char *text = text_of("%s", "");
    for (const char *next = message; *next != '\0';) {
        size_t plain = strcspn(next, "$");
        const char *value = next[plain] == '\0'      ? ""
                            : next[plain + 1] == 'T' ? server
                            : next[plain + 1] == 'P' ? proxy
                                                     : setting;
        char *longer = text_of("%s%.*s%s", text, (int)plain, next, value);
        next += plain + (next[plain] == '\0' ? 0 : 2);
        free(text);
        text = longer;
    }
    return text;
}

static void hold(struct exchange *exchange) { exchange_hold(exchange); }

static void check_obstacle(const struct obstacle_case *row, const char *variable) {
    struct server_options options = {.certificate =
                                         row->obstacle == SERVER_UNTRUSTED ? "unknown" : "wrong-host",
                                     .handler = row->obstacle == SERVER_CLOSES ? hang_up_on_request : hold};
    struct server *server = serve(&options);
    struct proxy *good = proxy_start((struct proxy_options){0});
    struct server *silent = serve(&(struct server_options){.connected = keep_silent});
    struct dead_port *dead = refusing_port(NULL);
    const char *proxy = row->obstacle == PROXY_REFUSES  ? dead_port_url(dead)
                        : row->obstacle == PROXY_SILENT ? server_url(silent)
                                                        : proxy_url(good, "http", NULL);
    char *url = url_of("https", "other.invalid", server);
    refold_options *client_options = options_to(url);
    if (row->code == REFOLD_ERROR_TIMEOUT)
        refold_options_set_timeout_ms(client_options, 300);
    if (variable == NULL)
        refold_options_set_proxy(client_options, proxy);
    else
        setenv(variable, proxy, 1);
    refold_client *client = client_of(client_options);
    unset_proxy_variables();
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    char *expected = fill_in(row->message, strstr(url, "//") + 2, strstr(proxy, "//") + 2,
                             variable == NULL ? "refold_options_set_proxy" : variable);
    CHECK_INT(refold_error_code(error), row->code);
    CHECK_STR(refold_error_message(error), expected);
    refold_error_free(error);
    refold_client_free(client);
    free(expected);
    free(url);
    dead_port_free(dead);
    server_stop(silent);
    proxy_stop(good);
    server_stop(server);
}

/* Messages name the proxy, and where it comes from if that may have to be changed. */
TEST(messages_name_the_proxy_and_where_it_was_set) {
    static const char *const variables[] = {NULL, "HTTPS_PROXY", "all_proxy"};
    for (size_t i = 0; i < COUNT(obstacle_cases) * COUNT(variables); i++) {
        const struct obstacle_case *row = &obstacle_cases[i / COUNT(variables)];
        const char *variable = variables[i % COUNT(variables)];
        check_case("%d, %s", (int)row->obstacle, variable == NULL ? "set" : variable);
        check_obstacle(row, variable);
    }
}

TEST(an_unknown_proxy_name_is_identified) {
    lookup_script((struct lookup){.error = EAI_NONAME});
    refold_options *options = options_to("https://other.invalid");
    refold_options_set_proxy(options, "http://proxy.invalid:3128");
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_CONTAINS(refold_error_message(error), "could not look up the proxy proxy.invalid: ");
    EXPECT_ERROR(error, REFOLD_ERROR_RESOLVE, " (proxy set by refold_options_set_proxy)");
    refold_client_free(client);
}

/* An unreachable proxy is retried like any host; the client never connects directly instead. */
TEST(a_refusing_proxy_is_not_bypassed) {
    struct server *server = serve_name(true);
    struct dead_port *dead = refusing_port(NULL);
    char *url = url_of("https", "127.0.0.1", server);
    refold_options *options = options_to(url);
    refold_options_set_proxy(options, dead_port_url(dead));
    refold_options_set_max_retries(options, 1);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_ERROR(error, REFOLD_ERROR_CONNECT, "connection refused");
    CHECK_CONTAINS(refold_error_message(error), "the proxy 127.0.0.1:");
    CHECK_INT(refold_error_attempts(error), 2);
    CHECK_INT(server_connections(server), 0);
    refold_error_free(error);
    refold_client_free(client);
    dead_port_free(dead);
    free(url);
    server_stop(server);
}

/* A 407 from the server itself, directly or through a tunnel, is an ordinary response. */
TEST(a_407_of_the_server_is_not_the_proxys) {
    struct server *server = serve_responses(
        1, &(struct response){.status = 407, .body = "{\"message\": \"the server's own words\"}"});
    struct proxy *proxy = proxy_start((struct proxy_options){.is_socks = true});
    for (int tunnelled = 0; tunnelled < 2; tunnelled++) {
        refold_options *options = test_options(server_url(server));
        refold_options_set_proxy(options, tunnelled ? proxy_url(proxy, "socks5h", NULL) : "");
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        CHECK(get(client, &error) == NULL);
        CHECK_INT(refold_error_code(error), 407);
        CHECK_STR(refold_error_message(error), "the server's own words");
        refold_error_free(error);
        refold_client_free(client);
    }
    proxy_stop(proxy);
    server_stop(server);
}

/* Replaces send() for the whole program, including the library. */
typedef ssize_t send_function(int, const void *, size_t, int);

static _Thread_local int failure_of_send; /* errno of the next send() on this thread; 0: it does not fail */

ssize_t send(int descriptor, const void *bytes, size_t length, int flags) {
    send_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "send");
    if (failure_of_send == 0)
        return real(descriptor, bytes, length, flags);
    errno = failure_of_send;
    failure_of_send = 0;
    return -1;
}

/* What is used up is RESOURCE, with and without a proxy; a broken connection to a proxy is CONNECT. */
TEST(exhausted_memory_is_one_error_with_each_proxy) {
    static const struct {
        int error;
        bool is_resource;
    } errors[] = {{ENOMEM, true}, {ENOBUFS, true}, {ECONNRESET, false}};
    static const char *const schemes[] = {"", "http", "socks5", "socks5h"};
    struct server *server = serve_name(true);
    struct proxy *http = proxy_start((struct proxy_options){0}),
                 *socks = proxy_start((struct proxy_options){.is_socks = true});
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    char *url = url_of("https", "other.invalid", server);
    for (size_t i = 0; i < COUNT(schemes) * COUNT(errors); i++) {
        const char *scheme = schemes[i / COUNT(errors)];
        bool is_resource = errors[i % COUNT(errors)].is_resource;
        check_case("%s, %s", scheme, strerror(errors[i % COUNT(errors)].error));
        refold_options *options = options_to(url);
        if (scheme[0] != '\0')
            refold_options_set_proxy(options, proxy_url(scheme[0] == 'h' ? http : socks, scheme, NULL));
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        failure_of_send = errors[i % COUNT(errors)].error;
        CHECK(get(client, &error) == NULL);
        CHECK_INT(failure_of_send, 0);
        CHECK_INT(refold_error_is_retryable(error), !is_resource);
        EXPECT_ERROR(error,
                     is_resource         ? REFOLD_ERROR_RESOURCE
                     : scheme[0] == '\0' ? REFOLD_ERROR_TRANSPORT
                                         : REFOLD_ERROR_CONNECT,
                     is_resource ? "memory" : "reset");
        refold_client_free(client);
    }
    free(url);
    proxy_stop(http);
    proxy_stop(socks);
    server_stop(server);
}

/* Real proxies ------------------------------------------------------------------------------------------- */

static const char TINYPROXY[] = "Port @PORT@\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nMaxClients 20\n"
                                "LogFile \"@FOLDER@/proxy.log\"\n%s\n";

struct real_proxy {
    const char *name;
    const char *command;
    const char *configuration; /* appended to TINYPROXY; NULL: not tinyproxy */
    const char *scheme, *login;
    refold_code code;
    const char *message;
};

static const struct real_proxy real_proxies[] = {
    {"tinyproxy", "exec tinyproxy -d -c conf", "", "http", "", REFOLD_OK, NULL},
    {"tinyproxy with a login", "exec tinyproxy -d -c conf", "BasicAuth user word", "http", "user:word@",
     REFOLD_OK, NULL},
    {"tinyproxy without its login", "exec tinyproxy -d -c conf", "BasicAuth user word", "http", "",
     REFOLD_ERROR_CONNECT, "40"},
    {"tinyproxy with a wrong login", "exec tinyproxy -d -c conf", "BasicAuth user word", "http",
     "user:hush-hush@", REFOLD_ERROR_CONNECT, "40"},
    {"tinyproxy that forbids the port", "exec tinyproxy -d -c conf", "ConnectPort 443", "http", "",
     REFOLD_ERROR_CONNECT, "403"},
    {"microsocks", "exec microsocks -i 127.0.0.1 -p @PORT@", NULL, "socks5", "", REFOLD_OK, NULL},
    {"microsocks that resolves names", "exec microsocks -i 127.0.0.1 -p @PORT@", NULL, "socks5h", "",
     REFOLD_OK, NULL},
    {"microsocks with a login", "exec microsocks -i 127.0.0.1 -p @PORT@ -u user -P word", NULL, "socks5h",
     "user:word@", REFOLD_OK, NULL},
    {"microsocks without its login", "exec microsocks -i 127.0.0.1 -p @PORT@ -u user -P word", NULL,
     "socks5h", "", REFOLD_ERROR_CONNECT, "requires a user"},
    {"microsocks with a wrong login", "exec microsocks -i 127.0.0.1 -p @PORT@ -u user -P word", NULL,
     "socks5", "user:hush-hush@", REFOLD_ERROR_CONNECT, "rejected the user or the password"},
};

static void call_through(const struct real_proxy *real, const struct peer *peer, bool is_secure,
                         refold_code code) {
    static const struct response completed = {.body = COMPLETED};
    struct server_options server_options = {.responses = &completed, .response_count = 1};
    server_options.certificate = is_secure ? "good" : NULL;
    struct server *server = serve(&server_options);
    char *proxy = text_of("%s://%s127.0.0.1:%u", real->scheme, real->login, peer_port(peer));
    refold_options *options = options_to(server_url(server));
    refold_options_set_proxy(options, proxy);
    if (code == REFOLD_OK) {
        must_complete(client_of(options));
        CHECK_INT(server_requests(server), 1);
    } else {
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        CHECK(get(client, &error) == NULL);
        CHECK_ERROR(error, code, real->message);
        CHECK_CONTAINS(refold_error_message(error), "the proxy 127.0.0.1:");
        CHECK_LACKS(refold_error_message(error), "hush");
        CHECK_INT(server_requests(server), 0);
        refold_error_free(error);
        refold_client_free(client);
    }
    free(proxy);
    server_stop(server);
}

TEST(real_proxies_reach_the_server) {
    for (size_t i = 0; i < COUNT(real_proxies); i++) {
        const struct real_proxy *real = &real_proxies[i];
        check_case("%s", real->name);
        char *configuration = real->configuration == NULL ? NULL : text_of(TINYPROXY, real->configuration);
        struct peer *peer = peer_start(real->command, configuration);
        free(configuration);
        call_through(real, peer, true, real->code);
        bool is_http = strcmp(real->scheme, "http") == 0;
        if (real->code == REFOLD_OK || !is_http)
            call_through(real, peer, false, real->code);
        peer_stop(peer);
    }
}
