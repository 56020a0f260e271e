#define _GNU_SOURCE
#include "lookup.h"
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_once_t made = PTHREAD_ONCE_INIT;
static struct lookup scripted = {.error = EAI_NONAME};
static int generation, count, running;
static bool took_signals, blocked_faults;
static char last_name[256];

static void make_condition(void) { condition_init(&changed); }

static void take_lock(void) {
    pthread_once(&made, make_condition);
    pthread_mutex_lock(&lock);
}

static void release_lock(void) {
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void lookup_script(struct lookup lookup) {
    take_lock();
    scripted = lookup;
    count = 0;
    release_lock();
}

static struct lookup after_silence(struct lookup lookup) {
    if (lookup.addresses[0] == NULL)
        return (struct lookup){.error = EAI_AGAIN};
    lookup.silent = false;
    return lookup;
}

void lookup_release(void) {
    take_lock();
    generation++;
    /* Lookups that begin after their call has given up must not block, either. */
    if (scripted.silent)
        scripted = after_silence(scripted);
    pthread_cond_broadcast(&changed);
    while (running > 0)
        pthread_cond_wait(&changed, &lock);
    release_lock();
}

static int locked_int(const int *number) {
    take_lock();
    int value = *number;
    release_lock();
    return value;
}

int lookup_count(void) { return locked_int(&count); }

int lookup_running(void) { return locked_int(&running); }

bool lookup_await_running(int wanted, int64_t limit_ms) {
    int64_t until = now_ms() + limit_ms * check_patience();
    take_lock();
    while (running < wanted && condition_await(&changed, &lock, until))
        continue;
    bool reached = running >= wanted;
    release_lock();
    return reached;
}

const char *lookup_name(void) {
    static _Thread_local char copy[sizeof last_name];
    take_lock();
    memcpy(copy, last_name, sizeof copy);
    release_lock();
    return copy;
}

bool lookup_blocked_faults(void) {
    take_lock();
    bool value = blocked_faults;
    release_lock();
    return value;
}

bool lookup_took_signals(void) {
    take_lock();
    bool value = took_signals;
    release_lock();
    return value;
}

struct entry {
    struct addrinfo info;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
};

static struct addrinfo *make_entry(const char *text, int kind) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        abort();
    entry->info.ai_socktype = kind;
    entry->info.ai_addr = &entry->address.any;
    if (inet_pton(AF_INET, text, &entry->address.v4.sin_addr) == 1) {
        entry->info.ai_family = entry->address.v4.sin_family = AF_INET;
        entry->info.ai_addrlen = sizeof entry->address.v4;
    } else if (inet_pton(AF_INET6, text, &entry->address.v6.sin6_addr) == 1) {
        entry->info.ai_family = entry->address.v6.sin6_family = AF_INET6;
        entry->info.ai_addrlen = sizeof entry->address.v6;
    } else {
        fprintf(stderr, "test lookup: no address: %s\n", text);
        abort();
    }
    return &entry->info;
}

static void note_signals(const sigset_t *blocked) {
    for (int number = 1; number <= SIGRTMAX; number++) {
        bool is_fault = number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE ||
                        number == SIGABRT || number == SIGTRAP || number == SIGSYS;
        /* The C library reserves the signals between the standard and the real-time ones. */
        bool can_be_blocked = number != SIGKILL && number != SIGSTOP && (number < 32 || number >= SIGRTMIN);
        if (is_fault)
            blocked_faults |= sigismember(blocked, number) == 1;
        else if (can_be_blocked)
            took_signals |= sigismember(blocked, number) == 0;
    }
}

/* Waits if the lookup is silent, and returns its result. */
static struct lookup wait_for_result(const char *name) {
    sigset_t blocked;
    take_lock();
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    note_signals(&blocked);
    snprintf(last_name, sizeof last_name, "%s", name);
    struct lookup own = scripted;
    int begun = generation;
    count++;
    running++;
    pthread_cond_broadcast(&changed);
    while (own.silent && generation == begun)
        pthread_cond_wait(&changed, &lock);
    running--;
    release_lock();
    return own.silent ? after_silence(own) : own;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict list) {
    (void)service;
    struct lookup own = wait_for_result(name);
    struct rlimit limit;
    if (own.exhausts && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = 0;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (own.crashes)
        *(volatile int *)NULL = 0;
    if (own.raises != 0)
        raise(own.raises);
    if (own.error != 0) {
        errno = own.number;
        return own.error;
    }
    *list = NULL;
    for (size_t i = COUNT(own.addresses); i-- > 0;) {
        if (own.addresses[i] == NULL)
            continue;
        struct addrinfo *entry = make_entry(own.addresses[i], hints == NULL ? 0 : hints->ai_socktype);
        entry->ai_next = *list;
        *list = entry;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list) {
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}
