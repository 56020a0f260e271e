/* Servers in a process of their own: for tests that search their own memory, or use up what a process has. */
#ifndef REMOTE_H
#define REMOTE_H

#include <stddef.h>

struct remote;

/* In a child, `serve(data, told, size)` starts servers and writes into `told` what this process has to know
 * of them, their ports, say. The child goes with this program at the latest. */
struct remote *remote_start(void (*serve)(const void *data, char *info, size_t size), const void *data);
const char *remote_info(const struct remote *remote);
void remote_stop(struct remote *remote);

#endif
