/* Servers that misbehave at random, in a process of their own. */
#ifndef UNRULY_H
#define UNRULY_H

#include <stdint.h>

enum { PLAINTEXT_SERVERS = 3, UNRULY_SERVERS = PLAINTEXT_SERVERS + 1 }; /* the last one speaks TLS */

/* Starts them. They answer in every framing, with executions that grow and shrink, with errors, late, in
 * part, never, or with nonsense, and one after the other goes and comes back on its port. After so many
 * seconds they end by themselves. */
struct unruly;
struct unruly *unruly_start(uint64_t seed, int seconds);
uint16_t unruly_port(const struct unruly *unruly, int server);
void unruly_stop(struct unruly *unruly);

#endif
