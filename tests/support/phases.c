#define _DEFAULT_SOURCE
#include "phases.h"
#include "attempts.h"
#include "lookup.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DRIP_MS = 10, MAX_KEY_BYTES = 8192, SEND_BUFFER_BYTES = 1 };

static void mark_reached(struct exchange *exchange) { event_add(exchange_data(exchange), 1); }

static void keep_silent(struct exchange *exchange) {
    mark_reached(exchange);
    exchange_hold(exchange);
    exchange_close(exchange);
}

/* Sends `first`, then `drop` repeatedly until the client or the server ends. */
static void drip_after(struct exchange *exchange, const char *first, const char *drop) {
    exchange_send_text(exchange, first);
    mark_reached(exchange);
    while (exchange_pause(exchange, DRIP_MS) && exchange_send_text(exchange, drop))
        continue;
    exchange_close(exchange);
}

/* Before a header ---------------------------------------------------------------------------------------- */

static bool read_one_byte(struct exchange *exchange) {
    char byte;
    return exchange_read(exchange, &byte, 1) == 1;
}

static void stall_handshake(struct exchange *exchange) {
    if (read_one_byte(exchange))
        keep_silent(exchange);
}

/* A record with a ServerHello of 16,000 bytes, valid so far. */
static void drip_handshake(struct exchange *exchange) {
    static const char start[] = {0x16, 3, 3, 0x3e, (char)0x84, 2, 0, 0x3e, (char)0x80, 3, 3};
    if (!read_one_byte(exchange) || !exchange_send(exchange, start, sizeof start))
        return;
    drip_after(exchange, "", "a");
}

static void drip_tunnel(struct exchange *exchange) { drip_after(exchange, "HTTP/1.1 200 OK\r\nA: ", "a"); }

static void stall_tunnel(struct exchange *exchange) {
    exchange_send_text(exchange, "HTTP/1.1 200 OK\r\n\r\n");
    stall_handshake(exchange);
    exchange_close(exchange);
}

static void stall_socks_greeting(struct exchange *exchange) {
    char greeting[3];
    if (exchange_read_exactly(exchange, greeting, sizeof greeting))
        keep_silent(exchange);
}

/* Accepts the offered method and reads the first byte of what follows. */
static bool greet_socks(struct exchange *exchange) {
    char greeting[3];
    if (!exchange_read_exactly(exchange, greeting, sizeof greeting))
        return false;
    return exchange_send(exchange, (char[]){5, greeting[2]}, 2) && read_one_byte(exchange);
}

static void stall_socks_request(struct exchange *exchange) {
    if (greet_socks(exchange))
        keep_silent(exchange);
}

static void drip_socks(struct exchange *exchange) {
    if (greet_socks(exchange) && exchange_send(exchange, (char[]){5, 0, 0, 3, (char)255}, 5))
        drip_after(exchange, "", "a");
}

/* Header and body ---------------------------------------------------------------------------------------- */

#define OK_LINE "HTTP/1.1 200 OK\r\n"

static void drip_header(struct exchange *exchange) { drip_after(exchange, OK_LINE "A: ", "a"); }

static void drip_hints(struct exchange *exchange) {
    drip_after(exchange, "", "HTTP/1.1 103 Early Hints\r\n\r\n");
}

static void stall_body(struct exchange *exchange) {
    exchange_send_text(exchange, OK_LINE "Content-Length: 100\r\n\r\n{");
    keep_silent(exchange);
}

static void drip_body(struct exchange *exchange) {
    drip_after(exchange, OK_LINE "Content-Length: 100000000\r\n\r\n{", " ");
}

static void drip_chunks(struct exchange *exchange) {
    drip_after(exchange, OK_LINE "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "1\r\n \r\n");
}

static void drip_until_close(struct exchange *exchange) { drip_after(exchange, OK_LINE "\r\n{", " "); }

/* Sends the block until the client closes, at 64 MB/s at most. */
static void flood(struct exchange *exchange, const char *headers, const char *start, size_t start_length,
                  const char *block, size_t block_length) {
    char chunk[65536];
    for (size_t at = 0; at + block_length <= sizeof chunk; at += block_length)
        memcpy(chunk + at, block, block_length);
    exchange_send_text(exchange, headers);
    exchange_send(exchange, start, start_length);
    mark_reached(exchange);
    while (exchange_send(exchange, chunk, sizeof chunk / block_length * block_length) &&
           exchange_pause(exchange, 1))
        continue;
    exchange_close(exchange);
}

static void flood_body(struct exchange *exchange) { flood(exchange, OK_LINE "\r\n", "{", 1, " ", 1); }

/* An endless stream of empty stored blocks, which decompresses to nothing. */
static void flood_gzip(struct exchange *exchange) {
    static const char start[] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    static const char block[] = {0, 0, 0, (char)0xff, (char)0xff};
    flood(exchange, OK_LINE "Content-Encoding: gzip\r\n\r\n", start, sizeof start, block, sizeof block);
}

static void respond_once(struct exchange *exchange) {
    if (exchange_index(exchange) == 0)
        exchange_respond(exchange, &(struct response){.body = RUNNING});
    else
        keep_silent(exchange);
}

static void send_retry_after(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.status = 503, .headers = "Retry-After: 30\r\n"});
    mark_reached(exchange);
}

static void stay_running(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = RUNNING, .headers = "Retry-After: 30\r\n"});
    mark_reached(exchange);
}

/* The table ---------------------------------------------------------------------------------------------- */

#define LOOKUP .message = "while looking up the host name", .is_connecting = true, .has_lookup = true
#define TLS .message = "in the TLS handshake", .is_connecting = true, .scheme = "https"
#define PROXY .message = "while requesting a tunnel from the proxy", .is_connecting = true, .scheme = "https"
#define SENDING .message = "while sending the request"
#define HEADER .message = "while waiting for the response"
#define BODY .message = "while receiving the response"

const struct phase phases[] = {
    {"a lookup", LOOKUP},
    {"the lookup of a proxy", LOOKUP, .scheme = "https", .proxy = "http://"},
    {"a lookup for a SOCKS proxy", LOOKUP, .proxy = "socks5://"},
    {"a connection", .message = "while connecting", .is_connecting = true, .has_silent_address = true},
    {"a silent TLS handshake", TLS, .connected = stall_handshake},
    {"a dripping TLS handshake", TLS, .connected = drip_handshake},
    {"a silent TLS handshake in a tunnel", TLS, .proxy = "http://", .handler = stall_tunnel},
    {"a silent CONNECT proxy", PROXY, .proxy = "http://", .handler = keep_silent},
    {"a dripping CONNECT proxy", PROXY, .proxy = "http://", .handler = drip_tunnel},
    {"a silent SOCKS proxy", PROXY, .proxy = "socks5h://", .connected = stall_socks_greeting},
    {"a SOCKS proxy silent after the login", PROXY, .proxy = "socks5h://user:word@",
     .connected = stall_socks_request},
    {"a SOCKS proxy silent after the request", PROXY, .proxy = "socks5h://",
     .connected = stall_socks_request},
    {"a dripping SOCKS proxy", PROXY, .proxy = "socks5h://", .connected = drip_socks},
    {"a request that the server does not read", SENDING, .has_large_request = true},
    {"a silent header", HEADER, .handler = keep_silent},
    {"a silent header on a connection in use", HEADER, .is_warm = true, .handler = respond_once},
    {"a silent header in TLS", HEADER, .has_tls = true, .handler = keep_silent},
    {"a dripping header", HEADER, .handler = drip_header},
    {"a dripping header in TLS", HEADER, .has_tls = true, .handler = drip_header},
    {"endless interim responses", HEADER, .handler = drip_hints},
    {"a silent body", BODY, .handler = stall_body},
    {"a dripping body", BODY, .handler = drip_body},
    {"a dripping body in TLS", BODY, .has_tls = true, .handler = drip_body},
    {"dripping chunks", BODY, .handler = drip_chunks},
    {"a body that drips until it closes", BODY, .handler = drip_until_close},
    {"an endless body", BODY, .handler = flood_body},
    {"an endless body that decompresses to nothing", BODY, .handler = flood_gzip},
    {"the pause between attempts", .message = "in the pause before the next attempt",
     .occurrence = BETWEEN_ATTEMPTS, .handler = send_retry_after},
    {"the pause between polls", .message = "in the pause before the next poll", .occurrence = WHILE_POLLING,
     .handler = stay_running},
    {"a later poll", HEADER, .occurrence = WHILE_POLLING, .handler = respond_once},
};
const size_t phase_count = COUNT(phases);

static struct server *serve_phase(const struct phase *phase, struct event *reached) {
    struct server_options options = {
        .connected = phase->connected, .handler = phase->handler, .data = reached};
    options.unserved = phase->has_large_request;
    options.certificate = phase->has_tls ? "good" : NULL;
    return serve(&options);
}

struct scene scene_open(const struct phase *phase) {
    struct scene scene = {.phase = phase, .reached = event_new()};
    const char *scheme = phase->has_tls ? "https" : phase->scheme == NULL ? "http" : phase->scheme;
    const char *host = phase->has_lookup || phase->proxy != NULL ? "server.invalid" : "127.0.0.1";
    if (phase->has_silent_address)
        scene.hole = black_hole(NULL);
    else
        scene.server = serve_phase(phase, scene.reached);
    uint16_t port = scene.hole != NULL ? dead_port_number(scene.hole) : server_port(scene.server);
    snprintf(scene.base_url, sizeof scene.base_url, "%s://%s:%u", scheme, host, port);
    if (phase->proxy != NULL) {
        bool is_looked_up = phase->has_lookup && strcmp(phase->proxy, "http://") == 0;
        snprintf(scene.proxy, sizeof scene.proxy, "%s%s:%u", phase->proxy,
                 is_looked_up ? "proxy.invalid" : "127.0.0.1", port);
    }
    if (phase->has_lookup)
        lookup_script((struct lookup){.silent = true});
    note_attempts(phase->has_silent_address || phase->has_large_request ? scene.reached : NULL);
    limit_sending(phase->has_large_request ? SEND_BUFFER_BYTES : 0);
    return scene;
}

refold_options *scene_options(const struct scene *scene) {
    refold_options *options = test_options(scene->base_url);
    refold_options_set_allow_plaintext(options, true);
    refold_options_set_timeout_ms(options, 0);
    refold_options_set_connect_timeout_ms(options, 0);
    refold_options_set_poll_interval_ms(options, 10);
    if (scene->phase->proxy != NULL)
        refold_options_set_proxy(options, scene->proxy);
    if (scene->phase->has_tls)
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
    if (scene->phase->has_large_request) {
        char *key = repeated("k", MAX_KEY_BYTES);
        refold_options_set_api_key(options, key, key);
        free(key);
    }
    return options;
}

bool scene_await(struct scene *scene, int count) {
    enum { LIMIT_MS = 10000 };
    if (scene->phase->has_lookup)
        return lookup_await_running(count, LIMIT_MS);
    return event_await(scene->reached, count, LIMIT_MS);
}

void scene_close(struct scene *scene) {
    note_attempts(NULL);
    limit_sending(0);
    server_stop(scene->server);
    dead_port_free(scene->hole);
    if (scene->phase->has_lookup)
        lookup_release();
    event_free(scene->reached);
}
