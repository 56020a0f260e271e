/* What most tests of the library need: options and clients that talk to a scripted server, and checks of
 * errors. */
#ifndef CLIENT_H
#define CLIENT_H

#include "check.h"
#include "server.h"
#include <refold.h>

#define TEST_KEY "tk_the-key-of-the-tests"
#define TEST_ACCOUNT "someone@example.com"
#define TEST_TOKEN "header.the-token-of-the-tests.signature"
#define TEST_ID "6a106ba44480b80424a65289"

/* The smallest execution there is, and one that runs. */
#define COMPLETED "{\"status\": \"COMPLETED\"}"
#define RUNNING "{\"status\": \"RUNNING\"}"

/* With key and account, this base URL (NULL: the default), no retries, and 20 s to answer (times the
 * patience). */
refold_options *test_options(const char *base_url);
/* The client of these options, which are freed; a failure is a failed check, and NULL. */
refold_client *client_of(refold_options *options);
refold_client *client_to(struct server *server); /* client_of(test_options(server_url(server))) */

/* The client trusts the authority that has signed the certificate "good" of the tests' servers. */
refold_client *trusting_client(struct server *server);

/* Gets TEST_ID: the execution, or NULL and the error. The same with the pointer given as the rule wants it:
 * set before. */
refold_execution *get(const refold_client *client, refold_error **error);
/* The same, where it must go well: a failed check otherwise. */
refold_execution *must_get(const refold_client *client);
/* One call of this client, which has to give COMPLETED; frees the client. */
void must_complete(refold_client *client);
/* Gets, frees what came, and gives the code. */
refold_code get_code(const refold_client *client);

/* Makes a client of these options, which are freed, expecting a failure: gives the error (a failed check and
 * NULL when a client came about). */
refold_error *client_error(refold_options *options);

/* The error is there, has this code, and its message is UTF-8, not empty, and holds `part` (NULL: whatever).
 */
bool check_error(const refold_error *error, refold_code code, const char *part, const char *file, int line);
#define CHECK_ERROR(error, code, part) check_error((error), (code), (part), __FILE__, __LINE__)
/* The same, and frees the error. */
#define EXPECT_ERROR(error, code, part)                                                                      \
    do {                                                                                                     \
        refold_error *expected_ = (error);                                                                   \
        check_error(expected_, (code), (part), __FILE__, __LINE__);                                          \
        refold_error_free(expected_);                                                                        \
    } while (0)

bool is_utf8(const char *text);

/* A pointer that no function may read: what stands in *error before a call. */
#define UNREAD_ERROR ((refold_error *)(uintptr_t)0x5a5a)

/* Text of any length, made with printf's formats; to be freed. */
char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* `count` times the same; to be freed. */
char *repeated(const char *part, size_t count);

/* Parses a text that must be an execution: a failed check and NULL otherwise. */
refold_execution *parsed(const char *json);

#endif
