/* Numbers do not depend on the floating-point modes of the calling thread, and no call changes these modes,
 * raises a floating-point exception, or sets the flag of one. */
#define _GNU_SOURCE
#include "client.h"

#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

/* Modes -------------------------------------------------------------------------------------------------- */

#ifdef FE_DENORMAL
enum { ALL_TRAPS = FE_ALL_EXCEPT | FE_DENORMAL };
#else
enum { ALL_TRAPS = FE_ALL_EXCEPT };
#endif

static const struct mode {
    const char *name;
    int rounding;
    bool flushes; /* denormal operands and results are zero */
    int traps;    /* exceptions that raise SIGFPE */
} modes[] = {{"default", FE_TONEAREST, false, 0},
             {"upward", FE_UPWARD, false, 0},
             {"downward", FE_DOWNWARD, false, 0},
             {"towards zero", FE_TOWARDZERO, false, 0},
             {"denormals are zero", FE_TONEAREST, true, 0},
             {"upward, denormals are zero", FE_UPWARD, true, 0},
             {"traps", FE_TONEAREST, false, FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW},
             {"all traps", FE_TONEAREST, false, ALL_TRAPS},
             {"upward, all traps", FE_UPWARD, false, ALL_TRAPS}};

/* Sets a mode, with no flag set. Not every system has each of them. */
static void enter(const struct mode *mode) {
    feclearexcept(FE_ALL_EXCEPT);
    CHECK_INT(fesetround(mode->rounding), 0);
#ifdef __SSE2__
    enum { DENORMALS_ARE_ZERO = 0x0040, FLUSH_TO_ZERO = 0x8000 };
    if (mode->flushes)
        _mm_setcsr(_mm_getcsr() | DENORMALS_ARE_ZERO | FLUSH_TO_ZERO);
#elif defined __aarch64__
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    if (mode->flushes)
        __asm__ volatile("msr fpcr, %0" : : "r"(control | 1 << 24));
#endif
#ifdef __GLIBC__
    if (mode->traps != 0)
        feenableexcept(mode->traps);
#endif
}

/* What a call must leave as it was: the modes and the flags. */
static uint64_t floating_point_state(void) {
    uint64_t state = (uint64_t)fegetround() << 32 | (uint64_t)fetestexcept(FE_ALL_EXCEPT) << 48;
#ifdef __SSE2__
    state |= _mm_getcsr();
#elif defined __aarch64__
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    state |= control & UINT32_MAX;
#endif
    return state;
}

/* Readings ----------------------------------------------------------------------------------------------- */

/* What accessors return, one word for each of their results. */
struct readings {
    size_t count;
    uint64_t words[4000];
};

static void add(struct readings *readings, uint64_t word) {
    if (readings->count < COUNT(readings->words))
        readings->words[readings->count++] = word;
}

static void add_double(struct readings *readings, double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    add(readings, bits);
}

static void read_value(struct readings *readings, const refold_json *value) {
    size_t raw = 0, text = 0, string = 0;
    /* Either accessor may be the first. */
    if (readings->count % 2 == 0)
        add_double(readings, refold_json_double(value));
    add(readings, (uint64_t)refold_json_int64(value));
    add_double(readings, refold_json_double(value));
    add(readings, (uint64_t)refold_json_typeof(value));
    add(readings, refold_json_bool(value));
    add(readings, refold_json_raw(value, &raw) != NULL);
    add(readings, refold_json_text(value, &text) != NULL);
    add(readings, refold_json_string(value, &string) != NULL);
    add(readings, raw + text + string);
    add(readings, refold_json_length(value));
    for (size_t i = 0; i < refold_json_length(value); i++) {
        const char *key = refold_json_key_at(value, i, NULL);
        const refold_json *child = refold_json_at(value, i);
        add(readings, key != NULL && refold_json_get(value, key) == child);
        read_value(readings, child);
    }
}

static void read_execution(struct readings *readings, const char *body) {
    refold_error *error = UNREAD_ERROR;
    refold_execution *execution = refold_parse_execution(body, strlen(body), &error);
    add(readings, execution != NULL);
    add(readings, (uint64_t)refold_error_code(error));
    add(readings, strlen(execution == NULL ? refold_error_message(error) : ""));
    refold_error_free(error);
    add_double(readings, refold_execution_completion_percentage(execution));
    add(readings, (uint64_t)refold_execution_state(execution));
    for (size_t i = 0; i < refold_execution_node_count(execution); i++) {
        const refold_node *node = refold_execution_node(execution, i);
        add(readings, (uint64_t)refold_node_attempts_made(node));
        add(readings, (uint64_t)refold_node_maximum_attempts(node));
        add(readings, (uint64_t)refold_node_execution_time_ms(node));
        add(readings, (uint64_t)refold_node_state(node));
        read_value(readings, refold_node_latest_output(node));
        read_value(readings, refold_node_input_data(node));
    }
    read_value(readings, refold_json_pointer(refold_execution_json(execution), "/completion_percentage"));
    read_value(readings, refold_execution_json(execution));
    refold_execution_free(execution);
}

/* Reads a body in one mode, with no checks before the default mode is back. */
static void read_in(const struct mode *mode, const char *body, struct readings *readings) {
    fenv_t environment;
    memset(readings, 0, sizeof *readings);
    fegetenv(&environment);
    enter(mode);
    uint64_t before = floating_point_state();
    read_execution(readings, body);
    uint64_t after = floating_point_state();
    fesetenv(&environment);
    if (before != after)
        FAIL("the floating-point state was %#llx, and is %#llx", (unsigned long long)before,
             (unsigned long long)after);
}

/* In all modes, a body reads as in the default one. */
static void check_modes(const char *name, const char *body) {
    static struct readings expected, readings;
    check_case("%.60s: %s", name, modes[0].name);
    read_in(&modes[0], body, &expected);
    CHECK_BETWEEN(expected.count, 10, COUNT(expected.words) - 1);
    for (size_t i = 1; i < COUNT(modes); i++) {
        check_case("%.60s: %s", name, modes[i].name);
        read_in(&modes[i], body, &readings);
        REQUIRE(CHECK_INT(readings.count, expected.count));
        for (size_t word = 0; word < expected.count; word++)
            if (!CHECK_INT(readings.words[word], expected.words[word]))
                break;
    }
}

/* A number in every place that an accessor reads. */
static char *body_of(const char *number) {
    return text_of(
        "{\"status\": \"RUNNING\", \"completion_percentage\": %s, \"nodes\": [{\"attempts_made\": %s, "
        "\"maximum_attempts\": %s, \"execution_time\": %s, \"latest_output\": %s, "
        "\"input_data\": [%s, {\"n\":%s}]}]}",
        number, number, number, number, number, number, number);
}

/* Tests -------------------------------------------------------------------------------------------------- */

TEST(numbers_are_the_nearest_in_every_mode) {
    static const char *const wholes[] = {"0",
                                         "1",
                                         "7",
                                         "33",
                                         "100",
                                         "1234567",
                                         "12345678",
                                         "123456789012",
                                         "9007199254740991",
                                         "9007199254740993",
                                         "999999999999999999",
                                         "1000000000000000001",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "18446744073709551615",
                                         "18446744073709551617",
                                         "123456789012345678901234567890"};
    static const char *const fractions[] = {"",
                                            ".0",
                                            ".3",
                                            ".5",
                                            ".95",
                                            ".1415",
                                            ".1234567",
                                            ".12345678",
                                            ".1234567890123",
                                            ".00000000000000000000000000000000000000007"};
    static const char *const exponents[] = {"",
                                            "e1",
                                            "e-1",
                                            "e5",
                                            "e22",
                                            "e-22",
                                            "e23",
                                            "e-23",
                                            "e37",
                                            "e-37",
                                            "e300",
                                            "e-300",
                                            "e-310",
                                            "e308",
                                            "e-323",
                                            "e400",
                                            "e-400",
                                            "e999999999999999999999",
                                            "e-999999999999999999999"};
    size_t step = check_is_slow() ? 7 : 1, number = 0;
    for (size_t whole = 0; whole < COUNT(wholes); whole++)
        for (size_t fraction = 0; fraction < COUNT(fractions); fraction++)
            for (size_t exponent = 0; exponent < COUNT(exponents); exponent++) {
                if (number++ % step != 0)
                    continue;
                char *text = text_of("%s%s%s%s", number % 3 == 0 ? "-" : "", wholes[whole],
                                     fractions[fraction], exponents[exponent]);
                char *body = body_of(text);
                check_modes(text, body);
                free(body);
                free(text);
            }
}

/* These would read wrong with one operation that rounds upward. */
TEST(known_numbers_are_the_nearest_when_rounding_upward) {
    static const struct {
        const char *text;
        double value;
    } rows[] = {{"33.3", 33.3},
                {"0.1", 0.1},
                {"1e23", 1e23},
                {"-2.675", -2.675},
                {"9007199254740993", 9007199254740992.0},
                {"123456789012345678", 123456789012345680.0},
                {"5e-324", 5e-324}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        fenv_t environment;
        char *body = body_of(rows[i].text);
        fegetenv(&environment);
        fesetround(FE_UPWARD);
        refold_execution *execution = refold_parse_execution(body, strlen(body), NULL);
        double percentage = refold_execution_completion_percentage(execution);
        double value = refold_json_double(
            refold_json_pointer(refold_execution_json(execution), "/nodes/0/input_data/0"));
        fesetenv(&environment);
        check_case("%s", rows[i].text);
        CHECK_DOUBLE(percentage, rows[i].value);
        CHECK_DOUBLE(value, rows[i].value);
        refold_execution_free(execution);
        free(body);
    }
}

/* Numbers of more than 64 KiB of text are not part of a tape. */
TEST(long_numbers_are_the_nearest_in_every_mode) {
    static const char *const edges[][2] = {
        {"33.3", ""}, {"0.", "1e70000"}, {"1.", "1e-400"}, {"-7", "e-70000"}};
    char *zeros = repeated("0", 70000);
    for (size_t i = 0; i < COUNT(edges); i++) {
        char *number = text_of("%s%s%s", edges[i][0], zeros, edges[i][1]);
        char *body = body_of(number);
        check_modes(edges[i][1], body);
        free(body);
        free(number);
    }
    free(zeros);
}

TEST(documented_numbers_are_the_nearest_in_every_mode) {
    static char body[100000];
    char path[4096];
    const char *folder = strstr(__FILE__, "c/numbers.c");
    REQUIRE(folder != NULL);
    snprintf(path, sizeof path, "%.*sdata/documented-200.json", (int)(folder - __FILE__), __FILE__);
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    CHECK_BETWEEN(fread(body, 1, sizeof body - 1, file), 100, sizeof body - 2);
    fclose(file);
    check_modes("documented-200.json", body);
}

TEST(malformed_documents_fail_alike_in_every_mode) {
    static const char *const bodies[] = {"",
                                         "1e400",
                                         "{\"status\": 1e400}",
                                         "{\"status\": \"\", \"a\": [1e999, 33.3, }",
                                         "[1.7976931348623159e308",
                                         "{\"a\": 1e-400, \"b\": .5}"};
    for (size_t i = 0; i < COUNT(bodies); i++)
        check_modes(bodies[i], bodies[i]);
}

/* The pause before the second attempt is drawn at random, and the error's envelope contains numbers. */
TEST(calls_and_retries_work_in_every_mode) {
    for (size_t i = 0; i < COUNT(modes); i += 4) {
        struct server *server = serve_responses(
            2, (struct response[]){{.status = 503, .body = "{\"status_code\": 503.25}"},
                                   {.body = "{\"status\": \"COMPLETED\", \"completion_percentage\": 33.3}"}});
        refold_options *options = test_options(server_url(server));
        refold_options_set_max_retries(options, 1);
        refold_client *client = client_of(options);
        fenv_t environment;
        check_case("%s", modes[i].name);
        fegetenv(&environment);
        enter(&modes[i]);
        uint64_t before = floating_point_state();
        refold_error *error = NULL;
        refold_execution *execution = refold_get_execution(client, TEST_ID, NULL, &error);
        uint64_t after = floating_point_state();
        fesetenv(&environment);
        CHECK_INT(after, before);
        CHECK(error == NULL);
        CHECK_INT(server_requests(server), 2);
        CHECK_DOUBLE(refold_execution_completion_percentage(execution), 33.3);
        refold_execution_free(execution);
        refold_error_free(error);
        refold_client_free(client);
        server_stop(server);
    }
}
