//go:build !cgo

package refold

// Without cgo, the package consists of this file, and the error of the compiler shows this text.
const _ int = "refold requires cgo: set CGO_ENABLED=1 and install a C compiler"
