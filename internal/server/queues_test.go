package server

import (
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/settings"
)

// A worker serves the queues that it was given, or all.
func TestQueues(t *testing.T) {
	for _, c := range []struct{ given, want []string }{
		{nil, []string{queue.Notify, queue.Probe, queue.Task, queue.Transcode}},
		{[]string{queue.Transcode}, []string{queue.Transcode}},
		{[]string{queue.Probe, queue.Notify}, []string{queue.Notify, queue.Probe}},
	} {
		s := newServer("copra", settings.Settings{Queues: c.given, Slots: 2, ArtifactStore: settings.ArtifactStore{Address: "/shared"}}, slog.New(slog.DiscardHandler), nil)
		if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(s.queues(false)))); diff != "" {
			t.Errorf("given %v (-want +got):\n%s", c.given, diff)
		}
	}
}
