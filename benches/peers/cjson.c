/* Reads with cJSON. */
#include "peer.h"

#include <cjson/cJSON.h>
#include <stdio.h>

typedef const cJSON *object;

static void add_string(uint64_t *sum, object of, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(of, key));
    add_text(sum, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static void add_integer(uint64_t *sum, object of, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(of, key);
    add_number(sum, cJSON_IsNumber(item) ? (int64_t)cJSON_GetNumberValue(item) : -1);
}

static void add_truth(uint64_t *sum, object of, const char *key) {
    add_number(sum, cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(of, key)));
}

#include "fields.h"

static void add_node(uint64_t *sum, object node) {
    add_node_fields(sum, node);
    add_number(sum, cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(node, "latest_output")));
}

bool read_execution(char *text, size_t length, uint64_t *sum) {
    cJSON *execution = cJSON_ParseWithLength(text, length);
    if (execution == NULL) {
        fprintf(stderr, "cJSON: the text is not JSON\n");
        return false;
    }
    add_execution_fields(sum, execution);
    const cJSON *node;
    cJSON_ArrayForEach(node, cJSON_GetObjectItemCaseSensitive(execution, "nodes")) add_node(sum, node);
    cJSON_Delete(execution);
    return true;
}
