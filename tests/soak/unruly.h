/* Servers that misbehave at random, in a separate process. */
#ifndef UNRULY_H
#define UNRULY_H

#include <stdint.h>

enum { PLAINTEXT_SERVERS = 3, UNRULY_SERVERS = PLAINTEXT_SERVERS + 1 }; /* the last one has TLS */

/* Starts them. They respond in every framing, with executions that grow and shrink, with errors, late,
 * partially, never, or with nonsense. One at a time stops and restarts on its port. They exit after
 * `seconds`. */
struct unruly;
struct unruly *unruly_start(uint64_t seed, int seconds);
uint16_t unruly_port(const struct unruly *unruly, int server);
void unruly_stop(struct unruly *unruly);

#endif
