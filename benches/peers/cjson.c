/* Reads with cJSON. */
#include "peer.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static void add_string(uint64_t *sum, const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    add_text(sum, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static void add_integer(uint64_t *sum, const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    add_number(sum, cJSON_IsNumber(item) ? (int64_t)cJSON_GetNumberValue(item) : -1);
}

static void add_node(uint64_t *sum, const cJSON *node) {
    add_string(sum, node, "node_id");
    add_string(sum, node, "node_name");
    add_string(sum, node, "node_type");
    add_string(sum, node, "node_status");
    add_number(sum, cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(node, "is_batch")));
    add_integer(sum, node, "attempts_made");
    add_integer(sum, node, "maximum_attempts");
    add_integer(sum, node, "execution_time");
    add_number(sum, cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(node, "latest_output")));
}

bool read_execution(char *text, size_t length, uint64_t *sum) {
    cJSON *execution = cJSON_ParseWithLength(text, length);
    if (execution == NULL) {
        fprintf(stderr, "cJSON: the text is not JSON\n");
        return false;
    }
    add_string(sum, execution, "name");
    add_string(sum, execution, "org_id");
    add_string(sum, execution, "environment");
    add_string(sum, execution, "status");
    add_integer(sum, execution, "completion_percentage");
    add_string(sum, execution, "config_id");
    add_string(sum, execution, "linked_account_id");
    const cJSON *node;
    cJSON_ArrayForEach(node, cJSON_GetObjectItemCaseSensitive(execution, "nodes")) add_node(sum, node);
    cJSON_Delete(execution);
    return true;
}
