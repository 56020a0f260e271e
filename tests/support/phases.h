/* The phases of a call in which a server, a proxy or a name service can keep it waiting for ever: one table
 * for all that must hold in each of them. */
#ifndef PHASES_H
#define PHASES_H

#include "client.h"

/* When a phase is part of a call. */
enum occurrence {
    IN_ANY_CALL,
    BETWEEN_ATTEMPTS, /* where another try is allowed: refold_options_set_max_retries */
    WHILE_POLLING     /* in refold_wait_execution alone */
};

struct phase {
    const char *name;
    const char *message; /* how a message calls it */
    bool is_connecting;  /* connect_timeout_ms bounds it, too */
    bool is_warm;        /* the connection has carried a call before */
    enum occurrence occurrence;
    /* How it comes about. */
    const char *scheme;      /* of the base URL; NULL: http */
    const char *proxy;       /* what stands before host and port of the proxy */
    bool has_lookup;         /* a lookup that never ends */
    bool has_silent_address; /* nobody answers there */
    bool has_tls;            /* the server speaks it */
    bool has_large_request;  /* more than the system takes where nobody reads */
    void (*connected)(struct exchange *exchange);
    void (*handler)(struct exchange *exchange);
};

extern const struct phase phases[];
extern const size_t phase_count;

/* A phase set up, to be closed. */
struct scene {
    const struct phase *phase;
    struct server *server;
    struct dead_port *hole;
    struct event *reached;
    char base_url[100], proxy[100];
};

struct scene scene_open(const struct phase *phase);
/* Options for a client that will get there; without retries, and without time-outs. */
refold_options *scene_options(const struct scene *scene);
/* Waits until a call is in the phase, for the `count`-th time. */
bool scene_await(struct scene *scene, int count);
void scene_close(struct scene *scene);

#endif
