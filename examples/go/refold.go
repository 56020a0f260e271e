// Package refold gets one workflow execution of Refold by its id, with the detail of every node.
//
//	client, err := refold.NewClientFromEnv()
//	if err != nil {
//		return err
//	}
//	execution, err := client.GetExecution(ctx, id)
//	if errors.Is(err, refold.ErrNotFound) {
//		return fmt.Errorf("there is no execution %s", id)
//	}
//
// It stands on the C library librefold, which pkg-config has to find. Executions and errors are plain Go values,
// and nothing has to be freed: a client that nobody uses any more is closed when the garbage collector finds it, and
// Close does so at once.
//
// A call takes a goroutine and, as every call into C that blocks, a thread of the system until it returns. Cancelling
// the context ends it within 50 milliseconds.
package refold

/*
#cgo pkg-config: refold
#include <refold.h>
*/
import "C"

import (
	"math"
	"time"
	"unsafe"
)

// Version is that of the C library which is loaded, such as "0.1.0".
func Version() string {
	return C.GoString(C.refold_version())
}

// copyBytes copies from C. Unlike C.GoBytes it takes more than 2 GiB.
func copyBytes(start *C.char, length C.size_t) []byte {
	if start == nil {
		return nil
	}
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(start)), int(length))...)
}

// duration keeps a negative number, which says that there is none.
func duration(milliseconds C.int64_t) time.Duration {
	switch {
	case milliseconds < 0:
		return -1
	case int64(milliseconds) > math.MaxInt64/int64(time.Millisecond):
		return math.MaxInt64
	default:
		return time.Duration(milliseconds) * time.Millisecond
	}
}
