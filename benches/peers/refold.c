/* Gets and reads with this library. */
#include "client.h"
#include "measure.h"
#include "peer.h"

#include <stdlib.h>

struct client {
    refold_client *client;
};

struct client *client_open(const char *base_url, const char *ca_file) {
    struct client *client = allocate(sizeof *client);
    client->client = new_client(base_url, ca_file);
    if (client->client == NULL) {
        free(client);
        return NULL;
    }
    return client;
}

static bool fail(refold_error *error) {
    fprintf(stderr, "refold: %s\n", refold_error_message(error));
    refold_error_free(error);
    return false;
}

static void add_string(uint64_t *sum, const char *text) {
    add_text(sum, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static void add_node(uint64_t *sum, const refold_node *node) {
    add_string(sum, refold_node_id(node));
    add_string(sum, refold_node_name(node));
    add_string(sum, refold_node_type(node));
    add_string(sum, refold_node_status(node));
    add_number(sum, refold_node_is_batch(node));
    add_number(sum, refold_node_attempts_made(node));
    add_number(sum, refold_node_maximum_attempts(node));
    add_number(sum, refold_node_execution_time_ms(node));
    add_number(sum, refold_json_typeof(refold_node_latest_output(node)) == REFOLD_JSON_OBJECT);
}

void add_execution(uint64_t *sum, const refold_execution *execution) {
    add_string(sum, refold_execution_name(execution));
    add_string(sum, refold_execution_org_id(execution));
    add_string(sum, refold_execution_environment(execution));
    add_string(sum, refold_execution_status(execution));
    add_number(sum, (int64_t)refold_execution_completion_percentage(execution));
    add_string(sum, refold_execution_config_id(execution));
    add_string(sum, refold_execution_linked_account_id(execution));
    size_t count = refold_execution_node_count(execution);
    for (size_t index = 0; index < count; index++)
        add_node(sum, refold_execution_node(execution, index));
}

bool client_get(struct client *client, const char *id, uint64_t *sum) {
    refold_error *error;
    refold_execution *execution = refold_get_execution(client->client, id, NULL, &error);
    if (execution == NULL)
        return fail(error);
    add_execution(sum, execution);
    refold_execution_free(execution);
    return true;
}

bool read_execution(char *text, size_t length, uint64_t *sum) {
    refold_error *error;
    refold_execution *execution = refold_parse_execution(text, length, &error);
    if (execution == NULL)
        return fail(error);
    add_execution(sum, execution);
    refold_execution_free(execution);
    return true;
}

void client_close(struct client *client) {
    refold_client_free(client->client);
    free(client);
}
