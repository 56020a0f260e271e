/* Calls in a process that runs out of memory. Not for valgrind or sanitizers, which do not survive the memory
 * limit. */
#define _GNU_SOURCE
#include "client.h"
#include "logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a forked child: limits its memory to `more` bytes above what it uses, makes a call, and exits with 0 if
 * the error is INVALID_RESPONSE or RESOURCE. */
static void call_out_of_memory(refold_client *client, int64_t more) {
    struct rlimit limit;
    long pages = 0;
    FILE *about = fopen("/proc/self/statm", "r");
    alarm((unsigned)(30 * check_patience()));
    close_all_owned();
    if (about == NULL || fscanf(about, "%ld", &pages) != 1 || fclose(about) != 0)
        _exit(2);
    limit.rlim_cur = limit.rlim_max = (rlim_t)(pages * sysconf(_SC_PAGESIZE) + more);
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(3);
    refold_code code = get_code(client);
    _exit(code == REFOLD_ERROR_INVALID_RESPONSE || code == REFOLD_ERROR_RESOURCE ? 0 : 4);
}

/* Forks a child whose standard error is the file. */
static pid_t fork_into(FILE *errors, refold_client *client, int64_t more) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(fileno(errors), STDERR_FILENO);
        call_out_of_memory(client, more);
    }
    return child;
}

/* A large response without an execution must not abort the process or make it print, however little memory is
 * left to describe the problem. */
TEST(huge_nonsense_in_little_memory_does_not_abort) {
    enum { LARGE = 60000000, TEXTS = 4 };
    static const struct {
        const char *name, *part;
    } texts[TEXTS] = {{"[", "["},
                      {"the key", "text " TEST_KEY "\n"},
                      {"strings with the key", "\"" TEST_KEY "\","},
                      {"values of a header field", "text " TEST_HEADER_VALUE "\n"}};
    static const int64_t headroom_bytes[] = {70000000, 100000000, 140000000, 300000000};
    for (size_t i = 0; i < TEXTS * COUNT(headroom_bytes); i++) {
        const char *part = texts[i / COUNT(headroom_bytes)].part;
        int64_t more = headroom_bytes[i % COUNT(headroom_bytes)];
        char *body = repeated(part, LARGE / strlen(part));
        struct server *server = serve_body(body);
        refold_options *options = test_options(server_url(server));
        refold_options_set_header(options, "X-Custom", TEST_HEADER_VALUE);
        refold_client *client = client_of(options);
        FILE *errors = tmpfile();
        REQUIRE(errors != NULL);
        check_case("%s, %d MB more", texts[i / COUNT(headroom_bytes)].name, (int)(more / 1000000));
        int status = -1;
        pid_t child = fork_into(errors, client, more);
        CHECK_INT(waitpid(child, &status, 0), child);
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 0);
        CHECK_INT(lseek(fileno(errors), 0, SEEK_END), 0);
        fclose(errors);
        CHECK_INT(server_requests(server), 1);
        refold_client_free(client);
        server_stop(server);
        free(body);
    }
}
