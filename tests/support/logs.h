/* The log of the library: a callback that keeps its lines, and one that checks them in all other tests. */
#ifndef LOGS_H
#define LOGS_H

#include <refold.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A custom header value, for tests that send one. Like all secrets of the tests, no line may have it. */
#define TEST_HEADER_VALUE "value-of-a-custom-header"

/* Sets a DEBUG log whose callback fails the test if a line has a secret or a control character, or is not
 * valid in another way. Does so only if CHECK_LOG is 1 in the environment; run_c.sh sets it, except for
 * valgrind and AddressSanitizer. */
void check_log(refold_options *options);

struct log;

/* Collects what the clients of these options log; lines are checked like those of check_log(). Free it after
 * the clients. */
struct log *log_start(refold_options *options, refold_log_level level);
void log_free(struct log *log);
/* The callback that log_start() sets, with the log as its user data. */
void log_collect(refold_log_level level, const char *message, void *log);
/* The number of lines so far. */
size_t log_count(struct log *log);
/* A line as it came, and its level. The line is valid until log_clear(); NULL: no such line. */
const char *log_line(struct log *log, size_t index);
refold_log_level log_level(struct log *log, size_t index);
/* The first line with this part, in the order of the lines; NULL: none. */
const char *log_find(struct log *log, const char *part);
/* The number of lines with this part. */
size_t log_matches(struct log *log, const char *part);
void log_clear(struct log *log);

/* What is left of a line once everything that changes from run to run is replaced: the numbers of calls and
 * connections count from those of the first line that has one, "call 1 connection 2", and each time in
 * milliseconds with its three digits is "T". The level precedes it: "DEBUG call 1 +T ms: reused". Valid
 * until log_clear(); NULL: no such line. */
const char *log_normalized(struct log *log, size_t index);

/* Checks that the normalized lines are these, up to a final NULL. */
bool check_lines(struct log *log, const char *file, int line, ...) __attribute__((sentinel));
#define CHECK_LINES(log, ...) check_lines((log), __FILE__, __LINE__, __VA_ARGS__, (const char *)NULL)

#ifdef __cplusplus
}
#endif

#endif
