/* Reads with yyjson, in place. */
#include "peer.h"

#include <stdio.h>
#include <yyjson.h>

typedef yyjson_val *object;

static void add_string(uint64_t *sum, object of, const char *key) {
    yyjson_val *value = yyjson_obj_get(of, key);
    const char *text = yyjson_get_str(value);
    add_text(sum, text == NULL ? "" : text, yyjson_get_len(value));
}

static void add_integer(uint64_t *sum, object of, const char *key) {
    yyjson_val *value = yyjson_obj_get(of, key);
    add_number(sum, yyjson_is_int(value) ? yyjson_get_sint(value) : -1);
}

static void add_truth(uint64_t *sum, object of, const char *key) {
    add_number(sum, yyjson_is_true(yyjson_obj_get(of, key)));
}

#include "fields.h"

static void add_node(uint64_t *sum, object node) {
    add_node_fields(sum, node);
    add_number(sum, yyjson_is_obj(yyjson_obj_get(node, "latest_output")));
}

bool read_execution(char *text, size_t length, uint64_t *sum) {
    yyjson_read_err error;
    yyjson_doc *document = yyjson_read_opts(text, length, YYJSON_READ_INSITU, NULL, &error);
    if (document == NULL) {
        fprintf(stderr, "yyjson: %s at %zu\n", error.msg, error.pos);
        return false;
    }
    yyjson_val *execution = yyjson_doc_get_root(document);
    add_execution_fields(sum, execution);
    size_t index, count;
    yyjson_val *node;
    yyjson_arr_foreach(yyjson_obj_get(execution, "nodes"), index, count, node) add_node(sum, node);
    yyjson_doc_free(document);
    return true;
}
