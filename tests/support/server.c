#define _GNU_SOURCE
#include "server.h"
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_LIMIT = 256 * 1024, STACK_BYTES = 512 * 1024 };

static void *must_allocate(void *memory) {
    if (memory == NULL) {
        perror("test server");
        abort();
    }
    return memory;
}

static int must_not_fail(int result) {
    if (result < 0) {
        perror("test server");
        abort();
    }
    return result;
}

/* Sockets ------------------------------------------------------------------------------------------------ */

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_of(const char *text, uint16_t port, union any_address *address) {
    memset(address, 0, sizeof *address);
    if (text == NULL)
        text = "127.0.0.1";
    if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        return sizeof address->v6;
    }
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) != 1) {
        fprintf(stderr, "test server: no address: %s\n", text);
        abort();
    }
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons(port);
    return sizeof address->v4;
}

static int open_socket(void *family) {
    return socket(*(int *)family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int open_eventfd(void *unused) {
    (void)unused;
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static int open_connection(void *listener) {
    return accept4(*(int *)listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Binds a socket to a free port, or to `wanted`, and stores the port. Returns -1 if `wanted` is in use. */
static int bound_socket(const char *where, uint16_t wanted, uint16_t *port) {
    union any_address address;
    socklen_t length = address_of(where, wanted, &address);
    int family = address.any.sa_family;
    int on = 1;
    int bound = must_not_fail(open_owned(open_socket, &family));
    must_not_fail(setsockopt(bound, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    if (bind(bound, &address.any, length) < 0) {
        if (wanted == 0 || errno != EADDRINUSE)
            must_not_fail(-1);
        close_owned(bound);
        return -1;
    }
    must_not_fail(getsockname(bound, &address.any, &length));
    *port = ntohs(family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    return bound;
}

/* The least that the kernel accepts: connections then receive a few KiB before they are read. */
static void limit_window(int listener) {
    int bytes = 1;
    must_not_fail(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes));
}

static void write_url(char *url, size_t size, const char *scheme, const char *address, uint16_t port) {
    const char *host = address == NULL ? "127.0.0.1" : address;
    bool bracketed = strchr(host, ':') != NULL;
    snprintf(url, size, "%s://%s%s%s:%u", scheme, bracketed ? "[" : "", host, bracketed ? "]" : "", port);
}

static void signal_eventfd(int descriptor) {
    uint64_t one = 1;
    if (write(descriptor, &one, sizeof one) != sizeof one && errno != EAGAIN)
        must_not_fail(-1);
}

static bool is_signalled(int descriptor) {
    struct pollfd poller = {.fd = descriptor, .events = POLLIN};
    return poll(&poller, 1, 0) == 1;
}

/* Servers and exchanges ---------------------------------------------------------------------------------- */

struct request {
    char *head;
    int64_t at_ms;
    size_t connection;
};

struct exchange {
    struct server *server;
    struct exchange *next;
    pthread_t thread;
    bool finished; /* guarded by the server's lock */
    int socket;    /* -1: closed */
    SSL *tls;      /* NULL: no TLS, or not yet */
    size_t connection;
    size_t index;
    const char *head; /* of the current request */
    char *owned_head; /* the same, if the server keeps no heads */
    char *unread;     /* bytes read, not yet consumed */
    size_t unread_length;
};

struct server {
    struct server_options options;
    struct response *responses;
    char url[80];
    uint16_t port;
    int listener;
    int stop;    /* readable once the server is being stopped */
    int release; /* readable once everything is released */
    SSL_CTX *tls;
    pthread_t acceptor;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock: */
    struct exchange *exchanges;
    struct request *requests;
    size_t request_count, request_capacity;
    size_t connections, open, handshakes;
    uint64_t received, sent;
    char alpn[256];
};

static void server_changed(struct server *server) { pthread_cond_broadcast(&server->changed); }

#define LOCKED(server, statement)                                                                            \
    do {                                                                                                     \
        pthread_mutex_lock(&(server)->lock);                                                                 \
        statement;                                                                                           \
        server_changed(server);                                                                              \
        pthread_mutex_unlock(&(server)->lock);                                                               \
    } while (0)

/* Waiting inside a connection ---------------------------------------------------------------------------- */

enum wakeup { READY, STOPPED, TIMED_OUT, RELEASED };

/* Waits until the socket is ready, the server stops, it is released (if `release` is set) or the time is over
 * (-1: no limit). */
static enum wakeup wait_for(struct exchange *exchange, short events, bool release, int64_t limit_ms) {
    struct server *server = exchange->server;
    int64_t until = now_ms() + limit_ms;
    for (;;) {
        struct pollfd pollers[] = {{.fd = server->stop, .events = POLLIN},
                                   {.fd = release ? server->release : -1, .events = POLLIN},
                                   {.fd = events == 0 ? -1 : exchange->socket, .events = events}};
        int64_t left = limit_ms < 0 ? -1 : until - now_ms();
        int count = left < 0 && limit_ms >= 0 ? 0 : poll(pollers, COUNT(pollers), (int)left);
        if (pollers[0].revents != 0)
            return STOPPED;
        if (pollers[1].revents != 0)
            return RELEASED;
        if (pollers[2].revents != 0)
            return READY;
        if (count == 0 && limit_ms >= 0 && now_ms() >= until)
            return TIMED_OUT;
    }
}

/* For an operation that would have blocked. */
static bool wait_again(struct exchange *exchange, short events) {
    return wait_for(exchange, events, false, -1) == READY;
}

static bool wait_tls(struct exchange *exchange, int result) {
    int error = SSL_get_error(exchange->tls, result);
    if (error == SSL_ERROR_WANT_READ)
        return wait_again(exchange, POLLIN);
    return error == SSL_ERROR_WANT_WRITE && wait_again(exchange, POLLOUT);
}

/* Closing ------------------------------------------------------------------------------------------------ */

static void drop_socket(struct exchange *exchange) {
    if (exchange->tls != NULL)
        SSL_free(exchange->tls);
    exchange->tls = NULL;
    close_owned(exchange->socket);
    exchange->socket = -1;
    LOCKED(exchange->server, exchange->server->open--);
}

void exchange_close_notify(struct exchange *exchange) {
    if (exchange->tls != NULL && SSL_is_init_finished(exchange->tls)) {
        ERR_clear_error();
        SSL_shutdown(exchange->tls);
    }
}

/* shutdown() reaches the client even if a forked child holds a copy of the socket. */
void exchange_truncate(struct exchange *exchange) {
    if (exchange->socket < 0)
        return;
    shutdown(exchange->socket, SHUT_RDWR);
    drop_socket(exchange);
}

void exchange_close(struct exchange *exchange) {
    if (exchange->socket < 0)
        return;
    exchange_close_notify(exchange);
    exchange_truncate(exchange);
}

void exchange_reset(struct exchange *exchange) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (exchange->socket < 0)
        return;
    setsockopt(exchange->socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    drop_socket(exchange);
}

void exchange_half_close(struct exchange *exchange) {
    if (exchange->socket < 0)
        return;
    exchange_close_notify(exchange);
    shutdown(exchange->socket, SHUT_WR);
}

/* Bytes -------------------------------------------------------------------------------------------------- */

/* Reads once; 0: closed, failed or stopped. */
static size_t receive(struct exchange *exchange, void *buffer, size_t size) {
    while (exchange->socket >= 0) {
        ssize_t count;
        if (exchange->tls != NULL) {
            ERR_clear_error();
            count = SSL_read(exchange->tls, buffer, size > INT_MAX ? INT_MAX : (int)size);
            if (count <= 0 && wait_tls(exchange, (int)count))
                continue;
        } else {
            count = recv(exchange->socket, buffer, size, 0);
            if (count < 0 && (errno == EAGAIN || errno == EINTR) && wait_again(exchange, POLLIN))
                continue;
        }
        if (count <= 0)
            return 0;
        LOCKED(exchange->server, exchange->server->received += (uint64_t)count);
        return (size_t)count;
    }
    return 0;
}

size_t exchange_read(struct exchange *exchange, void *buffer, size_t size) {
    size_t count = exchange->unread_length < size ? exchange->unread_length : size;
    if (count == 0)
        return receive(exchange, buffer, size);
    memcpy(buffer, exchange->unread, count);
    exchange->unread_length -= count;
    memmove(exchange->unread, exchange->unread + count, exchange->unread_length);
    return count;
}

bool exchange_read_exactly(struct exchange *exchange, void *buffer, size_t size) {
    for (size_t at = 0, count; at < size; at += count)
        if ((count = exchange_read(exchange, (char *)buffer + at, size - at)) == 0)
            return false;
    return true;
}

/* Sends what fits at once. Sent and counted in one step: a client that has the bytes finds them in the
 * counter. */
static ssize_t send_some(struct exchange *exchange, const void *bytes, size_t length) {
    ssize_t count;
    pthread_mutex_lock(&exchange->server->lock);
    if (exchange->tls != NULL) {
        ERR_clear_error();
        count = SSL_write(exchange->tls, bytes, length > INT_MAX ? INT_MAX : (int)length);
    } else {
        count = send(exchange->socket, bytes, length, MSG_NOSIGNAL);
    }
    int because = errno;
    if (count > 0) {
        exchange->server->sent += (uint64_t)count;
        server_changed(exchange->server);
    }
    pthread_mutex_unlock(&exchange->server->lock);
    errno = because;
    return count;
}

/* Waits until a send that returned `count` can be repeated. Returns false if the connection has ended. */
static bool await_sendable(struct exchange *exchange, ssize_t count) {
    if (exchange->tls != NULL)
        return wait_tls(exchange, (int)count);
    return count < 0 && (errno == EAGAIN || errno == EINTR) && wait_again(exchange, POLLOUT);
}

bool exchange_send(struct exchange *exchange, const void *bytes, size_t length) {
    const char *next = bytes;
    while (length > 0 && exchange->socket >= 0) {
        ssize_t count = send_some(exchange, next, length);
        if (count > 0) {
            next += count;
            length -= (size_t)count;
        } else if (!await_sendable(exchange, count)) {
            return false;
        }
    }
    return exchange->socket >= 0;
}

bool exchange_send_text(struct exchange *exchange, const char *text) {
    return exchange_send(exchange, text, strlen(text));
}

bool exchange_send_below_tls(struct exchange *exchange, const void *bytes, size_t length) {
    SSL *tls = exchange->tls;
    exchange->tls = NULL;
    bool sent = exchange_send(exchange, bytes, length);
    exchange->tls = tls;
    return sent;
}

void exchange_ask_to_renegotiate(struct exchange *exchange) {
    SSL_set_verify(exchange->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_renegotiate(exchange->tls);
    SSL_do_handshake(exchange->tls);
    wait_again(exchange, POLLIN);
}

void exchange_renegotiate(struct exchange *exchange) {
    char byte;
    exchange_ask_to_renegotiate(exchange);
    receive(exchange, &byte, 1);
}

void exchange_send_mac_alert(struct exchange *exchange) {
    static const char damaged[5 + 40] = {0x17, 3, 3, 0, 40};
    char byte;
    SSL_set0_rbio(exchange->tls, must_allocate(BIO_new_mem_buf(damaged, sizeof damaged)));
    ERR_clear_error();
    SSL_read(exchange->tls, &byte, 1);
}

void exchange_cork(struct exchange *exchange, bool corked) {
    int value = corked;
    if (exchange->socket >= 0)
        setsockopt(exchange->socket, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

bool exchange_pause(struct exchange *exchange, int64_t milliseconds) {
    return wait_for(exchange, 0, false, milliseconds) == TIMED_OUT;
}

bool exchange_drip(struct exchange *exchange, const void *bytes, size_t length, size_t step,
                   int64_t interval_ms) {
    for (size_t at = 0; at < length; at += step) {
        size_t count = length - at < step ? length - at : step;
        if (at > 0 && !exchange_pause(exchange, interval_ms))
            return false;
        if (!exchange_send(exchange, (const char *)bytes + at, count))
            return false;
    }
    return true;
}

/* Whether the client has closed. Discards what it sent, and ignores TLS, because a client may close without a
 * close_notify. */
static bool is_closed_by_client(struct exchange *exchange) {
    char dropped[4096];
    for (;;) {
        ssize_t count = recv(exchange->socket, dropped, sizeof dropped, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
            return true;
        if (count < 0)
            return false;
    }
}

/* Waits until the client closes (READY) or, if `release` is set, until the release. */
static enum wakeup watch_client(struct exchange *exchange, bool release) {
    while (exchange->socket >= 0) {
        enum wakeup wakeup = wait_for(exchange, POLLIN | POLLRDHUP, release, -1);
        if (wakeup != READY || is_closed_by_client(exchange))
            return wakeup;
    }
    return READY;
}

bool exchange_hold(struct exchange *exchange) { return watch_client(exchange, true) == RELEASED; }

bool exchange_await_close(struct exchange *exchange) {
    bool closed = watch_client(exchange, false) == READY;
    exchange_close(exchange);
    return closed;
}

/* Relays ------------------------------------------------------------------------------------------------- */

/* Sends all bytes, however long the other side takes; false: it closed, or the server stops. */
static bool push(struct exchange *exchange, int to, const char *bytes, size_t count) {
    for (size_t at = 0; at < count;) {
        struct pollfd pollers[] = {{.fd = exchange->server->stop, .events = POLLIN},
                                   {.fd = to, .events = POLLOUT}};
        poll(pollers, COUNT(pollers), -1);
        ssize_t sent = send(to, bytes + at, count - at, MSG_NOSIGNAL);
        if (pollers[0].revents != 0 || (sent < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        at += sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

enum passage { PASSES, ENDED, BROKEN };

/* Copies what is available from one side to the other. */
static enum passage copy_once(struct exchange *exchange, int from, int to, relay_admit *admit) {
    char bytes[16384];
    ssize_t count = recv(from, bytes, sizeof bytes, 0);
    if (count <= 0)
        return count < 0 && (errno == EAGAIN || errno == EINTR) ? PASSES : ENDED;
    size_t admitted = (size_t)count;
    if (admit != NULL)
        admitted = admit(exchange, to == exchange->socket, admitted);
    if (!push(exchange, to, bytes, admitted))
        return ENDED;
    return admitted < (size_t)count ? BROKEN : PASSES;
}

/* Copies in both directions until the relay ends or breaks. */
static enum passage copy_both_ways(struct exchange *exchange, int there, relay_admit *admit) {
    enum passage passage = PASSES;
    int here = exchange->socket;
    while (passage == PASSES) {
        struct pollfd pollers[] = {{.fd = exchange->server->stop, .events = POLLIN},
                                   {.fd = here, .events = POLLIN},
                                   {.fd = there, .events = POLLIN}};
        poll(pollers, COUNT(pollers), -1);
        if (pollers[0].revents != 0)
            return ENDED;
        if (pollers[1].revents != 0)
            passage = copy_once(exchange, here, there, admit);
        if (passage == PASSES && pollers[2].revents != 0)
            passage = copy_once(exchange, there, here, admit);
    }
    return passage;
}

bool exchange_relay_in_part(struct exchange *exchange, uint16_t port, relay_admit *admit) {
    union any_address address;
    socklen_t length = address_of(NULL, port, &address);
    int family = address.any.sa_family;
    int there = must_not_fail(open_owned(open_socket, &family));
    bool open = connect(there, &address.any, length) == 0 || errno == EINPROGRESS;
    enum passage passage = open && exchange->socket >= 0 ? copy_both_ways(exchange, there, admit) : ENDED;
    close_owned(there);
    if (passage != BROKEN)
        exchange_close(exchange);
    return passage == BROKEN;
}

void exchange_relay(struct exchange *exchange, uint16_t port) {
    exchange_relay_in_part(exchange, port, NULL);
}

/* Responses ---------------------------------------------------------------------------------------------- */

static const char *reason_of(int status) {
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {301, "Moved Permanently"},
                   {302, "Found"},
                   {307, "Temporary Redirect"},
                   {308, "Permanent Redirect"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {407, "Proxy Authentication Required"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {422, "Unprocessable Entity"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

/* Sends the output of printf, of any length. */
static bool send_format(struct exchange *exchange, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool send_format(struct exchange *exchange, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = must_not_fail(vasprintf(&text, format, arguments));
    va_end(arguments);
    bool sent = exchange_send(exchange, text, (size_t)length);
    free(text);
    return sent;
}

bool exchange_send_head(struct exchange *exchange, int status, const char *headers) {
    return send_format(exchange, "HTTP/1.1 %d %s\r\n%s\r\n", status, reason_of(status),
                       headers == NULL ? "" : headers);
}

bool exchange_send_chunk(struct exchange *exchange, const void *bytes, size_t length) {
    return send_format(exchange, "%zx\r\n", length) &&
           (length == 0 || exchange_send(exchange, bytes, length)) && exchange_send_text(exchange, "\r\n");
}

static bool send_response_head(struct exchange *exchange, const struct response *response, size_t length) {
    const char *type = response->type == NULL ? "application/json" : response->type;
    char framing[64] = "";
    char type_line[200] = "";
    char *headers = NULL;
    if (response->framing == BY_LENGTH)
        snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", length);
    else if (response->framing == CHUNKED)
        strcpy(framing, "Transfer-Encoding: chunked\r\n");
    else if (response->framing == UNTIL_CLOSE)
        strcpy(framing, "Connection: close\r\n");
    if (type[0] != '\0')
        snprintf(type_line, sizeof type_line, "Content-Type: %s\r\n", type);
    const char *more = response->headers == NULL ? "" : response->headers;
    must_not_fail(asprintf(&headers, "%s%s%s", framing, type_line, more));
    bool sent = exchange_send_head(exchange, response->status == 0 ? 200 : response->status, headers);
    free(headers);
    return sent;
}

static bool send_response_body(struct exchange *exchange, const struct response *response, const char *body,
                               size_t length) {
    size_t sent = response->is_cut && response->cut < length ? response->cut : length;
    if (response->raw || response->framing != CHUNKED)
        return exchange_send(exchange, body, sent);
    if (length > 0 && !(send_format(exchange, "%zx\r\n", length) && exchange_send(exchange, body, sent)))
        return false;
    return response->is_cut || exchange_send_text(exchange, length > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
}

static void end_response(struct exchange *exchange, const struct response *response) {
    enum ending ending = response->ending;
    if (ending == KEEP && (response->is_cut || (response->framing == UNTIL_CLOSE && !response->raw)))
        ending = CLOSE;
    if (ending == CLOSE)
        exchange_close(exchange);
    else if (ending == TRUNCATE)
        exchange_truncate(exchange);
    else if (ending == RESET)
        exchange_reset(exchange);
    else if (ending == HALF_CLOSE)
        exchange_half_close(exchange);
    if (ending == HALF_CLOSE)
        exchange_await_close(exchange);
    if (ending == HOLD && !exchange_hold(exchange))
        exchange_close(exchange);
}

bool exchange_respond(struct exchange *exchange, const struct response *response) {
    const char *body = response->body == NULL ? "" : response->body;
    size_t length = response->length == 0 ? strlen(body) : response->length;
    if (response->delay_ms > 0 && !exchange_pause(exchange, response->delay_ms))
        return false;
    bool sent = response->silent || ((response->raw || send_response_head(exchange, response, length)) &&
                                     send_response_body(exchange, response, body, length));
    end_response(exchange, response);
    return sent;
}

static void respond_from_list(struct exchange *exchange) {
    const struct server_options *options = &exchange->server->options;
    size_t last = options->response_count - 1;
    exchange_respond(exchange, &exchange->server->responses[exchange->index < last ? exchange->index : last]);
}

/* A connection ------------------------------------------------------------------------------------------- */

/* The caller holds the server's lock. */
static void store_request(struct server *server, size_t index, struct request request) {
    if (index == server->request_capacity) {
        server->request_capacity = server->request_capacity == 0 ? 64 : 2 * server->request_capacity;
        server->requests =
            must_allocate(realloc(server->requests, server->request_capacity * sizeof *server->requests));
    }
    server->requests[index] = request;
}

static void record_request(struct exchange *exchange, char *head) {
    struct server *server = exchange->server;
    pthread_mutex_lock(&server->lock);
    exchange->index = server->request_count++;
    if (!server->options.forgetful)
        store_request(server, exchange->index,
                      (struct request){.head = head, .at_ms = now_ms(), .connection = exchange->connection});
    server_changed(server);
    pthread_mutex_unlock(&server->lock);
    exchange->head = head;
    if (server->options.forgetful) {
        free(exchange->owned_head);
        exchange->owned_head = head;
    }
}

/* Reads up to the empty line and records the head; what follows stays in `unread`. */
static bool read_request(struct exchange *exchange) {
    for (;;) {
        char *end = memmem(exchange->unread, exchange->unread_length, "\r\n\r\n", 4);
        if (end != NULL) {
            size_t length = (size_t)(end + 4 - exchange->unread);
            char *head = must_allocate(calloc(1, length + 1));
            memcpy(head, exchange->unread, length);
            exchange->unread_length -= length;
            memmove(exchange->unread, exchange->unread + length, exchange->unread_length);
            record_request(exchange, head);
            return true;
        }
        size_t capacity = HEAD_LIMIT - exchange->unread_length;
        size_t count =
            capacity == 0 ? 0 : receive(exchange, exchange->unread + exchange->unread_length, capacity);
        if (count == 0)
            return false;
        exchange->unread_length += count;
    }
}

static bool begin_tls(struct exchange *exchange) {
    struct server *server = exchange->server;
    if (server->tls == NULL)
        return exchange->socket >= 0;
    if (exchange->socket < 0)
        return false;
    exchange->tls = must_allocate(SSL_new(server->tls));
    SSL_set_fd(exchange->tls, exchange->socket);
    for (;;) {
        ERR_clear_error();
        int result = SSL_accept(exchange->tls);
        if (result == 1)
            break;
        if (!wait_tls(exchange, result))
            return false;
    }
    LOCKED(server, server->handshakes++);
    if (server->options.handshake_done != NULL)
        server->options.handshake_done(exchange);
    return true;
}

static void *serve_connection(void *data) {
    struct exchange *exchange = data;
    struct server *server = exchange->server;
    own_thread();
    exchange->unread = must_allocate(malloc(HEAD_LIMIT));
    if (server->options.connected != NULL)
        server->options.connected(exchange);
    if (begin_tls(exchange))
        while (exchange->socket >= 0 && !is_signalled(server->stop) && read_request(exchange))
            server->options.handler(exchange);
    exchange_close(exchange);
    free(exchange->unread);
    free(exchange->owned_head);
    LOCKED(server, exchange->finished = true);
    return NULL;
}

/* The server --------------------------------------------------------------------------------------------- */

static pthread_t start_thread(void *(*work)(void *), void *data) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    errno = pthread_create(&thread, &attributes, work, data);
    must_not_fail(errno == 0 ? 0 : -1);
    pthread_attr_destroy(&attributes);
    return thread;
}

/* Joins the threads of finished connections, or of all. */
static void join_connections(struct server *server, bool all) {
    struct exchange *done = NULL;
    pthread_mutex_lock(&server->lock);
    for (struct exchange **link = &server->exchanges; *link != NULL;) {
        struct exchange *exchange = *link;
        if (!all && !exchange->finished) {
            link = &exchange->next;
            continue;
        }
        *link = exchange->next;
        exchange->next = done;
        done = exchange;
    }
    pthread_mutex_unlock(&server->lock);
    while (done != NULL) {
        struct exchange *exchange = done;
        done = exchange->next;
        pthread_join(exchange->thread, NULL);
        free(exchange);
    }
}

static void begin_connection(struct server *server, int connected) {
    int on = 1;
    struct exchange *exchange = must_allocate(calloc(1, sizeof *exchange));
    setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    exchange->server = server;
    exchange->socket = connected;
    pthread_mutex_lock(&server->lock);
    exchange->connection = server->connections++;
    server->open++;
    exchange->next = server->exchanges;
    server->exchanges = exchange;
    exchange->thread = start_thread(serve_connection, exchange);
    server_changed(server);
    pthread_mutex_unlock(&server->lock);
}

static void *accept_connections(void *data) {
    struct server *server = data;
    own_thread();
    struct pollfd pollers[] = {
        {.fd = server->stop, .events = POLLIN},
        {.fd = server->options.unserved ? server->release : server->listener, .events = POLLIN}};
    for (;;) {
        poll(pollers, COUNT(pollers), -1);
        if (pollers[0].revents != 0)
            return NULL;
        pollers[1].fd = server->listener;
        int connected = open_owned(open_connection, &server->listener);
        if (connected >= 0)
            begin_connection(server, connected);
        else if (errno == EMFILE || errno == ENFILE)
            poll(pollers, 1, 5); /* A test may exhaust the descriptors; retry until one is free. */
        join_connections(server, false);
    }
}

/* The acceptor blocks all signals, and all threads of the server inherit that: signals belong to the test. */
static void start_acceptor(struct server *server) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    server->acceptor = start_thread(accept_connections, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Selects http/1.1 if it is offered. */
static int choose_protocol(SSL *tls, const unsigned char **chosen, unsigned char *length,
                           const unsigned char *offered, unsigned int size, void *data) {
    static const unsigned char known[] = "\x08http/1.1";
    struct server *server = data;
    (void)tls;
    pthread_mutex_lock(&server->lock);
    size_t at = 0;
    for (unsigned int i = 0; i < size && at + offered[i] + 2 < sizeof server->alpn; i += offered[i] + 1) {
        at += (size_t)snprintf(server->alpn + at, sizeof server->alpn - at, "%s%.*s", i == 0 ? "" : ",",
                               offered[i], (const char *)offered + i + 1);
    }
    pthread_mutex_unlock(&server->lock);
    int found = SSL_select_next_proto((unsigned char **)(uintptr_t)chosen, length, known, sizeof known - 1,
                                      offered, size);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *make_tls(struct server *server) {
    const struct server_options *options = &server->options;
    SSL_CTX *tls = must_allocate(SSL_CTX_new(TLS_server_method()));
    if (options->minimum_tls != 0 && options->minimum_tls < TLS1_2_VERSION)
        SSL_CTX_set_cipher_list(tls, "ALL:@SECLEVEL=0");
    if (strncmp(options->certificate, "weak", 4) == 0)
        SSL_CTX_set_security_level(tls, 0);
    static const int verification[] = {SSL_VERIFY_NONE, SSL_VERIFY_PEER,
                                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};
    SSL_CTX_set_verify(tls, verification[options->client_certificate], NULL);
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"tests", 5);
    SSL_CTX_set_alpn_select_cb(tls, choose_protocol, server);
    SSL_CTX_set_min_proto_version(tls, options->minimum_tls);
    SSL_CTX_set_max_proto_version(tls, options->maximum_tls);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (options->keeps_sessions)
        SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
    char file[60], key[60];
    snprintf(file, sizeof file, "%s.pem", options->certificate);
    snprintf(key, sizeof key, "%s.key", options->certificate);
    if (SSL_CTX_use_certificate_chain_file(tls, certificate_path(file)) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, certificate_path(key), SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        abort();
    }
    return tls;
}

static void choose_handler(struct server *server) {
    static const struct response nothing = {.body = "{}"};
    struct server_options *options = &server->options;
    const struct response *responses = options->response_count == 0 ? &nothing : options->responses;
    if (options->response_count == 0)
        options->response_count = 1;
    server->responses = must_allocate(calloc(options->response_count, sizeof *responses));
    memcpy(server->responses, responses, options->response_count * sizeof *responses);
    if (options->handler == NULL)
        options->handler = respond_from_list;
}

struct server *serve(const struct server_options *options) {
    uint16_t port;
    int listener = bound_socket(options->address, options->port, &port);
    if (listener < 0)
        return NULL;
    struct server *server = must_allocate(calloc(1, sizeof *server));
    server->options = *options;
    server->listener = listener;
    server->port = port;
    choose_handler(server);
    if (options->certificate != NULL)
        server->tls = make_tls(server);
    pthread_mutex_init(&server->lock, NULL);
    condition_init(&server->changed);
    server->stop = must_not_fail(open_owned(open_eventfd, NULL));
    server->release = must_not_fail(open_owned(open_eventfd, NULL));
    if (options->unserved)
        limit_window(server->listener);
    must_not_fail(listen(server->listener, 1024));
    write_url(server->url, sizeof server->url, server->tls == NULL ? "http" : "https", options->address,
              server->port);
    start_acceptor(server);
    return server;
}

struct server *serve_responses(size_t count, const struct response *responses) {
    return serve(&(struct server_options){.responses = responses, .response_count = count});
}

struct server *serve_body(const char *body) {
    return serve_responses(1, &(struct response){.body = body});
}

void server_release(struct server *server) { signal_eventfd(server->release); }

void server_stop(struct server *server) {
    if (server == NULL)
        return;
    signal_eventfd(server->stop);
    pthread_join(server->acceptor, NULL);
    join_connections(server, true);
    close_owned(server->listener);
    close_owned(server->stop);
    close_owned(server->release);
    if (server->tls != NULL)
        SSL_CTX_free(server->tls);
    for (size_t i = 0; server->requests != NULL && i < server->request_count; i++)
        free(server->requests[i].head);
    free(server->requests);
    free(server->responses);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

static const char *temporary_copy(const char *text, size_t length) {
    static _Thread_local char copies[8][4096];
    static _Thread_local unsigned next;
    char *copy = copies[next++ % COUNT(copies)];
    snprintf(copy, sizeof copies[0], "%.*s", (int)length, text);
    return copy;
}

/* What happened ------------------------------------------------------------------------------------------ */

const char *server_url(const struct server *server) { return server->url; }

uint16_t server_port(const struct server *server) { return server->port; }

void *server_data(const struct server *server) { return server->options.data; }

#define COUNTER(type, name, field)                                                                           \
    type name(struct server *server) {                                                                       \
        pthread_mutex_lock(&server->lock);                                                                   \
        type value = server->field;                                                                          \
        pthread_mutex_unlock(&server->lock);                                                                 \
        return value;                                                                                        \
    }

COUNTER(size_t, server_connections, connections)
COUNTER(size_t, server_open, open)
COUNTER(size_t, server_handshakes, handshakes)
COUNTER(size_t, server_requests, request_count)
COUNTER(uint64_t, server_received, received)
COUNTER(uint64_t, server_sent, sent)

const char *server_alpn(struct server *server) {
    pthread_mutex_lock(&server->lock);
    const char *alpn = temporary_copy(server->alpn, strlen(server->alpn));
    pthread_mutex_unlock(&server->lock);
    return alpn;
}

static struct request request_at(struct server *server, size_t index) {
    struct request request = {.head = NULL, .at_ms = -1, .connection = SIZE_MAX};
    pthread_mutex_lock(&server->lock);
    if (server->requests != NULL && index < server->request_count)
        request = server->requests[index];
    pthread_mutex_unlock(&server->lock);
    return request;
}

const char *server_head(struct server *server, size_t index) { return request_at(server, index).head; }

int64_t server_request_ms(struct server *server, size_t index) { return request_at(server, index).at_ms; }

size_t server_request_connection(struct server *server, size_t index) {
    return request_at(server, index).connection;
}

struct counts {
    size_t connections, requests, open;
};

static bool has_reached(const struct server *server, const struct counts *counts) {
    return server->connections >= counts->connections && server->request_count >= counts->requests &&
           server->open <= counts->open;
}

static bool await_counts(struct server *server, struct counts counts, int64_t limit_ms) {
    int64_t until = now_ms() + limit_ms * check_patience();
    pthread_mutex_lock(&server->lock);
    while (!has_reached(server, &counts) && condition_await(&server->changed, &server->lock, until))
        continue;
    bool reached = has_reached(server, &counts);
    pthread_mutex_unlock(&server->lock);
    return reached;
}

bool server_await_connections(struct server *server, size_t count, int64_t limit_ms) {
    return await_counts(server, (struct counts){.connections = count, .open = SIZE_MAX}, limit_ms);
}

bool server_await_requests(struct server *server, size_t count, int64_t limit_ms) {
    return await_counts(server, (struct counts){.requests = count, .open = SIZE_MAX}, limit_ms);
}

bool server_await_open(struct server *server, size_t count, int64_t limit_ms) {
    return await_counts(server, (struct counts){.open = count}, limit_ms);
}

struct server *exchange_server(const struct exchange *exchange) {
    return exchange->server;
}

void *exchange_data(const struct exchange *exchange) { return exchange->server->options.data; }

size_t exchange_index(const struct exchange *exchange) { return exchange->index; }

size_t exchange_connection(const struct exchange *exchange) { return exchange->connection; }

const char *exchange_head(const struct exchange *exchange) { return exchange->head; }

/* Heads -------------------------------------------------------------------------------------------------- */

const char *head_line(const char *head) {
    return head == NULL ? NULL : temporary_copy(head, strcspn(head, "\r"));
}

/* The value of the first header of this name after `line`; NULL: none. */
static const char *find_header(const char *line, const char *name) {
    size_t length = strlen(name);
    for (line = strstr(line, "\r\n"); line != NULL && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *start = line + 2;
        if (strncasecmp(start, name, length) == 0 && start[length] == ':')
            return start + length + 1;
    }
    return NULL;
}

const char *head_value(const char *head, const char *name) {
    const char *value = head == NULL ? NULL : find_header(head, name);
    if (value == NULL)
        return NULL;
    value += strspn(value, " \t");
    return temporary_copy(value, strcspn(value, "\r"));
}

size_t head_count(const char *head, const char *name) {
    size_t count = 0;
    for (const char *at = head; at != NULL && (at = find_header(at, name)) != NULL;)
        count++;
    return count;
}

/* Dead ports --------------------------------------------------------------------------------------------- */

struct dead_port {
    char url[80];
    uint16_t number;
    int sockets[4]; /* the listener, and connections that fill its backlog */
};

static struct dead_port *dead_port(const char *address) {
    struct dead_port *port = must_allocate(calloc(1, sizeof *port));
    for (size_t i = 1; i < COUNT(port->sockets); i++)
        port->sockets[i] = -1;
    port->sockets[0] = bound_socket(address, 0, &port->number);
    write_url(port->url, sizeof port->url, "http", address, port->number);
    return port;
}

/* The socket is bound but does not listen. */
struct dead_port *refusing_port(const char *address) {
    return dead_port(address);
}

/* A backlog of 0 holds one connection; the kernel drops further SYNs. */
struct dead_port *black_hole(const char *where) {
    struct dead_port *port = dead_port(where);
    union any_address address;
    socklen_t length = address_of(where, port->number, &address);
    int family = address.any.sa_family;
    must_not_fail(listen(port->sockets[0], 0));
    for (size_t i = 1; i < COUNT(port->sockets); i++) {
        port->sockets[i] = must_not_fail(open_owned(open_socket, &family));
        if (connect(port->sockets[i], &address.any, length) < 0 && errno != EINPROGRESS)
            must_not_fail(-1);
    }
    return port;
}

const char *dead_port_url(const struct dead_port *port) { return port->url; }

uint16_t dead_port_number(const struct dead_port *port) { return port->number; }

void dead_port_free(struct dead_port *port) {
    if (port == NULL)
        return;
    for (size_t i = COUNT(port->sockets); i-- > 0;)
        close_owned(port->sockets[i]);
    free(port);
}

/* Certificates ------------------------------------------------------------------------------------------- */

static char certificates[PATH_MAX / 2];

static void run_command(const char *format, const char *folder) {
    char command[PATH_MAX];
    snprintf(command, sizeof command, format, folder);
    if (system(command) != 0) {
        fprintf(stderr, "test server: failed: %s\n", command);
        abort();
    }
}

static void remove_certificates(void) { run_command("rm -rf '%s'", certificates); }

const char *certificate_path(const char *file) {
    static char paths[80][PATH_MAX];
    if (certificates[0] == '\0') {
        const char *given = getenv("CHECK_CERTIFICATES");
        snprintf(certificates, sizeof certificates, "%s", given == NULL ? "/tmp/certificates-XXXXXX" : given);
        if (given == NULL) {
            must_allocate(mkdtemp(certificates));
            atexit(remove_certificates);
            run_command("sh '" SUPPORT_DIR "/certificates.sh' '%s'", certificates);
        }
    }
    for (size_t i = 0; i < COUNT(paths); i++) {
        if (paths[i][0] == '\0')
            snprintf(paths[i], sizeof paths[i], "%s/%s", certificates, file);
        if (strcmp(paths[i] + strlen(certificates) + 1, file) == 0)
            return paths[i];
    }
    fprintf(stderr, "test server: too many certificates\n");
    abort();
}
