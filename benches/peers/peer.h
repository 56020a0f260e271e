/* The interface that all compared programs implement: a client that gets executions and a reader that parses
 * them. Each reader computes a checksum over the fields it reads, which proves that all read the same. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes allocated after the text that is passed to a reader, because some parsers read past the end. */
enum { PADDING = 64 };

/* A client holds one connection. These functions print the reason before they return NULL or false. */
struct client;
struct client *client_open(const char *base_url, const char *ca_file);
bool client_get(struct client *client, const char *id, uint64_t *sum);
void client_close(struct client *client);

/* A program's way to read: every documented field of every node is read and added, each output reached. The
 * text may be changed. */
bool read_execution(char *text, size_t length, uint64_t *sum);

/* Adds what was read. All call them in the order of the documents: `name`, `org_id`, `environment`, `status`,
 * `completion_percentage`, `config_id`, `linked_account_id`; for each node `node_id`, `node_name`,
 * `node_type`, `node_status`, `is_batch`, `attempts_made`, `maximum_attempts` (-1: absent), `execution_time`,
 * and whether `latest_output` is an object. */
static inline void add_number(uint64_t *sum, int64_t number) { *sum = *sum * 31 + (uint64_t)number; }

static inline void add_text(uint64_t *sum, const char *text, size_t length) {
    uint64_t bytes = 0;
    for (size_t index = 0; index < length; index++)
        bytes += (unsigned char)text[index];
    add_number(sum, (int64_t)(bytes * 1000 + length));
}

#ifdef __cplusplus
}
#endif

#endif
