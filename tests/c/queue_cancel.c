/* Submissions that are cancelled, in whatever state they are, and queues that are freed with work in them:
 * both within 50 ms. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"
#include "phases.h"
#include "queues.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { LATE_MS = 50 };

/* States ------------------------------------------------------------------------------------------------- */

enum state {
    EARLY_GET, /* the token was triggered before the submission */
    EARLY_WAIT,
    QUEUED_GET,
    QUEUED_WAIT,
    QUEUED_POLL, /* a wait that has paused, and is due */
    GET_IN_FLIGHT,
    WAIT_IN_FLIGHT,
    PAUSING,
    STATES
};

static const char *const state_names[STATES] = {"an early get",     "an early wait", "a queued get",
                                                "a queued wait",    "a queued poll", "a get in flight",
                                                "a wait in flight", "a pausing wait"};

/* A submission in one of these states; with `held`, a get without a token is in flight. */
struct stage {
    struct server *server;
    refold_client *client;
    refold_queue *queue;
    refold_cancel *cancel;
    bool held;
};

static int target; /* the tag of the submission */

static struct stage open_stage(enum state state) {
    struct stage stage = {.server = serve_by_id(), .queue = queue_of(1), .cancel = refold_cancel_new()};
    refold_options *options = test_options(server_url(stage.server));
    refold_options_set_poll_interval_ms(options,
                                        state == QUEUED_POLL ? (uint64_t)(30 * check_patience()) : 60000);
    stage.client = client_of(options);
    if (state == QUEUED_POLL || state == PAUSING) {
        submit_wait(stage.queue, stage.client, "run", stage.cancel, &target);
        take_progress(stage.queue, "0");
    }
    stage.held = state == QUEUED_GET || state == QUEUED_WAIT || state == QUEUED_POLL;
    if (stage.held) {
        submit_get(stage.queue, stage.client, "held", NULL, NULL);
        CHECK(server_await_requests(stage.server, state == QUEUED_POLL ? 2 : 1, 10000));
    }
    if (state == EARLY_GET || state == EARLY_WAIT)
        refold_cancel_trigger(stage.cancel);
    if (state == QUEUED_GET || state == GET_IN_FLIGHT || state == EARLY_GET)
        submit_get(stage.queue, stage.client, "held", stage.cancel, &target);
    else if (state != QUEUED_POLL && state != PAUSING)
        submit_wait(stage.queue, stage.client, "held", stage.cancel, &target);
    if (state == GET_IN_FLIGHT || state == WAIT_IN_FLIGHT)
        CHECK(server_await_requests(stage.server, 1, 10000));
    if (state == QUEUED_POLL)
        pause_ms(60 * check_patience()); /* until it is due */
    return stage;
}

static void close_stage(struct stage *stage) {
    refold_cancel_free(stage->cancel);
    refold_queue_free(stage->queue);
    refold_client_free(stage->client);
    server_stop(stage->server);
}

static void check_target(struct stage *stage, enum state state, size_t requests) {
    refold_event *event = take(stage->queue, REFOLD_EVENT_DONE);
    const refold_error *error = refold_event_error(event);
    CHECK(refold_event_user_data(event) == &target);
    CHECK_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    CHECK_INT(refold_error_attempts(error), state >= QUEUED_POLL);
    CHECK_CONTAINS(refold_error_message(error), "cancelled");
    refold_event_free(event);
    /* Nothing more was sent for it. */
    CHECK_INT(server_requests(stage->server), requests);
    CHECK_INT(refold_queue_pending(stage->queue), stage->held);
}

/* Returns the microseconds from the trigger to the event. */
static int64_t cancel_in(enum state state, int64_t settling_ms, void (*trigger)(refold_cancel *)) {
    int64_t begun = now_us();
    struct stage stage = open_stage(state);
    size_t requests = server_requests(stage.server);
    if (state >= QUEUED_POLL)
        pause_ms(settling_ms); /* until the state is reached, also in the library */
    if (state > EARLY_WAIT) {
        CHECK(refold_queue_next(stage.queue, 0) == NULL);
        begun = now_us();
        trigger(stage.cancel);
    }
    check_target(&stage, state, requests);
    int64_t took = now_us() - begun;
    server_release(stage.server);
    if (stage.held)
        take_done(stage.queue, NULL, REFOLD_OK);
    check_empty(stage.queue);
    close_stage(&stage);
    return took;
}

TEST(submissions_in_every_state_can_be_cancelled) {
    for (enum state state = 0; state < STATES; state++) {
        struct timing timing = {.max_ms = LATE_MS};
        check_case("%s", state_names[state]);
        while (CHECK_AGAIN(timing))
            timing.us = cancel_in(state, (int64_t)2 << timing.made, refold_cancel_trigger);
    }
}

/* Ends a call in a phase, by its token or by freeing the queue. Measures how long that takes. */
static void end_in_phase(const struct phase *phase, bool frees, struct timing *timing) {
    struct scene scene = scene_open(phase);
    refold_options *options = scene_options(&scene);
    refold_options_set_max_retries(options, phase->occurrence == BETWEEN_ATTEMPTS);
    refold_client *client = client_of(options);
    refold_queue *queue = queue_of(1);
    refold_cancel *cancel = refold_cancel_new();
    if (phase->is_warm) {
        submit_get(queue, client, TEST_ID, cancel, NULL);
        take_done(queue, NULL, REFOLD_OK);
    }
    if (phase->occurrence == WHILE_POLLING)
        submit_wait(queue, client, TEST_ID, cancel, NULL);
    else
        submit_get(queue, client, TEST_ID, cancel, NULL);
    CHECK(scene_await(&scene, 1));
    pause_ms((int64_t)2 << 2 * timing->made); /* The call may reach the phase slightly later. */
    int64_t begun = now_us();
    if (frees) {
        refold_queue_free(queue);
        timing->us = now_us() - begun;
    } else {
        refold_cancel_trigger(cancel);
        refold_event *event;
        while (refold_event_typeof(event = refold_queue_next(queue, 10000 * check_patience())) ==
               REFOLD_EVENT_PROGRESS)
            refold_event_free(event);
        timing->us = now_us() - begun;
        const refold_error *error = refold_event_error(event);
        CHECK_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
        if (strstr(refold_error_message(error), phase->message) == NULL)
            check_missed(timing, "%s", refold_error_message(error));
        refold_event_free(event);
        check_empty(queue);
    }
    /* The connection is closed at once, before the client is freed. */
    if (scene.server != NULL && phase->occurrence == IN_ANY_CALL)
        CHECK(server_await_open(scene.server, 0, 5000));
    if (!frees)
        refold_queue_free(queue);
    if (phase->has_lookup)
        lookup_release();
    CHECK(await_threads(1, 5000));
    refold_client_free(client);
    refold_cancel_free(cancel);
    scene_close(&scene);
}

static void end_in_every_phase(bool frees) {
    for (size_t i = 0; i < phase_count; i += check_in_valgrind() ? 3 : 1) {
        int before = descriptor_count();
        struct timing timing = {.max_ms = LATE_MS};
        check_case("%s", phases[i].name);
        while (CHECK_AGAIN(timing))
            end_in_phase(&phases[i], frees, &timing);
        CHECK_INT(descriptor_count(), before);
    }
}

TEST(submissions_in_every_phase_can_be_cancelled) { end_in_every_phase(false); }

/* The same moment ---------------------------------------------------------------------------------------- */

/* The token is triggered at any time: while a poll begins, is in flight, ends, or its pause does. */
TEST(a_wait_can_be_cancelled_at_any_moment) {
    struct server *server = serve_by_id();
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, 10);
    refold_client *client = client_of(options);
    refold_queue *queue = queue_of(2);
    int late = 0, rounds = check_is_slow() ? 50 : 150;
    for (int round = 0; round < rounds; round++) {
        refold_cancel *cancel = refold_cancel_new();
        submit_wait(queue, client, "run", cancel, NULL);
        int64_t until = now_us() + (int64_t)round * 163 % 12000;
        while (now_us() < until)
            refold_event_free(refold_queue_next(queue, 0));
        int64_t triggered = now_us();
        refold_cancel_trigger(cancel);
        refold_event *event;
        while (refold_event_typeof(event = refold_queue_next(queue, 20000 * check_patience())) ==
               REFOLD_EVENT_PROGRESS)
            refold_event_free(event);
        late += now_us() - triggered > LATE_MS * 1000 * check_patience();
        CHECK_INT(refold_event_typeof(event), REFOLD_EVENT_DONE);
        CHECK_INT(refold_error_code(refold_event_error(event)), REFOLD_ERROR_CANCELLED);
        refold_event_free(event);
        refold_cancel_free(cancel);
    }
    CHECK_BETWEEN(late, 0, rounds / 10); /* other processes may be busy */
    check_empty(queue);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* A get that ends while it is cancelled ends once, either way. */
TEST(a_get_that_ends_when_it_is_cancelled_ends_once) {
    struct server *server = serve_by_id();
    refold_client *client = client_to(server);
    refold_queue *queue = queue_of(2);
    int ended[2] = {0};
    for (int round = 0; round < 200 || ((ended[0] == 0 || ended[1] == 0) && round < 5000); round++) {
        refold_cancel *cancel = refold_cancel_new();
        submit_get(queue, client, "id", cancel, NULL);
        /* Up to longer and longer times, because a call takes milliseconds where sockets cannot be polled. */
        int64_t until = now_us() + (int64_t)round * 7 % (400 + 4 * round) * check_patience();
        while (now_us() < until)
            continue;
        refold_cancel_trigger(cancel);
        refold_event *event = take(queue, REFOLD_EVENT_DONE);
        refold_code code = refold_error_code(refold_event_error(event));
        CHECK(code == REFOLD_OK || code == REFOLD_ERROR_CANCELLED);
        ended[code == REFOLD_OK]++;
        refold_event_free(event);
        refold_cancel_free(cancel);
        CHECK_INT(refold_queue_pending(queue), 0);
    }
    CHECK(ended[0] > 0 && ended[1] > 0);
    check_empty(queue);
    refold_queue_free(queue);
    refold_client_free(client);
    server_stop(server);
}

/* Signal handlers ---------------------------------------------------------------------------------------- */

static refold_cancel *handlers_token;
static atomic_int handled;

static void trigger_in_handler(int number) {
    (void)number;
    int kept = errno;
    refold_cancel_trigger(handlers_token);
    handled++;
    errno = kept;
}

static void handle_signals(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
}

static void trigger_by_signal(refold_cancel *cancel) {
    handlers_token = cancel;
    raise(SIGUSR1);
}

TEST(a_signal_handler_may_cancel_submissions) {
    int before = handled, raised = 0;
    handle_signals(trigger_in_handler);
    for (enum state state = QUEUED_GET; state < STATES; state++) {
        struct timing timing = {.max_ms = LATE_MS};
        check_case("%s", state_names[state]);
        for (; CHECK_AGAIN(timing); raised++)
            timing.us = cancel_in(state, (int64_t)2 << timing.made, trigger_by_signal);
    }
    CHECK_INT(handled, before + raised);
    handle_signals(SIG_DFL);
}

/* A handler that triggers a token must not deadlock, whatever function of a queue it interrupts. */
TEST(triggering_is_safe_wherever_a_signal_interrupts) {
    struct server *server = serve_by_id();
    refold_client *client = client_to(server);
    handle_signals(trigger_in_handler);
    handlers_token = NULL;
    struct sender *sender = sender_start();
    int before = handled, cancelled = 0;
    while (handled < before + 300) {
        refold_queue *queue = queue_of(2);
        handlers_token = refold_cancel_new();
        for (int i = 0; i < 10; i++) {
            submit_get(queue, client, i % 2 == 0 ? "id" : "run", handlers_token, NULL);
            submit_wait(queue, client, i % 2 == 0 ? "run" : "held", handlers_token, NULL);
        }
        is_readable(queue);
        for (refold_event *event; (event = refold_queue_next(queue, -1)) != NULL; refold_event_free(event))
            cancelled += refold_error_code(refold_event_error(event)) == REFOLD_ERROR_CANCELLED;
        refold_queue_free(queue);
        refold_cancel *token = handlers_token;
        handlers_token = NULL;
        refold_cancel_free(token);
    }
    sender_stop(sender);
    CHECK(cancelled > 0);
    handle_signals(SIG_DFL);
    refold_client_free(client);
    server_stop(server);
}

/* Many --------------------------------------------------------------------------------------------------- */

enum { IN_FLIGHT = 16 };

static int many(void) { return check_is_slow() ? 1000 : 10000; }

/* A client whose waits pause for long, and which does not log: thousands of lines take their time. */
static refold_client *quiet_client(struct server *server) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_log(options, REFOLD_LOG_OFF, NULL, NULL);
    refold_options_set_poll_interval_ms(options, 60000);
    return client_of(options);
}

/* Has waits that pause, gets in flight and gets that are queued, with one token or with one for each, and
 * returns how many microseconds it takes to cancel all of them. */
static int64_t cancel_many(struct server *server, bool has_one_token) {
    const int count = many(), pausing = count / 2;
    size_t before = server_requests(server);
    refold_client *client = quiet_client(server);
    refold_queue *queue = queue_of(IN_FLIGHT);
    refold_cancel **tokens = calloc((size_t)count, sizeof *tokens);
    for (int i = 0; i < count; i++) {
        tokens[i] = has_one_token && i > 0 ? tokens[0] : refold_cancel_new();
        if (i < pausing)
            submit_wait(queue, client, "run", tokens[i], NULL);
    }
    for (int i = 0; i < pausing; i++)
        refold_event_free(take(queue, REFOLD_EVENT_PROGRESS));
    for (int i = pausing; i < count; i++)
        submit_get(queue, client, "held", tokens[i], NULL);
    CHECK(server_await_requests(server, before + (size_t)pausing + IN_FLIGHT, 10000));
    CHECK_INT(refold_queue_pending(queue), count);
    int64_t triggered = now_us();
    /* The last ones first: what is queued must not take the turns of what was in flight. */
    for (int i = has_one_token ? 1 : count; i-- > 0;)
        refold_cancel_trigger(tokens[i]);
    take_all_done(queue, (size_t)count, REFOLD_ERROR_CANCELLED);
    int64_t took = now_us() - triggered;
    check_empty(queue);
    CHECK_INT(server_requests(server), before + (size_t)pausing + IN_FLIGHT);
    for (int i = 0; i < (has_one_token ? 1 : count); i++)
        refold_cancel_free(tokens[i]);
    free(tokens);
    refold_queue_free(queue);
    refold_client_free(client);
    return took;
}

TEST(one_token_cancels_ten_thousand_submissions) {
    struct server *server = serve_by_id();
    int descriptors = descriptor_count();
    struct timing timing = {.max_ms = 500};
    while (CHECK_AGAIN(timing))
        timing.us = cancel_many(server, true);
    CHECK_INT(descriptor_count(), descriptors);
    server_stop(server);
}

/* More tokens than there are descriptors. */
TEST(ten_thousand_tokens_cancel_as_many_submissions) {
    struct server *server = serve_by_id();
    int descriptors = descriptor_count();
    struct timing timing = {.max_ms = 500};
    while (CHECK_AGAIN(timing))
        timing.us = cancel_many(server, false);
    CHECK_INT(descriptor_count(), descriptors);
    server_stop(server);
}

/* Shared tokens ------------------------------------------------------------------------------------------ */

struct blocking_call {
    pthread_t thread;
    const refold_client *client;
    refold_cancel *cancel;
    refold_code code;
};

static void *call(void *data) {
    struct blocking_call *blocking = data;
    refold_error *error = NULL;
    refold_execution_free(refold_get_execution(blocking->client, "held", blocking->cancel, &error));
    blocking->code = refold_error_code(error);
    refold_error_free(error);
    return NULL;
}

enum { QUEUES = 5, CALLS = 2 };

static int64_t cancel_across_queues(void) {
    struct server *server = serve_by_id();
    refold_client *client = quiet_client(server);
    refold_cancel *cancel = refold_cancel_new();
    refold_queue *queues[QUEUES];
    struct blocking_call calls[CALLS];
    for (int i = 0; i < QUEUES; i++) {
        queues[i] = queue_of(1);
        submit_wait(queues[i], client, "run", cancel, NULL);
        refold_event_free(take(queues[i], REFOLD_EVENT_PROGRESS));
        submit_get(queues[i], client, "held", cancel, NULL);
        submit_get(queues[i], client, "held", cancel, NULL);
    }
    /* Of a queue that was freed before, nothing is left. */
    struct server *other = serve_by_id();
    refold_client *others_client = client_to(other);
    for (int i = 0; i < 50; i++) {
        refold_queue *freed = queue_of(1);
        submit_wait(freed, others_client, "run", cancel, NULL);
        refold_queue_free(freed);
    }
    refold_client_free(others_client);
    server_stop(other);
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct blocking_call){.client = client, .cancel = cancel};
        pthread_create(&calls[i].thread, NULL, call, &calls[i]);
    }
    CHECK(server_await_requests(server, 2 * QUEUES + CALLS, 10000));
    int64_t triggered = now_us();
    refold_cancel_trigger(cancel);
    for (int i = 0; i < QUEUES; i++)
        take_all_done(queues[i], 3, REFOLD_ERROR_CANCELLED);
    for (int i = 0; i < CALLS; i++) {
        pthread_join(calls[i].thread, NULL);
        CHECK_INT(calls[i].code, REFOLD_ERROR_CANCELLED);
    }
    int64_t took = now_us() - triggered;
    for (int i = 0; i < QUEUES; i++) {
        check_empty(queues[i]);
        if (i == 0)
            refold_cancel_free(cancel); /* before most of the queues */
        refold_queue_free(queues[i]);
    }
    refold_client_free(client);
    server_stop(server);
    return took;
}

TEST(a_token_cancels_in_several_queues_and_blocking_calls) {
    struct timing timing = {.max_ms = LATE_MS};
    while (CHECK_AGAIN(timing))
        timing.us = cancel_across_queues();
}

struct trigger {
    refold_cancel *cancel;
    struct event *begun;
    int64_t delay_us;
};

static void *trigger_soon(void *data) {
    struct trigger *trigger = data;
    event_add(trigger->begun, 1);
    int64_t until = now_us() + trigger->delay_us;
    while (now_us() < until)
        continue;
    refold_cancel_trigger(trigger->cancel);
    return NULL;
}

TEST(a_queue_may_be_freed_while_a_token_is_triggered) {
    struct server *server = serve_by_id();
    refold_client *client = quiet_client(server);
    int descriptors = descriptor_count();
    for (int round = 0; round < (check_is_slow() ? 30 : 300); round++) {
        refold_queue *queues[] = {queue_of(2), queue_of(1)};
        struct trigger trigger = {
            .cancel = refold_cancel_new(), .begun = event_new(), .delay_us = round * 7 % 200};
        pthread_t thread;
        for (size_t i = 0; i < COUNT(queues); i++) {
            submit_wait(queues[i], client, "run", trigger.cancel, NULL);
            submit_get(queues[i], client, "held", trigger.cancel, NULL);
            submit_get(queues[i], client, "id", trigger.cancel, NULL);
        }
        pthread_create(&thread, NULL, trigger_soon, &trigger);
        CHECK(event_await(trigger.begun, 1, 10000));
        if (round % 3 == 0)
            refold_event_free(refold_queue_next(queues[1], 1));
        refold_queue_free(queues[0]);
        refold_queue_free(queues[1]);
        pthread_join(thread, NULL);
        refold_cancel_free(trigger.cancel);
        event_free(trigger.begun);
    }
    refold_client_free(client);
    CHECK_INT(descriptor_count(), descriptors);
    CHECK(await_threads(1, 5000));
    server_stop(server);
}

/* Freeing ------------------------------------------------------------------------------------------------ */

static int64_t free_in(enum state state, int64_t settling_ms) {
    struct stage stage = open_stage(state);
    if (state >= QUEUED_POLL)
        pause_ms(settling_ms);
    int64_t begun = now_us();
    refold_queue_free(stage.queue);
    int64_t took = now_us() - begun;
    CHECK_INT(queue_thread_count(), 0);
    /* The token is that of the caller. */
    CHECK_INT(refold_cancel_is_triggered(stage.cancel), state <= EARLY_WAIT);
    stage.queue = NULL;
    close_stage(&stage);
    return took;
}

TEST(a_queue_can_be_freed_with_work_in_every_state) {
    int descriptors = descriptor_count();
    for (enum state state = 0; state < STATES; state++) {
        struct timing timing = {.max_ms = LATE_MS};
        check_case("%s", state_names[state]);
        while (CHECK_AGAIN(timing))
            timing.us = free_in(state, (int64_t)2 << timing.made);
    }
    CHECK_INT(descriptor_count(), descriptors);
    refold_queue_free(NULL);
}

TEST(a_queue_can_be_freed_with_a_call_in_every_phase) { end_in_every_phase(true); }

/* A log whose data is invalid once the queue and the client have been freed. */
static void count_line(refold_log_level level, const char *message, void *data) {
    (void)level;
    (void)message;
    CHECK(*(atomic_int *)data >= 0);
    atomic_fetch_add((atomic_int *)data, 1);
}

static int64_t free_with_everything(void) {
    struct server *server = serve_by_id();
    refold_options *options = test_options(server_url(server));
    atomic_int *lines = calloc(1, sizeof *lines);
    refold_options_set_log(options, REFOLD_LOG_DEBUG, count_line, lines);
    refold_options_set_poll_interval_ms(options, 10);
    refold_client *client = client_of(options);
    refold_queue *queue = queue_of(4);
    refold_cancel *cancel = refold_cancel_new();
    for (int i = 0; i < 20; i++)
        submit_wait(queue, client, "run", i % 2 == 0 ? cancel : NULL, NULL);
    CHECK(server_await_requests(server, 60, 10000));
    for (int i = 0; i < 100; i++) {
        submit_get(queue, client, i < 50 ? "id" : "held", NULL, NULL);
        submit_get(queue, client, "held", cancel, NULL);
    }
    refold_event *event = take(queue, REFOLD_EVENT_PROGRESS);
    refold_client_free(client);
    int64_t begun = now_us();
    refold_queue_free(queue);
    int64_t took = now_us() - begun;
    CHECK(*lines > 100);
    *lines = -1000000;
    CHECK_STR(refold_execution_status(refold_event_execution(event)), "RUNNING");
    refold_event_free(event);
    refold_cancel_trigger(cancel);
    refold_cancel_free(cancel);
    CHECK_INT(queue_thread_count(), 0);
    CHECK_INT(*lines, -1000000);
    free(lines);
    server_stop(server);
    return took;
}

TEST(a_queue_can_be_freed_with_everything_in_it) {
    int descriptors = descriptor_count();
    struct timing timing = {.max_ms = LATE_MS};
    while (CHECK_AGAIN(timing))
        timing.us = free_with_everything();
    CHECK_INT(descriptor_count(), descriptors);
}
