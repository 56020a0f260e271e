#define _GNU_SOURCE
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t time_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t wall_time(void) { return time_of(CLOCK_MONOTONIC); }

uint64_t processor_time(void) { return time_of(CLOCK_PROCESS_CPUTIME_ID); }

static long status_of(const char *name) {
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long number = -1;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            number = strtol(line + strlen(name), NULL, 10);
    if (file != NULL)
        fclose(file);
    return number;
}

long peak_memory(void) { return status_of("VmHWM:"); }

long resident_memory(void) { return status_of("VmRSS:"); }

long thread_count(void) { return status_of("Threads:"); }

static int compare(const void *one, const void *other) {
    uint64_t left = *(const uint64_t *)one, right = *(const uint64_t *)other;
    return (left > right) - (left < right);
}

uint64_t median(uint64_t *list, size_t count) {
    qsort(list, count, sizeof *list, compare);
    return list[count / 2];
}

size_t number_of(const char *argument) {
    char *end;
    unsigned long long number = strtoull(argument, &end, 10);
    if (end == argument || *end != '\0') {
        fprintf(stderr, "not a number: %s\n", argument);
        exit(2);
    }
    return (size_t)number;
}

void *allocate(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) {
        perror("malloc");
        exit(1);
    }
    return memory;
}

char *read_file(const char *path, size_t padding, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    *length = (size_t)ftell(file);
    rewind(file);
    char *text = allocate(*length + padding);
    if (fread(text, 1, *length, file) != *length) {
        perror(path);
        exit(1);
    }
    memset(text + *length, 0, padding);
    fclose(file);
    return text;
}
