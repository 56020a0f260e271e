package refold

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// patience is how long a test waits for what should happen immediately.
const patience = time.Minute

// sandboxClient returns a client of the sandbox at REFOLD_BASE_URL, which polls fast and does not retry.
func sandboxClient(t *testing.T, options ...Option) *Client {
	t.Helper()
	if os.Getenv("REFOLD_BASE_URL") == "" {
		t.Fatal("REFOLD_BASE_URL must be the URL of the sandbox")
	}
	defaults := []Option{WithMaxRetries(0), WithPollInterval(20 * time.Millisecond)}
	client, err := NewClientFromEnv(append(defaults, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// silentServer accepts one connection, closes accepted, and never responds.
func silentServer(t *testing.T) (url string, accepted <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		close(arrived)
		// Ends when the client closes the connection.
		for buffer := make([]byte, 4096); err == nil; {
			_, err = connection.Read(buffer)
		}
		connection.Close()
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	return "http://" + listener.Addr().String(), arrived
}

// newRun returns a new id. The sandbox starts the run when it is first requested.
func newRun() string {
	return fmt.Sprintf("running-%d-%d", os.Getpid(), time.Now().UnixNano())
}

func background() context.Context {
	return context.Background()
}
