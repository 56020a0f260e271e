/* Out of memory: each large allocation of a call, a parse or a read fails in turn, alone or with all that
 * follow. None may end the process. A call ends in RESOURCE, or as usual if it can do with less memory; a
 * read finds nothing; the next operation succeeds. */
#define _GNU_SOURCE
#include "client.h"
#include "gzip.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The allocator ------------------------------------------------------------------------------------------ */

/* Fixed-size buffers are below these limits. The largest is that of the gzip decoder, 47,552 bytes: without
 * memory for it, a call ends in INTERNAL. Reading needs no such buffer, but allocates at most 64 KiB at once.
 */
enum { LARGE = 48 * 1024, LARGE_FOR_READING = 32 * 1024 };

/* Only allocations of the thread that makes the calls may fail. */
static _Thread_local struct {
    bool is_limited;
    size_t large, large_count, first_failing, last_failing;
    bool has_failed;
    int64_t in_use; /* bytes that this thread has allocated and not freed, with the allocator's own */
} memory;

static void *counted(void *block) {
    if (block != NULL)
        memory.in_use += (int64_t)malloc_usable_size(block) + (int64_t)sizeof(size_t);
    return block;
}

static void uncount(void *block) {
    if (block != NULL)
        memory.in_use -= (int64_t)malloc_usable_size(block) + (int64_t)sizeof(size_t);
}

static bool fail_allocation(size_t size) {
    if (!memory.is_limited || size < memory.large)
        return false;
    size_t number = memory.large_count++;
    if (number < memory.first_failing || number > memory.last_failing)
        return false;
    memory.has_failed = true;
    errno = ENOMEM;
    return true;
}

/* Finds the allocator's own function of the same name. */
#define FIND(function)                                                                                       \
    do {                                                                                                     \
        if (function == NULL)                                                                                \
            *(void **)&function = dlsym(RTLD_NEXT, __func__);                                                \
    } while (0)

/* These replace the functions for the whole program, including the library. */
void *malloc(size_t size) {
    static void *(*function)(size_t);
    FIND(function);
    return fail_allocation(size) ? NULL : counted(function(size));
}

void *calloc(size_t count, size_t size) {
    static void *(*function)(size_t, size_t);
    FIND(function);
    return fail_allocation(count * size) ? NULL : counted(function(count, size));
}

void *realloc(void *before, size_t size) {
    static void *(*function)(void *, size_t);
    FIND(function);
    if (fail_allocation(size))
        return NULL;
    uncount(before);
    return counted(function(before, size));
}

void free(void *block) {
    static void (*function)(void *);
    FIND(function);
    uncount(block);
    function(block);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    static int (*function)(void **, size_t, size_t);
    FIND(function);
    if (fail_allocation(size))
        return ENOMEM;
    int error = function(result, alignment, size);
    if (error == 0)
        counted(*result);
    return error;
}

/* Texts -------------------------------------------------------------------------------------------------- */

enum { ELEMENTS = 100000, NODES = 30000 };

/* `first`, `middle` repeated `count` times, and `last`. */
static struct bytes text_around(const char *first, const char *middle, size_t count, const char *last) {
    char *middles = repeated(middle, count);
    struct bytes text = {.start = text_of("%s%s%s", first, middles, last)};
    text.length = strlen(text.start);
    free(middles);
    return text;
}

static struct bytes nodes_text(void) {
    return text_around("{\"status\": \"COMPLETED\", \"nodes\": [",
                       "{\"node_id\": \"n\", \"node_name\": \"a \\\"name\\\"\"}, ", NODES,
                       "{\"node_id\": \"last\"}]}");
}

static struct bytes string_text(void) {
    return text_around("{\"status\": \"COMPLETED\", \"name\": \"", "a\\n\\u00fc", ELEMENTS, "\"}");
}

/* A string outside the typed fields, an array, and an object with an escaped key. */
static struct bytes values_text(void) {
    struct bytes string = text_around("{\"status\": \"COMPLETED\", \"string\": \"", "a\\n", 2 * ELEMENTS,
                                      "\", \"array\": ["),
                 array = text_around(string.start, "0,", 2 * ELEMENTS, "7], \"object\": {"),
                 object = text_around(array.start, "\"k\\u0065y\": 1,", ELEMENTS, "\"last\": 7}}");
    free(string.start);
    free(array.start);
    return object;
}

static struct bytes deep_text(void) {
    /* One bit per level exceeds LARGE once the bit stack has grown. */
    struct bytes opened = text_around("{\"status\": \"COMPLETED\", \"x\": ", "[", 12 * ELEMENTS, ""),
                 closed = text_around(opened.start, "]", 12 * ELEMENTS, "}");
    free(opened.start);
    return closed;
}

static struct bytes deep_mixed_text(void) {
    struct bytes opened = text_around("{\"status\": \"COMPLETED\", \"x\": ", "[{\"a\":", 2 * ELEMENTS, "1"),
                 closed = text_around(opened.start, "}]", 2 * ELEMENTS, "}");
    free(opened.start);
    return closed;
}

static struct bytes nonsense_text(void) { return text_around("{\"text\": \"", TEST_KEY " ", 50000, "\"}"); }

static struct bytes envelope_text(void) {
    return text_around("{\"message\": \"", "a\\n" TEST_KEY, 25000, "\", \"error_code\": \"CODE\"}");
}

static struct bytes page_text(void) {
    return text_around("<html>", "<p>" TEST_KEY "</p>", 100000, "</html>");
}

/* An unknown status, so that a wait continues. */
static struct bytes status_text(void) { return text_around("{\"status\": \"", "X" TEST_KEY, 50000, "\"}"); }

/* Operations --------------------------------------------------------------------------------------------- */

struct operation {
    const char *name;
    struct bytes (*text)(void);
    /* Returns the code of a call; for a read, REFOLD_OK if it found the value, else RESOURCE. */
    refold_code (*run)(const void *argument);
    /* Makes the argument of `run`; NULL: the text itself. */
    const void *(*prepare)(const struct operation *operation, const struct server *server,
                           const struct bytes *text);
    refold_code code; /* with enough memory */
    bool keeps_code;  /* also without */
    bool secure, is_packed;
    int status;
    enum framing framing;
    uint64_t poll_interval_ms; /* 0: the default */
};

static const void *make_client(const struct operation *operation, const struct server *server,
                               const struct bytes *text) {
    (void)text;
    refold_options *options = test_options(server_url(server));
    refold_options_set_log(options, REFOLD_LOG_OFF, NULL, NULL);
    if (operation->secure)
        refold_options_set_ca_file(options, certificate_path("ca.pem"));
    if (operation->poll_interval_ms > 0)
        refold_options_set_poll_interval_ms(options, operation->poll_interval_ms);
    return client_of(options);
}

static refold_code release(refold_execution *execution, refold_error *error) {
    refold_code code = refold_error_code(error);
    if ((execution == NULL) != (error != NULL) || (error != NULL && refold_error_message(error)[0] == '\0'))
        abort();
    refold_execution_free(execution);
    refold_error_free(error);
    return code;
}

static refold_code call(const void *client) {
    refold_error *error = NULL;
    refold_execution *execution = refold_get_execution(client, TEST_ID, NULL, &error);
    return release(execution, error);
}

static bool keep_waiting(const refold_execution *execution, void *data) {
    (void)data;
    refold_execution_free(refold_execution_retain(execution));
    return true;
}

static refold_code wait_for(const void *client, uint64_t timeout_ms) {
    refold_error *error = NULL;
    refold_execution *execution =
        refold_wait_execution(client, TEST_ID, timeout_ms, keep_waiting, NULL, NULL, &error);
    return release(execution, error);
}

static refold_code wait_forever(const void *client) { return wait_for(client, 0); }

/* Ends before the next poll. */
static refold_code wait_briefly(const void *client) {
    return wait_for(client, check_in_valgrind() ? 900 : 100);
}

static refold_code parse(const void *data) {
    const struct bytes *text = data;
    refold_error *error = NULL;
    refold_execution *execution = refold_parse_execution(text->start, text->length, &error);
    return release(execution, error);
}

static const void *parse_first(const struct operation *operation, const struct server *server,
                               const struct bytes *text) {
    (void)operation;
    (void)server;
    return refold_parse_execution(text->start, text->length, NULL);
}

static refold_code found(bool is_there) { return is_there ? REFOLD_OK : REFOLD_ERROR_RESOURCE; }

static const refold_json *member(const void *execution, const char *name) {
    return refold_json_get(refold_execution_json(execution), name);
}

static refold_code find_node(const void *execution) {
    const refold_node *last = refold_execution_node_by_id(execution, "last");
    return found(last != NULL && last == refold_execution_node(execution, NODES));
}

static refold_code read_string(const void *execution) {
    size_t length = 0;
    const char *string = refold_json_string(member(execution, "string"), &length);
    return found(string != NULL && length == 4 * ELEMENTS && string[4 * ELEMENTS - 1] == '\n');
}

static refold_code read_text(const void *execution) {
    size_t length = 0;
    const char *text = refold_json_text(member(execution, "array"), &length);
    return found(text != NULL && length == 4 * ELEMENTS + 3 && text[length] == '\0');
}

static refold_code read_element(const void *execution) {
    const refold_json *array = member(execution, "array");
    return found(refold_json_int64(refold_json_at(array, 2 * ELEMENTS)) == 7 &&
                 refold_json_length(array) == 2 * ELEMENTS + 1);
}

static refold_code read_member(const void *execution) {
    const refold_json *object = member(execution, "object");
    return found(refold_json_int64(refold_json_get(object, "last")) == 7 &&
                 refold_json_length(object) == ELEMENTS + 1);
}

static refold_code read_key(const void *execution) {
    const char *key = refold_json_key_at(member(execution, "object"), ELEMENTS - 1, NULL);
    return found(key != NULL && strcmp(key, "key") == 0);
}

static refold_code follow_pointer(const void *execution) {
    const refold_json *json = refold_execution_json(execution);
    return found(refold_json_int64(refold_json_pointer(json, "/object/last")) == 7 &&
                 refold_json_int64(refold_json_pointer(json, "/array/200000")) == 7);
}

#define CALL .run = call, .prepare = make_client
#define READ .prepare = parse_first
#define CODE(number) .code = (number), .status = (number), .keeps_code = true

static const struct operation calls[] = {
    {"a call", nodes_text, CALL},
    {"a call, chunks", string_text, CALL, .framing = CHUNKED},
    {"a call, until close", string_text, CALL, .framing = UNTIL_CLOSE},
    {"a call, gzip", values_text, CALL, .is_packed = true},
    {"a call, TLS", string_text, CALL, .secure = true},
    {"a call, TLS, gzip in chunks", values_text, CALL, .secure = true, .is_packed = true, .framing = CHUNKED},
    {"a call, a length", string_text, CALL},
    {"a call, no execution", nonsense_text, CALL, .code = REFOLD_ERROR_INVALID_RESPONSE},
    {"a call, no JSON", page_text, CALL, .code = REFOLD_ERROR_INVALID_RESPONSE},
    {"a call, an envelope", envelope_text, CALL, CODE(404)},
    {"a call, an envelope, gzip", envelope_text, CALL, CODE(404), .is_packed = true},
    {"a call, an envelope in chunks", envelope_text, CALL, CODE(500), .framing = CHUNKED},
    {"a call, a page", page_text, CALL, CODE(502)},
    {"a wait", nodes_text, .run = wait_forever, .prepare = make_client},
    {"a wait, polls that fail", envelope_text, .run = wait_forever, .prepare = make_client, CODE(503),
     .poll_interval_ms = 10},
    {"a wait, a long status", status_text, .run = wait_briefly, .prepare = make_client,
     .code = REFOLD_ERROR_TIMEOUT},
    {"a wait, an envelope at its end", envelope_text, .run = wait_briefly, .prepare = make_client,
     .code = REFOLD_ERROR_TIMEOUT, .status = 503},
};

static const struct operation reads[] = {
    {"a parse, nodes", nodes_text, .run = parse},
    {"a parse, a long string", string_text, .run = parse},
    {"a parse, any values", values_text, .run = parse},
    {"a parse, deep", deep_text, .run = parse},
    {"a parse, deep and mixed", deep_mixed_text, .run = parse},
    {"a parse, no execution", nonsense_text, .run = parse, .code = REFOLD_ERROR_INVALID_RESPONSE},
    {"a node by its id", nodes_text, READ, .run = find_node},
    {"a string", values_text, READ, .run = read_string},
    {"a text", values_text, READ, .run = read_text},
    {"an element", values_text, READ, .run = read_element},
    {"a member", values_text, READ, .run = read_member},
    {"a key", values_text, READ, .run = read_key},
    {"a pointer", values_text, READ, .run = follow_pointer},
};

/* Each in turn ------------------------------------------------------------------------------------------- */

/* The result of a child. */
struct outcome {
    bool has_failed;
    refold_code without_memory, with_memory;
};

/* Runs the operation out of memory, then once more with memory, and exits. In a child, because an allocation
 * that must not fail would end the process. */
static void run_out_of_memory(const struct operation *operation, const struct server *server,
                              const struct bytes *text, size_t first, size_t last, struct outcome *outcome) {
    alarm((unsigned)(30 * check_patience()));
    close_all_owned();
    const void *argument = operation->prepare == NULL ? text : operation->prepare(operation, server, text);
    memory.first_failing = first;
    memory.last_failing = last;
    memory.large = operation->prepare == parse_first ? LARGE_FOR_READING : LARGE;
    memory.is_limited = true;
    outcome->without_memory = operation->run(argument);
    memory.is_limited = false;
    outcome->has_failed = memory.has_failed;
    outcome->with_memory = operation->run(argument);
    _exit(0);
}

/* Returns whether any allocation failed. */
static bool check_out_of_memory(const struct operation *operation, const struct server *server,
                                const struct bytes *text, size_t first, size_t last,
                                struct outcome *outcome) {
    int status = -1;
    *outcome =
        (struct outcome){.without_memory = REFOLD_ERROR_INTERNAL, .with_memory = REFOLD_ERROR_INTERNAL};
    pid_t child = fork();
    if (child == 0)
        run_out_of_memory(operation, server, text, first, last, outcome);
    waitpid(child, &status, 0);
    check_case("%s, without allocation %zu%s", operation->name, first,
               last > first ? " and all that follow" : "");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return FAIL("the process ended, status %d", status) || first < 100;
    if (outcome->without_memory != operation->code &&
        (operation->keeps_code || outcome->without_memory != REFOLD_ERROR_RESOURCE))
        FAIL("the code is %d", outcome->without_memory);
    CHECK_INT(outcome->with_memory, operation->code);
    return outcome->has_failed;
}

static struct server *serve_operation(const struct operation *operation, const struct bytes *text) {
    struct response response = {.body = text->start, .length = text->length, .status = operation->status};
    struct server_options options = {.responses = &response, .response_count = 1};
    response.framing = operation->framing;
    if (operation->is_packed)
        response.headers = "Content-Encoding: gzip\r\n";
    options.certificate = operation->secure ? "good" : NULL;
    return serve(&options);
}

static void fail_each_allocation(const struct operation *operation, struct outcome *outcome) {
    const size_t max = check_in_valgrind() ? 3 : 14; /* All polls are alike. */
    struct bytes text = operation->text();
    if (operation->is_packed) {
        struct bytes unpacked = text;
        text = gzip_of(unpacked.start, unpacked.length);
        free(unpacked.start);
    }
    struct server *server = serve_operation(operation, &text);
    size_t single = 0, all = 0;
    fflush(stdout);
    check_limit(60);
    while (single < max && check_out_of_memory(operation, server, &text, single, single, outcome))
        single++;
    while (all < max && check_out_of_memory(operation, server, &text, all, SIZE_MAX, outcome))
        all++;
    CHECK(single > 0 && all > 0);
    server_stop(server);
    free(text.start);
}

static void run_all(const struct operation *operations, size_t count) {
    struct outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(outcome != MAP_FAILED);
    certificate_path("ca.pem");
    for (size_t i = 0; i < count; i++)
        fail_each_allocation(&operations[i], outcome);
    munmap(outcome, sizeof *outcome);
}

TEST(any_large_allocation_of_a_call_may_fail) { run_all(calls, COUNT(calls)); }

TEST(any_large_allocation_of_parsing_or_reading_may_fail) { run_all(reads, COUNT(reads)); }

/* A queue whose lists cannot grow rejects a submission, and loses none that it has accepted. */
TEST(any_large_allocation_of_a_submission_may_fail) {
    enum { SUBMISSIONS = 5000 };
    struct server *server = serve_responses(1, &(struct response){.silent = true, .ending = HOLD});
    const refold_client *client = make_client(&(struct operation){0}, server, NULL);
    refold_queue *queue = refold_queue_new(1, NULL);
    refold_cancel *cancel = refold_cancel_new();
    int rejected = 0, cancelled = 0;
    memory.large = LARGE;
    memory.first_failing = memory.last_failing = 0;
    for (int i = 0; i < SUBMISSIONS; i++) {
        refold_error *error = NULL;
        memory.large_count = 0;
        memory.is_limited = true;
        bool accepted = refold_queue_get_execution(queue, client, TEST_ID, cancel, NULL, &error);
        memory.is_limited = false;
        CHECK_INT(refold_queue_pending(queue), i + accepted);
        if (accepted)
            continue;
        EXPECT_ERROR(error, REFOLD_ERROR_RESOURCE, "memory");
        rejected++;
        CHECK(refold_queue_get_execution(queue, client, TEST_ID, cancel, NULL, NULL));
    }
    CHECK_BETWEEN(rejected, 2, 20);
    refold_cancel_trigger(cancel);
    for (refold_event *event; (event = refold_queue_next(queue, -1)) != NULL; refold_event_free(event))
        cancelled += refold_error_code(refold_event_error(event)) == REFOLD_ERROR_CANCELLED;
    CHECK_INT(cancelled, SUBMISSIONS);
    refold_cancel_free(cancel);
    refold_queue_free(queue);
    refold_client_free((refold_client *)client);
    server_stop(server);
}

/* What accesses cost ------------------------------------------------------------------------------------- */

/* Reads every value: its number or string, and its key. Values nest too deeply for recursion: the loop
 * goes on with the last value that has others in it. */
static size_t access_all(const refold_json *json) {
    size_t values = 0;
    while (json != NULL) {
        const refold_json *next = NULL;
        size_t length = refold_json_length(json);
        values++;
        refold_json_double(json);
        refold_json_string(json, NULL);
        refold_json_get(json, "none");
        for (size_t i = 0; i < length; i++) {
            const refold_json *inner = refold_json_at(json, i);
            refold_json_key_at(json, i, NULL);
            if (refold_json_length(inner) == 0)
                values += access_all(inner);
            else if (next == NULL)
                next = inner;
            else {
                values += access_all(next);
                next = inner;
            }
        }
        json = next;
    }
    return values;
}

/* A nest has `opening` and `closing` around a value, many times. Others have `opening` many times, in an
 * object if it begins with a quote, or else in an array. */
static const struct {
    const char *name, *opening, *closing;
} shapes[] = {
    {"arrays", "[", "]"},
    {"objects", "{\"\":", "}"},
    {"arrays in objects", "[{\"\":", "}]"},
    {"an element before", "[0,", "]"},
    {"a string before", "[\"\",", "]"},
    {"an array before", "[[],", "]"},
    {"a letter before", "[\"a\",", "]"},
    {"a list before", "[[0],", "]"},
    {"a tiny object before", "[{\"\":0},", "]"},
    {"eight bytes before", "[[0,0,0],", "]"},
    {"nine bytes before", "[[0,0,10],", "]"},
    {"many elements before", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,", "]"},
    {"more elements before", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,", "]"},
    {"strings before", "[\"a\",\"b\",\"c\",\"d\",", "]"},
    {"elements after", "[", ",0,0]"},
    {"members after", "{\"\":", ",\"a\":\"b\"}"},
    {"a member before", "{\"\":0,\"\":", "}"},
    {"list of numbers", "0,", NULL},
    {"list of strings", " \"\",", NULL},
    {"list of arrays", "[],", NULL},
    {"list of objects", "{},", NULL},
    {"list of members", "{\"\":0},", NULL},
    {"list of numbers and strings", "0,\"\",", NULL},
    {"members", "\"\":0,", NULL},
    {"members with keys", "\"key\":0,", NULL},
    {"members with strings", "\"\":\"\",", NULL},
};

TEST(accesses_cost_less_than_40_bytes_per_byte) {
    static const size_t counts[] = {10, 1000, 20000, 300000};
    for (size_t i = 0; i < COUNT(shapes) * COUNT(counts); i++) {
        size_t shape = i / COUNT(counts), count = counts[i % COUNT(counts)];
        if (check_in_valgrind() && count > 1000)
            continue;
        const char *opening = shapes[shape].opening, *closing = shapes[shape].closing;
        char *opened = repeated(opening, count), *closed = repeated(closing == NULL ? "" : closing, count);
        const char *start = closing != NULL ? "" : *opening == '"' ? "{" : "[";
        const char *end = closing != NULL ? "1" : *opening == '"' ? "\"last\": 0}" : "0]";
        char *text = text_of("{\"status\": \"\", \"x\": %s%s%s%s}", start, opened, end, closed);
        refold_execution *execution = refold_parse_execution(text, strlen(text), NULL);
        check_case("%s, %zu", shapes[shape].name, count);
        CHECK(execution != NULL);
        int64_t before = memory.in_use;
        CHECK(access_all(refold_execution_json(execution)) > count);
        int64_t used = memory.in_use - before, length = (int64_t)strlen(text);
        if (used > 40 * length + 2000)
            FAIL("%lld bytes for a text of %lld", (long long)used, (long long)length);
        refold_execution_free(execution);
        CHECK_BETWEEN(memory.in_use, before - 64 * length - 4096, before);
        free(text);
        free(closed);
        free(opened);
    }
}
