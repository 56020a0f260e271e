/* A monotonic clock that can be moved: clock_gettime of every program that includes this. Only threads that
 * ask for it see it moved, now_ms() and the like on them included. What the kernel counts, such as the
 * time-out of poll, stays as it is. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* From now on this thread's clock is the moved one, or the real one again. */
void clock_follow(bool moved);
/* Moves it by so much, on all threads that follow it. */
void clock_advance(int64_t milliseconds);

#endif
