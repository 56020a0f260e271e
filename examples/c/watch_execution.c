/* Waits for an execution of a workflow with a progress bar, then shows its nodes as a table, and the error
 * output of those that failed.
 *
 *     cc -std=c11 watch_execution.c -lrefold -o watch_execution
 *     ./watch_execution [--timeout SECONDS] EXECUTION_ID
 *
 * Exit status: 0 the run completed; 1 an error, told on stderr, wrong arguments among them; 3 the run ended
 * in another way (ERRORED, STOPPED, TIMED_OUT); 130 cancelled by SIGINT (Ctrl-C) or SIGTERM.
 */
#define _XOPEN_SOURCE 700 /* sigaction, wcwidth */

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
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

static const char gap[] = "  "; /* between two columns */

static const char help[] =
    "usage: watch_execution [--timeout SECONDS] EXECUTION_ID\n"
    "\n"
    "Waits for an execution with a progress bar, then shows its nodes as a table.\n"
    "\n"
    "  --timeout SECONDS  how long to wait for the end of the run (0, the default: without limit)\n"
    "  --help             this text\n"
    "\n"
    "Environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN; REFOLD_BASE_URL.\n"
    "\n"
    "Exit status:\n"
    "    0  the run completed\n"
    "    1  an error, told on stderr, wrong arguments among them\n"
    "    3  the run ended in another way: ERRORED, STOPPED, TIMED_OUT\n"
    "  130  cancelled by SIGINT (Ctrl-C) or SIGTERM\n";

/* Text on a terminal ------------------------------------------------------------------------------------ */

static bool is_utf8(void) { return strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }

struct character {
    const char *shown; /* what to write: the bytes themselves, or something harmless in their place */
    size_t shown_bytes;
    size_t bytes; /* how many bytes of the text it stands for */
    int columns;  /* how many columns of the terminal it takes */
};

/* Marks that turn the direction of text around: harmless to a terminal, not to its reader. */
static bool turns_direction(wchar_t wide) {
    return (wide >= 0x202A && wide <= 0x202E) || (wide >= 0x2066 && wide <= 0x2069);
}

/* The first character of `text`, which is not empty. The text comes from a server: an escape sequence in it
 * must not reach the terminal. What cannot be shown becomes "?", the line breaks of JSON text a blank. */
static struct character first_character(const char *text) {
    if (strchr("\t\r\n", *text))
        return (struct character){" ", 1, strspn(text, " \t\r\n"), 1};
    wchar_t wide;
    mbstate_t state = {0};
    size_t bytes = mbrtowc(&wide, text, strnlen(text, MB_CUR_MAX), &state);
    if (bytes == (size_t)-1 || bytes == (size_t)-2)
        return (struct character){"?", 1, 1, 1};
    int columns = wcwidth(wide);
    if (columns < 0 || turns_direction(wide))
        return (struct character){"?", 1, bytes, 1};
    return (struct character){text, bytes, bytes, columns};
}

/* How many columns `text` takes; where it takes more than `limit`, any number above it. */
static int text_columns(const char *text, int limit) {
    int columns = 0;
    while (*text && columns <= limit) {
        struct character character = first_character(text);
        columns += character.columns;
        text += character.bytes;
    }
    return columns;
}

/* Writes `text`, cut to `limit` columns (at least 3), and returns how many it took. */
static int write_text(FILE *out, const char *text, int limit) {
    const char *mark = "";
    int room = limit;
    if (text_columns(text, limit) > limit) {
        mark = is_utf8() ? "…" : "...";
        room -= text_columns(mark, limit);
    }
    int columns = 0;
    while (*text) {
        struct character character = first_character(text);
        if (columns + character.columns > room)
            break;
        fwrite(character.shown, 1, character.shown_bytes, out);
        columns += character.columns;
        text += character.bytes;
    }
    fputs(mark, out);
    return columns + text_columns(mark, limit);
}

/* A bar `width` columns long (at most BAR_COLUMNS), of which `fraction` (0 to 1) is filled. */
static const char *fill_bar(char bar[BAR_BYTES + 1], double fraction, int width, const char *rest) {
    const char *full = is_utf8() ? "█" : "#";
    bar[0] = '\0';
    for (int i = 0; i < width; i++)
        strcat(bar, i < fraction * width ? full : rest);
    return bar;
}

/* Of the terminal; of paper where there is none. */
static int screen_columns(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    int number = columns ? atoi(columns) : 0;
    return number > 0 ? number : 100;
}

/* Progress ---------------------------------------------------------------------------------------------- */

struct progress {
    bool redraws; /* a terminal: each line is drawn over the one before */
    char line[LINE_BYTES];
};

static const char *or_dash(const char *text) { return text ? text : "-"; }

static const char *node_label(const refold_node *node) {
    const char *name = refold_node_name(node);
    return or_dash(name ? name : refold_node_id(node));
}

/* "RUNNING  ██████░░░░░░  50 %  2 of 3 nodes  Send mail": the last is the node that has not ended yet. */
static void compose_line(char line[LINE_BYTES], const refold_execution *execution) {
    size_t count = refold_execution_node_count(execution), ended = 0;
    const refold_node *current = NULL;
    bool runs = !refold_state_is_final(refold_execution_state(execution));
    for (size_t i = 0; i < count; i++) {
        const refold_node *node = refold_execution_node(execution, i);
        if (refold_state_is_final(refold_node_state(node)))
            ended++;
        else if (runs)
            current = node;
    }
    char bar[BAR_BYTES + 1] = "", percentage[16] = "";
    double percent = refold_execution_completion_percentage(execution);
    if (percent >= 0 && percent <= 100) {
        fill_bar(bar, percent / 100, BAR_COLUMNS, is_utf8() ? "░" : ".");
        snprintf(percentage, sizeof percentage, "%5.1f %%", percent);
    }
    snprintf(line, LINE_BYTES, "%-9s  %s %s  %zu of %zu nodes%s%s", refold_execution_status(execution), bar,
             percentage, ended, count, current ? gap : "", current ? node_label(current) : "");
}

static bool show_progress(const refold_execution *execution, void *user_data) {
    struct progress *progress = user_data;
    char line[LINE_BYTES];
    compose_line(line, execution);
    if (strcmp(line, progress->line) == 0)
        return true;
    if (progress->line[0] == '\0') {
        write_text(stdout, or_dash(refold_execution_name(execution)), screen_columns());
        putchar('\n');
    }
    strcpy(progress->line, line);
    if (progress->redraws)
        putchar('\r');
    write_text(stdout, line, screen_columns() - 3); /* room for the "^C" of a terminal */
    fputs(progress->redraws ? "\033[K" : "\n", stdout);
    fflush(stdout);
    return true;
}

/* Nothing else has to be put back: the cursor was never hidden. */
static void end_progress(const struct progress *progress) {
    if (progress->redraws && progress->line[0])
        putchar('\n');
    fflush(stdout);
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

/* refold_wait_execution, which Ctrl-C and SIGTERM cancel. */
static refold_execution *wait_for(const refold_client *client, const char *id, uint64_t timeout_ms,
                                  refold_error **error) {
    struct progress progress = {0};
    const char *terminal = getenv("TERM");
    progress.redraws = isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
    refold_cancel *cancel = refold_cancel_new();
    cancel_on_signal = cancel;
    handle_signals(on_signal);
    refold_execution *execution =
        refold_wait_execution(client, id, timeout_ms, show_progress, &progress, cancel, error);
    handle_signals(SIG_DFL);
    refold_cancel_free(cancel);
    end_progress(&progress);
    return execution;
}

/* The table --------------------------------------------------------------------------------------------- */

enum { NAME, TYPE, STATUS, ATTEMPTS, TIME, BAR, CELLS };
static const char *const titles[CELLS] = {"NODE", "TYPE", "STATUS", "ATTEMPTS", "TIME", ""};

struct table {
    int widths[CELLS];
    int64_t longest_ms;
};

/* What stands in a cell: the server's own text, or one composed in `buffer`. */
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
        return fill_bar(buffer, (double)time / (double)table->longest_ms, table->widths[BAR], "");
    }
}

static int larger(int a, int b) { return a > b ? a : b; }

/* Each column as wide as its widest cell; then, while a row is wider than the screen, first the bar gives
 * way, then whichever column is the widest. */
static void measure_table(struct table *table, const refold_execution *execution, int columns) {
    enum { NARROWEST = 8, WIDEST = 200 };
    char buffer[BAR_BYTES + 1];
    for (int cell = 0; cell < CELLS; cell++)
        table->widths[cell] = cell == BAR ? BAR_COLUMNS : (int)strlen(titles[cell]);
    for (size_t i = 0; i < refold_execution_node_count(execution); i++) {
        const refold_node *node = refold_execution_node(execution, i);
        for (int cell = 0; cell < BAR; cell++) {
            int width = text_columns(cell_text(table, node, cell, buffer), WIDEST);
            table->widths[cell] = larger(table->widths[cell], width);
        }
        if (refold_node_execution_time_ms(node) > table->longest_ms)
            table->longest_ms = refold_node_execution_time_ms(node);
    }
    for (;;) {
        int total = (CELLS - 1) * (int)strlen(gap), widest = BAR;
        for (int cell = 0; cell < CELLS; cell++) {
            total += table->widths[cell];
            if (table->widths[BAR] <= NARROWEST && table->widths[cell] > table->widths[widest])
                widest = cell;
        }
        if (total <= columns || table->widths[widest] <= NARROWEST)
            return;
        table->widths[widest]--;
    }
}

/* The titles where `node` is NULL. */
static void write_row(const struct table *table, const refold_node *node) {
    char buffer[BAR_BYTES + 1];
    for (int cell = 0; cell < CELLS; cell++) {
        const char *text = node ? cell_text(table, node, cell, buffer) : titles[cell];
        int width = table->widths[cell];
        if (cell == BAR && text[0] == '\0')
            break;
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

static bool has_failed(const refold_node *node) {
    switch (refold_node_state(node)) {
    case REFOLD_STATE_ERRORED:
    case REFOLD_STATE_SKIPPED:
    case REFOLD_STATE_TIMED_OUT:
    case REFOLD_STATE_REJECTED:
        return true;
    default:
        return false;
    }
}

static void write_failures(const refold_execution *execution) {
    for (size_t i = 0; i < refold_execution_node_count(execution); i++) {
        const refold_node *node = refold_execution_node(execution, i);
        if (!has_failed(node))
            continue;
        const char *output = refold_json_text(refold_node_latest_output(node), NULL);
        fputs("\nOutput of ", stdout);
        write_text(stdout, node_label(node), OUTPUT_COLUMNS);
        fputs(":\n  ", stdout);
        write_text(stdout, output ? output : "none", OUTPUT_COLUMNS);
        putchar('\n');
    }
}

/* The program ------------------------------------------------------------------------------------------- */

struct arguments {
    const char *execution_id;
    uint64_t timeout_ms;
    bool help;
};

static bool parse_seconds(const char *text, uint64_t *milliseconds) {
    if (!text || text[0] == '\0' || strlen(text) > 9 || text[strspn(text, "0123456789")] != '\0')
        return false;
    *milliseconds = strtoull(text, NULL, 10) * 1000;
    return true;
}

/* NULL, or what is wrong. */
static const char *parse_arguments(char **argv, struct arguments *arguments) {
    bool options_ended = false;
    for (char **argument = argv + 1; *argument && !arguments->help; argument++) {
        bool is_option = !options_ended && **argument == '-';
        if (is_option && strcmp(*argument, "--") == 0)
            options_ended = true;
        else if (is_option && strcmp(*argument, "--help") == 0)
            arguments->help = true;
        else if (is_option && strcmp(*argument, "--timeout") != 0)
            return "there is no such option";
        else if (is_option && !parse_seconds(*++argument, &arguments->timeout_ms))
            return "--timeout takes a whole number of seconds";
        else if (!is_option && arguments->execution_id)
            return "one execution id is enough";
        else if (!is_option)
            arguments->execution_id = *argument;
    }
    return arguments->execution_id || arguments->help ? NULL : "the execution id is missing";
}

/* Says what went wrong, frees `error` and returns the exit status that tells it. */
static int report(refold_error *error) {
    int status = refold_error_code(error) == REFOLD_ERROR_CANCELLED ? EXIT_CANCELLED : EXIT_ERROR;
    fputs("watch_execution: ", stderr);
    write_text(stderr, refold_error_message(error), OUTPUT_COLUMNS);
    if (refold_error_request_id(error)) {
        fputs(" (request id ", stderr);
        write_text(stderr, refold_error_request_id(error), OUTPUT_COLUMNS);
        fputc(')', stderr);
    }
    fputc('\n', stderr);
    refold_error_free(error);
    return status;
}

static int watch(const struct arguments *arguments) {
    refold_error *error = NULL;
    refold_options *options = refold_options_new_from_env();
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (!client)
        return report(error);
    refold_execution *execution = wait_for(client, arguments->execution_id, arguments->timeout_ms, &error);
    refold_client_free(client);
    if (!execution)
        return report(error);
    write_table(execution);
    write_failures(execution);
    bool completed = refold_execution_state(execution) == REFOLD_STATE_COMPLETED;
    refold_execution_free(execution);
    return completed ? EXIT_COMPLETED : EXIT_NOT_COMPLETED;
}

int main(int argc, char **argv) {
    (void)argc;
    setlocale(LC_CTYPE, "");
    struct arguments arguments = {0};
    const char *wrong = parse_arguments(argv, &arguments);
    if (wrong) {
        fprintf(stderr, "watch_execution: %s; --help tells more\n", wrong);
        return EXIT_ERROR;
    }
    int status = EXIT_COMPLETED;
    if (arguments.help)
        fputs(help, stdout);
    else
        status = watch(&arguments);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("watch_execution: cannot write");
        return EXIT_ERROR;
    }
    return status;
}
