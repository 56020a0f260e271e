/* Servers that misbehave at random, in a child process. */
#ifndef UNRULY_H
#define UNRULY_H

#include <stdint.h>

enum { PLAINTEXT_SERVERS = 3, UNRULY_SERVERS = PLAINTEXT_SERVERS + 1 }; /* the last one uses TLS */

/* Starts the servers. They respond in every framing with growing and shrinking executions, or send errors,
 * late, truncated or invalid responses, or none; one at a time stops and restarts on its port. They end on
 * their own after `seconds`. */
struct unruly;
struct unruly *unruly_start(uint64_t seed, int seconds);
uint16_t unruly_port(const struct unruly *unruly, int server);
void unruly_stop(struct unruly *unruly);

#endif
