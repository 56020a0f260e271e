/* Signals and thread cancellation during calls.
 *
 * A signal handler installed without SA_RESTART fails no call, and no call raises SIGPIPE. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 200 };

static pthread_t caller;
static atomic_int seen_by_caller, seen_by_others;

static void count_signal(int number) {
    (void)number;
    if (pthread_equal(pthread_self(), caller))
        seen_by_caller++;
    else
        seen_by_others++;
}

/* Sends a signal every millisecond, with a handler after which the kernel restarts no system call. */
static void begin_storm(void) {
    struct sigaction action = {.sa_handler = count_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    caller = pthread_self();
    seen_by_caller = seen_by_others = 0;
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
}

static void end_storm(void) {
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    signal(SIGALRM, SIG_IGN);
    signal(SIGALRM, SIG_DFL);
}

/* Interrupted calls -------------------------------------------------------------------------------------- */

static void respond_late(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED, .delay_ms = 3});
}

static void respond_late_and_close(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED, .delay_ms = 2, .ending = CLOSE});
}

static void drip_response(struct exchange *exchange) {
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n" COMPLETED;
    exchange_drip(exchange, response, sizeof response - 1, 16, 1);
}

static void fail_every_other_time(struct exchange *exchange) {
    const struct response failing = {.status = 503, .headers = "Retry-After: 0\r\n", .delay_ms = 2};
    if (exchange_index(exchange) % 2 == 0)
        exchange_respond(exchange, &failing);
    else
        respond_late(exchange);
}

static void run_for_a_while(struct exchange *exchange) {
    bool over = exchange_index(exchange) % 4 == 3;
    exchange_respond(exchange, &(struct response){.body = over ? COMPLETED : RUNNING, .delay_ms = 2});
}

/* 4 MB: both sides have to wait many times. */
static void respond_at_length(struct exchange *exchange) {
    enum { LENGTH = 4 << 20 };
    char *body = malloc(LENGTH);
    if (body == NULL)
        abort();
    memset(body, ' ', LENGTH);
    memcpy(body, COMPLETED, sizeof COMPLETED - 1);
    exchange_respond(exchange, &(struct response){.body = body, .length = LENGTH});
    free(body);
}

/* The server is its own SOCKS5 proxy. */
static void greet_slowly(struct exchange *exchange) {
    char request[300];
    exchange_read_exactly(exchange, request, 3);
    exchange_pause(exchange, 2);
    exchange_send(exchange, (char[]){5, 0}, 2);
    exchange_read_exactly(exchange, request, 5);
    exchange_read_exactly(exchange, request, (size_t)(unsigned char)request[4] + 2);
    exchange_pause(exchange, 2);
    exchange_send(exchange, (char[]){5, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 10);
}

static const struct {
    const char *name;
    void (*handler)(struct exchange *exchange);
    void (*connected)(struct exchange *exchange);
    const char *proxy;
    bool secure, is_looked_up, waits;
    int calls;
} rows[] = {
    {.name = "plaintext", .handler = respond_late, .calls = CALLS},
    {.name = "TLS", .handler = respond_late, .secure = true, .calls = CALLS},
    {.name = "dripping", .handler = drip_response, .calls = CALLS / 4},
    {.name = "dripping in TLS", .handler = drip_response, .secure = true, .calls = CALLS / 4},
    {.name = "new connections", .handler = respond_late_and_close, .calls = CALLS},
    {.name = "new TLS sessions", .handler = respond_late_and_close, .secure = true, .calls = CALLS},
    {.name = "new lookups", .handler = respond_late_and_close, .is_looked_up = true, .calls = CALLS / 2},
    {.name = "a SOCKS proxy",
     .handler = respond_late_and_close,
     .connected = greet_slowly,
     .proxy = "socks5h://",
     .calls = CALLS / 4},
    {.name = "retries", .handler = fail_every_other_time, .calls = CALLS},
    {.name = "waits", .handler = run_for_a_while, .waits = true, .calls = CALLS / 10},
    {.name = "large bodies", .handler = respond_at_length, .calls = 3},
    {.name = "large bodies in TLS", .handler = respond_at_length, .secure = true, .calls = 3},
};

static refold_client *client_for(size_t row, struct server *server) {
    char *url = text_of("http://server.invalid:%u", server_port(server));
    char *proxy =
        text_of("%s127.0.0.1:%u", rows[row].proxy == NULL ? "" : rows[row].proxy, server_port(server));
    bool by_name = rows[row].is_looked_up || rows[row].proxy != NULL;
    refold_options *options = test_options(by_name ? url : server_url(server));
    refold_options_set_allow_plaintext(options, true);
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_poll_interval_ms(options, 10);
    refold_options_set_max_retries(options, 1);
    if (rows[row].proxy != NULL)
        refold_options_set_proxy(options, proxy);
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    free(url);
    free(proxy);
    return client_of(options);
}

static void make_calls(size_t row, const refold_client *client) {
    for (int call = 0; call < rows[row].calls; call++) {
        refold_error *error = NULL;
        refold_execution *execution =
            rows[row].waits ? refold_wait_execution(client, TEST_ID, 0, NULL, NULL, NULL, &error)
                            : refold_get_execution(client, TEST_ID, NULL, &error);
        if (execution == NULL)
            FAIL("call %d: %d %s", call, refold_error_code(error), refold_error_message(error));
        refold_execution_free(execution);
        refold_error_free(error);
    }
}

TEST(signals_fail_no_call) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct server_options options = {.handler = rows[i].handler, .connected = rows[i].connected};
        options.certificate = rows[i].secure ? "good" : NULL;
        struct server *server = serve(&options);
        refold_client *client = client_for(i, server);
        check_case("%s", rows[i].name);
        begin_storm();
        make_calls(i, client);
        end_storm();
        /* The signals interrupted the caller, and none of the library's own threads. */
        CHECK(seen_by_caller >= (rows[i].calls > 10 ? 20 : 1));
        CHECK_INT(seen_by_others, 0);
        refold_client_free(client);
        server_stop(server);
    }
    CHECK(!lookup_took_signals());
    CHECK(!lookup_blocked_faults());
}

TEST(signals_do_not_change_a_timeout) {
    struct dead_port *hole = black_hole(NULL);
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    const char *const urls[] = {dead_port_url(hole), server_url(server)};
    for (size_t i = 0; i < COUNT(urls); i++) {
        refold_options *options = test_options(urls[i]);
        refold_options_set_timeout_ms(options, 200);
        refold_client *client = client_of(options);
        struct timing timing = {.max_ms = 300};
        check_case("%s", urls[i]);
        while (CHECK_AGAIN(timing)) {
            begin_storm();
            int64_t began = now_us();
            CHECK_INT(get_code(client), REFOLD_ERROR_TIMEOUT);
            timing.us = now_us() - began;
            end_storm();
            CHECK(timing.us >= 200 * 1000);
            CHECK(seen_by_caller >= 20);
        }
        refold_client_free(client);
    }
    server_stop(server);
    dead_port_free(hole);
}

static void drop_the_first(struct exchange *exchange) {
    if (exchange_index(exchange) == 0)
        exchange_reset(exchange);
    else
        respond_late(exchange);
}

TEST(signals_do_not_change_a_pause) {
    struct server *server = serve(&(struct server_options){.handler = drop_the_first});
    refold_options *options = test_options(server_url(server));
    refold_options_set_max_retries(options, 1);
    refold_client *client = client_of(options);
    begin_storm();
    int64_t began = now_ms();
    CHECK_INT(get_code(client), REFOLD_OK);
    int64_t took = now_ms() - began;
    end_storm();
    CHECK_TIME(took, 500, 1500);
    CHECK_INT(server_requests(server), 2);
    refold_client_free(client);
    server_stop(server);
}

/* The library changes neither signal dispositions nor masks of the process. */
TEST(signal_dispositions_and_masks_are_unchanged) {
    enum { SIGNALS = 65 };
    struct sigaction before[SIGNALS], after;
    sigset_t blocked_before, blocked_after;
    for (int number = 1; number < SIGNALS; number++)
        if (sigaction(number, NULL, &before[number]) != 0)
            before[number].sa_handler = SIG_ERR;
    sigemptyset(&blocked_before);
    sigemptyset(&blocked_after);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked_before);
    struct server *server = serve_body(COMPLETED);
    refold_client *client =
        client_for(6, server); /* the row with lookups, for which the library starts threads */
    make_calls(6, client);
    refold_client_free(client);
    server_stop(server);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked_after);
    for (int number = 1; number < SIGNALS; number++) {
        if (before[number].sa_handler == SIG_ERR || sigaction(number, NULL, &after) != 0)
            continue;
        check_case("signal %d", number);
        CHECK(before[number].sa_handler == after.sa_handler);
        CHECK_INT(sigismember(&blocked_before, number), sigismember(&blocked_after, number));
    }
    CHECK(before[SIGPIPE].sa_handler == SIG_DFL);
}

/* Faults ------------------------------------------------------------------------------------------------- */

static void exit_with_signal(int number) { _exit(number); }

/* The status of a child whose lookup crashes, or raises a signal, with a handler for all of them. */
static int status_after(struct lookup lookup) {
    pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)(20 * check_patience()));
        for (int number = 1; number < SIGRTMIN; number++)
            if (number != SIGALRM)
                signal(number, exit_with_signal);
        lookup_script(lookup);
        refold_client *client = client_of(test_options("https://name.invalid"));
        _exit(get_code(client) == REFOLD_ERROR_RESOLVE ? 0 : 100);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A fault inside a module of the name service is the host's to report, by its crash handler. The library's
 * threads run no other handler of the host. */
TEST(a_fault_in_a_lookup_runs_the_hosts_crash_handler) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
    static const int others[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGPROF, SIGPIPE};
    check_case("a crash");
    if (!check_in_valgrind()) /* it reports the crash itself */
        CHECK_INT(status_after((struct lookup){.crashes = true}), SIGSEGV);
    for (size_t i = 0; i < COUNT(faults); i++) {
        check_case("%s", strsignal(faults[i]));
        CHECK_INT(status_after((struct lookup){.raises = faults[i], .error = EAI_NONAME}), faults[i]);
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        check_case("%s", strsignal(others[i]));
        CHECK_INT(status_after((struct lookup){.raises = others[i], .error = EAI_NONAME}), 0);
    }
}

/* SIGPIPE ------------------------------------------------------------------------------------------------ */

/* Sending on a connection that the peer has half closed and then reset fails with EPIPE and raises SIGPIPE.
 * The reset has to happen between two steps of the client: send(), replaced below, waits for it. */

struct trap {
    int number;            /* which send() springs it, counted from 1; 0: none */
    int sends;             /* calls of send() so far */
    struct event *wanted;  /* the client is about to send */
    struct event *settled; /* the server has reset the connection */
    int broken;            /* calls of send() that failed with EPIPE */
};

static struct trap trap;

typedef ssize_t send_function(int, const void *, size_t, int);

ssize_t send(int descriptor, const void *bytes, size_t length, int flags) {
    static _Atomic(send_function *) real;
    send_function *next = real;
    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "send");
        real = next;
    }
    if (!pthread_equal(pthread_self(), caller))
        return next(descriptor, bytes, length, flags);
    if (++trap.sends == trap.number) {
        event_add(trap.wanted, 1);
        event_await(trap.settled, 1, 10000);
    }
    ssize_t sent = next(descriptor, bytes, length, flags);
    int error = errno;
    trap.broken += sent < 0 && error == EPIPE;
    errno = error;
    return sent;
}

/* Resets the connection when the client is about to send. */
static void spring(struct exchange *exchange) {
    if (event_await(trap.wanted, 1, 10000)) {
        exchange_half_close(exchange);
        exchange_reset(exchange);
    }
    event_add(trap.settled, 1);
}

/* Only the first connection is a trap. */
static void trap_at_once(struct exchange *exchange) {
    if (exchange_connection(exchange) == 0)
        spring(exchange);
}

static void trap_after_a_response(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
    if (exchange_connection(exchange) == 0)
        spring(exchange);
}

static const struct {
    const char *name;
    bool secure, at_once;
    int number; /* of the send() that fails: counted from the first call if at_once, else from the second */
    refold_code first, second;
} traps[] = {
    {"a first request", false, true, 1, REFOLD_ERROR_TRANSPORT, REFOLD_OK},
    {"a ClientHello", true, true, 1, REFOLD_ERROR_TRANSPORT, REFOLD_OK},
    {"a request on a reused connection", false, false, 1, REFOLD_OK, REFOLD_OK},
    {"a request on a reused TLS session", true, false, 1, REFOLD_OK, REFOLD_OK},
};

TEST(a_broken_pipe_raises_no_signal) {
    for (size_t i = 0; i < COUNT(traps); i++) {
        trap = (struct trap){.wanted = event_new(), .settled = event_new()};
        caller = pthread_self();
        struct server_options options = {.handler = traps[i].at_once ? respond_late : trap_after_a_response,
                                         .connected = traps[i].at_once ? trap_at_once : NULL};
        options.certificate = traps[i].secure ? "good" : NULL;
        struct server *server = serve(&options);
        check_case("%s", traps[i].name);
        refold_options *client_options = test_options(server_url(server));
        refold_options_set_ca_file(client_options, certificate_path("ca.pem"));
        refold_client *client = client_of(client_options);
        trap.number = traps[i].at_once ? traps[i].number : 0;
        CHECK_INT(get_code(client), traps[i].first);
        if (!traps[i].at_once)
            trap.number = trap.sends + traps[i].number;
        CHECK_INT(get_code(client), traps[i].second);
        CHECK_INT(trap.broken, 1);
        refold_client_free(client);
        server_stop(server);
        event_free(trap.wanted);
        event_free(trap.settled);
    }
    struct sigaction action;
    sigaction(SIGPIPE, NULL, &action);
    CHECK(action.sa_handler == SIG_DFL);
    memset(&caller, 0, sizeof caller);
}

/* Resets at different moments while the client sends. */
static void reset_somewhere(struct exchange *exchange) {
    char bytes[64];
    size_t number = exchange_connection(exchange);
    if (number % 3 == 0)
        exchange_read(exchange, bytes, sizeof bytes);
    if (number % 2 == 0)
        exchange_half_close(exchange);
    exchange_reset(exchange);
}

/* If the reset arrives before the client has checked the connection, the call fails as CONNECT. */
static void call_without_success(void *client) {
    for (int i = 0; i < 50; i++) {
        refold_code code = get_code(client);
        if (code != REFOLD_ERROR_CONNECT)
            CHECK_INT(code, REFOLD_ERROR_TRANSPORT);
    }
}

TEST(a_reset_at_any_moment_raises_no_signal) {
    for (int secure = 0; secure < 2; secure++) {
        struct server *server = serve(&(struct server_options){.connected = reset_somewhere});
        char *url = text_of("%s://127.0.0.1:%u", secure ? "https" : "http", server_port(server));
        refold_client *client = client_of(test_options(url));
        run_on_threads(4, call_without_success, client, 0);
        refold_client_free(client);
        server_stop(server);
        free(url);
    }
}

/* Cancelled threads -------------------------------------------------------------------------------------- */

struct victim {
    const char *name;
    void (*work)(struct victim *victim);
    refold_client *client;
    refold_cancel *cancel;
    refold_code want, code;
    bool is_cancelled_before; /* the thread, before the call; otherwise while it waits for the server */
    bool has_returned;
};

static void get_one(struct victim *victim) {
    refold_error *error = NULL;
    refold_execution_free(refold_get_execution(victim->client, TEST_ID, victim->cancel, &error));
    victim->code = refold_error_code(error);
    refold_error_free(error);
}

static void wait_for_one(struct victim *victim) {
    refold_error *error = NULL;
    refold_execution_free(
        refold_wait_execution(victim->client, TEST_ID, 0, NULL, NULL, victim->cancel, &error));
    victim->code = refold_error_code(error);
    refold_error_free(error);
}

static void trigger_token(struct victim *victim) { refold_cancel_trigger(victim->cancel); }

static void make_and_free_all(struct victim *victim) {
    (void)victim;
    refold_options *options = test_options("https://unknown.invalid");
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_client *client = refold_client_new(options, NULL);
    refold_cancel *cancel = refold_cancel_new();
    refold_get_execution(client, TEST_ID, cancel, NULL);
    refold_options_free(options);
    refold_client_free(client);
    refold_cancel_free(cancel);
}

static void notice(void *data) { atomic_store((atomic_bool *)data, true); }

static void use_a_queue(struct victim *victim) {
    atomic_bool has_event = false;
    refold_queue *queue = refold_queue_new(1, NULL);
    refold_queue_set_notify(queue, notice, &has_event);
    refold_queue_get_execution(queue, victim->client, TEST_ID, victim->cancel, NULL, NULL);
    refold_cancel_trigger(victim->cancel);
    while (!atomic_load(&has_event))
        sched_yield();
    refold_queue_descriptor(queue);
    refold_event_free(refold_queue_next(queue, -1));
    refold_queue_free(queue);
}

static void free_client(struct victim *victim) { refold_client_free(victim->client); }

/* A thread with a pending cancellation: the call completes, and the cancellation takes effect after it. */
static void *run_cancelled(void *data) {
    struct victim *victim = data;
    if (victim->is_cancelled_before)
        pthread_cancel(pthread_self());
    victim->work(victim);
    victim->has_returned = true;
    pthread_testcancel();
    return NULL;
}

TEST(a_cancelled_thread_ends_after_the_call) {
    struct victim victims[] = {
        {"a call that blocks", get_one, .want = REFOLD_ERROR_CANCELLED},
        {"a wait that blocks", wait_for_one, .want = REFOLD_ERROR_CANCELLED},
        {"a call that starts", get_one, .want = REFOLD_ERROR_CANCELLED, .is_cancelled_before = true},
        {"triggering a token", trigger_token, .is_cancelled_before = true},
        {"creating and freeing objects", make_and_free_all, .is_cancelled_before = true},
        {"using a queue", use_a_queue, .is_cancelled_before = true},
        {"freeing a client", free_client, .is_cancelled_before = true},
    };
    certificate_path("ca.pem");
    for (size_t i = 0; i < COUNT(victims); i++) {
        struct victim *victim = &victims[i];
        struct response responses[] = {{.body = COMPLETED}, {.silent = true, .ending = HOLD}};
        struct server *server = serve_responses(2, responses);
        pthread_t thread;
        void *result = NULL;
        check_case("%s", victim->name);
        victim->client = client_to(server);
        victim->cancel = refold_cancel_new();
        CHECK_INT(get_code(victim->client), REFOLD_OK);
        REQUIRE(pthread_create(&thread, NULL, run_cancelled, victim) == 0);
        if (victim->want != REFOLD_OK) {
            CHECK(server_await_requests(server, 2, 10000));
            pthread_cancel(thread);
            refold_cancel_trigger(victim->cancel);
        }
        pthread_join(thread, &result);
        CHECK(result == PTHREAD_CANCELED);
        CHECK(victim->has_returned);
        CHECK_INT(victim->code, victim->want);
        if (victim->work != free_client)
            refold_client_free(victim->client);
        refold_cancel_free(victim->cancel);
        server_stop(server);
    }
}
