//go:build !linux || !cgo

package heap

// InUse is only available on Linux.
func InUse() int {
	panic("refold: the memory of C is only measured on Linux, with cgo")
}
