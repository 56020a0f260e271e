/* Bodies as gzip packs them. */
#ifndef GZIP_H
#define GZIP_H

#include <stdbool.h>
#include <stddef.h>

struct bytes {
    char *start; /* to be freed */
    size_t length;
};

/* As small as it gets. */
struct bytes gzip_of(const void *data, size_t length);
/* With zlib's level, and with all that a header can hold where `decorated` is true. */
struct bytes gzip_as(const void *data, size_t length, int level, bool decorated);

#endif
