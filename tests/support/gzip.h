/* Compression of response bodies with gzip. */
#ifndef GZIP_H
#define GZIP_H

#include <stdbool.h>
#include <stddef.h>

struct bytes {
    char *start; /* freed by the caller */
    size_t length;
};

/* Compresses at the highest level. */
struct bytes gzip_of(const void *data, size_t length);
/* Compresses at the given zlib level; `decorated` adds every optional field of a gzip header. */
struct bytes gzip_as(const void *data, size_t length, int level, bool decorated);

#endif
