/* A set-uid or set-gid process ignores its environment. The kernel marks such processes with AT_SECURE; this
 * program replaces the function through which the library reads it. */
#define _GNU_SOURCE
#include "client.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

static atomic_bool is_privileged;
static atomic_int lookups;

unsigned long getauxval(unsigned long type) {
    static unsigned long (*real)(unsigned long);
    if (type == AT_SECURE) {
        lookups++;
        return is_privileged;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getauxval");
    return real(type);
}

/* Sets an unusable value: reading it fails. */
static void poison(const char *name) { setenv(name, "\n", 1); }

/* This must be the first test, because the system's roots are loaded once. */
TEST(proxy_and_root_variables_are_ignored_with_privileges) {
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY",   "all_proxy",   "ALL_PROXY",
                                        "no_proxy",    "SSL_CERT_FILE", "SSL_CERT_DIR"};
    for (size_t i = 0; i < COUNT(names); i++)
        poison(names[i]);
    is_privileged = true;
    refold_client_free(client_of(test_options("https://app.refold.invalid")));
    is_privileged = false;
    EXPECT_ERROR(client_error(test_options("https://app.refold.invalid")), REFOLD_ERROR_INVALID_ARGUMENT,
                 NULL);
    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
}

TEST(credential_variables_are_ignored_with_privileges) {
    setenv("REFOLD_API_KEY", "key", 1);
    setenv("REFOLD_LINKED_ACCOUNT_ID", "account", 1);
    is_privileged = true;
    EXPECT_ERROR(client_error(refold_options_new_from_env()), REFOLD_ERROR_INVALID_ARGUMENT,
                 "credentials are missing");
    CHECK(lookups > 0);
    is_privileged = false;
    refold_client_free(client_of(refold_options_new_from_env()));
    unsetenv("REFOLD_API_KEY");
    unsetenv("REFOLD_LINKED_ACCOUNT_ID");
}

/* Makes a call with options from the environment; returns how many bytes it wrote to standard error. */
static long bytes_logged(struct server *server) {
    FILE *errors = tmpfile();
    int before = dup(STDERR_FILENO);
    if (errors == NULL || before < 0)
        abort();
    dup2(fileno(errors), STDERR_FILENO);
    refold_options *options = refold_options_new_from_env();
    refold_options_set_api_key(options, TEST_KEY, TEST_ACCOUNT);
    refold_options_set_base_url(options, server_url(server));
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    dup2(before, STDERR_FILENO);
    close(before);
    long length = lseek(fileno(errors), 0, SEEK_END);
    fclose(errors);
    return length;
}

TEST(the_log_variable_is_ignored_with_privileges) {
    struct server *server = serve_body(COMPLETED);
    setenv("REFOLD_LOG", "debug", 1);
    is_privileged = true;
    CHECK_INT(bytes_logged(server), 0);
    is_privileged = false;
    CHECK(bytes_logged(server) > 0);
    poison("REFOLD_LOG");
    is_privileged = true;
    CHECK_INT(bytes_logged(server), 0);
    is_privileged = false;
    refold_options *options = refold_options_new_from_env();
    refold_options_set_api_key(options, TEST_KEY, TEST_ACCOUNT);
    EXPECT_ERROR(client_error(options), REFOLD_ERROR_INVALID_ARGUMENT, "REFOLD_LOG");
    unsetenv("REFOLD_LOG");
    server_stop(server);
}
