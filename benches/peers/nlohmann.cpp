// Reads with nlohmann::json.
#include "peer.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <string>

using nlohmann::json;

namespace {

using object = const json &;

void add_string(uint64_t *sum, object of, const char *key) {
    auto member = of.find(key);
    if (member != of.end() && member->is_string()) {
        const auto &text = member->get_ref<const std::string &>();
        add_text(sum, text.data(), text.size());
    } else {
        add_text(sum, "", 0);
    }
}

void add_integer(uint64_t *sum, object of, const char *key) {
    auto member = of.find(key);
    add_number(sum, member != of.end() && member->is_number() ? member->get<int64_t>() : -1);
}

void add_truth(uint64_t *sum, object of, const char *key) { add_number(sum, of.value(key, false)); }

#include "fields.h"

void add_node(uint64_t *sum, object node) {
    add_node_fields(sum, node);
    auto output = node.find("latest_output");
    add_number(sum, output != node.end() && output->is_object());
}

} // namespace

bool read_execution(char *text, size_t length, uint64_t *sum) {
    try {
        const json execution = json::parse(text, text + length);
        add_execution_fields(sum, execution);
        for (const json &node : execution.at("nodes"))
            add_node(sum, node);
        return true;
    } catch (const json::exception &error) {
        std::fprintf(stderr, "nlohmann: %s\n", error.what());
        return false;
    }
}
