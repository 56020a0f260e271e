/* Runs one deliberate defect in Rust code: overflow, use_after_free, leak, race; or none. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

void overflow(void);
void use_after_free(void);
void leak(void);
void *race(void *count);

static void race_two_threads(void) {
    uint64_t count = 0;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, race, &count);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv) {
    const struct {
        const char *name;
        void (*commit)(void);
    } defects[] = {{"overflow", overflow},
                   {"use_after_free", use_after_free},
                   {"leak", leak},
                   {"race", race_two_threads}};
    for (size_t i = 0; argc == 2 && i < sizeof defects / sizeof *defects; i++)
        if (strcmp(argv[1], defects[i].name) == 0)
            defects[i].commit();
    return 0;
}
