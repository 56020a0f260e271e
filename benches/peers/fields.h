/* The fields that every reader of a JSON parser adds, in their order, but for what it does with the outputs.
 * The file that includes this has said before what an `object` is to its parser, and how to add a member of
 * one that may be absent: by add_string, add_integer and add_truth. */
static void add_execution_fields(uint64_t *sum, object execution) {
    add_string(sum, execution, "name");
    add_string(sum, execution, "org_id");
    add_string(sum, execution, "environment");
    add_string(sum, execution, "status");
    add_integer(sum, execution, "completion_percentage");
    add_string(sum, execution, "config_id");
    add_string(sum, execution, "linked_account_id");
}

static void add_node_fields(uint64_t *sum, object node) {
    add_string(sum, node, "node_id");
    add_string(sum, node, "node_name");
    add_string(sum, node, "node_type");
    add_string(sum, node, "node_status");
    add_truth(sum, node, "is_batch");
    add_integer(sum, node, "attempts_made");
    add_integer(sum, node, "maximum_attempts");
    add_integer(sum, node, "execution_time");
}
