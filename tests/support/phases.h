/* The phases of a call in which a server, a proxy or a name service can block it indefinitely: one table for
 * all promises that hold in each phase. */
#ifndef PHASES_H
#define PHASES_H

#include "client.h"

/* The calls that have a phase. */
enum occurrence {
    IN_ANY_CALL,
    BETWEEN_ATTEMPTS, /* calls that may retry: refold_options_set_max_retries */
    WHILE_POLLING     /* refold_wait_execution only */
};

struct phase {
    const char *name;
    const char *message; /* how error messages describe the phase */
    bool is_connecting;  /* connect_timeout_ms applies, too */
    bool is_warm;        /* the connection has carried a call before */
    enum occurrence occurrence;
    /* How to get there: */
    const char *scheme;      /* of the base URL; NULL: http */
    const char *proxy;       /* the proxy's URL up to its host; NULL: no proxy */
    bool has_lookup;         /* a lookup that never ends */
    bool has_silent_address; /* an address that does not respond */
    bool has_tls;            /* the server supports TLS */
    bool has_large_request;  /* a request that exceeds the socket buffers while the server reads nothing */
    void (*connected)(struct exchange *exchange);
    void (*handler)(struct exchange *exchange);
};

extern const struct phase phases[];
extern const size_t phase_count;

/* The servers and addresses of a phase; see scene_close(). */
struct scene {
    const struct phase *phase;
    struct server *server;
    struct dead_port *hole;
    struct event *reached;
    char base_url[100], proxy[100];
};

struct scene scene_open(const struct phase *phase);
/* Options of a client whose calls reach the phase; without retries and without timeouts. */
refold_options *scene_options(const struct scene *scene);
/* Waits until calls have reached the phase `count` times. */
bool scene_await(struct scene *scene, int count);
void scene_close(struct scene *scene);

#endif
