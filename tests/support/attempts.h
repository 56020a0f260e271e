/* Attempts to connect: nobody at the other end could tell of those that are under way. */
#ifndef ATTEMPTS_H
#define ATTEMPTS_H

#include "check.h"

/* Adds one to the event for each attempt from now on that does not fail at once; NULL: no more. */
void note_attempts(struct event *event);

/* How much the system takes, on connections from now on, while the other side reads nothing; 0: as usual. */
void limit_sending(int bytes);

#endif
