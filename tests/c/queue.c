/* The queue: submissions and their events. */
#define _GNU_SOURCE
#include "client.h"

#include <poll.h>

#define SNAPSHOT(status, name) "{\"status\": \"" status "\", \"name\": \"" name "\"}"

static refold_queue *queue_of(uint32_t max_concurrent) {
    refold_error *error = UNREAD_ERROR;
    refold_queue *queue = refold_queue_new(max_concurrent, &error);
    CHECK(queue != NULL && error == NULL);
    return queue;
}

static bool is_readable(const refold_queue *queue) {
    struct pollfd polled = {.fd = (int)refold_queue_descriptor(queue), .events = POLLIN};
    CHECK(polled.fd > 2);
    return poll(&polled, 1, 0) == 1;
}

/* Takes the next event, which must be the last one of this submission, with this code. */
static void take_done(refold_queue *queue, void *user_data, refold_code code) {
    refold_event *event = refold_queue_next(queue, 10000);
    CHECK_INT(refold_event_typeof(event), REFOLD_EVENT_DONE);
    CHECK(refold_event_user_data(event) == user_data);
    const refold_error *error = refold_event_error(event);
    if (refold_error_code(error) != code)
        FAIL("the code is %d (%s), wanted %d", refold_error_code(error), refold_error_message(error), code);
    CHECK((refold_event_execution(event) == NULL) == (error != NULL));
    refold_event_free(event);
}

TEST(a_get_ends_in_one_event) {
    struct server *server = serve_body(SNAPSHOT("COMPLETED", "one"));
    refold_client *client = client_to(server);
    refold_queue *queue = queue_of(0);
    refold_error *error = UNREAD_ERROR;
    int tag = 0;
    CHECK(!is_readable(queue));
    CHECK(refold_queue_get_execution(queue, client, TEST_ID, NULL, &tag, &error) && error == NULL);
    refold_client_free(client);
    CHECK_INT(refold_queue_pending(queue), 1);
    struct pollfd polled = {.fd = (int)refold_queue_descriptor(queue), .events = POLLIN};
    CHECK_INT(poll(&polled, 1, 10000), 1);
    take_done(queue, &tag, REFOLD_OK);
    CHECK_INT(refold_queue_pending(queue), 0);
    CHECK(!is_readable(queue));
    CHECK(refold_queue_next(queue, -1) == NULL);
    refold_queue_free(queue);
    server_stop(server);
}

TEST(a_wait_reports_progress_and_its_end) {
    static const struct response responses[] = {{.body = SNAPSHOT("RUNNING", "one")},
                                                {.body = SNAPSHOT("RUNNING", "two")},
                                                {.body = SNAPSHOT("COMPLETED", "three")}};
    static const char *const names[] = {"one", "two", "three"};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, 200);
    refold_client *client = client_of(options);
    refold_queue *queue = queue_of(1);
    CHECK(refold_queue_wait_execution(queue, client, TEST_ID, 0, NULL, NULL, NULL));
    for (size_t i = 0; i < COUNT(names); i++) {
        refold_event *event = refold_queue_next(queue, -1);
        CHECK_INT(refold_event_typeof(event), i < 2 ? REFOLD_EVENT_PROGRESS : REFOLD_EVENT_DONE);
        CHECK_STR(refold_execution_name(refold_event_execution(event)), names[i]);
        refold_event_free(event);
    }
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_token_cancels_what_is_in_flight_and_what_is_queued) {
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    refold_client *client = client_to(server);
    refold_queue *queue = queue_of(2);
    refold_cancel *cancel = refold_cancel_new();
    for (int i = 0; i < 100; i++)
        CHECK(refold_queue_get_execution(queue, client, TEST_ID, cancel, NULL, NULL));
    CHECK(server_await_requests(server, 2, 10000));
    refold_cancel_trigger(cancel);
    refold_cancel_free(cancel);
    for (int i = 0; i < 100; i++)
        take_done(queue, NULL, REFOLD_ERROR_CANCELLED);
    CHECK_INT(server_requests(server), 2);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

TEST(freeing_cancels_what_is_in_flight_and_what_pauses) {
    static const struct response responses[] = {{.body = SNAPSHOT("RUNNING", "one")},
                                                {.silent = true, .ending = HOLD}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_client *client = client_to(server);
    refold_queue *queue = queue_of(0);
    CHECK(refold_queue_wait_execution(queue, client, TEST_ID, 0, NULL, NULL, NULL));
    refold_event_free(refold_queue_next(queue, -1));
    CHECK(refold_queue_get_execution(queue, client, TEST_ID, NULL, NULL, NULL));
    CHECK(server_await_requests(server, 2, 10000));
    struct timing timing = {.max_ms = 50};
    int64_t begun = now_us();
    refold_queue_free(queue);
    timing.us = now_us() - begun;
    CHECK(timing.us < 1000000);
    refold_client_free(client);
    server_stop(server);
}
