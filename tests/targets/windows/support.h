/* Checks, the clock, and a scripted server on loopback, for test programs on Windows. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <winsock2.h>

#include <windows.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Prints `ok NAME` or `FAIL NAME`. */
void check(bool held, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints `N passed, M failed`, and returns the exit status. */
int sum_up(void);

/* Ends the program if the condition is false: the test itself cannot go on. */
#define MUST(condition) must((condition), __FILE__, __LINE__, #condition)
void must(bool held, const char *file, int line, const char *condition);

int64_t now_ms(void);
HANDLE start_thread(DWORD(WINAPI *run)(void *data), void *data);
void join_thread(HANDLE thread);

/* One response. */
struct step {
    int status;
    const char *body;
    bool is_cut; /* the last byte of the body is never sent */
};

/* A server that sends the responses in order, and repeats the last one. Without any, it reads and stays
 * silent. */
struct server {
    const struct step *steps;
    size_t count;
    char url[64];
    char https_url[64]; /* the same server, to which a TLS handshake is as good as silence */
    SOCKET listener;
    HANDLE received; /* an event: bytes have arrived */
    LONG requests;
    LONG connections;
};
void server_start(struct server *server, const struct step *steps, size_t count);
/* A port on which no connection can be established: further connections neither succeed nor fail. */
void server_start_full(struct server *server);
void server_stop(struct server *server);

#define COUNT(array) (sizeof(array) / sizeof *(array))

#endif
