/* A soak test: many threads make calls on shared clients and on their own, directly and by queues, against
 * servers that misbehave, and cancel at random moments. Every call must end in an expected way, and memory,
 * descriptors and threads must return to where they were.
 *
 * The environment sets the duration, SOAK_SECONDS, and the seed of the random numbers, SOAK_SEED. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"
#include "random.h"
#include "unruly.h"

#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORKERS = 16, SHARED = UNRULY_SERVERS + 1, EVERY_MS = 10000, DEADLINE_MS = 400 };
enum { QUEUES = 2, IN_FLIGHT = 4, MAX_PENDING = 50, QUEUE_THREADS = QUEUES * (IN_FLIGHT + 1) };

/* What is counted ---------------------------------------------------------------------------------------- */

enum counter {
    CALLS,
    GOOD,
    STATUSES,
    CANCELLED,
    TIMEOUTS,
    REFUSED,
    BROKEN,
    UNUSABLE,
    CLIENTS,
    EVENTS,
    QUEUES_FREED,
    COUNTERS
};
static const char *const counter_names[COUNTERS] = {"calls",    "good",    "statuses",    "cancelled",
                                                    "timeouts", "refused", "broken",      "unusable",
                                                    "clients",  "events",  "queues freed"};
static _Atomic uint64_t counters[COUNTERS];

static void count(enum counter counter) { atomic_fetch_add(&counters[counter], 1); }

/* The state of the process at one moment. */
struct figures {
    int64_t resident, in_use; /* bytes; `in_use` is the allocator's, in all arenas */
    int descriptors, threads;
};

/* The last value of this element in a malloc_info() report, which ends with the sums over all arenas. */
static int64_t last_size(const char *report, const char *element) {
    int64_t size = 0;
    for (const char *at = report; (at = strstr(at, element)) != NULL; at++) {
        const char *number = strstr(at, "size=\"");
        size = number == NULL ? 0 : strtoll(number + 6, NULL, 10);
    }
    return size;
}

static int64_t bytes_in_use(void) {
    char *report = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&report, &length);
    if (file == NULL || malloc_info(0, file) != 0 || fclose(file) != 0)
        abort();
    int64_t taken = last_size(report, "<system type=\"current\""),
            mapped = last_size(report, "<total type=\"mmap\"");
    int64_t free_bytes =
        last_size(report, "<total type=\"fast\"") + last_size(report, "<total type=\"rest\"");
    free(report);
    return taken + mapped - free_bytes;
}

static struct figures figures_now(void) {
    return (struct figures){.resident = resident_bytes(),
                            .in_use = bytes_in_use(),
                            .descriptors = descriptor_count(),
                            .threads = thread_count()};
}

static void print_figures(const char *name, const struct figures *figures) {
    static int64_t begun_ms;
    if (begun_ms == 0)
        begun_ms = now_ms();
    printf("%4" PRId64 " s, %s: %" PRId64 " KiB resident, %" PRId64 " KiB in use, %d descriptors, %d threads",
           (now_ms() - begun_ms) / 1000, name, figures->resident / 1024, figures->in_use / 1024,
           figures->descriptors, figures->threads);
    for (int i = 0; i < COUNTERS; i++)
        printf(", %" PRIu64 " %s", counters[i], counter_names[i]);
    printf("\n");
    fflush(stdout);
}

/* The soak ----------------------------------------------------------------------------------------------- */

/* A token in use, and when to trigger it. */
struct scheduled_trigger {
    pthread_mutex_t lock;
    refold_cancel *cancel; /* NULL: none */
    int64_t at_us;
};

struct soak {
    struct unruly *unruly;
    refold_client *shared[SHARED];
    refold_queue *queues[QUEUES];
    struct scheduled_trigger scheduled_triggers[WORKERS];
    _Atomic bool ends;
    /* The workers wait between two waits at the gate. */
    _Atomic bool pauses;
    pthread_barrier_t gate;
};

struct worker {
    struct soak *soak;
    int number;
    uint64_t random;
};

/* The last client connects to the first server by its name. */
static refold_client *client_of_soak(const struct soak *soak, int number, uint32_t retries) {
    bool secure = number == PLAINTEXT_SERVERS, has_name = number > PLAINTEXT_SERVERS;
    char *url = text_of("%s://%s:%u", secure ? "https" : "http", has_name ? "soak.invalid" : "127.0.0.1",
                        unruly_port(soak->unruly, has_name ? 0 : number));
    refold_options *options = test_options(url);
    refold_options_set_allow_plaintext(options, has_name);
    refold_options_set_timeout_ms(options, DEADLINE_MS);
    refold_options_set_poll_interval_ms(options, 10);
    refold_options_set_max_retries(options, retries);
    if (secure)
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
    if (number == 1) {
        refold_options_set_api_key(options, NULL, NULL);
        refold_options_set_session_token(options, TEST_TOKEN);
    }
    free(url);
    count(CLIENTS);
    return client_of(options);
}

/* What comes of calls ------------------------------------------------------------------------------------ */

static void check_code(const refold_error *error, bool may_be_cancelled) {
    refold_code code = refold_error_code(error);
    CHECK(refold_error_message(error)[0] != '\0');
    CHECK_LACKS(refold_error_message(error), TEST_KEY);
    CHECK_LACKS(refold_error_message(error), TEST_TOKEN);
    if (code >= 300)
        count(STATUSES);
    else if (code == REFOLD_ERROR_CANCELLED && may_be_cancelled)
        count(CANCELLED);
    else if (code == REFOLD_ERROR_TIMEOUT)
        count(TIMEOUTS);
    else if (code == REFOLD_ERROR_CONNECT)
        count(REFUSED);
    else if (code == REFOLD_ERROR_TRANSPORT)
        count(BROKEN);
    else if (code == REFOLD_ERROR_INVALID_RESPONSE)
        count(UNUSABLE);
    else
        FAIL("the code is %d: %s", code, refold_error_message(error));
}

/* Checks that the execution is complete and every accessor returns what was sent. */
static void check_execution(const refold_execution *execution, uint64_t *random) {
    const refold_json *json = refold_execution_json(execution);
    size_t nodes = refold_execution_node_count(execution), length = 0;
    const refold_node *node = refold_execution_node(execution, random_below(random, (unsigned)nodes));
    CHECK(refold_json_bool(refold_json_get(json, "is_whole")));
    CHECK_INT(nodes, refold_json_int64(refold_json_get(json, "count")));
    CHECK_STR(refold_node_name(node), "a \"node\"");
    CHECK(refold_execution_node_by_id(execution, "n") == refold_execution_node(execution, 0));
    CHECK_STR(
        refold_json_string(refold_json_pointer(refold_node_json(node), "/latest_output/list/2/deep"), NULL),
        "\xc3\xbc");
    CHECK(refold_json_text(refold_node_latest_output(node), &length) != NULL && length > 20);
    count(GOOD);
}

static void end_call(struct worker *worker, refold_execution *execution, refold_error *error,
                     bool may_be_cancelled) {
    count(CALLS);
    CHECK((execution == NULL) == (error != NULL));
    if (execution != NULL)
        check_execution(execution, &worker->random);
    else
        check_code(error, may_be_cancelled);
    refold_execution_free(execution);
    refold_error_free(error);
}

/* What workers do ---------------------------------------------------------------------------------------- */

static bool check_snapshot(const refold_execution *execution, void *data) {
    struct worker *worker = data;
    refold_execution *kept = refold_execution_retain(execution);
    check_execution(kept, &worker->random);
    refold_execution_free(kept);
    return random_below(&worker->random, 10) != 0;
}

static void call_once(struct worker *worker, const refold_client *client, refold_cancel *cancel) {
    refold_error *error = NULL;
    refold_execution *execution;
    bool waits = random_below(&worker->random, 5) == 0;
    if (waits)
        execution = refold_wait_execution(client, TEST_ID, 1 + random_below(&worker->random, DEADLINE_MS),
                                          check_snapshot, worker, cancel, &error);
    else
        execution = refold_get_execution(client, TEST_ID, cancel, &error);
    end_call(worker, execution, error, cancel != NULL || waits);
}

/* With a token that another thread triggers before or during the call, or never. */
static void call_cancelled(struct worker *worker, const refold_client *client) {
    struct scheduled_trigger *scheduled_trigger = &worker->soak->scheduled_triggers[worker->number];
    refold_cancel *cancel = refold_cancel_new();
    pthread_mutex_lock(&scheduled_trigger->lock);
    scheduled_trigger->cancel = cancel;
    scheduled_trigger->at_us = now_us() + random_below(&worker->random, 5000);
    pthread_mutex_unlock(&scheduled_trigger->lock);
    call_once(worker, client, cancel);
    pthread_mutex_lock(&scheduled_trigger->lock);
    scheduled_trigger->cancel = NULL;
    pthread_mutex_unlock(&scheduled_trigger->lock);
    refold_cancel_free(cancel);
}

static void call_with_own_client(struct worker *worker) {
    int number = (int)random_below(&worker->random, SHARED);
    refold_client *client = client_of_soak(worker->soak, number, 0);
    for (unsigned left = 1 + random_below(&worker->random, 4); left > 0; left--)
        call_once(worker, client, NULL);
    refold_client_free(client);
}

static void parse_any(struct worker *worker) {
    static const char *const texts[] = {"{\"status\": \"RUNNING\", \"nodes\": [{}, null, [[[1]]]]}", "[", "",
                                        "{\"status\": 7}", "{\"status\": \"\\ud800\", \"status\": \"x\"}"};
    const char *text = texts[random_below(&worker->random, COUNT(texts))];
    refold_error *error = NULL;
    refold_execution *execution = refold_parse_execution(text, strlen(text), &error);
    CHECK((execution == NULL) == (error != NULL));
    refold_json_text(refold_execution_json(execution), NULL);
    refold_execution_free(execution);
    refold_error_free(error);
}

static void submit_any(struct worker *worker, refold_queue *queue, const refold_client *client,
                       refold_cancel *cancel) {
    refold_error *error = NULL;
    bool accepted = random_below(&worker->random, 3) > 0
                        ? refold_queue_get_execution(queue, client, TEST_ID, cancel, queue, &error)
                        : refold_queue_wait_execution(queue, client, TEST_ID,
                                                      1 + random_below(&worker->random, DEADLINE_MS), cancel,
                                                      queue, &error);
    CHECK_STR(accepted ? NULL : refold_error_message(error), NULL);
    refold_error_free(error);
}

static void check_event(struct worker *worker, refold_event *event, const refold_queue *queue) {
    const refold_execution *execution = refold_event_execution(event);
    count(EVENTS);
    CHECK(refold_event_user_data(event) == queue);
    if (execution != NULL)
        check_execution(execution, &worker->random);
    else
        check_code(refold_event_error(event), true);
    CHECK(execution != NULL || refold_event_typeof(event) == REFOLD_EVENT_DONE);
    refold_event_free(event);
}

/* Submits a few calls, may cancel them, and takes as many events, whosever they are, or more if there are
 * many. */
static void call_by_queue(struct worker *worker, refold_queue *queue, const refold_client *client) {
    refold_cancel *cancel = random_below(&worker->random, 2) == 0 ? refold_cancel_new() : NULL;
    unsigned submitted = 1 + random_below(&worker->random, 8);
    for (unsigned i = 0; i < submitted; i++)
        submit_any(worker, queue, client, cancel);
    for (unsigned i = 0; i < submitted || refold_queue_pending(queue) > MAX_PENDING; i++) {
        if (random_below(&worker->random, 8) == 0)
            refold_cancel_trigger(cancel);
        refold_event *event = refold_queue_next(queue, random_below(&worker->random, 20));
        if (event != NULL)
            check_event(worker, event, queue);
    }
    refold_cancel_free(cancel);
}

/* Takes what is left, unless the queue is to be freed with it. */
static void drain(struct worker *worker, refold_queue *queue) {
    for (refold_event *event; (event = refold_queue_next(queue, -1)) != NULL;)
        check_event(worker, event, queue);
    CHECK_INT(refold_queue_pending(queue), 0);
}

static void call_by_own_queue(struct worker *worker) {
    int number = (int)random_below(&worker->random, SHARED);
    refold_client *client = client_of_soak(worker->soak, number, 0);
    refold_queue *queue = refold_queue_new(1 + random_below(&worker->random, IN_FLIGHT), NULL);
    if (random_below(&worker->random, 2) == 0)
        CHECK(refold_queue_descriptor(queue) > 2);
    call_by_queue(worker, queue, client);
    refold_client_free(client);
    if (random_below(&worker->random, 2) == 0)
        drain(worker, queue);
    refold_queue_free(queue);
    count(QUEUES_FREED);
}

static void run_random_operation(struct worker *worker) {
    const struct soak *soak = worker->soak;
    unsigned number = random_below(&worker->random, 100);
    const refold_client *shared = soak->shared[random_below(&worker->random, SHARED)];
    if (number < 60)
        call_once(worker, shared, NULL);
    else if (number < 70)
        call_by_queue(worker, soak->queues[number % QUEUES], shared);
    else if (number < 73)
        call_by_own_queue(worker);
    else if (number < 85)
        call_cancelled(worker, shared);
    else if (number < 95)
        call_with_own_client(worker);
    else if (number < 98)
        parse_any(worker);
    else
        CHECK_INT(refold_client_set_session_token(soak->shared[1], TEST_TOKEN), REFOLD_OK);
}

static void *work(void *data) {
    struct worker *worker = data;
    struct soak *soak = worker->soak;
    while (!soak->ends) {
        run_random_operation(worker);
        if (soak->pauses) {
            pthread_barrier_wait(&soak->gate);
            pthread_barrier_wait(&soak->gate);
        }
    }
    return NULL;
}

static void *trigger(void *data) {
    struct soak *soak = data;
    while (!soak->ends) {
        for (int i = 0; i < WORKERS; i++) {
            struct scheduled_trigger *scheduled_trigger = &soak->scheduled_triggers[i];
            pthread_mutex_lock(&scheduled_trigger->lock);
            if (scheduled_trigger->cancel != NULL && now_us() >= scheduled_trigger->at_us)
                refold_cancel_trigger(scheduled_trigger->cancel);
            pthread_mutex_unlock(&scheduled_trigger->lock);
        }
        pause_ms(1);
    }
    return NULL;
}

/* From beginning to end ---------------------------------------------------------------------------------- */

/* The figures while no worker makes a call. The shared clients keep their connections, and the shared queues
 * may keep their threads. */
static struct figures figures_at_rest(struct soak *soak, int threads) {
    struct worker self = {.soak = soak};
    soak->pauses = true;
    pthread_barrier_wait(&soak->gate);
    soak->pauses = false;
    for (int i = 0; i < QUEUES; i++)
        drain(&self, soak->queues[i]);
    CHECK(await_threads(threads, 5000));
    malloc_trim(0);
    struct figures figures = figures_now();
    pthread_barrier_wait(&soak->gate);
    return figures;
}

static void watch_until(int64_t until) {
    for (int64_t left; (left = until - now_ms()) > 0;) {
        pause_ms(left < EVERY_MS ? left : EVERY_MS);
        struct figures figures = figures_now();
        print_figures("running", &figures);
    }
}

static int64_t number_of(const char *variable, int64_t otherwise) {
    const char *value = getenv(variable);
    return value == NULL ? otherwise : strtoll(value, NULL, 10);
}

static void open_shared(struct soak *soak) {
    for (int i = 0; i < SHARED; i++)
        soak->shared[i] = client_of_soak(soak, i, i == 2);
    for (int i = 0; i < QUEUES; i++)
        CHECK((soak->queues[i] = refold_queue_new(IN_FLIGHT, NULL)) != NULL);
}

static void free_shared(struct soak *soak) {
    for (int i = 0; i < QUEUES; i++)
        refold_queue_free(soak->queues[i]);
    for (int i = 0; i < SHARED; i++)
        refold_client_free(soak->shared[i]);
}

/* The figures after each operation was made and everything freed: the baseline. */
static struct figures baseline_figures(struct soak *soak, uint64_t seed) {
    struct worker worker = {.soak = soak, .random = seed};
    open_shared(soak);
    for (int i = 0; i < 200; i++)
        run_random_operation(&worker);
    free_shared(soak);
    CHECK(await_threads(1, 5000));
    return figures_now();
}

static void check_growth(const char *name, int64_t before, int64_t after, int64_t max) {
    printf("%s: %" PRId64 " before, %" PRId64 " after, %" PRId64 " more allowed\n", name, before, after, max);
    if (after > before + max)
        FAIL("%s has grown", name);
}

/* N threads on one client need at most N connections, each in use, or idle with its buffers and its TLS
 * session. A queue has four signals. The allocator has an arena per thread, which keeps the memory of the
 * largest response. */
enum {
    CONNECTIONS = (WORKERS + QUEUE_THREADS) * SHARED,
    CONNECTION_BYTES = 64 * 1024,
    ALLOCATOR_BYTES = (WORKERS + QUEUE_THREADS) * 1024 * 1024
};

static void run_soak(struct soak *soak, uint64_t seed, int64_t seconds) {
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS], trigger_thread;
    int64_t begun = now_ms(), warming_ms = seconds > 120 ? 60000 : seconds * 1000 / 3;
    struct figures empty = baseline_figures(soak, seed);
    print_figures("empty", &empty);
    open_shared(soak);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.soak = soak, .number = i, .random = seed + (uint64_t)i};
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            abort();
    }
    if (pthread_create(&trigger_thread, NULL, trigger, soak) != 0)
        abort();
    watch_until(begun + warming_ms);
    struct figures warm = figures_at_rest(soak, empty.threads + WORKERS + 1 + QUEUE_THREADS);
    print_figures("warm", &warm);
    watch_until(begun + seconds * 1000);
    struct figures last = figures_at_rest(soak, empty.threads + WORKERS + 1 + QUEUE_THREADS);
    print_figures("last", &last);
    soak->ends = true;
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(trigger_thread, NULL);
    free_shared(soak);
    CHECK(await_threads(empty.threads, 5000));
    struct figures end = figures_now();
    print_figures("end", &end);
    check_growth("descriptors", empty.descriptors, last.descriptors, CONNECTIONS + 4 * QUEUES);
    check_growth("threads", empty.threads + WORKERS + 1, last.threads, QUEUE_THREADS);
    check_growth("bytes in use", warm.in_use, last.in_use, (int64_t)CONNECTIONS * CONNECTION_BYTES);
    check_growth("bytes resident", warm.resident, last.resident,
                 (int64_t)CONNECTIONS * CONNECTION_BYTES + ALLOCATOR_BYTES);
    check_growth("descriptors at the end", empty.descriptors, end.descriptors, 0);
    check_growth("threads at the end", empty.threads, end.threads, 0);
    check_growth("bytes in use at the end", empty.in_use, end.in_use, 256 * 1024);
}

TEST(many_calls_leak_nothing) {
    static struct soak soak;
    int64_t seconds = number_of("SOAK_SECONDS", 60);
    uint64_t seed = (uint64_t)number_of("SOAK_SEED", 1);
    check_limit((int)seconds + 120);
    soak.unruly = unruly_start(seed, (int)seconds + 120);
    pthread_barrier_init(&soak.gate, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++)
        pthread_mutex_init(&soak.scheduled_triggers[i].lock, NULL);
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    setenv("SSL_CERT_FILE", certificate_path("ca.pem"), 1); /* Loading the system's roots is slow. */
    run_soak(&soak, seed, seconds);
    unruly_stop(soak.unruly);
}
