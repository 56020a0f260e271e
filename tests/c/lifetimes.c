/* Executions and errors outlive the client, and a client or a token may be freed during calls. After each
 * call `*error` is a new object or NULL, whatever it was before. */
#define _GNU_SOURCE
#include "client.h"

#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DOCUMENT                                                                                             \
    "{\"status\": \"ERRORED\", \"name\": \"a name\", \"nodes\": [{\"node_id\": \"1\", \"latest_output\": "   \
    "{\"a\": [1, 2]}}]}"

static void check_document(const refold_execution *execution) {
    CHECK_STR(refold_execution_status(execution), "ERRORED");
    CHECK_STR(refold_execution_name(execution), "a name");
    const refold_node *node = refold_execution_node_by_id(execution, "1");
    CHECK_STR(refold_node_id(node), "1");
    CHECK_INT(refold_json_int64(refold_json_pointer(refold_node_latest_output(node), "/a/1")), 2);
    CHECK_STR(refold_json_text(refold_execution_json(execution), NULL), DOCUMENT);
}

TEST(executions_outlive_the_client) {
    struct server *server = serve_body(DOCUMENT);
    refold_client *client = client_to(server);
    refold_execution *execution = get(client, NULL);
    refold_client_free(client);
    server_stop(server);
    check_document(execution);
    refold_execution_free(execution);
}

TEST(errors_outlive_the_client) {
    struct server *server =
        serve_responses(1, &(struct response){.status = 404, .body = "{\"message\": \"gone\"}"});
    refold_client *client = client_to(server);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    refold_client_free(client);
    server_stop(server);
    CHECK_ERROR(error, 404, "gone");
    CHECK_STR(refold_error_body(error, NULL), "{\"message\": \"gone\"}");
    refold_error_free(error);
}

TEST(each_reference_to_an_execution_is_freed_once) {
    refold_execution *execution = parsed(DOCUMENT);
    refold_execution *second = refold_execution_retain(execution);
    refold_execution *third = refold_execution_retain(second);
    CHECK(refold_execution_name(second) == refold_execution_name(execution));
    CHECK(refold_execution_json(third) == refold_execution_json(execution));
    refold_execution_free(execution);
    check_document(second);
    refold_execution_free(second);
    check_document(third);
    refold_execution_free(third);
}

static void retain_and_free(void *data) {
    for (int i = 0; i < 1000; i++) {
        refold_execution *mine = refold_execution_retain(data);
        CHECK_INT(refold_execution_node_count(mine), 1);
        refold_execution_free(mine);
    }
}

TEST(references_can_be_taken_and_freed_on_many_threads) {
    refold_execution *execution = parsed(DOCUMENT);
    run_on_threads(8, retain_and_free, execution, 0);
    check_document(execution);
    refold_execution_free(execution);
}

TEST(options_may_be_freed_before_the_client) {
    struct server *server = serve_body(DOCUMENT);
    refold_client *client = client_to(server); /* frees the options */
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    server_stop(server);
}

/* A success sets *error to NULL without reading its previous value, in every call. */
TEST(a_success_clears_the_error) {
    struct server *server = serve_body(DOCUMENT);
    refold_options *options = test_options(server_url(server));
    refold_error *error = UNREAD_ERROR;
    refold_client *client = refold_client_new(options, &error);
    CHECK(error == NULL);
    refold_options_free(options);
    error = UNREAD_ERROR;
    refold_execution *execution = refold_get_execution(client, TEST_ID, NULL, &error);
    CHECK(execution != NULL && error == NULL);
    refold_execution_free(execution);
    error = UNREAD_ERROR;
    execution = refold_wait_execution(client, TEST_ID, 0, NULL, NULL, NULL, &error);
    CHECK(execution != NULL && error == NULL);
    refold_execution_free(execution);
    error = UNREAD_ERROR;
    execution = refold_parse_execution(DOCUMENT, strlen(DOCUMENT), &error);
    CHECK(execution != NULL && error == NULL);
    refold_execution_free(execution);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_failure_sets_a_new_error) {
    struct server *server = serve_responses(1, &(struct response){.status = 404});
    refold_client *client = client_to(server);
    refold_error *errors[4] = {UNREAD_ERROR, UNREAD_ERROR, UNREAD_ERROR, UNREAD_ERROR};
    CHECK(refold_get_execution(client, TEST_ID, NULL, &errors[0]) == NULL);
    CHECK(refold_wait_execution(client, TEST_ID, 0, NULL, NULL, NULL, &errors[1]) == NULL);
    CHECK(refold_parse_execution("x", 1, &errors[2]) == NULL);
    CHECK(refold_client_new(NULL, &errors[3]) == NULL);
    static const refold_code codes[] = {404, 404, REFOLD_ERROR_INVALID_RESPONSE,
                                        REFOLD_ERROR_INVALID_ARGUMENT};
    for (size_t i = 0; i < COUNT(errors); i++)
        EXPECT_ERROR(errors[i], codes[i], NULL);
    refold_client_free(client);
    server_stop(server);
}

/* An error belongs to its call, not to its thread. */
static void read_error(void *data) { CHECK_ERROR(data, 409, "conflict"); }

TEST(errors_can_be_read_on_any_thread) {
    struct server *server =
        serve_responses(1, &(struct response){.status = 409, .body = "{\"message\": \"conflict\"}"});
    refold_client *client = client_to(server);
    refold_error *error = NULL;
    CHECK(get(client, &error) == NULL);
    CHECK_INT(get_code(client), 409);
    run_on_threads(8, read_error, error, 0);
    refold_error_free(error);
    refold_client_free(client);
    server_stop(server);
}

/* Calls that run while their client and token are freed -------------------------------------------------- */

struct running_call {
    refold_client *client;
    refold_cancel *cancel;
    bool waits;
    refold_code code;
    refold_execution *execution;
};

static void *make_call(void *data) {
    struct running_call *call = data;
    refold_error *error = UNREAD_ERROR;
    call->execution = call->waits
                          ? refold_wait_execution(call->client, TEST_ID, 0, NULL, NULL, call->cancel, &error)
                          : refold_get_execution(call->client, TEST_ID, call->cancel, &error);
    call->code = refold_error_code(error);
    refold_error_free(error);
    return NULL;
}

TEST(a_client_and_a_token_may_be_freed_while_calls_run) {
    for (int waits = 0; waits < 2; waits++) {
        struct response responses[] = {{.silent = true, .ending = HOLD}, {.body = DOCUMENT}};
        struct server *server = serve_responses(2, responses);
        refold_options *options = test_options(server_url(server));
        refold_options_set_max_retries(options, 1);
        struct running_call call = {
            .client = client_of(options), .cancel = refold_cancel_new(), .waits = waits == 1};
        pthread_t thread;
        check_case("%s", waits ? "wait" : "get");
        REQUIRE(pthread_create(&thread, NULL, make_call, &call) == 0);
        CHECK(server_await_requests(server, 1, 5000));
        refold_client_free(call.client);
        refold_cancel_free(call.cancel);
        server_stop(server); /* the retry needs what was freed */
        pthread_join(thread, NULL);
        CHECK(call.execution == NULL);
        CHECK(call.code == REFOLD_ERROR_CONNECT || call.code == REFOLD_ERROR_TRANSPORT);
    }
}

static void respond_when_released(struct exchange *exchange) {
    if (exchange_hold(exchange))
        exchange_respond(exchange, &(struct response){.body = DOCUMENT});
}

TEST(a_call_succeeds_after_its_client_was_freed) {
    struct server *server = serve(&(struct server_options){.handler = respond_when_released});
    struct running_call call = {.client = client_to(server), .cancel = refold_cancel_new()};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, make_call, &call) == 0);
    CHECK(server_await_requests(server, 1, 5000));
    refold_client_free(call.client);
    refold_cancel_free(call.cancel);
    server_release(server);
    pthread_join(thread, NULL);
    CHECK_INT(call.code, REFOLD_OK);
    check_document(call.execution);
    refold_execution_free(call.execution);
    server_stop(server);
}

static int64_t trigger_and_free(void) {
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    struct running_call call = {.client = client_to(server), .cancel = refold_cancel_new()};
    pthread_t thread;
    if (pthread_create(&thread, NULL, make_call, &call) != 0)
        abort();
    CHECK(server_await_requests(server, 1, 5000));
    int64_t triggered = now_us();
    refold_cancel_trigger(call.cancel);
    refold_cancel_free(call.cancel);
    pthread_join(thread, NULL);
    int64_t took = now_us() - triggered;
    CHECK_INT(call.code, REFOLD_ERROR_CANCELLED);
    refold_client_free(call.client);
    server_stop(server);
    return took;
}

TEST(a_token_freed_after_triggering_still_cancels) {
    struct timing timing = {.max_ms = 50};
    while (CHECK_AGAIN(timing))
        timing.us = trigger_and_free();
}

/* Leaks -------------------------------------------------------------------------------------------------- */

TEST(freed_clients_leave_no_descriptor_and_no_thread) {
    struct server *server = serve_body(DOCUMENT);
    refold_client_free(client_to(server));
    int descriptors = 0, threads = 0;
    for (int i = 0; i < 20; i++) {
        refold_client *client = client_to(server);
        refold_cancel *cancel = refold_cancel_new();
        CHECK_INT(get_code(client), REFOLD_OK);
        refold_cancel_free(cancel);
        refold_client_free(client);
        if (i == 0) {
            descriptors = descriptor_count();
            threads = thread_count();
        }
    }
    CHECK_INT(descriptor_count(), descriptors);
    CHECK(await_threads(threads, 1000));
    CHECK(server_await_open(server, 0, 1000));
    server_stop(server);
}

/* Every operation works on a thread with 128 KiB of stack. */
static void call_on_stack(void *data) {
    struct server *server = data;
    refold_client *client = client_to(server);
    refold_error *error = NULL;
    refold_execution *execution = get(client, &error);
    check_document(execution);
    refold_execution_free(execution);
    execution = refold_wait_execution(client, TEST_ID, 0, NULL, NULL, NULL, &error);
    check_document(execution);
    refold_execution_free(execution);
    EXPECT_ERROR(client_error(test_options("nonsense")), REFOLD_ERROR_INVALID_ARGUMENT, NULL);
    refold_client_free(client);
}

TEST(calls_need_at_most_128_kib_of_stack) {
    struct server *server = serve_body(DOCUMENT);
    run_on_stack(128 * 1024, call_on_stack, server);
    server_stop(server);
}

/* The process -------------------------------------------------------------------------------------------- */

struct process {
    struct sigaction actions[64];
    sigset_t mask;
    struct rlimit descriptors;
    mode_t creation_mask;
    char folder[4096];
    const char *locale;
    int niceness;
};

static struct process process_now(void) {
    struct process process;
    memset(&process, 0, sizeof process);
    for (int number = 1; number < 64; number++)
        sigaction(number, NULL, &process.actions[number]);
    pthread_sigmask(SIG_SETMASK, NULL, &process.mask);
    getrlimit(RLIMIT_NOFILE, &process.descriptors);
    process.creation_mask = umask(022);
    umask(process.creation_mask);
    CHECK(getcwd(process.folder, sizeof process.folder) != NULL);
    process.locale = setlocale(LC_ALL, NULL);
    process.niceness = getpriority(PRIO_PROCESS, 0);
    return process;
}

static char *environment_now(void) {
    extern char **environ;
    char *all = text_of("%s", "");
    for (char **variable = environ; *variable != NULL; variable++) {
        char *longer = text_of("%s%s\n", all, *variable);
        free(all);
        all = longer;
    }
    return all;
}

static void use_everything_once(struct server *server) {
    refold_client *client = client_to(server);
    refold_cancel *cancel = refold_cancel_new();
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_execution_free(refold_wait_execution(client, TEST_ID, 0, NULL, NULL, cancel, NULL));
    refold_cancel_trigger(cancel);
    refold_error *error = NULL;
    CHECK(refold_get_execution(client, TEST_ID, cancel, &error) == NULL);
    EXPECT_ERROR(error, REFOLD_ERROR_CANCELLED, NULL);
    refold_client_free(client_of(test_options("https://example.com")));
    refold_cancel_free(cancel);
    refold_client_free(client);
}

/* The library installs no signal handler and changes no process-wide state. */
TEST(process_state_is_unchanged) {
    struct server *server = serve_body(DOCUMENT);
    struct process before = process_now();
    char *environment = environment_now();
    use_everything_once(server);
    struct process after = process_now();
    char *environment_after = environment_now();
    for (int number = 1; number < 64; number++)
        CHECK(before.actions[number].sa_handler == after.actions[number].sa_handler &&
              before.actions[number].sa_flags == after.actions[number].sa_flags);
    for (int number = 1; number < 64; number++)
        CHECK_INT(sigismember(&after.mask, number), sigismember(&before.mask, number));
    CHECK(memcmp(&before.descriptors, &after.descriptors, sizeof before.descriptors) == 0);
    CHECK_INT(after.creation_mask, before.creation_mask);
    CHECK_STR(after.folder, before.folder);
    CHECK_STR(after.locale, before.locale);
    CHECK_INT(after.niceness, before.niceness);
    CHECK_STR(environment_after, environment);
    free(environment);
    free(environment_after);
    server_stop(server);
}

/* The library prints nothing. Captures standard output and error by their descriptors. */
TEST(nothing_is_printed) {
    struct server *server = serve_body(DOCUMENT);
    char path[] = "/tmp/printed-XXXXXX";
    int file = mkstemp(path), kept[2] = {dup(1), dup(2)};
    REQUIRE(file >= 0);
    dup2(file, 1);
    dup2(file, 2);
    use_everything_once(server);
    struct stat printed = {.st_size = -1};
    fstat(file, &printed);
    dup2(kept[0], 1);
    dup2(kept[1], 2);
    close(kept[0]);
    close(kept[1]);
    close(file);
    unlink(path);
    CHECK_INT(printed.st_size, 0);
    server_stop(server);
}
