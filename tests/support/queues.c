#define _GNU_SOURCE
#include "queues.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

refold_queue *queue_of(uint32_t max_concurrent) {
    refold_error *error = UNREAD_ERROR;
    refold_queue *queue = refold_queue_new(max_concurrent, &error);
    if (queue == NULL)
        FAIL("no queue: %s", refold_error_message(error));
    CHECK((queue == NULL) == (error != NULL));
    refold_error_free(error);
    return queue;
}

static void check_accepted(bool accepted, refold_error *error) {
    if (!accepted)
        FAIL("not accepted: %s", refold_error_message(error));
    CHECK(accepted == (error == NULL));
    refold_error_free(error);
}

void submit_get(refold_queue *queue, const refold_client *client, const char *id, refold_cancel *cancel,
                void *tag) {
    refold_error *error = UNREAD_ERROR;
    bool accepted = refold_queue_get_execution(queue, client, id, cancel, tag, &error);
    check_accepted(accepted, error);
}

void submit_wait(refold_queue *queue, const refold_client *client, const char *id, refold_cancel *cancel,
                 void *tag) {
    refold_error *error = UNREAD_ERROR;
    bool accepted = refold_queue_wait_execution(queue, client, id, 0, cancel, tag, &error);
    check_accepted(accepted, error);
}

refold_event *take(refold_queue *queue, refold_event_type type) {
    refold_event *event = refold_queue_next(queue, 20000 * check_patience());
    if (refold_event_typeof(event) != type)
        FAIL("the event is of type %d, wanted %d", refold_event_typeof(event), type);
    if (event != NULL)
        CHECK((refold_event_execution(event) == NULL) == (refold_event_error(event) != NULL));
    return event;
}

static void check_done(const refold_event *event, refold_code code) {
    const refold_error *error = refold_event_error(event);
    if (refold_error_code(error) != code)
        FAIL("the code is %d (%s), wanted %d", refold_error_code(error), refold_error_message(error), code);
}

void take_done(refold_queue *queue, const void *tag, refold_code code) {
    refold_event *event = take(queue, REFOLD_EVENT_DONE);
    CHECK(refold_event_user_data(event) == tag);
    check_done(event, code);
    refold_event_free(event);
}

void take_all_done(refold_queue *queue, size_t count, refold_code code) {
    for (size_t i = 0; i < count; i++) {
        refold_event *event = take(queue, REFOLD_EVENT_DONE);
        check_done(event, code);
        refold_event_free(event);
        if (event == NULL)
            return;
    }
}

void take_progress(refold_queue *queue, const char *name) {
    refold_event *event = take(queue, REFOLD_EVENT_PROGRESS);
    CHECK_STR(refold_execution_name(refold_event_execution(event)), name);
    CHECK(!refold_state_is_final(refold_execution_state(refold_event_execution(event))));
    refold_event_free(event);
}

void check_empty(refold_queue *queue) {
    CHECK_INT(refold_queue_pending(queue), 0);
    CHECK(refold_queue_next(queue, 0) == NULL);
    CHECK(refold_queue_next(queue, -1) == NULL);
}

bool is_readable(const refold_queue *queue) { return await_readable(queue, 0); }

bool await_readable(const refold_queue *queue, int64_t limit_ms) {
    struct pollfd polled = {.fd = (int)refold_queue_descriptor(queue), .events = POLLIN};
    CHECK(polled.fd > 2);
    return poll(&polled, 1, (int)limit_ms * check_patience()) == 1;
}

/* Counts the threads that have the name of a queue's threads, or those of them that are not asleep. */
static int count_threads(bool are_awake) {
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char path[300], name[32] = "", state = '?';
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue; /* it has just ended */
        if (fscanf(file, "%*d (%31[^)]) %c", name, &state) == 2 && strcmp(name, "refold-queue") == 0)
            count += !are_awake || state != 'S';
        fclose(file);
    }
    if (folder != NULL)
        closedir(folder);
    return count;
}

int queue_thread_count(void) { return count_threads(false); }

bool await_queue_threads(int count, int64_t limit_ms) {
    int64_t until = now_ms() + limit_ms * check_patience();
    while (queue_thread_count() != count) {
        if (now_ms() >= until)
            return false;
        pause_ms(1);
    }
    return true;
}

bool await_sleeping_threads(int64_t limit_ms) {
    int64_t until = now_ms() + limit_ms * check_patience();
    while (count_threads(true) > 0) {
        if (now_ms() >= until)
            return false;
        pause_ms(1);
    }
    return true;
}

static void respond_by_id(struct exchange *exchange) {
    char id[300] = "", body[400];
    sscanf(exchange_head(exchange), "GET /api/v2/public/execution/%299[^ ]", id);
    if (strncmp(id, "held", 4) == 0 && !exchange_hold(exchange))
        return;
    if (strncmp(id, "run", 3) == 0)
        snprintf(body, sizeof body, SNAPSHOT("RUNNING", "%zu"), exchange_index(exchange));
    else
        snprintf(body, sizeof body, SNAPSHOT("COMPLETED", "%s"), id);
    exchange_respond(exchange, &(struct response){.body = body});
}

struct server *serve_by_id(void) {
    return serve(&(struct server_options){.handler = respond_by_id});
}
