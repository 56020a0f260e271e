// The part of the package that is written in C: calls librefold, and passes what becomes of calls to the
// event loop.
//
// native.js loads it. Arguments are checked in client.js: this file relies on their types. Objects of C are
// externals, which are freed by the garbage collector at the latest. Whatever a program reads, executions and
// errors, is copied into ordinary objects.
//
// A client has a queue of its own. The library's threads add lines of the log to a list, and set a flag of
// the client when its queue has events. Either wakes the event loop through a thread-safe function; take()
// then takes both. The function keeps the process alive while calls are pending.
//
// Each environment of Node.js (the main thread, a Worker) has its own clients. Before it ends,
// end_environment() frees their queues, which cancels all calls, so that no thread of the library uses the
// environment any more.

#define NAPI_VERSION 8
#include <node_api.h>
#include <refold.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

// The functions of the library that are called, without the prefix of their names.
// clang-format off
#define FUNCTIONS(f) \
    f(version) f(code_name) f(state_name) f(state_is_final) f(state_is_failure) \
    f(options_new) f(options_new_from_env) f(options_free) f(options_set_api_key) f(options_set_session_token) \
    f(options_set_base_url) f(options_set_timeout_ms) f(options_set_connect_timeout_ms) f(options_set_max_retries) \
    f(options_set_max_response_bytes) f(options_set_poll_interval_ms) f(options_set_proxy) f(options_set_ca_file) \
    f(options_set_ca_pem) f(options_set_user_agent) f(options_set_allow_plaintext) f(options_set_header) \
    f(options_set_log) \
    f(client_new) f(client_free) f(client_set_session_token) f(cancel_new) f(cancel_trigger) f(cancel_free) \
    f(queue_new) f(queue_free) f(queue_get_execution) f(queue_wait_execution) f(queue_next) f(queue_set_notify) \
    f(event_typeof) f(event_user_data) f(event_execution) f(event_error) f(event_free) \
    f(parse_execution) f(execution_free) f(execution_id) f(execution_name) f(execution_org_id) \
    f(execution_environment) f(execution_status) f(execution_state) f(execution_completion_percentage) \
    f(execution_config_id) f(execution_linked_account_id) f(execution_created_at) f(execution_updated_at) \
    f(execution_timing_us) f(execution_attempts) f(execution_request_id) f(execution_node_count) f(execution_node) \
    f(execution_json) f(json_raw) \
    f(node_id) f(node_name) f(node_type) f(node_status) f(node_state) f(node_is_batch) f(node_attempts_made) \
    f(node_maximum_attempts) f(node_execution_time_ms) \
    f(error_free) f(error_code) f(error_http_status) f(error_http_error_type) f(error_api_code) f(error_message) \
    f(error_request_id) f(error_body) f(error_retry_after_ms) f(error_is_retryable) f(error_attempts) \
    f(error_timing_us) f(error_cause)
// clang-format on

#define DECLARE(name) __typeof__(refold_##name) *name;
struct library {
    FUNCTIONS(DECLARE)
};

// The library of this process: all environments use the one that the first of them has loaded.
static _Atomic(struct library *) loaded;
#define refold (*atomic_load_explicit(&loaded, memory_order_acquire))

// A line of the log.
struct line {
    struct line *next;
    uint32_t log;
    refold_log_level level;
    char text[];
};

struct environment {
    // Calls the function of JavaScript that calls take().
    napi_threadsafe_function wake;
    // That function will be called.
    atomic_bool is_woken;
    // The last line is the first one.
    _Atomic(struct line *) lines;
    struct client *clients;
    // The number of calls that have not ended.
    size_t pending;
};

struct client {
    struct client *next;
    // NULL once the environment has ended.
    struct environment *environment;
    // NULL once the client is closed.
    refold_client *client;
    // NULL once the client is closed and its calls have ended.
    refold_queue *queue;
    size_t pending;
    // The number that the log has in JavaScript.
    uint32_t log;
    // The queue may have events.
    atomic_bool has_events;
};

// ------------------------------------------------------------ values

static napi_value undefined(napi_env env) {
    napi_value value = NULL;
    napi_get_undefined(env, &value);
    return value;
}

static napi_value null(napi_env env) {
    napi_value value = NULL;
    napi_get_null(env, &value);
    return value;
}

static napi_value number(napi_env env, double number) {
    napi_value value = NULL;
    napi_create_double(env, number, &value);
    return value;
}

// A number, or null if it is negative.
static napi_value count(napi_env env, int64_t count) {
    return count < 0 ? null(env) : number(env, (double)count);
}

static napi_value boolean(napi_env env, bool boolean) {
    napi_value value = NULL;
    napi_get_boolean(env, boolean, &value);
    return value;
}

static napi_value text_of_length(napi_env env, const char *text, size_t length) {
    napi_value value = NULL;
    napi_create_string_utf8(env, text, length, &value);
    return value;
}

// A string, or null for NULL.
static napi_value text(napi_env env, const char *text) {
    return text == NULL ? null(env) : text_of_length(env, text, NAPI_AUTO_LENGTH);
}

// Sets a property, unless the value could not be created.
static bool set(napi_env env, napi_value object, const char *name, napi_value value) {
    return value != NULL && napi_set_named_property(env, object, name, value) == napi_ok;
}

static napi_value new_object(napi_env env) {
    napi_value object = NULL;
    napi_create_object(env, &object);
    return object;
}

// Returns an object with one property, or without it if the value could not be created.
static napi_value wrap(napi_env env, const char *name, napi_value value) {
    napi_value object = new_object(env);
    set(env, object, name, value);
    return object;
}

static void throw_out_of_memory(napi_env env) { napi_throw_error(env, NULL, "out of memory"); }

// The data of a function, and its arguments.
struct call {
    void *data;
    napi_value arguments[6];
};

static struct call get_call(napi_env env, napi_callback_info info) {
    struct call call = {0};
    size_t count = sizeof call.arguments / sizeof *call.arguments;
    napi_get_cb_info(env, info, &count, call.arguments, NULL, &call.data);
    return call;
}

// The pointer of an external; NULL for null and undefined.
static void *pointer_in(napi_env env, napi_value value) {
    void *pointer = NULL;
    return napi_get_value_external(env, value, &pointer) == napi_ok ? pointer : NULL;
}

static double number_in(napi_env env, napi_value value) {
    double number = 0;
    napi_get_value_double(env, value, &number);
    return number;
}

static bool boolean_in(napi_env env, napi_value value) {
    bool boolean = false;
    napi_get_value_bool(env, value, &boolean);
    return boolean;
}

// A copy of a string. Its text is NULL for anything else.
struct copy {
    char *text;
    size_t length;
};

static struct copy text_in(napi_env env, napi_value value) {
    struct copy copy = {0};
    if (napi_get_value_string_utf8(env, value, NULL, 0, &copy.length) == napi_ok) {
        copy.text = malloc(copy.length + 1);
        if (copy.text == NULL)
            throw_out_of_memory(env);
        else
            napi_get_value_string_utf8(env, value, copy.text, copy.length + 1, NULL);
    }
    return copy;
}

// Frees a copy after wiping it: it may be a secret.
static void free_copy(struct copy copy) {
    for (volatile char *byte = copy.text; copy.length > 0 && byte != NULL; copy.length--)
        *byte++ = 0;
    free(copy.text);
}

// ------------------------------------------------------------ executions, errors

// The times of a call in microseconds, by their numbers.
#define TIMINGS(env, timing_us, object)                                                                      \
    ({                                                                                                       \
        napi_value timings = NULL;                                                                           \
        napi_create_array_with_length(env, REFOLD_TIMING_TRANSFER + 1, &timings);                            \
        for (uint32_t part = 0; part <= REFOLD_TIMING_TRANSFER; part++)                                      \
            napi_set_element(env, timings, part,                                                             \
                             number(env, (double)timing_us(object, (refold_timing)part)));                   \
        timings;                                                                                             \
    })

static bool set_state(napi_env env, napi_value object, refold_state state) {
    return set(env, object, "state", text(env, refold.state_name(state))) &&
           set(env, object, "isFinal", boolean(env, refold.state_is_final(state))) &&
           set(env, object, "isFailure", boolean(env, refold.state_is_failure(state)));
}

static napi_value copy_node(napi_env env, const refold_node *node) {
    napi_value object = new_object(env);
    bool is_complete = set(env, object, "id", text(env, refold.node_id(node))) &&
                       set(env, object, "name", text(env, refold.node_name(node))) &&
                       set(env, object, "type", text(env, refold.node_type(node))) &&
                       set(env, object, "status", text(env, refold.node_status(node))) &&
                       set_state(env, object, refold.node_state(node)) &&
                       set(env, object, "isBatch", boolean(env, refold.node_is_batch(node))) &&
                       set(env, object, "attemptsMade", count(env, refold.node_attempts_made(node))) &&
                       set(env, object, "maximumAttempts", count(env, refold.node_maximum_attempts(node))) &&
                       set(env, object, "executionTimeMs", count(env, refold.node_execution_time_ms(node)));
    return is_complete ? object : NULL;
}

static napi_value copy_nodes(napi_env env, const refold_execution *execution) {
    size_t length = refold.execution_node_count(execution);
    napi_value nodes = NULL;
    if (napi_create_array_with_length(env, length, &nodes) != napi_ok)
        return NULL;
    for (size_t index = 0; index < length; index++) {
        napi_handle_scope scope;
        if (napi_open_handle_scope(env, &scope) != napi_ok)
            return NULL;
        napi_value node = copy_node(env, refold.execution_node(execution, index));
        bool is_set = node != NULL && napi_set_element(env, nodes, (uint32_t)index, node) == napi_ok;
        napi_close_handle_scope(env, scope);
        if (!is_set)
            return NULL;
    }
    return nodes;
}

// Returns the fields of an execution; NULL if there is no memory for them, or a text is too long for a
// string.
static napi_value copy_execution(napi_env env, const refold_execution *execution) {
    size_t length;
    const char *raw = refold.json_raw(refold.execution_json(execution), &length);
    double percentage = refold.execution_completion_percentage(execution);
    napi_value object = new_object(env);
    bool is_complete =
        set(env, object, "text", text_of_length(env, raw, length)) &&
        set(env, object, "id", text(env, refold.execution_id(execution))) &&
        set(env, object, "name", text(env, refold.execution_name(execution))) &&
        set(env, object, "orgId", text(env, refold.execution_org_id(execution))) &&
        set(env, object, "environment", text(env, refold.execution_environment(execution))) &&
        set(env, object, "status", text(env, refold.execution_status(execution))) &&
        set_state(env, object, refold.execution_state(execution)) &&
        set(env, object, "completionPercentage", percentage == -1 ? null(env) : number(env, percentage)) &&
        set(env, object, "configId", text(env, refold.execution_config_id(execution))) &&
        set(env, object, "linkedAccountId", text(env, refold.execution_linked_account_id(execution))) &&
        set(env, object, "createdAt", text(env, refold.execution_created_at(execution))) &&
        set(env, object, "updatedAt", text(env, refold.execution_updated_at(execution))) &&
        set(env, object, "timings", TIMINGS(env, refold.execution_timing_us, execution)) &&
        set(env, object, "attempts", number(env, refold.execution_attempts(execution))) &&
        set(env, object, "requestId", text(env, refold.execution_request_id(execution))) &&
        set(env, object, "nodes", copy_nodes(env, execution));
    return is_complete ? object : NULL;
}

static napi_value copy_body(napi_env env, const refold_error *error) {
    size_t length;
    const void *body = refold.error_body(error, &length);
    napi_value buffer = NULL;
    if (body == NULL)
        return null(env);
    napi_create_buffer_copy(env, length, body, NULL, &buffer);
    return buffer;
}

// Returns the fields of an error; NULL if there is no memory for them. A cause has no cause of its own.
static napi_value copy_error(napi_env env, const refold_error *error) {
    const refold_error *cause = refold.error_cause(error);
    napi_value object = new_object(env);
    bool is_complete = set(env, object, "code", number(env, refold.error_code(error))) &&
                       set(env, object, "message", text(env, refold.error_message(error))) &&
                       set(env, object, "httpStatus", number(env, refold.error_http_status(error))) &&
                       set(env, object, "httpErrorType", text(env, refold.error_http_error_type(error))) &&
                       set(env, object, "apiCode", text(env, refold.error_api_code(error))) &&
                       set(env, object, "requestId", text(env, refold.error_request_id(error))) &&
                       set(env, object, "body", copy_body(env, error)) &&
                       set(env, object, "retryAfterMs", count(env, refold.error_retry_after_ms(error))) &&
                       set(env, object, "retryable", boolean(env, refold.error_is_retryable(error))) &&
                       set(env, object, "attempts", number(env, refold.error_attempts(error))) &&
                       set(env, object, "timings", TIMINGS(env, refold.error_timing_us, error)) &&
                       (cause == NULL || set(env, object, "cause", copy_error(env, cause)));
    return is_complete ? object : NULL;
}

// Copies and frees the error of a function that has failed: returns an object that contains it.
static napi_value take_error(napi_env env, refold_error *error) {
    napi_value copy = copy_error(env, error);
    refold.error_free(error);
    if (copy == NULL)
        throw_out_of_memory(env);
    return copy == NULL ? NULL : wrap(env, "error", copy);
}

// parse(bytes)
static napi_value parse(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    void *bytes = NULL;
    size_t length = 0;
    napi_get_buffer_info(env, call.arguments[0], &bytes, &length);
    refold_error *error = NULL;
    // The pointer to no bytes may be NULL, which is another error than empty text.
    refold_execution *execution = refold.parse_execution(length > 0 ? bytes : "", length, &error);
    if (execution == NULL)
        return take_error(env, error);
    napi_value result = wrap(env, "execution", copy_execution(env, execution));
    refold.execution_free(execution);
    return result;
}

// version()
static napi_value version(napi_env env, napi_callback_info info) {
    (void)info;
    return text(env, refold.version());
}

// codeName(code)
static napi_value code_name(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    return text(env, refold.code_name((refold_code)number_in(env, call.arguments[0])));
}

// ------------------------------------------------------------ options, tokens

// What the external of options or of a token points to.
struct holder {
    void *object;
    void (*free)(void *object);
};

static void free_options(void *object) { refold.options_free(object); }

static void free_token(void *object) { refold.cancel_free(object); }

static void free_holder(napi_env env, void *data, void *hint) {
    (void)env, (void)hint;
    struct holder *holder = data;
    holder->free(holder->object);
    free(holder);
}

static napi_value hold(napi_env env, void *object, void (*free_object)(void *object)) {
    napi_value value = NULL;
    struct holder *holder = malloc(sizeof *holder);
    if (holder == NULL) {
        free_object(object);
        throw_out_of_memory(env);
        return NULL;
    }
    *holder = (struct holder){.object = object, .free = free_object};
    if (napi_create_external(env, holder, free_holder, NULL, &value) != napi_ok)
        free_holder(env, holder, NULL);
    return value;
}

// The object of an external; NULL for null, undefined, and an object that was freed.
static void *object_in(napi_env env, napi_value value) {
    const struct holder *holder = pointer_in(env, value);
    return holder == NULL ? NULL : holder->object;
}

// free(value): frees the object without waiting for the garbage collector.
static napi_value free_now(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    struct holder *holder = pointer_in(env, call.arguments[0]);
    holder->free(holder->object);
    holder->object = NULL;
    return undefined(env);
}

// createToken()
static napi_value create_token(napi_env env, napi_callback_info info) {
    (void)info;
    return hold(env, refold.cancel_new(), free_token);
}

// cancel(token)
static napi_value cancel(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    refold.cancel_trigger(object_in(env, call.arguments[0]));
    return undefined(env);
}

// createOptions()
static napi_value create_options(napi_env env, napi_callback_info info) {
    (void)info;
    return hold(env, refold.options_new(), free_options);
}

// createOptionsFromEnv()
static napi_value create_options_from_env(napi_env env, napi_callback_info info) {
    (void)info;
    return hold(env, refold.options_new_from_env(), free_options);
}

typedef void (*text_setter)(refold_options *, const char *);
typedef void (*pair_setter)(refold_options *, const char *, const char *);
typedef void (*count_setter)(refold_options *, uint64_t);

// set...(options, text): calls the function to which the data points.
static napi_value set_text(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    struct copy text = text_in(env, call.arguments[1]);
    (*(text_setter *)call.data)(object_in(env, call.arguments[0]), text.text);
    free_copy(text);
    return undefined(env);
}

// set...(options, text, text)
static napi_value set_pair(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    struct copy first = text_in(env, call.arguments[1]);
    struct copy second = text_in(env, call.arguments[2]);
    (*(pair_setter *)call.data)(object_in(env, call.arguments[0]), first.text, second.text);
    free_copy(first);
    free_copy(second);
    return undefined(env);
}

// set...(options, number)
static napi_value set_count(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    (*(count_setter *)call.data)(object_in(env, call.arguments[0]),
                                 (uint64_t)number_in(env, call.arguments[1]));
    return undefined(env);
}

// setMaxRetries(options, number)
static napi_value set_max_retries(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    refold.options_set_max_retries(object_in(env, call.arguments[0]),
                                   (uint32_t)number_in(env, call.arguments[1]));
    return undefined(env);
}

// setCaPem(options, text)
static napi_value set_ca_pem(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    struct copy pem = text_in(env, call.arguments[1]);
    refold.options_set_ca_pem(object_in(env, call.arguments[0]), pem.text, pem.length);
    free_copy(pem);
    return undefined(env);
}

// setAllowPlaintext(options, boolean)
static napi_value set_allow_plaintext(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    refold.options_set_allow_plaintext(object_in(env, call.arguments[0]), boolean_in(env, call.arguments[1]));
    return undefined(env);
}

// ------------------------------------------------------------ clients

static void wake(struct environment *environment) {
    if (!atomic_exchange(&environment->is_woken, true))
        napi_call_threadsafe_function(environment->wake, NULL, napi_tsfn_nonblocking);
}

// Called by the library's threads when a queue stops being empty.
static void on_events(void *user_data) {
    struct client *client = user_data;
    atomic_store(&client->has_events, true);
    wake(client->environment);
}

// Called by the library's threads with each line of the log.
static void on_line(refold_log_level level, const char *text, void *user_data) {
    const struct client *client = user_data;
    struct environment *environment = client->environment;
    size_t size = strlen(text) + 1;
    struct line *line = malloc(sizeof *line + size);
    if (line == NULL)
        return;
    line->log = client->log;
    line->level = level;
    memcpy(line->text, text, size);
    line->next = atomic_load(&environment->lines);
    while (!atomic_compare_exchange_weak(&environment->lines, &line->next, line))
        ;
    wake(environment);
}

static void close_queue(struct client *client) {
    refold.queue_free(client->queue);
    client->queue = NULL;
}

// Closes a client. Calls that are pending end as if it were not closed.
static void close_client(struct client *client) {
    refold.client_free(client->client);
    client->client = NULL;
    if (client->pending == 0)
        close_queue(client);
}

// The finalizer of a client: none of its calls is pending, or the environment has ended.
static void free_client(napi_env env, void *data, void *hint) {
    (void)env, (void)hint;
    struct client *client = data;
    if (client->environment != NULL) {
        struct client **link = &client->environment->clients;
        while (*link != client)
            link = &(*link)->next;
        *link = client->next;
        close_client(client);
    }
    free(client);
}

// createClient(options, maxConcurrent, logLevel, log)
static napi_value create_client(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    struct environment *environment = call.data;
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        throw_out_of_memory(env);
        return NULL;
    }
    refold_options *options = object_in(env, call.arguments[0]);
    napi_valuetype type = napi_undefined;
    napi_typeof(env, call.arguments[2], &type);
    if (type == napi_number) {
        client->log = (uint32_t)number_in(env, call.arguments[3]);
        refold.options_set_log(options, (refold_log_level)number_in(env, call.arguments[2]), on_line, client);
    }
    client->environment = environment;
    refold_error *error = NULL;
    client->client = refold.client_new(options, &error);
    if (client->client != NULL)
        client->queue = refold.queue_new((uint32_t)number_in(env, call.arguments[1]), &error);
    refold.options_set_log(options, REFOLD_LOG_OFF, NULL, NULL);
    client->next = environment->clients;
    environment->clients = client;
    if (client->queue == NULL) {
        free_client(env, client, NULL);
        return take_error(env, error);
    }
    refold.queue_set_notify(client->queue, on_events, client);
    napi_value value = NULL;
    if (napi_create_external(env, client, free_client, NULL, &value) != napi_ok) {
        free_client(env, client, NULL);
        return NULL;
    }
    return wrap(env, "client", value);
}

// setSessionToken(client, text)
static napi_value set_session_token(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    const struct client *client = pointer_in(env, call.arguments[0]);
    struct copy token = text_in(env, call.arguments[1]);
    refold_code code = refold.client_set_session_token(client->client, token.text);
    free_copy(token);
    return number(env, code);
}

// closeClient(client)
static napi_value close_client_now(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    close_client(pointer_in(env, call.arguments[0]));
    return undefined(env);
}

// ------------------------------------------------------------ calls

// Counts a call that was accepted, or returns the error of one that was not.
static napi_value begin_call(napi_env env, struct client *client, bool is_accepted, refold_error *error) {
    if (!is_accepted)
        return take_error(env, error);
    client->pending++;
    if (client->environment->pending++ == 0)
        napi_ref_threadsafe_function(env, client->environment->wake);
    return new_object(env);
}

static void end_call(napi_env env, struct client *client) {
    client->pending--;
    if (--client->environment->pending == 0)
        napi_unref_threadsafe_function(env, client->environment->wake);
    if (client->pending == 0 && client->client == NULL)
        close_queue(client);
}

// The number of a call, which the library passes on with its events.
static void *call_number_in(napi_env env, napi_value value) {
    return (void *)(uintptr_t)number_in(env, value);
}

static napi_value submit(napi_env env, napi_callback_info info, bool is_wait) {
    struct call call = get_call(env, info);
    struct client *client = pointer_in(env, call.arguments[0]);
    void *number = call_number_in(env, call.arguments[1]);
    struct copy id = text_in(env, call.arguments[2]);
    refold_cancel *token = object_in(env, call.arguments[3]);
    refold_error *error = NULL;
    bool is_accepted =
        is_wait
            ? refold.queue_wait_execution(client->queue, client->client, id.text,
                                          (uint64_t)number_in(env, call.arguments[4]), token, number, &error)
            : refold.queue_get_execution(client->queue, client->client, id.text, token, number, &error);
    free_copy(id);
    return begin_call(env, client, is_accepted, error);
}

// getExecution(client, call, id, token)
static napi_value get_execution(napi_env env, napi_callback_info info) { return submit(env, info, false); }

// waitExecution(client, call, id, token, timeoutMs)
static napi_value wait_execution(napi_env env, napi_callback_info info) { return submit(env, info, true); }

// Copies and frees an event. If that is impossible, it has neither an execution nor an error.
static napi_value take_event(napi_env env, refold_event *event) {
    const refold_execution *execution = refold.event_execution(event);
    napi_value object = new_object(env);
    set(env, object, "call", number(env, (double)(uintptr_t)refold.event_user_data(event)));
    set(env, object, "isDone", boolean(env, refold.event_typeof(event) == REFOLD_EVENT_DONE));
    if (execution != NULL)
        set(env, object, "execution", copy_execution(env, execution));
    else
        set(env, object, "error", copy_error(env, refold.event_error(event)));
    refold.event_free(event);
    bool has_thrown = false;
    if (napi_is_exception_pending(env, &has_thrown) == napi_ok && has_thrown) {
        napi_value exception;
        napi_get_and_clear_last_exception(env, &exception);
    }
    return object;
}

// Takes the lines of the log and frees them, after copying them to the array, if it is not NULL.
static void take_lines(napi_env env, struct environment *environment, napi_value lines) {
    struct line *oldest = NULL;
    for (struct line *line = atomic_exchange(&environment->lines, NULL), *next; line != NULL; line = next) {
        next = line->next;
        line->next = oldest;
        oldest = line;
    }
    uint32_t length = 0;
    for (struct line *line = oldest, *next; line != NULL; line = next) {
        next = line->next;
        if (lines != NULL) {
            napi_handle_scope scope;
            napi_open_handle_scope(env, &scope);
            napi_value object = new_object(env);
            set(env, object, "log", number(env, line->log));
            set(env, object, "level", number(env, line->level));
            set(env, object, "text", text(env, line->text));
            napi_set_element(env, lines, length++, object);
            napi_close_handle_scope(env, scope);
        }
        free(line);
    }
}

// take(maxEvents)
static napi_value take(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    struct environment *environment = call.data;
    uint32_t max = (uint32_t)number_in(env, call.arguments[0]);
    uint32_t length = 0;
    napi_value events = NULL;
    napi_create_array(env, &events);
    // Before anything is taken: what is added meanwhile wakes the event loop again.
    atomic_store(&environment->is_woken, false);
    for (struct client *client = environment->clients; client != NULL; client = client->next) {
        if (!atomic_exchange(&client->has_events, false))
            continue;
        refold_event *event = NULL;
        while (length < max && (event = refold.queue_next(client->queue, 0)) != NULL) {
            bool is_done = refold.event_typeof(event) == REFOLD_EVENT_DONE;
            napi_handle_scope scope;
            napi_open_handle_scope(env, &scope);
            napi_set_element(env, events, length++, take_event(env, event));
            napi_close_handle_scope(env, scope);
            if (is_done)
                end_call(env, client);
        }
        if (length == max) // there may be more
            atomic_store(&client->has_events, true);
    }
    // After the events: the lines of a call were added before its end.
    napi_value lines = NULL;
    napi_create_array(env, &lines);
    take_lines(env, environment, lines);
    napi_value result = new_object(env);
    set(env, result, "lines", lines);
    set(env, result, "events", events);
    return result;
}

// ------------------------------------------------------------ environments

// Frees the queues and clients, so that no thread of the library uses the environment, and lets go of the
// structures that the garbage collector has still to free.
static void end_environment(void *data) {
    struct environment *environment = data;
    for (struct client *client = environment->clients; client != NULL; client = client->next) {
        refold.client_free(client->client);
        refold.queue_free(client->queue);
        client->environment = NULL;
    }
    take_lines(NULL, environment, NULL);
    free(environment);
}

#ifdef _WIN32
static void *open_library(const char *path) { return (void *)LoadLibraryA(path); }
static void *find_symbol(void *library, const char *name) { return (void *)GetProcAddress(library, name); }
static const char *describe_failure(void) { return "LoadLibrary has failed"; }
#else
static void *open_library(const char *path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }
static void *find_symbol(void *library, const char *name) { return dlsym(library, name); }
static const char *describe_failure(void) { return dlerror(); }
#endif

// Loads the library, unless this process has done so. Returns NULL, or why it is impossible.
static const char *load_library(const char *path) {
    if (atomic_load(&loaded) != NULL)
        return NULL;
    void *handle = open_library(path);
    if (handle == NULL)
        return describe_failure();
    struct library *library = malloc(sizeof *library);
    if (library == NULL)
        return "out of memory";
#define FIND(name)                                                                                           \
    if ((*(void **)&library->name = find_symbol(handle, "refold_" #name)) == NULL) {                         \
        free(library);                                                                                       \
        return "refold_" #name " is missing: it is the library of another release";                          \
    }
    FUNCTIONS(FIND)
    struct library *none = NULL;
    if (!atomic_compare_exchange_strong(&loaded, &none, library))
        free(library); // another thread was first
    return NULL;
}

// Creates the environment, whose function receive() is called when there is something to take.
static struct environment *create_environment(napi_env env, napi_value receive) {
    struct environment *environment = calloc(1, sizeof *environment);
    if (environment == NULL)
        return NULL;
    napi_value name = text(env, "refold");
    if (napi_create_threadsafe_function(env, receive, NULL, name, 0, 1, NULL, NULL, NULL, NULL,
                                        &environment->wake) != napi_ok) {
        free(environment);
        return NULL;
    }
    napi_unref_threadsafe_function(env, environment->wake);
    // After the function was created, because hooks run in reverse order.
    napi_add_env_cleanup_hook(env, end_environment, environment);
    return environment;
}

static void export(napi_env env, napi_value exports, const char *name, napi_callback function, void *data) {
    napi_value value = NULL;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, data, &value);
    set(env, exports, name, value);
}

// load(path, receive)
static napi_value load(napi_env env, napi_callback_info info) {
    struct call call = get_call(env, info);
    struct copy path = text_in(env, call.arguments[0]);
    const char *failure = path.text == NULL ? "the path must be a string" : load_library(path.text);
    napi_value exports = new_object(env);
    struct environment *environment = failure == NULL ? create_environment(env, call.arguments[1]) : NULL;
    if (failure != NULL)
        napi_throw_error(env, NULL, failure);
    else if (environment == NULL)
        throw_out_of_memory(env);
    free_copy(path);
    if (environment == NULL)
        return NULL;
    struct library *library = &refold;
    export(env, exports, "version", version, NULL);
    export(env, exports, "codeName", code_name, NULL);
    export(env, exports, "parse", parse, NULL);
    export(env, exports, "createOptions", create_options, NULL);
    export(env, exports, "createOptionsFromEnv", create_options_from_env, NULL);
    export(env, exports, "setApiKey", set_pair, &library->options_set_api_key);
    export(env, exports, "setOptionsSessionToken", set_text, &library->options_set_session_token);
    export(env, exports, "setBaseUrl", set_text, &library->options_set_base_url);
    export(env, exports, "setTimeoutMs", set_count, &library->options_set_timeout_ms);
    export(env, exports, "setConnectTimeoutMs", set_count, &library->options_set_connect_timeout_ms);
    export(env, exports, "setMaxRetries", set_max_retries, NULL);
    export(env, exports, "setMaxResponseBytes", set_count, &library->options_set_max_response_bytes);
    export(env, exports, "setPollIntervalMs", set_count, &library->options_set_poll_interval_ms);
    export(env, exports, "setProxy", set_text, &library->options_set_proxy);
    export(env, exports, "setCaFile", set_text, &library->options_set_ca_file);
    export(env, exports, "setCaPem", set_ca_pem, NULL);
    export(env, exports, "setUserAgent", set_text, &library->options_set_user_agent);
    export(env, exports, "setAllowPlaintext", set_allow_plaintext, NULL);
    export(env, exports, "setHeader", set_pair, &library->options_set_header);
    export(env, exports, "createClient", create_client, environment);
    export(env, exports, "setSessionToken", set_session_token, NULL);
    export(env, exports, "closeClient", close_client_now, NULL);
    export(env, exports, "createToken", create_token, NULL);
    export(env, exports, "cancel", cancel, NULL);
    export(env, exports, "free", free_now, NULL);
    export(env, exports, "getExecution", get_execution, NULL);
    export(env, exports, "waitExecution", wait_execution, NULL);
    export(env, exports, "take", take, environment);
    return exports;
}

NAPI_MODULE_INIT() {
    export(env, exports, "load", load, NULL);
    return exports;
}
