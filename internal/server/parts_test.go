package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// step is a part that notes its start and its stop.
func step(name string, notes *[]string, start, stop error) part {
	return func(s *Server, _, _ context.Context) error {
		if start != nil {
			return start
		}
		*notes = append(*notes, "start "+name)
		s.onStop(func() error {
			*notes = append(*notes, "stop "+name)
			return stop
		})
		return nil
	}
}

func testServer(parts ...part) *Server {
	return newServer("copra", settings.Settings{}, slog.New(slog.DiscardHandler), parts)
}

func TestPartsStopInReverse(t *testing.T) {
	var notes []string
	fault := errors.New("fault of b")
	s := testServer(step("a", &notes, nil, nil), step("b", &notes, nil, fault), step("c", &notes, nil, nil))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); !errors.Is(err, fault) {
		t.Errorf("stop: %v", err)
	}
	if diff := cmp.Diff([]string{"start a", "start b", "start c", "stop c", "stop b", "stop a"}, notes); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
}

// TestStartFails: what started before the part that failed is stopped.
func TestStartFails(t *testing.T) {
	var notes []string
	fault := errors.New("fault of b")
	s := testServer(step("a", &notes, nil, nil), step("b", &notes, fault, nil), step("c", &notes, nil, nil))
	if err := s.Start(t.Context()); !errors.Is(err, fault) {
		t.Errorf("start: %v", err)
	}
	if diff := cmp.Diff([]string{"start a", "stop a"}, notes); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
}

// TestServerEndsByItself: run returns why a part has ended the server, and
// nothing when its context ends.
func TestServerEndsByItself(t *testing.T) {
	fault := errors.New("the database has ended")
	ending := func(s *Server, _, life context.Context) error {
		go s.end(fault)
		<-life.Done()
		return nil
	}
	if err := testServer(ending).run(t.Context(), managed(""), func() {}); !errors.Is(err, fault) {
		t.Errorf("run: %v, want %v", err, fault)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := testServer().run(ctx, managed(""), cancel); err != nil {
		t.Errorf("run until its context ends: %v", err)
	}
}

// managed is a call by a service manager that listens on a socket.
func managed(socket string) command.Call {
	return command.Call{Stdio: command.Stdio{Getenv: func(name string) string {
		if name == "NOTIFY_SOCKET" {
			return socket
		}
		return ""
	}}}
}

// TestNotify: a service manager hears that the server works when it does, and that it
// ends before its parts do. A socket that is not there ends nothing.
func TestNotify(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{filepath.Join(dir, "s"), "@" + dir} {
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		if err := socket.SetReadDeadline(time.Now().Add(time.Minute)); err != nil { // against hanging
			t.Fatal(err)
		}
		heard := func() string {
			text := make([]byte, 100)
			n, err := socket.Read(text)
			if err != nil {
				t.Error(err)
			}
			return string(text[:n])
		}
		ctx, cancel := context.WithCancel(t.Context())
		var notes []string
		waiting := func(s *Server, _, _ context.Context) error {
			s.onStop(func() error { notes = append(notes, heard()); return nil })
			return nil
		}
		ended := make(chan error)
		go func() { ended <- testServer(waiting).run(ctx, managed(name), func() {}) }()
		if got := heard(); got != "READY=1" {
			t.Errorf("%s: heard %q first", name, got)
		}
		cancel()
		if err := <-ended; err != nil || !slices.Equal(notes, []string{"STOPPING=1"}) {
			t.Errorf("%s: heard %q, ended with %v", name, notes, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := testServer().run(ctx, managed(filepath.Join(dir, "none")), cancel); err != nil {
		t.Errorf("with no socket there: %v", err)
	}
}

// TestLifeOutlivesStart: what has started goes on when the context of the start
// ends.
func TestLifeOutlivesStart(t *testing.T) {
	var life context.Context
	ctx, cancel := context.WithCancel(t.Context())
	s := testServer(func(_ *Server, _, l context.Context) error { life = l; return nil })
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := life.Err(); err != nil {
		t.Errorf("before Stop: %v", err)
	}
	if err := s.Stop(); err != nil || life.Err() == nil {
		t.Errorf("after Stop: %v, %v", err, life.Err())
	}
}

// TestMinLevel: a log of warnings drops the rest, also behind attributes.
func TestMinLevel(t *testing.T) {
	var out strings.Builder
	log := minLevel(slog.New(slog.NewTextHandler(&out, nil)), slog.LevelWarn).With("a", 1).WithGroup("g")
	log.Info("one")
	log.Warn("two")
	if got := fmt.Sprint(strings.Contains(out.String(), "one"), strings.Contains(out.String(), "two")); got != "false true" {
		t.Errorf("%s:\n%s", got, out.String())
	}
}
