package refold

/*
#include <refold.h>

struct view {
    const char *id, *name, *type, *status, *latest_output, *input_data, *json;
    size_t latest_output_length, input_data_length, json_length;
    int64_t attempts_made, maximum_attempts, execution_time_ms;
    refold_state state;
    bool is_batch;
};

// A node at once, as each call into C has its price.
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

// State is what the server's words for the status of an execution or a node mean, on one scale.
type State int32

// The states.
const (
	StateUnknown   State = C.REFOLD_STATE_UNKNOWN   // absent, or a word that the library does not know
	StateReady     State = C.REFOLD_STATE_READY     // not begun
	StateRunning   State = C.REFOLD_STATE_RUNNING   // under way
	StateWaiting   State = C.REFOLD_STATE_WAITING   // waits for something
	StateStopping  State = C.REFOLD_STATE_STOPPING  // asked to stop, and not stopped yet
	StateCompleted State = C.REFOLD_STATE_COMPLETED // ended well
	StateErrored   State = C.REFOLD_STATE_ERRORED   // ended with an error
	StateSkipped   State = C.REFOLD_STATE_SKIPPED   // ended with an error, and the run went on without it
	StateStopped   State = C.REFOLD_STATE_STOPPED   // was stopped
	StateTimedOut  State = C.REFOLD_STATE_TIMED_OUT // took too long
	StateRejected  State = C.REFOLD_STATE_REJECTED  // was rejected
)

// Final tells whether the state will not change any more.
func (state State) Final() bool {
	return bool(C.refold_state_is_final(C.refold_state(state)))
}

// String is the name of the state for people and logs, such as "COMPLETED".
func (state State) String() string {
	return C.GoString(C.refold_state_name(C.refold_state(state)))
}

// Execution is a snapshot of one execution. Strings that the document does not have are empty.
type Execution struct {
	ID              string
	Name            string
	OrgID           string
	Environment     string // "test" or "production"
	Status          string // in the server's own words, such as "RUNNING"
	State           State  // what Status means
	ConfigID        string
	LinkedAccountID string
	CreatedAt       string // RFC 3339, in UTC
	// CompletionPercentage is 0 to 100, or whatever number the server sends; -1 when it is absent.
	CompletionPercentage float64
	// Nodes are in the order in which the run entered them.
	Nodes []Node
	// JSON is the whole document as it came. The JSON of the nodes lies in the same memory.
	JSON json.RawMessage
}

// Node is one node of an execution. Strings that the document does not have are empty.
type Node struct {
	ID              string
	Name            string
	Type            string // such as "start"
	Status          string // in the server's own words, such as "Success"
	State           State  // what Status means
	IsBatch         bool
	AttemptsMade    int64           // negative when it is absent
	MaximumAttempts int64           // negative when it is absent
	ExecutionTime   time.Duration   // how long the node ran; negative when it is absent
	LatestOutput    json.RawMessage // what the node returned last, of any type; nil when it is absent
	InputData       json.RawMessage // what the node was given, of any type; nil when it is absent
	JSON            json.RawMessage // the whole node
}

// Node is the node with an id, of several the first; nil when there is none.
func (execution *Execution) Node(id string) *Node {
	for index := range execution.Nodes {
		if execution.Nodes[index].ID == id {
			return &execution.Nodes[index]
		}
	}
	return nil
}

// ParseExecution makes an execution from JSON text, such as a stored answer of the server. Nothing is sent.
func ParseExecution(text []byte) (*Execution, error) {
	if len(text) == 0 {
		text = []byte{' '} // for C, no address would be another mistake
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

// newExecution copies a snapshot, so that it is Go's alone.
func newExecution(snapshot *C.refold_execution) *Execution {
	document := newDocument(C.refold_execution_json(snapshot))
	execution := &Execution{
		ID:                   C.GoString(C.refold_execution_id(snapshot)),
		Name:                 C.GoString(C.refold_execution_name(snapshot)),
		OrgID:                C.GoString(C.refold_execution_org_id(snapshot)),
		Environment:          C.GoString(C.refold_execution_environment(snapshot)),
		Status:               C.GoString(C.refold_execution_status(snapshot)),
		State:                State(C.refold_execution_state(snapshot)),
		ConfigID:             C.GoString(C.refold_execution_config_id(snapshot)),
		LinkedAccountID:      C.GoString(C.refold_execution_linked_account_id(snapshot)),
		CreatedAt:            C.GoString(C.refold_execution_created_at(snapshot)),
		CompletionPercentage: float64(C.refold_execution_completion_percentage(snapshot)),
		Nodes:                make([]Node, C.refold_execution_node_count(snapshot)),
		JSON:                 document.text,
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
		ExecutionTime:   duration(view.execution_time_ms),
		LatestOutput:    document.part(view.latest_output, view.latest_output_length),
		InputData:       document.part(view.input_data, view.input_data_length),
		JSON:            document.part(view.json, view.json_length),
	}
}

// document is the text of an execution, and where in C it was copied from.
type document struct {
	text  json.RawMessage
	start uintptr
}

func newDocument(whole *C.refold_json) document {
	var length C.size_t
	start := C.refold_json_raw(whole, &length)
	return document{copyBytes(start, length), uintptr(unsafe.Pointer(start))}
}

// part is the text of a value in the document. C shows it where it stands in the document, without a copy, and so does
// Go. Its capacity ends with it, so that appending to it copies.
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
