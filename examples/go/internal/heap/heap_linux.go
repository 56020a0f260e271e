// Package heap measures the memory of C, for the tests of leaks: cgo is not available to tests themselves.
package heap

// #include <malloc.h>
//
// #ifdef __GLIBC__
// #if __GLIBC_PREREQ(2, 33)
// #define HAS_MALLINFO2
// #endif
// #endif
//
// static long long in_use(void) {
// #ifdef HAS_MALLINFO2
//     struct mallinfo2 figures = mallinfo2();
//     return (long long)(figures.uordblks + figures.hblkhd);
// #else
//     return -1;
// #endif
// }
import "C"

// InUse returns how many bytes are allocated, or -1 if the C library does not count that. Unlike the resident memory of the
// process, that includes neither Go's memory nor what the allocator has freed and keeps, which depends on the threads that
// happened to run.
func InUse() int {
	return int(C.in_use())
}
