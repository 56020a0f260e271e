package refold

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/cgo"
	"strings"
	"sync"
	"testing"
	"time"
)

// logBook collects the lines of a log, each as "LEVEL message".
type logBook struct {
	mutex sync.Mutex
	lines []string
}

func (book *logBook) write(level LogLevel, message string) {
	book.mutex.Lock()
	defer book.mutex.Unlock()
	book.lines = append(book.lines, level.String()+" "+message)
}

func (book *logBook) text() string {
	book.mutex.Lock()
	defer book.mutex.Unlock()
	return strings.Join(book.lines, "\n")
}

// has reports whether a line matches a pattern.
func (book *logBook) has(pattern string) bool {
	return regexp.MustCompile(`(?m)` + pattern).MatchString(book.text())
}

func localOptions(url string, options ...Option) []Option {
	defaults := []Option{WithBaseURL(url), WithAPIKey("tk_local_secret", "user_1"), WithMaxRetries(0),
		WithPollInterval(10 * time.Millisecond)}
	return append(defaults, options...)
}

// localClient returns a client of a server in the test.
func localClient(t *testing.T, url string, options ...Option) *Client {
	t.Helper()
	client, err := NewClient(localOptions(url, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// localServer responds with a completed execution, after the handler has run.
func localServer(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		response.Header().Set("X-Request-Id", "req-7")
		handler(response, request)
		_, _ = response.Write([]byte(`{"status":"COMPLETED"}`))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestLogLevelDecidesWhatIsLogged(t *testing.T) {
	var requested sync.Map
	url := localServer(t, func(response http.ResponseWriter, request *http.Request) {
		// The first request of each level fails.
		if _, isSecond := requested.LoadOrStore(request.URL.Path, true); !isSecond {
			response.Header().Set("Retry-After", "0")
			response.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	for id, test := range map[string]struct {
		level             LogLevel
		debug, info, warn bool
	}{
		"all":      {LogDebug - 100, true, true, true},
		"debug":    {LogDebug, true, true, true},
		"info":     {LogDebug + 1, false, true, true},
		"slogInfo": {0, false, true, true},
		"warn":     {LogInfo + 1, false, false, true},
		"slogWarn": {4, false, false, true},
		"off":      {LogWarn + 1, false, false, false},
	} {
		book := new(logBook)
		client := localClient(t, url, WithMaxRetries(1), WithLog(test.level, book.write))
		if _, err := client.GetExecution(background(), id); err != nil {
			t.Fatal(err)
		}
		for pattern, want := range map[string]bool{
			`^DEBUG call \d+ connection \d+ \+[\d.]+ ms: received HTTP/1.1 200 OK$`:                         test.debug,
			`^INFO call \d+ .*: execution ` + id + `: OK, COMPLETED; attempts 2; .* id req-7$`:              test.info,
			`^WARN call \d+ .*: attempt 1 failed, retrying in 0 ms: SERVICE_UNAVAILABLE \(503\), HTTP 503 `: test.warn,
		} {
			if got := book.has(pattern); got != want {
				t.Errorf("%s: %s: %v\n%s", id, pattern, got, book.text())
			}
		}
	}
}

func TestLogOptionReplacesThatOfTheEnvironment(t *testing.T) {
	t.Setenv("REFOLD_LOG", "nonsense")
	if _, err := NewClientFromEnv(); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("REFOLD_LOG is not read: %v", err)
	}
	book := new(logBook)
	for _, option := range []Option{WithLog(LogDebug, nil), WithLog(LogWarn+1, book.write), WithLog(LogInfo, book.write)} {
		if _, err := sandboxClient(t, option).GetExecution(background(), documented); err != nil {
			t.Fatal(err)
		}
	}
	if lines := strings.Count(book.text(), "\n") + 1; lines != 1 || !book.has("^INFO ") {
		t.Errorf("%d lines\n%s", lines, book.text())
	}
}

func TestLogLevelsHaveNames(t *testing.T) {
	for level, want := range map[LogLevel]string{-5: "DEBUG", LogDebug: "DEBUG", -1: "DEBUG", LogInfo: "INFO", 3: "INFO",
		LogWarn: "WARN", 8: "WARN"} {
		if level.String() != want {
			t.Errorf("%d is %v", int(level), level)
		}
	}
}

func TestPanicOfLogFunctionIsDropped(t *testing.T) {
	book := new(logBook)
	client := sandboxClient(t, WithLog(LogDebug, func(level LogLevel, message string) {
		book.write(level, message)
		panic(message)
	}))
	for range [2]int{} {
		if _, err := client.GetExecution(background(), documented); err != nil {
			t.Error(err)
		}
	}
	if calls := regexp.MustCompile(`(?m)^INFO .* OK, COMPLETED`).FindAllString(book.text(), -1); len(calls) != 2 {
		t.Errorf("lines\n%s", book.text())
	}
}

// t.FailNow, for example, calls runtime.Goexit. The program must not hang, so the test runs itself as another program.
func TestGoexitOfLogFunctionEndsTheProgram(t *testing.T) {
	const isProgram = "REFOLD_TEST_GOEXIT"
	if os.Getenv(isProgram) != "" {
		client := sandboxClient(t, WithLog(LogInfo, func(LogLevel, string) { runtime.Goexit() }))
		_, err := client.GetExecution(background(), documented)
		t.Skip("The program has not ended: ", err)
	}
	ctx, cancel := context.WithTimeout(background(), patience)
	defer cancel()
	program := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$")
	program.Env = append(os.Environ(), isProgram+"=1")
	output, err := program.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "panic: refold: the function of WithLog called runtime.Goexit") {
		t.Errorf("%v\n%s", err, output)
	}
}

// A call that was logged would make another one, without end. All threads of the queue may be in the function.
func TestLogFunctionMayUseTheClient(t *testing.T) {
	book := new(logBook)
	var client *Client
	nested := 0
	client = sandboxClient(t, WithMaxConcurrent(1), WithLog(LogDebug, func(level LogLevel, message string) {
		book.write(level, message)
		_, err := client.WaitExecution(background(), "completed", func(*Execution) error {
			_, err := client.GetExecution(background(), documented)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		nested++
	}))
	for range [2]int{} { // the second call is logged, too
		before := nested
		if _, err := client.GetExecution(background(), documented); err != nil {
			t.Error(err)
		}
		if nested == before {
			t.Error("nothing was logged")
		}
	}
	if ends := regexp.MustCompile(`(?m)^INFO `).FindAllString(book.text(), -1); len(ends) != 2 || book.has("execution completed") {
		t.Errorf("lines\n%s", book.text())
	}
}

func TestGoroutinesLogAtTheSameTime(t *testing.T) {
	book := new(logBook)
	client := sandboxClient(t, WithLog(LogDebug, book.write))
	var group sync.WaitGroup
	for index := 0; index < 24; index++ {
		index := index
		group.Add(1)
		go func() {
			defer group.Done()
			if err := useOnce(client, index); err != nil {
				t.Errorf("goroutine %d: %v", index, err)
			}
		}()
	}
	group.Wait()
	ended := regexp.MustCompile(`(?m)^INFO call (\d+) [^:]*: execution `).FindAllStringSubmatch(book.text(), -1)
	calls := map[string]bool{}
	for _, match := range ended {
		calls[match[1]] = true
	}
	if len(calls) != 24 {
		t.Errorf("%d calls\n%s", len(calls), book.text())
	}
}

// isDeleted reports whether a handle is no longer valid.
func isDeleted(handle cgo.Handle) (deleted bool) {
	defer func() { deleted = recover() != nil }()
	handle.Value()
	return
}

func TestLogLivesAsLongAsTheCallsOfTheClient(t *testing.T) {
	book := new(logBook)
	client := sandboxClient(t, WithLog(LogInfo, book.write))
	handle := client.queue.log
	_, err := client.WaitExecution(background(), newRun(), func(*Execution) error {
		call := onlyCall(client)
		client.Close()
		if isDeleted(handle) && call != nil && len(call.done) == 0 {
			return errors.New("the handle was deleted during the call")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	eventually(t, "the handle is deleted", func() bool { return isDeleted(handle) })
	if !book.has(`^INFO call \d+ \+[^:]*: execution [^:]*: OK, COMPLETED`) {
		t.Errorf("lines\n%s", book.text())
	}
}

func TestLogOfUnreachableClientIsReleased(t *testing.T) {
	handle := func() cgo.Handle {
		client, err := NewClientFromEnv(WithLog(LogDebug, new(logBook).write))
		if err != nil {
			t.Fatal(err)
		}
		return client.queue.log
	}()
	eventually(t, "the handle of a collected client is deleted", func() bool { return isDeleted(handle) })
}

func TestLogOfRejectedClientIsReleased(t *testing.T) {
	probe := cgo.NewHandle(0)
	probe.Delete()
	if _, err := NewClient(WithLog(LogDebug, new(logBook).write)); !errors.Is(err, ErrInvalidArgument) {
		t.Fatal(err)
	}
	if handle := probe + 1; !isDeleted(handle) { // handles are numbered
		t.Error("the handle was not deleted")
	}
}

// socksProxy rejects the name and password of every connection.
func socksProxy(t *testing.T) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 512)
			for _, reply := range []string{"\x05\x02", "\x01\x01"} {
				if _, err := connection.Read(buffer); err == nil {
					_, _ = connection.Write([]byte(reply))
				}
			}
			connection.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestLogHasNoSecrets(t *testing.T) {
	book := new(logBook)
	log := WithLog(LogDebug, book.write)
	headers := WithHeaders(map[string]string{"X-Team": "header-secret"})
	secrets := []string{"tk_local_secret", "token-secret", "proxy-secret", "header-secret",
		base64.StdEncoding.EncodeToString([]byte("proxy-user:proxy-secret"))}
	call := func(client *Client) {
		defer client.Close()
		ctx, cancel := context.WithTimeout(background(), patience)
		defer cancel()
		_, _ = client.GetExecution(ctx, "an-id")
		_, _ = client.WaitExecution(ctx, "an-id", nil)
	}
	echo := localServer(t, func(response http.ResponseWriter, request *http.Request) {
		for name, values := range request.Header {
			response.Header().Set("X-Echo-"+name, strings.Join(values, " "))
		}
	})
	failing := localServer(t, func(response http.ResponseWriter, request *http.Request) {
		response.WriteHeader(http.StatusForbidden)
		for _, values := range request.Header {
			_, _ = response.Write([]byte(strings.Join(values, " ")))
		}
	})
	refusing := localServer(t, func(response http.ResponseWriter, request *http.Request) {
		response.WriteHeader(http.StatusProxyAuthRequired)
	})
	proxy := func(scheme, url string) Option {
		return WithProxy(strings.Replace(url, "http://", scheme+"://proxy-user:proxy-secret@", 1))
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	nowhere := "http://" + closed.Addr().String()
	for _, url := range []string{echo, failing, nowhere} {
		call(localClient(t, url, log, headers))
		token, err := NewClient(WithBaseURL(url), WithSessionToken("token-secret"), WithMaxRetries(0),
			WithPollInterval(10*time.Millisecond), log, headers)
		if err != nil {
			t.Fatal(err)
		}
		call(token)
	}
	for _, proxy := range []Option{proxy("http", refusing), proxy("http", nowhere), proxy("socks5h", socksProxy(t))} {
		call(localClient(t, "https://refold.invalid", log, headers, proxy))
	}
	for _, secret := range secrets {
		if strings.Contains(book.text(), secret) {
			t.Errorf("%q is logged\n%s", secret, book.text())
		}
	}
	for _, pattern := range []string{`(?i) with the fields .*x-team`, `(?i)received x-echo-x-team: \*\*\*`, ` 407 `, `FORBIDDEN`} {
		if !book.has(pattern) {
			t.Errorf("no line matches %s\n%s", pattern, book.text())
		}
	}
}

func TestHeadersAreSent(t *testing.T) {
	requests := make(chan http.Header, 1)
	url := localServer(t, func(_ http.ResponseWriter, request *http.Request) { requests <- request.Header.Clone() })
	client := localClient(t, url, WithHeaders(map[string]string{"X-Team": "a", "X-Empty": "", "X-Text": " b: ä\t\"c\" "}),
		WithHeaders(map[string]string{"x-team": "z"}), WithHeaders(nil))
	if _, err := client.GetExecution(background(), "an-id"); err != nil {
		t.Fatal(err)
	}
	received := <-requests
	for name, want := range map[string]string{"X-Team": "z", "X-Empty": "", "X-Text": "b: ä\t\"c\"", "X-Api-Key": "tk_local_secret"} {
		if got := received.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q instead of %q", name, got, want)
		}
	}
}

func TestInvalidHeadersAreRejected(t *testing.T) {
	many := map[string]string{}
	for index := 0; index < 33; index++ {
		many["X-"+strings.Repeat("a", index)] = ""
	}
	for name, headers := range map[string]map[string]string{
		"header name":      {"a\x00b": "value-secret"},
		`header "X-Nul"`:   {"X-Nul": "value-secret\x00"},
		"X-Line":           {"X-Line": "value-secret\r\nb"},
		"a b":              {"a b": "value-secret"},
		"authorization":    {"authorization": "value-secret"},
		`header "x-twice"`: {"X-Twice": "value-secret", "x-twice": "value-secret"},
		"32":               many,
	} {
		client, err := NewClient(localOptions("http://127.0.0.1:9", WithHeaders(headers))...)
		if client != nil || !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), name) ||
			strings.Contains(err.Error(), "value-secret") {
			t.Errorf("%s: %v, %v", name, client, err)
		}
	}
}

func TestExecutionHasTimes(t *testing.T) {
	const pause = 30 * time.Millisecond
	url := localServer(t, func(response http.ResponseWriter, _ *http.Request) {
		time.Sleep(pause) // a slow server
		response.WriteHeader(http.StatusOK)
		response.(http.Flusher).Flush()
		time.Sleep(pause)
	})
	for name, call := range map[string]func(*Client) (*Execution, error){
		"get":  func(client *Client) (*Execution, error) { return client.GetExecution(background(), "an-id") },
		"wait": func(client *Client) (*Execution, error) { return client.WaitExecution(background(), "an-id", nil) },
	} {
		client := localClient(t, url)
		for _, isReused := range []bool{false, true} {
			begin := time.Now()
			execution, err := call(client)
			elapsed := time.Since(begin)
			if err != nil {
				t.Fatal(err)
			}
			times := execution.Timings
			// The transfer alone may be shorter than the second pause, which does not wait until the first byte is read.
			exchange := times.FirstByte + times.Transfer
			if times.FirstByte < pause || times.Transfer < 0 || exchange < 2*pause || times.Total < exchange ||
				times.Total > elapsed || times.Resolve != -1 || times.TLS != -1 || (times.Connect < 0) != isReused {
				t.Errorf("%s: %v of %v", name, times, elapsed)
			}
			if execution.Attempts != 1 || execution.RequestID != "req-7" {
				t.Errorf("%s: %d attempts, request id %q", name, execution.Attempts, execution.RequestID)
			}
		}
	}
}

func TestExecutionFromTextHasNoTimes(t *testing.T) {
	execution, err := ParseExecution([]byte(`{"status":"RUNNING"}`))
	if err != nil {
		t.Fatal(err)
	}
	if execution.Timings != noTimings || execution.Attempts != 0 || execution.RequestID != "" {
		t.Errorf("execution %+v", execution)
	}
}

func TestErrorHasTimes(t *testing.T) {
	url, _ := silentServer(t)
	var failure *Error
	_, err := localClient(t, url, WithTimeout(50*time.Millisecond)).GetExecution(background(), "an-id")
	if !errors.As(err, &failure) {
		t.Fatal(err)
	}
	times := failure.Timings
	if times.Total < 50*time.Millisecond || times.FirstByte < 0 || times.FirstByte > times.Total || times.Connect < 0 ||
		times.TLS != -1 || times.Transfer != -1 {
		t.Errorf("times %v", times)
	}
	for _, id := range []string{"..", "a\x00b"} { // rejected by C, and before
		if _, err := localClient(t, url).GetExecution(background(), id); !errors.As(err, &failure) || failure.Timings != noTimings {
			t.Errorf("%q: %+v", id, err)
		}
	}
}

func TestTimesAreShownWithoutAbsentParts(t *testing.T) {
	for want, times := range map[string]Timings{
		"-":                               noTimings,
		"1ms":                             {time.Millisecond, -1, -1, -1, -1, -1},
		"2s (connect 5µs, first byte 0s)": {2 * time.Second, -1, 5 * time.Microsecond, -1, 0, -1},
		"6ns (resolve 1ns, connect 2ns, TLS 3ns, first byte 4ns, transfer 5ns)": {6, 1, 2, 3, 4, 5},
	} {
		if got := times.String(); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}

func TestFailureWithoutAnErrorIsInternal(t *testing.T) {
	if err := takeError(nil); err.Code != ErrInternal || err.Message == "" || err.Timings != noTimings {
		t.Errorf("error %+v", err)
	}
}
