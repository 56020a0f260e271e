// Reads with simdjson's On-Demand interface, which checks nothing of what it skips but brackets and UTF-8.
// The outputs are kept as views of the text.
#include "peer.h"

#include <simdjson.h>

#include <cstdio>
#include <vector>

using namespace simdjson;

namespace {

using object = ondemand::object &;

#include "simdjson_fields.h"

void add_node(uint64_t *sum, ondemand::object node, std::vector<std::string_view> &outputs) {
    add_node_fields(sum, node);
    ondemand::object output;
    std::string_view text;
    bool is_object = node["latest_output"].get(output) == SUCCESS && output.raw_json().get(text) == SUCCESS;
    add_number(sum, is_object);
    outputs.push_back(text);
}

void add_execution(uint64_t *sum, ondemand::object execution) {
    std::vector<std::string_view> outputs;
    add_execution_fields(sum, execution);
    for (auto node : execution["nodes"].get_array())
        add_node(sum, node.get_object(), outputs);
}

} // namespace

bool read_execution(char *text, size_t length, uint64_t *sum) {
    static_assert(PADDING >= SIMDJSON_PADDING, "the parser reads beyond the end");
    try {
        static ondemand::parser parser; // keeps its memory from call to call
        ondemand::document document = parser.iterate(text, length, length + PADDING);
        add_execution(sum, document.get_object());
        return true;
    } catch (const simdjson_error &error) {
        std::fprintf(stderr, "simdjson: %s\n", error.what());
        return false;
    }
}
