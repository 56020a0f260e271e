/* The queue with many tokens: what they cost. */
#include "client.h"

#include <sched.h>

#define SUBMISSIONS 50

/* Waits until at most `count` descriptors are open: a thread closes them slightly after it has reported an
 * event. */
static int descriptors_at_most(int count) {
    for (int64_t end = now_ms() + 2000; descriptor_count() > count && now_ms() < end;)
        sched_yield();
    return descriptor_count();
}

/* Every submission has a token of its own, as those of a binding have. */
TEST(only_calls_in_flight_hold_descriptors_of_tokens) {
    static const char *const bodies[] = {"{\"status\": \"RUNNING\"}", "{\"status\": \"COMPLETED\"}"};
    for (size_t kind = 0; kind < COUNT(bodies); kind++) {
        check_case("%s", bodies[kind]);
        struct server *server = serve_body(bodies[kind]);
        refold_options *options = test_options(server_url(server));
        refold_options_set_poll_interval_ms(options, 100000);
        refold_client *client = client_of(options);
        refold_queue *queue = refold_queue_new(2, NULL);
        refold_cancel *tokens[SUBMISSIONS];
        int before = descriptor_count();
        for (int i = 0; i < SUBMISSIONS; i++) {
            tokens[i] = refold_cancel_new();
            CHECK(refold_queue_wait_execution(queue, client, TEST_ID, 0, tokens[i], NULL, NULL));
        }
        for (int i = 0; i < SUBMISSIONS; i++) {
            refold_event *event = refold_queue_next(queue, 10000);
            CHECK(refold_event_execution(event) != NULL);
            refold_event_free(event);
        }
        /* Two connections, and the signal that ends all calls. */
        int open = descriptors_at_most(before + 3);
        if (open > before + 3)
            FAIL("%d descriptors are open, %d before the submissions", open, before);
        for (int i = 0; i < SUBMISSIONS; i++)
            refold_cancel_trigger(tokens[i]);
        while (refold_queue_pending(queue) > 0) {
            refold_event *event = refold_queue_next(queue, 10000);
            CHECK_INT(refold_error_code(refold_event_error(event)), REFOLD_ERROR_CANCELLED);
            refold_event_free(event);
        }
        for (int i = 0; i < SUBMISSIONS; i++)
            refold_cancel_free(tokens[i]);
        refold_queue_free(queue);
        refold_client_free(client);
        server_stop(server);
    }
}
