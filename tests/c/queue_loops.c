/* Taking the events of a queue: from blocked threads, by the descriptor in all kinds of loops, and by the
 * callback. */
#define _GNU_SOURCE
#include "client.h"
#include "queues.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A queue with a server and a client. */
struct scene {
    struct server *server;
    refold_client *client;
    refold_queue *queue;
};

static struct scene open_scene(uint32_t max_concurrent) {
    struct scene scene = {.server = serve_by_id(), .queue = queue_of(max_concurrent)};
    scene.client = client_to(scene.server);
    return scene;
}

static void close_scene(struct scene *scene) {
    refold_queue_free(scene->queue);
    refold_client_free(scene->client);
    server_stop(scene->server);
}

static void submit_gets(struct scene *scene, int count, const char *id) {
    for (int i = 0; i < count; i++)
        submit_get(scene->queue, scene->client, id, NULL, NULL);
}

/* `count` events are in the queue, and nothing but a get that is held is pending. Only for queues with one
 * call in flight, and once per scene. */
static void gather_events(struct scene *scene, int count) {
    submit_gets(scene, count, "id");
    submit_get(scene->queue, scene->client, "held", NULL, NULL);
    CHECK(server_await_requests(scene->server, (size_t)count + 1, 10000));
}

static int fewer_if_slow(int count) { return check_is_slow() ? count / 10 : count; }

/* Blocked threads ---------------------------------------------------------------------------------------- */

/* Returns how many microseconds it takes to find no event, of which there must be none. */
static int64_t find_none(refold_queue *queue, int64_t timeout_ms) {
    int64_t begun = now_us();
    CHECK(refold_queue_next(queue, timeout_ms) == NULL);
    return now_us() - begun;
}

TEST(an_empty_queue_is_waited_for_until_the_timeout) {
    static const int64_t timeouts[] = {0, 1, 60, -1, -2, INT64_MIN};
    struct scene scene = open_scene(1);
    for (int is_pending = 0; is_pending < 2; is_pending++) {
        for (size_t i = 0; i < COUNT(timeouts); i++) {
            int64_t least_ms = timeouts[i] < 0 ? 0 : timeouts[i];
            if (is_pending && timeouts[i] < 0)
                continue;
            check_case("%lld, %d pending", (long long)timeouts[i], is_pending);
            struct timing timing = {.max_ms = least_ms + 40};
            while (CHECK_AGAIN(timing)) {
                timing.us = find_none(scene.queue, timeouts[i]);
                CHECK(timing.us >= least_ms * 1000);
            }
        }
        if (!is_pending)
            submit_gets(&scene, 1, "held");
    }
    close_scene(&scene);
}

struct consumer {
    pthread_t thread;
    refold_queue *queue;
    int64_t timeout_ms;
    struct event *begun;
    refold_event *event;
};

static void *take_one(void *data) {
    struct consumer *consumer = data;
    event_add(consumer->begun, 1);
    consumer->event = refold_queue_next(consumer->queue, consumer->timeout_ms);
    pthread_testcancel();
    return NULL;
}

static void begin_consumer(struct consumer *consumer, refold_queue *queue, int64_t timeout_ms) {
    *consumer = (struct consumer){.queue = queue, .timeout_ms = timeout_ms, .begun = event_new()};
    pthread_create(&consumer->thread, NULL, take_one, consumer);
    CHECK(event_await(consumer->begun, 1, 10000));
    pause_ms(10); /* until it blocks */
}

/* Returns what the thread returned. */
static void *end_consumer(struct consumer *consumer) {
    void *result = NULL;
    pthread_join(consumer->thread, &result);
    event_free(consumer->begun);
    return result;
}

TEST(a_blocked_thread_takes_an_event_that_arrives) {
    static const int64_t timeouts[] = {-1, INT64_MIN, 60000, INT64_MAX};
    for (size_t i = 0; i < COUNT(timeouts); i++) {
        struct scene scene = open_scene(1);
        struct consumer consumer;
        check_case("%lld", (long long)timeouts[i]);
        submit_gets(&scene, 1, "held");
        begin_consumer(&consumer, scene.queue, timeouts[i]);
        server_release(scene.server);
        end_consumer(&consumer);
        CHECK_INT(refold_event_typeof(consumer.event), REFOLD_EVENT_DONE);
        refold_event_free(consumer.event);
        check_empty(scene.queue);
        close_scene(&scene);
    }
}

TEST(no_thread_waits_for_ever_once_nothing_is_pending) {
    enum { CONSUMERS = 4 };
    struct scene scene = open_scene(1);
    struct consumer consumers[CONSUMERS];
    submit_gets(&scene, 1, "held");
    for (int i = 0; i < CONSUMERS; i++)
        begin_consumer(&consumers[i], scene.queue, -1);
    server_release(scene.server);
    int taken = 0;
    for (int i = 0; i < CONSUMERS; i++) {
        end_consumer(&consumers[i]);
        taken += consumers[i].event != NULL;
        refold_event_free(consumers[i].event);
    }
    CHECK_INT(taken, 1);
    check_empty(scene.queue);
    close_scene(&scene);
}

struct takers {
    refold_queue *queue;
    atomic_int *seen; /* for each submission: how often its event was taken */
    atomic_int taken, next_number;
    int count;
};

static void take_until_all_are_taken(void *data) {
    static const int64_t timeouts[] = {0, 1, 5, 1000};
    struct takers *takers = data;
    int number = atomic_fetch_add(&takers->next_number, 1);
    while (takers->taken < takers->count) {
        refold_event *event = refold_queue_next(takers->queue, timeouts[number % (int)COUNT(timeouts)]);
        if (event == NULL)
            continue;
        CHECK(refold_event_error(event) == NULL);
        CHECK_INT(refold_event_typeof(event), REFOLD_EVENT_DONE);
        atomic_fetch_add((atomic_int *)refold_event_user_data(event), 1);
        atomic_fetch_add(&takers->taken, 1);
        refold_event_free(event);
    }
}

TEST(each_event_goes_to_one_of_several_threads) {
    enum { MOST = 1000 };
    struct scene scene = open_scene(8);
    atomic_int seen[MOST] = {0};
    struct takers takers = {.queue = scene.queue, .seen = seen, .count = fewer_if_slow(MOST)};
    for (int i = 0; i < takers.count; i++)
        submit_get(scene.queue, scene.client, "id", NULL, &seen[i]);
    run_on_threads(8, take_until_all_are_taken, &takers, 0);
    for (int i = 0; i < takers.count; i++)
        CHECK_INT(seen[i], 1);
    check_empty(scene.queue);
    close_scene(&scene);
}

/* A thread that blocks in the library is not cancelled there: it would take the event along. */
TEST(a_blocked_thread_that_is_cancelled_loses_no_event) {
    struct scene scene = open_scene(1);
    struct consumer consumer;
    submit_gets(&scene, 2, "held");
    begin_consumer(&consumer, scene.queue, -1);
    pthread_cancel(consumer.thread);
    server_release(scene.server);
    CHECK(end_consumer(&consumer) == PTHREAD_CANCELED);
    CHECK_INT(refold_event_typeof(consumer.event), REFOLD_EVENT_DONE);
    refold_event_free(consumer.event);
    take_done(scene.queue, NULL, REFOLD_OK);
    check_empty(scene.queue);
    close_scene(&scene);
}

/* The descriptor ----------------------------------------------------------------------------------------- */

TEST(the_descriptor_stays_the_same) {
    int before = descriptor_count();
    struct scene scene = open_scene(2);
    int descriptor = (int)refold_queue_descriptor(scene.queue);
    CHECK(descriptor > 2);
    CHECK((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    for (int round = 0; round < 3; round++) {
        CHECK(!is_readable(scene.queue));
        submit_gets(&scene, 5, "id");
        CHECK_INT(refold_queue_descriptor(scene.queue), descriptor);
        take_all_done(scene.queue, 5, REFOLD_OK);
        CHECK_INT(refold_queue_descriptor(scene.queue), descriptor);
    }
    CHECK_INT(refold_queue_descriptor(NULL), -1);
    refold_queue *other = queue_of(1);
    CHECK(refold_queue_descriptor(other) != descriptor);
    refold_queue_free(other);
    CHECK_INT(refold_queue_descriptor(scene.queue), descriptor);
    close_scene(&scene);
    CHECK_INT(descriptor_count(), before);
}

TEST(the_descriptor_is_readable_while_there_are_events) {
    /* Asked for before the events, and after. */
    for (int is_late = 0; is_late < 2; is_late++) {
        struct scene scene = open_scene(1);
        check_case("%d", is_late);
        if (!is_late)
            CHECK(!is_readable(scene.queue));
        gather_events(&scene, 3);
        for (int left = 3; left > 0; left--) {
            CHECK(is_readable(scene.queue));
            CHECK(is_readable(scene.queue));
            take_done(scene.queue, NULL, REFOLD_OK);
        }
        CHECK(!is_readable(scene.queue));
        CHECK(refold_queue_next(scene.queue, 0) == NULL);
        CHECK(!is_readable(scene.queue));
        server_release(scene.server);
        CHECK(await_readable(scene.queue, 10000));
        take_done(scene.queue, NULL, REFOLD_OK);
        CHECK(!is_readable(scene.queue));
        close_scene(&scene);
    }
}

TEST(progress_that_is_replaced_keeps_the_descriptor_readable) {
    struct scene scene = open_scene(1);
    refold_options *options = test_options(server_url(scene.server));
    refold_options_set_poll_interval_ms(options, 10);
    refold_client *client = client_of(options);
    refold_cancel *cancel = refold_cancel_new();
    CHECK(!is_readable(scene.queue));
    submit_wait(scene.queue, client, "run", cancel, NULL);
    CHECK(server_await_requests(scene.server, 4, 10000));
    CHECK(is_readable(scene.queue));
    refold_cancel_trigger(cancel);
    refold_event_free(take(scene.queue, REFOLD_EVENT_PROGRESS));
    CHECK(await_readable(scene.queue, 10000));
    refold_event *event = refold_queue_next(scene.queue, 0);
    if (refold_event_typeof(event) == REFOLD_EVENT_PROGRESS) { /* a poll was in flight */
        refold_event_free(event);
        event = refold_queue_next(scene.queue, 10000);
    }
    CHECK_INT(refold_event_typeof(event), REFOLD_EVENT_DONE);
    refold_event_free(event);
    CHECK(!is_readable(scene.queue));
    check_empty(scene.queue);
    refold_cancel_free(cancel);
    refold_client_free(client);
    close_scene(&scene);
}

static int epoll_of(const refold_queue *queue, uint32_t events) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event entry = {.events = events};
    CHECK(epoll >= 0);
    CHECK_INT(epoll_ctl(epoll, EPOLL_CTL_ADD, (int)refold_queue_descriptor(queue), &entry), 0);
    return epoll;
}

static bool await_epoll(int epoll, int64_t limit_ms) {
    struct epoll_event entry;
    int ready = epoll_wait(epoll, &entry, 1, (int)limit_ms * check_patience());
    if (ready == 1)
        CHECK((entry.events & EPOLLIN) != 0 && (entry.events & (EPOLLERR | EPOLLHUP)) == 0);
    return ready == 1;
}

/* Takes `batch` events each time that epoll reports some (0: all that there are), until all are taken. */
static void run_loop(uint32_t events, int batch) {
    struct scene scene = open_scene(4);
    const int count = fewer_if_slow(500);
    int epoll = epoll_of(scene.queue, events), taken = 0, submitted = 0;
    CHECK(!await_epoll(epoll, 0));
    while (taken < count) {
        for (; submitted < count && submitted < taken + 10; submitted++)
            submit_gets(&scene, 1, "id");
        if (!CHECK(await_epoll(epoll, 10000)))
            break;
        refold_event *event = NULL;
        int now = 0;
        while ((batch == 0 || now < batch) && (event = refold_queue_next(scene.queue, 0)) != NULL) {
            CHECK_INT(refold_event_typeof(event), REFOLD_EVENT_DONE);
            refold_event_free(event);
            now++;
        }
        /* Readiness is never reported without an event when it is by level. */
        CHECK(now > 0 || (events & EPOLLET) != 0);
        taken += now;
    }
    CHECK(!is_readable(scene.queue));
    check_empty(scene.queue);
    close(epoll);
    close_scene(&scene);
}

TEST(a_level_triggered_loop_gets_all_events) {
    run_loop(EPOLLIN, 0);
    run_loop(EPOLLIN, 1);
}

TEST(an_edge_triggered_loop_gets_all_events) { run_loop(EPOLLIN | EPOLLET, 0); }

TEST(an_edge_is_seen_even_if_the_loop_joins_late) {
    struct scene scene = open_scene(1);
    gather_events(&scene, 2);
    int epoll = epoll_of(scene.queue, EPOLLIN | EPOLLET);
    CHECK(await_epoll(epoll, 0));
    CHECK(!await_epoll(epoll, 0)); /* one edge */
    take_all_done(scene.queue, 2, REFOLD_OK);
    CHECK(refold_queue_next(scene.queue, 0) == NULL);
    CHECK(!await_epoll(epoll, 0));
    server_release(scene.server);
    CHECK(await_epoll(epoll, 10000)); /* and another one */
    take_done(scene.queue, NULL, REFOLD_OK);
    close(epoll);
    close_scene(&scene);
}

/* The callback ------------------------------------------------------------------------------------------- */

static void count_call(void *data) { event_add(data, 1); }

TEST(the_callback_is_called_when_the_queue_stops_being_empty) {
    struct scene scene = open_scene(1);
    struct event *called = event_new();
    refold_queue_set_notify(scene.queue, count_call, called);
    gather_events(&scene, 3);
    CHECK(event_await(called, 1, 10000));
    take_all_done(scene.queue, 3, REFOLD_OK);
    CHECK_INT(event_count(called), 1);
    server_release(scene.server);
    CHECK(event_await(called, 2, 10000));
    take_done(scene.queue, NULL, REFOLD_OK);
    check_empty(scene.queue);
    CHECK_INT(event_count(called), 2);
    close_scene(&scene);
    event_free(called);
}

TEST(the_callback_is_not_called_for_earlier_events) {
    struct scene scene = open_scene(1);
    struct event *called = event_new();
    refold_cancel *cancel = refold_cancel_new();
    submit_gets(&scene, 2, "id");
    submit_get(scene.queue, scene.client, "held", cancel, NULL);
    submit_gets(&scene, 1, "held");
    CHECK(server_await_requests(scene.server, 3, 10000));
    refold_queue_set_notify(scene.queue, count_call, called);
    refold_cancel_trigger(cancel);
    /* The event of the cancelled get is behind those two now. */
    CHECK(server_await_requests(scene.server, 4, 10000));
    take_all_done(scene.queue, 2, REFOLD_OK);
    take_done(scene.queue, NULL, REFOLD_ERROR_CANCELLED);
    CHECK_INT(event_count(called), 0);
    server_release(scene.server);
    CHECK(event_await(called, 1, 10000));
    take_done(scene.queue, NULL, REFOLD_OK);
    refold_queue_set_notify(scene.queue, NULL, NULL);
    submit_gets(&scene, 1, "id");
    take_done(scene.queue, NULL, REFOLD_OK);
    CHECK_INT(event_count(called), 1);
    refold_queue_set_notify(NULL, count_call, called);
    refold_cancel_free(cancel);
    close_scene(&scene);
    event_free(called);
}

/* What a callback does. */
struct caller {
    struct scene *scene;
    struct event *done;
    refold_cancel *cancel;
    int left;
    atomic_int named;
};

/* Uses the queue and the client in all ways but those that are forbidden. */
static void call_everything(void *data) {
    struct caller *caller = data;
    refold_queue *queue = caller->scene->queue;
    char name[32] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    caller->named += strcmp(name, "refold-queue") == 0;
    CHECK(refold_queue_pending(queue) > 0);
    CHECK(is_readable(queue));
    refold_event *event = refold_queue_next(queue, 0);
    CHECK_INT(refold_event_typeof(event), REFOLD_EVENT_DONE);
    refold_event_free(event);
    CHECK_INT(get_code(caller->scene->client), REFOLD_OK);
    refold_cancel_trigger(caller->cancel);
    refold_queue *other = queue_of(1);
    submit_get(other, caller->scene->client, "id", NULL, NULL);
    take_done(other, NULL, REFOLD_OK);
    refold_queue_free(other);
    if (caller->left-- > 0)
        submit_get(queue, caller->scene->client, "id", NULL, NULL);
    event_add(caller->done, 1);
}

TEST(the_callback_may_use_the_queue) {
    enum { CALLS = 20 };
    for (uint32_t limit = 1; limit <= 2; limit++) {
        struct scene scene = open_scene(limit);
        struct caller caller = {
            .scene = &scene, .done = event_new(), .cancel = refold_cancel_new(), .left = CALLS - 1};
        refold_queue_set_notify(scene.queue, call_everything, &caller);
        submit_gets(&scene, 1, "id");
        CHECK(event_await(caller.done, CALLS, 20000));
        refold_queue_set_notify(scene.queue, NULL, NULL);
        CHECK_INT(caller.named, CALLS);
        check_empty(scene.queue);
        refold_cancel_free(caller.cancel);
        close_scene(&scene);
        event_free(caller.done);
    }
}

/* A loop that is woken by the callback alone. */
TEST(a_loop_that_the_callback_wakes_gets_all_events) {
    struct scene scene = open_scene(8);
    struct event *called = event_new();
    const int count = fewer_if_slow(1000);
    refold_queue_set_notify(scene.queue, count_call, called);
    int taken = 0, submitted = 0;
    for (int woken = 1; taken < count; woken++) {
        for (; submitted < count && submitted < taken + 10; submitted++)
            submit_gets(&scene, 1, "id");
        if (!CHECK(event_await(called, woken, 10000)))
            break;
        for (refold_event *event; (event = refold_queue_next(scene.queue, 0)) != NULL; taken++)
            refold_event_free(event);
    }
    CHECK_INT(taken, count);
    check_empty(scene.queue);
    close_scene(&scene);
    event_free(called);
}

/* A callback that takes its time. */
struct slow_call {
    struct event *begun, *goes_on;
    atomic_int running;
};

static void call_slowly(void *data) {
    struct slow_call *call = data;
    call->running = 1;
    event_add(call->begun, 1);
    CHECK(event_await(call->goes_on, 1, 10000));
    call->running = 0;
}

struct replacing {
    refold_queue *queue;
    struct slow_call *call;
    bool frees;
    struct event *begun, *ended;
};

static void *replace_callback(void *data) {
    struct replacing *replacing = data;
    event_add(replacing->begun, 1);
    if (replacing->frees)
        refold_queue_free(replacing->queue);
    else
        refold_queue_set_notify(replacing->queue, NULL, NULL);
    CHECK_INT(replacing->call->running, 0);
    event_add(replacing->ended, 1);
    return NULL;
}

TEST(replacing_and_freeing_wait_for_the_running_callback) {
    for (int frees = 0; frees < 2; frees++) {
        struct scene scene = open_scene(2);
        struct slow_call call = {.begun = event_new(), .goes_on = event_new()};
        struct replacing replacing = {.queue = scene.queue,
                                      .call = &call,
                                      .frees = frees == 1,
                                      .begun = event_new(),
                                      .ended = event_new()};
        pthread_t thread;
        check_case("%s", frees ? "free" : "set_notify");
        refold_queue_set_notify(scene.queue, call_slowly, &call);
        submit_gets(&scene, 1, "id");
        CHECK(event_await(call.begun, 1, 10000));
        pthread_create(&thread, NULL, replace_callback, &replacing);
        CHECK(event_await(replacing.begun, 1, 10000));
        pause_ms(20);
        CHECK_INT(event_count(replacing.ended), 0);
        event_add(call.goes_on, 1);
        pthread_join(thread, NULL);
        if (frees) {
            scene.queue = NULL;
        } else {
            take_done(scene.queue, NULL, REFOLD_OK);
            submit_gets(&scene, 1, "id");
            take_done(scene.queue, NULL, REFOLD_OK);
        }
        CHECK_INT(event_count(call.begun), 1);
        close_scene(&scene);
        event_free(call.begun);
        event_free(call.goes_on);
        event_free(replacing.begun);
        event_free(replacing.ended);
    }
}

/* What a callback refers to until it is replaced. */
struct referred {
    atomic_int *calls;
    atomic_bool is_valid;
};

static void refer(void *data) {
    struct referred *referred = data;
    CHECK(referred->is_valid);
    atomic_fetch_add(referred->calls, 1);
    CHECK(referred->is_valid);
}

struct load {
    struct scene *scene;
    atomic_bool is_over;
};

static void *submit_and_take(void *data) {
    struct load *load = data;
    while (!load->is_over) {
        submit_gets(load->scene, 2, "id");
        for (int i = 0; i < 2; i++)
            take_all_done(load->scene->queue, 1, REFOLD_OK);
    }
    return NULL;
}

TEST(a_callback_that_was_replaced_is_never_called_again) {
    struct scene scene = open_scene(4);
    struct load load = {.scene = &scene};
    pthread_t threads[2];
    atomic_int calls = 0;
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_create(&threads[i], NULL, submit_and_take, &load);
    int rounds = 0;
    for (; rounds < fewer_if_slow(3000) || calls < 20; rounds++) {
        struct referred *referred = malloc(sizeof *referred);
        *referred = (struct referred){.calls = &calls, .is_valid = true};
        refold_queue_set_notify(scene.queue, refer, referred);
        if (rounds % 4 == 0)
            sched_yield();
        refold_queue_set_notify(scene.queue, NULL, NULL);
        referred->is_valid = false;
        free(referred);
    }
    load.is_over = true;
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK(calls >= 20);
    check_empty(scene.queue);
    close_scene(&scene);
}
