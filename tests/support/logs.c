#define _GNU_SOURCE
#include "logs.h"
#include "client.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Checks that hold for every line ------------------------------------------------------------------------ */

enum { MAX_LINE_BYTES = 1023 };

/* The parts of secrets that are long enough to be found by chance in no line. */
static const char *const secrets[] = {
    TEST_KEY,
    TEST_TOKEN,
    TEST_HEADER_VALUE,
    /* Passwords of proxies, as such, in a URL and in the header: */
    "hush-hush",
    "dXNlcjpodXNoLWh1c2g=", /* user:hush-hush */
    "the%20password",
    "dXNlcjp0aGUgcGFzc3dvcmQ=", /* user:the password */
    "p@ss:w/rd%",
    "p%40ss%3aw%2Frd%25",
    "YSB1c2VyOnBAc3M6dy9yZCU=", /* a user:p@ss:w/rd% */
    "geheim",
};

static bool has_control_character(const char *text) {
    /* Separators of lines and paragraphs, and what changes the direction of text. */
    static const char *const others[] = {
        "\xe2\x80\xa8", "\xe2\x80\xa9", "\xd8\x9c",     "\xe2\x80\x8e", "\xe2\x80\x8f",
        "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae",
        "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9",
    };
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0))
            return true;
    for (size_t i = 0; i < COUNT(others); i++)
        if (strstr(text, others[i]) != NULL)
            return true;
    return false;
}

static void check_line(refold_log_level level, const char *message) {
    if (level < REFOLD_LOG_WARN || level > REFOLD_LOG_DEBUG)
        FAIL("the level %d of a line", level);
    if (strncmp(message, "call ", 5) != 0 || strlen(message) > MAX_LINE_BYTES || !is_utf8(message) ||
        has_control_character(message))
        FAIL("an invalid line of the log: %s", message);
    for (size_t i = 0; i < COUNT(secrets); i++)
        if (strstr(message, secrets[i]) != NULL)
            FAIL("the log has a secret: %s", message);
}

static void only_check(refold_log_level level, const char *message, void *unused) {
    (void)unused;
    check_line(level, message);
}

void check_log(refold_options *options) {
    const char *wanted = getenv("CHECK_LOG");
    if (wanted != NULL && strcmp(wanted, "1") == 0)
        refold_options_set_log(options, REFOLD_LOG_DEBUG, only_check, NULL);
}

/* Collected lines ---------------------------------------------------------------------------------------- */

struct line {
    refold_log_level level;
    char *text, *normalized;
};

struct log {
    pthread_mutex_t lock;
    struct line *lines;
    size_t count, capacity;
    long first_call, first_connection;
};

struct log *log_start(refold_options *options, refold_log_level level) {
    struct log *log = calloc(1, sizeof *log);
    if (log == NULL)
        abort();
    pthread_mutex_init(&log->lock, NULL);
    refold_options_set_log(options, level, log_collect, log);
    return log;
}

/* Appends formatted text. The buffer is large enough for any line. */
static void append(char **to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char **to, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    *to += vsprintf(*to, format, arguments);
    va_end(arguments);
}

/* The length of a time such as 12.345 at the start of a text; 0: none. */
static size_t time_length(const char *text) {
    size_t whole = strspn(text, "0123456789");
    if (whole == 0 || text[whole] != '.' || strspn(text + whole + 1, "0123456789") != 3 ||
        text[whole + 4] == '.')
        return 0;
    return whole + 4;
}

/* Writes the number at the start of a text, counted from the first one that was seen. */
static void append_number(char **to, const char **from, const char *word, long *first) {
    char *end;
    long number = strtol(*from + strlen(word), &end, 10);
    if (*first == 0)
        *first = number;
    append(to, "%s%ld", word, number - *first + 1);
    *from = end;
}

static char *normalize(struct log *log, refold_log_level level, const char *text) {
    static const char *const names[] = {"OFF", "WARN", "INFO", "DEBUG"};
    static const char call[] = "call ", connection[] = "connection ";
    char *normalized = calloc(1, 4 * strlen(text) + 20), *to = normalized;
    if (normalized == NULL)
        abort();
    append(&to, "%s ", names[level & 3]);
    for (const char *from = text; *from != '\0';) {
        size_t length =
            from == text || !(isdigit((unsigned char)from[-1]) || from[-1] == '.') ? time_length(from) : 0;
        if (from == text && strncmp(from, call, strlen(call)) == 0)
            append_number(&to, &from, call, &log->first_call);
        else if (strncmp(from, connection, strlen(connection)) == 0 &&
                 isdigit((unsigned char)from[strlen(connection)]))
            append_number(&to, &from, connection, &log->first_connection);
        else if (length > 0) {
            append(&to, "T");
            from += length;
        } else
            append(&to, "%c", *from++);
    }
    return normalized;
}

void log_collect(refold_log_level level, const char *message, void *data) {
    struct log *log = data;
    check_line(level, message);
    pthread_mutex_lock(&log->lock);
    if (log->count == log->capacity) {
        log->capacity = 2 * log->capacity + 16;
        log->lines = realloc(log->lines, log->capacity * sizeof *log->lines);
        if (log->lines == NULL)
            abort();
    }
    log->lines[log->count++] = (struct line){level, strdup(message), normalize(log, level, message)};
    pthread_mutex_unlock(&log->lock);
}

size_t log_count(struct log *log) {
    pthread_mutex_lock(&log->lock);
    size_t count = log->count;
    pthread_mutex_unlock(&log->lock);
    return count;
}

static struct line line_at(struct log *log, size_t index) {
    pthread_mutex_lock(&log->lock);
    struct line line = index < log->count ? log->lines[index] : (struct line){0, NULL, NULL};
    pthread_mutex_unlock(&log->lock);
    return line;
}

const char *log_line(struct log *log, size_t index) { return line_at(log, index).text; }

refold_log_level log_level(struct log *log, size_t index) { return line_at(log, index).level; }

const char *log_normalized(struct log *log, size_t index) { return line_at(log, index).normalized; }

const char *log_find(struct log *log, const char *part) {
    size_t count = log_count(log);
    for (size_t i = 0; i < count; i++)
        if (strstr(log_line(log, i), part) != NULL)
            return log_line(log, i);
    return NULL;
}

size_t log_matches(struct log *log, const char *part) {
    size_t count = log_count(log), matches = 0;
    for (size_t i = 0; i < count; i++)
        matches += strstr(log_line(log, i), part) != NULL;
    return matches;
}

void log_clear(struct log *log) {
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->count; i++) {
        free(log->lines[i].text);
        free(log->lines[i].normalized);
    }
    log->count = 0;
    log->first_call = log->first_connection = 0;
    pthread_mutex_unlock(&log->lock);
}

void log_free(struct log *log) {
    log_clear(log);
    free(log->lines);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

bool check_lines(struct log *log, const char *file, int line, ...) {
    va_list lines;
    size_t index = 0;
    bool all_equal = true;
    va_start(lines, line);
    for (const char *wanted; (wanted = va_arg(lines, const char *)) != NULL; index++) {
        char *expression = text_of("line %zu", index);
        all_equal &= check_str(log_normalized(log, index), wanted, file, line, expression);
        free(expression);
    }
    va_end(lines);
    if (log_count(log) > index)
        return check_fail(file, line, "more lines: %s", log_normalized(log, index));
    return all_equal;
}
