/* Every descriptor of the library is above those of the standard streams and close-on-exec. Otherwise a host
 * that has closed its streams, as daemons do, would print to the server, in clear, and wake up calls that
 * wait. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"
#include "proxies.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A host without standard streams ------------------------------------------------------------------------ */

static bool has_no_streams;
static atomic_int printed; /* times that a stream took what the host printed */
static bool is_open_before[1024];
static _Atomic(struct event *) polled; /* counts the waits of the library */

static void print(void) {
    static const char text[] = "printed by the host\n";
    int number = errno;
    for (int stream = 0; has_no_streams && stream < 3; stream++)
        if (write(stream, text, sizeof text - 1) >= 0 || errno != EBADF)
            atomic_fetch_add(&printed, 1);
    errno = number;
}

/* The library waits in these, so it has all descriptors of a call open. The host prints meanwhile. */

static void *real_of(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL)
        abort();
    return function;
}

typedef int poll_function(struct pollfd *, nfds_t, int);
typedef ssize_t recv_function(int, void *, size_t, int);
typedef ssize_t send_function(int, const void *, size_t, int);

int poll(struct pollfd *entries, nfds_t count, int timeout) {
    poll_function *real;
    *(void **)&real = real_of("poll");
    print();
    if (polled != NULL)
        event_add(polled, 1);
    return real(entries, count, timeout);
}

ssize_t recv(int descriptor, void *buffer, size_t length, int flags) {
    recv_function *real;
    *(void **)&real = real_of("recv");
    print();
    return real(descriptor, buffer, length, flags);
}

ssize_t send(int descriptor, const void *bytes, size_t length, int flags) {
    send_function *real;
    *(void **)&real = real_of("send");
    print();
    return real(descriptor, bytes, length, flags);
}

/* Calls f for each open descriptor. */
static void each_descriptor(void (*visit)(int descriptor, void *data), void *data) {
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder))
            visit(atoi(entry->d_name), data);
    if (folder != NULL)
        closedir(folder);
}

static void mark_open(int descriptor, void *unused) {
    (void)unused;
    if (descriptor < (int)COUNT(is_open_before))
        is_open_before[descriptor] = true;
}

struct census {
    int opened, streams, inherited;
};

static void count_descriptor(int descriptor, void *data) {
    struct census *census = data;
    if (descriptor < (int)COUNT(is_open_before) && is_open_before[descriptor])
        return;
    census->opened++;
    census->streams += descriptor < 3;
    census->inherited += (fcntl(descriptor, F_GETFD) & FD_CLOEXEC) == 0;
}

/* Returns 0, or what is wrong with the descriptors of the library. */
static int fault_of_descriptors(int wanted) {
    struct census census = {0};
    each_descriptor(count_descriptor, &census);
    return census.streams > 0 ? 10 : census.inherited > 0 ? 11 : census.opened < wanted ? 12 : 0;
}

/* What the host does ------------------------------------------------------------------------------------- */

/* A way to the servers, which are in another process. */
struct way {
    const char *url, *proxy;
};

static refold_options *options_of(const struct way *way) {
    refold_options *options = test_options(way->url);
    refold_options_set_ca_file(options, getenv("DAEMON_CA"));
    refold_options_set_allow_plaintext(options, true);
    refold_options_set_proxy(options, way->proxy);
    refold_options_set_poll_interval_ms(options, 10);
    return options;
}

struct hanging {
    const refold_client *client;
    refold_cancel *cancel;
    refold_code code;
};

static void *call_until_cancelled(void *data) {
    struct hanging *hanging = data;
    refold_error *error = NULL;
    refold_execution_free(refold_get_execution(hanging->client, "held", hanging->cancel, &error));
    hanging->code = refold_error_code(error);
    refold_error_free(error);
    return NULL;
}

/* Makes a system call that marks a position in the trace. */
static void mark(void) { syscall(SYS_close, -4711); }

/* The same by a queue, whose threads make all calls. Nothing is printed and no descriptor is counted while
 * they run: another thread may just be moving a new descriptor away from the number of a stream. Returns 0,
 * or the place of the first failure. */
static int use_queue(const refold_client *client) {
    has_no_streams = false;
    refold_queue *queue = refold_queue_new(2, NULL);
    refold_cancel *cancel = refold_cancel_new();
    mark();
    int fault = fault_of_descriptors(3);
    if (queue == NULL || refold_queue_descriptor(queue) < 3 || fault != 0)
        return fault == 0 ? 21 : fault;
    bool is_accepted = refold_queue_get_execution(queue, client, TEST_ID, cancel, NULL, NULL) &&
                       refold_queue_wait_execution(queue, client, "run", 0, NULL, NULL, NULL);
    int done = 0;
    for (refold_event *event; (event = refold_queue_next(queue, -1)) != NULL; refold_event_free(event))
        done += refold_execution_state(refold_event_execution(event)) == REFOLD_STATE_COMPLETED;
    fault = fault_of_descriptors(3);
    mark();
    if (!is_accepted || done != 2 || fault != 0)
        return fault == 0 ? 22 : fault;
    is_accepted = refold_queue_get_execution(queue, client, "held", cancel, NULL, NULL);
    refold_cancel_trigger(cancel);
    refold_event *event = refold_queue_next(queue, -1);
    bool is_cancelled = refold_error_code(refold_event_error(event)) == REFOLD_ERROR_CANCELLED;
    refold_event_free(event);
    mark();
    refold_cancel_free(cancel);
    refold_queue_free(queue);
    has_no_streams = true;
    print();
    mark();
    fault = fault_of_descriptors(0);
    return is_accepted && is_cancelled ? fault : 23;
}

static bool check_snapshot(const refold_execution *execution, void *data) {
    (void)execution;
    int *fault = data;
    if (*fault == 0)
        *fault = fault_of_descriptors(2);
    print();
    return true;
}

/* Returns 0, or the place of the first failure. */
static int use_library(const struct way *way) {
    refold_options *options = options_of(way);
    mark();
    refold_client *client = refold_client_new(options, NULL);
    refold_options_free(options);
    mark();
    print();
    refold_cancel *cancel = refold_cancel_new();
    mark();
    print();
    int fault = fault_of_descriptors(0);
    if (client == NULL || fault != 0)
        return fault == 0 ? 1 : fault;
    refold_execution *execution = refold_get_execution(client, TEST_ID, NULL, NULL);
    bool has_got = refold_execution_state(execution) == REFOLD_STATE_COMPLETED;
    refold_execution_free(execution);
    mark();
    print();
    fault = fault_of_descriptors(1);
    if (!has_got || fault != 0)
        return fault == 0 ? 2 : fault;
    execution = refold_wait_execution(client, "run", 0, check_snapshot, &fault, cancel, NULL);
    bool has_waited = refold_execution_state(execution) == REFOLD_STATE_COMPLETED;
    refold_execution_free(execution);
    mark();
    if (!has_waited || fault != 0)
        return fault == 0 ? 3 : fault;
    struct hanging hanging = {.client = client, .cancel = cancel};
    pthread_t thread;
    polled = event_new();
    if (pthread_create(&thread, NULL, call_until_cancelled, &hanging) != 0)
        return 4;
    event_await(polled, 1, 10000);
    print();
    fault = fault_of_descriptors(2);
    refold_cancel_trigger(cancel);
    pthread_join(thread, NULL);
    mark();
    if (hanging.code != REFOLD_ERROR_CANCELLED || fault != 0)
        return fault == 0 ? 5 : fault;
    refold_cancel_free(cancel);
    fault = use_queue(client);
    if (fault != 0)
        return fault;
    refold_client_free(client);
    mark();
    fault = fault_of_descriptors(0);
    return fault != 0 ? fault : printed > 0 ? 6 : 0;
}

static int run_daemon(const struct way *way) {
    alarm((unsigned)(60 * check_patience()));
    signal(SIGPIPE, SIG_DFL);
    close_all_owned();
    for (int stream = 0; stream < 3; stream++)
        close(stream);
    each_descriptor(mark_open, NULL);
    has_no_streams = true;
    lookup_script((struct lookup){.addresses = {"127.0.0.1", "::1"}});
    return use_library(way);
}

/* The servers -------------------------------------------------------------------------------------------- */

static void respond(struct exchange *exchange) {
    const char *line = head_line(exchange_head(exchange));
    bool is_run = strstr(line, "/run ") != NULL;
    if (strstr(line, "/held ") != NULL)
        exchange_hold(exchange);
    else
        exchange_respond(
            exchange,
            &(struct response){.body = is_run && exchange_index(exchange) % 3 != 0 ? RUNNING : COMPLETED});
}

enum { WAYS = 7 };

struct scene {
    struct server *plaintext, *secure;
    struct proxy *http, *socks;
    char *urls[4], *proxies[2];
    struct way ways[WAYS];
};

static struct scene open_scene(void) {
    struct scene scene = {.plaintext = serve(&(struct server_options){.handler = respond}),
                          .secure =
                              serve(&(struct server_options){.handler = respond, .certificate = "good"}),
                          .http = proxy_start((struct proxy_options){0}),
                          .socks = proxy_start((struct proxy_options){.is_socks = true})};
    scene.urls[0] = text_of("%s", server_url(scene.plaintext));
    scene.urls[1] = text_of("%s", server_url(scene.secure));
    scene.urls[2] = text_of("http://name.invalid:%u", server_port(scene.plaintext));
    scene.urls[3] = text_of("https://localhost:%u", server_port(scene.secure));
    scene.proxies[0] = text_of("%s", proxy_url(scene.http, "http", NULL));
    scene.proxies[1] = text_of("%s", proxy_url(scene.socks, "socks5", NULL));
    const struct way ways[WAYS] = {
        {scene.urls[0], ""},
        {scene.urls[1], ""},
        {scene.urls[2], ""},
        {scene.urls[3], ""},
        {scene.urls[1], scene.proxies[0]},
        {scene.urls[1], scene.proxies[1]},
        {scene.urls[2], scene.proxies[1]},
    };
    memcpy(scene.ways, ways, sizeof ways);
    return scene;
}

static void close_scene(struct scene *scene) {
    proxy_stop(scene->http);
    proxy_stop(scene->socks);
    server_stop(scene->plaintext);
    server_stop(scene->secure);
    for (size_t i = 0; i < COUNT(scene->urls); i++)
        free(scene->urls[i]);
    for (size_t i = 0; i < COUNT(scene->proxies); i++)
        free(scene->proxies[i]);
}

static void check_requests(struct server *server) {
    for (size_t i = 0; i < server_requests(server); i++)
        CHECK_CONTAINS(head_line(server_head(server, i)), "GET /api/v2/public/execution/");
}

static void check_exit(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), 0);
}

TEST(what_a_host_prints_to_closed_streams_goes_nowhere) {
    struct scene scene = open_scene();
    setenv("DAEMON_CA", certificate_path("ca.pem"), 1);
    for (size_t i = 0; i < WAYS; i++) {
        check_case("%s by %s", scene.ways[i].url, scene.ways[i].proxy);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            _exit(run_daemon(&scene.ways[i]));
        check_exit(child);
    }
    check_requests(scene.plaintext);
    check_requests(scene.secure);
    CHECK(server_requests(scene.plaintext) >= 3 && server_requests(scene.secure) >= 3);
    close_scene(&scene);
}

/* What strace sees --------------------------------------------------------------------------------------- */

/* The descriptors below 3 that are open, by the trace so far. */
struct traced {
    int marks, opened;
    char open[3][200]; /* the call that opened it; "": not open */
};

static void note_opened(struct traced *traced, int descriptor, const char *call) {
    traced->opened++;
    if (descriptor >= 0 && descriptor < 3)
        snprintf(traced->open[descriptor], sizeof traced->open[0], "%.150s", call);
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static void read_line(struct traced *traced, const char *call) {
    static const char *const opening[] = {"open",         "socket",         "dup",
                                          "accept",       "eventfd",        "epoll_create",
                                          "memfd_create", "timerfd_create", "fcntl"};
    const char *name = starts_with(call, "<... ") ? call + 5 : call;
    const char *result = strrchr(call, '=');
    int first, second;
    if (starts_with(call, "close(-4711")) {
        for (int i = 0; i < 3; i++)
            if (traced->open[i][0] != '\0')
                FAIL("descriptor %d is kept after step %d: %s", i, traced->marks, traced->open[i]);
        traced->marks++;
    } else if (sscanf(call, "close(%d", &first) == 1 && first >= 0 && first < 3) {
        traced->open[first][0] = '\0';
    } else if (starts_with(name, "pipe") || starts_with(name, "socketpair")) {
        const char *pair = strchr(call, '[');
        if (pair != NULL && sscanf(pair, "[%d, %d]", &first, &second) == 2) {
            note_opened(traced, first, call);
            note_opened(traced, second, call);
        }
    } else if (result != NULL && sscanf(result, "= %d", &first) == 1 && first >= 0) {
        bool is_query = starts_with(name, "fcntl") && strstr(call, "F_DUPFD") == NULL;
        for (size_t i = 0; i < COUNT(opening) && !is_query; i++)
            if (starts_with(name, opening[i]))
                note_opened(traced, first, call);
    }
}

static void trace_daemon(const struct way *way, const char *trace) {
    char program[4096] = "";
    REQUIRE(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    pid_t child = fork();
    if (child == 0) {
        setenv("DAEMON_URL", way->url, 1);
        setenv("DAEMON_PROXY", way->proxy, 1);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* LeakSanitizer needs ptrace itself */
        execlp("strace", "strace", "-f", "-qq", "-e", "trace=desc,network", "-o", trace, program,
               "no_call_keeps_a_descriptor_below_3", (char *)NULL);
        _exit(127);
    }
    check_exit(child);
}

TEST(no_call_keeps_a_descriptor_below_3) {
    enum { MARKS = 11 };
    if (getenv("DAEMON_URL") != NULL)
        _exit(run_daemon(&(struct way){getenv("DAEMON_URL"), getenv("DAEMON_PROXY")}));
    struct scene scene = open_scene();
    setenv("DAEMON_CA", certificate_path("ca.pem"), 1);
    for (size_t i = 0; i < WAYS; i++) {
        char trace[] = "/tmp/trace-XXXXXX", line[8192];
        int made = mkstemp(trace);
        REQUIRE(made >= 0);
        close(made);
        check_case("%s by %s", scene.ways[i].url, scene.ways[i].proxy);
        trace_daemon(&scene.ways[i], trace);
        struct traced traced = {0};
        FILE *file = fopen(trace, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            char *call = NULL;
            strtol(line, &call, 10);
            call += strspn(call, " ");
            call[strcspn(call, "\n")] = '\0';
            if (traced.marks > 0 || starts_with(call, "close(-4711"))
                read_line(&traced, call);
        }
        if (file != NULL)
            fclose(file);
        CHECK_INT(traced.marks, MARKS);
        CHECK(traced.opened >= 2);
        unlink(trace);
    }
    close_scene(&scene);
}
