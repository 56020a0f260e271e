/* A monotonic clock that can be advanced: replaces clock_gettime() in programs that include this. Only
 * threads that follow it see the advanced time, now_ms() and now_us() included. The kernel's own clock, such
 * as the timeout of poll(), is not affected. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Switches the calling thread to the advanced clock, or back to the real one. */
void clock_follow(bool advanced);
/* Advances the clock of all threads that follow it. */
void clock_advance(int64_t milliseconds);

#endif
