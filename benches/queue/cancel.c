/* `cancel URL SLOW_URL COUNT MAX_CONCURRENT FIRST`: cancels COUNT submissions with one token. One half are
 * waits that pause, of runs that no client has asked for, FIRST and those after it; the others are gets that
 * are in flight or queued. Prints the time from the cancellation to the last event in ms, the number of
 * submissions that were cancelled, the number of those that had ended before, and the number of threads. */
#include "client.h"

static void submit_waits(refold_queue *queue, const char *url, size_t count, size_t first,
                         refold_cancel *cancel) {
    refold_client *client = new_polling_client(url, NULL, 3600 * 1000);
    for (size_t index = 0; index < count; index++) {
        char id[32];
        snprintf(id, sizeof id, "run-%zu", first + index);
        refold_error *error;
        if (!refold_queue_wait_execution(queue, client, id, 0, cancel, NULL, &error))
            fail(error);
    }
    refold_client_free(client);
    /* Each wait pauses for an hour after its first poll. */
    for (size_t index = 0; index < count; index++)
        refold_event_free(next_event(queue));
}

static void submit_gets(refold_queue *queue, const char *url, size_t count, refold_cancel *cancel) {
    refold_client *client = new_client(url, NULL);
    for (size_t index = 0; index < count; index++) {
        refold_error *error;
        if (!refold_queue_get_execution(queue, client, "small", cancel, NULL, &error))
            fail(error);
    }
    refold_client_free(client);
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: %s URL SLOW_URL COUNT MAX_CONCURRENT FIRST\n", arguments[0]);
        return 2;
    }
    size_t submissions = number_of(arguments[3]), cancelled = 0, ended = 0;
    refold_queue *queue = new_queue(number_of(arguments[4]));
    refold_cancel *cancel = refold_cancel_new();
    submit_waits(queue, arguments[1], submissions / 2, number_of(arguments[5]), cancel);
    submit_gets(queue, arguments[2], submissions - submissions / 2, cancel);
    /* The first response shows that calls are in flight. */
    refold_event_free(next_event(queue));
    ended++;
    uint64_t before = wall_time();
    refold_cancel_trigger(cancel);
    while (refold_queue_pending(queue) > 0) {
        refold_event *event = next_event(queue);
        if (refold_error_code(refold_event_error(event)) == REFOLD_ERROR_CANCELLED)
            cancelled++;
        else
            ended++;
        refold_event_free(event);
    }
    uint64_t time = wall_time() - before;
    printf("%.1f %zu %zu %ld\n", (double)time / 1e6, cancelled, ended, thread_count());
    refold_cancel_free(cancel);
    refold_queue_free(queue);
    return 0;
}
