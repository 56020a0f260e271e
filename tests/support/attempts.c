/* Replaces the connect() that the library calls. This is a file of its own because every program with a test
 * server includes it. */
#define _DEFAULT_SOURCE
#include "attempts.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic(struct event *) noting;
static atomic_int limit;

void note_attempts(struct event *event) { noting = event; }

void limit_sending(int bytes) { limit = bytes; }

int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    struct event *event = noting;
    int bytes = limit;
    if (bytes > 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    int result = (int)syscall(SYS_connect, descriptor, address, length);
    int because = errno;
    if ((result == 0 || because == EINPROGRESS) && event != NULL)
        event_add(event, 1);
    errno = because;
    return result;
}
