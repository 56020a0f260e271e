/* `payloads FOLDER` writes the executions for the benchmarks: small.json, medium.json, large.json and
 * huge.json, with the same bytes in every run. An output is a list of records as an application returns them:
 * nested, with escapes, non-ASCII text and numbers, and without white space, as the server writes it. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct payload {
    const char *name;
    int nodes;
    /* An output grows by whole records until it has this many bytes. */
    size_t output_bytes;
};

static const struct payload payloads[] = {
    {"medium", 50, 500},
    {"large", 2000, 4370},
    {"huge", 200, 499000},
};

static const char small[] =
    "{\"name\":\"Execution for workflow 6a106ba44480b80424a65289\",\"org_id\":\"6500a1b2c3d4e5f6a7b8c9d0\","
    "\"environment\":\"test\",\"status\":\"COMPLETED\",\"completion_percentage\":100,"
    "\"config_id\":\"user_12345\",\"linked_account_id\":\"user_12345\",\"nodes\":[{\"node_id\":\"1\","
    "\"node_name\":\"Start\",\"node_type\":\"start\",\"node_status\":\"Success\",\"is_batch\":false,"
    "\"attempts_made\":1,\"execution_time\":403,\"latest_output\":{\"message\":\"Workflow started "
    "successfully\",\"node_id\":\"1\",\"node_type\":\"start\",\"status\":\"initialized\"}}]}";

static const char *const names[] = {"Zo\u00eb M\u00fcller",
                                    "Jos\u00e9 \u00c1lvarez",
                                    "Anna Kowalska",
                                    "\u5c71\u7530 \u592a\u90ce",
                                    "Ravi Kumar",
                                    "Chlo\u00e9 Lef\u00e8vre",
                                    "John Smith",
                                    "\u041e\u043b\u044c\u0433\u0430 \u0418\u0432\u0430"
                                    "\u043d\u043e\u0432\u0430"};
static const char *const cities[] = {"Z\u00fcrich",  "S\u00e3o Paulo", "Berlin",      "New York",
                                     "\u6771\u4eac", "Bengaluru",      "Krak\u00f3w", "Lyon"};
static const char *const stages[] = {"lead", "qualified", "proposal", "closed_won", "closed_lost"};
static const char *const notes[] = {
    "Called twice, no answer.\\nTry again on Monday.",
    "Asked for the \\\"Enterprise\\\" plan; budget is C:\\\\Deals\\\\2024 \\u2013 see the attachment.",
    "Prefers e-mail. Met at the fair in Hall 7, very interested in the integration with their warehouse.",
    "",
    "Gr\u00fc\u00dfe an das Team! \U0001f600 R\u00fcckruf erbeten.\\r\\n\\tDanke",
    "<p>Imported from <a href=\\\"https:\\/\\/crm.example\\/contact\\\">the old system</a></p>",
    "The customer reports that invoices are sent to the wrong department since the last update. Support has "
    "confirmed the defect, a correction is planned for the next release, and the account manager will follow "
    "up."};
static const char *const types[] = {"start", "http_request", "filter", "transform", "crm_update", "email"};

/* Marsaglia's xorshift64: the same pseudo-random numbers in every run. */
static uint64_t state = 88172645463325252u;

static uint64_t random_below(uint64_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % limit;
}

#define ANY(list) (list)[random_below(sizeof(list) / sizeof *(list))]

static size_t write_record(FILE *file, int number) {
    uint64_t id = random_below(UINT64_MAX), customer = random_below(1000000);
    int length = fprintf(
        file,
        "{\"id\":\"%016" PRIx64 "%08d\",\"customer\":{\"number\":%" PRIu64
        ",\"name\":\"%s\",\"email\":\"user%" PRIu64 "@customers.example\",\"address\":{\"street\":\"%" PRIu64
        " Main Street\",\"city\":\"%s\",\"zip\":\"%05" PRIu64
        "\",\"location\":[%.6f,%.6f]}},\"stage\":\"%s\",\"amount\":%" PRIu64 ".%02" PRIu64
        ",\"probability\":%.3g,\"is_active\":%s,\"parent\":null,\"tags\":[\"%s\",\"%s\"],\"note\":\"%s\","
        "\"created_at\":\"2024-%02d-%02dT%02d:%02d:%02d.%03dZ\",\"score\":%d,\"balance\":-%" PRIu64 "e-2}",
        id, number, customer, ANY(names), customer, random_below(9999), ANY(cities), random_below(100000),
        (double)random_below(180000000) / 1e6 - 90, (double)random_below(360000000) / 1e6 - 180, ANY(stages),
        random_below(100000), random_below(100), (double)random_below(1000) / 1000,
        random_below(2) ? "true" : "false", ANY(types), ANY(stages), ANY(notes), (int)random_below(12) + 1,
        (int)random_below(28) + 1, (int)random_below(24), (int)random_below(60), (int)random_below(60),
        (int)random_below(1000), (int)random_below(101), random_below(1000000));
    return length < 0 ? 0 : (size_t)length;
}

static void write_node(FILE *file, int index, size_t output_bytes) {
    const char *type = ANY(types);
    fprintf(file,
            "%s{\"node_id\":\"%d\",\"node_name\":\"%s \\u2192 %s "
            "%d\",\"node_type\":\"%s\",\"node_status\":\"Success\","
            "\"is_batch\":%s,\"attempts_made\":%d,\"maximum_attempts\":3,\"execution_time\":%d,\"latest_"
            "output\":{"
            "\"status\":200,\"records\":[",
            index == 0 ? "" : ",", index + 1, type, ANY(cities), index + 1, type,
            random_below(4) ? "false" : "true", (int)random_below(3) + 1, (int)random_below(5000));
    size_t length = 0;
    for (int number = 0; length < output_bytes; number++) {
        if (number > 0)
            fputc(',', file);
        length += write_record(file, number);
    }
    fprintf(file, "],\"has_more\":false}}");
}

static void write_payload(FILE *file, const struct payload *payload) {
    fprintf(
        file,
        "{\"_id\":\"6a106ba44480b80424a65289\",\"name\":\"Execution for workflow 6a106ba44480b80424a65289\","
        "\"org_id\":\"6500a1b2c3d4e5f6a7b8c9d0\",\"environment\":\"production\",\"status\":\"COMPLETED\","
        "\"completion_percentage\":100,\"config_id\":\"user_12345\",\"linked_account_id\":\"user_12345\","
        "\"createdAt\":\"2024-05-17T09:30:00.000Z\",\"nodes\":[");
    for (int index = 0; index < payload->nodes; index++)
        write_node(file, index, payload->output_bytes);
    fprintf(file, "]}");
}

static FILE *begin(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

static void end(FILE *file) {
    if (ferror(file) | fclose(file)) {
        perror("payloads");
        exit(1);
    }
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: payloads FOLDER\n");
        return 2;
    }
    FILE *file = begin(arguments[1], "small");
    fwrite(small, 1, strlen(small), file);
    end(file);
    for (size_t index = 0; index < sizeof payloads / sizeof *payloads; index++) {
        file = begin(arguments[1], payloads[index].name);
        write_payload(file, &payloads[index]);
        end(file);
    }
    return 0;
}
