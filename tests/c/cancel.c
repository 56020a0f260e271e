/* A cancel token ends a call within 50 ms, in any phase, from any thread or signal handler. A busy machine
 * may be late, so the best of a few attempts counts. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"
#include "phases.h"

#include <errno.h>
#include <pthread.h>
#ifdef CHECK_SANITIZED
#include <sanitizer/allocator_interface.h>
#endif
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LATE_MS = 50 };

/* Allocations, forbidden in signal handlers -------------------------------------------------------------- */

static _Thread_local bool in_trigger;
static atomic_int memory_calls;

static void note_memory(void) {
    if (in_trigger)
        memory_calls++;
}

#ifdef CHECK_SANITIZED

/* A sanitizer replaces malloc itself and offers hooks. */
static void note_malloc(const volatile void *memory, size_t size) {
    (void)memory;
    (void)size;
    note_memory();
}

static void note_free(const volatile void *memory) {
    (void)memory;
    note_memory();
}

__attribute__((constructor)) static void watch_memory(void) {
    if (__sanitizer_install_malloc_and_free_hooks(note_malloc, note_free) == 0)
        abort();
}

#else

/* The names under which glibc exports its own malloc, calloc, realloc and free. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

void *malloc(size_t size) {
    note_memory();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note_memory();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    note_memory();
    return __libc_realloc(memory, size);
}

void free(void *memory) {
    note_memory();
    __libc_free(memory);
}

#endif

/* Replaces write() and changes errno during a trigger, as a failing write would. */
ssize_t write(int descriptor, const void *bytes, size_t length) {
    ssize_t written = syscall(SYS_write, descriptor, bytes, length);
    if (in_trigger)
        errno = EIO;
    return written;
}

/* A call on another thread ------------------------------------------------------------------------------- */

struct running_call {
    refold_client *client;
    refold_cancel *cancel;
    bool waits;
    refold_progress_fn on_progress;
    refold_error *error;
    int64_t ended_us;
    pthread_t thread;
};

static void *make_call(void *data) {
    struct running_call *call = data;
    refold_execution *execution =
        call->waits ? refold_wait_execution(call->client, TEST_ID, 0, call->on_progress, call->cancel,
                                            call->cancel, &call->error)
                    : refold_get_execution(call->client, TEST_ID, call->cancel, &call->error);
    call->ended_us = now_us();
    if (execution != NULL)
        FAIL("the call succeeded");
    refold_execution_free(execution);
    return NULL;
}

static void begin_call(struct running_call *call) {
    call->error = UNREAD_ERROR;
    if (pthread_create(&call->thread, NULL, make_call, call) != 0)
        abort();
}

/* The result of a cancelled call. */
struct cancelled {
    int64_t us; /* from the trigger to the end of the call */
    char message[200];
};

/* Waits until the call has ended, which must be by cancellation. */
static struct cancelled end_call(struct running_call *call, int64_t triggered_us) {
    pthread_join(call->thread, NULL);
    struct cancelled cancelled = {.us = call->ended_us - triggered_us};
    snprintf(cancelled.message, sizeof cancelled.message, "%s", refold_error_message(call->error));
    CHECK_ERROR(call->error, REFOLD_ERROR_CANCELLED, NULL);
    CHECK(!refold_error_is_retryable(call->error));
    refold_error_free(call->error);
    return cancelled;
}

/* In every phase ----------------------------------------------------------------------------------------- */

static struct cancelled cancel_in(const struct phase *phase, bool waits, int64_t settling_ms) {
    struct scene scene = scene_open(phase);
    refold_options *options = scene_options(&scene);
    refold_options_set_max_retries(options, phase->occurrence == BETWEEN_ATTEMPTS);
    struct running_call call = {.cancel = refold_cancel_new(), .waits = waits, .client = client_of(options)};
    if (phase->is_warm)
        CHECK_INT(get_code(call.client), REFOLD_OK);
    int descriptors = descriptor_count();
    begin_call(&call);
    CHECK(scene_await(&scene, 1));
    pause_ms(settling_ms); /* The call may reach the phase slightly later than the server. */
    int64_t triggered = now_us();
    refold_cancel_trigger(call.cancel);
    struct cancelled cancelled = end_call(&call, triggered);
    /* The connection is closed at once, before the client is freed. */
    if (scene.server != NULL && phase->occurrence == IN_ANY_CALL)
        CHECK(server_await_open(scene.server, 0, 5000));
    if (phase->has_lookup)
        lookup_release();
    CHECK(await_threads(1, 5000));
    /* The token has had a descriptor since a call first waited, and a completed poll or attempt may leave a
     * connection for reuse. */
    CHECK(descriptor_count() <= descriptors + 1 + (phase->occurrence != IN_ANY_CALL));
    refold_client_free(call.client);
    refold_cancel_free(call.cancel);
    scene_close(&scene);
    return cancelled;
}

/* Counts only attempts in which the call was cancelled in this phase. */
static void check_cancel(const struct phase *phase, bool waits) {
    int before = descriptor_count();
    struct timing timing = {.max_ms = LATE_MS};
    check_case("%s%s", phase->name, waits ? ", waiting" : "");
    while (CHECK_AGAIN(timing)) {
        struct cancelled cancelled = cancel_in(phase, waits, (int64_t)2 << 2 * timing.made);
        timing.us = cancelled.us;
        if (strstr(cancelled.message, phase->message) == NULL)
            check_missed(&timing, "%s", cancelled.message);
    }
    CHECK_INT(descriptor_count(), before);
}

TEST(every_phase_of_a_call_can_be_cancelled) {
    for (size_t i = 0; i < phase_count; i++)
        if (phases[i].occurrence != WHILE_POLLING)
            check_cancel(&phases[i], false);
}

TEST(every_phase_of_a_wait_can_be_cancelled) {
    for (size_t i = 0; i < phase_count; i++)
        if (!phases[i].is_warm)
            check_cancel(&phases[i], true);
}

TEST(cancelling_usually_takes_less_than_a_millisecond) {
    enum { ROUNDS = 51 };
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    struct running_call call = {.client = client_to(server)};
    int quick = 0;
    for (int i = 0; i < ROUNDS; i++) {
        call.cancel = refold_cancel_new();
        begin_call(&call);
        CHECK(server_await_requests(server, (size_t)i + 1, 10000));
        pause_ms(2 + i % 7); /* until the call blocks; a call about to block also sees the token */
        int64_t triggered = now_us();
        refold_cancel_trigger(call.cancel);
        quick += end_call(&call, triggered).us < 1000 * check_patience();
        refold_cancel_free(call.cancel);
    }
    /* A fully loaded machine reaches this share, too; a token that is only polled does not. */
    CHECK_BETWEEN(quick, ROUNDS / 4, ROUNDS);
    refold_client_free(call.client);
    server_stop(server);
}

/* Before a call ------------------------------------------------------------------------------------------ */

TEST(a_token_triggered_before_a_call_sends_nothing) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    refold_cancel *cancel = refold_cancel_new();
    CHECK(!refold_cancel_is_triggered(cancel));
    refold_cancel_trigger(cancel);
    refold_cancel_trigger(cancel);
    CHECK(refold_cancel_is_triggered(cancel));
    for (int i = 0; i < 4; i++) {
        refold_error *error = UNREAD_ERROR;
        if (i % 2 == 0)
            CHECK(refold_get_execution(client, TEST_ID, cancel, &error) == NULL);
        else
            CHECK(refold_wait_execution(client, TEST_ID, 0, NULL, NULL, cancel, &error) == NULL);
        CHECK_INT(refold_error_attempts(error), 0);
        EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    }
    CHECK_INT(server_connections(server), 0);
    /* Nor is anything sent on an open connection. */
    CHECK_INT(get_code(client), REFOLD_OK);
    uint64_t received = server_received(server);
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_get_execution(client, TEST_ID, cancel, &error) == NULL);
    EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_INT(server_received(server), 2 * received);
    CHECK_INT(server_connections(server), 1);
    refold_cancel_free(cancel);
    refold_client_free(client);
    server_stop(server);
}

TEST(an_untriggered_token_has_no_effect) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    refold_cancel *cancel = refold_cancel_new();
    for (int i = 0; i < 10; i++) {
        refold_error *error = UNREAD_ERROR;
        refold_execution *execution = refold_get_execution(client, TEST_ID, cancel, &error);
        CHECK(execution != NULL && error == NULL);
        refold_execution_free(execution);
        refold_error_free(error);
    }
    CHECK(!refold_cancel_is_triggered(cancel));
    refold_cancel_free(cancel);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_token_cancels_only_its_own_calls) {
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    refold_client *client = client_to(server);
    struct running_call calls[2];
    for (int i = 0; i < 2; i++) {
        calls[i] = (struct running_call){.client = client, .cancel = refold_cancel_new()};
        begin_call(&calls[i]);
        CHECK(server_await_requests(server, (size_t)i + 1, 10000));
    }
    refold_cancel_trigger(calls[1].cancel);
    end_call(&calls[1], 0);
    CHECK(!refold_cancel_is_triggered(calls[0].cancel));
    CHECK(server_await_open(server, 1, 5000));
    refold_cancel_trigger(calls[0].cancel);
    end_call(&calls[0], 0);
    for (int i = 0; i < 2; i++)
        refold_cancel_free(calls[i].cancel);
    refold_client_free(client);
    server_stop(server);
}

/* Many calls --------------------------------------------------------------------------------------------- */

enum { CALLS = 100 };

static int64_t cancel_many(struct server *server) {
    struct running_call calls[CALLS];
    size_t before = server_requests(server);
    refold_client *client = client_to(server);
    refold_cancel *cancel = refold_cancel_new();
    int64_t slowest = 0;
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct running_call){.client = client, .cancel = cancel, .waits = i % 2 == 1};
        begin_call(&calls[i]);
    }
    CHECK(server_await_requests(server, before + CALLS, 10000));
    int64_t triggered = now_us();
    refold_cancel_trigger(cancel);
    for (int i = 0; i < CALLS; i++) {
        int64_t took = end_call(&calls[i], triggered).us;
        slowest = took > slowest ? took : slowest;
    }
    refold_cancel_free(cancel);
    refold_client_free(client);
    return slowest;
}

TEST(one_token_cancels_a_hundred_calls_on_as_many_threads) {
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    int before = descriptor_count();
    struct timing timing = {.max_ms = LATE_MS};
    while (CHECK_AGAIN(timing))
        timing.us = cancel_many(server);
    CHECK_INT(descriptor_count(), before);
    CHECK(server_await_open(server, 0, 5000));
    server_stop(server);
}

/* Signal handlers ---------------------------------------------------------------------------------------- */

static refold_cancel *handlers_token;
static atomic_int handled;

static void trigger_in_handler(int number) {
    (void)number;
    int kept = errno;
    errno = 4711;
    in_trigger = true;
    refold_cancel_trigger(handlers_token);
    in_trigger = false;
    if (errno == 4711)
        handled++;
    errno = kept;
}

static void handle_signals(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* The handler runs on the thread whose call it cancels, and is the first that uses the library there. */
static int64_t cancel_by_signal(struct server *server, bool waits) {
    struct running_call call = {.client = client_to(server), .cancel = refold_cancel_new(), .waits = waits};
    handlers_token = call.cancel;
    int before = handled;
    size_t requests = server_requests(server);
    begin_call(&call);
    CHECK(server_await_requests(server, requests + 1, 10000));
    int64_t triggered = now_us();
    pthread_kill(call.thread, SIGUSR1);
    int64_t took = end_call(&call, triggered).us;
    CHECK_INT(handled, before + 1);
    refold_cancel_free(call.cancel);
    refold_client_free(call.client);
    return took;
}

TEST(a_signal_handler_may_trigger_a_token) {
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    handle_signals(SIGUSR1, trigger_in_handler);
    memory_calls = 0;
    for (int waits = 0; waits < 2; waits++) {
        struct timing timing = {.max_ms = LATE_MS};
        while (CHECK_AGAIN(timing))
            timing.us = cancel_by_signal(server, waits == 1);
    }
    /* Repeatedly, on this thread, and with the token NULL. */
    handlers_token = refold_cancel_new();
    int before = handled;
    for (int i = 0; i < 100; i++)
        raise(SIGUSR1);
    CHECK_INT(handled, before + 100);
    CHECK(refold_cancel_is_triggered(handlers_token));
    refold_cancel_free(handlers_token);
    handlers_token = NULL;
    raise(SIGUSR1);
    CHECK_INT(handled, before + 101);
    CHECK_INT(memory_calls, 0);
    handle_signals(SIGUSR1, SIG_DFL);
    server_stop(server);
}

static void trigger_and_count(int number) {
    int kept = errno;
    (void)number;
    handled++;
    refold_cancel_trigger(handlers_token);
    errno = kept;
}

/* A handler that triggers a token must not deadlock, whatever it interrupts: also allocations and locks. */
TEST(triggering_is_safe_wherever_a_signal_interrupts) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    handlers_token = refold_cancel_new();
    handle_signals(SIGUSR1, trigger_and_count);
    int before = handled;
    struct sender *sender = sender_start();
    while (handled < before + 200) {
        refold_cancel *own = refold_cancel_new();
        refold_options_free(test_options(NULL));
        CHECK_INT(get_code(client), REFOLD_OK);
        refold_cancel_free(own);
    }
    sender_stop(sender);
    handle_signals(SIGUSR1, SIG_DFL);
    refold_cancel_free(handlers_token);
    refold_client_free(client);
    server_stop(server);
}

/* Special cases ------------------------------------------------------------------------------------------ */

static bool trigger_on_progress(const refold_execution *execution, void *cancel) {
    CHECK_INT(refold_execution_state(execution), REFOLD_STATE_RUNNING);
    refold_cancel_trigger(cancel);
    return true;
}

TEST(a_callback_may_trigger_the_token) {
    struct server *server = serve_body(RUNNING);
    struct running_call call = {.client = client_to(server),
                                .cancel = refold_cancel_new(),
                                .waits = true,
                                .on_progress = trigger_on_progress};
    int64_t began = now_us();
    begin_call(&call);
    struct cancelled cancelled = end_call(&call, began);
    CHECK_TIME(cancelled.us / 1000, 0, 900);
    CHECK_CONTAINS(cancelled.message, "in the pause before the next poll");
    CHECK_INT(server_requests(server), 1);
    refold_cancel_free(call.cancel);
    refold_client_free(call.client);
    server_stop(server);
}

/* Cancellation takes precedence over an error status that has already arrived. */
TEST(cancelling_counts_in_the_body_of_an_error) {
    struct server *server = serve_responses(1, &(struct response){.status = 404,
                                                                  .headers = "Content-Length: 10\r\n",
                                                                  .framing = NO_FRAMING,
                                                                  .body = "{",
                                                                  .ending = HOLD});
    refold_client *client = client_to(server);
    bool is_reported = false;
    for (size_t i = 0; i < 5 && !is_reported; i++) {
        struct running_call call = {.client = client, .cancel = refold_cancel_new()};
        begin_call(&call);
        CHECK(server_await_requests(server, i + 1, 10000));
        pause_ms((int64_t)20 << 2 * i); /* until the call has read the status */
        refold_cancel_trigger(call.cancel);
        is_reported = strstr(end_call(&call, 0).message, "while receiving the response") != NULL;
        refold_cancel_free(call.cancel);
    }
    CHECK(is_reported);
    refold_client_free(client);
    server_stop(server);
}

/* A token made while no descriptor is free works all the same. */
static int64_t cancel_without_descriptors(struct server *server, uint64_t timeout_ms) {
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    size_t requests = server_requests(server);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max});
    struct running_call call = {.cancel = refold_cancel_new()};
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK(call.cancel != NULL);
    refold_options *options = test_options(server_url(server));
    refold_options_set_timeout_ms(options, timeout_ms);
    call.client = client_of(options);
    begin_call(&call);
    CHECK(server_await_requests(server, requests + 1, 10000));
    pause_ms(20);
    int64_t triggered = now_us();
    refold_cancel_trigger(call.cancel);
    int64_t took = end_call(&call, triggered).us;
    CHECK(refold_cancel_is_triggered(call.cancel));
    refold_cancel_free(call.cancel);
    refold_client_free(call.client);
    return took;
}

TEST(a_token_made_without_descriptors_works) {
    static const uint64_t timeouts_ms[] = {20000, 0};
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    for (size_t row = 0; row < COUNT(timeouts_ms); row++) {
        struct timing timing = {.max_ms = LATE_MS};
        while (CHECK_AGAIN(timing))
            timing.us = cancel_without_descriptors(server, timeouts_ms[row]);
    }
    server_stop(server);
}

TEST(a_thousand_tokens_leak_nothing) {
    int before = descriptor_count();
    for (int i = 0; i < 1000; i++) {
        refold_cancel *cancel = refold_cancel_new();
        CHECK(cancel != NULL);
        if (i % 2 == 0)
            refold_cancel_trigger(cancel);
        refold_cancel_free(cancel);
    }
    CHECK_INT(descriptor_count(), before);
}
