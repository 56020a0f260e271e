#include "gzip.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

struct bytes gzip_as(const void *data, size_t length, int level, bool decorated) {
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)length};
    gz_header header = {.text = 1,
                        .time = 1,
                        .extra = (Bytef *)"extra",
                        .extra_len = 5,
                        .name = (Bytef *)"name",
                        .comment = (Bytef *)"comment",
                        .hcrc = 1};
    if (deflateInit2(&stream, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    if (decorated)
        deflateSetHeader(&stream, &header);
    struct bytes packed = {.length = deflateBound(&stream, length)};
    packed.start = malloc(packed.length);
    stream.next_out = (Bytef *)packed.start;
    stream.avail_out = (uInt)packed.length;
    if (packed.start == NULL || deflate(&stream, Z_FINISH) != Z_STREAM_END)
        abort();
    packed.length = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

struct bytes gzip_of(const void *data, size_t length) {
    return gzip_as(data, length, 9, false);
}
