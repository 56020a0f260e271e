/* The system's connect, which the library calls, too. In a file of its own, as every program with a server
 * has it. */
#define _DEFAULT_SOURCE
#include "attempts.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic(struct event *) noting;

void note_attempts(struct event *event) { noting = event; }

int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    struct event *event = noting;
    int result = (int)syscall(SYS_connect, descriptor, address, length);
    int because = errno;
    if (result < 0 && because == EINPROGRESS && event != NULL)
        event_add(event, 1);
    errno = because;
    return result;
}
