/* Prints the version of the library, and fails if the header has another. */
#include <refold.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    puts(refold_version());
    return strcmp(refold_version(), REFOLD_VERSION) != 0;
}
