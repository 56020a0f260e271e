// Prints which of simdjson's implementations reads On-Demand as this file is compiled, and which one finds
// the structure of the text for both of its interfaces, and parses for the DOM: that is selected at run time.
#include <simdjson.h>

#include <cstdio>

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

int main() {
    std::printf("%s on %s\n", TEXT(SIMDJSON_BUILTIN_IMPLEMENTATION),
                simdjson::get_active_implementation()->name().c_str());
}
