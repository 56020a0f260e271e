package refold

/*
#include <refold.h>

enum { TIMINGS = REFOLD_TIMING_TRANSFER + 1 };

// An execution as a whole, read in one call, because every call from Go into C is expensive.
struct summary {
    const char *id, *name, *org_id, *environment, *status, *config_id, *linked_account_id, *created_at, *updated_at;
    const char *request_id, *json;
    size_t json_length, node_count;
    double completion_percentage;
    int64_t timings[TIMINGS];
    uint32_t attempts;
    refold_state state;
};

static struct summary summarise(const refold_execution *execution) {
    struct summary summary = {
        .id = refold_execution_id(execution),
        .name = refold_execution_name(execution),
        .org_id = refold_execution_org_id(execution),
        .environment = refold_execution_environment(execution),
        .status = refold_execution_status(execution),
        .config_id = refold_execution_config_id(execution),
        .linked_account_id = refold_execution_linked_account_id(execution),
        .created_at = refold_execution_created_at(execution),
        .updated_at = refold_execution_updated_at(execution),
        .request_id = refold_execution_request_id(execution),
        .node_count = refold_execution_node_count(execution),
        .completion_percentage = refold_execution_completion_percentage(execution),
        .attempts = refold_execution_attempts(execution),
        .state = refold_execution_state(execution),
    };
    summary.json = refold_json_raw(refold_execution_json(execution), &summary.json_length);
    for (int timing = 0; timing < TIMINGS; timing++)
        summary.timings[timing] = refold_execution_timing_us(execution, timing);
    return summary;
}

struct view {
    const char *id, *name, *type, *status, *latest_output, *input_data, *json;
    size_t latest_output_length, input_data_length, json_length;
    int64_t attempts_made, maximum_attempts, execution_time_ms;
    refold_state state;
    bool is_batch;
};

// Reads a whole node in one call.
static struct view view_node(const refold_execution *execution, size_t index) {
    const refold_node *node = refold_execution_node(execution, index);
    struct view view = {
        .id = refold_node_id(node),
        .name = refold_node_name(node),
        .type = refold_node_type(node),
        .status = refold_node_status(node),
        .attempts_made = refold_node_attempts_made(node),
        .maximum_attempts = refold_node_maximum_attempts(node),
        .execution_time_ms = refold_node_execution_time_ms(node),
        .state = refold_node_state(node),
        .is_batch = refold_node_is_batch(node),
    };
    view.latest_output = refold_json_raw(refold_node_latest_output(node), &view.latest_output_length);
    view.input_data = refold_json_raw(refold_node_input_data(node), &view.input_data_length);
    view.json = refold_json_raw(refold_node_json(node), &view.json_length);
    return view;
}
*/
import "C"

import (
	"encoding/json"
	"runtime"
	"time"
	"unsafe"
)

// State maps the statuses of executions and nodes, which are strings of the server, to one enumeration.
type State int32

// The states.
const (
	StateUnknown   State = C.REFOLD_STATE_UNKNOWN   // absent, or a status that the library does not know
	StateReady     State = C.REFOLD_STATE_READY     // not started
	StateRunning   State = C.REFOLD_STATE_RUNNING   // in progress
	StateWaiting   State = C.REFOLD_STATE_WAITING   // waiting, for an approval for example
	StateStopping  State = C.REFOLD_STATE_STOPPING  // asked to stop, but not stopped yet
	StateCompleted State = C.REFOLD_STATE_COMPLETED // succeeded; final
	StateErrored   State = C.REFOLD_STATE_ERRORED   // failed; final
	StateSkipped   State = C.REFOLD_STATE_SKIPPED   // failed, and the run continued without it; final
	StateStopped   State = C.REFOLD_STATE_STOPPED   // stopped; final
	StateTimedOut  State = C.REFOLD_STATE_TIMED_OUT // took too long; final
	StateRejected  State = C.REFOLD_STATE_REJECTED  // rejected; final
)

// Final reports whether the state is final. StateUnknown is not.
func (state State) Final() bool {
	return bool(C.refold_state_is_final(C.refold_state(state)))
}

// Failure reports whether the state is final and not StateCompleted.
func (state State) Failure() bool {
	return bool(C.refold_state_is_failure(C.refold_state(state)))
}

// String returns the name of the state, such as "COMPLETED".
func (state State) String() string {
	return C.GoString(C.refold_state_name(C.refold_state(state)))
}

// Execution is a snapshot of one execution. Strings that the document does not have are empty. Any number of goroutines
// may read it.
type Execution struct {
	ID              string // the field _id, or else the id that was requested
	Name            string
	OrgID           string // the organisation
	Environment     string // "test" or "production"
	Status          string // as sent by the server, such as "RUNNING"
	State           State  // the meaning of Status
	ConfigID        string // the configuration of the workflow
	LinkedAccountID string // the account that the run acts for
	CreatedAt       string // the start of the run: RFC 3339, in UTC
	UpdatedAt       string // the latest change of the run: RFC 3339, in UTC
	// CompletionPercentage is 0 to 100, or whatever number the server sends; -1 if absent.
	CompletionPercentage float64
	// Nodes are in the order in which the run reached them.
	Nodes []Node
	// JSON is the whole document as sent by the server. The JSON values of the nodes share its memory.
	JSON json.RawMessage

	// Timings is how long the call took, or the poll of a wait, that fetched the execution.
	Timings Timings
	// Attempts is the number of attempts of that call or poll; 0 for an execution from ParseExecution.
	Attempts int
	// RequestID identifies the request to Refold's support; empty if the response has no header field x-request-id.
	RequestID string
}

// Node is one node of an execution. Strings that the document does not have are empty.
type Node struct {
	ID              string // unique within the execution
	Name            string
	Type            string // such as "start"
	Status          string // as sent by the server, such as "Success"
	State           State  // the meaning of Status
	IsBatch         bool
	AttemptsMade    int64           // negative if absent
	MaximumAttempts int64           // negative if absent
	ExecutionTime   time.Duration   // how long the node ran; negative if absent
	LatestOutput    json.RawMessage // the latest output of the node, of any JSON type; nil if absent
	InputData       json.RawMessage // the input of the node, of any JSON type; nil if absent
	JSON            json.RawMessage // the whole node

	lacksID bool // ID is empty because it is absent
}

// Node returns the first node with the given id, or nil if there is none. The id "" matches no node without an id.
func (execution *Execution) Node(id string) *Node {
	for index := range execution.Nodes {
		if node := &execution.Nodes[index]; node.ID == id && !node.lacksID {
			return node
		}
	}
	return nil
}

// ParseExecution parses JSON text, such as a stored Execution.JSON. Nothing is sent. The error is an *Error, with
// ErrInvalidResponse if the text is not an execution.
func ParseExecution(text []byte) (*Execution, error) {
	if len(text) == 0 {
		text = []byte{' '} // C reports a NULL pointer as another error
	}
	var failure *C.refold_error
	parsed := C.refold_parse_execution((*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text)), &failure)
	runtime.KeepAlive(text)
	if parsed == nil {
		return nil, takeError(failure)
	}
	defer C.refold_execution_free(parsed)
	return newExecution(parsed), nil
}

// newExecution copies a snapshot into Go memory.
func newExecution(snapshot *C.refold_execution) *Execution {
	summary := C.summarise(snapshot)
	document := newDocument(summary.json, summary.json_length)
	execution := &Execution{
		ID:                   C.GoString(summary.id),
		Name:                 C.GoString(summary.name),
		OrgID:                C.GoString(summary.org_id),
		Environment:          C.GoString(summary.environment),
		Status:               C.GoString(summary.status),
		State:                State(summary.state),
		ConfigID:             C.GoString(summary.config_id),
		LinkedAccountID:      C.GoString(summary.linked_account_id),
		CreatedAt:            C.GoString(summary.created_at),
		UpdatedAt:            C.GoString(summary.updated_at),
		CompletionPercentage: float64(summary.completion_percentage),
		Nodes:                make([]Node, summary.node_count),
		JSON:                 document.text,
		Attempts:             int(summary.attempts),
		RequestID:            C.GoString(summary.request_id),
		Timings:              newTimings(func(timing C.refold_timing) C.int64_t { return summary.timings[timing] }),
	}
	for index := range execution.Nodes {
		execution.Nodes[index] = newNode(C.view_node(snapshot, C.size_t(index)), document)
	}
	return execution
}

func newNode(view C.struct_view, document document) Node {
	return Node{
		ID:              C.GoString(view.id),
		Name:            C.GoString(view.name),
		Type:            C.GoString(view._type),
		Status:          C.GoString(view.status),
		State:           State(view.state),
		IsBatch:         bool(view.is_batch),
		AttemptsMade:    int64(view.attempts_made),
		MaximumAttempts: int64(view.maximum_attempts),
		ExecutionTime:   duration(view.execution_time_ms, time.Millisecond),
		LatestOutput:    document.part(view.latest_output, view.latest_output_length),
		InputData:       document.part(view.input_data, view.input_data_length),
		JSON:            document.part(view.json, view.json_length),
		lacksID:         view.id == nil,
	}
}

// document is a copy of the JSON text of an execution, with the address of the original in C.
type document struct {
	text  json.RawMessage
	start uintptr
}

func newDocument(start *C.char, length C.size_t) document {
	return document{copyBytes(start, length), uintptr(unsafe.Pointer(start))}
}

// part returns a value of the document as a slice of its text, because the value in C is part of the original, too. The
// capacity of the slice equals its length, so that appending copies.
func (document document) part(start *C.char, length C.size_t) json.RawMessage {
	if start == nil {
		return nil
	}
	from := uintptr(unsafe.Pointer(start)) - document.start
	to := from + uintptr(length)
	if from > to || to > uintptr(len(document.text)) {
		return copyBytes(start, length)
	}
	return document.text[from:to:to]
}
