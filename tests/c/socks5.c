/* The second hop: a SOCKS5 proxy connects to the server, which may have several addresses. They are attempted
 * as on a direct connection (RFC 8305), each on a connection to the proxy of its own. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"
#include "proxies.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

enum { DELAY_MS = 250 };

/* What the proxy does when asked for an address, besides sending a reply: */
enum { CONNECTED = 0, SILENT = 100, HANGS_UP, RESETS, IS_LATE, NOT_SOCKS };

struct reply {
    const char *address;
    int what;
};

struct hop {
    const char *name;
    struct reply replies[5]; /* the addresses as the name service returns them */
    int64_t min_ms, max_ms;  /* 0: no limit */
    const char *targets;     /* the addresses that the proxy was asked for, in order */
    const char *message;     /* NULL: the call succeeds */
};

#define V4 "192.0.2.1"
#define OTHER_V4 "192.0.2.2"
#define V6 "2001:db8::1"
#define OTHER_V6 "2001:db8::2"

static const struct hop hops[] = {
    {"one", {{V4, CONNECTED}}, 0, 0, V4, NULL},
    {"the first of two", {{V6, CONNECTED}, {V4, SILENT}}, 0, 200, V6, NULL},
    {"general failure", {{V6, 1}, {V4, CONNECTED}}, 0, 200, V6 " " V4, NULL},
    {"not allowed", {{V6, 2}, {V4, CONNECTED}}, 0, 200, V6 " " V4, NULL},
    {"network unreachable", {{V6, 3}, {V4, CONNECTED}}, 0, 200, V6 " " V4, NULL},
    {"host unreachable", {{V6, 4}, {V4, CONNECTED}}, 0, 200, V6 " " V4, NULL},
    {"connection refused", {{V6, 5}, {V4, CONNECTED}}, 0, 200, V6 " " V4, NULL},
    {"TTL expired", {{V6, 6}, {V4, CONNECTED}}, 0, 200, V6 " " V4, NULL},
    {"address type not supported", {{V6, 8}, {V4, CONNECTED}}, 0, 200, V6 " " V4, NULL},
    {"hangs up", {{V6, HANGS_UP}, {V4, CONNECTED}}, 0, 200, V6 " " V4, NULL},
    {"resets", {{V6, RESETS}, {V4, CONNECTED}}, 0, 200, V6 " " V4, NULL},
    {"the last of four",
     {{V6, 4}, {OTHER_V6, 5}, {V4, HANGS_UP}, {OTHER_V4, CONNECTED}},
     0,
     200,
     V6 " " V4 " " OTHER_V6 " " OTHER_V4,
     NULL},
    {"after a silent one", {{V6, SILENT}, {V4, CONNECTED}}, DELAY_MS, 350, V6 " " V4, NULL},
    {"after two silent ones",
     {{V6, SILENT}, {V4, SILENT}, {OTHER_V4, CONNECTED}},
     2 * DELAY_MS,
     650,
     V6 " " V4 " " OTHER_V4,
     NULL},
    {"a refusal does not wait for a silent one",
     {{V6, SILENT}, {V4, 5}, {OTHER_V4, CONNECTED}},
     DELAY_MS,
     350,
     V6 " " V4 " " OTHER_V4,
     NULL},
    {"an earlier attempt continues beside later ones",
     {{V6, IS_LATE}, {V4, SILENT}},
     2 * DELAY_MS,
     700,
     V6 " " V4,
     NULL},
    {"a connection that breaks later does not end the others",
     {{V6, IS_LATE}, {V4, HANGS_UP}},
     2 * DELAY_MS,
     700,
     V6 " " V4,
     NULL},
    {"families take turns", {{V6, 4}, {OTHER_V6, CONNECTED}, {V4, 4}}, 0, 200, V6 " " V4 " " OTHER_V6, NULL},
    {"one that fails",
     {{V4, 5}},
     0,
     200,
     V4,
     "did not connect to other.invalid:PORT: " V4 ":PORT: connection refused"},
    {"all fail",
     {{V6, 3}, {V4, 5}},
     0,
     200,
     V6 " " V4,
     ": [" V6 "]:PORT: network unreachable; " V4 ":PORT: connection refused"},
    {"all hang up", {{V6, HANGS_UP}, {V4, HANGS_UP}}, 0, 200, V6 " " V4, "it closed the connection"},
    {"a refusal is more telling than a lost connection",
     {{V6, 5}, {V4, HANGS_UP}},
     0,
     200,
     V6 " " V4,
     ": [" V6 "]:PORT: connection refused"},
    {"command not supported", {{V6, 7}, {V4, CONNECTED}}, 0, 200, V6, "it does not support that"},
    {"unknown reply", {{V6, 9}, {V4, CONNECTED}}, 0, 200, V6, "it gives no reason"},
    {"no SOCKS5", {{V6, NOT_SOCKS}, {V4, CONNECTED}}, 0, 200, V6, "it does not speak SOCKS5"},
};

/* The proxy ---------------------------------------------------------------------------------------------- */

struct second_hop {
    const struct hop *hop;
    struct server *server;
    struct proxy_options options; /* the login */
    pthread_mutex_t lock;
    char targets[600]; /* guarded by lock */
};

/* The address that the client asks for; "" after an error. */
static void read_target(struct exchange *exchange, char target[INET6_ADDRSTRLEN]) {
    unsigned char request[4], bytes[16], port[2];
    target[0] = '\0';
    if (!exchange_read_exactly(exchange, request, 4) || (request[3] != 1 && request[3] != 4))
        return;
    bool is_v6 = request[3] == 4;
    if (exchange_read_exactly(exchange, bytes, is_v6 ? 16 : 4) && exchange_read_exactly(exchange, port, 2))
        inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes, target, INET6_ADDRSTRLEN);
}

static int what_to_do(struct second_hop *proxy, const char *target) {
    pthread_mutex_lock(&proxy->lock);
    snprintf(proxy->targets + strlen(proxy->targets), sizeof proxy->targets - strlen(proxy->targets), "%s%s",
             proxy->targets[0] == '\0' ? "" : " ", target);
    pthread_mutex_unlock(&proxy->lock);
    for (size_t i = 0; i < COUNT(proxy->hop->replies) && proxy->hop->replies[i].address != NULL; i++)
        if (strcmp(proxy->hop->replies[i].address, target) == 0)
            return proxy->hop->replies[i].what;
    return RESETS;
}

static void serve_hop(struct exchange *exchange) {
    struct second_hop *proxy = exchange_data(exchange);
    char target[INET6_ADDRSTRLEN];
    if (!socks5_greet(exchange, &proxy->options)) {
        exchange_close(exchange);
        return;
    }
    read_target(exchange, target);
    int what = what_to_do(proxy, target);
    if (what == IS_LATE)
        exchange_pause(exchange, 2 * DELAY_MS);
    if (what == SILENT) {
        exchange_await_close(exchange);
    } else if (what == RESETS) {
        exchange_reset(exchange);
    } else if (what == NOT_SOCKS) {
        exchange_send_text(exchange, "HTTP/1.1 400 Bad Request\r\n\r\n");
    } else if (what != HANGS_UP) {
        char reply[10] = {5, (char)(what == IS_LATE ? CONNECTED : what), 0, 1};
        exchange_send(exchange, reply, sizeof reply);
        if (reply[1] == CONNECTED)
            exchange_relay(exchange, server_port(proxy->server));
    }
    exchange_close(exchange);
}

/* The client --------------------------------------------------------------------------------------------- */

static struct second_hop *start_hop(const struct hop *hop, const char *login) {
    static struct second_hop proxy;
    proxy = (struct second_hop){.hop = hop, .lock = PTHREAD_MUTEX_INITIALIZER};
    proxy.options = (struct proxy_options){.user = login == NULL ? NULL : "user", .password = "word"};
    proxy.server = serve(&(struct server_options){.responses = &(struct response){.body = COMPLETED},
                                                  .response_count = 1,
                                                  .certificate = "wrong-host"});
    return &proxy;
}

static refold_options *options_through(struct server *proxy, const struct second_hop *hop,
                                       const char *login) {
    char *url = text_of("https://other.invalid:%u", server_port(hop->server));
    char *proxy_url = text_of("socks5://%s127.0.0.1:%u", login == NULL ? "" : login, server_port(proxy));
    struct lookup lookup = {0};
    for (size_t i = 0; i < COUNT(hop->hop->replies); i++)
        lookup.addresses[i] = hop->hop->replies[i].address;
    lookup_script(lookup);
    refold_options *options = test_options(url);
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_proxy(options, proxy_url);
    free(proxy_url);
    free(url);
    return options;
}

/* `text` with PORT replaced, freed by the caller. */
static char *with_port(const char *text, uint16_t port) {
    char *result = text_of("%s", "");
    for (const char *next; text != NULL; text = next) {
        next = strstr(text, "PORT");
        char *longer = next == NULL ? text_of("%s%s", result, text)
                                    : text_of("%s%.*s%u", result, (int)(next - text), text, port);
        free(result);
        result = longer;
        next = next == NULL ? NULL : next + 4;
    }
    return result;
}

static int64_t call_over(const struct hop *hop, const char *login) {
    struct second_hop *second = start_hop(hop, login);
    struct server *proxy = serve(&(struct server_options){.connected = serve_hop, .data = second});
    refold_client *client = client_of(options_through(proxy, second, login));
    int before = descriptor_count();
    refold_error *error = NULL;
    int64_t began = now_us();
    refold_execution *execution = get(client, &error);
    int64_t took = now_us() - began;
    if (hop->message == NULL) {
        CHECK_STR(error == NULL ? NULL : refold_error_message(error), NULL);
        CHECK_INT(server_requests(second->server), 1);
    } else {
        char *message = with_port(hop->message, server_port(second->server));
        CHECK_ERROR(error, REFOLD_ERROR_CONNECT, message);
        CHECK_CONTAINS(refold_error_message(error), "the proxy 127.0.0.1:");
        free(message);
    }
    /* The attempts that lost the race are closed. */
    CHECK_INT(descriptor_count(), before + (hop->message == NULL ? 1 : 0));
    pthread_mutex_lock(&second->lock);
    CHECK_STR(second->targets, hop->targets);
    pthread_mutex_unlock(&second->lock);
    CHECK_INT(lookup_count(), 1);
    refold_execution_free(execution);
    refold_error_free(error);
    refold_client_free(client);
    server_stop(proxy);
    server_stop(second->server);
    return took;
}

TEST(a_proxy_is_asked_for_the_next_address) {
    for (size_t i = 0; i < 2 * COUNT(hops); i++) {
        const struct hop *hop = &hops[i / 2];
        const char *login = i % 2 == 0 ? NULL : "user:word@";
        struct timing timing = {.max_ms = hop->max_ms == 0 ? 10000 : hop->max_ms};
        check_case("%s%s", hop->name, login == NULL ? "" : ", with a login");
        while (CHECK_AGAIN(timing)) {
            timing.us = call_over(hop, login);
            CHECK(timing.us >= hop->min_ms * 1000);
        }
    }
}

/* A wrong password is sent once, however many addresses there are. */
TEST(a_wrong_login_is_not_repeated) {
    static const struct hop hop = {"login", {{V6, CONNECTED}, {V4, CONNECTED}}, 0, 0,
                                   "",      "rejected the user or the password"};
    struct second_hop *second = start_hop(&hop, "");
    struct server *proxy = serve(&(struct server_options){.connected = serve_hop, .data = second});
    refold_client *client = client_of(options_through(proxy, second, "user:wrong@"));
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK(!refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_CONNECT, hop.message);
    CHECK_INT(server_connections(proxy), 1);
    refold_client_free(client);
    server_stop(proxy);
    server_stop(second->server);
}

/* localhost has two addresses, and a server often uses one of them. */
TEST(localhost_is_reached_at_either_address) {
    static const struct hop rows[] = {
        {"IPv6", {{"::1", CONNECTED}, {"127.0.0.1", 5}}, 0, 0, "::1", NULL},
        {"IPv4", {{"::1", 5}, {"127.0.0.1", CONNECTED}}, 0, 0, "::1 127.0.0.1", NULL}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_case("%s", rows[i].name);
        struct second_hop *second = start_hop(&rows[i], NULL);
        struct server *proxy = serve(&(struct server_options){.connected = serve_hop, .data = second});
        struct server *server = serve_body(COMPLETED);
        char *url = text_of("http://localhost:%u", server_port(server));
        char *proxy_url = text_of("socks5://127.0.0.1:%u", server_port(proxy));
        refold_options *options = test_options(url);
        refold_options_set_proxy(options, proxy_url);
        server_stop(second->server);
        second->server = server;
        must_complete(client_of(options));
        CHECK_STR(second->targets, rows[i].targets);
        free(proxy_url);
        free(url);
        server_stop(proxy);
        server_stop(server);
    }
}

/* The limits of the call apply while the proxy is silent about all addresses. */
TEST(a_silent_proxy_ends_with_the_call) {
    static const struct hop hop = {"silent", {{V6, SILENT}, {V4, SILENT}}, 0, 0, V6 " " V4, NULL};
    for (int cancels = 0; cancels < 2; cancels++) {
        struct second_hop *second = start_hop(&hop, NULL);
        struct server *proxy = serve(&(struct server_options){.connected = serve_hop, .data = second});
        refold_options *options = options_through(proxy, second, NULL);
        refold_options_set_timeout_ms(options, cancels ? 0 : 400);
        refold_options_set_connect_timeout_ms(options, cancels ? 400 : 0);
        refold_client *client = client_of(options);
        int before = descriptor_count();
        refold_error *error = NULL;
        int64_t began = now_ms();
        CHECK(get(client, &error) == NULL);
        CHECK_TIME(now_ms() - began, 400, 600);
        if (cancels)
            EXPECT_ERROR(error, REFOLD_ERROR_CONNECT, "connect_timeout_ms");
        else
            EXPECT_ERROR(error, REFOLD_ERROR_TIMEOUT, "while requesting a tunnel from the proxy");
        CHECK_INT(descriptor_count(), before);
        CHECK_INT(server_connections(proxy), 2);
        refold_client_free(client);
        server_stop(proxy);
        server_stop(second->server);
    }
}
