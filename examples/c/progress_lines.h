/* Shows a line for each of several runs: redrawn in place on a terminal, and printed whenever it changes
 * elsewhere. Used by the examples with an event loop.
 */
#ifndef PROGRESS_LINES_H
#define PROGRESS_LINES_H

#include "printable.h"
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PROGRESS_BYTES = 256 };

struct progress_lines {
    size_t count;
    char (*texts)[PROGRESS_BYTES];
    bool redraws; /* on a terminal that has enough rows */
    bool is_drawn;
    bool has_failed; /* the output could not be written */
};

/* Returns `count` empty lines; `texts` is NULL if memory is insufficient. */
static inline struct progress_lines new_lines(size_t count) {
    struct winsize size;
    struct progress_lines lines = {.count = count, .texts = calloc(count, sizeof *lines.texts)};
    lines.redraws =
        isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && count < size.ws_row;
    return lines;
}

/* Draws all lines over those that were drawn before. A terminal that does not wrap cuts them off. */
static inline void draw_lines(struct progress_lines *lines) {
    if (lines->is_drawn)
        printf("\033[%zuA", lines->count);
    lines->is_drawn = true;
    fputs("\033[?7l", stdout);
    for (size_t i = 0; i < lines->count; i++)
        printf("\r%s\033[K\n", lines->texts[i]);
    fputs("\033[?7h", stdout);
}

#ifdef __GNUC__
__attribute__((format(printf, 3, 4)))
#endif
/* Changes a line, formatted as by printf() and made printable. Returns whether the output could be written.
 */
static inline bool
set_line(struct progress_lines *lines, size_t index, const char *format, ...) {
    char text[PROGRESS_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    make_printable(text);
    if (strcmp(text, lines->texts[index]) != 0) {
        strcpy(lines->texts[index], text);
        if (lines->redraws)
            draw_lines(lines);
        else
            puts(text);
        lines->has_failed |= fflush(stdout) != 0;
    }
    return !lines->has_failed;
}

#endif
