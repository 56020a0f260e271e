/* A scripted HTTP server for tests. It runs in threads of the test program, on loopback, on a port of its
 * own.
 *
 * The short way is a list of answers, one a request (on whatever connection), the last one for all that
 * follow:
 *
 *     struct server *server = serve_responses(2, (struct answer[]){{.status = 503}, {.body = "{\"status\":
 * \"RUNNING\"}"}});
 *     ... call server_url(server) ...
 *     CHECK(server_await_requests(server, 2, 1000));
 *     CHECK_STR(head_value(server_head(server, 0), "accept-encoding"), "gzip");
 *     server_stop(server);
 *
 * The long way is a handler, called on the connection's thread for each request whose head has been read:
 *
 *     static void drip(struct exchange *exchange) {
 *         exchange_send_head(exchange, 200, "Content-Length: 4\r\n");
 *         exchange_drip(exchange, "null", 4, 1, 100);
 *     }
 *     struct server *server = serve(&(struct server_options){.handler = drip});
 *
 * When the handler returns, the connection waits for its next request, unless it has been closed. All waiting
 * inside a handler must be done with the functions below: they end when the server is stopped. They give
 * false when the connection is gone or the server is being stopped; a handler may ignore that, for everything
 * after it does nothing.
 *
 * Functions that cannot fail but for want of resources end the program when they do. The server's threads
 * block all signals and take no part in thread_count() and descriptor_count().
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct server;
struct exchange;

/* Answers ------------------------------------------------------------------------------------------------ */

enum framing {
    BY_LENGTH, /* Content-Length */
    CHUNKED,   /* one chunk, then the last */
    UNTIL_CLOSE,
    NO_FRAMING /* the answer's headers say what they like; the connection stays */
};

enum ending {
    KEEP,       /* wait for the next request; UNTIL_CLOSE: as CLOSE */
    CLOSE,      /* in order; with TLS: close_notify first */
    TRUNCATE,   /* with TLS: FIN without close_notify; else as CLOSE */
    RESET,      /* RST */
    HALF_CLOSE, /* FIN, then read on until the client closes */
    HOLD        /* nothing more, until the client closes or server_release */
};

/* Every field may be left out. */
struct response {
    int status;          /* 0: 200 */
    const char *headers; /* further lines, each with its \r\n */
    const char *body;
    size_t length;    /* of the body; 0: its strlen */
    const char *type; /* Content-Type; NULL: application/json; "": none */
    enum framing framing;
    bool raw;    /* body is all that is sent, head included */
    bool silent; /* nothing is sent, only `ending` happens */
    bool is_cut; /* only the first `cut` bytes of the body (with CHUNKED: of a chunk that announces the whole)
                    are sent, */
    size_t cut;  /* then `ending` (KEEP: CLOSE) happens */
    int64_t delay_ms; /* before anything is sent */
    enum ending ending;
};

/* Servers ------------------------------------------------------------------------------------------------ */

struct server_options {
    const char *address;     /* NULL: 127.0.0.1; else another address of 127.0.0.0/8, or ::1 */
    uint16_t port;           /* 0: any free one; else, where somebody has it, there is no server: NULL */
    const char *certificate; /* "good", "expired", ... of certificate_path(), with its key; NULL: no TLS */
    int minimum_tls;         /* 0, TLS1_2_VERSION, ... of <openssl/ssl.h>; TLS below 1.2 is possible, too */
    int maximum_tls;
    /* Called on each new connection, before TLS and before anything is read; may be NULL. */
    void (*connected)(struct exchange *exchange);
    /* Called when a TLS session has come about, before a request is read; may be NULL. */
    void (*handshake_done)(struct exchange *exchange);
    /* Called for each request. NULL: the answers. */
    void (*handler)(struct exchange *exchange);
    const struct response *responses; /* copied; what they point at is not */
    size_t response_count;
    void *data;     /* for the callbacks */
    bool unserved;  /* connections are established by the kernel, but not accepted before server_release */
    bool forgetful; /* requests are counted, but neither head nor time is kept: for those that run for long */
};

struct server *serve(const struct server_options *options);
struct server *serve_responses(size_t count, const struct response *responses);
struct server *serve_body(const char *body); /* 200 and this body, always */
/* Ends every wait, joins all threads, closes all. What server_head and server_url gave is gone. NULL is
 * allowed. */
void server_stop(struct server *server);
/* Lets go whatever is held: `unserved`, HOLD, exchange_hold; from now on nothing is held. */
void server_release(struct server *server);

const char *server_url(
    const struct server *server); /* "http://127.0.0.1:40000", "https://[::1]:40000"; no slash at the end */
uint16_t server_port(const struct server *server);
void *server_data(const struct server *server);

/* What happened so far. */
size_t server_connections(struct server *server); /* accepted */
size_t server_open(struct server *server);        /* of those, still open on the server's side */
size_t server_handshakes(struct server *server);  /* TLS sessions that came about */
size_t server_requests(struct server *server);    /* whose head has been read */
uint64_t server_received(struct server *server);  /* bytes, without TLS's own */
uint64_t server_sent(struct server *server);
/* The head of request `index`, byte for byte, with the empty line at its end; NULL: not there. Valid until
 * server_stop. */
const char *server_head(struct server *server, size_t index);
int64_t server_request_ms(struct server *server,
                          size_t index); /* now_ms() when its head was complete; -1: not there */
size_t server_request_connection(struct server *server,
                                 size_t index); /* on which connection it came, from 0 */

/* Each waits for an event, up to a limit (stretched by the patience), and gives false when it did not come.
 */
bool server_await_connections(struct server *server, size_t count,
                              int64_t limit_ms); /* at least so many accepted */
bool server_await_requests(struct server *server, size_t count,
                           int64_t limit_ms);                                  /* at least so many requests */
bool server_await_open(struct server *server, size_t count, int64_t limit_ms); /* at most so many open */

/* Heads -------------------------------------------------------------------------------------------------- */

/* "GET /path HTTP/1.1"; then the value of a header, its name compared without case, the first of several;
 * NULL: none. Both stay valid until the thread's next 8 such calls. */
const char *head_line(const char *head);
const char *head_value(const char *head, const char *name);
size_t head_count(const char *head, const char *name); /* how many lines bear this name */

/* Inside a handler --------------------------------------------------------------------------------------- */

struct server *exchange_server(const struct exchange *exchange);
void *exchange_data(const struct exchange *exchange);        /* server_options.data */
size_t exchange_index(const struct exchange *exchange);      /* the request's number on the server, from 0 */
size_t exchange_connection(const struct exchange *exchange); /* the connection's number, from 0 */
const char *exchange_head(const struct exchange *exchange);  /* NULL in `connected` */

/* Plain or TLS, as the server is; inside `connected`, always plain. */
size_t exchange_read(struct exchange *exchange, void *buffer,
                     size_t size); /* what is there, at least 1 byte; 0: the end */
bool exchange_read_exactly(struct exchange *exchange, void *buffer, size_t size);
bool exchange_send(struct exchange *exchange, const void *bytes, size_t length);
bool exchange_send_text(struct exchange *exchange, const char *text);
/* With TLS: past it, as no server should; and its goodbye, after which the connection stays as it is. */
bool exchange_send_below_tls(struct exchange *exchange, const void *bytes, size_t length);
/* What is sent is kept back, and goes out at once when this ends. */
void exchange_keep_back(struct exchange *exchange, bool keep_back);
void exchange_close_notify(struct exchange *exchange);
/* Status line, `headers` (lines with \r\n, or NULL) and the empty line. */
bool exchange_send_head(struct exchange *exchange, int status, const char *headers);
bool exchange_send_chunk(struct exchange *exchange, const void *bytes,
                         size_t length); /* length 0: the last chunk */
/* `step` bytes at a time, with a pause before each but the first. */
bool exchange_drip(struct exchange *exchange, const void *bytes, size_t length, size_t step,
                   int64_t interval_ms);
bool exchange_respond(struct exchange *exchange, const struct response *response);
bool exchange_pause(struct exchange *exchange, int64_t milliseconds);
bool exchange_hold(
    struct exchange *exchange); /* until server_release; false: the client closed, or stopped */
bool exchange_await_close(
    struct exchange *exchange); /* until the client closes or resets; what it sends is dropped */
/* Connects to a port of 127.0.0.1 and hands all bytes on, both ways, until either side ends or the server is
 * stopped; then closes both. Plain bytes: for servers that play a proxy. */
void exchange_relay(struct exchange *exchange, uint16_t port);
/* The same, for a relay that breaks: `admit` is asked before bytes are handed on, to the client or to the
 * server, how many of them may pass. Where it holds some back, the others still pass, and the relay ends with
 * true, the client's connection being open as before; false: it ended by itself, as above. */
typedef size_t relay_admit(struct exchange *exchange, bool to_client, size_t count);
bool exchange_relay_in_part(struct exchange *exchange, uint16_t port, relay_admit *admit);
void exchange_close(struct exchange *exchange);
void exchange_truncate(struct exchange *exchange);
void exchange_reset(struct exchange *exchange);
void exchange_half_close(struct exchange *exchange);

/* Ports where nobody answers ----------------------------------------------------------------------------- */

struct dead_port;
struct dead_port *
refusing_port(const char *address); /* connection refused; the port stays taken. NULL: 127.0.0.1 */
struct dead_port *
black_hole(const char *address); /* a full backlog: attempts to connect get no reply at all */
const char *dead_port_url(const struct dead_port *port); /* "http://127.0.0.1:40000" */
uint16_t dead_port_number(const struct dead_port *port);
void dead_port_free(struct dead_port *port);

/* Certificates ------------------------------------------------------------------------------------------- */

/* The path of a file that certificates.sh makes: "ca.pem", "good.pem", "good.key", ... They are made at the
 * first call, in a folder that goes when the program ends, unless CHECK_CERTIFICATES names a folder that has
 * them. For the main thread; the result stays valid. */
const char *certificate_path(const char *file);

#ifdef __cplusplus
}
#endif

#endif
