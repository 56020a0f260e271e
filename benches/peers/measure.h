/* Clocks and counters of this process. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds since some moment. */
uint64_t wall_time(void);

/* Nanoseconds of processor time, the kernel's for this process included. */
uint64_t processor_time(void);

/* The most memory that was resident, in kB; it is now. */
long peak_memory(void);
long resident_memory(void);

/* The number of threads. */
long thread_count(void);

/* The middle one; the list is sorted. */
uint64_t median(uint64_t *list, size_t count);

/* A whole number from the command line; ends the program if it is not one. */
size_t number_of(const char *argument);

/* Allocates memory; ends the program if there is none. */
void *allocate(size_t size);

/* A whole file, followed by `padding` zero bytes; ends the program if it cannot be read. */
char *read_file(const char *path, size_t padding, size_t *length);

#endif
