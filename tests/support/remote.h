/* Servers in a child process, for tests that scan their own memory or exhaust the process's resources. */
#ifndef REMOTE_H
#define REMOTE_H

#include <stddef.h>

struct remote;

/* Forks a child that runs `serve(data, info, size)`: it starts servers and writes to `info` what the parent
 * has to know, such as their ports. The child ends with this program at the latest. */
struct remote *remote_start(void (*serve)(const void *data, char *info, size_t size), const void *data);
const char *remote_info(const struct remote *remote);
void remote_stop(struct remote *remote);

#endif
