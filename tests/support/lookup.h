/* A name service that answers as told: getaddrinfo of every program that includes this. Names are never asked
 * of anybody. Before the first lookup_script() no name exists. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

/* Every field may be left out: a name without an address. */
struct lookup {
    const char *addresses[8]; /* numeric, handed out in this order */
    int error;                /* EAI_AGAIN, ...: this instead */
    int number;               /* errno, which EAI_SYSTEM points at */
    bool silent;              /* nothing before lookup_release(), and then EAI_AGAIN */
};

/* What lookups that begin from now on get; counting begins anew. */
void lookup_script(struct lookup lookup);
/* Ends the silent ones, and those still to come, and waits until all that run are over. */
void lookup_release(void);
int lookup_count(void);   /* begun since lookup_script() */
int lookup_running(void); /* of all that were ever begun */
/* Waits until at least so many run; false after the time limit (stretched by the patience). */
bool lookup_await_running(int count, int64_t limit_ms);
/* The name that was asked for last; "": none yet. */
const char *lookup_name(void);
/* Has any lookup run on a thread that takes signals? */
bool lookup_took_signals(void);

#endif
