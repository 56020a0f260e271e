// Snapshots: fields, nodes, JSON, ranges, lifetimes of views, and moves.
#include "support.hpp"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#include <ranges>
#endif

using refold::execution;
using refold::json;
using refold::json_type;
using refold::member;
using refold::node;

template <class Owner>
constexpr bool is_move_only =
    std::is_nothrow_move_constructible_v<Owner> &&std::is_nothrow_move_assignable_v<Owner> &&
    !std::is_copy_constructible_v<Owner> && !std::is_copy_assignable_v<Owner>;
static_assert(is_move_only<refold::options>);
static_assert(is_move_only<refold::client>);
static_assert(is_move_only<refold::cancel_token>);
static_assert(is_move_only<execution>);

template <class View>
constexpr bool is_view = std::is_trivially_copyable_v<View> && sizeof(View) <= 3 * sizeof(void *);
static_assert(is_view<json> && is_view<node> && is_view<member> && is_view<refold::nodes_range>);
static_assert(is_view<refold::nodes_range::iterator>);

// Temporary executions return no views.
template <class Execution, class = void> constexpr bool has_views = false;
template <class Execution>
constexpr bool has_views<Execution, std::void_t<decltype(std::declval<Execution>().nodes())>> = true;
static_assert(has_views<execution &> && has_views<const execution &>);
static_assert(!has_views<execution> && !has_views<const execution>);

static_assert(noexcept(std::declval<const execution &>().node_by_id("1")));
static_assert(noexcept(std::declval<json>()["key"]["key"][0].pointer("/a").string()));
static_assert(!noexcept(std::declval<json>()[std::string_view("key")])); // copying may throw
static_assert(noexcept(std::declval<refold::options &>().set_base_url("url")));
static_assert(!noexcept(std::declval<refold::options &>().set_timeout(1s)));
static_assert(noexcept(std::declval<refold::nodes_range>().begin() !=
                       std::declval<refold::nodes_range>().end()));

#if __cplusplus >= 202002L
static_assert(std::random_access_iterator<refold::nodes_range::iterator>);
static_assert(std::random_access_iterator<refold::members_range::iterator>);
static_assert(std::ranges::random_access_range<refold::elements_range>);
static_assert(std::ranges::sized_range<refold::elements_range>);
static_assert(std::ranges::view<refold::nodes_range>);
static_assert(std::ranges::borrowed_range<refold::members_range>);
#endif

static const char document[] = R"({
    "_id": "an-id", "name": "A name", "org_id": "org", "environment": "test", "status": "COMPLETED",
    "completion_percentage": 99.5, "config_id": "config", "linked_account_id": "someone",
    "createdAt": "2024-05-06T07:08:09.000Z", "updatedAt": "2024-05-06T07:08:10.000Z",
    "extra": {"a": [1, true, null, "x"]},
    "nodes": [
        {"node_id": "1", "node_name": "Start", "node_type": "start", "node_status": "Success", "is_batch": true,
         "attempts_made": 1, "maximum_attempts": 3, "execution_time": 403, "input_data": [],
         "latest_output": {"n": 12.75, "huge": 1e400, "s": "a\u0000b\ud83d", "t": false, "t": true, "z": null}},
        {},
        {"node_id": "3", "node_status": "Throttled", "latest_output": [10, 20, 30]}
    ]})";

static execution parsed() { return execution::parse(document); }

TEST(printable_text_is_one_harmless_line) {
    CHECK_STR(refold::printable("").c_str(), "");
    CHECK_STR(refold::printable("a\tb\r\nc").c_str(), "a b  c");
    CHECK_STR(refold::printable("\x1b[2J\x07\x7f").c_str(), "?[2J??");
    CHECK_STR(refold::printable("\xc2\x80\xc2\x9f|\xd8\x9c|\xe2\x80\x8e\xe2\x80\x8f").c_str(), "??|?|??");
    CHECK_STR(refold::printable("\xe2\x80\xa8\xe2\x80\xae|\xe2\x81\xa6\xe2\x81\xa9").c_str(), "??|??");
    CHECK_STR(refold::printable(std::string_view("a\0b", 3)).c_str(), "a?b");
    /* The neighbors of what is replaced, and the largest character. */
    const char *kept =
        "~ \xc2\xa0\xd8\x9b\xd8\x9d\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5"
        "\xe2\x81\xaa\xe3\x80\x80\xc2\xad\xf0\x9f\x9a\x80\xf4\x8f\xbf\xbf";
    CHECK_STR(refold::printable(kept).c_str(), kept);
    /* A lone byte of C1, a character cut off, one encoded too long, a surrogate, and one past the last. */
    CHECK_STR(refold::printable("\x9b|\xe2\x80|\xc1\xbf").c_str(), "?|??|??");
    CHECK_STR(refold::printable("\xed\xa0\x80|\xe0\x82\x9b|\xf4\x90\x80\x80").c_str(), "???|???|????");
    CHECK_STR(refold::printable("\xfc\x80\x80\x80|\xe2\x80").c_str(), "????|??");
}

TEST(an_execution_returns_its_fields) {
    const execution execution = parsed();
    CHECK_TEXT(execution.id(), "an-id");
    CHECK_TEXT(execution.name(), "A name");
    CHECK_TEXT(execution.org_id(), "org");
    CHECK_TEXT(execution.environment(), "test");
    CHECK_TEXT(execution.status(), "COMPLETED");
    CHECK_TEXT(execution.config_id(), "config");
    CHECK_TEXT(execution.linked_account_id(), "someone");
    CHECK_TEXT(execution.created_at(), "2024-05-06T07:08:09.000Z");
    CHECK_TEXT(execution.updated_at(), "2024-05-06T07:08:10.000Z");
    CHECK_DOUBLE(execution.completion_percentage().value_or(-1), 99.5);
    CHECK(execution.state() == refold::state::completed && is_final(execution.state()));
    CHECK_TEXT(name(execution.state()), "COMPLETED");
    CHECK_INT(execution.nodes().size(), 3);
    CHECK_TEXT(execution.json().raw(), document);
}

TEST(missing_fields_are_absent) {
    const execution execution = execution::parse("{\"status\": \"PAUSED\", \"name\": null, \"org_id\": 7}");
    CHECK(!execution.id() && !execution.name() && !execution.org_id() && !execution.environment());
    CHECK(!execution.config_id() && !execution.linked_account_id());
    CHECK(!execution.created_at() && !execution.updated_at());
    CHECK(!execution.completion_percentage());
    CHECK(execution.state() == refold::state::unknown && !is_final(execution.state()));
    CHECK(execution.nodes().empty());
    CHECK(!execution.node_by_id("1"));
    CHECK(execution.json()["name"].exists() && execution.json()["name"].is_null());
    CHECK(!execution.json()["_id"].exists() && !execution.json()["_id"].is_null());
}

TEST(a_percentage_may_be_any_number) {
    for (const char *percentage : {"-0.5", "0", "250"}) {
        const std::string text =
            std::string("{\"status\": \"RUNNING\", \"completion_percentage\": ") + percentage + "}";
        CHECK_DOUBLE(execution::parse(text).completion_percentage().value_or(-1), std::stod(percentage));
    }
}

TEST(a_node_returns_its_fields) {
    const execution execution = parsed();
    const node node = execution.nodes()[0];
    CHECK_TEXT(node.id(), "1");
    CHECK_TEXT(node.name(), "Start");
    CHECK_TEXT(node.type(), "start");
    CHECK_TEXT(node.status(), "Success");
    CHECK(node.state() == refold::state::completed);
    CHECK(node.is_batch());
    CHECK_INT(node.attempts_made().value_or(-1), 1);
    CHECK_INT(node.maximum_attempts().value_or(-1), 3);
    CHECK(node.execution_time() == 403ms);
    CHECK(node.latest_output().type() == json_type::object);
    CHECK(node.input_data().type() == json_type::array);
    CHECK_TEXT(node.json()["node_name"].string(), "Start");
}

TEST(a_node_without_fields_is_empty) {
    const execution execution = parsed();
    for (const std::size_t index : {std::size_t{1}, std::size_t{3}, static_cast<std::size_t>(-1)}) {
        check_case("node %zu", index);
        const node node = execution.nodes()[index];
        CHECK(!node.id() && !node.name() && !node.type() && !node.status() && !node.is_batch());
        CHECK(!node.attempts_made() && !node.maximum_attempts() && !node.execution_time());
        CHECK(!node.latest_output().exists() && !node.input_data().exists());
        CHECK(node.state() == refold::state::unknown);
    }
}

TEST(nodes_are_found_by_id) {
    const execution execution = parsed();
    const std::optional<node> found = execution.node_by_id(std::string_view("3 and more", 1));
    REQUIRE(found.has_value());
    CHECK(found->c_object() == execution.nodes()[2].c_object());
    CHECK(!execution.node_by_id("2"));
    CHECK(!execution.node_by_id(nullptr));
}

TEST(nodes_are_a_range) {
    const execution execution = parsed();
    std::string ids;
    for (const node node : execution.nodes())
        ids.append(node.id().value_or("-"));
    CHECK_STR(ids.c_str(), "1-3");
    const refold::nodes_range nodes = execution.nodes();
    const auto throttled =
        std::find_if(nodes.begin(), nodes.end(), [](node node) { return node.status() == "Throttled"; });
    CHECK_INT(throttled - nodes.begin(), 2);
    CHECK_TEXT(throttled->id(), "3");
    CHECK_INT(std::distance(nodes.begin(), nodes.end()), 3);
}

// Clang older than 16 cannot compile the range adaptors of libstdc++.
#if __cplusplus >= 202002L && (!defined __clang_major__ || __clang_major__ >= 16)
TEST(ranges_work_with_adaptors) {
    const execution execution = parsed();
    const auto is_throttled = [](node node) { return node.status() == "Throttled"; };
    std::string ids;
    for (const node node : execution.nodes() | std::views::filter(is_throttled) | std::views::reverse)
        ids.append(node.id().value_or("-"));
    CHECK_STR(ids.c_str(), "3");
}
#endif

TEST(iterators_have_random_access) {
    const execution execution = parsed();
    const refold::elements_range elements = execution.nodes()[2].latest_output().elements();
    auto at = elements.begin();
    CHECK_INT((*at++).integer().value_or(0), 10);
    CHECK_INT((*at).integer().value_or(0), 20);
    CHECK_INT((*++at).integer().value_or(0), 30);
    CHECK_INT((*at--).integer().value_or(0), 30);
    CHECK_INT((*--at).integer().value_or(0), 10);
    CHECK_INT(at[2].integer().value_or(0), 30);
    CHECK_INT((*(2 + at)).integer().value_or(0), 30);
    at += 3;
    CHECK(at == elements.end() && at > elements.begin() && at >= elements.end() && !(at != elements.end()));
    at -= 3;
    CHECK(at == elements.begin() && at < elements.end() && at <= at && at + 3 == elements.end());
    CHECK(elements.end() - 3 == elements.begin());
    const std::vector<json> copied(elements.begin(), elements.end());
    CHECK_INT(copied.size(), 3);
}

TEST(json_lookups_can_be_chained) {
    const execution execution = parsed();
    const json extra = execution.json()["extra"]["a"];
    CHECK(extra.type() == json_type::array);
    CHECK_INT(extra.size(), 4);
    CHECK_INT(extra[0].integer().value_or(0), 1);
    CHECK(extra[1].boolean() == true);
    CHECK(extra[2].is_null());
    CHECK_TEXT(extra[3u].string(), "x");
    CHECK(!extra[4].exists() && !extra[-1].exists() && !extra["a"].exists());
    CHECK_TEXT(extra.raw(), "[1, true, null, \"x\"]");
    CHECK_TEXT(execution.json().pointer("/extra/a/3").string(), "x");
    CHECK_TEXT(execution.json()[std::string("extra")][std::string_view("a")][3].string(), "x");
    CHECK(!execution.json()["no"]["such"][7].pointer("/thing").string());
    CHECK(execution.json()[nullptr].type() == json_type::null);
}

TEST(json_accessors_distinguish_types) {
    const execution execution = parsed();
    const json output = execution.nodes()[0].latest_output();
    CHECK_DOUBLE(output["n"].number().value_or(0), 12.75);
    CHECK_INT(output["n"].integer().value_or(0), 12);
    CHECK(!output["n"].string() && !output["n"].boolean() && !output["n"].is_null());
    CHECK_DOUBLE(output["huge"].number().value_or(0), HUGE_VAL);
    CHECK_INT(output["huge"].integer().value_or(0), INT64_MAX);
    CHECK(!output["s"].number() && !output["s"].integer());
    CHECK(output["t"].boolean() == true); // the last one of a repeated key
    const std::optional<std::string_view> text = output["s"].string();
    REQUIRE(text.has_value());
    CHECK_BYTES(text->data(), text->size(), "a\0b\xef\xbf\xbd", 6);
    CHECK(!json().exists() && json().raw().empty() && !json().string());
    CHECK_INT(json().size(), 0);
}

TEST(members_and_elements_are_ranges) {
    const execution execution = parsed();
    std::string keys;
    std::size_t nulls = 0;
    for (const auto &[key, value] : execution.nodes()[0].latest_output().members()) {
        keys.append(key).append(" ");
        nulls += value.is_null();
    }
    CHECK_STR(keys.c_str(), "n huge s t t z ");
    CHECK_INT(nulls, 1);
    std::int64_t sum = 0;
    for (const json element : execution.nodes()[2].latest_output().elements())
        sum += element.integer().value_or(0);
    CHECK_INT(sum, 60);
    CHECK(execution.json().elements().empty());
    CHECK(execution.json()["nodes"].members().empty());
    CHECK(json().elements().empty() && json().members().empty());
    CHECK_TEXT(execution.json().members()[1].key, "name");
    CHECK(execution.json().members()[99].key.empty());
}

TEST(views_are_valid_as_long_as_an_owner_exists) {
    std::optional<execution> first = parsed();
    const std::optional<std::string_view> name = first->name();
    const node node = first->nodes()[2];
    execution second = first->share();
    CHECK(second.c_object() == first->c_object());
    first.reset();
    const execution third = std::move(second);
    CHECK_TEXT(name, "A name");
    CHECK_TEXT(node.id(), "3");
    CHECK_INT(node.latest_output()[1].integer().value_or(0), 20);
    CHECK(third.name()->data() == name->data());
}

TEST(a_moved_from_execution_is_empty) {
    execution first = parsed();
    const execution second = std::move(first);
    CHECK(first.status().empty() && !first.name() && first.nodes().empty()); // NOLINT: on purpose
    CHECK(!first.json().exists() && !first.node_by_id("1") && !first.completion_percentage());
    CHECK(first.state() == refold::state::unknown && first.share().c_object() == nullptr);
    first = second.share();
    CHECK_TEXT(first.name(), "A name");
}

TEST(text_that_is_not_an_execution_is_rejected) {
    const refold::error error = error_of([] { execution::parse("{\"status\": "); });
    CHECK(error.code() == refold::code::invalid_response);
    CHECK(error_of([] { execution::parse({}); }).code() == refold::code::invalid_argument);
    CHECK(error_of([] { execution::parse("[]"); }).code() == refold::code::invalid_response);
}

TEST(ownership_of_c_objects_is_taken) {
    refold_error *error = nullptr;
    CHECK(refold_parse_execution("[]", 2, &error) == nullptr);
    const refold::error taken(error);
    CHECK(taken.code() == refold::code::invalid_response);
    const execution execution(refold_parse_execution(document, sizeof document - 1, nullptr));
    CHECK_TEXT(execution.name(), "A name");
}

TEST(names_and_version_are_those_of_c) {
    CHECK_TEXT(refold::version(), REFOLD_VERSION);
    CHECK_TEXT(name(refold::code::timeout), "TIMEOUT");
    CHECK_TEXT(name(static_cast<refold::code>(418)), "HTTP_ERROR");
    CHECK_TEXT(name(static_cast<refold::code>(-99)), "UNKNOWN");
    CHECK_TEXT(name(static_cast<refold::state>(99)), "UNKNOWN");
    CHECK(!is_final(static_cast<refold::state>(99)));
    CHECK(!is_failure(static_cast<refold::state>(99)) && !is_failure(refold::state::completed));
    CHECK(!is_failure(refold::state::running) && is_failure(refold::state::skipped));
}
