/* What the benchmarks of the queue have in common. */
#ifndef QUEUE_CLIENT_H
#define QUEUE_CLIENT_H

#include "../peers/client.h"
#include "../peers/measure.h"

#include <stdio.h>
#include <stdlib.h>

/* Prints the error and ends the program. */
static inline _Noreturn void fail(const refold_error *error) {
    fprintf(stderr, "refold: %s\n", refold_error_message(error));
    exit(1);
}

static inline refold_queue *new_queue(size_t max_concurrent) {
    refold_error *error;
    refold_queue *queue = refold_queue_new((uint32_t)max_concurrent, &error);
    if (queue == NULL)
        fail(error);
    return queue;
}

/* The next event; ends the program if nothing is pending. */
static inline refold_event *next_event(refold_queue *queue) {
    refold_event *event = refold_queue_next(queue, -1);
    if (event == NULL) {
        fprintf(stderr, "queue: no event\n");
        exit(1);
    }
    return event;
}

/* Counts the threads now, and keeps the maximum. */
static inline void count_threads(long *maximum) {
    long count = thread_count();
    if (count > *maximum)
        *maximum = count;
}

#endif
