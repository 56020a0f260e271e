/* Snapshots: how refold_parse_execution() reads a body. */
#define _GNU_SOURCE
#include "client.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Valid and invalid documents ---------------------------------------------------------------------------- */

TEST(documents_with_a_status_are_executions) {
    static const char *const bodies[] = {
        "{\"status\":\"\"}",
        " \t\r\n{ \"status\" : \"RUNNING\" } \t\r\n",
        "{\"status\": 7, \"status\": \"RUNNING\"}",
        "{\"st\\u0061tus\": \"RUNNING\"}",
        "{\"status\": \"\\ud83d\"}",
        "{\"status\": \"\xc3\xbc\xf0\x9f\x98\x80\x7f\"}",
        "{\"\": {}, \"status\": \"RUNNING\", \"a\": [1, -0, 1e400, 0.5E-7, true, null, [], {}]}"};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        check_case("%s", bodies[i]);
        refold_execution_free(parsed(bodies[i]));
    }
}

enum { ANYWHERE = -1 };

/* Whether the message contains this position. It may be an offset or a column, so it may differ by one; for
 * an escape, it may be that of the escape's end. */
static bool has_position(const char *message, size_t position) {
    enum { ESCAPE = 4 };
    for (const char *at = message; *at != '\0'; at++) {
        char *end = NULL;
        if (*at < '0' || *at > '9')
            continue;
        unsigned long number = strtoul(at, &end, 10);
        if (position == (size_t)ANYWHERE || (number + 1 >= position && number <= position + ESCAPE))
            return true;
        at = end - 1;
    }
    return false;
}

static void expect_invalid(const char *json, size_t length, size_t position) {
    refold_error *error = UNREAD_ERROR;
    refold_execution *execution = refold_parse_execution(json, length, &error);
    CHECK(execution == NULL);
    refold_execution_free(execution);
    if (CHECK_ERROR(error, REFOLD_ERROR_INVALID_RESPONSE, NULL) &&
        !has_position(refold_error_message(error), position))
        FAIL("\"%s\" lacks the position %zu", refold_error_message(error), position);
    CHECK(!refold_error_is_retryable(error));
    CHECK_INT(refold_error_http_status(error), 0);
    CHECK_INT(refold_error_attempts(error), 0);
    refold_error_free(error);
}

/* Valid JSON, but not an execution. The message need not have a position. */
TEST(other_documents_are_rejected) {
    static const char *const bodies[] = {"null",
                                         "true",
                                         "7",
                                         "\"status\"",
                                         "[]",
                                         "[{\"status\": \"RUNNING\"}]",
                                         "{}",
                                         "{\"Status\": \"RUNNING\"}",
                                         "{\"status\": null}",
                                         "{\"status\": 7}",
                                         "{\"status\": [\"RUNNING\"]}",
                                         "{\"status\": {\"status\": \"RUNNING\"}}",
                                         "{\"nodes\": [{\"status\": \"RUNNING\"}]}",
                                         "{\"status\": \"RUNNING\", \"status\": 7}",
                                         "{\"status\": \"RUNNING\", \"status\": null}"};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        refold_error *error = UNREAD_ERROR;
        check_case("%s", bodies[i]);
        CHECK(refold_parse_execution(bodies[i], strlen(bodies[i]), &error) == NULL);
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_RESPONSE, NULL);
    }
}

/* Malformed values, and the position of the error, counted from the value's first byte. If a bracket is not
 * closed, the error may be anywhere after it. */
static const struct {
    const char *value;
    long position;
} malformed[] = {{"", 0},
                 {"tru", 3},
                 {"True", 0},
                 {"nul", 3},
                 {"NaN", 0},
                 {"Infinity", 0},
                 {"-Infinity", 1},
                 {"undefined", 0},
                 {"'a'", 0},
                 {"01", 1},
                 {"-", 1},
                 {"-01", 2},
                 {"+1", 0},
                 {"1.", 2},
                 {".5", 0},
                 {"1.e5", 2},
                 {"1e", 2},
                 {"1e+", 3},
                 {"0x10", 1},
                 {"1_000", 1},
                 {"[1,]", 3},
                 {"[1 2]", 3},
                 {"[,1]", 1},
                 {"[1", ANYWHERE},
                 {"]", 0},
                 {"{\"a\"}", 4},
                 {"{\"a\" 1}", 5},
                 {"{\"a\": }", 6},
                 {"{\"a\": 1,}", 8},
                 {"{a: 1}", 1},
                 {"{1: 1}", 1},
                 {"{\"a\": 1 \"b\": 2}", 8},
                 {"[}", 1},
                 {"{]", 1},
                 {"[[]", ANYWHERE},
                 {"// comment\n1", 0},
                 {"/* comment */ 1", 0},
                 {"\"\\x\"", 2},
                 {"\"\\'\"", 2},
                 {"\"\\u12\"", 5},
                 {"\"\\u12g4\"", 5},
                 {"\"\\U0041\"", 2},
                 {"\"a\nb\"", 2},
                 {"\"a\tb\"", 2},
                 {"\"\x01\"", 1},
                 {"\"\x1f\"", 1},
                 {"\v1", 0},
                 {"\f1", 0},
                 {"\xc2\xa0"
                  "1",
                  0},
                 {"\"\xff\"", 1},
                 {"\"\xc3\"", 1},
                 {"\"\xc0\x80\"", 1},
                 {"\"\xed\xa0\x80\"", 1},
                 {"\"\xf4\x90\x80\x80\"", 1},
                 {"\"\xe2\x82\"", 1},
                 {"\"\x80\"", 1}};

/* In an unknown field, in an output, in a typed field, and before the status. */
TEST(malformed_json_anywhere_fails_the_parse) {
    static const char *const before[] = {
        "{\"status\": \"RUNNING\", \"unknown\": ",
        "{\"status\": \"RUNNING\", \"nodes\": [{\"latest_output\": {\"a\": [0, ",
        "{\"status\": \"RUNNING\", \"name\": ",
        "{\"padding\": \"0123456789012345678901234567890123456789012345678901234567890123456789\", \"x\": "};
    static const char *const after[] = {"}", "]}}]}", "}", ", \"status\": \"RUNNING\"}"};
    for (size_t i = 0; i < COUNT(malformed); i++) {
        for (size_t where = 0; where < COUNT(before); where++) {
            char *body = text_of("%s%s%s", before[where], malformed[i].value, after[where]);
            check_case("%zu: %s", where, malformed[i].value);
            size_t position = strlen(before[where]) + (size_t)malformed[i].position;
            expect_invalid(body, strlen(body),
                           malformed[i].position == ANYWHERE ? (size_t)ANYWHERE : position);
            free(body);
        }
    }
}

TEST(data_after_the_document_is_rejected) {
    static const struct {
        const char *body;
        size_t position;
    } cases[] = {{"", 0},
                 {" \n", 2},
                 {"{\"status\": \"RUNNING\"", 20},
                 {"{\"status\": \"RUNNING", 19},
                 {"{\"status\": \"RUNNING\"} x", 22},
                 {"{\"status\": \"RUNNING\"},", 21},
                 {"{\"status\": \"RUNNING\"}}", 21},
                 {"{\"status\": \"RUNNING\"}{}", 21},
                 {"\xef\xbb\xbf{\"status\": \"RUNNING\"}", 0},
                 {"{\"status\": \"RUNNING\"} \xff", 22},
                 {"{\"status\": \"RUNNING\"\xc2\xa0}", 20}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_case("%s", cases[i].body);
        expect_invalid(cases[i].body, strlen(cases[i].body), cases[i].position);
    }
    check_case("U+0000");
    expect_invalid("{\"status\": \"RUNNING\"}\0", 22, 21);
    expect_invalid("{\"status\": \"RUN\0ING\"}", 21, 15);
}

/* In a text of several lines, the message has either line and column or the offset. */
TEST(parse_errors_report_line_and_position) {
    refold_error *error = UNREAD_ERROR;
    const char *body = "{\n\"status\": \"RUNNING\",\n\"a\": 01}";
    CHECK(refold_parse_execution(body, strlen(body), &error) == NULL);
    const char *message = refold_error_message(error);
    bool by_line = strstr(message, "line 3") != NULL && has_position(message, 7);
    CHECK(by_line || has_position(message, strlen(body) - 2));
    refold_error_free(error);
}

TEST(parsing_copies_the_text) {
    char body[] = "{\"status\": \"RUNNING\", \"name\": \"a name\"}";
    refold_execution *execution = refold_parse_execution(body, strlen(body), NULL);
    memset(body, 'x', sizeof body);
    CHECK_STR(refold_execution_name(execution), "a name");
    CHECK_STR(refold_json_string(refold_json_get(refold_execution_json(execution), "name"), NULL), "a name");
    refold_execution_free(execution);
}

/* Typed fields ------------------------------------------------------------------------------------------- */

static const struct {
    const char *key;
    const char *(*read)(const refold_execution *);
} execution_strings[] = {{"_id", refold_execution_id},
                         {"name", refold_execution_name},
                         {"org_id", refold_execution_org_id},
                         {"environment", refold_execution_environment},
                         {"config_id", refold_execution_config_id},
                         {"linked_account_id", refold_execution_linked_account_id},
                         {"createdAt", refold_execution_created_at},
                         {"updatedAt", refold_execution_updated_at}};

static const struct {
    const char *key;
    const char *(*read)(const refold_node *);
} node_strings[] = {{"node_id", refold_node_id},
                    {"node_name", refold_node_name},
                    {"node_type", refold_node_type},
                    {"node_status", refold_node_status}};

/* A value as sent, and the string that a typed field returns for it. */
static const struct {
    const char *sent, *want;
} string_values[] = {
    {"\"text\"", "text"},
    {"\"\"", ""},
    {"null", NULL},
    {"7", NULL},
    {"true", NULL},
    {"[\"text\"]", NULL},
    {"{\"a\": \"text\"}", NULL},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
    {"\"\\u0041\\u00fc\\u20ac\\ud83d\\ude00\"", "A\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\x7f"},
    {"\"\\ud83d\"", "\xef\xbf\xbd"},
    {"\"\\ude00\"", "\xef\xbf\xbd"},
    {"\"a\\ud83d\"", "a\xef\xbf\xbd"},
    {"\"\\ud83dz\"", "\xef\xbf\xbdz"},
    {"\"\\ud83d\\n\"", "\xef\xbf\xbd\n"},
    {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                           "A"},
    {"\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
    {"\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80"},
    {"\"\\ufeff\\uffff\\ufffd\"", "\xef\xbb\xbf\xef\xbf\xbf\xef\xbf\xbd"},
    {"\"before\\u0000after\"", "before"},
    {"\"\\u0000\"", ""},
    {"7, \"KEY\": \"last\"", "last"},
    {"\"first\", \"KEY\": \"last\"", "last"},
    {"\"first\", \"KEY\": 7", NULL},
    {"\"first\", \"KEY\": null", NULL}};

/* `"key": value`, where KEY in the value is replaced by the key. */
static char *member_of(const char *key, const char *value) {
    const char *repeated_key = strstr(value, "KEY");
    if (repeated_key == NULL)
        return text_of("\"%s\": %s", key, value);
    return text_of("\"%s\": %.*s%s%s", key, (int)(repeated_key - value), value, key, repeated_key + 3);
}

TEST(execution_strings_are_returned) {
    for (size_t i = 0; i < COUNT(string_values) * COUNT(execution_strings); i++) {
        size_t field = i % COUNT(execution_strings), value = i / COUNT(execution_strings);
        char *member = member_of(execution_strings[field].key, string_values[value].sent);
        char *body = text_of("{\"status\": \"RUNNING\", %s}", member);
        check_case("%s", member);
        refold_execution *execution = parsed(body);
        for (size_t other = 0; other < COUNT(execution_strings); other++)
            CHECK_STR(execution_strings[other].read(execution),
                      other == field ? string_values[value].want : NULL);
        refold_execution_free(execution);
        free(body);
        free(member);
    }
}

TEST(node_strings_are_returned) {
    for (size_t i = 0; i < COUNT(string_values) * COUNT(node_strings); i++) {
        size_t field = i % COUNT(node_strings), value = i / COUNT(node_strings);
        char *member = member_of(node_strings[field].key, string_values[value].sent);
        char *body = text_of("{\"nodes\": [{}, {%s}], \"status\": \"RUNNING\"}", member);
        check_case("%s", member);
        refold_execution *execution = parsed(body);
        for (size_t other = 0; other < COUNT(node_strings); other++)
            CHECK_STR(node_strings[other].read(refold_execution_node(execution, 1)),
                      other == field ? string_values[value].want : NULL);
        refold_execution_free(execution);
        free(body);
        free(member);
    }
}

/* C strings end at U+0000; the JSON view returns the whole string. */
TEST(strings_with_nul_end_there_for_c) {
    size_t length = 0;
    refold_execution *execution =
        parsed("{\"status\": \"RUN\\u0000NING\", \"a\\u0000b\": 7, \"name\": \"\\u0000\\u0000\"}");
    const refold_json *json = refold_execution_json(execution);
    CHECK_STR(refold_execution_status(execution), "RUN");
    CHECK_INT(refold_execution_state(execution), REFOLD_STATE_UNKNOWN);
    const char *text = refold_json_string(refold_json_get(json, "status"), &length);
    CHECK_BYTES(text, length, "RUN\0NING", 8);
    CHECK(text != NULL && text[8] == '\0');
    text = refold_json_key_at(json, 1, &length);
    CHECK_BYTES(text, length, "a\0b", 3);
    CHECK(text != NULL && text[3] == '\0');
    text = refold_json_string(refold_json_at(json, 2), &length);
    CHECK_BYTES(text, length, "\0\0", 2);
    CHECK(refold_json_get(json, "a") == NULL);
    refold_execution_free(execution);
}

static const struct {
    const char *status;
    refold_state state;
    bool of_execution, of_node, final;
    const char *name;
} states[] = {{"RUNNING", REFOLD_STATE_RUNNING, true, false, false, "RUNNING"},
              {"STOPPING", REFOLD_STATE_STOPPING, true, false, false, "STOPPING"},
              {"COMPLETED", REFOLD_STATE_COMPLETED, true, false, true, "COMPLETED"},
              {"ERRORED", REFOLD_STATE_ERRORED, true, false, true, "ERRORED"},
              {"STOPPED", REFOLD_STATE_STOPPED, true, false, true, "STOPPED"},
              {"TIMED_OUT", REFOLD_STATE_TIMED_OUT, true, false, true, "TIMED_OUT"},
              {"Success", REFOLD_STATE_COMPLETED, false, true, true, "COMPLETED"},
              {"Ready", REFOLD_STATE_READY, false, true, false, "READY"},
              {"Waiting", REFOLD_STATE_WAITING, false, true, false, "WAITING"},
              {"Errored", REFOLD_STATE_ERRORED, false, true, true, "ERRORED"},
              {"Errored_and_Skipped", REFOLD_STATE_SKIPPED, false, true, true, "SKIPPED"},
              {"Stopped", REFOLD_STATE_STOPPED, false, true, true, "STOPPED"},
              {"Rejected", REFOLD_STATE_REJECTED, false, true, true, "REJECTED"},
              {"Timed_Out", REFOLD_STATE_TIMED_OUT, false, true, true, "TIMED_OUT"},
              {"", REFOLD_STATE_UNKNOWN, true, true, false, "UNKNOWN"},
              {"running", REFOLD_STATE_UNKNOWN, true, true, false, "UNKNOWN"},
              {"COMPLETED ", REFOLD_STATE_UNKNOWN, true, true, false, "UNKNOWN"},
              {"SUCCESS", REFOLD_STATE_UNKNOWN, true, true, false, "UNKNOWN"}};

TEST(every_status_has_its_state) {
    for (size_t i = 0; i < COUNT(states); i++) {
        char *body = text_of("{\"status\": \"%s\", \"nodes\": [{\"node_status\": \"%s\"}]}", states[i].status,
                             states[i].status);
        refold_execution *execution = parsed(body);
        check_case("%s", states[i].status);
        CHECK_STR(refold_execution_status(execution), states[i].status);
        CHECK_STR(refold_node_status(refold_execution_node(execution, 0)), states[i].status);
        if (states[i].of_execution)
            CHECK_INT(refold_execution_state(execution), states[i].state);
        if (states[i].of_node)
            CHECK_INT(refold_node_state(refold_execution_node(execution, 0)), states[i].state);
        CHECK_INT(refold_state_is_final(states[i].state), states[i].final);
        CHECK_INT(refold_state_is_failure(states[i].state),
                  states[i].final && states[i].state != REFOLD_STATE_COMPLETED);
        CHECK_STR(refold_state_name(states[i].state), states[i].name);
        refold_execution_free(execution);
        free(body);
    }
}

/* A number as sent, read as a count (-1: absent), as a JSON integer and as a JSON double. */
static const struct {
    const char *sent;
    int64_t count, integer;
    double number;
} numbers[] = {{"0", 0, 0, 0.0},
               {"1", 1, 1, 1.0},
               {"403", 403, 403, 403.0},
               {"403.0", 403, 403, 403.0},
               {"403.7", 403, 403, 403.7},
               {"403.99999999999999999999999", 403, 403, 404.0},
               {"4.03e2", 403, 403, 403.0},
               {"40300E-2", 403, 403, 403.0},
               {"0.9", 0, 0, 0.9},
               {"1e3", 1000, 1000, 1000.0},
               {"1e+18", 1000000000000000000, 1000000000000000000, 1e18},
               {"9007199254740993", 9007199254740993, 9007199254740993, 9007199254740992.0},
               {"9007199254740993.0", 9007199254740993, 9007199254740993, 9007199254740992.0},
               {"9223372036854775807", INT64_MAX, INT64_MAX, 9223372036854775808.0},
               {"9223372036854775808", -1, INT64_MAX, 9223372036854775808.0},
               {"18446744073709551615", -1, INT64_MAX, 18446744073709551615.0},
               {"18446744073709551617", -1, INT64_MAX, 18446744073709551616.0},
               {"1e19", -1, INT64_MAX, 1e19},
               {"1e400", -1, INT64_MAX, (double)INFINITY},
               {"1e99999999999999999999", -1, INT64_MAX, (double)INFINITY},
               {"1e-400", 0, 0, 0.0},
               {"0e99999999999999999999", 0, 0, 0.0},
               {"-1", -1, -1, -1.0},
               {"-7.9", -1, -7, -7.9},
               {"-9223372036854775808", -1, INT64_MIN, -9223372036854775808.0},
               {"-9223372036854775809", -1, INT64_MIN, -9223372036854775808.0},
               {"-1e400", -1, INT64_MIN, (double)-INFINITY},
               {"0.1", 0, 0, 0.1},
               {"5e-324", 0, 0, 5e-324},
               {"2.2250738585072011e-308", 0, 0, 2.2250738585072011e-308},
               {"1.7976931348623157e308", -1, INT64_MAX, 1.7976931348623157e308},
               {"123456789012345678901234567890", -1, INT64_MAX, 123456789012345678901234567890.0}};

static const struct {
    const char *key;
    int64_t (*read)(const refold_node *);
} counts[] = {{"attempts_made", refold_node_attempts_made},
              {"maximum_attempts", refold_node_maximum_attempts},
              {"execution_time", refold_node_execution_time_ms}};

TEST(integers_are_accepted_in_any_notation) {
    for (size_t i = 0; i < COUNT(numbers) * COUNT(counts); i++) {
        size_t field = i % COUNT(counts), value = i / COUNT(counts);
        char *body = text_of("{\"status\": \"RUNNING\", \"nodes\": [{\"%s\": %s}]}", counts[field].key,
                             numbers[value].sent);
        check_case("%s: %s", counts[field].key, numbers[value].sent);
        refold_execution *execution = parsed(body);
        const refold_node *node = refold_execution_node(execution, 0);
        for (size_t other = 0; other < COUNT(counts); other++)
            CHECK_INT(counts[other].read(node), other == field ? numbers[value].count : -1);
        const refold_json *json = refold_json_get(refold_node_json(node), counts[field].key);
        CHECK_INT(refold_json_typeof(json), REFOLD_JSON_NUMBER);
        CHECK_INT(refold_json_int64(json), numbers[value].integer);
        CHECK_DOUBLE(refold_json_double(json), numbers[value].number);
        CHECK_STR(refold_json_text(json, NULL), numbers[value].sent);
        refold_execution_free(execution);
        free(body);
    }
}

TEST(counts_of_another_type_are_absent) {
    static const char *const values[] = {
        "\"403\"", "null", "true", "[403]", "{}", "403, \"KEY\": \"x\"", "403, \"KEY\": null"};
    for (size_t i = 0; i < COUNT(values) * COUNT(counts); i++) {
        size_t field = i % COUNT(counts);
        char *member = member_of(counts[field].key, values[i / COUNT(counts)]);
        char *body = text_of("{\"status\": \"RUNNING\", \"nodes\": [{%s}]}", member);
        check_case("%s", member);
        refold_execution *execution = parsed(body);
        CHECK_INT(counts[field].read(refold_execution_node(execution, 0)), -1);
        refold_execution_free(execution);
        free(body);
        free(member);
    }
}

/* The number of typed fields that are present in the execution and its second node. */
static int count_fields(const refold_execution *execution) {
    const refold_node *node = refold_execution_node(execution, 1);
    const void *const fields[] = {refold_execution_id(execution),
                                  refold_execution_name(execution),
                                  refold_execution_org_id(execution),
                                  refold_execution_environment(execution),
                                  refold_execution_status(execution),
                                  refold_execution_config_id(execution),
                                  refold_execution_created_at(execution),
                                  refold_execution_updated_at(execution),
                                  refold_execution_linked_account_id(execution),
                                  refold_node_id(node),
                                  refold_node_name(node),
                                  refold_node_type(node),
                                  refold_node_status(node),
                                  refold_node_latest_output(node),
                                  refold_node_input_data(node)};
    int count = (refold_execution_completion_percentage(execution) >= 0) +
                (refold_execution_node_count(execution) > 0) + refold_node_is_batch(node) +
                (refold_node_attempts_made(node) >= 0) + (refold_node_maximum_attempts(node) >= 0) +
                (refold_node_execution_time_ms(node) >= 0);
    for (size_t i = 0; i < COUNT(fields); i++)
        count += fields[i] != NULL;
    return count;
}

/* All fields of a node, in the documented order, which the parser may predict. */
#define FULL_NODE                                                                                            \
    "{\"node_id\":\"a\",\"node_name\":\"a\",\"node_type\":\"a\",\"node_status\":\"a\",\"is_batch\":true,"    \
    "\"attempts_made\":1,\"maximum_attempts\":1,\"execution_time\":1,\"latest_output\":1,\"input_data\":1}"

/* A key that differs from a known one in any letter, or in two letters by the same bit, is unknown. */
TEST(similar_keys_are_ignored) {
    enum { EXECUTION_FIELDS = 11, NODE_FIELDS = 10, MAX_DISTANCE = 16 };
    static const char *const keys[] = {
        "_id",           "name",       "org_id",        "environment",       "completion_percentage",
        "config_id",     "createdAt",  "updatedAt",     "linked_account_id", "nodes",
        "node_id",       "node_name",  "node_type",     "node_status",       "is_batch",
        "attempts_made", "input_data", "latest_output", "maximum_attempts",  "execution_time"};
    char *body =
        text_of("{\"_id\":\"a\",\"name\":\"a\",\"org_id\":\"a\",\"environment\":\"a\",\"status\":\"a\","
                "\"completion_percentage\":1,\"config_id\":\"a\",\"linked_account_id\":\"a\","
                "\"createdAt\":\"a\",\"updatedAt\":\"a\",\"nodes\":[%s,%s,%s]}",
                FULL_NODE, FULL_NODE, FULL_NODE);
    refold_execution *whole = parsed(body);
    CHECK_INT(count_fields(whole), EXECUTION_FIELDS + NODE_FIELDS);
    refold_execution_free(whole);
    for (size_t i = 0; i < COUNT(keys); i++) {
        char *quoted = text_of("\"%s\":", keys[i]), *key = strstr(body, quoted);
        if (strstr(key + 1, quoted) != NULL) /* the key of the second node */
            key = strstr(key + 1, quoted);
        const int left =
            strcmp(keys[i], "nodes") == 0 ? EXECUTION_FIELDS - 1 : EXECUTION_FIELDS + NODE_FIELDS - 1;
        for (size_t at = 1; at <= strlen(keys[i]); at++)
            for (size_t distance = 0; distance <= MAX_DISTANCE && at + distance <= strlen(keys[i]);
                 distance += 8) {
                key[at] ^= 1;
                key[at + distance] ^= distance > 0;
                check_case("%.24s", key);
                refold_execution *execution = parsed(body);
                CHECK_INT(count_fields(execution), left);
                refold_execution_free(execution);
                key[at] ^= 1;
                key[at + distance] ^= distance > 0;
            }
        free(quoted);
    }
    free(body);
}

TEST(percentages_and_bools_are_returned) {
    static const struct {
        const char *sent;
        double percentage;
        bool batch;
    } cases[] = {{"0", 0.0, false},
                 {"100", 100.0, false},
                 {"33.3", 33.3, false},
                 {"1e1", 10.0, false},
                 {"null", -1.0, false},
                 {"\"50\"", -1.0, false},
                 {"[50]", -1.0, false},
                 {"true", -1.0, true},
                 {"false", -1.0, false},
                 {"\"true\"", -1.0, false},
                 {"1", 1.0, false},
                 {"1, \"KEY\": true", -1.0, true},
                 {"true, \"KEY\": 2", 2.0, false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *percentage = member_of("completion_percentage", cases[i].sent);
        char *batch = member_of("is_batch", cases[i].sent);
        char *body = text_of("{%s, \"status\": \"RUNNING\", \"nodes\": [{%s}]}", percentage, batch);
        check_case("%s", cases[i].sent);
        refold_execution *execution = parsed(body);
        CHECK_DOUBLE(refold_execution_completion_percentage(execution), cases[i].percentage);
        CHECK_INT(refold_node_is_batch(refold_execution_node(execution, 0)), cases[i].batch);
        refold_execution_free(execution);
        free(body);
        free(percentage);
        free(batch);
    }
}

TEST(outputs_and_inputs_may_be_any_value) {
    static const char *const values[] = {"{}",    "[]",    "{\"a\": [1, {\"b\": null}]}", "\"text\"", "7",
                                         "false", "[[[]]]"};
    static const refold_json_type types[] = {REFOLD_JSON_OBJECT, REFOLD_JSON_ARRAY,  REFOLD_JSON_OBJECT,
                                             REFOLD_JSON_STRING, REFOLD_JSON_NUMBER, REFOLD_JSON_BOOL,
                                             REFOLD_JSON_ARRAY};
    for (size_t i = 0; i < COUNT(values); i++) {
        char *body = text_of(
            "{\"status\": \"RUNNING\", \"nodes\": [{\"latest_output\": %s}, {\"input_data\" :\n%s\n}]}",
            values[i], values[i]);
        check_case("%s", values[i]);
        refold_execution *execution = parsed(body);
        const refold_node *one = refold_execution_node(execution, 0),
                          *two = refold_execution_node(execution, 1);
        CHECK_INT(refold_json_typeof(refold_node_latest_output(one)), types[i]);
        CHECK_INT(refold_json_typeof(refold_node_input_data(two)), types[i]);
        CHECK_STR(refold_json_text(refold_node_latest_output(one), NULL), values[i]);
        CHECK_STR(refold_json_text(refold_node_input_data(two), NULL), values[i]);
        CHECK(refold_node_input_data(one) == NULL);
        CHECK(refold_node_latest_output(two) == NULL);
        refold_execution_free(execution);
        free(body);
    }
}

/* Nodes -------------------------------------------------------------------------------------------------- */

TEST(nodes_of_another_type_are_absent) {
    static const char *const values[] = {
        "null", "7", "\"[]\"", "{\"0\": {}}", "true", "[]", "[{}], \"nodes\": 7", "[{}], \"nodes\": []"};
    for (size_t i = 0; i < COUNT(values); i++) {
        char *body = text_of("{\"status\": \"RUNNING\", \"nodes\": %s}", values[i]);
        check_case("%s", values[i]);
        refold_execution *execution = parsed(body);
        CHECK_INT(refold_execution_node_count(execution), 0);
        CHECK(refold_execution_node(execution, 0) == NULL);
        CHECK(refold_execution_node_by_id(execution, "1") == NULL);
        refold_execution_free(execution);
        free(body);
    }
}

TEST(node_indexes_match_the_json) {
    refold_execution *execution = parsed(
        "{\"nodes\": [{\"node_id\": \"dropped\"}], \"status\": \"RUNNING\", \"nodes\": "
        "[{\"node_id\": \"a\"}, null, 7, [{\"node_id\": \"inner\"}], \"text\", {\"node_id\": \"b\"}]}");
    CHECK_INT(refold_execution_node_count(execution), 6);
    for (size_t i = 0; i < 6; i++) {
        const refold_json *element =
            refold_json_at(refold_json_get(refold_execution_json(execution), "nodes"), i);
        const refold_json *json = refold_node_json(refold_execution_node(execution, i));
        check_case("%zu", i);
        CHECK_INT(refold_json_typeof(json), refold_json_typeof(element));
        CHECK_STR(refold_json_text(json, NULL), refold_json_text(element, NULL));
        CHECK_STR(refold_node_id(refold_execution_node(execution, i)), i == 0 ? "a" : i == 5 ? "b" : NULL);
    }
    CHECK(refold_execution_node_by_id(execution, "b") == refold_execution_node(execution, 5));
    CHECK(refold_execution_node_by_id(execution, "inner") == NULL);
    CHECK(refold_execution_node_by_id(execution, "dropped") == NULL);
    refold_execution_free(execution);
}

TEST(the_first_of_equal_ids_is_found) {
    refold_execution *execution = parsed("{\"status\": \"RUNNING\", \"nodes\": [{\"node_id\": \"x\"}, "
                                         "{\"node_id\": \"\\u0061\", \"node_name\": \"one\"}, "
                                         "{\"node_id\": \"a\", \"node_name\": \"two\"}, {\"node_id\": \"\"}, "
                                         "{\"node_id\": \"\xc3\xbc\"}, {\"node_id\": 7}]}");
    CHECK_STR(refold_node_name(refold_execution_node_by_id(execution, "a")), "one");
    CHECK(refold_execution_node_by_id(execution, "") == refold_execution_node(execution, 3));
    CHECK(refold_execution_node_by_id(execution, "\xc3\xbc") == refold_execution_node(execution, 4));
    CHECK(refold_execution_node_by_id(execution, "7") == NULL);
    CHECK(refold_execution_node_by_id(execution, "A") == NULL);
    CHECK(refold_execution_node_by_id(execution, "a ") == NULL);
    refold_execution_free(execution);
}

TEST(the_documented_response_is_read) {
    refold_execution *execution = parsed("{\"name\": \"Execution for workflow 6a106ba44480b80424a65289\", "
                                         "\"org_id\": \"6500a1b2c3d4e5f6a7b8c9d0\", "
                                         "\"environment\": \"test\", \"status\": \"COMPLETED\", "
                                         "\"completion_percentage\": 100, \"config_id\": \"user_12345\", "
                                         "\"linked_account_id\": \"user_12345\", \"nodes\": [{\"node_id\": "
                                         "\"1\", \"node_name\": \"Start\", \"node_type\": "
                                         "\"start\", \"node_status\": \"Success\", \"is_batch\": false, "
                                         "\"attempts_made\": 1, \"execution_time\": 403, "
                                         "\"latest_output\": {\"message\": \"Workflow started "
                                         "successfully\", \"node_id\": \"1\", \"node_type\": \"start\", "
                                         "\"status\": \"initialized\"}}]}");
    const refold_node *node = refold_execution_node_by_id(execution, "1");
    CHECK_STR(refold_execution_id(execution), NULL);
    CHECK_STR(refold_execution_org_id(execution), "6500a1b2c3d4e5f6a7b8c9d0");
    CHECK_STR(refold_execution_environment(execution), "test");
    CHECK_DOUBLE(refold_execution_completion_percentage(execution), 100.0);
    CHECK_INT(refold_execution_node_count(execution), 1);
    CHECK_STR(refold_node_name(node), "Start");
    CHECK_STR(refold_node_type(node), "start");
    CHECK_INT(refold_node_state(node), REFOLD_STATE_COMPLETED);
    CHECK_INT(refold_node_attempts_made(node), 1);
    CHECK_INT(refold_node_maximum_attempts(node), -1);
    CHECK_INT(refold_node_execution_time_ms(node), 403);
    CHECK_STR(refold_json_string(refold_json_get(refold_node_latest_output(node), "status"), NULL),
              "initialized");
    refold_execution_free(execution);
}

/* JSON views --------------------------------------------------------------------------------------------- */

TEST(the_last_of_repeated_keys_is_found) {
    refold_execution *execution =
        parsed("{\"status\": \"RUNNING\", \"a\": 1, \"b\": 2, \"\\u0061\": {\"c\": 3, \"c\": 4}}");
    const refold_json *json = refold_execution_json(execution);
    static const char *const keys[] = {"status", "a", "b", "a"};
    CHECK_INT(refold_json_length(json), 4);
    for (size_t i = 0; i < COUNT(keys); i++)
        CHECK_STR(refold_json_key_at(json, i, NULL), keys[i]);
    CHECK_INT(refold_json_int64(refold_json_at(json, 1)), 1);
    CHECK(refold_json_get(json, "a") == refold_json_at(json, 3));
    CHECK(refold_json_pointer(json, "/a") == refold_json_at(json, 3));
    CHECK_INT(refold_json_int64(refold_json_pointer(json, "/a/c")), 4);
    CHECK_INT(refold_json_length(refold_json_get(json, "a")), 2);
    refold_execution_free(execution);
}

/* Looks up many members: repeated, with and without escapes. */
TEST(members_are_found_in_objects_of_any_size) {
    enum { MEMBERS = 3000 };
    char *body = malloc(MEMBERS * 60 + 100);
    size_t at = (size_t)sprintf(body, "{\"status\": \"RUNNING\", \"o\": {");
    for (int i = 0; i < MEMBERS; i++)
        at += (size_t)sprintf(body + at, "%s\"%s%d\": %d, \"twice\": %d", i == 0 ? "" : ", ",
                              i % 2 == 0 ? "k" : "\\u006b", i, i, i);
    sprintf(body + at, "}}");
    refold_execution *execution = parsed(body);
    const refold_json *object = refold_json_get(refold_execution_json(execution), "o");
    CHECK_INT(refold_json_length(object), 2 * MEMBERS);
    CHECK_INT(refold_json_int64(refold_json_get(object, "twice")), MEMBERS - 1);
    for (int i = 0; i < MEMBERS; i++) {
        char key[20];
        snprintf(key, sizeof key, "k%d", i);
        CHECK_INT(refold_json_int64(refold_json_get(object, key)), i);
        CHECK_STR(refold_json_key_at(object, 2 * (size_t)i, NULL), key);
        CHECK_INT(refold_json_int64(refold_json_at(object, 2 * (size_t)i + 1)), i);
    }
    CHECK(refold_json_get(object, "k") == NULL);
    CHECK(refold_json_get(object, "k3000") == NULL);
    refold_execution_free(execution);
    free(body);
}

#define POINTED                                                                                              \
    "{\"status\": \"\", \"foo\": [\"bar\", \"baz\", [7]], \"\": 0, \"a/b\": 1, \"c%d\": 2, \"e^f\": 3, "     \
    "\"g|h\": 4, "                                                                                           \
    "\"i\\\\j\": 5, \"k\\\"l\": 6, \" \": 7, \"m~n\": 8, \"~1\": 9, \"0\": 10, \"deep\": {\"\": {\"\": "     \
    "11}, \"-\": 12}}"

TEST(json_pointers_are_resolved) {
    static const struct {
        const char *pointer, *want; /* the text of the value; NULL: none */
    } cases[] = {{"/foo", "[\"bar\", \"baz\", [7]]"},
                 {"/foo/0", "\"bar\""},
                 {"/foo/2/0", "7"},
                 {"/", "0"},
                 {"/a~1b", "1"},
                 {"/c%d", "2"},
                 {"/e^f", "3"},
                 {"/g|h", "4"},
                 {"/i\\j", "5"},
                 {"/k\"l", "6"},
                 {"/ ", "7"},
                 {"/m~0n", "8"},
                 {"/~01", "9"},
                 {"/0", "10"},
                 {"/deep//", "11"},
                 {"/deep/-", "12"},
                 {"", POINTED},
                 {"foo", NULL},
                 {"/foo/3", NULL},
                 {"/foo/-", NULL},
                 {"/foo/-1", NULL},
                 {"/foo/+1", NULL},
                 {"/foo/00", NULL},
                 {"/foo/01", NULL},
                 {"/foo/1.0", NULL},
                 {"/foo/ 1", NULL},
                 {"/foo/", NULL},
                 {"/foo/18446744073709551616", NULL},
                 {"/foo/4294967296", NULL},
                 {"/foo/0/0", NULL},
                 {"/foo/bar", NULL},
                 {"/a/b", NULL},
                 {"/m~n", NULL},
                 {"/m~2n", NULL},
                 {"/m~", NULL},
                 {"/nothing", NULL},
                 {"/nothing/0", NULL},
                 {"//", NULL},
                 {"/deep/", "{\"\": 11}"},
                 {"#/foo", NULL}};
    refold_execution *execution = parsed(POINTED);
    const refold_json *json = refold_execution_json(execution);
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_case("%s", cases[i].pointer);
        CHECK_STR(refold_json_text(refold_json_pointer(json, cases[i].pointer), NULL), cases[i].want);
    }
    refold_execution_free(execution);
}

TEST(members_keep_their_order) {
    size_t length = 0;
    refold_execution *execution =
        parsed("{\"status\": \"\", \"z\": [10, 20, 30], \"a\\n\\u00fc\": {}, \"\": []}");
    const refold_json *json = refold_execution_json(execution);
    CHECK_INT(refold_json_length(json), 4);
    CHECK_STR(refold_json_key_at(json, 1, &length), "z");
    CHECK_INT(length, 1);
    CHECK_STR(refold_json_key_at(json, 2, &length), "a\n\xc3\xbc");
    CHECK_INT(length, 4);
    CHECK(refold_json_get(json, "a\n\xc3\xbc") == refold_json_at(json, 2));
    CHECK_STR(refold_json_key_at(json, 3, &length), "");
    CHECK_INT(length, 0);
    CHECK(refold_json_get(json, "") == refold_json_at(json, 3));
    CHECK(refold_json_at(json, 4) == NULL);
    CHECK(refold_json_key_at(json, 4, NULL) == NULL);
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(refold_json_int64(refold_json_at(refold_json_get(json, "z"), i)), 10 * (int64_t)i + 10);
    CHECK_INT(refold_json_length(refold_json_at(json, 2)), 0);
    CHECK(refold_json_at(refold_json_at(json, 2), 0) == NULL);
    refold_execution_free(execution);
}

/* Raw points into the body; text is a copy that is kept. */
TEST(raw_and_text_are_the_servers_bytes) {
    static const char body[] = " {\"status\": \"\", \"v\" : [ 1.50 , \"\\u00e9\\/\" , { } ] }\n";
    size_t whole_length = 0, length = 0, text_length = 0;
    refold_execution *execution = parsed(body);
    const refold_json *json = refold_execution_json(execution);
    const char *whole = refold_json_raw(json, &whole_length);
    CHECK_BYTES(whole, whole_length, body + 1, strlen(body) - 2);
    const refold_json *value = refold_json_get(json, "v");
    const char *raw = refold_json_raw(value, &length);
    CHECK_BYTES(raw, length, "[ 1.50 , \"\\u00e9\\/\" , { } ]", 27);
    CHECK(raw > whole && raw + length < whole + whole_length);
    const char *text = refold_json_text(value, &text_length);
    CHECK_BYTES(text, text_length, raw, length);
    CHECK(text[text_length] == '\0');
    CHECK(refold_json_text(value, NULL) == text);
    CHECK_STR(refold_json_text(refold_json_at(value, 0), NULL), "1.50");
    CHECK_STR(refold_json_text(refold_json_at(value, 1), NULL), "\"\\u00e9\\/\"");
    CHECK_STR(refold_json_text(refold_json_at(value, 2), NULL), "{ }");
    CHECK_STR(refold_json_string(refold_json_at(value, 1), NULL), "\xc3\xa9/");
    refold_execution_free(execution);
}

/* A known field of another type is absent, but the JSON view returns it as sent. */
TEST(the_json_view_exposes_what_typed_fields_hide) {
    refold_execution *execution = parsed(
        "{\"status\": \"RUNNING\", \"name\": [1], \"nodes\": {\"a\": 1}, \"completion_percentage\": \"7\"}");
    const refold_json *json = refold_execution_json(execution);
    CHECK_STR(refold_execution_name(execution), NULL);
    CHECK_STR(refold_json_text(refold_json_get(json, "name"), NULL), "[1]");
    CHECK_STR(refold_json_text(refold_json_get(json, "nodes"), NULL), "{\"a\": 1}");
    CHECK_STR(refold_json_string(refold_json_get(json, "completion_percentage"), NULL), "7");
    refold_execution_free(execution);
}

/* Large and deep ----------------------------------------------------------------------------------------- */

enum { STACK_BYTES = 128 * 1024 };

/* A body with an output of `depth` nested values, each between `open` and `close`. */
static char *nested(const char *open, const char *core, const char *close, size_t depth) {
    char *opened = repeated(open, depth), *closed = repeated(close, depth);
    char *body = text_of("{\"status\": \"RUNNING\", \"nodes\": [{\"node_id\": \"1\", \"latest_output\": "
                         "%s%s%s}], \"name\": \"n\"}",
                         opened, core, closed);
    free(opened);
    free(closed);
    return body;
}

struct deep_case {
    const char *open, *core, *close, *step;
    size_t depth;  /* repetitions of `open` */
    size_t levels; /* nesting levels of one repetition */
};

/* Parses, descends step by step, copies the text, and frees. */
static void read_deep(void *data) {
    const struct deep_case *deep = data;
    char *body = nested(deep->open, deep->core, deep->close, deep->depth);
    refold_execution *execution = parsed(body);
    CHECK_STR(refold_execution_name(execution), "n");
    const refold_json *value = refold_node_latest_output(refold_execution_node_by_id(execution, "1"));
    size_t length = 0;
    CHECK(refold_json_raw(value, &length) != NULL);
    CHECK_INT(length, strlen(deep->core) + deep->depth * (strlen(deep->open) + strlen(deep->close)));
    CHECK(refold_json_text(value, NULL) != NULL);
    size_t steps = check_is_slow() ? 200 : 3000;
    char *pointer = repeated(deep->step, steps);
    const refold_json *pointed = refold_json_pointer(value, pointer);
    for (size_t i = 0; i < steps * deep->levels; i++)
        value = refold_json_at(value, refold_json_length(value) - 1);
    CHECK(value != NULL);
    CHECK(pointed == value);
    refold_execution_free(execution);
    free(pointer);
    free(body);
}

TEST(no_depth_overflows_the_stack) {
    static struct deep_case cases[] = {{"[", "", "]", "/0", 100000, 1},
                                       {"{\"a\":", "7", "}", "/a", 100000, 1},
                                       {"[0,{\"b\":1,\"a\": ", "null", "}]", "/1/a", 50000, 2},
                                       {"[[],[],", "[]", "]", "/2", 100000, 1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_case("%s", cases[i].open);
        run_on_stack(STACK_BYTES, read_deep, &cases[i]);
    }
}

/* Nested values that are not closed, at the top level and in a status. */
static void fail_deep(void *data) {
    (void)data;
    static const char *const parts[] = {"[", "{\"a\":", "[[{\"a\": \"x\", \"b\":"};
    for (size_t i = 0; i < COUNT(parts); i++) {
        char *open = repeated(parts[i], 100000);
        refold_error *error = UNREAD_ERROR;
        check_case("%s", parts[i]);
        CHECK(refold_parse_execution(open, strlen(open), &error) == NULL);
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_RESPONSE, NULL);
        char *in_status = text_of("{\"status\": %s", open);
        CHECK(refold_parse_execution(in_status, strlen(in_status), &error) == NULL);
        EXPECT_ERROR(error, REFOLD_ERROR_INVALID_RESPONSE, NULL);
        free(in_status);
        free(open);
    }
}

TEST(no_depth_of_invalid_json_overflows_the_stack) { run_on_stack(STACK_BYTES, fail_deep, NULL); }

/* A body of `nodes` nodes, each with this output. */
static char *body_of_nodes(size_t nodes, const char *output, size_t *length) {
    size_t capacity = nodes * (strlen(output) + 160) + 200;
    char *body = malloc(capacity);
    if (body == NULL)
        abort();
    size_t at = (size_t)snprintf(body, capacity, "{\"status\": \"COMPLETED\", \"nodes\": [");
    for (size_t i = 0; i < nodes; i++)
        at += (size_t)snprintf(
            body + at, capacity - at,
            "%s{\"node_id\": \"node-%zu\", \"node_name\": \"Node %zu\", \"node_status\": \"Success\", "
            "\"execution_time\": %zu, \"latest_output\": %s}",
            i == 0 ? "" : ",", i, i, i, output);
    at += (size_t)snprintf(body + at, capacity - at, "], \"name\": \"the end\"}");
    *length = at;
    return body;
}

static void read_many(void *data) {
    (void)data;
    size_t nodes = check_is_slow() ? 5000 : 100000, length = 0;
    char *body = body_of_nodes(nodes, "{\"a\": [1, 2, \"three\"]}", &length);
    refold_execution *execution = refold_parse_execution(body, length, NULL);
    free(body);
    REQUIRE(execution != NULL);
    CHECK_STR(refold_execution_name(execution), "the end");
    CHECK_INT(refold_execution_node_count(execution), nodes);
    int64_t before = now_ms();
    for (size_t i = nodes; i-- > 0;) {
        char id[40];
        snprintf(id, sizeof id, "node-%zu", i);
        const refold_node *node = refold_execution_node_by_id(execution, id);
        if (node != refold_execution_node(execution, i) ||
            refold_node_execution_time_ms(node) != (int64_t)i) {
            FAIL("%s is another node", id);
            break;
        }
    }
    CHECK(refold_execution_node_by_id(execution, "node-") == NULL);
    CHECK_TIME(now_ms() - before, 0, 2000);
    for (size_t i = 0; i < nodes; i += 7)
        CHECK_STR(
            refold_json_string(
                refold_json_pointer(refold_node_latest_output(refold_execution_node(execution, i)), "/a/2"),
                NULL),
            "three");
    refold_execution_free(execution);
}

TEST(a_hundred_thousand_nodes_can_be_read) { run_on_stack(STACK_BYTES, read_many, NULL); }

static void read_large(void *data) {
    (void)data;
    size_t size = check_is_slow() ? 2000000 : 100000000, length = 0;
    char *text = repeated("0123456789 \xc3\xa4\\n\\u00fc", 50);
    char *output = text_of("{\"text\": \"%s\", \"numbers\": [1, 2.5, -3e7, true, null]}", text);
    char *body = body_of_nodes(size / (strlen(output) + 130), output, &length);
    int64_t before = resident_bytes();
    refold_execution *execution = refold_parse_execution(body, length, NULL);
    int64_t grown = resident_bytes() - before;
    free(body);
    if (CHECK(execution != NULL)) {
        const refold_node *last =
            refold_execution_node(execution, refold_execution_node_count(execution) - 1);
        CHECK_STR(refold_execution_name(execution), "the end");
        CHECK_STR(refold_json_text(refold_node_latest_output(last), NULL), output);
        CHECK_DOUBLE(refold_json_double(refold_json_pointer(refold_node_latest_output(last), "/numbers/2")),
                     -3e7);
    }
    /* One copy of the body, and the memory of the nodes. */
    if (!check_is_slow())
        CHECK_BETWEEN(grown, 0, length + length / 2);
    refold_execution_free(execution);
    free(output);
    free(text);
}

TEST(a_document_of_100_mb_can_be_read) { run_on_stack(STACK_BYTES, read_large, NULL); }

/* Caches are freed with the execution: parsing repeatedly does not increase memory use. */
TEST(a_freed_execution_leaves_no_memory) {
    size_t length = 0;
    char *body = body_of_nodes(1000, "{\"a\": [1, 2, \"thr\\u0065e\"], \"b\": {\"c\": \"d\"}}", &length);
    int64_t settled = 0;
    for (int round = 0; round < (check_is_slow() ? 3 : 40); round++) {
        refold_execution *execution = refold_parse_execution(body, length, NULL);
        for (size_t i = 0; i < 1000; i++) {
            const refold_json *output = refold_node_latest_output(refold_execution_node(execution, i));
            CHECK(refold_json_string(refold_json_pointer(output, "/a/2"), NULL) != NULL);
            CHECK(refold_json_text(refold_json_get(output, "b"), NULL) != NULL);
        }
        refold_execution_free(execution);
        if (round == 9)
            settled = resident_bytes();
    }
    if (!check_is_slow())
        CHECK_BETWEEN(resident_bytes() - settled, -100000000, 2000000);
    free(body);
}

/* Many readers ------------------------------------------------------------------------------------------- */

enum { READERS = 8, SHARED_NODES = 200 };

struct reader {
    const refold_execution *execution;
    const char *texts[SHARED_NODES], *strings[SHARED_NODES], *keys[SHARED_NODES];
    const refold_json *values[SHARED_NODES];
    const refold_node *nodes[SHARED_NODES];
};

static void read_shared_execution(void *data) {
    struct reader *reader = data;
    for (size_t i = 0; i < SHARED_NODES; i++) {
        char id[40];
        snprintf(id, sizeof id, "node-%zu", i);
        reader->nodes[i] = refold_execution_node_by_id(reader->execution, id);
        const refold_json *output = refold_node_latest_output(reader->nodes[i]);
        reader->values[i] = refold_json_pointer(output, "/a/2");
        reader->texts[i] = refold_json_text(output, NULL);
        reader->strings[i] = refold_json_string(reader->values[i], NULL);
        reader->keys[i] = refold_json_key_at(output, 0, NULL);
        CHECK_STR(reader->strings[i], "three");
        CHECK_STR(reader->keys[i], "a");
        CHECK_INT(refold_json_length(refold_json_at(output, 0)), 3);
        CHECK(refold_json_get(refold_node_json(reader->nodes[i]), "latest_output") != NULL);
    }
}

/* All threads make the first access to every value at the same time, and get the same pointers. */
TEST(reading_is_safe_on_many_threads) {
    size_t length = 0;
    char *body = body_of_nodes(SHARED_NODES, "{\"\\u0061\": [1, 2, \"thr\\u0065e\"]}", &length);
    for (int round = 0; round < (check_is_slow() ? 2 : 50); round++) {
        struct reader readers[READERS];
        refold_execution *execution = refold_parse_execution(body, length, NULL);
        memset(readers, 0, sizeof readers);
        for (int i = 0; i < READERS; i++)
            readers[i].execution = execution;
        run_on_threads(READERS, read_shared_execution, readers, sizeof readers[0]);
        for (int i = 1; i < READERS; i++)
            CHECK(memcmp(&readers[i], &readers[0], sizeof readers[0]) == 0);
        refold_execution_free(execution);
    }
    free(body);
}

TEST(a_state_is_the_same_at_every_access) {
    refold_execution *execution =
        parsed("{\"status\": \"TIMED_OUT\", \"nodes\": [{\"node_status\": \"Rejected\"}, {}]}");
    for (int access = 0; access < 3; access++) {
        CHECK_INT(refold_execution_state(execution), REFOLD_STATE_TIMED_OUT);
        CHECK_INT(refold_node_state(refold_execution_node(execution, 0)), REFOLD_STATE_REJECTED);
        CHECK_INT(refold_node_state(refold_execution_node(execution, 1)), REFOLD_STATE_UNKNOWN);
    }
    refold_execution_free(execution);
}

static void check_container(const refold_json *value) {
    size_t length = 99;
    REQUIRE(value != NULL);
    for (int access = 0; access < 2; access++) {
        CHECK(!refold_json_bool(value));
        CHECK(refold_json_string(value, &length) == NULL);
        CHECK_INT(length, 0);
        CHECK_INT(refold_json_int64(value), 0);
        CHECK_DOUBLE(refold_json_double(value), 0.0);
        CHECK_INT(refold_json_typeof(refold_json_at(value, 0)), REFOLD_JSON_STRING);
    }
}

TEST(containers_keep_their_type_after_access) {
    refold_execution *execution = parsed("{\"status\": \"RUNNING\", \"nodes\": [{\"a\": \"b\", "
                                         "\"latest_output\": [\"c\"], \"input_data\": {\"d\": \"e\"}}]}");
    const refold_node *node = refold_execution_node(execution, 0);
    check_container(refold_execution_json(execution));
    check_container(refold_node_json(node));
    check_container(refold_node_latest_output(node));
    check_container(refold_node_input_data(node));
    refold_execution_free(execution);
}
