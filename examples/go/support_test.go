package refold

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// patience is how long a test waits for something that should happen at once.
const patience = time.Minute

// sandboxClient is a client of the sandbox that the environment names.
func sandboxClient(t *testing.T, options ...Option) *Client {
	t.Helper()
	if os.Getenv("REFOLD_BASE_URL") == "" {
		t.Fatal("REFOLD_BASE_URL has to name the sandbox")
	}
	quickly := []Option{WithMaxRetries(0), WithPollInterval(20 * time.Millisecond)}
	client, err := NewClientFromEnv(append(quickly, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// silentServer accepts one connection, tells so, and never answers: what is asked of it ends by itself or never.
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
		// Ends when the client hangs up.
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

// newRun is the id of a run that begins with the first request for it.
func newRun() string {
	return fmt.Sprintf("running-%d-%d", os.Getpid(), time.Now().UnixNano())
}

func background() context.Context {
	return context.Background()
}
