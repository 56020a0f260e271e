/* The client of this library that the benchmarks measure. */
#ifndef CLIENT_H
#define CLIENT_H

#include <refold.h>
#include <stdio.h>

/* `ca_file` may be NULL. Prints the reason before it returns NULL. */
static inline refold_client *new_client(const char *base_url, const char *ca_file) {
    refold_options *options = refold_options_new();
    refold_options_set_api_key(options, "tk_benchmark", "user_12345");
    refold_options_set_base_url(options, base_url);
    refold_options_set_ca_file(options, ca_file);
    refold_options_set_proxy(options, "");
    refold_error *error;
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (client == NULL)
        fprintf(stderr, "refold: %s\n", refold_error_message(error));
    refold_error_free(error);
    return client;
}

#endif
