// Prints two of simdjson's implementations: the one that On-Demand is compiled for here, and the one selected
// at run time, which finds the structure of the text for both interfaces, and parses for the DOM.
#include <simdjson.h>

#include <cstdio>

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

int main() {
    std::printf("%s on %s\n", TEXT(SIMDJSON_BUILTIN_IMPLEMENTATION),
                simdjson::get_active_implementation()->name().c_str());
}
