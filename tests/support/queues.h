/* Queues: submitting to them, and taking their events. */
#ifndef QUEUES_H
#define QUEUES_H

#include "client.h"

/* An execution with this status and name. */
#define SNAPSHOT(status, name) "{\"status\": \"" status "\", \"name\": \"" name "\"}"

/* Creates a queue; fails the test if that is impossible. */
refold_queue *queue_of(uint32_t max_concurrent);

/* Each submits a call (a wait without a timeout), which must be accepted. */
void submit_get(refold_queue *queue, const refold_client *client, const char *id, refold_cancel *cancel,
                void *tag);
void submit_wait(refold_queue *queue, const refold_client *client, const char *id, refold_cancel *cancel,
                 void *tag);

/* Takes the next event, for which it waits 20 s (times the patience) at most. Fails the test if none comes,
 * if its type is another one, or if it has neither an execution nor an error, or both. */
refold_event *take(refold_queue *queue, refold_event_type type);
/* Takes the next event, which must be the last one of this submission, with this code. */
void take_done(refold_queue *queue, const void *tag, refold_code code);
/* Takes `count` events, each the last one of its submission, with this code. */
void take_all_done(refold_queue *queue, size_t count, refold_code code);
/* Takes a progress event, of an execution with this name. */
void take_progress(refold_queue *queue, const char *name);
/* Expects that nothing is pending, and no event can be taken. */
void check_empty(refold_queue *queue);

/* Whether the descriptor is readable. */
bool is_readable(const refold_queue *queue);
/* Waits until the descriptor is readable; false after the time limit (times the patience). */
bool await_readable(const refold_queue *queue, int64_t limit_ms);

/* The number of threads of this process that have the name of a queue's threads. */
int queue_thread_count(void);
bool await_queue_threads(int count, int64_t limit_ms);
/* Waits until all of these are asleep: after the last event was taken, until they have no work. */
bool await_sleeping_threads(int64_t limit_ms);

/* A server whose response depends on how the id in the request begins:
 *     held...   holds the response until server_release()
 *     run...    a run that goes on, whose name is the number of the request
 * All others, and those that were held, are COMPLETED, and their name is the id. */
struct server *serve_by_id(void);

#endif
