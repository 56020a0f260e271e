/* Shared by most tests of the library: options and clients for a scripted server, and checks of errors. */
#ifndef CLIENT_H
#define CLIENT_H

#include "check.h"
#include "server.h"
#include <refold.h>

#define TEST_KEY "tk_the-key-of-the-tests"
#define TEST_ACCOUNT "someone@example.com"
#define TEST_TOKEN "header.the-token-of-the-tests.signature"
#define TEST_ID "6a106ba44480b80424a65289"

/* Minimal executions. */
#define COMPLETED "{\"status\": \"COMPLETED\"}"
#define RUNNING "{\"status\": \"RUNNING\"}"

/* Options with TEST_KEY and TEST_ACCOUNT, this base URL (NULL: the default), no retries, and a timeout of 20
 * s (times the patience). The log is checked: see check_log(). */
refold_options *test_options(const char *base_url);
/* Creates a client and frees the options. On failure, fails the test and returns NULL. */
refold_client *client_of(refold_options *options);
refold_client *client_to(struct server *server); /* client_of(test_options(server_url(server))) */

/* Like client_to(); the client trusts the authority that signed the certificate "good". */
refold_client *trusting_client(struct server *server);

/* Gets TEST_ID. Returns the execution, or NULL with `*error` set; checks that exactly one of them is set. */
refold_execution *get(const refold_client *client, refold_error **error);
/* Like get(); fails the test if the call fails. */
refold_execution *must_get(const refold_client *client);
/* Makes one call, which must return COMPLETED, and frees the client. */
void must_complete(refold_client *client);
/* Makes one call and returns its code. */
refold_code get_code(const refold_client *client);

/* Expects that creating a client fails: returns the error, and frees the options. Fails the test if a client
 * is created. */
refold_error *client_error(refold_options *options);

/* Checks that the error exists, has this code, and has a non-empty UTF-8 message that contains `part` (NULL:
 * any message). */
bool check_error(const refold_error *error, refold_code code, const char *part, const char *file, int line);
#define CHECK_ERROR(error, code, part) check_error((error), (code), (part), __FILE__, __LINE__)
/* Like CHECK_ERROR, and frees the error. */
#define EXPECT_ERROR(error, code, part)                                                                      \
    do {                                                                                                     \
        refold_error *expected_ = (error);                                                                   \
        check_error(expected_, (code), (part), __FILE__, __LINE__);                                          \
        refold_error_free(expected_);                                                                        \
    } while (0)

bool is_utf8(const char *text);

/* An invalid pointer, stored in *error before a call: no function may read it. */
#define UNREAD_ERROR ((refold_error *)(uintptr_t)0x5a5a)

/* printf to a new string, freed by the caller. */
char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* `part` repeated `count` times, freed by the caller. */
char *repeated(const char *part, size_t count);

/* Parses an execution. On failure, fails the test and returns NULL. */
refold_execution *parsed(const char *json);

#endif
