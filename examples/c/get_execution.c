/* Shows one execution of a workflow:  cc get_execution.c -lrefold && ./a.out EXECUTION_ID */
#include <inttypes.h>
#include <refold.h>
#include <stdio.h>

static const char *or_dash(const char *text) { return text ? text : "-"; }

int main(int argc, char **argv) {
    refold_error *error = NULL;
    refold_execution *execution = NULL;
    refold_options *options = refold_options_new_from_env(); /* REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID */
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (client)
        execution = refold_get_execution(client, argc == 2 ? argv[1] : NULL, NULL, &error);
    refold_client_free(client);
    if (!execution) {
        fprintf(stderr, "get_execution: %s\n", refold_error_message(error));
        refold_error_free(error);
        return 1;
    }
    printf("%s: %s", or_dash(refold_execution_name(execution)), refold_execution_status(execution));
    double percentage = refold_execution_completion_percentage(execution);
    if (percentage >= 0)
        printf(", %g %%", percentage);
    printf("\n");
    for (size_t i = 0; i < refold_execution_node_count(execution); i++) {
        const refold_node *node = refold_execution_node(execution, i);
        printf("  %s: %s", or_dash(refold_node_name(node)), or_dash(refold_node_status(node)));
        if (refold_node_execution_time_ms(node) >= 0)
            printf(", %" PRId64 " ms", refold_node_execution_time_ms(node));
        printf("\n");
    }
    refold_execution_free(execution);
    if (fflush(stdout) == 0)
        return 0;
    perror("get_execution: cannot write");
    return 1;
}
