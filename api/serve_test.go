package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/internal/testtime"
	"github.com/copra-video/copra/job"
)

// serve runs h until the test ends or stop is called. done receives Serve's error.
func serve(t *testing.T, h http.Handler) (addr string, stop func(), done <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c := make(chan error, 1)
	go func() { c <- api.Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	return l.Addr().String(), cancel, c
}

func TestServeFinishesWhatIsUnderWay(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	addr, stop, done := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-finish
		if r.Context().Err() != nil {
			t.Error("the request was cancelled")
		}
		fmt.Fprint(w, "finished")
	}))
	answers := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + addr)
		if err != nil {
			answers <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answers <- string(b)
	}()
	<-begun
	stop()
	close(finish)
	if got := <-answers; got != "finished" {
		t.Errorf("answer %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the server still listens")
	}
}

func TestServeCutsOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	begun, left := make(chan struct{}), make(chan struct{})
	addr, stop, done := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(left)
	}))
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	stop()
	begin := time.Now()
	if err := <-done; err != nil {
		t.Error(err)
	}
	testtime.Within(t, "to stop", begin, 3*time.Second)
	<-left
}

func TestServeSaysWhenItCannot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := api.Serve(context.Background(), l, http.NotFoundHandler(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error from a closed listener")
	}
}

// TestStalledBody checks that a body that stops half way ends the request.
func TestStalledBody(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *api.Config) { c.BodyTimeout = 50 * time.Millisecond })
	for _, head := range []string{"Content-Length: 1000", "Content-Length: 10000000", "Transfer-Encoding: chunked"} {
		c := w.dial(t)
		write(t, c, "POST /v2/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Basic "+basicToken+"\r\n"+head+"\r\n\r\n10\r\n{")
		in := bufio.NewReader(c)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%s: %v", head, err)
		}
		got := read(t, res)
		if want := 408; head != "Content-Length: 10000000" && (got.status != want || got.body != "") {
			t.Errorf("%s: %d %s, want %d", head, got.status, got.body, want)
		}
		if head == "Content-Length: 10000000" && got.status != 400 { // known to be too large
			t.Errorf("%s: %d %s", head, got.status, got.body)
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("%s: the connection stays open: %v", head, err)
		}
	}
	if log := w.logs.String(); strings.Contains(log, "ERROR") {
		t.Errorf("a client's fault is logged as ours: %s", log)
	}
}

// TestClientLeaves checks that a client that disconnects before the answer is not
// counted as an internal error.
func TestClientLeaves(t *testing.T) {
	begun, logged := make(chan struct{}), make(chan struct{})
	w := start(t, func(c *api.Config) {
		c.Jobs = waiting{c.Jobs, begun}
		next := c.Log.Handler()
		c.Log = slog.New(notify{next, logged})
	})
	c := w.dial(t)
	write(t, c, "GET /v2/jobs/"+finishedID+" HTTP/1.1\r\nHost: x\r\nAuthorization: Basic "+basicToken+"\r\n\r\n")
	<-begun
	_ = c.Close()
	<-logged
	if log := w.logs.String(); strings.Contains(log, "ERROR") || !strings.Contains(log, `"status":499`) {
		t.Errorf("log: %s", log)
	}
}

// waiting is Jobs whose GetJob lasts until the context of the request ends.
type waiting struct {
	api.Jobs
	begun chan struct{}
}

func (j waiting) GetJob(ctx context.Context, _, _ string) (job.State, error) {
	close(j.begun)
	<-ctx.Done()
	return job.State{}, ctx.Err()
}

// notify closes a channel after the first log line.
type notify struct {
	slog.Handler
	logged chan struct{}
}

func (n notify) Handle(ctx context.Context, r slog.Record) error {
	defer close(n.logged)
	return n.Handler.Handle(ctx, r)
}

// TestUnsentBody checks that a refused request whose body never arrives gets its
// answer, and that its connection is closed then.
func TestUnsentBody(t *testing.T) {
	t.Parallel()
	w := start(t)
	c := w.dial(t)
	write(t, c, "POST /v2/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, res); got.status != 401 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("the connection stays open: %v", err)
	}
}
