/* `waits URL COUNT MAX_CONCURRENT FIRST`: waits for COUNT runs at the same time, with a poll interval of one
 * second: for FIRST and those after it, which no client has asked for. Prints the number of those that have
 * completed, the largest number of threads, the peak memory in kB, the longest time from the end of a run to
 * its event in ms, and the CPU time of a wait in us. */
#include "client.h"

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: %s URL COUNT MAX_CONCURRENT FIRST\n", arguments[0]);
        return 2;
    }
    size_t waits = number_of(arguments[2]), first = number_of(arguments[4]), completed = 0;
    refold_client *client = new_polling_client(arguments[1], NULL, 1000);
    if (client == NULL)
        return 1;
    refold_queue *queue = new_queue(number_of(arguments[3]));
    uint64_t processor_before = processor_time(), latest = 0;
    for (size_t index = 0; index < waits; index++) {
        char id[32];
        snprintf(id, sizeof id, "run-%zu", first + index);
        refold_error *error;
        if (!refold_queue_wait_execution(queue, client, id, 0, NULL, NULL, &error))
            fail(error);
    }
    long threads = 0;
    for (size_t events = 0; refold_queue_pending(queue) > 0; events++) {
        refold_event *event = next_event(queue);
        if (events % 100 == 0)
            count_threads(&threads);
        const refold_execution *execution = refold_event_execution(event);
        if (refold_event_error(event) != NULL)
            fail(refold_event_error(event));
        if (refold_event_typeof(event) == REFOLD_EVENT_DONE) {
            completed += refold_execution_state(execution) == REFOLD_STATE_COMPLETED;
            const refold_json *end = refold_json_get(refold_execution_json(execution), "end_ns");
            uint64_t late = wall_time() - (uint64_t)refold_json_int64(end);
            latest = late > latest ? late : latest;
        }
        refold_event_free(event);
    }
    printf("%zu %ld %ld %.0f %.1f\n", completed, threads, peak_memory(), (double)latest / 1e6,
           (double)(processor_time() - processor_before) / 1e3 / (double)waits);
    refold_queue_free(queue);
    refold_client_free(client);
    return 0;
}
