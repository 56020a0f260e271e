/* The library can be loaded and unloaded at any time. This program is not linked with it. */
#define _GNU_SOURCE
#include "check.h"
#include "server.h"

#include <dlfcn.h>
#include <pthread.h>
#include <refold.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char LIBRARY[] = "librefold.so.0",
                  DOCUMENT[] = "{\"status\": \"COMPLETED\", \"name\": \"a run\"}";

struct library {
    void *handle;
    refold_options *(*options_new)(void);
    void (*options_free)(refold_options *);
    void (*set_api_key)(refold_options *, const char *, const char *);
    void (*set_base_url)(refold_options *, const char *);
    void (*set_ca_file)(refold_options *, const char *);
    refold_client *(*client_new)(const refold_options *, refold_error **);
    void (*client_free)(refold_client *);
    refold_execution *(*get)(const refold_client *, const char *, refold_cancel *, refold_error **);
    const char *(*name)(const refold_execution *);
    void (*execution_free)(refold_execution *);
    const char *(*message)(const refold_error *);
    void (*error_free)(refold_error *);
    refold_queue *(*queue_new)(uint32_t, refold_error **);
    void (*queue_free)(refold_queue *);
    bool (*submit_get)(refold_queue *, const refold_client *, const char *, refold_cancel *, void *,
                       refold_error **);
    bool (*submit_wait)(refold_queue *, const refold_client *, const char *, uint64_t, refold_cancel *,
                        void *, refold_error **);
    refold_event *(*next)(refold_queue *, int64_t);
    const refold_execution *(*event_execution)(const refold_event *);
    void (*event_free)(refold_event *);
};

static bool is_loaded(void) {
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_NOLOAD);
    if (handle != NULL)
        dlclose(handle);
    return handle != NULL;
}

static bool library_open(struct library *library) {
    library->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library->handle == NULL)
        return FAIL("%s", dlerror());
    const struct {
        const char *name;
        void *place;
    } symbols[] = {{"refold_options_new", &library->options_new},
                   {"refold_options_free", &library->options_free},
                   {"refold_options_set_api_key", &library->set_api_key},
                   {"refold_options_set_base_url", &library->set_base_url},
                   {"refold_options_set_ca_file", &library->set_ca_file},
                   {"refold_client_new", &library->client_new},
                   {"refold_client_free", &library->client_free},
                   {"refold_get_execution", &library->get},
                   {"refold_execution_name", &library->name},
                   {"refold_execution_free", &library->execution_free},
                   {"refold_error_message", &library->message},
                   {"refold_error_free", &library->error_free},
                   {"refold_queue_new", &library->queue_new},
                   {"refold_queue_free", &library->queue_free},
                   {"refold_queue_get_execution", &library->submit_get},
                   {"refold_queue_wait_execution", &library->submit_wait},
                   {"refold_queue_next", &library->next},
                   {"refold_event_execution", &library->event_execution},
                   {"refold_event_free", &library->event_free}};
    for (size_t i = 0; i < COUNT(symbols); i++) {
        void *symbol = dlsym(library->handle, symbols[i].name);
        memcpy(symbols[i].place, &symbol, sizeof symbol);
        if (symbol == NULL)
            return FAIL("no %s", symbols[i].name);
    }
    return true;
}

static refold_client *client_to(const struct library *library, const char *url) {
    refold_options *options = library->options_new();
    library->set_api_key(options, "tk_key", "someone");
    library->set_base_url(options, url);
    library->set_ca_file(options, certificate_path("ca.pem"));
    refold_client *client = library->client_new(options, NULL);
    CHECK(client != NULL);
    library->options_free(options);
    return client;
}

static void call(const struct library *library, const char *url) {
    refold_client *client = client_to(library, url);
    refold_error *error = NULL;
    refold_execution *execution = library->get(client, "id", NULL, &error);
    CHECK_STR(error == NULL ? NULL : library->message(error), NULL);
    CHECK_STR(library->name(execution), "a run");
    library->execution_free(execution);
    library->error_free(error);
    library->client_free(client);
}

/* Loads the library, makes a call, and unloads it. */
static void load_and_call(void *url) {
    struct library library;
    if (library_open(&library)) {
        call(&library, url);
        CHECK_INT(dlclose(library.handle), 0);
    }
}

static struct server *serve_document(bool is_secure) {
    static const struct response response = {.body = DOCUMENT};
    struct server_options options = {.responses = &response, .response_count = 1};
    options.certificate = is_secure ? "good" : NULL;
    certificate_path("ca.pem");
    return serve(&options);
}

static char *url_of(const struct server *server) {
    char *url = strdup(server_url(server));
    if (url == NULL)
        abort();
    return url;
}

/* Must be the first test, because later ones may leave the library loaded. */
TEST(this_program_does_not_link_the_library) { CHECK(!is_loaded()); }

static int mappings(void) {
    char line[1000];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        count += strstr(line, "librefold") != NULL;
    if (maps != NULL)
        fclose(maps);
    return count;
}

/* The server's records of 900 requests, and memory that the allocator retains. The allocator of a sanitizer
 * also retains freed blocks, and so does valgrind, up to 20 MB. */
static int64_t max_growth_kib(void) {
#ifdef CHECK_SANITIZED
    return 256 << 10;
#else
    return check_in_valgrind() ? 32 << 10 : 2048;
#endif
}

TEST(a_thousand_loads_leak_nothing) {
    enum { ROUNDS = 1000, FIRST = 100 };
    struct server *servers[] = {serve_document(false), serve_document(true)};
    char *urls[] = {url_of(servers[0]), url_of(servers[1])};
    int descriptors = 0, threads = 0, maps = 0;
    int64_t bytes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        load_and_call(urls[round % 10 == 0]);
        if (round == FIRST) {
            CHECK(server_await_open(servers[0], 0, 5000) && server_await_open(servers[1], 0, 5000));
            descriptors = descriptor_count();
            threads = thread_count();
            maps = mappings();
            bytes = resident_bytes();
        }
    }
    CHECK(server_await_open(servers[0], 0, 5000) && server_await_open(servers[1], 0, 5000));
    CHECK_INT(server_requests(servers[0]) + server_requests(servers[1]), ROUNDS);
    CHECK_INT(descriptor_count(), descriptors);
    CHECK_INT(thread_count(), threads);
    CHECK_INT(mappings(), maps);
    CHECK_BETWEEN((resident_bytes() - bytes) / 1024, -1000000, max_growth_kib());
    for (size_t i = 0; i < COUNT(servers); i++) {
        server_stop(servers[i]);
        free(urls[i]);
    }
}

static void load_and_call_often(void *url) {
    for (int round = 0; round < 25; round++)
        load_and_call(url);
}

TEST(threads_may_load_and_unload_concurrently) {
    struct server *server = serve_document(true);
    char *url = url_of(server);
    run_on_threads(8, load_and_call_often, url, 0);
    CHECK_INT(server_requests(server), 8 * 25);
    free(url);
    server_stop(server);
}

struct late {
    char *url;
    struct event *called, *closed;
};

static void *end_late(void *data) {
    struct late *late = data;
    load_and_call(late->url);
    event_add(late->called, 1);
    CHECK(event_await(late->closed, 1, 10000));
    return NULL; /* destructors of thread-local variables run now */
}

/* A thread that has made calls ends after the last dlclose. */
TEST(threads_may_end_after_unloading) {
    enum { THREADS = 8 };
    struct server *server = serve_document(true);
    struct late late = {.url = url_of(server), .called = event_new(), .closed = event_new()};
    struct library library;
    pthread_t threads[THREADS];
    REQUIRE(library_open(&library));
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, end_late, &late);
    CHECK(event_await(late.called, THREADS, 10000));
    CHECK_INT(dlclose(library.handle), 0);
    event_add(late.closed, 1);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    event_free(late.called);
    event_free(late.closed);
    free(late.url);
    server_stop(server);
}

/* Objects stay valid if the library is loaded again: either it was never unmapped, or it is the same code. */
TEST(objects_outlive_unloading) {
    struct server *server = serve_document(false);
    char *url = url_of(server);
    struct library library, again;
    REQUIRE(library_open(&library));
    refold_client *client = client_to(&library, url);
    refold_execution *execution = library.get(client, "id", NULL, NULL);
    CHECK_INT(dlclose(library.handle), 0);
    REQUIRE(library_open(&again));
    CHECK_STR(again.name(execution), "a run");
    again.execution_free(execution);
    again.client_free(client);
    CHECK_INT(dlclose(again.handle), 0);
    free(url);
    server_stop(server);
}

/* Loads the library, frees a queue with work in flight, and unloads it. An event lasts. */
static void load_and_use_queue(void *url) {
    struct library library;
    if (!library_open(&library))
        return;
    refold_client *client = client_to(&library, url);
    refold_queue *queue = library.queue_new(2, NULL);
    CHECK(library.submit_get(queue, client, "id", NULL, NULL, NULL));
    for (int i = 0; i < 5; i++)
        CHECK(library.submit_wait(queue, client, "id", 0, NULL, NULL, NULL));
    refold_event *event = library.next(queue, -1);
    library.queue_free(queue);
    library.client_free(client);
    CHECK_STR(library.name(library.event_execution(event)), "a run");
    library.event_free(event);
    CHECK_INT(dlclose(library.handle), 0);
}

TEST(the_library_can_be_unloaded_once_queues_are_freed) {
    struct server *server = serve_document(true);
    char *url = url_of(server);
    int threads = thread_count();
    for (int round = 0; round < 20; round++)
        load_and_use_queue(url);
    run_on_threads(4, load_and_use_queue, url, 0);
    CHECK(await_threads(threads, 5000));
    free(url);
    server_stop(server);
}
