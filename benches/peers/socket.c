/* The lower bound: a bare socket that sends a request and receives the bytes of Content-Length. Built with
 * KEEP it stores the whole body; otherwise each chunk overwrites the previous one. It parses nothing: the
 * checksum is the length. */
#define _GNU_SOURCE
#include "measure.h"
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 256 << 10 };

struct client {
    int socket;
    char chunk[CHUNK];
};

struct client *client_open(const char *base_url, const char *ca_file) {
    const char *colon = strrchr(base_url, ':');
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    name.sin_port = htons((uint16_t)number_of(colon == NULL ? "" : colon + 1));
    struct client *client = allocate(sizeof *client);
    int on = 1;
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ca_file != NULL || client->socket < 0 ||
        connect(client->socket, (struct sockaddr *)&name, sizeof name) < 0 ||
        setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) {
        perror("socket");
        free(client);
        return NULL;
    }
    return client;
}

static bool fail(void) {
    perror("socket");
    return false;
}

/* The head, and what has come of the body with it. Returns the number of bytes of the latter, -1: none came.
 */
static ssize_t receive_head(struct client *client, size_t *body_length) {
    size_t length = 0;
    for (;;) {
        ssize_t received = recv(client->socket, client->chunk + length, CHUNK - 1 - length, 0);
        if (received <= 0)
            return -1;
        length += (size_t)received;
        client->chunk[length] = '\0';
        char *end = strstr(client->chunk, "\r\n\r\n");
        char *announced = strcasestr(client->chunk, "\r\nContent-Length: ");
        if (end != NULL && announced != NULL) {
            *body_length = strtoull(announced + strlen("\r\nContent-Length: "), NULL, 10);
            size_t in_body = (size_t)(client->chunk + length - (end + 4));
            memmove(client->chunk, end + 4, in_body);
            return (ssize_t)in_body;
        }
    }
}

static bool receive_body(struct client *client, size_t taken, size_t length) {
#ifdef KEEP
    char *body = allocate(length);
    memcpy(body, client->chunk, taken);
#endif
    while (taken < length) {
#ifdef KEEP
        ssize_t received = recv(client->socket, body + taken, length - taken, 0);
#else
        ssize_t received = recv(client->socket, client->chunk, CHUNK, 0);
#endif
        if (received <= 0)
            return fail();
        taken += (size_t)received;
    }
#ifdef KEEP
    free(body);
#endif
    return true;
}

bool client_get(struct client *client, const char *id, uint64_t *sum) {
    char head[1024];
    int length =
        snprintf(head, sizeof head,
                 "GET /api/v2/public/execution/%s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
                 "x-api-key: tk_benchmark\r\nlinked_account_id: user_12345\r\n\r\n",
                 id);
    size_t body_length;
    if (send(client->socket, head, (size_t)length, MSG_NOSIGNAL) != length)
        return fail();
    ssize_t taken = receive_head(client, &body_length);
    if (taken < 0)
        return fail();
    add_number(sum, (int64_t)body_length);
    return receive_body(client, (size_t)taken, body_length);
}

void client_close(struct client *client) {
    close(client->socket);
    free(client);
}
