//go:build static

package refold

// The library precedes what pkg-config returns, which includes the shared library if both are installed. That is left
// out again because it is not needed any more.

// #cgo pkg-config: --static refold
// #cgo !darwin LDFLAGS: -Wl,--as-needed -l:librefold.a
import "C"
