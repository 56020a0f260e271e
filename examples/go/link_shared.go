//go:build !static

package refold

// #cgo pkg-config: refold
import "C"
