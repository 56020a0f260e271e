// Reads with nlohmann::json.
#include "peer.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <string>

using nlohmann::json;

namespace {

void add_string(uint64_t *sum, const json &object, const char *key) {
    auto member = object.find(key);
    if (member != object.end() && member->is_string()) {
        const auto &text = member->get_ref<const std::string &>();
        add_text(sum, text.data(), text.size());
    } else {
        add_text(sum, "", 0);
    }
}

void add_integer(uint64_t *sum, const json &object, const char *key) {
    auto member = object.find(key);
    add_number(sum, member != object.end() && member->is_number() ? member->get<int64_t>() : -1);
}

void add_node(uint64_t *sum, const json &node) {
    add_string(sum, node, "node_id");
    add_string(sum, node, "node_name");
    add_string(sum, node, "node_type");
    add_string(sum, node, "node_status");
    add_number(sum, node.value("is_batch", false));
    add_integer(sum, node, "attempts_made");
    add_integer(sum, node, "maximum_attempts");
    add_integer(sum, node, "execution_time");
    auto output = node.find("latest_output");
    add_number(sum, output != node.end() && output->is_object());
}

} // namespace

bool read_execution(char *text, size_t length, uint64_t *sum) {
    try {
        const json execution = json::parse(text, text + length);
        add_string(sum, execution, "name");
        add_string(sum, execution, "org_id");
        add_string(sum, execution, "environment");
        add_string(sum, execution, "status");
        add_integer(sum, execution, "completion_percentage");
        add_string(sum, execution, "config_id");
        add_string(sum, execution, "linked_account_id");
        for (const json &node : execution.at("nodes"))
            add_node(sum, node);
        return true;
    } catch (const json::exception &error) {
        std::fprintf(stderr, "nlohmann: %s\n", error.what());
        return false;
    }
}
