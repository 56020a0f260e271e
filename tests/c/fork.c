/* A client survives fork(), even if other threads are inside calls: a child never touches a connection, a
 * lock or the pool of its parent. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Process ids -------------------------------------------------------------------------------------------- */

static bool ids_are_equal; /* getpid() returns the same id in all processes */

static int process_id(void) { return (int)syscall(SYS_getpid); }

/* A child may have its parent's process id: in another namespace, or once all other ids have been used. */
pid_t getpid(void) { return ids_are_equal ? 1 : process_id(); }

/* A server that records who uses which connection -------------------------------------------------------- */

/* Execution ids are "PROCESS-ANYTHING". The response contains the requested id. */
enum { MAX_CONNECTIONS = 1 << 16 };

struct book {
    pthread_mutex_t lock;
    int64_t delay_ms; /* delays responses to the server's own process */
    /* guarded by lock: */
    int owners[MAX_CONNECTIONS]; /* the process that first used each connection */
    int strangers;               /* requests of other processes than the owner */
};

static void respond_with_id(struct exchange *exchange) {
    struct book *book = exchange_data(exchange);
    char id[100] = "", body[200];
    sscanf(exchange_head(exchange), "GET /api/v2/public/execution/%99[^ ]", id);
    size_t connection = exchange_connection(exchange) % MAX_CONNECTIONS;
    pthread_mutex_lock(&book->lock);
    if (book->owners[connection] == 0)
        book->owners[connection] = atoi(id);
    book->strangers += book->owners[connection] != atoi(id);
    pthread_mutex_unlock(&book->lock);
    snprintf(body, sizeof body, "{\"_id\": \"%s\", \"status\": \"COMPLETED\"}", id);
    int64_t delay_ms = atoi(id) == process_id() ? book->delay_ms : 0;
    exchange_respond(exchange, &(struct response){.body = body, .delay_ms = delay_ms});
}

static struct server *serve_ids(struct book *book, bool is_secure) {
    struct server_options options = {.handler = respond_with_id, .data = book};
    memset(book, 0, sizeof *book);
    pthread_mutex_init(&book->lock, NULL);
    options.certificate = is_secure ? "good" : NULL;
    return serve(&options);
}

static refold_options *options_to(const struct server *server) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    return options;
}

/* Whether a call returns the requested execution. Also called in children, so it takes no lock and prints
 * nothing. */
static bool gets_own_execution(const refold_client *client, int thread, int call, refold_code *why) {
    char id[100];
    refold_error *error = NULL;
    snprintf(id, sizeof id, "%d-%d-%d", (int)process_id(), thread, call);
    refold_execution *execution = refold_get_execution(client, id, NULL, &error);
    bool right = execution != NULL && strcmp(refold_execution_id(execution), id) == 0;
    *why = refold_error_code(error);
    refold_execution_free(execution);
    refold_error_free(error);
    return right;
}

/* Children ----------------------------------------------------------------------------------------------- */

enum { CHILD_SUCCEEDED = 0, CHILD_SECONDS = 20 };

/* The work of a child; returns its exit status. */
typedef int child_function(void *data);

static pid_t begin_child(child_function *work, void *data) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        /* Kills a child that hangs, which the parent reports. */
        alarm((unsigned)(CHILD_SECONDS * check_patience()));
        close_all_owned();
        _exit(work(data));
    }
    return child;
}

static void check_child(pid_t child) {
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0)
        continue;
    if (child < 0)
        FAIL("no child");
    else if (WIFSIGNALED(status))
        FAIL("a child %s (signal %d)", WTERMSIG(status) == SIGALRM ? "hangs" : "was killed",
             WTERMSIG(status));
    else
        CHECK_INT(WEXITSTATUS(status), CHILD_SUCCEEDED);
}

/* Fewer under valgrind, which is slow; faults that depend on timing show in the usual runs. */
static int rounds(int usual) { return check_in_valgrind() ? usual / 20 : usual; }

/* All at once -------------------------------------------------------------------------------------------- */

enum { THREADS = 16, CHILDREN = 8, CALLS = 3 };

struct family {
    refold_client *client;
    atomic_bool is_over;
    atomic_int next_thread, calls;
};

static void *call_until_over(void *data) {
    struct family *family = data;
    int thread = atomic_fetch_add(&family->next_thread, 1);
    refold_code why;
    for (int call = 0; !atomic_load(&family->is_over); call++) {
        if (!gets_own_execution(family->client, thread, call, &why))
            FAIL("a call of the parent failed: %d", why);
        atomic_fetch_add(&family->calls, 1);
    }
    return NULL;
}

/* The exit status encodes the code of the failed call. */
static int call_in_child(void *data) {
    struct family *family = data;
    refold_code why;
    for (int call = 0; call < CALLS; call++)
        if (!gets_own_execution(family->client, 0, call, &why))
            return why == REFOLD_OK ? 99 : why < 0 ? -why : 100;
    /* Freeing the client in a child affects only the child. */
    refold_client_free(family->client);
    return CHILD_SUCCEEDED;
}

static void fork_while_calls_run(bool is_secure) {
    static struct book book;
    struct server *server = serve_ids(&book, is_secure);
    struct family family = {.client = client_of(options_to(server))};
    const int forked = rounds(100) * CHILDREN;
    pthread_t threads[THREADS];
    book.delay_ms = 5; /* so that the threads are inside calls nearly all the time */
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, call_until_over, &family);
    for (int round = 0; round < rounds(100); round++) {
        pid_t children[CHILDREN];
        for (int i = 0; i < CHILDREN; i++)
            children[i] = begin_child(call_in_child, &family);
        for (int i = 0; i < CHILDREN; i++)
            check_child(children[i]);
    }
    family.is_over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    refold_client_free(family.client);
    CHECK_INT(book.strangers, 0);
    /* The parent's threads share theirs, despite the children; each child has its own. */
    CHECK_BETWEEN(server_connections(server), forked + 1, forked + THREADS);
    CHECK_INT(server_requests(server), forked * CALLS + family.calls);
    server_stop(server);
}

TEST(parent_and_children_use_one_client_at_once) { fork_while_calls_run(false); }

TEST(parent_and_children_use_one_client_at_once_over_tls) { fork_while_calls_run(true); }

/* One after the other ------------------------------------------------------------------------------------ */

static int free_client(void *data) {
    refold_client_free(*(refold_client **)data);
    return CHILD_SUCCEEDED;
}

static int call_once(void *data) {
    refold_code why;
    return gets_own_execution(*(refold_client **)data, 0, 0, &why) ? CHILD_SUCCEEDED : 1;
}

static int call_and_free(void *data) {
    int status = call_once(data);
    free_client(data);
    return status;
}

static int call_in_grandchild(void *data) {
    int status = call_once(data), of_grandchild = -1;
    pid_t grandchild = fork();
    if (grandchild == 0)
        _exit(call_and_free(data));
    if (waitpid(grandchild, &of_grandchild, 0) < 0 || of_grandchild != 0)
        return 2;
    return status != CHILD_SUCCEEDED ? status : call_and_free(data);
}

/* The parent's idle connection is unchanged: no byte and no close_notify was sent on it, whatever a child
 * does with the client. */
TEST(a_child_leaves_the_parents_connection_alone) {
    static const struct {
        const char *name;
        child_function *work;
        size_t connections;
    } rows[] = {{"nothing", NULL, 0},
                {"frees", free_client, 0},
                {"calls", call_once, 1},
                {"calls and frees", call_and_free, 1},
                {"has a child", call_in_grandchild, 2}};
    static struct book book;
    for (size_t i = 0; i < 4 * COUNT(rows); i++) {
        size_t row = i / 4;
        ids_are_equal = i % 2 == 1;
        bool is_secure = i / 2 % 2 == 1;
        check_case("%s%s%s", rows[row].name, is_secure ? ", TLS" : "", ids_are_equal ? ", same number" : "");
        struct server *server = serve_ids(&book, is_secure);
        refold_client *client = client_of(options_to(server));
        CHECK_INT(call_once(&client), CHILD_SUCCEEDED);
        uint64_t received = server_received(server);
        if (rows[row].work != NULL)
            check_child(begin_child(rows[row].work, &client));
        if (rows[row].connections == 0)
            CHECK_INT(server_received(server), received);
        CHECK_INT(call_once(&client), CHILD_SUCCEEDED);
        CHECK_INT(server_connections(server), 1 + rows[row].connections);
        CHECK_INT(server_request_connection(server, server_requests(server) - 1), 0);
        CHECK_INT(book.strangers, 0);
        refold_client_free(client);
        server_stop(server);
    }
    ids_are_equal = false;
}

static int create_and_use_client(void *data) {
    refold_client *client = refold_client_new(data, NULL);
    return client == NULL ? 3 : call_and_free(&client);
}

/* A child creates a client from the options of its parent. */
TEST(a_child_can_create_its_own_clients) {
    static struct book book;
    struct server *server = serve_ids(&book, true);
    refold_options *options = options_to(server);
    for (int i = 0; i < 5; i++)
        check_child(begin_child(create_and_use_client, options));
    refold_options_free(options);
    server_stop(server);
}

/* Lookups run on a thread, which works in a child, too. */
TEST(a_child_can_look_up_names) {
    static struct book book;
    struct server *server = serve_ids(&book, false);
    char *url = text_of("http://name.invalid:%u", server_port(server));
    refold_options *options = test_options(url);
    refold_options_set_allow_plaintext(options, true);
    refold_client *client = client_of(options);
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    for (int i = 0; i < 5; i++)
        check_child(begin_child(call_and_free, &client));
    CHECK_INT(call_and_free(&client), CHILD_SUCCEEDED);
    free(url);
    server_stop(server);
}

/* The CPU time of this process in milliseconds. */
static int64_t work_ms(void) {
    struct timespec work;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &work);
    return (int64_t)work.tv_sec * 1000 + work.tv_nsec / 1000000;
}

/* Lookups running at a fork ------------------------------------------------------------------------------ */

struct lookup_call {
    refold_client *client;
    struct event *done;
    refold_code code;
    int64_t ended_at;
};

static void *call_until_resolved(void *data) {
    struct lookup_call *call = data;
    refold_error *error = NULL;
    refold_execution_free(refold_get_execution(call->client, "1-name", NULL, &error));
    call->ended_at = now_ms();
    call->code = refold_error_code(error);
    refold_error_free(error);
    event_add(call->done, 1);
    return NULL;
}

/* Runs until it is killed. */
static int run_until_killed(void *data) {
    (void)data;
    while (pause() != 0)
        continue;
    return 9;
}

/* The child lives on and holds copies of the descriptors through which the lookup's thread reports its
 * end. */
TEST(a_lookup_running_at_a_fork_ends_its_call_in_the_parent) {
    struct lookup_call call = {.client = client_of(test_options("https://name.invalid")),
                               .done = event_new()};
    for (int round = 1; round <= 3; round++) {
        pthread_t thread;
        lookup_script((struct lookup){.silent = true});
        pthread_create(&thread, NULL, call_until_resolved, &call);
        CHECK(lookup_await_running(1, 5000));
        pid_t child = begin_child(run_until_killed, NULL);
        CHECK_INT(event_count(call.done), round - 1);
        int64_t released_at = now_ms();
        lookup_release();
        CHECK(event_await(call.done, round, 5000));
        int status = 0;
        CHECK_INT(waitpid(child, &status, WNOHANG), 0);
        kill(child, SIGKILL);
        CHECK_INT(waitpid(child, &status, 0), child);
        pthread_join(thread, NULL);
        CHECK_INT(call.code, REFOLD_ERROR_RESOLVE);
        CHECK_TIME(call.ended_at - released_at, 0, 1000);
    }
    event_free(call.done);
    refold_client_free(call.client);
}

/* Closing alone would not end connections that the child inherited. */
TEST(a_freed_client_closes_connections_a_child_inherited) {
    static struct book book;
    for (int secure = 0; secure < 2; secure++) {
        struct server *server = serve_ids(&book, secure);
        refold_client *client = client_of(options_to(server));
        check_case("%s", secure ? "TLS" : "plaintext");
        CHECK_INT(call_once(&client), CHILD_SUCCEEDED);
        pid_t child = begin_child(run_until_killed, NULL);
        refold_client_free(client);
        CHECK(server_await_open(server, 0, 5000));
        int status = 0;
        CHECK_INT(waitpid(child, &status, WNOHANG), 0);
        kill(child, SIGKILL);
        CHECK_INT(waitpid(child, &status, 0), child);
        server_stop(server);
    }
}

/* Cancel tokens ------------------------------------------------------------------------------------------ */

struct held_call {
    refold_client *client;
    refold_cancel *cancel;
    struct event *done;
    refold_code code;
    int64_t ended_at;
};

static void *call_and_hold(void *data) {
    struct held_call *call = data;
    refold_error *error = NULL;
    refold_execution_free(refold_get_execution(call->client, "1-held", call->cancel, &error));
    call->ended_at = now_ms();
    call->code = refold_error_code(error);
    refold_error_free(error);
    event_add(call->done, 1);
    return NULL;
}

static int trigger(void *data) {
    refold_cancel_trigger(data);
    return refold_cancel_is_triggered(data) ? CHILD_SUCCEEDED : 4;
}

static int trigger_and_free(void *data) {
    refold_cancel_trigger(data);
    refold_cancel_free(data);
    return CHILD_SUCCEEDED;
}

static void hold(struct exchange *exchange) {
    exchange_hold(exchange);
    exchange_respond(exchange, &(struct response){.body = COMPLETED});
}

/* A token made before a fork belongs to the parent: in a child it cancels nothing of the parent's. */
static int64_t trigger_in_children(void) {
    struct server *server = serve(&(struct server_options){.handler = hold});
    struct held_call call = {.client = client_to(server), .cancel = refold_cancel_new(), .done = event_new()};
    pthread_t thread;
    pthread_create(&thread, NULL, call_and_hold, &call);
    CHECK(server_await_requests(server, 1, 5000));
    for (int i = 0; i < 10; i++)
        check_child(begin_child(i % 2 == 0 ? trigger : trigger_and_free, call.cancel));
    CHECK(!refold_cancel_is_triggered(call.cancel));
    /* It waits without using the CPU. */
    int64_t worked = work_ms();
    CHECK(!event_await(call.done, 1, 200));
    CHECK_TIME(work_ms() - worked, 0, 50);
    /* The token still works. */
    int64_t triggered_at = now_ms();
    refold_cancel_trigger(call.cancel);
    CHECK(event_await(call.done, 1, 5000));
    pthread_join(thread, NULL);
    CHECK_INT(call.code, REFOLD_ERROR_CANCELLED);
    event_free(call.done);
    refold_cancel_free(call.cancel);
    refold_client_free(call.client);
    server_stop(server);
    return call.ended_at - triggered_at;
}

TEST(a_token_triggered_in_a_child_has_no_effect_in_the_parent) {
    for (int i = 0; i < 2; i++) {
        ids_are_equal = i == 1;
        check_case("%s", ids_are_equal ? "same number" : "as usual");
        struct timing timing = {.max_ms = 50};
        while (CHECK_AGAIN(timing))
            timing.us = 1000 * trigger_in_children();
    }
    ids_are_equal = false;
}

static int call_with_token(void *data) {
    struct held_call *call = data;
    refold_error *error = NULL;
    refold_execution *execution = refold_get_execution(call->client, "1-child", call->cancel, &error);
    int status = execution == NULL                   ? -refold_error_code(error)
                 : work_ms() > 30 * check_patience() ? 50 /* it used the CPU instead of waiting */
                                                     : CHILD_SUCCEEDED;
    refold_execution_free(execution);
    refold_error_free(error);
    return status;
}

/* Conversely, a call in the child with the parent's token continues when the parent triggers it. */
TEST(a_token_triggered_in_the_parent_has_no_effect_in_a_child) {
    struct server *server = serve(&(struct server_options){.handler = hold});
    struct held_call call = {.client = client_to(server), .cancel = refold_cancel_new()};
    pid_t child = begin_child(call_with_token, &call);
    CHECK(server_await_requests(server, 1, 5000));
    refold_cancel_trigger(call.cancel);
    pause_ms(200);
    CHECK_INT(server_open(server), 1);
    server_release(server);
    check_child(child);
    refold_cancel_free(call.cancel);
    refold_client_free(call.client);
    server_stop(server);
}

static int cancel_own_call(void *data) {
    struct held_call call = {
        .client = *(refold_client **)data, .cancel = refold_cancel_new(), .done = event_new()};
    pthread_t thread;
    if (pthread_create(&thread, NULL, call_and_hold, &call) != 0)
        return 5;
    pause_ms(50);
    refold_cancel_trigger(call.cancel);
    pthread_join(thread, NULL);
    return call.code == REFOLD_ERROR_CANCELLED ? CHILD_SUCCEEDED : 6;
}

TEST(a_childs_own_token_cancels_its_calls) {
    struct server *server = serve(&(struct server_options){.handler = hold});
    refold_client *client = client_to(server);
    for (int i = 0; i < 3; i++)
        check_child(begin_child(cancel_own_call, &client));
    refold_client_free(client);
    server_stop(server);
}

/* Session tokens ----------------------------------------------------------------------------------------- */

static void *set_tokens_until_over(void *data) {
    struct family *family = data;
    char token[40];
    for (int i = 0; !atomic_load(&family->is_over); i++) {
        snprintf(token, sizeof token, "token-%d", i);
        CHECK_INT(refold_client_set_session_token(family->client, token), REFOLD_OK);
        atomic_fetch_add(&family->calls, 1);
    }
    return NULL;
}

static int set_token_and_call(void *data) {
    struct family *family = data;
    refold_code why;
    if (!gets_own_execution(family->client, 0, 0, &why))
        return 10 - why;
    if (refold_client_set_session_token(family->client, "a-token-of-the-child") != REFOLD_OK)
        return 30;
    if (!gets_own_execution(family->client, 0, 1, &why))
        return 40 - why;
    refold_client_free(family->client);
    return CHILD_SUCCEEDED;
}

/* The client works in a child even if another thread was setting a token at the moment of the fork. */
TEST(session_tokens_may_be_set_while_the_process_forks) {
    const int forks = rounds(300);
    static struct book book;
    struct server *server = serve_ids(&book, false);
    refold_options *options = options_to(server);
    refold_options_set_api_key(options, NULL, NULL);
    refold_options_set_session_token(options, TEST_TOKEN);
    struct family family = {.client = client_of(options)};
    pthread_t threads[2];
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_create(&threads[i], NULL, set_tokens_until_over, &family);
    for (int i = 0; i < forks; i++)
        check_child(begin_child(set_token_and_call, &family));
    family.is_over = true;
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK(family.calls > forks);
    /* Each child's second call sent the child's own token. */
    int own = 0;
    for (size_t i = 0; i < server_requests(server); i++)
        own +=
            strcmp(head_value(server_head(server, i), "authorization"), "Bearer a-token-of-the-child") == 0;
    CHECK_INT(own, forks);
    CHECK_INT(book.strangers, 0);
    refold_client_free(family.client);
    server_stop(server);
}

/* Executions and errors ---------------------------------------------------------------------------------- */

enum { NODES = 200 };

static char *many_nodes(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    fprintf(out, "{\"status\": \"COMPLETED\", \"nodes\": [");
    for (int i = 0; i < NODES; i++)
        fprintf(out, "%s{\"node_id\": \"n%d\", \"latest_output\": {\"a\": [1, {\"b\": \"c\\u0041%d\"}]}}",
                i == 0 ? "" : ", ", i, i);
    fprintf(out, "]}");
    fclose(out);
    return text;
}

static bool can_read_all(const refold_execution *execution) {
    for (int i = 0; i < NODES; i++) {
        char id[20], want[20];
        snprintf(id, sizeof id, "n%d", i);
        snprintf(want, sizeof want, "cA%d", i);
        const refold_node *node = refold_execution_node_by_id(execution, id);
        const char *text =
            refold_json_string(refold_json_pointer(refold_node_latest_output(node), "/a/1/b"), NULL);
        if (text == NULL || strcmp(text, want) != 0 || refold_json_text(refold_node_json(node), NULL) == NULL)
            return false;
    }
    return true;
}

struct reading {
    _Atomic(refold_execution *) execution;
    atomic_bool is_over;
    atomic_int read;
};

static void *read_until_over(void *data) {
    struct reading *reading = data;
    while (!atomic_load(&reading->is_over)) {
        CHECK(can_read_all(reading->execution));
        atomic_fetch_add(&reading->read, 1);
    }
    return NULL;
}

static int read_in_child(void *data) {
    struct reading *reading = data;
    if (!can_read_all(reading->execution))
        return 7;
    refold_execution_free(reading->execution);
    return CHILD_SUCCEEDED;
}

/* A child reads and frees an execution that threads of its parent are reading for the first time. */
TEST(a_child_can_read_its_parents_executions) {
    char *text = many_nodes();
    struct reading reading = {.execution = NULL};
    for (int i = 0; i < rounds(100); i++) {
        pthread_t threads[2];
        reading.execution = parsed(text);
        reading.is_over = false;
        for (size_t t = 0; t < COUNT(threads); t++)
            pthread_create(&threads[t], NULL, read_until_over, &reading);
        pid_t child = begin_child(read_in_child, &reading);
        check_child(child);
        reading.is_over = true;
        for (size_t t = 0; t < COUNT(threads); t++)
            pthread_join(threads[t], NULL);
        refold_execution_free(reading.execution);
    }
    CHECK(reading.read > 0);
    free(text);
}

/* Forks during a first access ---------------------------------------------------------------------------- */

enum { READERS = 3, READING_CHILDREN = 3, ELEMENTS = 20000 };

/* An execution whose JSON takes a while to parse. */
static char *many_elements(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    fprintf(out, "{\"status\": \"COMPLETED\", \"elements\": [");
    for (int i = 0; i < ELEMENTS; i++)
        fprintf(out, "{\"a\": [%d, \"b\\u0041\"]}, ", i);
    fprintf(out, "\"last\"]}");
    fclose(out);
    return text;
}

struct first_access {
    refold_execution *execution;
    atomic_int begun;
};

static bool is_read_completely(const refold_execution *execution) {
    const refold_json *json = refold_execution_json(execution);
    const char *last = refold_json_string(refold_json_pointer(json, "/elements/20000"), NULL);
    const char *inner = refold_json_string(refold_json_pointer(json, "/elements/19999/a/1"), NULL);
    return last != NULL && strcmp(last, "last") == 0 && inner != NULL && strcmp(inner, "bA") == 0;
}

static void *access_first(void *data) {
    struct first_access *access = data;
    atomic_fetch_add(&access->begun, 1);
    CHECK(is_read_completely(access->execution));
    return NULL;
}

static int access_in_child(void *data) {
    struct first_access *access = data;
    if (!is_read_completely(access->execution))
        return 8;
    refold_execution_free(access->execution);
    return CHILD_SUCCEEDED;
}

/* No child waits for a cache that a thread of its parent was writing at the moment of the fork. */
TEST(no_child_waits_for_a_first_access_by_its_parent) {
    char *text = many_elements();
    for (int round = 0; round < rounds(40); round++) {
        struct first_access access = {.execution = parsed(text)};
        pthread_t threads[READERS];
        pid_t children[READING_CHILDREN];
        check_case("round %d", round);
        for (size_t i = 0; i < COUNT(threads); i++)
            pthread_create(&threads[i], NULL, access_first, &access);
        while (atomic_load(&access.begun) == 0)
            sched_yield();
        for (size_t i = 0; i < COUNT(children); i++)
            children[i] = begin_child(access_in_child, &access);
        for (size_t i = 0; i < COUNT(children); i++)
            check_child(children[i]);
        for (size_t i = 0; i < COUNT(threads); i++)
            pthread_join(threads[i], NULL);
        refold_execution_free(access.execution);
    }
    free(text);
}
