// Package heap measures the memory of C, for the tests of leaks: cgo is not available to tests themselves.
package heap

// #include <malloc.h>
import "C"

// InUse returns how many bytes are allocated. Unlike the resident memory of the process, that includes neither Go's memory
// nor what the allocator keeps for later, which depends on the threads that happened to run.
func InUse() int {
	figures := C.mallinfo2()
	return int(figures.uordblks + figures.hblkhd)
}
