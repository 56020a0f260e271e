/* A small harness for test programs.
 *
 *     #include "check.h"
 *
 *     TEST(an_id_is_kept) {
 *         char *id = strdup("one");
 *         REQUIRE(id != NULL);
 *         CHECK_STR(id, "one");
 *         free(id);
 *     }
 *
 * check.c defines `main`. It runs the tests in the order of the file, or only those given as arguments. It
 * prints `ok NAME` or `FAIL NAME: ...` for each, then `N passed, M failed`, and exits with status 1 if a test
 * failed or none ran. It writes to standard output only, so any text on standard error has another source.
 *
 * Checks may be made on any thread. A failing CHECK is reported and the test continues; a failing REQUIRE
 * also returns from the enclosing function. A test that exceeds its time limit (300 s, see check_limit) ends
 * the program as failed.
 *
 * Before the first test, every variable that the library reads is removed from the environment: REFOLD_*,
 * *_PROXY and *_proxy, and SSL_CERT_*.
 *
 * CHECK_SANITIZED is defined in builds with a sanitizer, as the number of threads that the sanitizer runs.
 *
 * In the environment, CHECK_PATIENCE=N (default 1) multiplies every upper bound on time, for slow tools, and
 * CHECK_VALGRIND=1 is set under valgrind.
 */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#ifdef __cplusplus
extern "C" {
#endif

struct check_test {
    const char *name;
    void (*run)(void);
    struct check_test *next;
};

void check_register(struct check_test *test);

#define TEST(name)                                                                                           \
    static void test_##name(void);                                                                           \
    static struct check_test test_entry_##name = {#name, test_##name, NULL};                                 \
    __attribute__((constructor)) static void test_register_##name(void) {                                    \
        check_register(&test_entry_##name);                                                                  \
    }                                                                                                        \
    static void test_##name(void)

/* Names the table row that later checks on this thread belong to, for their reports; NULL: none. Each test
 * starts without one. */
void check_case(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Each returns whether the check held. */
bool check_true(bool held, const char *file, int line, const char *expression);
bool check_int(int64_t got, int64_t want, const char *file, int line, const char *expression);
bool check_double(double got, double want, const char *file, int line, const char *expression);
bool check_str(const char *got, const char *want, const char *file, int line, const char *expression);
bool check_contains(const char *got, const char *part, bool wanted, const char *file, int line,
                    const char *expression);
bool check_bytes(const void *got, size_t got_length, const void *want, size_t want_length, const char *file,
                 int line, const char *expression);
bool check_between(int64_t got, int64_t low, int64_t high, const char *file, int line,
                   const char *expression);
bool check_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define CHECK(condition) check_true((condition), __FILE__, __LINE__, #condition)
#define CHECK_INT(got, want) check_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, #got)
/* Equal, or both not a number. */
#define CHECK_DOUBLE(got, want) check_double((got), (want), __FILE__, __LINE__, #got)
/* NULL equals only NULL. */
#define CHECK_STR(got, want) check_str((got), (want), __FILE__, __LINE__, #got)
#define CHECK_CONTAINS(got, part) check_contains((got), (part), true, __FILE__, __LINE__, #got)
#define CHECK_LACKS(got, part) check_contains((got), (part), false, __FILE__, __LINE__, #got)
#define CHECK_BYTES(got, got_length, want, want_length)                                                      \
    check_bytes((got), (got_length), (want), (want_length), __FILE__, __LINE__, #got)
#define CHECK_BETWEEN(got, low, high)                                                                        \
    check_between((int64_t)(got), (int64_t)(low), (int64_t)(high), __FILE__, __LINE__, #got)
/* For measured times: the upper bound is multiplied by the patience. */
#define CHECK_TIME(milliseconds, low, high)                                                                  \
    check_between((int64_t)(milliseconds), (int64_t)(low), (int64_t)(high)*check_patience(), __FILE__,       \
                  __LINE__, #milliseconds)
#define FAIL(...) check_fail(__FILE__, __LINE__, __VA_ARGS__)

/* An upper bound on time that a busy machine may exceed by chance: it has to hold in one of a few attempts.
 * All other checks have to hold in every attempt.
 *
 *     struct timing timing = {.max_ms = 50};
 *     while (CHECK_AGAIN(timing))
 *         timing.us = microseconds_of_a_call();
 */
struct timing {
    int64_t max_ms; /* multiplied by the patience */
    int allowed;    /* attempts; 0: 5 */
    int64_t us;     /* set by the test: how long this attempt took */
    int made;       /* attempts before this one */
    bool has_begun;
    int64_t best_us;
    bool has_missed;
    char missed[200]; /* why this attempt does not count */
};
/* Discards this attempt, because it did not reach the operation to be timed; the text explains why. */
void check_missed(struct timing *timing, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Returns whether another attempt is needed. Fails the test if the bound held in none of those allowed. */
bool check_again(struct timing *timing, const char *file, int line);
#define CHECK_AGAIN(timing) check_again(&(timing), __FILE__, __LINE__)

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!CHECK(condition))                                                                               \
            return;                                                                                          \
    } while (0)

/* Allows the running test this many seconds (times the patience) from now on. */
void check_limit(int seconds);
int check_patience(void);
/* Whether a slow tool runs the program (patience above 1). Tests may then choose smaller sizes. */
bool check_is_slow(void);
/* Whether this is valgrind, by far the slowest. Tests may then skip some of many similar cases. */
bool check_in_valgrind(void);

/* The state of the process. Threads and descriptors of the test support (servers, watchdog) are not counted,
 * so that any difference comes from the code under test. */
int64_t now_ms(void); /* monotonic */
int64_t now_us(void);
int thread_count(void);
/* Waits until at most `count` threads exist. The kernel removes a thread slightly after pthread_join()
 * returns and reports no event for it. */
bool await_threads(int count, int64_t limit_ms);
int descriptor_count(void);
/* Lowers the limit so that only `count` more descriptors can be opened; returns the previous limit. */
struct rlimit leave_descriptors(int count);
int64_t resident_bytes(void);

/* Sends SIGUSR1 to the calling thread every millisecond, until the sender is stopped. */
struct sender;
struct sender *sender_start(void);
void sender_stop(struct sender *sender);

/* The number of elements of an array. */
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Runs work(data) on a new thread with this many bytes of stack, and waits for it. */
void run_on_stack(size_t stack_bytes, void (*work)(void *data), void *data);

/* Runs work(data) on `count` threads (64 at most) that start together, and waits for all of them. Each thread
 * gets its element of the array `data`, whose elements have `size` bytes; with size 0, all get `data`. */
void run_on_threads(int count, void (*work)(void *data), void *data, size_t size);

/* A counter that threads can wait on, so that no test has to sleep and hope. */
struct event;
struct event *event_new(void);
void event_free(struct event *event);
void event_add(struct event *event, int amount);
/* Waits until the count is at least `count`; false after the time limit (times the patience). */
bool event_await(struct event *event, int count, int64_t limit_ms);
int event_count(struct event *event);

/* Suspends the calling thread. Only for tests whose subject is time. */
void pause_ms(int64_t milliseconds);

/* For the test support: conditions that wait by the clock of now_ms(). */
void condition_init(pthread_cond_t *condition);
/* Returns false once now_ms() has reached `until_ms`. */
bool condition_await(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ms);

/* For the test support: marks its own threads and descriptors. */
void own_thread(void);
int own_descriptor(int descriptor);
/* Marks the descriptor that open(data) returns, before any thread can count it. */
int open_owned(int (*open)(void *data), void *data);
void close_owned(int descriptor);
/* For a forked child: closes all marked descriptors, so that the child does not keep the connections of its
 * parent's servers open. */
void close_all_owned(void);

#ifdef __cplusplus
}
#endif

#endif
