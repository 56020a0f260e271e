/* A scripted name service: replaces getaddrinfo() in programs that include this, so no lookup leaves the
 * process. Until the first lookup_script() no name exists. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

/* The result of a lookup. With every field left out: a name without an address. */
struct lookup {
    const char *addresses[8]; /* numeric, returned in this order */
    int error;                /* EAI_AGAIN, ...: returned instead of the addresses */
    int number;               /* errno to set, for EAI_SYSTEM */
    bool exhausts;            /* leave the process no descriptor, until its limit is raised again */
    bool crashes;             /* write to the address 0 */
    int raises;               /* a signal to raise on the thread of the lookup */
    bool silent; /* block until lookup_release(), then return the addresses, or EAI_AGAIN if there are none */
};

/* Sets the result of lookups that begin from now on, and resets lookup_count(). */
void lookup_script(struct lookup lookup);
/* Ends all silent lookups, also those yet to begin, and waits until no lookup is running. */
void lookup_release(void);
int lookup_count(void);   /* lookups begun since lookup_script() */
int lookup_running(void); /* lookups in progress, whenever they began */
/* Waits until at least `count` lookups are running; false after the time limit (times the patience). */
bool lookup_await_running(int count, int64_t limit_ms);
/* The name that was looked up last; "" before the first lookup. */
const char *lookup_name(void);
/* Whether any lookup ran on a thread that does not block all signals, except for those that a fault raises:
 * SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP and SIGSYS. */
bool lookup_took_signals(void);
/* Whether any lookup ran on a thread that blocks one of these. */
bool lookup_blocked_faults(void);

#endif
