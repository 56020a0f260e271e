// Adds the fields of an `object` of one of simdjson's two interfaces, which the including file defines.
void add_string(uint64_t *sum, object of, const char *key) {
    std::string_view text;
    if (of[key].get(text) != SUCCESS)
        text = "";
    add_text(sum, text.data(), text.size());
}

void add_integer(uint64_t *sum, object of, const char *key) {
    int64_t number;
    if (of[key].get(number) != SUCCESS)
        number = -1;
    add_number(sum, number);
}

void add_truth(uint64_t *sum, object of, const char *key) {
    bool is_true;
    add_number(sum, of[key].get(is_true) == SUCCESS && is_true);
}

#include "fields.h"
