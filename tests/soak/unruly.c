#define _GNU_SOURCE
#include "unruly.h"
#include "client.h"
#include "gzip.h"
#include "random.h"
#include "remote.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Executions --------------------------------------------------------------------------------------------- */

/* Each body holds its node count, and "is_whole" at its end. */
#define NODE                                                                                                 \
    "{\"node_id\": \"n\", \"node_name\": \"a \\\"node\\\"\", \"node_status\": \"Success\", "                 \
    "\"latest_output\": {\"list\": [1, 2, {\"deep\": \"\\u00fc\"}]}}"

enum { SIZES = 9, MAX_NODES = 4096 };

/* Indexed by size, whether the run has ended, and whether it is compressed. */
static struct bytes bodies[SIZES][2][2];

static void make_bodies(void) {
    for (int size = 0; size < SIZES; size++) {
        unsigned nodes = (1U << size) * MAX_NODES >> (SIZES - 1);
        char *list = repeated(NODE ", ", nodes - 1);
        for (int has_ended = 0; has_ended < 2; has_ended++) {
            struct bytes *body = bodies[size][has_ended];
            body[0].start =
                text_of("{\"status\": \"%s\", \"count\": %u, \"nodes\": [%s" NODE "], \"is_whole\": true}",
                        has_ended ? "COMPLETED" : "RUNNING", nodes, list);
            body[0].length = strlen(body[0].start);
            body[1] = gzip_of(body[0].start, body[0].length);
        }
        free(list);
    }
}

/* Mostly small; the maximum rises and falls twice a minute. */
static int size_now(uint64_t *state) {
    enum { PERIOD_MS = 30000 };
    int64_t place = now_ms() % PERIOD_MS;
    int64_t wave = place < PERIOD_MS / 2 ? place : PERIOD_MS - place;
    int largest = (int)(wave * SIZES / (PERIOD_MS / 2 + 1));
    int size = largest;
    for (int i = 0; i < 2; i++)
        size = (int)random_below(state, (unsigned)size + 1);
    return size;
}

/* Responses ---------------------------------------------------------------------------------------------- */

static void respond_well(struct exchange *exchange, uint64_t *state, struct response *response) {
    bool is_packed = random_below(state, 3) == 0;
    const struct bytes *body = &bodies[size_now(state)][random_below(state, 2)][is_packed];
    response->body = body->start;
    response->length = body->length;
    response->framing = (enum framing)random_below(state, 3);
    response->headers = is_packed ? "Content-Encoding: gzip\r\n" : NULL;
    exchange_respond(exchange, response);
}

static void respond_in_part(struct exchange *exchange, uint64_t *state, enum ending ending) {
    struct response response = {.is_cut = true, .cut = random_below(state, 2000), .ending = ending};
    respond_well(exchange, state, &response);
}

static void respond_late(struct exchange *exchange, uint64_t *state) {
    struct response response = {.delay_ms = random_below(state, 40)};
    respond_well(exchange, state, &response);
}

static void respond_slowly(struct exchange *exchange, uint64_t *state) {
    const struct bytes *body = &bodies[0][1][0];
    char head[60];
    snprintf(head, sizeof head, "Content-Length: %zu\r\n", body->length);
    exchange_send_head(exchange, 200, head);
    exchange_drip(exchange, body->start, body->length, body->length / 4, random_below(state, 20));
}

/* Echoes the secret, which no message may show. */
static void respond_with_an_error(struct exchange *exchange, uint64_t *state) {
    static const int statuses[] = {301, 400, 401, 404, 429, 500, 502, 503};
    const char *key = head_value(exchange_head(exchange), "x-api-key");
    char *body =
        text_of("{\"message\": \"no %s\", \"error_code\": \"CODE\"}", key == NULL ? TEST_TOKEN : key);
    struct response response = {.status = statuses[random_below(state, COUNT(statuses))],
                                .framing = (enum framing)random_below(state, 3),
                                .headers = "Retry-After: 0\r\n",
                                .body = body};
    exchange_respond(exchange, &response);
    free(body);
}

static void respond_with_nonsense(struct exchange *exchange, uint64_t *state) {
    static const char *const texts[] = {"SSH-2.0-OpenSSH_9.2\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n{}",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
    exchange_send_text(exchange, texts[random_below(state, COUNT(texts))]);
    exchange_close(exchange);
}

static void say_nothing(struct exchange *exchange, enum ending ending) {
    exchange_respond(exchange, &(struct response){.silent = true, .ending = ending});
}

/* 70 % of the responses are valid. */
static void misbehave(struct exchange *exchange) {
    const uint64_t *seed = exchange_data(exchange);
    uint64_t state = *seed + (exchange_connection(exchange) << 32) + exchange_index(exchange);
    unsigned number = random_below(&state, 100);
    if (number < 70)
        respond_well(exchange, &state, &(struct response){.status = 200});
    else if (number < 74)
        respond_late(exchange, &state);
    else if (number < 76)
        respond_slowly(exchange, &state);
    else if (number < 84)
        respond_with_an_error(exchange, &state);
    else if (number < 94)
        respond_in_part(exchange, &state,
                        (enum ending[]){CLOSE, TRUNCATE, RESET, HALF_CLOSE, HOLD}[number % 5]);
    else if (number < 98)
        say_nothing(exchange, (enum ending[]){CLOSE, RESET, HALF_CLOSE, HOLD}[number % 4]);
    else
        respond_with_nonsense(exchange, &state);
}

/* The servers -------------------------------------------------------------------------------------------- */

struct unruly {
    struct remote *remote;
    unsigned ports[UNRULY_SERVERS];
};

struct settings {
    uint64_t seed;
    int seconds;
};

static struct server *serve_unruly(uint64_t *seed, int number, uint16_t port) {
    struct server_options options = {.handler = misbehave, .data = seed, .port = port, .forgetful = true};
    options.certificate = number >= PLAINTEXT_SERVERS ? "good" : NULL;
    struct server *server = serve(&options);
    if (server == NULL)
        abort(); /* The port is reserved. */
    return server;
}

struct fleet {
    uint64_t seed;
    struct server *servers[UNRULY_SERVERS];
    struct dead_port *ports[UNRULY_SERVERS]; /* reserve the ports while the servers are stopped */
};

/* Stops and restarts one server at a time. */
static void *restart_servers(void *data) {
    struct fleet *fleet = data;
    uint64_t state = fleet->seed;
    for (;;) {
        int number = (int)random_below(&state, UNRULY_SERVERS);
        pause_ms(random_below(&state, 3000));
        server_stop(fleet->servers[number]);
        pause_ms(random_below(&state, 300));
        fleet->servers[number] = serve_unruly(&fleet->seed, number, dead_port_number(fleet->ports[number]));
    }
    return NULL;
}

static void serve_fleet(const void *data, char *info, size_t size) {
    static struct fleet fleet;
    const struct settings *settings = data;
    pthread_t thread;
    alarm((unsigned)settings->seconds);
    fleet.seed = settings->seed;
    make_bodies();
    for (int i = 0; i < UNRULY_SERVERS; i++) {
        fleet.ports[i] = refusing_port(NULL);
        fleet.servers[i] = serve_unruly(&fleet.seed, i, dead_port_number(fleet.ports[i]));
    }
    snprintf(info, size, "%u %u %u %u", server_port(fleet.servers[0]), server_port(fleet.servers[1]),
             server_port(fleet.servers[2]), server_port(fleet.servers[3]));
    if (pthread_create(&thread, NULL, restart_servers, &fleet) != 0)
        abort();
}

struct unruly *unruly_start(uint64_t seed, int seconds) {
    struct unruly *unruly = calloc(1, sizeof *unruly);
    struct settings settings = {seed, seconds};
    if (unruly == NULL)
        abort();
    certificate_path("good.pem");
    unruly->remote = remote_start(serve_fleet, &settings);
    if (sscanf(remote_info(unruly->remote), "%u %u %u %u", &unruly->ports[0], &unruly->ports[1],
               &unruly->ports[2], &unruly->ports[3]) != UNRULY_SERVERS)
        abort();
    return unruly;
}

uint16_t unruly_port(const struct unruly *unruly, int server) { return (uint16_t)unruly->ports[server]; }

void unruly_stop(struct unruly *unruly) {
    remote_stop(unruly->remote);
    free(unruly);
}
