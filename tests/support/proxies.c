#define _GNU_SOURCE
#include "proxies.h"
#include "check.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TARGETS = 256 };

struct proxy {
    struct proxy_options options;
    struct server *server;
    pthread_mutex_t lock;
    /* guarded by lock: */
    char *targets[MAX_TARGETS];
    size_t count;
    int address_type;
};

static void note_target(struct proxy *proxy, const char *target, int address_type) {
    pthread_mutex_lock(&proxy->lock);
    if (proxy->count < MAX_TARGETS)
        proxy->targets[proxy->count++] = strdup(target);
    proxy->address_type = address_type;
    pthread_mutex_unlock(&proxy->lock);
}

static uint16_t port_of(const char *target) { return (uint16_t)atoi(strrchr(target, ':') + 1); }

/* HTTP --------------------------------------------------------------------------------------------------- */

static bool is_authorized(const struct proxy *proxy, const char *head) {
    const char *got = head_value(head, "Proxy-Authorization");
    if (proxy->options.user == NULL)
        return got == NULL;
    char login[600], want[900] = "Basic ";
    int length = snprintf(login, sizeof login, "%s:%s", proxy->options.user, proxy->options.password);
    EVP_EncodeBlock((unsigned char *)want + strlen(want), (unsigned char *)login, length);
    return got != NULL && strcmp(got, want) == 0;
}

static void serve_http(struct exchange *exchange) {
    struct proxy *proxy = exchange_data(exchange);
    char method[16] = "", target[1000] = "";
    sscanf(exchange_head(exchange), "%15s %999s", method, target);
    note_target(proxy, target, 0);
    if (!is_authorized(proxy, exchange_head(exchange))) {
        exchange_respond(exchange,
                         &(struct response){.status = 407,
                                            .headers = "Proxy-Authenticate: Basic realm=\"proxy\"\r\n",
                                            .body = "{\"message\": \"the proxy's own words\"}"});
    } else if (strcmp(method, "CONNECT") == 0) {
        exchange_send_text(exchange, "HTTP/1.1 200 Connection established\r\n\r\n");
        exchange_relay(exchange, port_of(target));
    } else {
        exchange_respond(exchange, &(struct response){.body = "{\"status\": \"COMPLETED\"}"});
    }
}

/* SOCKS5 ------------------------------------------------------------------------------------------------- */

/* Reads a string that its length precedes. */
static bool read_text(struct exchange *exchange, char text[256]) {
    unsigned char length;
    if (!exchange_read_exactly(exchange, &length, 1) || !exchange_read_exactly(exchange, text, length))
        return false;
    text[length] = '\0';
    return true;
}

static bool log_in(struct exchange *exchange, const struct proxy_options *options) {
    char version, user[256], password[256];
    bool read = exchange_read_exactly(exchange, &version, 1) && read_text(exchange, user) &&
                read_text(exchange, password);
    bool authorized =
        read && version == 1 && strcmp(user, options->user) == 0 && strcmp(password, options->password) == 0;
    return exchange_send(exchange, authorized ? "\1\0" : "\1\1", 2) && authorized;
}

bool socks5_greet(struct exchange *exchange, const struct proxy_options *options) {
    unsigned char start[2], methods[255];
    char wanted = options->user == NULL ? 0 : 2;
    if (!exchange_read_exactly(exchange, start, 2) || start[0] != 5 ||
        !exchange_read_exactly(exchange, methods, start[1]))
        return false;
    if (memchr(methods, wanted, start[1]) == NULL) {
        exchange_send(exchange, "\5\xff", 2);
        return false;
    }
    exchange_send(exchange, (char[]){5, wanted}, 2);
    return wanted == 0 || log_in(exchange, options);
}

static bool read_target(struct exchange *exchange, char target[300], int *address_type) {
    unsigned char request[4], bytes[16], port[2];
    char host[256];
    if (!exchange_read_exactly(exchange, request, 4) || request[0] != 5 || request[1] != 1)
        return false;
    *address_type = request[3];
    bool read = false;
    if (request[3] == 3) {
        read = read_text(exchange, host);
    } else {
        read = exchange_read_exactly(exchange, bytes, request[3] == 4 ? 16 : 4);
        inet_ntop(request[3] == 4 ? AF_INET6 : AF_INET, bytes, host, sizeof host);
    }
    read = read && exchange_read_exactly(exchange, port, 2);
    snprintf(target, 300, "%s:%d", host, port[0] << 8 | port[1]);
    return read;
}

static void serve_socks(struct exchange *exchange) {
    struct proxy *proxy = exchange_data(exchange);
    char target[300];
    int address_type;
    if (socks5_greet(exchange, &proxy->options) && read_target(exchange, target, &address_type)) {
        note_target(proxy, target, address_type);
        /* The bound address: IPv6 if the request had a host name. */
        char reply[22] = {5, 0, 0, address_type == 3 ? 4 : 1};
        exchange_send(exchange, reply, address_type == 3 ? 22 : 10);
        exchange_relay(exchange, port_of(target));
    }
    exchange_close(exchange);
}

/* The proxy ---------------------------------------------------------------------------------------------- */

struct proxy *proxy_start(struct proxy_options options) {
    struct proxy *proxy = calloc(1, sizeof *proxy);
    if (proxy == NULL)
        abort();
    proxy->options = options;
    pthread_mutex_init(&proxy->lock, NULL);
    struct server_options server = {.data = proxy, .handler = serve_http};
    if (options.is_socks)
        server.connected = serve_socks;
    proxy->server = serve(&server);
    return proxy;
}

void proxy_stop(struct proxy *proxy) {
    server_stop(proxy->server);
    for (size_t i = 0; i < proxy->count; i++)
        free(proxy->targets[i]);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

const char *proxy_url(const struct proxy *proxy, const char *scheme, const char *login) {
    static _Thread_local char urls[4][600];
    static _Thread_local unsigned next;
    char *url = urls[next++ % COUNT(urls)];
    snprintf(url, sizeof urls[0], "%s://%s%s127.0.0.1:%u", scheme, login == NULL ? "" : login,
             login == NULL ? "" : "@", server_port(proxy->server));
    return url;
}

struct server *proxy_server(struct proxy *proxy) {
    return proxy->server;
}

const char *proxy_target(struct proxy *proxy, size_t index) {
    pthread_mutex_lock(&proxy->lock);
    const char *target = index < proxy->count ? proxy->targets[index] : NULL;
    pthread_mutex_unlock(&proxy->lock);
    return target;
}

size_t proxy_targets(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->lock);
    size_t count = proxy->count;
    pthread_mutex_unlock(&proxy->lock);
    return count;
}

int proxy_address_type(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->lock);
    int type = proxy->address_type;
    pthread_mutex_unlock(&proxy->lock);
    return type;
}
