/* Attempts to connect: nobody at the other end could tell of those that are under way. */
#ifndef ATTEMPTS_H
#define ATTEMPTS_H

#include "check.h"

/* Adds one to the event for each attempt from now on that does not end at once; NULL: no more. */
void note_attempts(struct event *event);

#endif
