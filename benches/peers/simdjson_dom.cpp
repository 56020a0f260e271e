// Reads with simdjson's DOM, which validates the whole text.
#include "peer.h"

#include <simdjson.h>

#include <cstdio>
#include <vector>

using namespace simdjson;

namespace {

using object = dom::object;

#include "simdjson_fields.h"

void add_node(uint64_t *sum, object node, std::vector<object> &outputs) {
    add_node_fields(sum, node);
    object output;
    bool is_object = node["latest_output"].get(output) == SUCCESS;
    add_number(sum, is_object);
    outputs.push_back(output);
}

void add_execution(uint64_t *sum, object execution) {
    std::vector<object> outputs;
    add_execution_fields(sum, execution);
    for (auto node : execution["nodes"].get_array())
        add_node(sum, node.get_object(), outputs);
}

} // namespace

bool read_execution(char *text, size_t length, uint64_t *sum) {
    static_assert(PADDING >= SIMDJSON_PADDING, "the parser reads beyond the end");
    try {
        static dom::parser parser; // keeps its memory from call to call
        add_execution(sum, parser.parse(text, length, false).get_object());
        return true;
    } catch (const simdjson_error &error) {
        std::fprintf(stderr, "simdjson: %s\n", error.what());
        return false;
    }
}
