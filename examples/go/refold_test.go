package refold

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

const documented = "6a106ba44480b80424a65289"

func TestVersion(t *testing.T) {
	if version := Version(); !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
		t.Errorf("version %q", version)
	}
}

func TestGetExecution(t *testing.T) {
	execution, err := sandboxClient(t).GetExecution(background(), documented)
	if err != nil {
		t.Fatal(err)
	}
	if execution.ID != documented || execution.Name != "Execution for workflow "+documented ||
		execution.Environment != "test" || execution.Status != "COMPLETED" || execution.State != StateCompleted ||
		execution.CompletionPercentage != 100 || execution.ConfigID != "user_12345" ||
		execution.LinkedAccountID != "user_12345" || execution.OrgID == "" {
		t.Errorf("execution %+v", execution)
	}
	if len(execution.Nodes) != 1 {
		t.Fatalf("%d nodes", len(execution.Nodes))
	}
	node := execution.Nodes[0]
	if node.ID != "1" || node.Name != "Start" || node.Type != "start" || node.Status != "Success" ||
		node.State != StateCompleted || node.IsBatch || node.AttemptsMade != 1 || node.MaximumAttempts != -1 ||
		node.ExecutionTime != 403*time.Millisecond || node.InputData != nil {
		t.Errorf("node %+v", node)
	}
	var output struct{ Message, Status string }
	if err := json.Unmarshal(node.LatestOutput, &output); err != nil {
		t.Fatal(err)
	}
	if output.Message != "Workflow started successfully" || output.Status != "initialized" {
		t.Errorf("output %+v", output)
	}
	if !json.Valid(execution.JSON) || !bytes.Contains(execution.JSON, node.LatestOutput) || !json.Valid(node.JSON) {
		t.Error("the JSON of the execution and its node is not that of the document")
	}
	if execution.Node("1") != &execution.Nodes[0] || execution.Node("2") != nil {
		t.Error("the node is not found by its id")
	}
}

func TestOutputsOfAllTypes(t *testing.T) {
	execution, err := sandboxClient(t).GetExecution(background(), "outputs-of-all-types")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Nodes []struct {
			Output *json.RawMessage `json:"latest_output"`
		}
	}
	if err := json.Unmarshal(execution.JSON, &document); err != nil {
		t.Fatal(err)
	}
	if len(document.Nodes) != len(execution.Nodes) || len(document.Nodes) < 6 {
		t.Fatalf("%d nodes instead of %d", len(execution.Nodes), len(document.Nodes))
	}
	for index, node := range document.Nodes {
		output := execution.Nodes[index].LatestOutput
		switch {
		case node.Output == nil:
			// encoding/json does not distinguish null from a missing field here.
			if output != nil && string(output) != "null" {
				t.Errorf("output %d is %s", index, output)
			}
		case string(*node.Output) != string(output):
			t.Errorf("output %d is %s instead of %s", index, output, *node.Output)
		}
	}
}

func TestAppendToOutputKeepsDocument(t *testing.T) {
	execution, err := ParseExecution([]byte(`{"status":"RUNNING","nodes":[{"latest_output":1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	before := string(execution.JSON)
	_ = append(execution.Nodes[0].LatestOutput, "23"...)
	if string(execution.JSON) != before {
		t.Errorf("the document became %s", execution.JSON)
	}
}

func TestTimesOfAnExecution(t *testing.T) {
	for text, want := range map[string][2]string{
		`{"status":"RUNNING","createdAt":"2024-05-06T07:08:09.000Z","updatedAt":"2024-05-06T07:08:10.000Z"}`: {
			"2024-05-06T07:08:09.000Z", "2024-05-06T07:08:10.000Z"},
		`{"status":"RUNNING","createdAt":7,"updatedAt":null}`: {},
		`{"status":"RUNNING"}`:                                {},
	} {
		execution, err := ParseExecution([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{execution.CreatedAt, execution.UpdatedAt}; got != want {
			t.Errorf("%s has the times %q", text, got)
		}
	}
}

func TestParseExecution(t *testing.T) {
	execution, err := ParseExecution([]byte(`{"status":"PAUSED","nodes":[{"execution_time":9223372036854775807},{}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if execution.ID != "" || execution.Status != "PAUSED" || execution.State != StateUnknown ||
		execution.State.Final() || execution.CompletionPercentage != -1 {
		t.Errorf("execution %+v", execution)
	}
	if execution.Nodes[0].ExecutionTime != math.MaxInt64 || execution.Nodes[1].ExecutionTime != -1 {
		t.Errorf("nodes %+v", execution.Nodes)
	}
	for _, text := range []string{"", "[]", "{", `{"status":null}`} {
		if execution, err := ParseExecution([]byte(text)); execution != nil || !errors.Is(err, ErrInvalidResponse) {
			t.Errorf("%q is %v, %v", text, execution, err)
		}
	}
}

func TestStates(t *testing.T) {
	if StateTimedOut.String() != "TIMED_OUT" || State(77).String() != "UNKNOWN" {
		t.Errorf("names %v, %v", StateTimedOut, State(77))
	}
	if !StateErrored.Final() || StateRunning.Final() || State(77).Final() {
		t.Error("Final is wrong for a state")
	}
}

func TestErrorHasEnvelopeFields(t *testing.T) {
	execution, err := sandboxClient(t).GetExecution(background(), "no-such-id")
	var failure *Error
	if execution != nil || !errors.As(err, &failure) {
		t.Fatalf("%v, %v", execution, err)
	}
	if !errors.Is(err, ErrNotFound) || !errors.Is(err, Code(404)) || errors.Is(err, ErrForbidden) {
		t.Error("errors.Is does not match the code")
	}
	if failure.Code != 404 || failure.HTTPStatus != 404 || failure.HTTPErrorType != "NOT_FOUND" ||
		failure.APICode != "RESOURCE_NOT_FOUND" || failure.Message != "Execution not found" || failure.Retryable ||
		failure.Attempts != 1 || failure.RetryAfter >= 0 || failure.Timeout() || !json.Valid(failure.Body) {
		t.Errorf("error %+v", failure)
	}
	if !strings.Contains(err.Error(), "Execution not found") || ErrNotFound.Error() != "refold: NOT_FOUND" {
		t.Errorf("messages %q, %q", err, ErrNotFound)
	}
}

func TestErrorHasRequestID(t *testing.T) {
	_, err := sandboxClient(t).GetExecution(background(), "error-500")
	var failure *Error
	if !errors.As(err, &failure) || failure.Code != ErrInternalServerError || failure.RequestID == "" ||
		!failure.Retryable || !strings.Contains(err.Error(), failure.RequestID) {
		t.Errorf("error %+v", err)
	}
}

func TestErrorHasRetryAfter(t *testing.T) {
	_, err := sandboxClient(t).GetExecution(background(), "rate-limited-7")
	var failure *Error
	if !errors.Is(err, ErrTooManyRequests) || !errors.As(err, &failure) || failure.RetryAfter != 7*time.Second {
		t.Errorf("error %+v", err)
	}
}

func TestTransientFailureIsRetried(t *testing.T) {
	execution, err := sandboxClient(t, WithMaxRetries(2)).GetExecution(background(), "flaky-go")
	if err != nil || execution.ID == "" {
		t.Errorf("%v, %v", execution, err)
	}
}

func TestCallTimesOut(t *testing.T) {
	url, _ := silentServer(t)
	client := sandboxClient(t, WithBaseURL(url), WithTimeout(100*time.Millisecond))
	_, err := client.GetExecution(background(), documented)
	var failure *Error
	if !errors.Is(err, ErrTimeout) || !errors.As(err, &failure) || !failure.Timeout() || !failure.Retryable {
		t.Errorf("error %+v", err)
	}
}

func TestInvalidArgumentsAreRejected(t *testing.T) {
	base := WithBaseURL("http://127.0.0.1:9")
	key := WithAPIKey("tk_1", "user_1")
	for name, options := range map[string][]Option{
		"credentials":   {base},
		"api_key":       {base, WithAPIKey("a\x00b", "user_1")},
		"linked":        {base, WithAPIKey("tk_1", "")},
		"base_url":      {key, WithBaseURL("ftp://127.0.0.1")},
		"timeout":       {base, key, WithTimeout(-1)},
		"poll_interval": {base, key, WithPollInterval(time.Millisecond)},
		"proxy":         {base, key, WithProxy("gopher://127.0.0.1")},
		"ca_file":       {base, key, WithCAFile(os.DevNull)},
		"ca_pem":        {base, key, WithCAPEM(nil)},
		"user_agent":    {base, key, WithUserAgent("a\nb")},
	} {
		client, err := NewClient(options...)
		if client != nil || !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, %v", name, client, err)
		}
	}
	client, err := NewClient(base, key, WithConnectTimeout(1), WithMaxResponseBytes(1), WithUserAgent("go/1"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, id := range []string{"", "..", "a/b", "a\x00b", strings.Repeat("a", 257)} {
		if _, err := client.GetExecution(background(), id); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestSessionTokenCanBeReplaced(t *testing.T) {
	client := sandboxClient(t, WithSessionToken("an.expired.token"))
	if _, err := client.GetExecution(background(), documented); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("with an expired token: %v", err)
	}
	if err := client.SetSessionToken(""); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("with an empty token: %v", err)
	}
	if err := client.SetSessionToken("sandbox.session.token"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetExecution(background(), documented); err != nil {
		t.Errorf("with a new token: %v", err)
	}
}

func TestOptionsReplaceEnvironmentCredentials(t *testing.T) {
	key, id := os.Getenv("REFOLD_API_KEY"), os.Getenv("REFOLD_LINKED_ACCOUNT_ID")
	withKey, withToken := WithAPIKey(key, id), WithSessionToken("sandbox.session.token")
	byToken := sandboxClient(t, withToken)
	t.Setenv("REFOLD_API_KEY", "")
	t.Setenv("REFOLD_LINKED_ACCOUNT_ID", "")
	t.Setenv("REFOLD_SESSION_TOKEN", "an.expired.token")
	for _, client := range []*Client{byToken, sandboxClient(t, withKey), sandboxClient(t, withToken, withToken)} {
		if _, err := client.GetExecution(background(), documented); err != nil {
			t.Error(err)
		}
	}
	for _, options := range [][]Option{{withKey, withToken}, {withToken, withKey}} {
		if _, err := NewClientFromEnv(options...); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("two kinds of credentials: %v", err)
		}
	}
}

func TestResponseTooLarge(t *testing.T) {
	client := sandboxClient(t, WithMaxResponseBytes(100))
	if _, err := client.GetExecution(background(), documented); !errors.Is(err, ErrResponseTooLarge) {
		t.Errorf("error %v", err)
	}
}

func TestClosedClientRejectsCalls(t *testing.T) {
	client := sandboxClient(t)
	for range [2]int{} {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := client.GetExecution(background(), documented)
	if !errors.Is(err, ErrClosed) || !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
	if err := client.SetSessionToken("a"); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func TestCloseDuringCall(t *testing.T) {
	client := sandboxClient(t)
	execution, err := client.WaitExecution(background(), newRun(), func(*Execution) error {
		return client.Close()
	})
	if err != nil || execution.State != StateCompleted {
		t.Errorf("%v, %v", execution, err)
	}
}

func TestCancelledContextSendsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(background())
	cancel()
	if _, err := sandboxClient(t).GetExecution(ctx, documented); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestContextCancelsCall(t *testing.T) {
	url, accepted := silentServer(t)
	client := sandboxClient(t, WithBaseURL(url), WithTimeout(0))
	ctx, cancel := context.WithCancel(background())
	go func() {
		<-accepted
		cancel()
	}()
	if _, err := client.GetExecution(ctx, documented); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestContextDeadlineEndsCall(t *testing.T) {
	url, _ := silentServer(t)
	for name, call := range map[string]func(context.Context) error{
		"get": func(ctx context.Context) error {
			_, err := sandboxClient(t, WithBaseURL(url), WithTimeout(0)).GetExecution(ctx, documented)
			return err
		},
		"wait": func(ctx context.Context) error {
			_, err := sandboxClient(t, WithPollInterval(time.Hour)).WaitExecution(ctx, "stuck", nil)
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(background(), 100*time.Millisecond)
		if err := call(ctx); err != context.DeadlineExceeded {
			t.Errorf("%s: error %v", name, err)
		}
		cancel()
	}
}

func TestWaitUnwrapsToTheFailureOfItsLastPoll(t *testing.T) {
	url, _ := silentServer(t)
	for name, test := range map[string]struct {
		id      string
		options []Option
		cause   Code
	}{
		// The deadline is in the first pause.
		"a failing server": {"error-503", []Option{WithPollInterval(time.Hour)}, ErrServiceUnavailable},
		"a silent server":  {documented, []Option{WithBaseURL(url), WithTimeout(0)}, ErrTimeout},
	} {
		ctx, cancel := context.WithTimeout(background(), 2*time.Second)
		_, err := sandboxClient(t, test.options...).WaitExecution(ctx, test.id, nil)
		cancel()
		var failure, cause *Error
		if !errors.As(err, &failure) || !errors.As(errors.Unwrap(err), &cause) || cause != failure.Cause {
			t.Fatalf("%s: error %v unwraps to %v", name, err, errors.Unwrap(err))
		}
		if failure.Code != ErrTimeout || cause.Code != test.cause || cause.Attempts != 1 {
			t.Errorf("%s: %v, %v after %d attempts", name, failure.Code, cause.Code, cause.Attempts)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrTimeout) || !errors.Is(err, test.cause) {
			t.Errorf("%s: errors.Is does not report %v", name, err)
		}
		if errors.Unwrap(cause) != nil || errors.Is(cause, context.DeadlineExceeded) {
			t.Errorf("%s: the cause %v has the properties of the wait", name, cause)
		}
	}
}

func TestOtherErrorsUnwrapToNothing(t *testing.T) {
	_, err := sandboxClient(t).WaitExecution(background(), "no-such-id", nil)
	if !errors.Is(err, ErrNotFound) || errors.Unwrap(err) != nil {
		t.Errorf("error %v unwraps to %v", err, errors.Unwrap(err))
	}
}

func TestFailureStates(t *testing.T) {
	for state := StateUnknown - 1; state <= StateRejected+1; state++ {
		if want := state.Final() && state != StateCompleted; state.Failure() != want {
			t.Errorf("%v: %v", state, !want)
		}
	}
	if !StateSkipped.Failure() || StateCompleted.Failure() {
		t.Error("SKIPPED is a failure, COMPLETED is not")
	}
}

func TestProgressReceivesEverySnapshot(t *testing.T) {
	var snapshots []*Execution
	execution, err := sandboxClient(t).WaitExecution(background(), newRun(), func(snapshot *Execution) error {
		snapshots = append(snapshots, snapshot)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(snapshots) < 3 || snapshots[0].State != StateRunning || execution.State != StateCompleted {
		t.Fatalf("%d snapshots, the last one %v", len(snapshots), execution.State)
	}
	if execution != snapshots[len(snapshots)-1] {
		t.Error("the execution returned is not the last snapshot")
	}
	for index := 1; index < len(snapshots); index++ {
		if snapshots[index].CompletionPercentage < snapshots[index-1].CompletionPercentage {
			t.Errorf("from %g to %g %%", snapshots[index-1].CompletionPercentage, snapshots[index].CompletionPercentage)
		}
	}
}

func TestWaitWithoutProgress(t *testing.T) {
	execution, err := sandboxClient(t).WaitExecution(background(), "errored", nil)
	if err != nil || execution.State != StateErrored {
		t.Errorf("%v, %v", execution, err)
	}
}

func TestWaitForUnknownID(t *testing.T) {
	_, err := sandboxClient(t).WaitExecution(background(), "no-such-id", func(*Execution) error { return nil })
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestProgressErrorEndsWait(t *testing.T) {
	enough := errors.New("enough")
	for _, id := range []string{"stuck", "completed"} { // during the run, and at its end
		calls := 0
		execution, err := sandboxClient(t).WaitExecution(background(), id, func(*Execution) error {
			calls++
			return enough
		})
		if execution != nil || err != enough || calls != 1 {
			t.Errorf("%s: %v, %v after %d calls", id, execution, err, calls)
		}
	}
}

func TestProgressMayCancelContext(t *testing.T) {
	ctx, cancel := context.WithCancel(background())
	_, err := sandboxClient(t).WaitExecution(ctx, "stuck", func(*Execution) error {
		cancel()
		return nil
	})
	if err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestProgressPanicEndsWait(t *testing.T) {
	client := sandboxClient(t)
	func() {
		defer func() {
			if got := recover(); got != "oh" {
				t.Errorf("recovered %v", got)
			}
		}()
		client.WaitExecution(background(), "stuck", func(*Execution) error { panic("oh") })
	}()
	if _, err := client.GetExecution(background(), documented); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}

// t.FailNow, for example, calls runtime.Goexit.
func TestProgressGoexitEndsWait(t *testing.T) {
	client := sandboxClient(t)
	ended := make(chan bool)
	go func() {
		defer func() { ended <- recover() == nil }()
		client.WaitExecution(background(), "stuck", func(*Execution) error {
			runtime.Goexit()
			return nil
		})
		t.Error("the goroutine did not exit")
	}()
	if !<-ended {
		t.Error("the goroutine panicked")
	}
}

func TestProgressMayUseClient(t *testing.T) {
	client := sandboxClient(t)
	_, err := client.WaitExecution(background(), "completed", func(*Execution) error {
		_, err := client.GetExecution(background(), documented)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPrintableTextIsOneHarmlessLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"a\tb\r\nc":                  "a b  c",
		"\x1b[2J\a\x00\x7f":          "?[2J???",
		"\u0080\u009f|\u061c|\u200e": "??|?|?",
		"\u200f|\u2028\u202e":        "?|??",
		"\u2066\u2069":               "??",
		"\x9b31m":                    "?31m",
		// The neighbors of what is replaced, and characters that only other rules would replace.
		"~ \u00a0\u061b\u061d\u200d\u2010\u2027\u202f\u2065\u206a": "~ \u00a0\u061b\u061d\u200d\u2010\u2027\u202f\u2065\u206a",
		"\u3000\u00ad\ufffd\U0001f680":                             "\u3000\u00ad\ufffd\U0001f680",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q became %q instead of %q", text, got, want)
		}
	}
}

func TestEmptyIDDiffersFromAbsentOne(t *testing.T) {
	execution, err := ParseExecution([]byte(`{"status":"RUNNING","nodes":[{},{"node_id":null},{"node_id":"","node_name":"b"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if node := execution.Node(""); node == nil || node.Name != "b" {
		t.Errorf("got %v instead of the node with an empty id", node)
	}
	execution.Nodes = execution.Nodes[:2]
	if node := execution.Node(""); node != nil {
		t.Errorf("got %v, which has no id", node)
	}
}
