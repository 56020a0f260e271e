/* Forks where the kernel does not zero memory in children: emulators and sandboxes refuse the advice, or
 * accept and ignore it. A child notices its fork nevertheless, even with the process id of its parent. */
#define _GNU_SOURCE
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* The kernel --------------------------------------------------------------------------------------------- */

enum kernel { USUAL, IGNORES_IT, IGNORES_ALL_ADVICE, REFUSES_IT, KERNELS };

static const char *const kernel_names[] = {"the usual kernel", "ignores the advice", "ignores all advice",
                                           "refuses the advice"};

static enum kernel kernel;
static bool ids_are_equal; /* getpid() returns the same id in all processes */

int madvise(void *address, size_t length, int advice) {
    if (kernel == IGNORES_ALL_ADVICE || (kernel == IGNORES_IT && advice == MADV_WIPEONFORK))
        return 0;
    if (kernel == REFUSES_IT && advice == MADV_WIPEONFORK)
        return -1;
    return (int)syscall(SYS_madvise, address, length, advice);
}

pid_t getpid(void) { return ids_are_equal ? 1 : (pid_t)syscall(SYS_getpid); }

/* Children ----------------------------------------------------------------------------------------------- */

enum { CHILD_SECONDS = 20 };

typedef int child_function(const char *url);

static int status_of_child(child_function *work, const char *url) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)(CHILD_SECONDS * check_patience()));
        close_all_owned();
        _exit(work(url));
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static refold_client *client;
static refold_cancel *cancel;

static bool gets(const char *id) {
    refold_execution *execution = refold_get_execution(client, id, cancel, NULL);
    bool has_got = refold_execution_state(execution) == REFOLD_STATE_COMPLETED;
    refold_execution_free(execution);
    return has_got;
}

static int use_as_grandchild(const char *unused) {
    (void)unused;
    return gets("grandchild") ? 0 : 1;
}

static int use_as_child(const char *unused) {
    (void)unused;
    if (!gets("child"))
        return 2;
    int status = status_of_child(use_as_grandchild, NULL);
    if (status != 0 || !gets("child"))
        return 10 + status;
    refold_cancel_trigger(cancel);
    refold_client_free(client);
    return refold_cancel_is_triggered(cancel) ? 0 : 3;
}

/* The first process to use the library, as it asks the kernel only once. */
static int use_as_parent(const char *url) {
    client = client_of(test_options(url));
    cancel = refold_cancel_new();
    if (client == NULL || !gets("parent"))
        return 4;
    int status = status_of_child(use_as_child, NULL);
    if (status != 0)
        return 20 + status;
    /* Neither the connection nor the token was the child's to use. */
    if (refold_cancel_is_triggered(cancel) || !gets("parent"))
        return 5;
    refold_cancel_free(cancel);
    refold_client_free(client);
    return 0;
}

/* Each process uses a connection of its own, for both of its calls. */
TEST(children_notice_forks_that_the_kernel_conceals) {
    for (int i = 0; i < 2 * KERNELS; i++) {
        kernel = (enum kernel)(i / 2);
        ids_are_equal = i % 2 == 1;
        check_case("%s%s", kernel_names[kernel], ids_are_equal ? ", same number" : "");
        struct server *server = serve_body(COMPLETED);
        CHECK_INT(status_of_child(use_as_parent, server_url(server)), 0);
        CHECK_INT(server_requests(server), 5);
        CHECK_INT(server_connections(server), 3);
        static const char *const owners[] = {"parent", "child", "grandchild", "child", "parent"};
        static const size_t connections[] = {0, 1, 2, 1, 0};
        for (size_t request = 0; request < server_requests(server) && request < COUNT(owners); request++) {
            CHECK_CONTAINS(head_line(server_head(server, request)), owners[request]);
            CHECK_INT(server_request_connection(server, request), connections[request]);
        }
        server_stop(server);
    }
    kernel = USUAL;
    ids_are_equal = false;
}
