/* Prints texts that a server sent. The library returns them as they are, so that they may contain escape
 * sequences for the terminal, forged lines, and controls that reorder what a line shows. Everything here
 * replaces these: a tab or the end of a line by a blank; every other control character of ASCII and ISO 8859,
 * line and paragraph separators, controls of the direction of text, and bytes that are not UTF-8 by "?".
 */
#ifndef PRINTABLE_H
#define PRINTABLE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOT_UTF8 = 0x110000 }; /* no character has this number */

/* Returns the first character of `*text`, which must not be empty, or NOT_UTF8, and moves `*text` past it. */
static inline uint32_t next_character(const char **text) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800,
                                        0x10000}; /* by length: others are encoded too long */
    const unsigned char *bytes = (const unsigned char *)*text;
    int length = bytes[0] < 0x80   ? 1
                 : bytes[0] < 0xC2 ? 0
                 : bytes[0] < 0xE0 ? 2
                 : bytes[0] < 0xF0 ? 3
                 : bytes[0] < 0xF5 ? 4
                                   : 0;
    uint32_t character = length < 2 ? bytes[0] : bytes[0] & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            length = 0;
        character = character << 6 | (bytes[i] & 0x3F);
    }
    bool is_surrogate = character >= 0xD800 && character <= 0xDFFF;
    if (length == 0 || character < smallest[length] || is_surrogate || character >= NOT_UTF8) {
        length = 1;
        character = NOT_UTF8;
    }
    *text += length;
    return character;
}

/* Whether a terminal shows the character, in its place. */
static inline bool is_printable(uint32_t character) {
    return !(character < 0x20 || (character >= 0x7F && character <= 0x9F) || character == 0x061C ||
             character == 0x200E || character == 0x200F || (character >= 0x2028 && character <= 0x202E) ||
             (character >= 0x2066 && character <= 0x2069) || character >= NOT_UTF8);
}

/* Replaces what is not printable in `text`, which gets no longer, and returns it. */
static inline char *make_printable(char *text) {
    char *to = text;
    for (const char *from = text; *from;) {
        const char *start = from;
        uint32_t character = next_character(&from);
        if (!is_printable(character))
            *to++ = character == '\t' || character == '\n' || character == '\r' ? ' ' : '?';
        else
            while (start < from)
                *to++ = *start++;
    }
    *to = '\0';
    return text;
}

#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
/* Prints one line, formatted as by printf() and made printable, and its end. Returns whether it was written,
 * perhaps into the buffer of `out`. */
static inline bool
print_line(FILE *out, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *line = length < 0 ? NULL : malloc((size_t)length + 1);
    bool is_written = line && vsnprintf(line, (size_t)length + 1, format, again) == length &&
                      fprintf(out, "%s\n", make_printable(line)) >= 0;
    va_end(again);
    free(line);
    return is_written;
}

#endif
