/* `outputs refold|yyjson FILE TIMES`: reads every output of an execution as JSON, once: the library walks
 * every value, yyjson parses the text of each. Prints the median of a time in us, and how many values there
 * were. What was read is freed while the clock stands still; so are the executions made. */
#include "peers/measure.h"

#include <refold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

struct texts {
    size_t count;
    const refold_json **values;
};

/* Reads a value and all that is in it. */
static size_t walk(const refold_json *value, double *sum) {
    size_t count = 1, length;
    switch (refold_json_typeof(value)) {
    case REFOLD_JSON_BOOL:
        *sum += refold_json_bool(value);
        break;
    case REFOLD_JSON_NUMBER:
        *sum += refold_json_double(value);
        break;
    case REFOLD_JSON_STRING:
        refold_json_string(value, &length);
        *sum += (double)length;
        break;
    case REFOLD_JSON_ARRAY:
        for (size_t index = 0, end = refold_json_length(value); index < end; index++)
            count += walk(refold_json_at(value, index), sum);
        break;
    case REFOLD_JSON_OBJECT:
        for (size_t index = 0, end = refold_json_length(value); index < end; index++) {
            refold_json_key_at(value, index, &length);
            *sum += (double)length;
            count += walk(refold_json_at(value, index), sum);
        }
        break;
    default:
        break;
    }
    return count;
}

static uint64_t time_walk(const struct texts *texts, size_t *count) {
    double sum = 0;
    uint64_t before = processor_time();
    for (size_t index = 0; index < texts->count; index++)
        *count += walk(texts->values[index], &sum);
    uint64_t time = processor_time() - before;
    if (sum != sum)
        printf("not a number\n");
    return time;
}

static uint64_t time_yyjson(const struct texts *texts, size_t *count) {
    yyjson_doc **documents = allocate((texts->count + 1) * sizeof(yyjson_doc *));
    uint64_t before = processor_time();
    for (size_t index = 0; index < texts->count; index++) {
        size_t length;
        const char *text = refold_json_raw(texts->values[index], &length);
        documents[index] = yyjson_read(text, length, YYJSON_READ_NOFLAG);
    }
    uint64_t time = processor_time() - before;
    for (size_t index = 0; index < texts->count; index++) {
        *count += yyjson_doc_get_val_count(documents[index]);
        yyjson_doc_free(documents[index]);
    }
    free(documents);
    return time;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: outputs refold|yyjson FILE TIMES\n");
        return 2;
    }
    size_t length, rounds = number_of(arguments[3]), values = 0;
    char *text = read_file(arguments[2], 0, &length);
    uint64_t *times = allocate((rounds + 1) * sizeof *times);
    for (size_t round = 0; round < rounds; round++) {
        refold_execution *execution = refold_parse_execution(text, length, NULL);
        struct texts texts = {refold_execution_node_count(execution), NULL};
        texts.values = allocate((texts.count + 1) * sizeof *texts.values);
        for (size_t index = 0; index < texts.count; index++)
            texts.values[index] = refold_node_latest_output(refold_execution_node(execution, index));
        values = 0;
        times[round] =
            strcmp(arguments[1], "refold") == 0 ? time_walk(&texts, &values) : time_yyjson(&texts, &values);
        free(texts.values);
        refold_execution_free(execution);
    }
    printf("%.1f %zu\n", (double)median(times, rounds) / 1e3, values);
    free(times);
    free(text);
    return 0;
}
