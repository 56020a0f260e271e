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
 * check.c brings `main`: it runs the program's tests in the order of the file, or only those named as
 * arguments, prints `ok NAME` or `FAIL NAME: ...` and at the end `N passed, M failed`. The exit status is 1
 * when a test failed or none ran. Only standard output is written, so whatever stands on standard error came
 * from elsewhere.
 *
 * Every check may be made on any thread. A failing CHECK is noted and the test goes on; a failing REQUIRE
 * returns from the function it stands in. A test that takes longer than its limit (300 s, see check_limit)
 * ends the program as failed.
 *
 * Before the first test the environment loses every variable that a library may read: REFOLD_*, *_PROXY in
 * both cases and SSL_CERT_*.
 *
 * CHECK_SANITIZED is defined where the program is built with a sanitizer: the number of threads that this
 * runs.
 *
 * CHECK_PATIENCE=N in the environment (default 1) stretches every upper bound on time, for runs under
 * valgrind, of which CHECK_VALGRIND=1 tells.
 */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* Names the row of a table that the checks after it belong to, on this thread; NULL: none. It starts empty
 * with each test. */
void check_case(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Each gives true when it held. */
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
/* Equal, both infinite with the same sign, or both not a number. */
#define CHECK_DOUBLE(got, want) check_double((got), (want), __FILE__, __LINE__, #got)
/* NULL equals NULL and nothing else. */
#define CHECK_STR(got, want) check_str((got), (want), __FILE__, __LINE__, #got)
#define CHECK_CONTAINS(got, part) check_contains((got), (part), true, __FILE__, __LINE__, #got)
#define CHECK_LACKS(got, part) check_contains((got), (part), false, __FILE__, __LINE__, #got)
#define CHECK_BYTES(got, got_length, want, want_length)                                                      \
    check_bytes((got), (got_length), (want), (want_length), __FILE__, __LINE__, #got)
#define CHECK_BETWEEN(got, low, high)                                                                        \
    check_between((int64_t)(got), (int64_t)(low), (int64_t)(high), __FILE__, __LINE__, #got)
/* A measured time: the upper bound is stretched by the patience. */
#define CHECK_TIME(milliseconds, low, high)                                                                  \
    check_between((int64_t)(milliseconds), (int64_t)(low), (int64_t)(high)*check_patience(), __FILE__,       \
                  __LINE__, #milliseconds)
#define FAIL(...) check_fail(__FILE__, __LINE__, __VA_ARGS__)

/* An upper bound on time that a busy machine may miss by chance: it has to hold in one of a few tries, and
 * all else that is checked in each of them.
 *
 *     struct tries tries = {.max_ms = 50};
 *     while (CHECK_AGAIN(tries))
 *         tries.us = microseconds_of_a_call();
 */
struct timing {
    int64_t max_ms; /* stretched by the patience */
    int allowed;    /* 0: 5 */
    int64_t us;     /* what this try took */
    int made;       /* before this one */
    bool has_begun;
    int64_t best_us;
    bool has_missed;
    char missed[200]; /* why this try does not count */
};
/* This try did not come to what is timed, and so does not count; the text says more. */
void check_missed(struct timing *timing, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fails where the bound has held in none. */
bool check_again(struct timing *timing, const char *file, int line);
#define CHECK_AGAIN(timing) check_again(&(timing), __FILE__, __LINE__)

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!CHECK(condition))                                                                               \
            return;                                                                                          \
    } while (0)

/* The running test may take this many seconds (times the patience) from now on. */
void check_limit(int seconds);
int check_patience(void);
/* Is this a run under valgrind or another slow tool (patience above 1)? Sizes may then be chosen smaller. */
bool check_is_slow(void);
/* Is it valgrind, by far the slowest? Of many cases that are alike some may then do. */
bool check_in_valgrind(void);

/* The state of the process. Threads and descriptors of the support library itself (servers, watchdog) are
 * left out, so that a difference is the doing of the code under test. */
int64_t now_ms(void); /* monotonic */
int64_t now_us(void);
int thread_count(void);
/* Waits until there are at most so many threads: a joined thread is gone for its process a moment before it
 * is gone for the kernel, which no event tells. */
bool await_threads(int count, int64_t limit_ms);
int descriptor_count(void);
int64_t resident_bytes(void);

/* The number of elements of an array. */
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Runs work(data) on a thread of its own with this many bytes of stack, and waits for it. */
void run_on_stack(size_t stack_bytes, void (*work)(void *data), void *data);

/* Runs work(data) on `count` threads (64 at most) that start together, and waits for them all. `data` is the
 * base of an array of elements of `size` bytes, one a thread; size 0 hands the same pointer to all. */
void run_on_threads(int count, void (*work)(void *data), void *data, size_t size);

/* A switch that one thread throws and others wait for: an event, where a sleep would guess. */
struct event;
struct event *event_new(void);
void event_free(struct event *event);
void event_add(struct event *event, int amount);
/* Waits until at least `count` have been added; false after the time limit (stretched by the patience). */
bool event_await(struct event *event, int count, int64_t limit_ms);
int event_count(struct event *event);

/* Pauses the calling thread. For tests whose subject is time itself. */
void pause_ms(int64_t milliseconds);

/* For the support library: conditions that wait by the clock of now_ms(). */
void condition_init(pthread_cond_t *condition);
/* Gives false when it is `until_ms`. */
bool condition_await(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ms);

/* For the support library: marks its own threads and descriptors. */
void own_thread(void);
int own_descriptor(int descriptor);
/* Runs take(data), which opens a descriptor, and marks it before anybody counts. */
int open_owned(int (*open)(void *data), void *data);
void close_owned(int descriptor);
/* In a forked child: closes what the parent's servers had open, so that the child holds none of their
 * connections. */
void close_all_owned(void);

#ifdef __cplusplus
}
#endif

#endif
