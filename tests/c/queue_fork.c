/* A queue belongs to the process that created it: what its children find, and how it ends with its process.
 */
#define _GNU_SOURCE
#include "client.h"
#include "queues.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Children ----------------------------------------------------------------------------------------------- */

typedef int child_function(void *data);

/* Returns the process of a child that exits with work(data), or is killed if it hangs. */
static pid_t begin_child(child_function *work, void *data) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)(20 * check_patience()));
        close_all_owned();
        _exit(work(data));
    }
    return child;
}

static void check_child(pid_t child) {
    int status = -1;
    CHECK_INT(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        FAIL("a child %s (signal %d)", WTERMSIG(status) == SIGALRM ? "hangs" : "was killed",
             WTERMSIG(status));
    else
        CHECK_INT(WEXITSTATUS(status), 0);
}

/* A queue of the parent, and what belongs to it. */
struct family {
    struct server *server;
    refold_client *client;
    refold_queue *queue;
    refold_cancel *cancel;
    refold_event *event; /* that the parent has taken */
    int descriptor;
};

static struct family open_family(uint32_t max_concurrent) {
    struct family family = {
        .server = serve_by_id(), .queue = queue_of(max_concurrent), .cancel = refold_cancel_new()};
    refold_options *options = test_options(server_url(family.server));
    refold_options_set_poll_interval_ms(options, 20);
    family.client = client_of(options);
    family.descriptor = (int)refold_queue_descriptor(family.queue);
    return family;
}

static void close_family(struct family *family) {
    refold_event_free(family->event);
    refold_queue_free(family->queue);
    refold_cancel_free(family->cancel);
    refold_client_free(family->client);
    server_stop(family->server);
}

/* Whether a submission is rejected because of the fork. */
static bool is_rejected(bool accepted, refold_error *error) {
    bool is_right = !accepted && refold_error_code(error) == REFOLD_ERROR_INVALID_ARGUMENT &&
                    strstr(refold_error_message(error), "fork") != NULL;
    refold_error_free(error);
    return is_right;
}

static void never_called(void *data) {
    (void)data;
    abort();
}

/* Returns 0, or the number of the promise that is broken. Takes no lock of the test support. */
static int use_queue_of_parent(void *data) {
    struct family *family = data;
    refold_queue *queue = family->queue;
    refold_error *error = UNREAD_ERROR;
    bool accepted = refold_queue_get_execution(queue, family->client, "id", NULL, NULL, &error);
    if (!is_rejected(accepted, error))
        return 1;
    accepted = refold_queue_wait_execution(queue, family->client, "id", 0, family->cancel, NULL, &error);
    if (!is_rejected(accepted, error))
        return 2;
    if (refold_queue_get_execution(queue, family->client, "id", NULL, NULL, NULL))
        return 3;
    static const int64_t timeouts[] = {0, -1, 60000, INT64_MAX};
    for (size_t i = 0; i < COUNT(timeouts); i++)
        if (refold_queue_next(queue, timeouts[i]) != NULL)
            return 4;
    if (refold_queue_pending(queue) != 0)
        return 5;
    if (refold_queue_descriptor(queue) != -1)
        return 6;
    refold_queue_set_notify(queue, never_called, NULL);
    refold_queue_set_notify(queue, NULL, NULL);
    /* An event that was taken belongs to the child, too. */
    if (family->event != NULL && refold_event_typeof(family->event) != REFOLD_EVENT_DONE)
        return 7;
    refold_event_free(family->event);
    refold_cancel_trigger(family->cancel);
    refold_queue_free(queue);
    /* What the parent polls is still open in the child. */
    if (fcntl(family->descriptor, F_GETFD) < 0)
        return 8;
    refold_cancel_free(family->cancel);
    return 0;
}

/* Returns 0, or the number of what went wrong. */
static int use_own_queue(void *data) {
    struct family *family = data;
    refold_queue *queue = refold_queue_new(2, NULL);
    refold_cancel *cancel = refold_cancel_new();
    if (queue == NULL || !refold_queue_get_execution(queue, family->client, "id", cancel, NULL, NULL) ||
        !refold_queue_wait_execution(queue, family->client, "id", 0, NULL, NULL, NULL))
        return 21;
    for (int i = 0; i < 2; i++) {
        struct pollfd polled = {.fd = (int)refold_queue_descriptor(queue), .events = POLLIN};
        if (poll(&polled, 1, 10000 * check_patience()) != 1)
            return 22;
        refold_event *event = refold_queue_next(queue, 0);
        if (refold_event_execution(event) == NULL)
            return 23;
        refold_event_free(event);
    }
    if (!refold_queue_wait_execution(queue, family->client, "run", 0, cancel, NULL, NULL))
        return 24;
    refold_event_free(refold_queue_next(queue, -1));
    refold_cancel_trigger(cancel);
    refold_event *event = NULL;
    while (refold_event_typeof(event = refold_queue_next(queue, -1)) == REFOLD_EVENT_PROGRESS)
        refold_event_free(event);
    if (refold_error_code(refold_event_error(event)) != REFOLD_ERROR_CANCELLED)
        return 25;
    refold_event_free(event);
    /* With a token of the parent, which raises no signals here. */
    if (!refold_queue_wait_execution(queue, family->client, "run", 0, family->cancel, NULL, NULL) ||
        !refold_queue_wait_execution(queue, family->client, "run", 0, family->cancel, NULL, NULL))
        return 26;
    refold_cancel_trigger(family->cancel);
    int cancelled = 0;
    while ((event = refold_queue_next(queue, -1)) != NULL) {
        cancelled += refold_error_code(refold_event_error(event)) == REFOLD_ERROR_CANCELLED;
        refold_event_free(event);
    }
    refold_queue_free(queue);
    return cancelled == 2 ? 0 : 27;
}

static int use_both_queues(void *data) {
    int status = use_own_queue(data);
    return status != 0 ? status : use_queue_of_parent(data);
}

static int use_in_grandchild(void *data) {
    int status = -1;
    pid_t child = begin_child(use_both_queues, data);
    if (waitpid(child, &status, 0) != child || status != 0)
        return WIFEXITED(status) ? 100 + WEXITSTATUS(status) : 99;
    return use_queue_of_parent(data);
}

static int do_nothing(void *data) {
    (void)data;
    return 0;
}

/* The parent has work in all states, and goes on with it as if there were no children. */
TEST(a_queue_is_not_that_of_a_child) {
    static child_function *const functions[] = {do_nothing, use_queue_of_parent, use_own_queue,
                                                use_both_queues, use_in_grandchild};
    for (size_t i = 0; i < COUNT(functions); i++) {
        struct family family = open_family(1);
        int tags[4] = {0};
        check_case("%zu", i);
        submit_get(family.queue, family.client, "id", family.cancel, NULL);
        family.event = take(family.queue, REFOLD_EVENT_DONE);
        submit_get(family.queue, family.client, "id", NULL, &tags[0]);            /* an event */
        submit_get(family.queue, family.client, "held", family.cancel, &tags[1]); /* in flight */
        CHECK(server_await_requests(family.server, 3, 10000));
        submit_wait(family.queue, family.client, "wait", family.cancel, &tags[2]); /* queued */
        CHECK(is_readable(family.queue));
        check_child(begin_child(functions[i], &family));
        CHECK_INT(refold_queue_pending(family.queue), 3);
        CHECK(is_readable(family.queue));
        CHECK(!refold_cancel_is_triggered(family.cancel));
        CHECK_INT(refold_queue_descriptor(family.queue), family.descriptor);
        take_done(family.queue, &tags[0], REFOLD_OK);
        CHECK(!is_readable(family.queue));
        server_release(family.server);
        take_done(family.queue, &tags[1], REFOLD_OK);
        take_done(family.queue, &tags[2], REFOLD_OK);
        submit_wait(family.queue, family.client, "run", family.cancel, &tags[3]);
        refold_event_free(take(family.queue, REFOLD_EVENT_PROGRESS));
        /* A wait that pauses is not cancelled by the child, but by the parent. */
        check_child(begin_child(functions[i], &family));
        CHECK(!refold_cancel_is_triggered(family.cancel));
        refold_cancel_trigger(family.cancel);
        refold_event *event;
        while (refold_event_typeof(event = refold_queue_next(family.queue, 10000 * check_patience())) ==
               REFOLD_EVENT_PROGRESS)
            refold_event_free(event);
        CHECK_ERROR(refold_event_error(event), REFOLD_ERROR_CANCELLED, NULL);
        refold_event_free(event);
        check_empty(family.queue);
        close_family(&family);
    }
}

/* Forks while threads submit, take, and work. */
struct busy {
    struct family *family;
    atomic_bool is_over;
    atomic_int rounds;
};

static void *submit_and_take(void *data) {
    struct busy *busy = data;
    struct family *family = busy->family;
    while (!busy->is_over) {
        refold_cancel *cancel = refold_cancel_new();
        submit_get(family->queue, family->client, "id", cancel, NULL);
        submit_wait(family->queue, family->client, "wait", NULL, NULL);
        take_all_done(family->queue, 2, REFOLD_OK);
        refold_cancel_free(cancel);
        busy->rounds++;
    }
    return NULL;
}

TEST(a_process_may_fork_while_its_queue_is_busy) {
    enum { THREADS = 4 };
    struct family family = open_family(THREADS);
    struct busy busy = {.family = &family};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, submit_and_take, &busy);
    for (int round = 0; round < (check_in_valgrind() ? 10 : 150); round++) {
        pid_t children[2];
        for (size_t i = 0; i < COUNT(children); i++)
            children[i] = begin_child(i == 0 ? use_queue_of_parent : use_both_queues, &family);
        for (size_t i = 0; i < COUNT(children); i++)
            check_child(children[i]);
    }
    int before = busy.rounds;
    while (busy.rounds < before + 10)
        pause_ms(1);
    busy.is_over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_empty(family.queue);
    close_family(&family);
}

/* The end of a process ----------------------------------------------------------------------------------- */

enum { WAYS = 5 };
static const char *const ways[WAYS] = {"exit", "quick_exit", "_exit", "exit on another thread",
                                       "exit in the callback"};

static void *exit_here(void *unused) {
    (void)unused;
    exit(0);
}

static atomic_int calls_left = 20;

static void exit_in_callback(void *data) {
    if (atomic_fetch_sub(&calls_left, 1) <= 0)
        exit_here(data);
}

/* In a program of its own: has work in all states, and ends the process in the midst of it. */
static void exit_with_work(const char *url, int way) {
    refold_options *options = test_options(url);
    refold_options_set_poll_interval_ms(options, 10);
    refold_client *client = client_of(options);
    refold_queue *queue = queue_of(4);
    refold_cancel *cancel = refold_cancel_new();
    pthread_t thread;
    if (way == 4)
        refold_queue_set_notify(queue, exit_in_callback, NULL);
    submit_get(queue, client, "held", cancel, NULL);
    submit_get(queue, client, "held", NULL, NULL);
    for (int i = 0; i < 20; i++)
        submit_wait(queue, client, "run", i % 2 == 0 ? cancel : NULL, NULL);
    for (int i = 0; i < 50 || way == 4; i++) {
        submit_get(queue, client, "id", NULL, NULL);
        refold_event_free(refold_queue_next(queue, -1));
    }
    for (int i = 0; i < 100; i++)
        submit_get(queue, client, "id", NULL, NULL);
    if (way == 1)
        quick_exit(0);
    if (way == 2)
        _exit(0);
    if (way == 3 && pthread_create(&thread, NULL, exit_here, NULL) == 0)
        pthread_join(thread, NULL);
    exit(0);
}

/* Runs this program anew, with only this test. Whatever it prints is a failure. */
static void check_exit(const char *url, int way) {
    char number[8], printed[500] = "", program[4096] = "";
    int ends[2], status = -1;
    REQUIRE(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    snprintf(number, sizeof number, "%d", way);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)(20 * check_patience()));
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        setenv("QUEUE_URL", url, 1);
        setenv("QUEUE_WAY", number, 1);
        execl(program, program, "a_process_may_end_with_work_in_its_queue", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], printed, sizeof printed - 1);
    CHECK_STR(printed, "");
    CHECK_INT(length, 0);
    close(ends[0]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), 0);
}

TEST(a_process_may_end_with_work_in_its_queue) {
    if (getenv("QUEUE_URL") != NULL)
        exit_with_work(getenv("QUEUE_URL"), atoi(getenv("QUEUE_WAY")));
    struct server *server = serve_by_id();
    for (int way = 0; way < WAYS; way++)
        for (int round = 0; round < (check_in_valgrind() ? 1 : 4); round++) {
            check_case("%s", ways[way]);
            check_exit(server_url(server), way);
        }
    CHECK(server_requests(server) > 100);
    server_stop(server);
}

/* In a child, a token of the parent raises no signal: its flag has to be checked, also by a thread that
 * sleeps already. */
TEST(a_token_of_the_parent_cancels_what_is_queued_in_a_child) {
    static const struct response responses[] = {{.body = RUNNING}, {.silent = true, .ending = HOLD}};
    struct server *server = serve_responses(COUNT(responses), responses);
    refold_options *options = test_options(server_url(server));
    refold_options_set_poll_interval_ms(options, 100000);
    refold_client *client = client_of(options);
    refold_cancel *cancel = refold_cancel_new();
    pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)(10 * check_patience()));
        refold_queue *queue = refold_queue_new(1, NULL);
        /* One wait pauses, and a get occupies the only worker. */
        refold_queue_wait_execution(queue, client, TEST_ID, 0, NULL, NULL, NULL);
        refold_event_free(refold_queue_next(queue, -1));
        refold_queue_get_execution(queue, client, TEST_ID, NULL, NULL, NULL);
        refold_queue_get_execution(queue, client, TEST_ID, cancel, NULL, NULL);
        refold_cancel_trigger(cancel);
        refold_event *event = refold_queue_next(queue, -1);
        _exit(refold_error_code(refold_event_error(event)) == REFOLD_ERROR_CANCELLED ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    refold_cancel_free(cancel);
    refold_client_free(client);
    server_stop(server);
}
