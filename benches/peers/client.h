/* The client of this library that the benchmarks measure, and what they read of an execution. */
#ifndef CLIENT_H
#define CLIENT_H

#include <refold.h>
#include <stdint.h>
#include <stdio.h>

/* Takes lines of the log. */
static inline void ignore_line(refold_log_level level, const char *message, void *user_data) {
    (void)level, (void)message, (void)user_data;
}

#ifndef LOG_LEVEL
#define LOG_LEVEL REFOLD_LOG_OFF
#endif

/* `ca_file` may be NULL. A poll interval only matters for waits. Prints the reason before it returns NULL. */
static inline refold_client *new_polling_client(const char *base_url, const char *ca_file,
                                                uint64_t poll_interval_ms) {
    refold_options *options = refold_options_new();
    refold_options_set_api_key(options, "tk_benchmark", "user_12345");
    refold_options_set_base_url(options, base_url);
    refold_options_set_ca_file(options, ca_file);
    refold_options_set_proxy(options, "");
    refold_options_set_log(options, LOG_LEVEL, ignore_line, NULL);
    refold_options_set_poll_interval_ms(options, poll_interval_ms);
    refold_error *error;
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (client == NULL)
        fprintf(stderr, "refold: %s\n", refold_error_message(error));
    refold_error_free(error);
    return client;
}

static inline refold_client *new_client(const char *base_url, const char *ca_file) {
    return new_polling_client(base_url, ca_file, 1000);
}

/* Adds every field to a checksum, as the other readers do. */
void add_execution(uint64_t *sum, const refold_execution *execution);

#endif
