/* The interface that programs built against librefold.so.0 rely on: this compiles if and only if the header
 * still declares it. Lines are only added, never changed; another SONAME gets its own file. */
#include <refold.h>

#define HAS_TYPE(value, type)                                                                                \
    _Static_assert(_Generic((value), type : 1, default : 0), #value " has another type")
#define TAKES(function, type) HAS_TYPE(&(function), type)
#define EQUALS(constant, number) _Static_assert((constant) == (number), #constant " has another value")
#define IS_OPAQUE(type) HAS_TYPE((type *)0, struct type *)

/* Types */
IS_OPAQUE(refold_options);
IS_OPAQUE(refold_client);
IS_OPAQUE(refold_cancel);
IS_OPAQUE(refold_queue);
IS_OPAQUE(refold_event);
IS_OPAQUE(refold_error);
IS_OPAQUE(refold_execution);
IS_OPAQUE(refold_node);
IS_OPAQUE(refold_json);
HAS_TYPE((refold_code)0, int32_t);
HAS_TYPE((refold_state)0, int32_t);
HAS_TYPE((refold_json_type)0, int32_t);
HAS_TYPE((refold_log_level)0, int32_t);
HAS_TYPE((refold_timing)0, int32_t);
HAS_TYPE((refold_event_type)0, int32_t);
_Static_assert(sizeof(refold_code_value) == sizeof(int32_t), "refold_code_value has another size");
_Static_assert(sizeof(refold_state_value) == sizeof(int32_t), "refold_state_value has another size");
_Static_assert(sizeof(refold_json_type_value) == sizeof(int32_t), "refold_json_type_value has another size");
_Static_assert(sizeof(refold_log_level_value) == sizeof(int32_t), "refold_log_level_value has another size");
_Static_assert(sizeof(refold_timing_value) == sizeof(int32_t), "refold_timing_value has another size");
_Static_assert(sizeof(refold_event_type_value) == sizeof(int32_t),
               "refold_event_type_value has another size");
HAS_TYPE((refold_log_fn)0, void (*)(refold_log_level, const char *, void *));
HAS_TYPE((refold_notify_fn)0, void (*)(void *));
HAS_TYPE((refold_progress_fn)0, bool (*)(const refold_execution *, void *));

/* Constants */
EQUALS(REFOLD_OK, 0);
EQUALS(REFOLD_ERROR_BAD_REQUEST, 400);
EQUALS(REFOLD_ERROR_UNAUTHORIZED, 401);
EQUALS(REFOLD_ERROR_FORBIDDEN, 403);
EQUALS(REFOLD_ERROR_NOT_FOUND, 404);
EQUALS(REFOLD_ERROR_REQUEST_TIMEOUT, 408);
EQUALS(REFOLD_ERROR_CONFLICT, 409);
EQUALS(REFOLD_ERROR_UNPROCESSABLE_ENTITY, 422);
EQUALS(REFOLD_ERROR_TOO_MANY_REQUESTS, 429);
EQUALS(REFOLD_ERROR_INTERNAL_SERVER_ERROR, 500);
EQUALS(REFOLD_ERROR_NOT_IMPLEMENTED, 501);
EQUALS(REFOLD_ERROR_BAD_GATEWAY, 502);
EQUALS(REFOLD_ERROR_SERVICE_UNAVAILABLE, 503);
EQUALS(REFOLD_ERROR_GATEWAY_TIMEOUT, 504);
EQUALS(REFOLD_ERROR_INVALID_ARGUMENT, -1);
EQUALS(REFOLD_ERROR_CANCELLED, -2);
EQUALS(REFOLD_ERROR_TIMEOUT, -3);
EQUALS(REFOLD_ERROR_RESOLVE, -4);
EQUALS(REFOLD_ERROR_CONNECT, -5);
EQUALS(REFOLD_ERROR_TLS, -6);
EQUALS(REFOLD_ERROR_TRANSPORT, -7);
EQUALS(REFOLD_ERROR_INVALID_RESPONSE, -8);
EQUALS(REFOLD_ERROR_RESPONSE_TOO_LARGE, -9);
EQUALS(REFOLD_ERROR_INTERNAL, -10);
EQUALS(REFOLD_ERROR_RESOURCE, -11);
EQUALS(REFOLD_EVENT_NONE, 0);
EQUALS(REFOLD_EVENT_PROGRESS, 1);
EQUALS(REFOLD_EVENT_DONE, 2);
EQUALS(REFOLD_STATE_UNKNOWN, 0);
EQUALS(REFOLD_STATE_READY, 1);
EQUALS(REFOLD_STATE_RUNNING, 2);
EQUALS(REFOLD_STATE_WAITING, 3);
EQUALS(REFOLD_STATE_STOPPING, 4);
EQUALS(REFOLD_STATE_COMPLETED, 5);
EQUALS(REFOLD_STATE_ERRORED, 6);
EQUALS(REFOLD_STATE_SKIPPED, 7);
EQUALS(REFOLD_STATE_STOPPED, 8);
EQUALS(REFOLD_STATE_TIMED_OUT, 9);
EQUALS(REFOLD_STATE_REJECTED, 10);
EQUALS(REFOLD_JSON_NULL, 0);
EQUALS(REFOLD_JSON_BOOL, 1);
EQUALS(REFOLD_JSON_NUMBER, 2);
EQUALS(REFOLD_JSON_STRING, 3);
EQUALS(REFOLD_JSON_ARRAY, 4);
EQUALS(REFOLD_JSON_OBJECT, 5);
EQUALS(REFOLD_LOG_OFF, 0);
EQUALS(REFOLD_LOG_WARN, 1);
EQUALS(REFOLD_LOG_INFO, 2);
EQUALS(REFOLD_LOG_DEBUG, 3);
EQUALS(REFOLD_TIMING_TOTAL, 0);
EQUALS(REFOLD_TIMING_RESOLVE, 1);
EQUALS(REFOLD_TIMING_CONNECT, 2);
EQUALS(REFOLD_TIMING_TLS, 3);
EQUALS(REFOLD_TIMING_FIRST_BYTE, 4);
EQUALS(REFOLD_TIMING_TRANSFER, 5);

/* Functions */
TAKES(refold_version, const char *(*)(void));
TAKES(refold_code_name, const char *(*)(refold_code));
TAKES(refold_options_new, refold_options *(*)(void));
TAKES(refold_options_new_from_env, refold_options *(*)(void));
TAKES(refold_options_free, void (*)(refold_options *));
TAKES(refold_options_set_api_key, void (*)(refold_options *, const char *, const char *));
TAKES(refold_options_set_session_token, void (*)(refold_options *, const char *));
TAKES(refold_options_set_base_url, void (*)(refold_options *, const char *));
TAKES(refold_options_set_timeout_ms, void (*)(refold_options *, uint64_t));
TAKES(refold_options_set_connect_timeout_ms, void (*)(refold_options *, uint64_t));
TAKES(refold_options_set_max_retries, void (*)(refold_options *, uint32_t));
TAKES(refold_options_set_max_response_bytes, void (*)(refold_options *, uint64_t));
TAKES(refold_options_set_poll_interval_ms, void (*)(refold_options *, uint64_t));
TAKES(refold_options_set_proxy, void (*)(refold_options *, const char *));
TAKES(refold_options_set_ca_file, void (*)(refold_options *, const char *));
TAKES(refold_options_set_ca_pem, void (*)(refold_options *, const char *, size_t));
TAKES(refold_options_set_user_agent, void (*)(refold_options *, const char *));
TAKES(refold_options_set_allow_plaintext, void (*)(refold_options *, bool));
TAKES(refold_options_set_header, void (*)(refold_options *, const char *, const char *));
TAKES(refold_options_set_log, void (*)(refold_options *, refold_log_level, refold_log_fn, void *));
TAKES(refold_client_new, refold_client *(*)(const refold_options *, refold_error **));
TAKES(refold_client_set_session_token, refold_code (*)(const refold_client *, const char *));
TAKES(refold_client_free, void (*)(refold_client *));
TAKES(refold_cancel_new, refold_cancel *(*)(void));
TAKES(refold_cancel_trigger, void (*)(refold_cancel *));
TAKES(refold_cancel_is_triggered, bool (*)(const refold_cancel *));
TAKES(refold_cancel_free, void (*)(refold_cancel *));
TAKES(refold_get_execution,
      refold_execution *(*)(const refold_client *, const char *, refold_cancel *, refold_error **));
TAKES(refold_wait_execution,
      refold_execution *(*)(const refold_client *, const char *, uint64_t, refold_progress_fn, void *,
                            refold_cancel *, refold_error **));
TAKES(refold_parse_execution, refold_execution *(*)(const char *, size_t, refold_error **));
TAKES(refold_queue_new, refold_queue *(*)(uint32_t, refold_error **));
TAKES(refold_queue_free, void (*)(refold_queue *));
TAKES(refold_queue_get_execution, bool (*)(refold_queue *, const refold_client *, const char *,
                                           refold_cancel *, void *, refold_error **));
TAKES(refold_queue_wait_execution, bool (*)(refold_queue *, const refold_client *, const char *, uint64_t,
                                            refold_cancel *, void *, refold_error **));
TAKES(refold_queue_next, refold_event *(*)(refold_queue *, int64_t));
TAKES(refold_queue_pending, size_t (*)(const refold_queue *));
TAKES(refold_queue_descriptor, intptr_t (*)(const refold_queue *));
TAKES(refold_queue_set_notify, void (*)(refold_queue *, refold_notify_fn, void *));
TAKES(refold_event_typeof, refold_event_type (*)(const refold_event *));
TAKES(refold_event_user_data, void *(*)(const refold_event *));
TAKES(refold_event_execution, const refold_execution *(*)(const refold_event *));
TAKES(refold_event_error, const refold_error *(*)(const refold_event *));
TAKES(refold_event_free, void (*)(refold_event *));
TAKES(refold_error_free, void (*)(refold_error *));
TAKES(refold_error_code, refold_code (*)(const refold_error *));
TAKES(refold_error_http_status, int32_t (*)(const refold_error *));
TAKES(refold_error_http_error_type, const char *(*)(const refold_error *));
TAKES(refold_error_api_code, const char *(*)(const refold_error *));
TAKES(refold_error_message, const char *(*)(const refold_error *));
TAKES(refold_error_request_id, const char *(*)(const refold_error *));
TAKES(refold_error_body, const char *(*)(const refold_error *, size_t *));
TAKES(refold_error_retry_after_ms, int64_t (*)(const refold_error *));
TAKES(refold_error_is_retryable, bool (*)(const refold_error *));
TAKES(refold_error_attempts, uint32_t (*)(const refold_error *));
TAKES(refold_error_cause, const refold_error *(*)(const refold_error *));
TAKES(refold_error_timing_us, int64_t (*)(const refold_error *, refold_timing));
TAKES(refold_state_is_final, bool (*)(refold_state));
TAKES(refold_state_is_failure, bool (*)(refold_state));
TAKES(refold_state_name, const char *(*)(refold_state));
TAKES(refold_execution_retain, refold_execution *(*)(const refold_execution *));
TAKES(refold_execution_free, void (*)(refold_execution *));
TAKES(refold_execution_id, const char *(*)(const refold_execution *));
TAKES(refold_execution_name, const char *(*)(const refold_execution *));
TAKES(refold_execution_org_id, const char *(*)(const refold_execution *));
TAKES(refold_execution_environment, const char *(*)(const refold_execution *));
TAKES(refold_execution_status, const char *(*)(const refold_execution *));
TAKES(refold_execution_state, refold_state (*)(const refold_execution *));
TAKES(refold_execution_completion_percentage, double (*)(const refold_execution *));
TAKES(refold_execution_config_id, const char *(*)(const refold_execution *));
TAKES(refold_execution_linked_account_id, const char *(*)(const refold_execution *));
TAKES(refold_execution_created_at, const char *(*)(const refold_execution *));
TAKES(refold_execution_updated_at, const char *(*)(const refold_execution *));
TAKES(refold_execution_node_count, size_t (*)(const refold_execution *));
TAKES(refold_execution_node, const refold_node *(*)(const refold_execution *, size_t));
TAKES(refold_execution_node_by_id, const refold_node *(*)(const refold_execution *, const char *));
TAKES(refold_execution_json, const refold_json *(*)(const refold_execution *));
TAKES(refold_execution_timing_us, int64_t (*)(const refold_execution *, refold_timing));
TAKES(refold_execution_attempts, uint32_t (*)(const refold_execution *));
TAKES(refold_execution_request_id, const char *(*)(const refold_execution *));
TAKES(refold_node_id, const char *(*)(const refold_node *));
TAKES(refold_node_name, const char *(*)(const refold_node *));
TAKES(refold_node_type, const char *(*)(const refold_node *));
TAKES(refold_node_status, const char *(*)(const refold_node *));
TAKES(refold_node_state, refold_state (*)(const refold_node *));
TAKES(refold_node_is_batch, bool (*)(const refold_node *));
TAKES(refold_node_attempts_made, int64_t (*)(const refold_node *));
TAKES(refold_node_maximum_attempts, int64_t (*)(const refold_node *));
TAKES(refold_node_execution_time_ms, int64_t (*)(const refold_node *));
TAKES(refold_node_latest_output, const refold_json *(*)(const refold_node *));
TAKES(refold_node_input_data, const refold_json *(*)(const refold_node *));
TAKES(refold_node_json, const refold_json *(*)(const refold_node *));
TAKES(refold_json_typeof, refold_json_type (*)(const refold_json *));
TAKES(refold_json_bool, bool (*)(const refold_json *));
TAKES(refold_json_int64, int64_t (*)(const refold_json *));
TAKES(refold_json_double, double (*)(const refold_json *));
TAKES(refold_json_string, const char *(*)(const refold_json *, size_t *));
TAKES(refold_json_length, size_t (*)(const refold_json *));
TAKES(refold_json_at, const refold_json *(*)(const refold_json *, size_t));
TAKES(refold_json_key_at, const char *(*)(const refold_json *, size_t, size_t *));
TAKES(refold_json_get, const refold_json *(*)(const refold_json *, const char *));
TAKES(refold_json_pointer, const refold_json *(*)(const refold_json *, const char *));
TAKES(refold_json_raw, const char *(*)(const refold_json *, size_t *));
TAKES(refold_json_text, const char *(*)(const refold_json *, size_t *));
