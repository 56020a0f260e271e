/* How costs scale.
 * `scaling threads URL COUNT CALLS`: calls per second of COUNT threads on one client.
 * `scaling idle URL CA_FILE COUNT`: memory per connection in kB, with COUNT idle connections ("" for
 * plaintext). `scaling clients COUNT`: us to make and free one of COUNT clients, and the growth of memory in
 * kB. `scaling nodes COUNT...`: ns to parse one node of an execution with COUNT nodes, and to find one by id.
 */
#define _GNU_SOURCE
#include "peers/client.h"
#include "peers/measure.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct work {
    const refold_client *client;
    pthread_barrier_t *start;
    size_t calls;
    size_t failed;
};

static refold_client *client_to(const char *url, const char *ca_file) {
    refold_client *client = new_client(url, ca_file);
    if (client == NULL)
        exit(1);
    return client;
}

static void *call(void *argument) {
    struct work *work = argument;
    pthread_barrier_wait(work->start);
    for (size_t count = 0; count < work->calls; count++) {
        refold_execution *execution = refold_get_execution(work->client, "small", NULL, NULL);
        work->failed += execution == NULL;
        refold_execution_free(execution);
    }
    return NULL;
}

/* Makes `calls` calls on each of `count` threads at the same time; returns the wall time. */
static uint64_t run(const refold_client *client, size_t count, size_t calls) {
    pthread_t *threads = allocate(count * sizeof *threads);
    struct work *work = allocate(count * sizeof *work);
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)count + 1);
    for (size_t index = 0; index < count; index++) {
        work[index] = (struct work){client, &start, calls, 0};
        if (pthread_create(&threads[index], NULL, call, &work[index]) != 0) {
            fprintf(stderr, "scaling: no more threads\n");
            exit(1);
        }
    }
    pthread_barrier_wait(&start);
    uint64_t before = wall_time();
    size_t failed = 0;
    for (size_t index = 0; index < count; index++) {
        pthread_join(threads[index], NULL);
        failed += work[index].failed;
    }
    uint64_t time = wall_time() - before;
    pthread_barrier_destroy(&start);
    free(work);
    free(threads);
    if (failed > 0) {
        fprintf(stderr, "scaling: %zu calls failed\n", failed);
        exit(1);
    }
    return time;
}

static void measure_threads(const char *url, size_t count, size_t calls) {
    refold_client *client = client_to(url, NULL);
    run(client, count, 10);
    uint64_t time = run(client, count, calls / count);
    printf("%.0f\n", (double)(calls / count * count) / ((double)time / 1e9));
    refold_client_free(client);
}

/* Each client holds one connection and shares nothing with the others. */
static void measure_idle(const char *url, const char *ca_file, size_t count) {
    refold_client **clients = allocate(count * sizeof *clients);
    for (size_t index = 0; index < count; index++)
        clients[index] = client_to(url, *ca_file == '\0' ? NULL : ca_file);
    refold_client *first = client_to(url, *ca_file == '\0' ? NULL : ca_file);
    run(first, 1, 2);
    long before = resident_memory();
    for (size_t index = 0; index < count; index++)
        run(clients[index], 1, 2);
    printf("%.1f\n", (double)(resident_memory() - before) / (double)count);
    refold_client_free(first);
    for (size_t index = 0; index < count; index++)
        refold_client_free(clients[index]);
    free(clients);
}

static void measure_clients(size_t count) {
    refold_client_free(client_to("http://127.0.0.1:1", NULL));
    long resident = resident_memory();
    uint64_t before = processor_time();
    for (size_t index = 0; index < count; index++)
        refold_client_free(client_to("http://127.0.0.1:1", NULL));
    uint64_t time = processor_time() - before;
    printf("%.1f %ld\n", (double)time / 1e3 / (double)count, resident_memory() - resident);
}

static char *execution_with(size_t count, size_t *length) {
    static const char node[] =
        "{\"node_id\":\"%08zu\",\"node_name\":\"A "
        "node\",\"node_type\":\"http_request\",\"node_status\":\"Success\","
        "\"is_batch\":false,\"attempts_made\":1,\"execution_time\":403,\"latest_output\":{\"status\":200}}%s";
    char *text = allocate(256 + count * (sizeof node + 16));
    char *end = stpcpy(text, "{\"status\":\"COMPLETED\",\"nodes\":[");
    for (size_t index = 0; index < count; index++)
        end += sprintf(end, node, index, index + 1 < count ? "," : "");
    end = stpcpy(end, "]}");
    *length = (size_t)(end - text);
    return text;
}

static void measure_nodes(size_t count) {
    enum { ROUNDS = 9 };
    size_t length, found = 0;
    char *text = execution_with(count, &length);
    uint64_t parse[ROUNDS], find[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t before = processor_time();
        refold_execution *execution = refold_parse_execution(text, length, NULL);
        parse[round] = processor_time() - before;
        before = processor_time();
        for (size_t index = 0; index < count; index++) {
            char id[32];
            snprintf(id, sizeof id, "%08zu", index * 7919 % count);
            found += refold_execution_node_by_id(execution, id) != NULL;
        }
        find[round] = processor_time() - before;
        refold_execution_free(execution);
    }
    free(text);
    printf("%zu %.0f %.0f\n", count, (double)median(parse, ROUNDS) / (double)count,
           (double)median(find, ROUNDS) / (double)count);
    if (found != count * ROUNDS)
        exit(1);
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    if (strcmp(what, "threads") == 0 && count == 5) {
        measure_threads(arguments[2], number_of(arguments[3]), number_of(arguments[4]));
    } else if (strcmp(what, "idle") == 0 && count == 5) {
        measure_idle(arguments[2], arguments[3], number_of(arguments[4]));
    } else if (strcmp(what, "clients") == 0 && count == 3) {
        measure_clients(number_of(arguments[2]));
    } else if (strcmp(what, "nodes") == 0 && count > 2) {
        for (int index = 2; index < count; index++)
            measure_nodes(number_of(arguments[index]));
    } else {
        fprintf(stderr, "usage: scaling threads|idle|clients|nodes ...\n");
        return 2;
    }
    return 0;
}
