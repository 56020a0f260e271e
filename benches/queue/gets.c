/* `gets URL ID CALLS OUTSTANDING MAX_CONCURRENT`: gets the execution CALLS times, with OUTSTANDING
 * submissions at any time. One thread submits, takes the events and reads the executions. Prints the wall and
 * the CPU time of a call in us, the peak memory in kB, the checksum and the number of threads. */
#include "client.h"

#include <inttypes.h>
#include <stdint.h>

static void submit(refold_queue *queue, const refold_client *client, const char *id) {
    refold_error *error;
    if (!refold_queue_get_execution(queue, client, id, NULL, NULL, &error))
        fail(error);
}

/* Returns the sum of the checksums. */
static uint64_t run(refold_queue *queue, const refold_client *client, const char *id, size_t calls,
                    size_t outstanding) {
    size_t submitted = 0;
    uint64_t sums = 0;
    while (submitted < calls && submitted < outstanding) {
        submit(queue, client, id);
        submitted++;
    }
    for (size_t done = 0; done < calls; done++) {
        refold_event *event = next_event(queue);
        if (refold_event_error(event) != NULL)
            fail(refold_event_error(event));
        if (submitted < calls) {
            submit(queue, client, id);
            submitted++;
        }
        uint64_t sum = 0;
        add_execution(&sum, refold_event_execution(event));
        sums += sum;
        refold_event_free(event);
    }
    return sums;
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: %s URL ID CALLS OUTSTANDING MAX_CONCURRENT\n", arguments[0]);
        return 2;
    }
    size_t calls = number_of(arguments[3]), outstanding = number_of(arguments[4]);
    refold_client *client = new_client(arguments[1], NULL);
    if (client == NULL)
        return 1;
    refold_queue *queue = new_queue(number_of(arguments[5]));
    run(queue, client, arguments[2], 10 * outstanding, outstanding);
    uint64_t before = wall_time(), processor_before = processor_time();
    uint64_t sums = run(queue, client, arguments[2], calls, outstanding);
    uint64_t time = wall_time() - before, processor = processor_time() - processor_before;
    printf("%.2f %.2f %ld %016" PRIx64 " %ld\n", (double)time / 1e3 / (double)calls,
           (double)processor / 1e3 / (double)calls, peak_memory(), sums, thread_count());
    refold_queue_free(queue);
    refold_client_free(client);
    return 0;
}
