/* Real programs as peers: each is started on a free port of 127.0.0.1, and goes when it is stopped or this
 * program ends, however that ends. */
#ifndef PEERS_H
#define PEERS_H

#include <stdint.h>

struct peer;

/* Runs the command, by the shell, in a folder of its own in which `configuration` stands as the file `conf`
 * (NULL: none), and waits until its port answers. In both texts @PORT@ stands for the port and @FOLDER@ for
 * the folder. Ends the program when the peer does not start. */
struct peer *peer_start(const char *command, const char *configuration);
uint16_t peer_port(const struct peer *peer);
/* What a file of its folder holds, to be freed; empty where there is none. */
char *peer_file(const struct peer *peer, const char *name);
/* Lets the peer end in order, and waits for it; its folder stays. */
void peer_end(struct peer *peer);
/* The same, and removes the folder. NULL is allowed. */
void peer_stop(struct peer *peer);

#endif
