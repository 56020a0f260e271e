/* Prints one execution:  cc get_execution.c -lrefold -o get_execution && ./get_execution EXECUTION_ID */
#include "printable.h"
#include <refold.h>

static const char *or_dash(const char *text) { return text ? text : "-"; }

int main(int argc, char **argv) {
    refold_error *error = NULL;
    refold_execution *execution = NULL;
    refold_options *options = refold_options_new_from_env(); /* REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID */
    refold_client *client = refold_client_new(options, &error);
    if (client)
        execution = refold_get_execution(client, argc == 2 ? argv[1] : NULL, NULL, &error);
    if (execution) {
        print_line(stdout, "%s: %s, %.15g %%", or_dash(refold_execution_name(execution)),
                   refold_execution_status(execution), refold_execution_completion_percentage(execution));
        for (size_t i = 0; i < refold_execution_node_count(execution); i++) {
            const refold_node *node = refold_execution_node(execution, i);
            print_line(stdout, "  %s: %s, %lld ms", or_dash(refold_node_name(node)),
                       or_dash(refold_node_status(node)),
                       (long long)refold_node_execution_time_ms(node)); /* -1 if not sent */
        }
    } else {
        print_line(stderr, "get_execution: %s", refold_error_message(error));
    }
    int status = !execution || fflush(stdout) || ferror(stdout);
    refold_execution_free(execution);
    refold_error_free(error);
    refold_client_free(client);
    refold_options_free(options);
    return status;
}
