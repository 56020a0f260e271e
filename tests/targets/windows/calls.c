/* Calls of all kinds against scripted servers, and the limits that they must keep.
 *
 *     calls.exe [URL CA_FILE]
 *
 * With a URL: it is that of a server with a certificate of the authority in the file, which serves an
 * execution named "secure".
 */
#include "support.h"

#include <inttypes.h>
#include <refold.h>
#include <stdio.h>
#include <string.h>

static const char *const ID = "6a106ba44480b80424a65289";

#define EXECUTION(status, percentage)                                                                        \
    "{\"name\":\"Nightly import\",\"status\":\"" status "\",\"completion_percentage\":" percentage           \
    ",\"nodes\":[{\"node_id\":\"1\",\"node_name\":\"Start\",\"latest_output\":{\"n\":7}}]}"

static const struct step COMPLETED[] = {{200, EXECUTION("COMPLETED", "100"), false}};

/* Options for this URL, with an API key, without retries. */
static refold_options *options_for(const char *url) {
    refold_options *options = refold_options_new();
    refold_options_set_base_url(options, url);
    refold_options_set_api_key(options, "tk_test", "user_1");
    refold_options_set_max_retries(options, 0);
    refold_options_set_proxy(options, "");
    return options;
}

static refold_client *client_of(refold_options *options) {
    refold_error *error = NULL;
    refold_client *client = refold_client_new(options, &error);
    if (client == NULL)
        printf("FAIL no client: %s\n", refold_error_message(error));
    MUST(client != NULL);
    refold_options_free(options);
    return client;
}

static bool is_text(const char *got, const char *wanted) { return got != NULL && strcmp(got, wanted) == 0; }

/* Prints what was wrong with a call that should have failed with this code, and frees the error. */
static bool failed_with(refold_code wanted, refold_execution *execution, refold_error *error) {
    refold_code got = refold_error_code(error);
    if (execution != NULL || got != wanted)
        printf("code %d (%s) instead of %d\n", (int)got, refold_error_message(error), (int)wanted);
    bool failed = execution == NULL && got == wanted;
    refold_execution_free(execution);
    refold_error_free(error);
    return failed;
}

/* An upper bound on time that a busy machine may exceed by chance: it has to hold in one of a few attempts.
 */
struct timing {
    int64_t max_ms;
    int64_t best_ms;
    int made;
};

/* Whether another attempt is needed. */
static bool needs_attempt(const struct timing *timing) {
    enum { ATTEMPTS = 6 };
    return timing->made == 0 || (timing->best_ms > timing->max_ms && timing->made < ATTEMPTS);
}

static void took(struct timing *timing, int64_t ms) {
    if (timing->made++ == 0 || ms < timing->best_ms)
        timing->best_ms = ms;
}

static bool is_in_time(const struct timing *timing) {
    if (timing->best_ms > timing->max_ms)
        printf("%" PRId64 " ms instead of %" PRId64 "\n", timing->best_ms, timing->max_ms);
    return timing->best_ms <= timing->max_ms;
}

static void test_get(void) {
    struct server server;
    server_start(&server, COMPLETED, COUNT(COMPLETED));
    refold_client *client = client_of(options_for(server.url));
    for (int i = 1; i <= 3; i++) {
        refold_error *error = NULL;
        refold_execution *execution = refold_get_execution(client, ID, NULL, &error);
        check(execution != NULL && error == NULL, "get %d", i);
        check(is_text(refold_execution_name(execution), "Nightly import"), "name of get %d", i);
        check(refold_execution_state(execution) == REFOLD_STATE_COMPLETED, "state of get %d", i);
        const refold_json *output = refold_node_latest_output(refold_execution_node_by_id(execution, "1"));
        check(refold_json_int64(refold_json_get(output, "n")) == 7, "output of get %d", i);
        refold_execution_free(execution);
        refold_error_free(error);
    }
    check(server.connections == 1, "three gets reuse one connection");
    refold_client_free(client);
    server_stop(&server);
}

static void test_failures(void) {
    static const struct step steps[] = {
        {404, "{\"error_code\":\"EXECUTION_NOT_FOUND\",\"message\":\"There is none\"}", false},
        {200, "[]", false},
    };
    struct server server, full;
    server_start(&server, steps, COUNT(steps));
    refold_client *client = client_of(options_for(server.url));
    refold_error *error = NULL;
    refold_execution *execution = refold_get_execution(client, ID, NULL, &error);
    check(is_text(refold_error_message(error), "There is none"), "message of the server");
    check(failed_with(404, execution, error), "404");
    execution = refold_get_execution(client, ID, NULL, &error);
    check(failed_with(REFOLD_ERROR_INVALID_RESPONSE, execution, error), "invalid response");
    refold_client_free(client);

    /* Nothing listens on this port any more. */
    server_start_full(&full);
    server_stop(&full);
    client = client_of(options_for(full.url));
    execution = refold_get_execution(client, ID, NULL, &error);
    check(strstr(refold_error_message(error), "connection refused") != NULL, "the reason is in the message");
    check(failed_with(REFOLD_ERROR_CONNECT, execution, error), "connection refused");
    refold_client_free(client);

    refold_options *options = options_for("https://refold.invalid");
    refold_options_set_timeout_ms(options, 20000);
    client = client_of(options);
    execution = refold_get_execution(client, ID, NULL, &error);
    check(failed_with(REFOLD_ERROR_RESOLVE, execution, error), "host without an address");
    refold_client_free(client);
    server_stop(&server);
}

struct progress {
    int calls;
    double last;
    bool grows;
    DWORD thread;
};

static bool on_progress(const refold_execution *execution, void *user_data) {
    struct progress *progress = user_data;
    double percentage = refold_execution_completion_percentage(execution);
    progress->grows =
        progress->grows && percentage > progress->last && GetCurrentThreadId() == progress->thread;
    progress->last = percentage;
    progress->calls++;
    return true;
}

static const struct step RUN[] = {
    {200, EXECUTION("RUNNING", "0"), false},
    {503, "{}", false},
    {200, EXECUTION("RUNNING", "50"), false},
    {200, EXECUTION("COMPLETED", "100"), false},
};

static void test_wait(void) {
    struct server server;
    server_start(&server, RUN, COUNT(RUN));
    refold_options *options = options_for(server.url);
    refold_options_set_poll_interval_ms(options, 10);
    refold_client *client = client_of(options);
    struct progress progress = {.last = -1, .grows = true, .thread = GetCurrentThreadId()};
    refold_error *error = NULL;
    refold_execution *execution =
        refold_wait_execution(client, ID, 10000, on_progress, &progress, NULL, &error);
    check(refold_execution_state(execution) == REFOLD_STATE_COMPLETED, "wait until the run is complete");
    check(progress.calls == 3 && progress.grows, "progress of the run, on the thread that waits");
    refold_execution_free(execution);
    refold_error_free(error);
    refold_client_free(client);
    server_stop(&server);
}

static void test_tls(const char *url, const char *ca_file) {
    refold_options *options = options_for(url);
    refold_options_set_ca_file(options, ca_file);
    refold_client *client = client_of(options);
    refold_error *error = NULL;
    refold_execution *execution = refold_get_execution(client, ID, NULL, &error);
    if (execution == NULL)
        printf("%s\n", refold_error_message(error));
    check(is_text(refold_execution_name(execution), "secure"), "TLS with a CA file");
    refold_execution_free(execution);
    refold_error_free(error);
    refold_client_free(client);

    client = client_of(options_for(url));
    execution = refold_get_execution(client, ID, NULL, &error);
    check(failed_with(REFOLD_ERROR_TLS, execution, error), "TLS with an unknown authority");
    refold_client_free(client);
}

/* Calls that hang in one phase. */
struct phase {
    const char *name;
    const char *url;
    struct server *server;
    bool waits;
};

static struct server silent, full, cut, running;

static struct phase phases[5];

static void start_phases(void) {
    static const struct step cut_steps[] = {{200, EXECUTION("COMPLETED", "100"), true}};
    static const struct step running_steps[] = {{200, EXECUTION("RUNNING", "0"), false}};
    server_start(&silent, NULL, 0);
    server_start_full(&full);
    server_start(&cut, cut_steps, COUNT(cut_steps));
    server_start(&running, running_steps, COUNT(running_steps));
    struct phase all[] = {
        {"connecting", full.url, &full, false},
        {"the TLS handshake", silent.https_url, &silent, false},
        {"waiting for the response", silent.url, &silent, false},
        {"receiving the body", cut.url, &cut, false},
        {"pausing between polls", running.url, &running, true},
    };
    memcpy(phases, all, sizeof all);
}

static refold_client *client_for(const struct phase *phase, uint64_t timeout_ms) {
    refold_options *options = options_for(phase->url);
    refold_options_set_timeout_ms(options, timeout_ms);
    refold_options_set_poll_interval_ms(options, 60000);
    return client_of(options);
}

static void test_timeouts(void) {
    enum { TIMEOUT = 300 };
    for (size_t i = 0; i < COUNT(phases); i++) {
        const struct phase *phase = &phases[i];
        refold_client *client = client_for(phase, TIMEOUT);
        struct timing timing = {.max_ms = TIMEOUT + 100};
        bool failed = true, waited = true;
        while (needs_attempt(&timing)) {
            refold_error *error = NULL;
            int64_t begin = now_ms();
            refold_execution *execution =
                phase->waits ? refold_wait_execution(client, ID, TIMEOUT, NULL, NULL, NULL, &error)
                             : refold_get_execution(client, ID, NULL, &error);
            took(&timing, now_ms() - begin);
            failed = failed_with(REFOLD_ERROR_TIMEOUT, execution, error) && failed;
            waited = timing.best_ms >= TIMEOUT;
        }
        check(failed && waited, "timeout while %s", phase->name);
        check(is_in_time(&timing), "within 100 ms, while %s", phase->name);
        refold_client_free(client);
    }
}

struct call {
    const struct phase *phase;
    refold_client *client;
    refold_cancel *cancel;
    refold_execution *execution;
    refold_error *error;
    int64_t end;
};

static DWORD WINAPI make_call(void *data) {
    struct call *call = data;
    call->execution = call->phase->waits
                          ? refold_wait_execution(call->client, ID, 0, NULL, NULL, call->cancel, &call->error)
                          : refold_get_execution(call->client, ID, call->cancel, &call->error);
    call->end = now_ms();
    return 0;
}

/* Returns when the call hangs in its phase. A connection attempt cannot be observed, nor what a call does
 * with the last byte that was sent: there, a moment has to do. */
static void await_phase(const struct phase *phase) {
    if (phase->server != &full)
        MUST(WaitForSingleObject(phase->server->received, 10000) == WAIT_OBJECT_0);
    Sleep(50);
}

static void test_cancel(void) {
    for (size_t i = 0; i < COUNT(phases); i++) {
        const struct phase *phase = &phases[i];
        refold_client *client = client_for(phase, 0);
        struct timing timing = {.max_ms = 50};
        bool failed = true;
        while (needs_attempt(&timing)) {
            struct call call = {.phase = phase, .client = client, .cancel = refold_cancel_new()};
            ResetEvent(phase->server->received);
            HANDLE thread = start_thread(make_call, &call);
            await_phase(phase);
            int64_t triggered = now_ms();
            refold_cancel_trigger(call.cancel);
            join_thread(thread);
            took(&timing, call.end - triggered);
            failed = failed_with(REFOLD_ERROR_CANCELLED, call.execution, call.error) && failed;
            refold_cancel_free(call.cancel);
        }
        check(failed, "cancel while %s", phase->name);
        check(is_in_time(&timing), "within 50 ms, while %s", phase->name);
        refold_client_free(client);
    }
}

static void on_notify(void *user_data) { SetEvent(user_data); }

/* Takes events until none is left; returns how many submissions they ended. */
static int take_events(refold_queue *queue, int *progress, int *failures) {
    int done = 0;
    for (refold_event *event; (event = refold_queue_next(queue, 0)) != NULL; refold_event_free(event)) {
        if (refold_event_typeof(event) == REFOLD_EVENT_PROGRESS) {
            ++*progress;
        } else {
            *failures += refold_event_execution(event) == NULL;
            done++;
        }
    }
    return done;
}

static void test_queue(void) {
    enum { GETS = 20 };
    struct server server, run;
    server_start(&server, COMPLETED, COUNT(COMPLETED));
    server_start(&run, RUN, COUNT(RUN));
    refold_options *options = options_for(run.url);
    refold_options_set_poll_interval_ms(options, 10);
    refold_client *client = client_of(options_for(server.url)), *waiting = client_of(options);
    HANDLE readable = CreateEventW(NULL, FALSE, FALSE, NULL);
    refold_queue *queue = refold_queue_new(4, NULL);
    MUST(readable != NULL && queue != NULL);
    check(refold_queue_descriptor(queue) == -1, "a queue has no descriptor");
    refold_queue_set_notify(queue, on_notify, readable);
    bool accepted = refold_queue_wait_execution(queue, waiting, ID, 10000, NULL, NULL, NULL);
    for (int i = 0; i < GETS; i++)
        accepted = refold_queue_get_execution(queue, client, ID, NULL, NULL, NULL) && accepted;
    check(accepted, "submissions");
    int done = 0, progress = 0, failures = 0;
    while (refold_queue_pending(queue) > 0 && WaitForSingleObject(readable, 10000) == WAIT_OBJECT_0)
        done += take_events(queue, &progress, &failures);
    check(done == GETS + 1 && failures == 0, "each submission ends, and the callback reports it");
    check(progress >= 1 && progress <= 2, "the wait of a queue reports progress");
    check(server.connections >= 1 && server.connections <= 4, "no more connections than calls in flight");

    check(refold_queue_next(queue, -1) == NULL, "there is nothing to wait for");
    MUST(refold_queue_get_execution(queue, client, ID, NULL, &done, NULL));
    refold_event *event = refold_queue_next(queue, -1);
    check(refold_event_user_data(event) == &done, "blocks until there is an event");
    refold_event_free(event);
    struct timing timing = {.max_ms = 200};
    bool none = true;
    while (needs_attempt(&timing)) {
        int64_t begin = now_ms();
        none = refold_queue_next(queue, 100) == NULL && none;
        took(&timing, now_ms() - begin);
    }
    check(none && timing.best_ms >= 100 && is_in_time(&timing), "blocks for the time that was given");
    refold_client_free(client);
    refold_client_free(waiting);
    refold_queue_free(queue);
    CloseHandle(readable);
    server_stop(&server);
    server_stop(&run);
}

/* Submits to the queue, and returns when the call hangs in its phase. */
static void submit(refold_queue *queue, const struct phase *phase, refold_client *client,
                   refold_cancel *cancel) {
    ResetEvent(phase->server->received);
    MUST(phase->waits ? refold_queue_wait_execution(queue, client, ID, 0, cancel, NULL, NULL)
                      : refold_queue_get_execution(queue, client, ID, cancel, NULL, NULL));
    await_phase(phase);
}

static void test_cancel_in_queue(void) {
    for (size_t i = 0; i < COUNT(phases); i++) {
        const struct phase *phase = &phases[i];
        refold_client *client = client_for(phase, 0);
        struct timing cancelling = {.max_ms = 50}, freeing = {.max_ms = 50};
        bool cancelled = true;
        while (needs_attempt(&cancelling) || needs_attempt(&freeing)) {
            refold_queue *queue = refold_queue_new(0, NULL);
            refold_cancel *cancel = refold_cancel_new();
            submit(queue, phase, client, cancel);
            int64_t begin = now_ms();
            refold_cancel_trigger(cancel);
            refold_event *event;
            while (refold_event_typeof(event = refold_queue_next(queue, 10000)) == REFOLD_EVENT_PROGRESS)
                refold_event_free(event);
            took(&cancelling, now_ms() - begin);
            refold_code code = refold_error_code(refold_event_error(event));
            cancelled = event != NULL && code == REFOLD_ERROR_CANCELLED && cancelled;
            refold_event_free(event);
            refold_cancel_free(cancel);

            submit(queue, phase, client, NULL);
            begin = now_ms();
            refold_queue_free(queue);
            took(&freeing, now_ms() - begin);
        }
        check(cancelled, "cancel in a queue while %s", phase->name);
        check(is_in_time(&cancelling), "reported within 50 ms, while %s", phase->name);
        check(is_in_time(&freeing), "the queue is freed within 50 ms, while %s", phase->name);
        refold_client_free(client);
    }
}

int main(int count, char **arguments) {
    test_get();
    test_failures();
    test_wait();
    if (count == 3)
        test_tls(arguments[1], arguments[2]);
    start_phases();
    test_timeouts();
    test_cancel();
    test_queue();
    test_cancel_in_queue();
    return sum_up();
}
