/* A scripted HTTP server for tests. It runs in threads of the test program, on loopback, on a port of its
 * own.
 *
 * The short way is a list of responses, one for each request on any connection; the last one repeats:
 *
 *     struct response responses[] = {{.status = 503}, {.body = "{\"status\": \"RUNNING\"}"}};
 *     struct server *server = serve_responses(2, responses);
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
 * When the handler returns, the connection waits for its next request, unless the handler closed it. A
 * handler may block only in the functions below, because they return when the server is stopped. They return
 * false when the connection is closed or the server is being stopped; a handler may ignore that, since all
 * later calls then do nothing.
 *
 * Functions that can fail only for lack of resources abort the program. The server's threads block all
 * signals and are not counted by thread_count(), nor its descriptors by descriptor_count().
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

/* Responses ---------------------------------------------------------------------------------------------- */

enum framing {
    BY_LENGTH, /* Content-Length */
    CHUNKED,   /* one chunk, then the last */
    UNTIL_CLOSE,
    NO_FRAMING /* no such header; the connection stays open */
};

enum ending {
    KEEP,       /* wait for the next request; with UNTIL_CLOSE, like CLOSE */
    CLOSE,      /* close cleanly, with TLS after a close_notify */
    TRUNCATE,   /* FIN without a close_notify; without TLS, like CLOSE */
    RESET,      /* RST */
    HALF_CLOSE, /* FIN, then read until the client closes */
    HOLD        /* send nothing more until the client closes or server_release() */
};

/* Every field may be omitted. */
struct response {
    int status;          /* 0: 200 */
    const char *headers; /* further header lines, each with its \r\n */
    const char *body;
    size_t length;    /* of the body; 0: strlen(body) */
    const char *type; /* Content-Type; NULL: application/json; "": none */
    enum framing framing;
    bool raw;    /* `body` is the whole response, head included */
    bool silent; /* send nothing, only apply `ending` */
    bool is_cut; /* announce the whole body but send only its first `cut` bytes; KEEP is then CLOSE */
    size_t cut;
    int64_t delay_ms; /* before the response */
    enum ending ending;
};

/* Servers ------------------------------------------------------------------------------------------------ */

/* Whether the server asks clients for a certificate. */
enum client_certificate { UNASKED, OPTIONAL, REQUIRED };

struct server_options {
    const char *address;     /* NULL: 127.0.0.1; else another address of 127.0.0.0/8, or ::1 */
    uint16_t port;           /* 0: any free port; serve() returns NULL if the port is in use */
    const char *certificate; /* "good", "expired", ...: see certificate_path(); NULL: no TLS */
    int minimum_tls;         /* 0, TLS1_2_VERSION, ... of <openssl/ssl.h>; versions below 1.2 work, too */
    int maximum_tls;
    /* Keeps TLS sessions in memory, so that a ticket is an id of 32 bytes. Other tickets contain the session,
     * and 1 of 400 is a cipher block shorter than the others. */
    bool keeps_sessions;
    enum client_certificate client_certificate;
    /* Called on each new connection, before TLS and before anything is read; may be NULL. */
    void (*connected)(struct exchange *exchange);
    /* Called after each TLS handshake, before a request is read; may be NULL. */
    void (*handshake_done)(struct exchange *exchange);
    /* Called for each request. NULL: sends the responses. */
    void (*handler)(struct exchange *exchange);
    const struct response *responses; /* copied, but not the texts they point to */
    size_t response_count;
    void *data;    /* for the callbacks */
    bool unserved; /* until server_release(), accept no connection; the kernel establishes them, for a few KiB
                    */
    bool forgetful; /* count requests but keep neither their heads nor times: for long runs */
};

struct server *serve(const struct server_options *options);
struct server *serve_responses(size_t count, const struct response *responses);
struct server *serve_body(const char *body); /* 200 and this body, for every request */
/* Ends every wait, joins all threads and closes all connections. Invalidates what server_head() and
 * server_url() returned. `server` may be NULL. */
void server_stop(struct server *server);
/* Releases everything that is held (`unserved`, HOLD, exchange_hold()), now and later. */
void server_release(struct server *server);

/* "http://127.0.0.1:40000" or "https://[::1]:40000", without a slash at the end. */
const char *server_url(const struct server *server);
uint16_t server_port(const struct server *server);
void *server_data(const struct server *server);

/* What has happened so far. */
size_t server_connections(struct server *server); /* connections accepted */
size_t server_open(struct server *server);        /* of these, the ones the server has not closed */
size_t server_handshakes(struct server *server);  /* completed TLS handshakes */
size_t server_requests(struct server *server);    /* requests whose head was read */
/* The application protocols that the last client offered, separated by commas; "": none. Valid until the
 * thread's next 7 calls of this function or head_value(). */
const char *server_alpn(struct server *server);
uint64_t server_received(struct server *server); /* bytes, without TLS overhead */
uint64_t server_sent(struct server *server);
/* The head of request `index`, byte for byte, including the empty line; NULL: no such request. Valid until
 * server_stop(). */
const char *server_head(struct server *server, size_t index);
/* now_ms() when the head was complete; -1: no such request. */
int64_t server_request_ms(struct server *server, size_t index);
/* The number of the request's connection, from 0. */
size_t server_request_connection(struct server *server, size_t index);

/* Each waits until the condition holds and returns false after the limit (times the patience). */
/* At least `count` connections accepted. */
bool server_await_connections(struct server *server, size_t count, int64_t limit_ms);
/* At least `count` requests read. */
bool server_await_requests(struct server *server, size_t count, int64_t limit_ms);
/* At most `count` connections open. */
bool server_await_open(struct server *server, size_t count, int64_t limit_ms);

/* Heads -------------------------------------------------------------------------------------------------- */

/* The request line, "GET /path HTTP/1.1", and the value of the first header of this name (in any case); NULL:
 * none. Each result stays valid for the thread's next 7 such calls. */
const char *head_line(const char *head);
const char *head_value(const char *head, const char *name);
size_t head_count(const char *head, const char *name); /* the number of headers of this name */

/* Inside a handler --------------------------------------------------------------------------------------- */

struct server *exchange_server(const struct exchange *exchange);
void *exchange_data(const struct exchange *exchange);        /* server_options.data */
size_t exchange_index(const struct exchange *exchange);      /* the number of the request, from 0 */
size_t exchange_connection(const struct exchange *exchange); /* the number of the connection, from 0 */
const char *exchange_head(const struct exchange *exchange);  /* NULL in `connected` */

/* These use TLS if the server does, but not in `connected`. */
/* Reads what is available, at least 1 byte; 0: the end. */
size_t exchange_read(struct exchange *exchange, void *buffer, size_t size);
bool exchange_read_exactly(struct exchange *exchange, void *buffer, size_t size);
bool exchange_send(struct exchange *exchange, const void *bytes, size_t length);
bool exchange_send_text(struct exchange *exchange, const char *text);
/* Sends bytes to the socket directly, bypassing TLS, as no server should. */
bool exchange_send_below_tls(struct exchange *exchange, const void *bytes, size_t length);
/* Asks for a new handshake in which the client must present a certificate (TLS 1.2 only), and waits until the
 * client responds, but does not read the response. */
void exchange_ask_to_renegotiate(struct exchange *exchange);
/* The same, and reads the response: if the client declines, OpenSSL sends the fatal alert "handshake
 * failure". */
void exchange_renegotiate(struct exchange *exchange);
/* Sends the fatal alert "bad record MAC" within the session, as if the client's records were damaged. */
void exchange_send_mac_alert(struct exchange *exchange);
/* Holds back whatever is sent until called with false, which sends it all at once. */
void exchange_cork(struct exchange *exchange, bool corked);
/* Sends a close_notify and leaves the connection open. */
void exchange_close_notify(struct exchange *exchange);
/* Status line, `headers` (lines with \r\n, or NULL) and the empty line. */
bool exchange_send_head(struct exchange *exchange, int status, const char *headers);
/* Length 0: the last chunk. */
bool exchange_send_chunk(struct exchange *exchange, const void *bytes, size_t length);
/* Sends `step` bytes at a time, with a pause between them. */
bool exchange_drip(struct exchange *exchange, const void *bytes, size_t length, size_t step,
                   int64_t interval_ms);
bool exchange_respond(struct exchange *exchange, const struct response *response);
bool exchange_pause(struct exchange *exchange, int64_t milliseconds);
/* Waits for server_release(); false: the client closed first, or the server is being stopped. */
bool exchange_hold(struct exchange *exchange);
/* Waits until the client closes or resets the connection, discards what it sends, then closes. */
bool exchange_await_close(struct exchange *exchange);
/* Connects to a port of 127.0.0.1 and copies bytes in both directions, without TLS, until either side closes
 * or the server is stopped; then closes both. For servers that act as a proxy. */
void exchange_relay(struct exchange *exchange, uint16_t port);
/* Like exchange_relay(), but can break: `admit` returns how many of the next `count` bytes may pass. If that
 * is fewer, these still pass, then the relay ends: the function returns true and leaves the client's
 * connection open. Returns false if the relay ended otherwise. */
typedef size_t relay_admit(struct exchange *exchange, bool to_client, size_t count);
bool exchange_relay_in_part(struct exchange *exchange, uint16_t port, relay_admit *admit);
void exchange_close(struct exchange *exchange);
void exchange_truncate(struct exchange *exchange);
void exchange_reset(struct exchange *exchange);
void exchange_half_close(struct exchange *exchange);

/* Ports that do not respond ------------------------------------------------------------------------------ */

struct dead_port;
/* Reserves a port that refuses connections. The address NULL is 127.0.0.1, also below. */
struct dead_port *refusing_port(const char *address);
/* Opens a port whose backlog is full, so that attempts to connect get no reply at all. */
struct dead_port *black_hole(const char *address);
const char *dead_port_url(const struct dead_port *port); /* "http://127.0.0.1:40000" */
uint16_t dead_port_number(const struct dead_port *port);
void dead_port_free(struct dead_port *port);

/* Certificates ------------------------------------------------------------------------------------------- */

/* The path of a file made by certificates.sh: "ca.pem", "good.pem", "good.key", ... Unless CHECK_CERTIFICATES
 * is the folder that has them, the first call makes them in a folder that is removed when the program ends.
 * For the main thread only; the result stays valid. */
const char *certificate_path(const char *file);

#ifdef __cplusplus
}
#endif

#endif
