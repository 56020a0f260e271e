/* `step COMMAND...`: runs the command, and prints how many instructions its main thread executes. It executes
 * them one by one, so this is slow, but works for any instruction, unlike an emulator. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(char **command) {
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDOUT_FILENO) < 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        return 127;
    execvp(command[0], command);
    return 127;
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: %s COMMAND...\n", arguments[0]);
        return 2;
    }
    pid_t child = fork();
    if (child == 0)
        _exit(run(arguments + 1));
    uint64_t steps = 0;
    int status = -1;
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        int signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, (void *)(intptr_t)signal) != 0)
            break;
        steps++;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "step: %s failed\n", arguments[1]);
        return 1;
    }
    printf("%" PRIu64 "\n", steps);
    return 0;
}
