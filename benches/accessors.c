/* `accessors FILE`: prints the time of one accessor call in ns, for a representative set of accessors. */
#include "peers/measure.h"

#include <refold.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 9, CALLS = 2000000 };

/* The median of some rounds. Each call reads another node, so that branch prediction and caches do not help.
 */
#define MEASURE(name, call)                                                                                  \
    do {                                                                                                     \
        uint64_t times[ROUNDS], sum = 0;                                                                     \
        for (int round = 0; round < ROUNDS; round++) {                                                       \
            uint64_t before = processor_time();                                                              \
            for (size_t n = 0, at = 0; n < CALLS; n++, at = at + 1 == count ? 0 : at + 1) {                  \
                const refold_node *node = nodes[at];                                                         \
                const refold_json *output = outputs[at], *record = records[at];                              \
                (void)node, (void)output, (void)record;                                                      \
                sum += (uint64_t)(call);                                                                     \
            }                                                                                                \
            times[round] = processor_time() - before;                                                        \
        }                                                                                                    \
        printf("%s %.2f %d\n", name, (double)median(times, ROUNDS) / CALLS, sum != 0);                       \
    } while (0)

int main(int argument_count, char **arguments) {
    if (argument_count != 2) {
        fprintf(stderr, "usage: accessors FILE\n");
        return 2;
    }
    size_t length;
    char *text = read_file(arguments[1], 0, &length);
    refold_execution *execution = refold_parse_execution(text, length, NULL);
    size_t count = refold_execution_node_count(execution);
    if (count == 0)
        return 1;
    const refold_node **nodes = allocate(count * sizeof(refold_node *));
    const refold_json **outputs = allocate(count * sizeof(refold_json *));
    const refold_json **records = allocate(count * sizeof(refold_json *));
    for (size_t index = 0; index < count; index++) {
        nodes[index] = refold_execution_node(execution, index);
        outputs[index] = refold_node_latest_output(nodes[index]);
        records[index] = refold_json_pointer(outputs[index], "/records/0");
        if (refold_json_length(records[index]) == 0)
            return 1;
    }
    MEASURE("refold_execution_status", (uintptr_t)refold_execution_status(execution));
    MEASURE("refold_execution_node", (uintptr_t)refold_execution_node(execution, at));
    MEASURE("refold_node_name", (uintptr_t)refold_node_name(node));
    MEASURE("refold_node_state", refold_node_state(node));
    MEASURE("refold_node_execution_time_ms", refold_node_execution_time_ms(node));
    MEASURE("refold_node_latest_output", (uintptr_t)refold_node_latest_output(node));
    MEASURE("refold_json_typeof", refold_json_typeof(record));
    MEASURE("refold_json_length", refold_json_length(record));
    MEASURE("refold_json_at", (uintptr_t)refold_json_at(record, 0));
    MEASURE("refold_json_at, of an output", (uintptr_t)refold_json_at(output, 0));
    MEASURE("refold_json_key_at", (uintptr_t)refold_json_key_at(record, 1, NULL));
    MEASURE("refold_json_get", (uintptr_t)refold_json_get(record, "amount"));
    MEASURE("refold_json_get, of an output", (uintptr_t)refold_json_get(output, "status"));
    for (size_t index = 0; index < count; index++)
        records[index] = refold_json_get(records[index], "amount");
    MEASURE("refold_json_double", refold_json_double(record));
    for (size_t index = 0; index < count; index++)
        records[index] = refold_json_pointer(outputs[index], "/records/0/id");
    MEASURE("refold_json_string", (uintptr_t)refold_json_string(record, NULL));
    free(records);
    free(outputs);
    free(nodes);
    refold_execution_free(execution);
    free(text);
    return 0;
}
