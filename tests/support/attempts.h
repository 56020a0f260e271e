/* Replaces connect() in programs that include this, to observe attempts to connect that the other end cannot
 * see. */
#ifndef ATTEMPTS_H
#define ATTEMPTS_H

#include "check.h"

/* From now on, adds 1 to `event` for each attempt that does not fail at once. NULL stops this. */
void note_attempts(struct event *event);

/* Limits the send buffer of later connections to this many bytes, so that a peer that does not read blocks
 * the sender early; 0 restores the system's default. */
void limit_sending(int bytes);

#endif
