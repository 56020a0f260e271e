/* `spawn TIMES COMMAND...`: prints the median wall time of the command in us, from its start as a process to
 * its end. Its output is discarded. */
#define _GNU_SOURCE
#include "peers/measure.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: spawn TIMES COMMAND...\n");
        return 2;
    }
    size_t rounds = number_of(arguments[1]);
    uint64_t *times = allocate((rounds + 1) * sizeof *times);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    for (size_t round = 0; round < rounds; round++) {
        pid_t child;
        int status;
        uint64_t before = wall_time();
        if (posix_spawn(&child, arguments[2], &quiet, NULL, arguments + 2, environ) != 0 ||
            waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "spawn: %s failed\n", arguments[2]);
            return 1;
        }
        times[round] = wall_time() - before;
    }
    printf("%.1f\n", (double)median(times, rounds) / 1e3);
    posix_spawn_file_actions_destroy(&quiet);
    free(times);
    return 0;
}
