package refold

// #include <refold.h>
import "C"

import (
	"fmt"
	"strings"
	"time"
)

// Timings is how long the parts of a call took. A part that the call did not go through is negative. All but Total are of
// the last attempt, and follow one another.
type Timings struct {
	// Total is the call with all attempts and the pauses between them. Of a snapshot of a wait it is the poll that fetched
	// the snapshot, and of the error of a wait the whole wait. Negative if no call was made.
	Total time.Duration
	// Resolve is the lookup of host names. Negative for an address, for localhost, and on a reused connection.
	Resolve time.Duration
	// Connect includes the dialogue with a proxy. Negative on a reused connection.
	Connect time.Duration
	// TLS is the handshake. Negative without TLS, and on a reused connection.
	TLS time.Duration
	// FirstByte is from the first byte of the request to the first byte of the response.
	FirstByte time.Duration
	// Transfer is from there to the last byte of the response. The parsing after that is not included.
	Transfer time.Duration
}

var noTimings = Timings{-1, -1, -1, -1, -1, -1}

// String returns the times for a summary, such as "12.3ms (connect 210µs, first byte 11.9ms, transfer 80µs)", without the
// parts that the call did not go through; "-" if there are none.
func (timings Timings) String() string {
	if timings.Total < 0 {
		return "-"
	}
	var parts []string
	for _, part := range []struct {
		name string
		time time.Duration
	}{
		{"resolve", timings.Resolve},
		{"connect", timings.Connect},
		{"TLS", timings.TLS},
		{"first byte", timings.FirstByte},
		{"transfer", timings.Transfer},
	} {
		if part.time >= 0 {
			parts = append(parts, fmt.Sprintf("%s %v", part.name, part.time))
		}
	}
	if len(parts) == 0 {
		return timings.Total.String()
	}
	return fmt.Sprintf("%v (%s)", timings.Total, strings.Join(parts, ", "))
}

// newTimings reads all parts from a function of C.
func newTimings(read func(C.refold_timing) C.int64_t) Timings {
	part := func(timing C.refold_timing) time.Duration {
		return duration(read(timing), time.Microsecond)
	}
	return Timings{
		Total:     part(C.REFOLD_TIMING_TOTAL),
		Resolve:   part(C.REFOLD_TIMING_RESOLVE),
		Connect:   part(C.REFOLD_TIMING_CONNECT),
		TLS:       part(C.REFOLD_TIMING_TLS),
		FirstByte: part(C.REFOLD_TIMING_FIRST_BYTE),
		Transfer:  part(C.REFOLD_TIMING_TRANSFER),
	}
}
