/* `READER FILE CALLS`: parses the execution in the file CALLS times from memory. Prints the median CPU time
 * of one call in us, and the checksum. Each call gets a fresh copy of the text, as if it had just arrived;
 * making the copy is not timed. */
#include "measure.h"
#include "peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: %s FILE CALLS\n", arguments[0]);
        return 2;
    }
    size_t length, calls = number_of(arguments[2]);
    char *text = read_file(arguments[1], PADDING, &length);
    char *copy = allocate(length + PADDING);
    uint64_t *times = allocate((calls + 1) * sizeof *times);
    uint64_t sum = 0;
    for (size_t call = 0; call < calls; call++) {
        memcpy(copy, text, length + PADDING);
        uint64_t before = processor_time();
        sum = 0;
        if (!read_execution(copy, length, &sum))
            return 1;
        times[call] = processor_time() - before;
    }
    if (calls > 0)
        printf("%.1f %016" PRIx64 "\n", (double)median(times, calls) / 1e3, sum);
    free(times);
    free(copy);
    free(text);
    return 0;
}
