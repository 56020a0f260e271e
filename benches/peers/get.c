/* `CLIENT URL ID WARM CALLS [CA_FILE]`: gets the execution CALLS times on one connection, after WARM warm-up
 * calls for the small one. Prints the median wall time and the CPU time of a call in us, the peak memory in
 * kB, and the checksum. */
#include "measure.h"
#include "peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    if (count < 5 || count > 6) {
        fprintf(stderr, "usage: %s URL ID WARM CALLS [CA_FILE]\n", arguments[0]);
        return 2;
    }
    size_t warm = number_of(arguments[3]), calls = number_of(arguments[4]);
    struct client *client = client_open(arguments[1], count == 6 ? arguments[5] : NULL);
    if (client == NULL)
        return 1;
    uint64_t sum = 0;
    while (warm-- > 0)
        if (!client_get(client, "small", &sum))
            return 1;
    uint64_t *times = allocate((calls + 1) * sizeof *times);
    uint64_t processor_before = processor_time();
    for (size_t call = 0; call < calls; call++) {
        uint64_t before = wall_time();
        sum = 0;
        if (!client_get(client, arguments[2], &sum))
            return 1;
        times[call] = wall_time() - before;
    }
    uint64_t processor = processor_time() - processor_before;
    client_close(client);
    if (calls > 0)
        printf("%.1f %.1f %ld %016" PRIx64 "\n", (double)median(times, calls) / 1e3,
               (double)processor / 1e3 / (double)calls, peak_memory(), sum);
    free(times);
    return 0;
}
