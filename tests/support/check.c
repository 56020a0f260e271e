#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifdef CHECK_SANITIZED
#include <sanitizer/common_interface_defs.h>
enum { THREADS_OF_SANITIZER = CHECK_SANITIZED };
/* Starts the symbolizer, which keeps two descriptors. Else the first suppressed report starts it, within a
 * test. */
static void start_sanitizer(void) {
    char line[256];
    __sanitizer_symbolize_pc(__builtin_return_address(0), "%f", line, sizeof line);
}
#else
enum { THREADS_OF_SANITIZER = 0 };
static void start_sanitizer(void) {}
#endif

extern char **environ;

/* Failures ----------------------------------------------------------------------------------------------- */

static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *running = "(none)";
static int failures; /* of the running test */
static _Thread_local char row[160];
static _Thread_local const char *row_of = NULL;

void check_case(const char *format, ...) {
    row[0] = '\0';
    if (format == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row, sizeof row, format, arguments);
    va_end(arguments);
    row_of = running;
}

static bool report(const char *file, int line, const char *format, va_list arguments) {
    enum { SHOWN = 20 };
    const char *name = strrchr(file, '/');
    pthread_mutex_lock(&report_lock);
    failures++;
    if (failures <= SHOWN) {
        printf("FAIL %s: %s:%d: ", running, name == NULL ? file : name + 1, line);
        if (row[0] != '\0' && row_of == running)
            printf("[%s] ", row);
        vprintf(format, arguments);
        printf("\n");
    } else if (failures == SHOWN + 1) {
        printf("FAIL %s: more than %d checks\n", running, SHOWN);
    }
    fflush(stdout);
    pthread_mutex_unlock(&report_lock);
    return false;
}

bool check_fail(const char *file, int line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(file, line, format, arguments);
    va_end(arguments);
    return false;
}

/* A string as shown in reports: quoted, escaped and truncated. */
struct shown {
    char text[400];
};

static struct shown show(const char *bytes, size_t length) {
    struct shown shown = {{0}};
    size_t at = 0;
    if (bytes == NULL) {
        strcpy(shown.text, "NULL");
        return shown;
    }
    shown.text[at++] = '"';
    for (size_t i = 0; i < length && at < sizeof shown.text - 10; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte < 0x20 || byte == 0x7f)
            at += (size_t)snprintf(shown.text + at, sizeof shown.text - at, "\\x%02x", byte);
        else
            shown.text[at++] = (char)byte;
        if (at >= sizeof shown.text - 10)
            at += (size_t)snprintf(shown.text + at, sizeof shown.text - at, "...");
    }
    shown.text[at++] = '"';
    return shown;
}

static struct shown show_text(const char *text) { return show(text, text == NULL ? 0 : strlen(text)); }

bool check_true(bool held, const char *file, int line, const char *expression) {
    return held || check_fail(file, line, "%s is false", expression);
}

bool check_int(int64_t got, int64_t want, const char *file, int line, const char *expression) {
    return got == want || check_fail(file, line, "%s is %" PRId64 ", wanted %" PRId64, expression, got, want);
}

bool check_double(double got, double want, const char *file, int line, const char *expression) {
    bool equal = got == want || (isnan(got) && isnan(want));
    return equal || check_fail(file, line, "%s is %.17g, wanted %.17g", expression, got, want);
}

bool check_str(const char *got, const char *want, const char *file, int line, const char *expression) {
    bool equal = got == NULL || want == NULL ? got == want : strcmp(got, want) == 0;
    return equal || check_fail(file, line, "%s is %s, wanted %s", expression, show_text(got).text,
                               show_text(want).text);
}

bool check_contains(const char *got, const char *part, bool wanted, const char *file, int line,
                    const char *expression) {
    bool found = got != NULL && strstr(got, part) != NULL;
    return found == wanted || check_fail(file, line, "%s is %s, which %s %s", expression, show_text(got).text,
                                         wanted ? "lacks" : "holds", show_text(part).text);
}

bool check_bytes(const void *got, size_t got_length, const void *want, size_t want_length, const char *file,
                 int line, const char *expression) {
    bool equal = got != NULL && got_length == want_length && memcmp(got, want, want_length) == 0;
    return equal ||
           check_fail(file, line, "%s is %s (%zu bytes), wanted %s (%zu bytes)", expression,
                      show(got, got_length).text, got_length, show(want, want_length).text, want_length);
}

bool check_between(int64_t got, int64_t low, int64_t high, const char *file, int line,
                   const char *expression) {
    return (low <= got && got <= high) ||
           check_fail(file, line, "%s is %" PRId64 ", wanted %" PRId64 " to %" PRId64, expression, got, low,
                      high);
}

/* Time --------------------------------------------------------------------------------------------------- */

int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t now_ms(void) { return now_us() / 1000; }

static struct timespec moment(int64_t microseconds) {
    return (struct timespec){.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000};
}

void pause_ms(int64_t milliseconds) {
    struct timespec until = moment(now_us() + milliseconds * 1000);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

static int patience = 1;

int check_patience(void) { return patience; }

bool check_is_slow(void) { return patience > 1; }

static bool in_valgrind;

bool check_in_valgrind(void) { return in_valgrind; }

void check_missed(struct timing *timing, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    timing->has_missed = true;
    vsnprintf(timing->missed, sizeof timing->missed, format, arguments);
    va_end(arguments);
}

/* Records an attempt and returns whether it was in time. */
static bool has_held(struct timing *timing) {
    bool counts = !timing->has_missed;
    timing->made++;
    if (counts && timing->us < timing->best_us)
        timing->best_us = timing->us;
    return counts && timing->us <= timing->max_ms * 1000 * patience;
}

bool check_again(struct timing *timing, const char *file, int line) {
    int allowed = timing->allowed == 0 ? 5 : timing->allowed;
    if (!timing->has_begun) {
        timing->has_begun = true;
        timing->best_us = INT64_MAX;
        return true;
    }
    if (has_held(timing))
        return false;
    if (timing->made < allowed) {
        timing->has_missed = false;
        return true;
    }
    if (timing->best_us == INT64_MAX)
        check_fail(file, line, "none of %d attempts reached the operation to be timed: %s", allowed,
                   timing->missed);
    else
        check_fail(file, line, "the best of %d attempts took %" PRId64 " us, wanted %" PRId64 " at most",
                   allowed, timing->best_us, timing->max_ms * 1000 * patience);
    return false;
}

/* Conditions --------------------------------------------------------------------------------------------- */

void condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool condition_await(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ms) {
    struct timespec until = moment(until_ms * 1000);
    return pthread_cond_timedwait(condition, lock, &until) != ETIMEDOUT;
}

/* Events ------------------------------------------------------------------------------------------------- */

struct event {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
};

struct event *event_new(void) {
    struct event *event = calloc(1, sizeof *event);
    if (event == NULL)
        abort();
    pthread_mutex_init(&event->lock, NULL);
    condition_init(&event->changed);
    return event;
}

void event_free(struct event *event) {
    pthread_cond_destroy(&event->changed);
    pthread_mutex_destroy(&event->lock);
    free(event);
}

void event_add(struct event *event, int amount) {
    pthread_mutex_lock(&event->lock);
    event->count += amount;
    pthread_cond_broadcast(&event->changed);
    pthread_mutex_unlock(&event->lock);
}

bool event_await(struct event *event, int count, int64_t limit_ms) {
    int64_t until = now_ms() + limit_ms * patience;
    pthread_mutex_lock(&event->lock);
    while (event->count < count && condition_await(&event->changed, &event->lock, until))
        continue;
    bool reached = event->count >= count;
    pthread_mutex_unlock(&event->lock);
    return reached;
}

int event_count(struct event *event) {
    pthread_mutex_lock(&event->lock);
    int count = event->count;
    pthread_mutex_unlock(&event->lock);
    return count;
}

/* The process -------------------------------------------------------------------------------------------- */

/* Held while a descriptor is opened and marked, so that counting waits for both. */
static pthread_mutex_t descriptors_lock = PTHREAD_MUTEX_INITIALIZER;
enum { MARKED_DESCRIPTORS = 65536 };
static bool owned[MARKED_DESCRIPTORS];

static const char OWN_THREAD[] = "check-support";

void own_thread(void) { prctl(PR_SET_NAME, OWN_THREAD); }

int open_owned(int (*open)(void *data), void *data) {
    pthread_mutex_lock(&descriptors_lock);
    int descriptor = open(data);
    int because = errno;
    if (descriptor >= 0 && descriptor < MARKED_DESCRIPTORS)
        owned[descriptor] = true;
    pthread_mutex_unlock(&descriptors_lock);
    errno = because;
    return descriptor;
}

static int same_descriptor(void *descriptor) { return *(int *)descriptor; }

int own_descriptor(int descriptor) { return open_owned(same_descriptor, &descriptor); }

void close_owned(int descriptor) {
    if (descriptor < 0)
        return;
    pthread_mutex_lock(&descriptors_lock);
    if (descriptor < MARKED_DESCRIPTORS)
        owned[descriptor] = false;
    close(descriptor);
    pthread_mutex_unlock(&descriptors_lock);
}

void close_all_owned(void) {
    for (int descriptor = 0; descriptor < MARKED_DESCRIPTORS; descriptor++) {
        if (owned[descriptor])
            close(descriptor);
        owned[descriptor] = false;
    }
}

int descriptor_count(void) {
    pthread_mutex_lock(&descriptors_lock);
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        int descriptor = atoi(entry->d_name);
        bool counts = entry->d_name[0] != '.' && descriptor != dirfd(folder);
        if (counts && !(descriptor < MARKED_DESCRIPTORS && owned[descriptor]))
            count++;
    }
    if (folder != NULL)
        closedir(folder);
    pthread_mutex_unlock(&descriptors_lock);
    return count;
}

struct rlimit leave_descriptors(int count) {
    struct rlimit before, now;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC), more[64], opened = 0;
    getrlimit(RLIMIT_NOFILE, &before);
    /* The kernel assigns the lowest free descriptor. */
    while (opened < count && opened < (int)COUNT(more))
        more[opened++] = dup(next);
    now = before;
    now.rlim_cur = (rlim_t)(opened > 0 ? more[opened - 1] : next);
    while (opened > 0)
        close(more[--opened]);
    close(next);
    setrlimit(RLIMIT_NOFILE, &now);
    return before;
}

struct sender {
    pthread_t thread, receiver;
    atomic_bool is_over;
};

static void *send_signals(void *data) {
    struct sender *sender = data;
    while (!sender->is_over) {
        pthread_kill(sender->receiver, SIGUSR1);
        pause_ms(1);
    }
    return NULL;
}

struct sender *sender_start(void) {
    struct sender *sender = calloc(1, sizeof *sender);
    if (sender == NULL)
        abort();
    sender->receiver = pthread_self();
    if (pthread_create(&sender->thread, NULL, send_signals, sender) != 0)
        abort();
    return sender;
}

void sender_stop(struct sender *sender) {
    sender->is_over = true;
    pthread_join(sender->thread, NULL);
    free(sender);
}

static bool is_own_thread(const char *task) {
    char path[PATH_MAX];
    char name[sizeof OWN_THREAD + 1] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", task);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true; /* The thread has ended. */
    bool read = fgets(name, sizeof name, file) != NULL;
    fclose(file);
    return !read || strncmp(name, OWN_THREAD, sizeof OWN_THREAD - 1) == 0;
}

/* An emulator has threads of its own, which are there before the first test. */
static int threads_of_emulator;

int thread_count(void) {
    DIR *folder = opendir("/proc/self/task");
    int count = -THREADS_OF_SANITIZER - threads_of_emulator;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.' && !is_own_thread(entry->d_name))
            count++;
    if (folder != NULL)
        closedir(folder);
    return count;
}

bool await_threads(int count, int64_t limit_ms) {
    int64_t until = now_ms() + limit_ms * patience;
    while (thread_count() > count) {
        if (now_ms() >= until)
            return false;
        pause_ms(1);
    }
    return true;
}

int64_t resident_bytes(void) {
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return -1;
    if (fscanf(file, "%ld %ld", &total, &resident) != 2)
        resident = -1;
    fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

/* Threads ------------------------------------------------------------------------------------------------ */

struct job {
    void (*work)(void *);
    void *data;
    pthread_barrier_t *start;
    char row[sizeof row];
    const char *row_of;
};

static void *do_job(void *data) {
    struct job *job = data;
    memcpy(row, job->row, sizeof row);
    row_of = job->row_of;
    if (job->start != NULL)
        pthread_barrier_wait(job->start);
    job->work(job->data);
    return NULL;
}

static struct job make_job(void (*work)(void *), void *data, pthread_barrier_t *start) {
    struct job job = {.work = work, .data = data, .start = start, .row_of = row_of};
    memcpy(job.row, row, sizeof row);
    return job;
}

/* Maps the stack here because the C library may reuse a larger one of an ended thread. */
void run_on_stack(size_t stack_bytes, void (*work)(void *data), void *data) {
#ifdef CHECK_SANITIZED
    stack_bytes *= 8; /* The instrumentation pads each variable. */
#endif
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    char *stack = mmap(NULL, guard + stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, guard, PROT_NONE) != 0) {
        FAIL("no stack of %zu bytes: %s", stack_bytes, strerror(errno));
        return;
    }
    struct job job = make_job(work, data, NULL);
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    int refused = pthread_attr_setstack(&attributes, stack + guard, stack_bytes);
    if (refused == 0)
        refused = pthread_create(&thread, &attributes, do_job, &job);
    pthread_attr_destroy(&attributes);
    if (refused != 0)
        FAIL("no thread with %zu bytes of stack: %s", stack_bytes, strerror(refused));
    else
        pthread_join(thread, NULL);
    munmap(stack, guard + stack_bytes);
}

void run_on_threads(int count, void (*work)(void *data), void *data, size_t size) {
    enum { MAX_THREADS = 64 };
    pthread_t threads[MAX_THREADS];
    struct job jobs[MAX_THREADS];
    pthread_barrier_t start;
    if (count > MAX_THREADS)
        count = MAX_THREADS;
    pthread_barrier_init(&start, NULL, (unsigned)count);
    for (int i = 0; i < count; i++) {
        jobs[i] = make_job(work, (char *)data + (size_t)i * size, &start);
        if (pthread_create(&threads[i], NULL, do_job, &jobs[i]) != 0)
            abort();
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
}

/* The watchdog ------------------------------------------------------------------------------------------- */

/* Long enough that on a busy machine, too, only a hanging test exceeds it. */
enum { MAX_TEST_SECONDS = 300 };

static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t limit_changed;
static int64_t limit_at; /* milliseconds; 0: all tests have run */
static int passed_tests, failed_tests;

static void set_limit(int64_t at) {
    pthread_mutex_lock(&limit_lock);
    limit_at = at;
    pthread_cond_broadcast(&limit_changed);
    pthread_mutex_unlock(&limit_lock);
}

void check_limit(int seconds) { set_limit(now_ms() + (int64_t)seconds * 1000 * patience); }

static void give_up(void) {
    pthread_mutex_lock(&report_lock);
    printf("FAIL %s: hung\n%d passed, %d failed\n", running, passed_tests, failed_tests + 1);
    fflush(stdout);
    _exit(1);
}

static void *watch(void *unused) {
    (void)unused;
    own_thread();
    pthread_mutex_lock(&limit_lock);
    while (limit_at != 0) {
        if (now_ms() >= limit_at) {
            pthread_mutex_unlock(&limit_lock);
            give_up();
        }
        condition_await(&limit_changed, &limit_lock, limit_at);
    }
    pthread_mutex_unlock(&limit_lock);
    return NULL;
}

static pthread_t start_watchdog(void) {
    pthread_t thread;
    sigset_t all, before;
    condition_init(&limit_changed);
    check_limit(MAX_TEST_SECONDS);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, watch, NULL) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return thread;
}

/* The program -------------------------------------------------------------------------------------------- */

static struct check_test *first_test;

void check_register(struct check_test *test) {
    struct check_test **end = &first_test;
    while (*end != NULL)
        end = &(*end)->next;
    *end = test;
}

static bool is_wanted(const char *name, char **names, int count) {
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return count == 0;
}

static void run_test(const struct check_test *test) {
    pthread_mutex_lock(&report_lock);
    running = test->name;
    failures = 0;
    pthread_mutex_unlock(&report_lock);
    check_limit(MAX_TEST_SECONDS);
    check_case(NULL);
    /* Threads of the previous test may still be ending, and until then hold descriptors and memory. */
    await_threads(1, 1000);
    test->run();
    pthread_mutex_lock(&report_lock);
    if (failures == 0) {
        passed_tests++;
        printf("ok %s\n", test->name);
    } else {
        failed_tests++;
    }
    fflush(stdout);
    pthread_mutex_unlock(&report_lock);
}

static bool is_read_by_libraries(const char *variable) {
    static const char *const ends[] = {"_PROXY=", "_proxy="};
    if (strncmp(variable, "REFOLD_", 7) == 0 || strncmp(variable, "SSL_CERT_", 9) == 0)
        return true;
    const char *end = strchr(variable, '=');
    for (size_t i = 0; i < COUNT(ends) && end != NULL; i++)
        if (end - variable >= 6 && strncmp(end - 6, ends[i], 7) == 0)
            return true;
    return false;
}

static void clean_environment(void) {
    for (char **variable = environ; *variable != NULL;) {
        if (!is_read_by_libraries(*variable)) {
            variable++;
            continue;
        }
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*variable, "="), *variable);
        unsetenv(name);
        variable = environ;
    }
}

int main(int argc, char **argv) {
    const char *asked = getenv("CHECK_PATIENCE");
    if (asked != NULL && atoi(asked) > 1)
        patience = atoi(asked);
    in_valgrind = getenv("CHECK_VALGRIND") != NULL;
    threads_of_emulator = thread_count() > 1 ? thread_count() - 1 : 0;
    clean_environment();
    start_sanitizer();
    pthread_t watchdog = start_watchdog();
    int known = 0;
    for (struct check_test *test = first_test; test != NULL; test = test->next) {
        if (!is_wanted(test->name, argv + 1, argc - 1))
            continue;
        known++;
        run_test(test);
    }
    set_limit(0);
    pthread_join(watchdog, NULL);
    printf("%d passed, %d failed\n", passed_tests, failed_tests);
    fflush(stdout);
    return failed_tests == 0 && known > 0 ? 0 : 1;
}
