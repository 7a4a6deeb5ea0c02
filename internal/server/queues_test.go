package server

import (
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/transcode"
)

// A worker serves the queues that it was given, or all, and with its transcodes those of its
// cards.
func TestQueues(t *testing.T) {
	card := []transcode.DeviceEncoder{{Encoder: "h264_nvenc", Works: true}, {Encoder: "hevc_nvenc", Works: true}, {Encoder: "h264_vaapi"}}
	for _, c := range []struct {
		given, want []string
		cards       []transcode.DeviceEncoder
	}{
		{nil, []string{queue.Notify, queue.Probe, queue.Task, queue.Transcode}, nil},
		{[]string{queue.Transcode}, []string{queue.Transcode}, nil},
		{[]string{queue.Probe, queue.Notify}, []string{queue.Notify, queue.Probe}, card},
		{[]string{queue.Transcode}, []string{queue.Transcode, "transcode_nvenc"}, card},
		{[]string{"transcode_nvenc"}, []string{"transcode_nvenc"}, card},
		{[]string{"transcode_vaapi"}, nil, card},
	} {
		s := newServer("copra", settings.Settings{Queues: c.given, Slots: 2, ArtifactStore: settings.ArtifactStore{Address: "/shared"}}, slog.New(slog.DiscardHandler), nil)
		s.cards = cardQueues(c.cards)
		if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(s.queues(false)))); diff != "" {
			t.Errorf("given %v (-want +got):\n%s", c.given, diff)
		}
	}
}
