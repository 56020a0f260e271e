/* Waits for a workflow execution and draws a progress bar, then prints its nodes as a table, the output of
 * each node that failed, and how long the last poll took. Reports each retry on stderr. Given several
 * executions, waits for all of them and shows a line for each.
 *
 *     cc -std=c11 watch_execution.c -lrefold -o watch_execution
 *     ./watch_execution [--timeout SECONDS] [--verbose] EXECUTION_ID...
 *
 * Exit status: 0 if all runs completed; 1 on an error, including invalid arguments, reported on stderr; 3 if
 * a run ended otherwise (ERRORED, STOPPED, TIMED_OUT); 130 if SIGINT (Ctrl-C) or SIGTERM cancelled the wait.
 */
#define _XOPEN_SOURCE 700 /* sigaction, wcwidth */

#include "printable.h"
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <refold.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { EXIT_COMPLETED = 0, EXIT_ERROR = 1, EXIT_NOT_COMPLETED = 3, EXIT_CANCELLED = 130 };
enum { BAR_COLUMNS = 20, BAR_BYTES = 4 * BAR_COLUMNS, OUTPUT_COLUMNS = 800, LINE_BYTES = 1024 };
enum { PERCENT_BYTES = 16 };

static const char gap[] = "  "; /* between two columns of the table */

static int larger(int a, int b) { return a > b ? a : b; }

static const char help[] =
    "usage: watch_execution [--timeout SECONDS] [--verbose] EXECUTION_ID...\n"
    "\n"
    "Waits for a workflow execution and draws a progress bar, then prints its nodes as a table, and how "
    "long\n"
    "the last poll took. Attempts and polls that failed and are repeated are reported on stderr.\n"
    "\n"
    "Given several executions, waits for all of them. On a terminal, it draws a line for each; elsewhere, "
    "it\n"
    "prints a table, with a row for each run that ends.\n"
    "\n"
    "  --timeout SECONDS  limit for the whole wait; 0 for no limit, which is the default\n"
    "  --verbose          log every phase of every call on stderr\n"
    "  --help             print this help\n"
    "\n"
    "Environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN; REFOLD_BASE_URL;\n"
    "REFOLD_LOG, which replaces the reports of retries by the library's own log.\n"
    "\n"
    "Exit status:\n"
    "    0  all runs completed\n"
    "    1  an error, including invalid arguments, reported on stderr\n"
    "    3  a run ended otherwise: ERRORED, STOPPED, TIMED_OUT\n"
    "  130  SIGINT (Ctrl-C) or SIGTERM cancelled the wait\n";

struct arguments {
    const char **execution_ids;
    size_t count;
    uint64_t timeout_ms;
    bool verbose;
    bool help;
};

/* Text on a terminal ------------------------------------------------------------------------------------ */

static bool is_utf8(void) { return strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }

struct character {
    char output[MB_LEN_MAX]; /* the bytes to write, in the charset of the terminal */
    size_t output_bytes;
    size_t bytes; /* length in the text */
    int columns;  /* width on the terminal */
};

/* Returns the first character of `text`, which is UTF-8 whatever the locale and must not be empty. White
 * space becomes one blank; what is not printable and what the charset of the locale lacks becomes "?". */
static struct character first_character(const char *text) {
    if (strchr("\t\r\n", *text))
        return (struct character){" ", 1, strspn(text, " \t\r\n"), 1};
    const char *rest = text;
    uint32_t wide = next_character(&rest);
    struct character character = {"?", 1, (size_t)(rest - text), 1};
    int columns = is_printable(wide) ? wcwidth((wchar_t)wide) : -1;
    char output[MB_LEN_MAX];
    mbstate_t state = {0};
    size_t bytes = columns < 0 ? (size_t)-1 : wcrtomb(output, (wchar_t)wide, &state);
    if (bytes != (size_t)-1) {
        memcpy(character.output, output, bytes);
        character.output_bytes = bytes;
        character.columns = columns;
    }
    return character;
}

/* Returns the width of `text` in columns, or any number above `limit` if it is wider than that. */
static int text_columns(const char *text, int limit) {
    int columns = 0;
    while (*text && columns <= limit) {
        struct character character = first_character(text);
        columns += character.columns;
        text += character.bytes;
    }
    return columns;
}

/* Writes `text`, truncated to `limit` columns (at least 3), and returns its width. */
static int write_text(FILE *out, const char *text, int limit) {
    const char *ellipsis = "";
    int available = limit;
    if (text_columns(text, limit) > limit) {
        ellipsis = is_utf8() ? "…" : "...";
        available -= text_columns(ellipsis, limit);
    }
    int columns = 0;
    while (*text) {
        struct character character = first_character(text);
        if (columns + character.columns > available)
            break;
        fwrite(character.output, 1, character.output_bytes, out);
        columns += character.columns;
        text += character.bytes;
    }
    fputs(ellipsis, out);
    return columns + text_columns(ellipsis, limit);
}

/* Composes a bar of `width` columns (at most BAR_COLUMNS) with the first `filled` of them filled. `empty` is
 * repeated for the rest. */
static const char *fill_bar(char bar[BAR_BYTES + 1], int filled, int width, const char *empty) {
    const char *full = is_utf8() ? "█" : "#";
    bar[0] = '\0';
    for (int i = 0; i < width; i++)
        strcat(bar, i < filled ? full : empty);
    return bar;
}

static int output_error; /* the first error of stdout, as in errno; else 0 */

/* Writes what is buffered, and returns whether all output has been written so far. */
static bool flush_output(void) {
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && output_error == 0)
        output_error = errno != 0 ? errno : EIO;
    return output_error == 0;
}

/* Notices that a pipe has no reader any more: while there is nothing to write, no error shows it. */
static void check_reader(void) {
    struct pollfd output = {.fd = STDOUT_FILENO};
    if (poll(&output, 1, 0) == 1 && (output.revents & POLLERR))
        output_error = EPIPE;
}

/* Returns the height of the terminal, or 0 if it has none. */
static size_t screen_rows(void) {
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

/* Returns the width of the terminal, else COLUMNS, else 100. */
static int screen_columns(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    int number = columns ? atoi(columns) : 0;
    return number > 0 ? number : 100;
}

/* Progress ---------------------------------------------------------------------------------------------- */

struct run {
    const char *id;
    char line[LINE_BYTES]; /* what is shown of it; at first "" */
    bool has_ended;
};

/* What is drawn on stdout. The log is written by other threads, which lock stdout meanwhile. */
struct progress {
    struct run *runs;
    size_t count;
    size_t ended;   /* of the runs */
    int id_columns; /* of the widest id */
    size_t drawn;   /* lines that are redrawn: the cursor is at the end of the only one, or below several */
    bool redraws;   /* on a terminal: each line overwrites the previous one */
    bool is_verbose;
    int status; /* the exit status so far */
};

/* Returns the width of the progress, which leaves columns for the "^C" that a terminal echoes. */
static int progress_columns(void) { return screen_columns() - 3; }

static const char *or_dash(const char *text) { return text ? text : "-"; }

static const char *node_label(const refold_node *node) {
    const char *name = refold_node_name(node);
    return or_dash(name ? name : refold_node_id(node));
}

/* Returns the number of nodes that have ended, and the last of the others in `current`. */
static size_t count_ended(const refold_execution *execution, const refold_node **current) {
    size_t ended = 0;
    for (size_t i = 0; i < refold_execution_node_count(execution); i++) {
        const refold_node *node = refold_execution_node(execution, i);
        if (refold_state_is_final(refold_node_state(node)))
            ended++;
        else
            *current = node;
    }
    return ended;
}

/* Composes " 62.5 %", rounded down: only 100 is shown as 100. Returns false for what is no percentage. */
static bool compose_percentage(char text[PERCENT_BYTES], double percent) {
    if (!(percent >= 0 && percent <= 100))
        return false;
    snprintf(text, PERCENT_BYTES, "%5.1f %%", (int)(percent * 10) / 10.0);
    return true;
}

/* Composes "RUNNING  ██████░░░░░░  50 %  2 of 3 nodes  Send mail", which ends with the node in progress. The
 * bar is left out if `columns` are too few for it and the numbers. */
static void compose_line(char line[LINE_BYTES], const refold_execution *execution, int columns) {
    const refold_node *current = NULL;
    size_t count = refold_execution_node_count(execution), ended = count_ended(execution, &current);
    if (refold_state_is_final(refold_execution_state(execution)))
        current = NULL;
    char bar[BAR_BYTES + 1] = "", percentage[PERCENT_BYTES], numbers[80];
    double percent = refold_execution_completion_percentage(execution);
    bool has_percentage = compose_percentage(percentage, percent);
    if (has_percentage)
        fill_bar(bar, (int)(percent / 100 * BAR_COLUMNS), BAR_COLUMNS, is_utf8() ? "░" : ".");
    snprintf(numbers, sizeof numbers, "%s%s%zu of %zu nodes", has_percentage ? percentage : "",
             has_percentage ? gap : "", ended, count);
    const char *status = refold_execution_status(execution);
    int others = larger(9, text_columns(status, columns)) + (int)strlen(gap) + 1 + (int)strlen(numbers);
    if (others + BAR_COLUMNS > columns)
        bar[0] = '\0';
    snprintf(line, LINE_BYTES, "%-9s%s%s%s%s%s%s", status, gap, bar, bar[0] ? " " : "", numbers,
             current ? gap : "", current ? node_label(current) : "");
}

/* Writes the id of a run in a column, and its line. */
static void write_run(const struct progress *progress, const struct run *run) {
    char line[2 * LINE_BYTES];
    snprintf(line, sizeof line, "%-*.*s%s%s", progress->id_columns, progress->id_columns, run->id, gap,
             run->line);
    write_text(stdout, line, progress_columns());
}

/* Draws the lines of all runs, or of those that fit on the screen: first of all those that have not ended. */
static void draw_runs(struct progress *progress) {
    size_t rows = screen_rows(), fitting = progress->count;
    if (rows > 0 && progress->count >= rows)
        fitting = rows > 2 ? rows - 2 : 1;
    size_t active = progress->count - progress->ended;
    size_t ended = active < fitting ? fitting - active : 0, left = fitting;
    for (size_t i = 0; i < progress->count && left > 0; i++) {
        const struct run *run = &progress->runs[i];
        if (run->has_ended && ended == 0)
            continue;
        ended -= run->has_ended;
        left--;
        write_run(progress, run);
        fputs("\033[K\n", stdout);
    }
    progress->drawn = fitting;
    if (fitting < progress->count) {
        char others[80];
        snprintf(others, sizeof others, "%zu more; %zu of %zu have ended", progress->count - fitting,
                 progress->ended, progress->count);
        write_text(stdout, others, progress_columns());
        fputs("\033[K\n", stdout);
        progress->drawn++;
    }
    fputs("\033[J", stdout);
}

/* Draws the lines where the cursor is. */
static void draw(struct progress *progress) {
    if (progress->count > 1) {
        draw_runs(progress);
        return;
    }
    putchar('\r');
    write_text(stdout, progress->runs->line, progress_columns());
    fputs("\033[K", stdout);
    progress->drawn = 1;
}

/* Moves to the beginning of what is drawn, for something else to be drawn over it. */
static void rewind_lines(const struct progress *progress) {
    if (progress->count > 1 && progress->drawn > 0)
        printf("\033[%zuA\r", progress->drawn);
}

/* Shows a run whose line has changed. */
static void show_run(struct progress *progress, const struct run *run) {
    if (progress->redraws) {
        rewind_lines(progress);
        draw(progress);
    } else if (progress->count == 1) {
        write_text(stdout, run->line, progress_columns());
        putchar('\n');
    }
}

/* Shows a snapshot. */
static void show_progress(struct progress *progress, struct run *run, const refold_execution *execution) {
    int columns = progress_columns();
    if (progress->count > 1)
        columns -= progress->id_columns + (int)strlen(gap);
    char line[LINE_BYTES];
    compose_line(line, execution, columns);
    if (strcmp(line, run->line) == 0) {
        check_reader();
        return;
    }
    if (progress->count == 1 && run->line[0] == '\0') {
        write_text(stdout, or_dash(refold_execution_name(execution)), screen_columns());
        putchar('\n');
    }
    strcpy(run->line, line);
    show_run(progress, run);
    flush_output();
}

/* Erases what is drawn, for a line on stderr. Returns whether it is to be drawn again. */
static bool begin_report(struct progress *progress) {
    if (progress->drawn == 0)
        return false;
    rewind_lines(progress);
    fputs(progress->count > 1 ? "\033[J" : "\r\033[K", stdout);
    progress->drawn = 0;
    flush_output();
    return true;
}

static void end_report(struct progress *progress, bool draws_again) {
    if (draws_again) {
        draw(progress);
        flush_output();
    }
}

/* Ends the line of the only run, or writes the lines of all runs if they did not fit on the screen. */
static void end_progress(struct progress *progress) {
    if (progress->count == 1 && progress->drawn > 0)
        putchar('\n');
    if (progress->count > 1 && progress->redraws) {
        rewind_lines(progress);
        for (size_t i = 0; i < progress->count; i++) {
            write_run(progress, &progress->runs[i]);
            fputs("\033[K\n", stdout);
        }
    }
    progress->drawn = 0;
    flush_output();
}

/* The table of the runs, without a terminal -------------------------------------------------------------- */

static void write_run_row(const struct progress *progress, const char *id, const char *percentage,
                          const char *nodes, const char *status) {
    int used = write_text(stdout, id, LINE_BYTES);
    printf("%*s%s%7s%s%12s%s", larger(0, progress->id_columns - used), "", gap, percentage, gap, nodes, gap);
    write_text(stdout, status, LINE_BYTES);
    putchar('\n');
}

static void write_titles(const struct progress *progress) {
    write_run_row(progress, "EXECUTION", "PERCENT", "NODES", "STATUS");
}

/* Writes the row of a run that has ended. */
static void write_end(const struct progress *progress, const struct run *run,
                      const refold_execution *execution, const refold_error *error) {
    char percentage[PERCENT_BYTES] = "-", nodes[48] = "-";
    const refold_node *current;
    if (execution) {
        compose_percentage(percentage, refold_execution_completion_percentage(execution));
        snprintf(nodes, sizeof nodes, "%zu of %zu", count_ended(execution, &current),
                 refold_execution_node_count(execution));
    }
    write_run_row(progress, run->id, percentage, nodes,
                  execution ? refold_execution_status(execution)
                            : refold_code_name(refold_error_code(error)));
}

/* The log ----------------------------------------------------------------------------------------------- */

static const char *level_name(refold_log_level level) {
    return level == REFOLD_LOG_WARN ? "WARN" : level == REFOLD_LOG_INFO ? "INFO" : "DEBUG";
}

/* Returns the message of a line such as "call 1 poll 2 +3.456 ms: attempt 1 failed, retrying in 700 ms: ..."
 */
static const char *log_message(const char *line) {
    static const char time_end[] = " ms: ";
    const char *found = strstr(line, time_end);
    return found ? found + strlen(time_end) : line;
}

/* Receives the log, on a thread of the queue. Prints all of it, or only what is retried, above the progress.
 */
static void on_log(refold_log_level level, const char *line, void *user_data) {
    struct progress *progress = user_data;
    const char *message = log_message(line);
    bool is_retry = strncmp(message, "attempt ", 8) == 0 || strncmp(message, "poll failed", 11) == 0;
    if (!progress->is_verbose && !is_retry)
        return;
    flockfile(stdout);
    bool draws_again = begin_report(progress);
    if (progress->is_verbose)
        fprintf(stderr, "refold %s ", level_name(level));
    else
        fputs("watch_execution: ", stderr);
    write_text(stderr, progress->is_verbose ? line : message, LINE_BYTES);
    fputc('\n', stderr);
    end_report(progress, draws_again);
    funlockfile(stdout);
}

/* Sets the log: all of it with --verbose, else the retries, unless REFOLD_LOG has set another one. */
static void set_log(refold_options *options, struct progress *progress) {
    const char *level = getenv("REFOLD_LOG");
    if (progress->is_verbose)
        refold_options_set_log(options, REFOLD_LOG_DEBUG, on_log, progress);
    else if (!level || level[0] == '\0')
        refold_options_set_log(options, REFOLD_LOG_WARN, on_log, progress);
}

/* Cancelling -------------------------------------------------------------------------------------------- */

static refold_cancel *_Atomic cancel_on_signal;

static void on_signal(int number) {
    (void)number;
    refold_cancel_trigger(cancel_on_signal);
}

static void handle_signals(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* The table --------------------------------------------------------------------------------------------- */

enum { NAME, TYPE, STATUS, ATTEMPTS, TIME, BAR, CELLS };
static const char *const titles[CELLS] = {"NODE", "TYPE", "STATUS", "ATTEMPTS", "TIME", ""};

struct table {
    int widths[CELLS];
    int64_t longest_ms;
};

/* Returns the text of a cell: a string of the execution, or one composed in `buffer`. */
static const char *cell_text(const struct table *table, const refold_node *node, int cell,
                             char buffer[BAR_BYTES + 1]) {
    int64_t attempts = refold_node_attempts_made(node), maximum = refold_node_maximum_attempts(node);
    int64_t time = refold_node_execution_time_ms(node);
    switch (cell) {
    case NAME:
        return node_label(node);
    case TYPE:
        return or_dash(refold_node_type(node));
    case STATUS:
        return or_dash(refold_node_status(node));
    case ATTEMPTS:
        if (attempts < 0)
            return "-";
        if (maximum < 0)
            snprintf(buffer, BAR_BYTES, "%" PRId64, attempts);
        else
            snprintf(buffer, BAR_BYTES, "%" PRId64 "/%" PRId64, attempts, maximum);
        return buffer;
    case TIME:
        if (time < 0)
            return "-";
        snprintf(buffer, BAR_BYTES, "%" PRId64 " ms", time);
        return buffer;
    default:
        if (time <= 0)
            return "";
        /* Rounded up: each time is shown as something. */
        return fill_bar(buffer,
                        1 + (int)((double)(time - 1) / (double)table->longest_ms * table->widths[BAR]),
                        table->widths[BAR], "");
    }
}

/* Returns the width of a row without the columns that were dropped, whose width is 0. */
static int row_columns(const struct table *table) {
    int total = -(int)strlen(gap);
    for (int cell = 0; cell < CELLS; cell++)
        total += table->widths[cell] > 0 ? table->widths[cell] + (int)strlen(gap) : 0;
    return total;
}

/* Makes the table narrower: shrinks and then drops the bar, then shrinks whichever text is the widest, then
 * drops further columns. Returns whether there was anything to shrink or drop. */
static bool shrink_table(struct table *table) {
    enum { MIN_WIDTH = 8 };
    static const int dropped[] = {ATTEMPTS, TYPE, TIME};
    int *widths = table->widths, widest = NAME;
    for (int cell = TYPE; cell <= STATUS; cell++)
        if (widths[cell] > widths[widest])
            widest = cell;
    if (widths[BAR] > 0)
        widths[BAR] = widths[BAR] > MIN_WIDTH ? widths[BAR] - 1 : 0;
    else if (widths[widest] > MIN_WIDTH)
        widths[widest]--;
    else {
        size_t next = 0, count = sizeof dropped / sizeof *dropped;
        while (next < count && widths[dropped[next]] == 0)
            next++;
        if (next == count)
            return false;
        widths[dropped[next]] = 0;
    }
    return true;
}

/* Makes each column as wide as its widest cell, and the table no wider than the screen where that can be. */
static void measure_table(struct table *table, const refold_execution *execution, int columns) {
    enum { MAX_WIDTH = 200 };
    char buffer[BAR_BYTES + 1];
    for (int cell = 0; cell < CELLS; cell++)
        table->widths[cell] = cell == BAR ? BAR_COLUMNS : (int)strlen(titles[cell]);
    for (size_t i = 0; i < refold_execution_node_count(execution); i++) {
        const refold_node *node = refold_execution_node(execution, i);
        for (int cell = 0; cell < BAR; cell++) {
            int width = text_columns(cell_text(table, node, cell, buffer), MAX_WIDTH);
            table->widths[cell] = larger(table->widths[cell], width);
        }
        if (refold_node_execution_time_ms(node) > table->longest_ms)
            table->longest_ms = refold_node_execution_time_ms(node);
    }
    while (row_columns(table) > columns && shrink_table(table)) {
    }
}

/* Writes a node, or the titles if `node` is NULL. */
static void write_row(const struct table *table, const refold_node *node) {
    char buffer[BAR_BYTES + 1];
    for (int cell = 0; cell < CELLS; cell++) {
        const char *text = node ? cell_text(table, node, cell, buffer) : titles[cell];
        int width = table->widths[cell];
        if (width == 0 || (cell == BAR && text[0] == '\0'))
            continue;
        if (cell > 0)
            fputs(gap, stdout);
        if (cell == TIME)
            printf("%*s", larger(0, width - text_columns(text, width)), "");
        int used = write_text(stdout, text, width);
        if (cell < TIME)
            printf("%*s", larger(0, width - used), "");
    }
    putchar('\n');
}

static void write_table(const refold_execution *execution) {
    struct table table = {0};
    measure_table(&table, execution, screen_columns());
    putchar('\n');
    write_row(&table, NULL);
    for (size_t i = 0; i < refold_execution_node_count(execution); i++)
        write_row(&table, refold_execution_node(execution, i));
}

static void write_failures(const refold_execution *execution) {
    for (size_t i = 0; i < refold_execution_node_count(execution); i++) {
        const refold_node *node = refold_execution_node(execution, i);
        if (!refold_state_is_failure(refold_node_state(node)))
            continue;
        const char *output = refold_json_text(refold_node_latest_output(node), NULL);
        fputs("\nOutput of ", stdout);
        write_text(stdout, node_label(node), OUTPUT_COLUMNS);
        fputs(":\n  ", stdout);
        write_text(stdout, output ? output : "none", OUTPUT_COLUMNS);
        putchar('\n');
    }
}

/* Times ------------------------------------------------------------------------------------------------- */

enum { PARTS = REFOLD_TIMING_TRANSFER + 1 }; /* of a call that are timed, itself included */

/* Writes "took 412 ms: lookup 12, connect 20, TLS 40, first byte 330, transfer 10; 2 attempts", without the
 * parts that the call did not go through. */
static void write_times(FILE *out, const int64_t times_us[PARTS], uint32_t attempts) {
    static const char *const names[PARTS] = {"", "lookup", "connect", "TLS", "first byte", "transfer"};
    fprintf(out, "took %" PRId64 " ms", times_us[REFOLD_TIMING_TOTAL] / 1000);
    const char *separator = ": ";
    for (refold_timing part = REFOLD_TIMING_RESOLVE; part < PARTS; part++)
        if (times_us[part] >= 0) {
            fprintf(out, "%s%s %" PRId64, separator, names[part], times_us[part] / 1000);
            separator = ", ";
        }
    fprintf(out, "; %" PRIu32 " attempt%s", attempts, attempts == 1 ? "" : "s");
}

static void write_summary(const refold_execution *execution) {
    int64_t times_us[PARTS];
    for (refold_timing part = 0; part < PARTS; part++)
        times_us[part] = refold_execution_timing_us(execution, part);
    fputs("\nThe last poll ", stdout);
    write_times(stdout, times_us, refold_execution_attempts(execution));
    if (refold_execution_request_id(execution)) {
        fputs("; request id ", stdout);
        write_text(stdout, refold_execution_request_id(execution), OUTPUT_COLUMNS);
    }
    putchar('\n');
}

/* The program ------------------------------------------------------------------------------------------- */

static bool parse_seconds(const char *text, uint64_t *milliseconds) {
    if (!text || text[0] == '\0' || strlen(text) > 9 || text[strspn(text, "0123456789")] != '\0')
        return false;
    *milliseconds = strtoull(text, NULL, 10) * 1000;
    return true;
}

/* Returns NULL, or a message about the invalid argument. */
static const char *parse_arguments(char **argv, struct arguments *arguments) {
    bool options_ended = false;
    for (char **argument = argv + 1; *argument && !arguments->help; argument++) {
        bool is_option = !options_ended && **argument == '-';
        if (is_option && strcmp(*argument, "--") == 0)
            options_ended = true;
        else if (is_option && strcmp(*argument, "--help") == 0)
            arguments->help = true;
        else if (is_option && strcmp(*argument, "--verbose") == 0)
            arguments->verbose = true;
        else if (is_option && strcmp(*argument, "--timeout") != 0)
            return "unknown option";
        else if (is_option && !parse_seconds(*++argument, &arguments->timeout_ms))
            return "--timeout takes a whole number of seconds";
        else if (!is_option)
            arguments->execution_ids[arguments->count++] = *argument;
    }
    return arguments->count > 0 || arguments->help ? NULL : "missing execution id";
}

/* Prints an error. If there are several runs, `id` is that of the one that failed. */
static void report(const char *id, const refold_error *error) {
    fputs("watch_execution: ", stderr);
    if (id) {
        write_text(stderr, id, OUTPUT_COLUMNS);
        fputs(": ", stderr);
    }
    write_text(stderr, refold_error_message(error), OUTPUT_COLUMNS);
    if (refold_error_request_id(error)) {
        fputs("; request id ", stderr);
        write_text(stderr, refold_error_request_id(error), OUTPUT_COLUMNS);
    }
    int64_t times_us[PARTS];
    for (refold_timing part = 0; part < PARTS; part++)
        times_us[part] = refold_error_timing_us(error, part);
    if (times_us[REFOLD_TIMING_TOTAL] >= 0) { /* something was sent */
        fputs("; ", stderr);
        write_times(stderr, times_us, refold_error_attempts(error));
    }
    fputc('\n', stderr);
}

/* Returns the exit status for a run that has ended. */
static int exit_status(const refold_execution *execution, const refold_error *error) {
    if (execution)
        return refold_state_is_failure(refold_execution_state(execution)) ? EXIT_NOT_COMPLETED
                                                                          : EXIT_COMPLETED;
    return refold_error_code(error) == REFOLD_ERROR_CANCELLED ? EXIT_CANCELLED : EXIT_ERROR;
}

static int worse_status(int a, int b) {
    static const int from_worst[] = {EXIT_CANCELLED, EXIT_ERROR, EXIT_NOT_COMPLETED, EXIT_COMPLETED};
    const int *worst = from_worst;
    while (*worst != a && *worst != b)
        worst++;
    return *worst;
}

/* Shows one of several runs that has ended. An error that is not the end of all of them is reported. */
static void show_end(struct progress *progress, const struct run *run, const refold_execution *execution,
                     const refold_error *error) {
    if (error && refold_error_code(error) != REFOLD_ERROR_CANCELLED) {
        bool draws_again = begin_report(progress);
        report(run->id, error);
        end_report(progress, draws_again);
    }
    if (!progress->redraws)
        write_end(progress, run, execution, error);
    else if (error)
        show_run(progress, run);
}

/* Shows the only run, which has ended, with all its nodes. */
static void show_details(const refold_execution *execution, const refold_error *error) {
    if (execution) {
        write_table(execution);
        write_failures(execution);
        write_summary(execution);
    } else {
        report(NULL, error);
    }
}

static void end_run(struct progress *progress, struct run *run, const refold_execution *execution,
                    const refold_error *error) {
    progress->status = worse_status(progress->status, exit_status(execution, error));
    run->has_ended = true;
    progress->ended++;
    if (execution)
        show_progress(progress, run, execution);
    else
        snprintf(run->line, sizeof run->line, "%s", refold_code_name(refold_error_code(error)));
    if (output_error != 0) /* main() reports it */
        return;
    if (progress->count > 1) {
        show_end(progress, run, execution, error);
    } else {
        end_progress(progress);
        show_details(execution, error);
    }
}

static void handle_event(struct progress *progress, const refold_event *event) {
    struct run *run = refold_event_user_data(event);
    const refold_execution *execution = refold_event_execution(event);
    if (refold_event_typeof(event) == REFOLD_EVENT_DONE)
        end_run(progress, run, execution, refold_event_error(event));
    else if (execution)
        show_progress(progress, run, execution);
    flush_output();
}

/* Submits a wait for each run. */
static void submit_all(refold_queue *queue, const refold_client *client, uint64_t timeout_ms,
                       struct progress *progress, refold_cancel *cancel) {
    for (struct run *run = progress->runs; run < progress->runs + progress->count; run++) {
        refold_error *error = NULL;
        if (refold_queue_wait_execution(queue, client, run->id, timeout_ms, cancel, run, &error))
            continue;
        flockfile(stdout);
        end_run(progress, run, NULL, error);
        funlockfile(stdout);
        refold_error_free(error);
    }
}

/* Waits for all runs; SIGINT and SIGTERM cancel that. */
static void wait_for_all(refold_queue *queue, const refold_client *client, uint64_t timeout_ms,
                         struct progress *progress) {
    refold_cancel *cancel = refold_cancel_new();
    cancel_on_signal = cancel;
    handle_signals(on_signal);
    submit_all(queue, client, timeout_ms, progress, cancel);
    refold_event *event;
    while ((event = refold_queue_next(queue, -1))) {
        flockfile(stdout);
        handle_event(progress, event);
        if (output_error != 0) /* without a reader, there is nothing to wait for */
            refold_cancel_trigger(cancel);
        funlockfile(stdout);
        refold_event_free(event);
    }
    handle_signals(SIG_DFL);
    refold_cancel_free(cancel);
}

/* Returns the runs that are to be watched, or NULL if memory is insufficient. */
static struct run *new_runs(const struct arguments *arguments) {
    struct run *runs = calloc(arguments->count, sizeof *runs);
    for (size_t i = 0; runs && i < arguments->count; i++)
        runs[i].id = arguments->execution_ids[i];
    return runs;
}

/* Draws the lines of several runs, or writes the titles of their table. */
static void begin_progress(struct progress *progress) {
    if (progress->count == 1)
        return;
    int widest = (int)strlen("EXECUTION");
    for (size_t i = 0; i < progress->count; i++) {
        strcpy(progress->runs[i].line, "-");
        widest = larger(widest, text_columns(progress->runs[i].id, LINE_BYTES));
    }
    int limit = progress->redraws ? larger(8, progress_columns() / 3) : LINE_BYTES;
    progress->id_columns = widest < limit ? widest : limit;
    if (progress->redraws)
        draw(progress);
    else
        write_titles(progress);
    flush_output();
}

static int watch(const struct arguments *arguments) {
    struct progress progress = {
        .runs = new_runs(arguments), .count = arguments->count, .is_verbose = arguments->verbose};
    const char *terminal = getenv("TERM");
    progress.redraws = isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
    refold_error *error = NULL;
    refold_queue *queue = NULL;
    refold_options *options = refold_options_new_from_env();
    set_log(options, &progress);
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (client)
        queue = refold_queue_new(0, &error);
    if (!queue) {
        report(NULL, error);
        progress.status = EXIT_ERROR;
    } else if (!progress.runs) {
        fputs("watch_execution: out of memory\n", stderr);
        progress.status = EXIT_ERROR;
    } else {
        begin_progress(&progress);
        wait_for_all(queue, client, arguments->timeout_ms, &progress);
        if (progress.count > 1)
            end_progress(&progress);
    }
    refold_queue_free(queue);
    refold_client_free(client);
    refold_error_free(error);
    free(progress.runs);
    return progress.status;
}

int main(int argc, char **argv) {
    setlocale(LC_CTYPE, "");
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* writes each line of the log at once */
    struct arguments arguments = {.execution_ids = calloc((size_t)argc + 1, sizeof(char *))};
    const char *problem = arguments.execution_ids ? parse_arguments(argv, &arguments) : "out of memory";
    int status = EXIT_COMPLETED;
    if (problem) {
        fprintf(stderr, "watch_execution: %s; see --help\n", problem);
        status = EXIT_ERROR;
    } else if (arguments.help)
        fputs(help, stdout);
    else
        status = watch(&arguments);
    free(arguments.execution_ids);
    if (!flush_output()) {
        fprintf(stderr, "watch_execution: cannot write output: %s\n", strerror(output_error));
        return EXIT_ERROR;
    }
    return status;
}
