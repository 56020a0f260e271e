/* What the library leaves to the host process, and how few resources it needs. */
#define _GNU_SOURCE
#include "client.h"
#include "gzip.h"
#include "lookup.h"
#include "proxies.h"
#include "remote.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Threads that can be exhausted -------------------------------------------------------------------------- */

/* Replaces pthread_create() for the whole program, including the library. */
typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static _Thread_local bool has_no_threads; /* for pthread_create() on this thread */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *), void *data) {
    create_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return has_no_threads ? EAGAIN : real(thread, attributes, work, data);
}

/* Servers ------------------------------------------------------------------------------------------------ */

enum { LARGE = 300000 };

/* 300 kB, compressed. */
static void respond_compressed(struct exchange *exchange) {
    char *text = malloc(LARGE);
    memset(text, ' ', LARGE);
    static const char first[] = "{\"status\": \"COMPLETED\", \"nodes\": [{\"node_id\": \"n\"}],",
                      last[] = "\"last\": 1}";
    memcpy(text, first, sizeof first - 1);
    memcpy(text + LARGE - (sizeof last - 1), last, sizeof last - 1);
    struct bytes packed = gzip_of(text, LARGE);
    exchange_respond(exchange, &(struct response){.headers = "Content-Encoding: gzip\r\n",
                                                  .body = packed.start,
                                                  .length = packed.length});
    free(packed.start);
    free(text);
}

static void respond_ok(struct exchange *exchange) {
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
}

static refold_options *options_to(const struct server *server) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    return options;
}

/* Stacks ------------------------------------------------------------------------------------------------- */

static void call_compressed(void *data) {
    refold_client *client = client_of(data);
    for (int call = 0; call < 2; call++) {
        refold_execution *execution = must_get(client);
        CHECK_STR(refold_node_id(refold_execution_node(execution, 0)), "n");
        CHECK_INT(refold_json_int64(refold_json_get(refold_execution_json(execution), "last")), 1);
        refold_execution_free(execution);
    }
    refold_client_free(client);
}

/* TLS, gzip, a proxy and a lookup in one call. */
TEST(all_features_together_need_at_most_128_kib_of_stack) {
    struct server *server =
        serve(&(struct server_options){.handler = respond_compressed, .certificate = "good"});
    struct proxy *proxies[] = {
        proxy_start((struct proxy_options){.user = "user", .password = "word"}),
        proxy_start((struct proxy_options){.is_socks = true, .user = "user", .password = "word"})};
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    for (size_t i = 0; i < 3; i++) {
        check_case("proxy %zu", i);
        refold_options *options = options_to(server);
        if (i < 2)
            refold_options_set_proxy(options, proxy_url(proxies[i], i == 0 ? "http" : "socks5", "user:word"));
        run_on_stack(128 * 1024, call_compressed, options);
    }
    proxy_stop(proxies[0]);
    proxy_stop(proxies[1]);
    server_stop(server);
}

/* Exhausted resources ------------------------------------------------------------------------------------ */

enum connection { PLAINTEXT, TLS, NAME, HTTP_PROXY, SOCKS_PROXY, CONNECTIONS };

/* Servers in another process, with descriptors of its own: plaintext, TLS and proxies. */
static void serve_all(const void *unused, char *info, size_t size) {
    (void)unused;
    struct server *plaintext = serve(&(struct server_options){.handler = respond_ok});
    struct server *secure = serve(&(struct server_options){.handler = respond_ok, .certificate = "good"});
    struct proxy *http = proxy_start((struct proxy_options){0}),
                 *socks = proxy_start((struct proxy_options){.is_socks = true});
    snprintf(info, size, "%s %s http://name.invalid:%u %s %s", server_url(plaintext), server_url(secure),
             server_port(plaintext), proxy_url(http, "http", NULL), proxy_url(socks, "socks5h", NULL));
}

static refold_options *options_over(enum connection connection, const char *info) {
    char plaintext[80], secure[80], name[80], http[80], socks[80];
    if (sscanf(info, "%79s %79s %79s %79s %79s", plaintext, secure, name, http, socks) != 5)
        abort();
    refold_options *options = test_options(connection == NAME                              ? name
                                           : connection == TLS || connection == HTTP_PROXY ? secure
                                                                                           : plaintext);
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_allow_plaintext(options, true);
    if (connection >= HTTP_PROXY)
        refold_options_set_proxy(options, connection == HTTP_PROXY ? http : socks);
    refold_options_set_max_retries(options, 2); /* no retry is expected */
    return options;
}

/* Checks that a call failed for lack of descriptors and was not retried. */
static void check_exhausted(refold_error *error) {
    CHECK(refold_error_attempts(error) <= 1);
    CHECK(!refold_error_is_retryable(error));
    EXPECT_ERROR(error, REFOLD_ERROR_RESOURCE, "descriptor");
}

/* Creates one client and makes one call with `left` descriptors; returns whether they were enough. The next
 * call always succeeds. */
static bool call_with_descriptors(const refold_options *options, int left) {
    refold_error *error = NULL;
    bool enough = true;
    struct rlimit before = leave_descriptors(left);
    refold_client *client = refold_client_new(options, &error);
    setrlimit(RLIMIT_NOFILE, &before);
    if (client == NULL) {
        check_exhausted(error);
        enough = false;
        client = refold_client_new(options, NULL);
    }
    before = leave_descriptors(left);
    refold_execution_free(refold_get_execution(client, TEST_ID, NULL, &error));
    setrlimit(RLIMIT_NOFILE, &before);
    if (error != NULL) {
        check_exhausted(error);
        enough = false;
    }
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    return enough;
}

/* With one more descriptor each time, the client or the call fails for lack of them, until there are
 * enough. */
TEST(exhausted_descriptors_are_a_resource_error) {
    enum { MAX_DESCRIPTORS = 12 };
    certificate_path("ca.pem");
    struct remote *remote = remote_start(serve_all, NULL);
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    for (enum connection connection = PLAINTEXT; connection < CONNECTIONS; connection++) {
        refold_options *options = options_over(connection, remote_info(remote));
        int descriptors = descriptor_count(), left = 0;
        for (; left < MAX_DESCRIPTORS; left++) {
            check_case("connection %d, %d descriptors left", connection, left);
            if (call_with_descriptors(options, left))
                break;
        }
        CHECK_BETWEEN(left, 1, MAX_DESCRIPTORS - 1);
        CHECK_INT(descriptor_count(), descriptors);
        refold_options_free(options);
    }
    remote_stop(remote);
}

static refold_options *options_to_name(const struct server *server) {
    char url[60];
    snprintf(url, sizeof url, "http://name.invalid:%u", server_port(server));
    refold_options *options = test_options(url);
    refold_options_set_allow_plaintext(options, true);
    return options;
}

TEST(exhausted_threads_are_a_resource_error) {
    struct server *server = serve(&(struct server_options){.handler = respond_ok});
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    refold_options *options = options_to_name(server);
    refold_options_set_max_retries(options, 2); /* no retry is expected */
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    int descriptors = descriptor_count();
    for (int i = 0; i < 100; i++) {
        has_no_threads = true;
        CHECK(get(client, &error) == NULL);
        has_no_threads = false;
        CHECK_INT(refold_error_attempts(error), 1);
        EXPECT_ERROR(error, REFOLD_ERROR_RESOURCE, "thread");
    }
    /* Nothing leaks, and the slots for lookups are free again. */
    CHECK_INT(descriptor_count(), descriptors);
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    server_stop(server);
}

/* A call needs a thread only to look up a name. */
TEST(calls_to_addresses_need_no_thread) {
    struct server *server = serve(&(struct server_options){.handler = respond_ok, .certificate = "good"});
    refold_client *client = client_of(options_to(server));
    has_no_threads = true;
    CHECK_INT(get_code(client), REFOLD_OK);
    has_no_threads = false;
    refold_client_free(client);
    server_stop(server);
}

/* Threads ------------------------------------------------------------------------------------------------ */

static _Atomic int threads_inside;

static void count_threads(struct exchange *exchange) {
    threads_inside = thread_count();
    respond_ok(exchange);
}

/* Nor does a thread run during a call, once the name is known. */
TEST(no_thread_runs_between_calls) {
    int before = thread_count();
    struct server *server = serve(&(struct server_options){.handler = count_threads});
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    refold_client *client = client_of(options_to_name(server));
    CHECK(await_threads(before, 1000)); /* the server's threads are recognized once they have started */
    for (int call = 0; call < 5; call++) {
        CHECK_INT(get_code(client), REFOLD_OK);
        CHECK(await_threads(before, 1000));
        if (call > 0)
            CHECK_INT(threads_inside, before);
    }
    CHECK_INT(lookup_count(), 1);
    CHECK(!lookup_took_signals());
    refold_client_free(client);
    CHECK(await_threads(before, 1000));
    server_stop(server);
}

/* Signals ------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t signals_seen;

static void see_signal(int number) {
    (void)number;
    signals_seen++;
}

static void call_in_all_ways(struct server *secure, struct server *closed) {
    refold_client *client = client_of(options_to(secure));
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    client = client_of(test_options(server_url(secure)));
    CHECK_INT(get_code(client), REFOLD_ERROR_TLS);
    refold_client_free(client);
    client = client_of(test_options(server_url(closed)));
    CHECK_INT(get_code(client), REFOLD_ERROR_TRANSPORT);
    refold_client_free(client);
    client = client_of(options_to_name(closed));
    CHECK_INT(get_code(client), REFOLD_ERROR_TRANSPORT);
    refold_client_free(client);
}

static void hang_up(struct exchange *exchange) { exchange_reset(exchange); }

/* Every signal keeps its action (default, ignored or handled), and none is raised. */
TEST(signal_handling_is_left_to_the_host) {
    struct server *secure = serve(&(struct server_options){.handler = respond_ok, .certificate = "good"}),
                  *closed = serve(&(struct server_options){.handler = hang_up});
    struct sigaction handled = {.sa_handler = see_signal}, kept[65], after;
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    void (*const actions[])(int) = {SIG_DFL, SIG_IGN, see_signal};
    for (size_t i = 0; i < COUNT(actions); i++) {
        handled.sa_handler = actions[i];
        for (int number = 1; number <= 64; number++)
            if (sigaction(number, &handled, &kept[number]) != 0)
                kept[number].sa_handler = SIG_ERR; /* its action cannot be changed */
        signals_seen = 0;
        call_in_all_ways(secure, closed);
        CHECK_INT(signals_seen, 0);
        for (int number = 1; number <= 64; number++) {
            if (kept[number].sa_handler == SIG_ERR)
                continue;
            sigaction(number, NULL, &after);
            if (after.sa_handler != actions[i] || (after.sa_flags & (SA_RESTART | SA_SIGINFO)) != 0)
                FAIL("the action of signal %d has changed", number);
            sigaction(number, &kept[number], NULL);
        }
    }
    server_stop(secure);
    server_stop(closed);
}

/* The library waits for none of the host's children. */
TEST(child_processes_are_left_to_the_host) {
    struct server *secure = serve(&(struct server_options){.handler = respond_ok, .certificate = "good"}),
                  *closed = serve(&(struct server_options){.handler = hang_up});
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    pid_t child = fork();
    if (child == 0)
        _exit(42);
    siginfo_t over;
    CHECK_INT(waitid(P_PID, (id_t)child, &over, WEXITED | WNOWAIT), 0);
    call_in_all_ways(secure, closed);
    int status = -1;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(WEXITSTATUS(status), 42);
    server_stop(secure);
    server_stop(closed);
}

/* Signal handlers may call these functions. */
TEST(triggering_preserves_errno) {
    refold_cancel *cancel = refold_cancel_new();
    for (int i = 0; i < 3; i++) {
        errno = ENOTTY;
        refold_cancel_trigger(i == 2 ? NULL : cancel);
        CHECK_INT(errno, ENOTTY);
        CHECK(refold_cancel_is_triggered(cancel));
        CHECK_INT(errno, ENOTTY);
    }
    refold_cancel_free(cancel);
}

/* Standard streams --------------------------------------------------------------------------------------- */

/* What the host did with its standard streams. */
enum streams { CLOSED, BROKEN_PIPES, FULL_PIPES, FULL_DISK };

static void replace_streams(enum streams streams) {
    int ends[2];
    if (streams == CLOSED) {
        for (int descriptor = 0; descriptor < 3; descriptor++)
            close(descriptor);
        return;
    }
    if (streams == FULL_DISK) {
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        if (full < 0 || dup2(full, 1) < 0 || dup2(full, 2) < 0)
            _exit(8);
        return;
    }
    if (pipe2(ends, O_CLOEXEC) != 0)
        _exit(9);
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    if (streams == BROKEN_PIPES)
        close(ends[0]);
    char bytes[4096] = {0};
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (streams == FULL_PIPES && write(ends[1], bytes, sizeof bytes) > 0)
        continue;
    fcntl(ends[1], F_SETFL, 0);
}

static int status_of_calls(refold_options *good, refold_options *bad) {
    refold_client *client = refold_client_new(good, NULL);
    for (int call = 0; call < 3; call++) {
        refold_execution *execution = refold_get_execution(client, TEST_ID, NULL, NULL);
        if (refold_execution_state(execution) != REFOLD_STATE_COMPLETED)
            return 1;
        refold_execution_free(execution);
    }
    refold_client_free(client);
    refold_error *error = NULL;
    client = refold_client_new(bad, NULL);
    if (refold_get_execution(client, TEST_ID, NULL, &error) != NULL ||
        refold_error_code(error) != REFOLD_ERROR_TLS)
        return 2;
    refold_error_free(error);
    refold_client_free(client);
    return 0;
}

/* With closed streams, sockets could get their numbers, and any output would go to the server; with the
 * others, output would kill the process or block. */
TEST(standard_streams_may_be_closed) {
    struct server *server = serve(&(struct server_options){.handler = respond_ok, .certificate = "good"});
    refold_options *good = options_to(server), *bad = test_options(server_url(server));
    for (enum streams streams = CLOSED; streams <= FULL_DISK; streams++) {
        check_case("streams %d", streams);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            signal(SIGPIPE, SIG_DFL);
            close_all_owned();
            replace_streams(streams);
            _exit(status_of_calls(good, bad));
        }
        int status = -1;
        waitpid(child, &status, 0);
        CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), 0);
    }
    /* The server received only complete requests. */
    CHECK_INT(server_requests(server), 3 * (FULL_DISK + 1));
    for (size_t i = 0; i < server_requests(server); i++)
        CHECK_STR(head_line(server_head(server, i)), "GET /api/v2/public/execution/" TEST_ID " HTTP/1.1");
    refold_options_free(good);
    refold_options_free(bad);
    server_stop(server);
}
