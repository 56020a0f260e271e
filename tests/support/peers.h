/* Real programs as peers. Each listens on a free port of 127.0.0.1 and ends when it is stopped, or with this
 * program, however that ends. */
#ifndef PEERS_H
#define PEERS_H

#include <stdint.h>

struct peer;

/* Runs a shell command in a new temporary folder and waits until its port accepts connections. The folder
 * holds `configuration` as the file `conf`, unless it is NULL. Replaces @PORT@ and @FOLDER@ in both texts.
 * Aborts this program if the peer does not start. */
struct peer *peer_start(const char *command, const char *configuration);
uint16_t peer_port(const struct peer *peer);
/* The content of a file in its folder, freed by the caller; empty if there is no such file. */
char *peer_file(const struct peer *peer, const char *name);
/* Asks the peer to terminate and waits until it has; its folder remains. */
void peer_end(struct peer *peer);
/* Like peer_end(), and removes the folder. `peer` may be NULL. */
void peer_stop(struct peer *peer);

#endif
