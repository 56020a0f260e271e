/* `outputs refold|yyjson|yyjson-walk FILE TIMES`: reads every output of an execution as JSON, once. refold
 * walks every value; yyjson parses the text of each output; yyjson-walk also walks the parsed values. Prints
 * the median time in us and the number of values. Parsing the execution and freeing are not timed. */
#include "peers/measure.h"

#include <refold.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

struct texts {
    size_t count;
    const refold_json **values;
};

/* How many values there are, and a sum of what they hold: numbers, truths, and the lengths of strings and
 * keys. */
struct content {
    size_t count;
    double sum;
};

static struct content walk(const refold_json *value);

static struct content walk_array(const refold_json *array) {
    struct content all = {1, 0};
    for (size_t index = 0, end = refold_json_length(array); index < end; index++) {
        struct content element = walk(refold_json_at(array, index));
        all.count += element.count;
        all.sum += element.sum;
    }
    return all;
}

static struct content walk_object(const refold_json *object) {
    struct content all = {1, 0};
    for (size_t index = 0, end = refold_json_length(object); index < end; index++) {
        size_t length;
        refold_json_key_at(object, index, &length);
        struct content member = walk(refold_json_at(object, index));
        all.count += member.count;
        all.sum += member.sum + (double)length;
    }
    return all;
}

/* Reads a value and all that is in it. */
static struct content walk(const refold_json *value) {
    size_t length;
    switch (refold_json_typeof(value)) {
    case REFOLD_JSON_BOOL:
        return (struct content){1, refold_json_bool(value)};
    case REFOLD_JSON_NUMBER:
        return (struct content){1, refold_json_double(value)};
    case REFOLD_JSON_STRING:
        refold_json_string(value, &length);
        return (struct content){1, (double)length};
    case REFOLD_JSON_ARRAY:
        return walk_array(value);
    case REFOLD_JSON_OBJECT:
        return walk_object(value);
    default:
        return (struct content){1, 0};
    }
}

static uint64_t time_walk(const struct texts *texts, size_t *count) {
    double sum = 0;
    uint64_t before = processor_time();
    for (size_t index = 0; index < texts->count; index++) {
        struct content output = walk(texts->values[index]);
        *count += output.count;
        sum += output.sum;
    }
    uint64_t time = processor_time() - before;
    if (sum != sum)
        printf("not a number\n");
    return time;
}

/* The same of what yyjson has parsed. */
static struct content walk_yyjson(yyjson_val *value) {
    struct content all = {1, 0};
    size_t index, end;
    yyjson_val *key, *inner;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, index, end, inner) {
            struct content element = walk_yyjson(inner);
            all.count += element.count;
            all.sum += element.sum;
        }
    } else if (yyjson_is_obj(value)) {
        yyjson_obj_foreach(value, index, end, key, inner) {
            struct content member = walk_yyjson(inner);
            all.count += member.count;
            all.sum += member.sum + (double)yyjson_get_len(key);
        }
    } else if (yyjson_is_str(value)) {
        all.sum = (double)yyjson_get_len(value);
    } else if (yyjson_is_num(value)) {
        all.sum = yyjson_get_num(value);
    } else {
        all.sum = yyjson_is_true(value);
    }
    return all;
}

static uint64_t time_yyjson(const struct texts *texts, bool walks, size_t *count) {
    yyjson_doc **documents = allocate((texts->count + 1) * sizeof(yyjson_doc *));
    double sum = 0;
    uint64_t before = processor_time();
    for (size_t index = 0; index < texts->count; index++) {
        size_t length;
        const char *text = refold_json_raw(texts->values[index], &length);
        documents[index] = yyjson_read(text, length, YYJSON_READ_NOFLAG);
        if (walks)
            sum += walk_yyjson(yyjson_doc_get_root(documents[index])).sum;
    }
    uint64_t time = processor_time() - before;
    if (sum != sum)
        printf("not a number\n");
    for (size_t index = 0; index < texts->count; index++) {
        *count += yyjson_doc_get_val_count(documents[index]);
        yyjson_doc_free(documents[index]);
    }
    free(documents);
    return time;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: outputs refold|yyjson|yyjson-walk FILE TIMES\n");
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
        bool is_ours = strcmp(arguments[1], "refold") == 0, walks = strcmp(arguments[1], "yyjson") != 0;
        times[round] = is_ours ? time_walk(&texts, &values) : time_yyjson(&texts, walks, &values);
        free(texts.values);
        refold_execution_free(execution);
    }
    printf("%.1f %zu\n", (double)median(times, rounds) / 1e3, values);
    free(times);
    free(text);
    return 0;
}
