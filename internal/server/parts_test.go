package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	return newServer(settings.Settings{}, slog.New(slog.DiscardHandler), parts)
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
	if err := testServer(ending).run(t.Context(), func() {}); !errors.Is(err, fault) {
		t.Errorf("run: %v, want %v", err, fault)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := testServer().run(ctx, cancel); err != nil {
		t.Errorf("run until its context ends: %v", err)
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
