/* The threads of queues, and queues in a process that lacks threads or descriptors. */
#define _GNU_SOURCE
#include "client.h"
#include "queues.h"
#include "remote.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Threads that can be exhausted -------------------------------------------------------------------------- */

enum { STACK = 256 * 1024 };

/* How many threads with the stack of a queue's threads may still be started; others are not limited. */
static atomic_int threads_left = INT32_MAX;

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* Replaces pthread_create() for the whole program, including the library. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *), void *data) {
    create_function *real;
    size_t stack = 0;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (attributes != NULL)
        pthread_attr_getstacksize(attributes, &stack);
    if (stack == STACK && atomic_fetch_sub(&threads_left, 1) <= 0) {
        threads_left = 0;
        return EAGAIN;
    }
    return real(thread, attributes, work, data);
}

/* Scenes ------------------------------------------------------------------------------------------------- */

struct scene {
    struct server *server;
    refold_client *client;
    refold_queue *queue;
};

static struct scene open_scene(uint32_t max_concurrent, uint64_t interval) {
    struct scene scene = {.server = serve_by_id(), .queue = queue_of(max_concurrent)};
    refold_options *options = test_options(server_url(scene.server));
    refold_options_set_poll_interval_ms(options, interval);
    scene.client = client_of(options);
    return scene;
}

static void close_scene(struct scene *scene) {
    refold_queue_free(scene->queue);
    CHECK_INT(queue_thread_count(), 0);
    refold_client_free(scene->client);
    server_stop(scene->server);
}

static void submit_gets(struct scene *scene, int count, const char *id, refold_cancel *cancel) {
    for (int i = 0; i < count; i++)
        submit_get(scene->queue, scene->client, id, cancel, NULL);
}

/* Threads ------------------------------------------------------------------------------------------------ */

TEST(threads_are_started_on_demand) {
    struct scene scene = open_scene(8, 10);
    refold_cancel *cancel = refold_cancel_new();
    CHECK(!is_readable(scene.queue));
    CHECK_INT(queue_thread_count(), 0);
    /* One call after the other needs one thread. */
    for (int i = 0; i < 20; i++) {
        submit_gets(&scene, 1, "id", NULL);
        take_done(scene.queue, NULL, REFOLD_OK);
        CHECK_INT(queue_thread_count(), 1);
        CHECK(await_sleeping_threads(10000)); /* otherwise the next call would need another one */
    }
    /* And one more, once there is something to watch. */
    submit_gets(&scene, 1, "id", cancel);
    take_done(scene.queue, NULL, REFOLD_OK);
    CHECK(await_queue_threads(2, 10000));
    refold_cancel_free(cancel);
    close_scene(&scene);
}

TEST(there_is_at_most_one_thread_more_than_calls) {
    static const uint32_t limits[] = {1, 8};
    for (size_t row = 0; row < COUNT(limits); row++) {
        struct scene scene = open_scene(limits[row], 10);
        refold_cancel *cancel = refold_cancel_new();
        const int most = (int)limits[row] + 1, count = 20 * most;
        check_case("%u", limits[row]);
        for (int i = 0; i < count; i++)
            if (i % 2 == 0)
                submit_get(scene.queue, scene.client, "held", i % 3 == 0 ? cancel : NULL, NULL);
            else
                submit_wait(scene.queue, scene.client, "held", i % 3 == 0 ? cancel : NULL, NULL);
        CHECK(server_await_requests(scene.server, limits[row], 10000));
        CHECK(await_queue_threads(most, 10000));
        server_release(scene.server);
        for (int i = 0; i < count; i++) {
            take_all_done(scene.queue, 1, REFOLD_OK);
            CHECK_INT(queue_thread_count(), most);
        }
        refold_cancel_free(cancel);
        close_scene(&scene);
    }
}

/* Pausing waits occupy no thread. */
TEST(a_hundred_waits_pause_with_two_threads) {
    struct scene scene = open_scene(1, 60000);
    for (int i = 0; i < 100; i++)
        submit_wait(scene.queue, scene.client, "run", NULL, NULL);
    for (int i = 0; i < 100; i++)
        refold_event_free(take(scene.queue, REFOLD_EVENT_PROGRESS));
    CHECK_INT(queue_thread_count(), 2);
    CHECK_INT(refold_queue_pending(scene.queue), 100);
    CHECK_INT(server_connections(scene.server), 1);
    close_scene(&scene);
}

/* What a thread of a queue looks like from within. */
struct look {
    struct event *seen;
    bool has_name, blocks_others, blocks_faults;
    size_t stack;
};

static void look_around(void *data) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    struct look *look = data;
    char name[32] = "";
    sigset_t blocked;
    pthread_attr_t attributes;
    void *start;
    pthread_getname_np(pthread_self(), name, sizeof name);
    look->has_name = strcmp(name, "refold-queue") == 0;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    for (size_t i = 0; i < COUNT(faults); i++) {
        look->blocks_faults = look->blocks_faults || sigismember(&blocked, faults[i]) == 1;
        sigaddset(&blocked, faults[i]);
    }
    look->blocks_others = true;
    for (int number = 1; number <= SIGRTMAX; number++)
        if (number != SIGKILL && number != SIGSTOP && (number < 32 || number >= SIGRTMIN))
            look->blocks_others = look->blocks_others && sigismember(&blocked, number) == 1;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &start, &look->stack);
        pthread_attr_destroy(&attributes);
    }
    event_add(look->seen, 1);
}

static void look_from_log(refold_log_level level, const char *message, void *data) {
    (void)level;
    (void)message;
    look_around(data);
}

static void check_look(struct look *look) {
    CHECK(event_await(look->seen, 1, 10000));
    CHECK(look->has_name);
    CHECK(look->blocks_others);
    CHECK(!look->blocks_faults);
    CHECK_BETWEEN(look->stack, STACK, STACK + 64 * 1024);
}

TEST(threads_have_a_name_and_block_signals) {
    sigset_t none, before;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, &before);
    struct server *server = serve_by_id();
    struct look in_callback = {.seen = event_new()}, in_log = {.seen = event_new()};
    refold_options *options = test_options(server_url(server));
    refold_options_set_log(options, REFOLD_LOG_INFO, look_from_log, &in_log);
    refold_client *client = client_of(options);
    refold_queue *queue = queue_of(1);
    refold_queue_set_notify(queue, look_around, &in_callback);
    submit_get(queue, client, "id", NULL, NULL);
    check_look(&in_callback);
    check_look(&in_log);
    take_done(queue, NULL, REFOLD_OK);
    refold_queue_free(queue);
    refold_client_free(client);
    event_free(in_callback.seen);
    event_free(in_log.seen);
    server_stop(server);
    /* The mask of the thread that submits is what it was. */
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, &before, &after);
    for (int number = 1; number < 32; number++)
        CHECK_INT(sigismember(&after, number), 0);
}

/* One queue has nothing to do, and another one has little: its other threads end all the same. */
TEST(threads_end_after_ten_idle_seconds) {
    enum { THREADS = 6, ENDED_MS = 10000, LIMIT_MS = 30000 };
    struct scene idle = open_scene(THREADS, 60000), busy = open_scene(THREADS, 60000);
    refold_cancel *cancel = refold_cancel_new();
    struct scene *scenes[] = {&idle, &busy};
    for (size_t i = 0; i < COUNT(scenes); i++) {
        submit_gets(scenes[i], THREADS, "held", cancel);
        CHECK(server_await_requests(scenes[i]->server, THREADS, 10000));
        /* What is queued is watched, whose deadline is far away, and taken without notice. */
        CHECK(refold_queue_wait_execution(scenes[i]->queue, scenes[i]->client, "id", 3600000, cancel, NULL,
                                          NULL));
        pause_ms(5);
        server_release(scenes[i]->server);
        take_all_done(scenes[i]->queue, THREADS + 1, REFOLD_OK);
    }
    int64_t begun = now_ms();
    CHECK_INT(queue_thread_count(), 2 * (THREADS + 1));
    while (queue_thread_count() > 1 && now_ms() - begun < LIMIT_MS * check_patience()) {
        if (now_ms() - begun < 8000)
            CHECK_INT(queue_thread_count(), 2 * (THREADS + 1));
        submit_gets(&busy, 1, "id", NULL);
        take_done(busy.queue, NULL, REFOLD_OK);
        pause_ms(50);
    }
    CHECK_BETWEEN(now_ms() - begun, ENDED_MS - 100, LIMIT_MS * check_patience());
    CHECK_INT(queue_thread_count(), 1);
    /* They start again when they are needed. */
    submit_gets(&idle, 2, "id", cancel);
    take_all_done(idle.queue, 2, REFOLD_OK);
    submit_wait(idle.queue, idle.client, "run", cancel, NULL);
    refold_event_free(take(idle.queue, REFOLD_EVENT_PROGRESS));
    refold_cancel_trigger(cancel);
    take_done(idle.queue, NULL, REFOLD_ERROR_CANCELLED);
    refold_cancel_free(cancel);
    refold_queue_free(busy.queue);
    busy.queue = NULL;
    close_scene(&idle);
    close_scene(&busy);
}

/* Exhausted threads -------------------------------------------------------------------------------------- */

TEST(without_a_thread_a_submission_is_a_resource_error) {
    struct scene scene = open_scene(4, 10);
    refold_cancel *cancel = refold_cancel_new();
    for (int i = 0; i < 20; i++) {
        refold_error *error = UNREAD_ERROR;
        threads_left = 0;
        check_case("%d", i);
        if (i % 2 == 0)
            CHECK(!refold_queue_get_execution(scene.queue, scene.client, "id", cancel, NULL, &error));
        else
            CHECK(!refold_queue_wait_execution(scene.queue, scene.client, "id", 0, cancel, NULL, &error));
        EXPECT_ERROR(error, REFOLD_ERROR_RESOURCE, "thread");
        CHECK(!refold_queue_get_execution(scene.queue, scene.client, "id", NULL, NULL, NULL));
        threads_left = INT32_MAX;
        check_empty(scene.queue);
    }
    CHECK_INT(server_connections(scene.server), 0);
    submit_gets(&scene, 3, "id", cancel);
    take_all_done(scene.queue, 3, REFOLD_OK);
    refold_cancel_free(cancel);
    close_scene(&scene);
}

/* With any number of threads but none, everything is done. */
TEST(a_few_threads_do_the_work_of_all) {
    for (int threads = 1; threads <= 5; threads++) {
        struct scene scene = open_scene(4, 10);
        refold_cancel *cancel = refold_cancel_new();
        check_case("%d threads", threads);
        threads_left = threads;
        for (int i = 0; i < 20; i++) {
            submit_get(scene.queue, scene.client, "id", i % 2 == 0 ? cancel : NULL, NULL);
            submit_wait(scene.queue, scene.client, "run", cancel, scene.queue);
        }
        CHECK(server_await_requests(scene.server, 100, 10000));
        CHECK_BETWEEN(queue_thread_count(), 1, threads);
        refold_cancel_trigger(cancel);
        int done = 0, cancelled = 0;
        for (refold_event *event; (event = refold_queue_next(scene.queue, -1)) != NULL;) {
            if (refold_event_typeof(event) == REFOLD_EVENT_DONE) {
                bool is_wait = refold_event_user_data(event) == scene.queue;
                CHECK_INT(refold_error_code(refold_event_error(event)),
                          is_wait ? REFOLD_ERROR_CANCELLED : REFOLD_OK);
                done++;
                cancelled += is_wait;
            }
            refold_event_free(event);
        }
        CHECK_INT(done, 40);
        CHECK_INT(cancelled, 20);
        threads_left = INT32_MAX;
        refold_cancel_free(cancel);
        close_scene(&scene);
    }
}

/* Without a coordinator, workers watch what pauses. Returns the microseconds from the trigger to the event.
 */
static int64_t cancel_without_coordinator(bool frees) {
    struct scene scene = open_scene(4, 60000);
    refold_cancel *cancel = refold_cancel_new();
    threads_left = 1;
    submit_wait(scene.queue, scene.client, "run", cancel, NULL);
    refold_event_free(take(scene.queue, REFOLD_EVENT_PROGRESS));
    CHECK_INT(queue_thread_count(), 1);
    pause_ms(5); /* until it pauses */
    int64_t begun = now_us();
    if (frees) {
        refold_queue_free(scene.queue);
        scene.queue = NULL;
    } else {
        refold_cancel_trigger(cancel);
        take_done(scene.queue, NULL, REFOLD_ERROR_CANCELLED);
    }
    int64_t took = now_us() - begun;
    threads_left = INT32_MAX;
    refold_cancel_free(cancel);
    close_scene(&scene);
    return took;
}

TEST(pausing_waits_are_cancelled_without_a_coordinator) {
    for (int frees = 0; frees < 2; frees++) {
        struct timing timing = {.max_ms = 50};
        while (CHECK_AGAIN(timing))
            timing.us = cancel_without_coordinator(frees == 1);
    }
}

TEST(pausing_waits_go_on_without_a_coordinator) {
    struct scene scene = open_scene(2, 20);
    threads_left = 1;
    submit_wait(scene.queue, scene.client, "run", NULL, NULL);
    CHECK(server_await_requests(scene.server, 4, 10000));
    CHECK_INT(queue_thread_count(), 1);
    /* Also the end of a timeout in a pause. */
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_queue_wait_execution(scene.queue, scene.client, "run", 30, NULL, scene.queue, &error));
    for (bool is_done = false; !is_done;) {
        refold_event *event = refold_queue_next(scene.queue, 10000 * check_patience());
        REQUIRE(event != NULL);
        is_done = refold_event_typeof(event) == REFOLD_EVENT_DONE;
        if (is_done) {
            CHECK(refold_event_user_data(event) == scene.queue);
            CHECK_ERROR(refold_event_error(event), REFOLD_ERROR_TIMEOUT, NULL);
        }
        refold_event_free(event);
    }
    threads_left = INT32_MAX;
    /* A coordinator is started once that is possible. */
    CHECK(await_queue_threads(2, 10000));
    close_scene(&scene);
}

/* Exhausted descriptors ---------------------------------------------------------------------------------- */

TEST(a_queue_without_descriptors_is_a_resource_error) {
    enum { NEEDED = 3 };
    int descriptors = descriptor_count();
    for (int left = 0; left <= NEEDED; left++) {
        refold_error *error = UNREAD_ERROR;
        check_case("%d descriptors left", left);
        struct rlimit before = leave_descriptors(left);
        refold_queue *queue = refold_queue_new(0, &error);
        setrlimit(RLIMIT_NOFILE, &before);
        if (left < NEEDED)
            EXPECT_ERROR(error, REFOLD_ERROR_RESOURCE, "descriptor");
        CHECK((queue != NULL) == (left >= NEEDED));
        refold_queue_free(queue);
        CHECK_INT(descriptor_count(), descriptors);
    }
}

/* In another process, which has descriptors. */
static void serve_elsewhere(const void *unused, char *info, size_t size) {
    (void)unused;
    snprintf(info, size, "%s", server_url(serve_by_id()));
}

TEST(calls_without_descriptors_are_resource_errors) {
    struct remote *remote = remote_start(serve_elsewhere, NULL);
    refold_client *client = client_of(test_options(remote_info(remote)));
    int descriptors = descriptor_count();
    refold_queue *queue = queue_of(2);
    for (int round = 0; round < 3; round++) {
        struct rlimit before = leave_descriptors(0);
        for (int i = 0; i < 4; i++)
            submit_get(queue, client, "id", NULL, NULL);
        for (int i = 0; i < 4; i++) {
            refold_event *event = take(queue, REFOLD_EVENT_DONE);
            /* Once there is a connection, a call needs no descriptor. */
            if (round == 0 || refold_event_error(event) != NULL)
                CHECK_ERROR(refold_event_error(event), REFOLD_ERROR_RESOURCE, "descriptor");
            refold_event_free(event);
        }
        setrlimit(RLIMIT_NOFILE, &before);
        submit_get(queue, client, "id", NULL, NULL);
        take_done(queue, NULL, REFOLD_OK);
    }
    refold_queue_free(queue);
    refold_client_free(client);
    CHECK_INT(descriptor_count(), descriptors);
    remote_stop(remote);
}

/* The token has no descriptor, and those that the queue had were created with it. */
static int64_t cancel_without_descriptors(const refold_client *client, const char *id, bool waits) {
    refold_queue *queue = queue_of(1);
    submit_get(queue, client, "id", NULL, NULL); /* opens the connection */
    take_done(queue, NULL, REFOLD_OK);
    struct rlimit before = leave_descriptors(0);
    refold_cancel *cancel = refold_cancel_new();
    if (waits) {
        submit_wait(queue, client, id, cancel, NULL);
        if (strcmp(id, "run") == 0)
            refold_event_free(take(queue, REFOLD_EVENT_PROGRESS));
    } else {
        submit_get(queue, client, id, cancel, NULL);
    }
    submit_get(queue, client, id, cancel, NULL);
    pause_ms(20); /* until it waits */
    int64_t triggered = now_us();
    refold_cancel_trigger(cancel);
    take_all_done(queue, 2, REFOLD_ERROR_CANCELLED);
    int64_t took = now_us() - triggered;
    setrlimit(RLIMIT_NOFILE, &before);
    refold_cancel_free(cancel);
    check_empty(queue);
    refold_queue_free(queue);
    return took;
}

TEST(tokens_without_descriptors_cancel_submissions) {
    struct remote *remote = remote_start(serve_elsewhere, NULL);
    refold_client *client = client_of(test_options(remote_info(remote)));
    static const char *const ids[] = {"held", "held"};
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct timing timing = {.max_ms = 50};
        check_case("%zu", i);
        while (CHECK_AGAIN(timing))
            timing.us = cancel_without_descriptors(client, ids[i], i == 1);
    }
    refold_client_free(client);
    remote_stop(remote);
}
