/* Any pointer may be NULL: objects then read as empty, calls fail with INVALID_ARGUMENT, and free does
 * nothing. Covers all 103 functions, with NULL for every pointer and out-of-range values for all other
 * arguments. */
#include "client.h"

#include <limits.h>
#include <stdlib.h>

TEST(the_version_is_that_of_the_header) { CHECK_STR(refold_version(), REFOLD_VERSION); }

TEST(code_names_are_never_null) {
    static const refold_code codes[] = {INT32_MIN, -100, -12, 1, 99, 100, 200, 418, 999, 1000, INT32_MAX};
    for (size_t i = 0; i < COUNT(codes); i++) {
        check_case("%d", codes[i]);
        REQUIRE(refold_code_name(codes[i]) != NULL);
        CHECK(refold_code_name(codes[i])[0] != '\0');
    }
}

TEST(states_out_of_range_are_unknown) {
    static const refold_state states[] = {INT32_MIN, -1, 11, 255, 256, INT32_MAX};
    for (size_t i = 0; i < COUNT(states); i++) {
        check_case("%d", states[i]);
        CHECK(!refold_state_is_final(states[i]));
        CHECK(!refold_state_is_failure(states[i]));
        CHECK_STR(refold_state_name(states[i]), "UNKNOWN");
    }
}

static void ignore_line(refold_log_level level, const char *message, void *user_data) {
    (void)level;
    (void)message;
    (void)user_data;
}

TEST(options_may_be_null) {
    refold_options_set_api_key(NULL, "key", "account");
    refold_options_set_api_key(NULL, NULL, NULL);
    refold_options_set_session_token(NULL, "token");
    refold_options_set_session_token(NULL, NULL);
    refold_options_set_base_url(NULL, "https://app.refold.ai");
    refold_options_set_base_url(NULL, NULL);
    refold_options_set_timeout_ms(NULL, 1);
    refold_options_set_connect_timeout_ms(NULL, 1);
    refold_options_set_max_retries(NULL, 1);
    refold_options_set_max_response_bytes(NULL, 1);
    refold_options_set_poll_interval_ms(NULL, 100);
    refold_options_set_proxy(NULL, "");
    refold_options_set_proxy(NULL, NULL);
    refold_options_set_ca_file(NULL, "/nothing");
    refold_options_set_ca_file(NULL, NULL);
    refold_options_set_ca_pem(NULL, "text", 4);
    refold_options_set_ca_pem(NULL, NULL, SIZE_MAX);
    refold_options_set_user_agent(NULL, "product");
    refold_options_set_user_agent(NULL, NULL);
    refold_options_set_allow_plaintext(NULL, true);
    refold_options_set_header(NULL, "name", "value");
    refold_options_set_header(NULL, "name", NULL);
    refold_options_set_header(NULL, NULL, "value");
    refold_options_set_header(NULL, NULL, NULL);
    refold_options_set_log(NULL, REFOLD_LOG_DEBUG, ignore_line, NULL);
    refold_options_set_log(NULL, INT32_MIN, NULL, NULL);
    refold_options_free(NULL);
}

TEST(null_restores_every_default) {
    refold_options *options = test_options(NULL);
    refold_options_set_session_token(options, NULL);
    refold_options_set_base_url(options, NULL);
    refold_options_set_proxy(options, NULL);
    refold_options_set_ca_file(options, NULL);
    refold_options_set_ca_pem(options, NULL, 0);
    refold_options_set_ca_pem(options, NULL, SIZE_MAX);
    refold_options_set_user_agent(options, NULL);
    refold_options_set_header(options, NULL, NULL);
    refold_options_set_header(options, "name", NULL);
    refold_options_set_header(options, "", NULL);
    refold_options_set_log(options, REFOLD_LOG_DEBUG, NULL, NULL);
    refold_options_set_log(options, REFOLD_LOG_OFF, ignore_line, NULL);
    refold_client_free(client_of(options));
}

TEST(half_a_key_is_no_key) {
    static const char *const halves[][2] = {{"key", NULL}, {NULL, "account"}};
    for (size_t i = 0; i < COUNT(halves); i++) {
        refold_options *options = refold_options_new();
        refold_options_set_api_key(options, halves[i][0], halves[i][1]);
        EXPECT_ERROR(client_error(options), REFOLD_ERROR_INVALID_ARGUMENT, NULL);
    }
}

TEST(extreme_numbers_are_accepted) {
    struct server *server = serve_body(COMPLETED);
    static const uint64_t ends[] = {0, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX / 1000 + 1};
    for (size_t i = 0; i < COUNT(ends); i++) {
        refold_options *options = test_options(server_url(server));
        check_case("%llu", (unsigned long long)ends[i]);
        refold_options_set_timeout_ms(options, ends[i]);
        refold_options_set_connect_timeout_ms(options, ends[i]);
        refold_options_set_max_response_bytes(options, ends[i]);
        refold_options_set_poll_interval_ms(options, ends[i] == 0 ? 10 : ends[i]);
        refold_options_set_max_retries(options, i == 0 ? 0 : UINT32_MAX);
        refold_client *client = client_of(options);
        CHECK_INT(get_code(client), REFOLD_OK);
        refold_error *error = UNREAD_ERROR;
        refold_execution *execution =
            refold_wait_execution(client, TEST_ID, ends[i], NULL, NULL, NULL, &error);
        CHECK(execution != NULL);
        CHECK(error == NULL);
        refold_execution_free(execution);
        refold_client_free(client);
    }
    server_stop(server);
}

TEST(null_options_fail_client_creation) {
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_client_new(NULL, &error) == NULL);
    EXPECT_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, "options");
    CHECK(refold_client_new(NULL, NULL) == NULL);
    refold_options *options = refold_options_new();
    CHECK(refold_client_new(options, NULL) == NULL);
    refold_options_free(options);
    options = test_options(NULL);
    refold_client *client = refold_client_new(options, NULL);
    CHECK(client != NULL);
    refold_options_free(options);
    refold_client_free(client);
    refold_client_free(NULL);
    CHECK_INT(refold_client_set_session_token(NULL, "token"), REFOLD_ERROR_INVALID_ARGUMENT);
    CHECK_INT(refold_client_set_session_token(NULL, NULL), REFOLD_ERROR_INVALID_ARGUMENT);
}

TEST(a_null_session_token_is_rejected) {
    refold_options *options = refold_options_new();
    refold_options_set_session_token(options, TEST_TOKEN);
    refold_client *client = client_of(options);
    CHECK_INT(refold_client_set_session_token(client, NULL), REFOLD_ERROR_INVALID_ARGUMENT);
    refold_client_free(client);
}

TEST(a_cancel_token_may_be_null) {
    refold_cancel_trigger(NULL);
    CHECK(!refold_cancel_is_triggered(NULL));
    refold_cancel_free(NULL);
    refold_cancel *cancel = refold_cancel_new();
    REQUIRE(cancel != NULL);
    CHECK(!refold_cancel_is_triggered(cancel));
    refold_cancel_trigger(cancel);
    refold_cancel_trigger(cancel);
    CHECK(refold_cancel_is_triggered(cancel));
    refold_cancel_free(cancel);
}

/* Each pointer of a call is NULL in turn; the cancel token and the error may be. */
TEST(calls_with_null_are_invalid_arguments) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    refold_cancel *cancel = refold_cancel_new();
    const struct {
        const char *name;
        const refold_client *client;
        const char *id;
        refold_cancel *cancel;
        refold_code want;
        const char *mentioned;
    } cases[] = {
        {"no client", NULL, TEST_ID, cancel, REFOLD_ERROR_INVALID_ARGUMENT, "client"},
        {"no id", client, NULL, cancel, REFOLD_ERROR_INVALID_ARGUMENT, "id"},
        {"neither", NULL, NULL, NULL, REFOLD_ERROR_INVALID_ARGUMENT, NULL},
        {"no cancel", client, TEST_ID, NULL, REFOLD_OK, NULL},
    };
    for (size_t i = 0; i < COUNT(cases) * 2; i++) {
        size_t at = i / 2;
        bool waits = i % 2 == 1;
        refold_error *error = UNREAD_ERROR;
        check_case("%s, %s", cases[at].name, waits ? "wait" : "get");
        for (int with_error = 0; with_error < 2; with_error++) {
            refold_error **place = with_error ? &error : NULL;
            refold_execution *execution =
                waits ? refold_wait_execution(cases[at].client, cases[at].id, 1000, NULL, NULL,
                                              cases[at].cancel, place)
                      : refold_get_execution(cases[at].client, cases[at].id, cases[at].cancel, place);
            CHECK_INT(execution != NULL, cases[at].want == REFOLD_OK);
            refold_execution_free(execution);
        }
        if (cases[at].want == REFOLD_OK)
            CHECK(error == NULL);
        else
            EXPECT_ERROR(error, cases[at].want, cases[at].mentioned);
    }
    CHECK_INT(server_requests(server), 4);
    refold_cancel_free(cancel);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_queue_may_be_null) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    refold_queue *queue = refold_queue_new(0, NULL);
    const struct {
        refold_queue *queue;
        const refold_client *client;
        const char *id, *mentioned;
    } rows[] = {{NULL, client, TEST_ID, "queue"},
                {queue, NULL, TEST_ID, "client"},
                {queue, client, NULL, "id"},
                {NULL, NULL, NULL, NULL}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        refold_error *errors[] = {UNREAD_ERROR, UNREAD_ERROR};
        check_case("%zu", i);
        for (int with_error = 0; with_error < 2; with_error++) {
            CHECK(!refold_queue_get_execution(rows[i].queue, rows[i].client, rows[i].id, NULL, NULL,
                                              with_error ? &errors[0] : NULL));
            CHECK(!refold_queue_wait_execution(rows[i].queue, rows[i].client, rows[i].id, UINT64_MAX, NULL,
                                               NULL, with_error ? &errors[1] : NULL));
        }
        for (size_t waits = 0; waits < COUNT(errors); waits++)
            EXPECT_ERROR(errors[waits], REFOLD_ERROR_INVALID_ARGUMENT, rows[i].mentioned);
    }
    CHECK(refold_queue_new(UINT32_MAX, NULL) == NULL);
    CHECK(refold_queue_next(NULL, 0) == NULL);
    CHECK(refold_queue_next(NULL, -1) == NULL);
    CHECK(refold_queue_next(NULL, INT64_MAX) == NULL);
    CHECK(refold_queue_next(queue, INT64_MIN) == NULL);
    CHECK_INT(refold_queue_pending(NULL), 0);
    CHECK_INT(refold_queue_descriptor(NULL), -1);
    refold_queue_set_notify(NULL, NULL, NULL);
    refold_queue_set_notify(queue, NULL, queue);
    /* Neither a token nor data is needed, and any timeout is accepted. */
    CHECK(refold_queue_wait_execution(queue, client, TEST_ID, UINT64_MAX, NULL, NULL, NULL));
    refold_event *event = refold_queue_next(queue, INT64_MAX);
    CHECK_STR(refold_execution_status(refold_event_execution(event)), "COMPLETED");
    CHECK(refold_event_user_data(event) == NULL);
    refold_event_free(event);
    refold_queue_free(queue);
    refold_queue_free(NULL);
    refold_client_free(client);
    server_stop(server);
}

TEST(a_null_event_has_empty_values) {
    CHECK_INT(refold_event_typeof(NULL), REFOLD_EVENT_NONE);
    CHECK(refold_event_user_data(NULL) == NULL);
    CHECK(refold_event_execution(NULL) == NULL);
    CHECK(refold_event_error(NULL) == NULL);
    refold_event_free(NULL);
}

TEST(parsing_null_is_an_invalid_argument) {
    static const struct {
        const char *json;
        size_t length;
        refold_code want;
    } cases[] = {{NULL, 0, REFOLD_ERROR_INVALID_ARGUMENT},
                 {NULL, 5, REFOLD_ERROR_INVALID_ARGUMENT},
                 {NULL, SIZE_MAX, REFOLD_ERROR_INVALID_ARGUMENT},
                 {"", 0, REFOLD_ERROR_INVALID_RESPONSE},
                 {"{}", SIZE_MAX, REFOLD_ERROR_INVALID_ARGUMENT}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        refold_error *error = UNREAD_ERROR;
        check_case("%zu", i);
        CHECK(refold_parse_execution(cases[i].json, cases[i].length, &error) == NULL);
        EXPECT_ERROR(error, cases[i].want, NULL);
        CHECK(refold_parse_execution(cases[i].json, cases[i].length, NULL) == NULL);
    }
    refold_execution *execution = refold_parse_execution(RUNNING, strlen(RUNNING), NULL);
    CHECK(execution != NULL);
    refold_execution_free(execution);
}

static const refold_timing timings[] = {
    INT32_MIN, -1, REFOLD_TIMING_TOTAL, REFOLD_TIMING_RESOLVE, REFOLD_TIMING_TRANSFER, 6, 256, INT32_MAX};

static void check_no_time_of_error(const refold_error *error) {
    for (size_t i = 0; i < COUNT(timings); i++)
        CHECK_INT(refold_error_timing_us(error, timings[i]), -1);
}

TEST(a_null_error_has_empty_values) {
    size_t length = 77;
    refold_error_free(NULL);
    CHECK_INT(refold_error_code(NULL), REFOLD_OK);
    CHECK_INT(refold_error_http_status(NULL), 0);
    CHECK_STR(refold_error_http_error_type(NULL), NULL);
    CHECK_STR(refold_error_api_code(NULL), NULL);
    CHECK(refold_error_message(NULL) != NULL);
    CHECK_STR(refold_error_request_id(NULL), NULL);
    CHECK_STR(refold_error_body(NULL, &length), NULL);
    CHECK_INT(length, 0);
    CHECK_STR(refold_error_body(NULL, NULL), NULL);
    CHECK_INT(refold_error_retry_after_ms(NULL), -1);
    CHECK(!refold_error_is_retryable(NULL));
    CHECK_INT(refold_error_attempts(NULL), 0);
    check_no_time_of_error(NULL);
    CHECK(refold_error_cause(NULL) == NULL);
    CHECK(refold_error_cause(refold_error_cause(NULL)) == NULL);
}

TEST(an_error_without_a_response_has_no_response_values) {
    size_t length = 77;
    refold_error *error = UNREAD_ERROR;
    CHECK(refold_client_new(NULL, &error) == NULL);
    CHECK_INT(refold_error_http_status(error), 0);
    CHECK_STR(refold_error_http_error_type(error), NULL);
    CHECK_STR(refold_error_api_code(error), NULL);
    CHECK_STR(refold_error_request_id(error), NULL);
    CHECK_STR(refold_error_body(error, &length), NULL);
    CHECK_INT(length, 0);
    CHECK_STR(refold_error_body(error, NULL), NULL);
    CHECK_INT(refold_error_retry_after_ms(error), -1);
    CHECK(!refold_error_is_retryable(error));
    CHECK_INT(refold_error_attempts(error), 0);
    check_no_time_of_error(error);
    CHECK(refold_error_cause(error) == NULL);
    refold_error_free(error);
}

static void check_empty_execution(const refold_execution *execution) {
    CHECK_STR(refold_execution_id(execution), NULL);
    CHECK_STR(refold_execution_name(execution), NULL);
    CHECK_STR(refold_execution_org_id(execution), NULL);
    CHECK_STR(refold_execution_environment(execution), NULL);
    CHECK_INT(refold_execution_state(execution), REFOLD_STATE_UNKNOWN);
    CHECK_DOUBLE(refold_execution_completion_percentage(execution), -1.0);
    CHECK_STR(refold_execution_config_id(execution), NULL);
    CHECK_STR(refold_execution_linked_account_id(execution), NULL);
    CHECK_STR(refold_execution_created_at(execution), NULL);
    CHECK_STR(refold_execution_updated_at(execution), NULL);
    CHECK_INT(refold_execution_attempts(execution), 0);
    CHECK_STR(refold_execution_request_id(execution), NULL);
    for (size_t i = 0; i < COUNT(timings); i++)
        CHECK_INT(refold_execution_timing_us(execution, timings[i]), -1);
    CHECK_INT(refold_execution_node_count(execution), 0);
    CHECK(refold_execution_node(execution, 0) == NULL);
    CHECK(refold_execution_node(execution, SIZE_MAX) == NULL);
    CHECK(refold_execution_node_by_id(execution, "1") == NULL);
    CHECK(refold_execution_node_by_id(execution, "\xff") == NULL);
    CHECK(refold_execution_node_by_id(execution, NULL) == NULL);
}

TEST(a_null_execution_has_empty_values) {
    CHECK(refold_execution_retain(NULL) == NULL);
    refold_execution_free(NULL);
    check_empty_execution(NULL);
    CHECK_STR(refold_execution_status(NULL), NULL);
    CHECK(refold_execution_json(NULL) == NULL);
}

TEST(an_empty_execution_has_empty_values) {
    refold_execution *execution = parsed("{\"status\": \"\"}");
    check_empty_execution(execution);
    CHECK_STR(refold_execution_status(execution), "");
    CHECK(refold_execution_json(execution) != NULL);
    refold_execution_free(execution);
}

static void check_empty_node(const refold_node *node) {
    CHECK_STR(refold_node_id(node), NULL);
    CHECK_STR(refold_node_name(node), NULL);
    CHECK_STR(refold_node_type(node), NULL);
    CHECK_STR(refold_node_status(node), NULL);
    CHECK_INT(refold_node_state(node), REFOLD_STATE_UNKNOWN);
    CHECK(!refold_node_is_batch(node));
    CHECK_INT(refold_node_attempts_made(node), -1);
    CHECK_INT(refold_node_maximum_attempts(node), -1);
    CHECK_INT(refold_node_execution_time_ms(node), -1);
    CHECK(refold_node_latest_output(node) == NULL);
    CHECK(refold_node_input_data(node) == NULL);
}

TEST(a_null_node_has_empty_values) {
    check_empty_node(NULL);
    CHECK(refold_node_json(NULL) == NULL);
}

TEST(an_empty_node_has_empty_values) {
    refold_execution *execution = parsed("{\"status\": \"RUNNING\", \"nodes\": [{}, 7]}");
    for (size_t i = 0; i < 2; i++) {
        REQUIRE(refold_execution_node(execution, i) != NULL);
        check_empty_node(refold_execution_node(execution, i));
        CHECK(refold_node_json(refold_execution_node(execution, i)) != NULL);
    }
    CHECK(refold_execution_node(execution, 2) == NULL);
    CHECK(refold_execution_node(execution, SIZE_MAX) == NULL);
    CHECK(refold_execution_node_by_id(execution, NULL) == NULL);
    CHECK(refold_execution_node_by_id(execution, "") == NULL);
    refold_execution_free(execution);
}

TEST(a_null_json_value_has_empty_values) {
    size_t length = 77;
    CHECK_INT(refold_json_typeof(NULL), REFOLD_JSON_NULL);
    CHECK(!refold_json_bool(NULL));
    CHECK_INT(refold_json_int64(NULL), 0);
    CHECK_DOUBLE(refold_json_double(NULL), 0.0);
    CHECK_STR(refold_json_string(NULL, &length), NULL);
    CHECK_INT(length, 0);
    CHECK_STR(refold_json_string(NULL, NULL), NULL);
    CHECK_INT(refold_json_length(NULL), 0);
    CHECK(refold_json_at(NULL, 0) == NULL);
    CHECK(refold_json_at(NULL, SIZE_MAX) == NULL);
    length = 77;
    CHECK_STR(refold_json_key_at(NULL, 0, &length), NULL);
    CHECK_INT(length, 0);
    CHECK_STR(refold_json_key_at(NULL, SIZE_MAX, NULL), NULL);
    CHECK(refold_json_get(NULL, "key") == NULL);
    CHECK(refold_json_get(NULL, NULL) == NULL);
    CHECK(refold_json_pointer(NULL, "") == NULL);
    CHECK(refold_json_pointer(NULL, NULL) == NULL);
    length = 77;
    CHECK(refold_json_raw(NULL, &length) == NULL);
    CHECK_INT(length, 0);
    CHECK(refold_json_raw(NULL, NULL) == NULL);
    length = 77;
    CHECK_STR(refold_json_text(NULL, &length), NULL);
    CHECK_INT(length, 0);
    CHECK_STR(refold_json_text(NULL, NULL), NULL);
}

/* Every function on values of every type; values of another type yield 0, false or NULL. */
TEST(json_of_another_type_has_empty_values) {
    static const struct {
        const char *pointer;
        refold_json_type type;
    } cases[] = {{"/null", REFOLD_JSON_NULL},     {"/bool", REFOLD_JSON_BOOL},
                 {"/number", REFOLD_JSON_NUMBER}, {"/string", REFOLD_JSON_STRING},
                 {"/array", REFOLD_JSON_ARRAY},   {"/object", REFOLD_JSON_OBJECT}};
    refold_execution *execution =
        parsed("{\"status\": \"\", \"null\": null, \"bool\": true, \"number\": 7.5, "
               "\"string\": \"7\", \"array\": [7], \"object\": {\"7\": 7}}");
    for (size_t i = 0; i < COUNT(cases); i++) {
        const refold_json *value = refold_json_pointer(refold_execution_json(execution), cases[i].pointer);
        refold_json_type type = cases[i].type;
        bool holds = type == REFOLD_JSON_ARRAY || type == REFOLD_JSON_OBJECT;
        check_case("%s", cases[i].pointer);
        REQUIRE(value != NULL);
        CHECK_INT(refold_json_typeof(value), type);
        CHECK_INT(refold_json_bool(value), type == REFOLD_JSON_BOOL);
        CHECK_INT(refold_json_int64(value), type == REFOLD_JSON_NUMBER ? 7 : 0);
        CHECK_DOUBLE(refold_json_double(value), type == REFOLD_JSON_NUMBER ? 7.5 : 0.0);
        size_t length = 77;
        CHECK_STR(refold_json_string(value, &length), type == REFOLD_JSON_STRING ? "7" : NULL);
        CHECK_INT(length, type == REFOLD_JSON_STRING);
        CHECK_STR(refold_json_string(value, NULL), type == REFOLD_JSON_STRING ? "7" : NULL);
        CHECK_INT(refold_json_length(value), holds);
        CHECK_INT(refold_json_int64(refold_json_at(value, 0)), holds ? 7 : 0);
        CHECK(refold_json_at(value, 1) == NULL);
        CHECK(refold_json_at(value, SIZE_MAX) == NULL);
        length = 77;
        CHECK_STR(refold_json_key_at(value, 0, &length), type == REFOLD_JSON_OBJECT ? "7" : NULL);
        CHECK_INT(length, type == REFOLD_JSON_OBJECT);
        CHECK_STR(refold_json_key_at(value, 0, NULL), type == REFOLD_JSON_OBJECT ? "7" : NULL);
        CHECK_STR(refold_json_key_at(value, 1, &length), NULL);
        CHECK_INT(length, 0);
        CHECK_STR(refold_json_key_at(value, SIZE_MAX, NULL), NULL);
        CHECK_INT(refold_json_int64(refold_json_get(value, "7")), type == REFOLD_JSON_OBJECT ? 7 : 0);
        CHECK(refold_json_get(value, "8") == NULL);
        CHECK(refold_json_get(value, "\xff") == NULL);
        CHECK(refold_json_get(value, NULL) == NULL);
        CHECK(refold_json_pointer(value, "") == value);
        CHECK(refold_json_pointer(value, "/8") == NULL);
        CHECK(refold_json_pointer(value, "no slash") == NULL);
        CHECK(refold_json_pointer(value, "/\xff") == NULL);
        CHECK(refold_json_pointer(value, NULL) == NULL);
        CHECK(refold_json_raw(value, &length) != NULL);
        CHECK(length > 0);
        CHECK(refold_json_raw(value, NULL) == NULL);
        CHECK(refold_json_text(value, NULL) != NULL);
    }
    refold_execution_free(execution);
}
