#define _GNU_SOURCE
#include "client.h"
#include "logs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

refold_options *test_options(const char *base_url) {
    refold_options *options = refold_options_new();
    refold_options_set_api_key(options, TEST_KEY, TEST_ACCOUNT);
    refold_options_set_base_url(options, base_url);
    refold_options_set_max_retries(options, 0);
    refold_options_set_timeout_ms(options, 20000 * (uint64_t)check_patience());
    check_log(options);
    return options;
}

refold_client *client_of(refold_options *options) {
    refold_error *error = UNREAD_ERROR;
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (client == NULL)
        FAIL("no client: %s", refold_error_message(error));
    else
        CHECK(error == NULL);
    refold_error_free(error);
    return client;
}

refold_client *client_to(struct server *server) { return client_of(test_options(server_url(server))); }

refold_client *trusting_client(struct server *server) {
    refold_options *options = test_options(server_url(server));
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    return client_of(options);
}

refold_execution *get(const refold_client *client, refold_error **error) {
    if (error != NULL)
        *error = UNREAD_ERROR;
    refold_execution *execution = refold_get_execution(client, TEST_ID, NULL, error);
    if (error != NULL)
        CHECK((execution == NULL) == (*error != NULL));
    return execution;
}

refold_execution *must_get(const refold_client *client) {
    refold_error *error;
    refold_execution *execution = get(client, &error);
    CHECK_STR(error == NULL ? NULL : refold_error_message(error), NULL);
    refold_error_free(error);
    return execution;
}

void must_complete(refold_client *client) {
    refold_execution *execution = must_get(client);
    CHECK_STR(refold_execution_status(execution), "COMPLETED");
    refold_execution_free(execution);
    refold_client_free(client);
}

refold_code get_code(const refold_client *client) {
    refold_error *error;
    refold_execution_free(get(client, &error));
    refold_code code = refold_error_code(error);
    refold_error_free(error);
    return code;
}

refold_error *client_error(refold_options *options) {
    refold_error *error = UNREAD_ERROR;
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (client != NULL)
        FAIL("a client was created");
    CHECK((client == NULL) == (error != NULL));
    refold_client_free(client);
    return error;
}

bool check_error(const refold_error *error, refold_code code, const char *part, const char *file, int line) {
    if (!check_true(error != NULL, file, line, "there is an error"))
        return false;
    const char *message = refold_error_message(error);
    if (refold_error_code(error) != code)
        return check_fail(file, line, "the code is %d (%s), wanted %d", refold_error_code(error), message,
                          code);
    if (message[0] == '\0' || !is_utf8(message))
        return check_fail(file, line, "the message is empty or not UTF-8");
    return part == NULL || check_contains(message, part, true, file, line, "message");
}

/* The length of the UTF-8 sequence that starts with this byte; 0: invalid. */
static int sequence_length(unsigned char first) {
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first < 0xe0)
        return 2;
    if (first >= 0xe0 && first < 0xf0)
        return 3;
    return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

bool is_utf8(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0') {
        int length = sequence_length(*at);
        bool malformed = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
                         (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f);
        if (length == 0 || malformed)
            return false;
        for (int i = 1; i < length; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        at += length;
    }
    return true;
}

char *text_of(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    return text;
}

char *repeated(const char *part, size_t count) {
    size_t length = strlen(part);
    char *text = malloc(count * length + 1);
    if (text == NULL)
        abort();
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, part, length);
    text[count * length] = '\0';
    return text;
}

refold_execution *parsed(const char *json) {
    refold_error *error = UNREAD_ERROR;
    refold_execution *execution = refold_parse_execution(json, strlen(json), &error);
    if (execution == NULL)
        FAIL("not parsed: %s", refold_error_message(error));
    else
        CHECK(error == NULL);
    refold_error_free(error);
    return execution;
}
