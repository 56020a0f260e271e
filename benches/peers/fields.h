/* The fields that every reader adds to its checksum, in this order, apart from the outputs. The including
 * file defines the type `object` of its parser, and add_string, add_integer and add_truth, which add a member
 * that may be absent. */
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
