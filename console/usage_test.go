package console

import (
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
)

func usageDay(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

// TestUsageRange: the days of an address, and what is wrong with others.
func TestUsageRange(t *testing.T) {
	now := time.Date(2026, 11, 30, 17, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ query, from, to, problem string }{
		{"", "2026-11-01", "2026-11-30", ""},
		{"from=2026-10-05&to=2026-10-05", "2026-10-05", "2026-10-05", ""},
		{"to=2026-02-10", "2026-02-01", "2026-02-10", ""},
		{"from=2025-11-29&to=2026-11-30", "", "", "are 367"},
		{"from=2026-11-02&to=2026-11-01", "", "", "before the first"},
		{"from=yesterday", "", "", "not of the form"},
	} {
		q, _ := url.ParseQuery(tt.query)
		from, to, err := usageRange(q, now)
		if problem := job.Message(err, ""); (problem == "") != (tt.problem == "") || !strings.Contains(problem, tt.problem) {
			t.Errorf("%s: %v, want %q", tt.query, err, tt.problem)
		} else if err == nil && (from.Format(time.DateOnly) != tt.from || to.Format(time.DateOnly) != tt.to) {
			t.Errorf("%s: from %s to %s", tt.query, from, to)
		}
	}
}

// TestPlotUsage: a bar is as high as the minutes of all keys, and days without jobs have
// their place.
func TestPlotUsage(t *testing.T) {
	list := []job.Usage{
		{Day: usageDay("2026-11-02"), Key: "a", Played: job.Played{HD: 60 * 60, SD: 30 * 60}},
		{Day: usageDay("2026-11-02"), Key: "b", Played: job.Played{HD: 10 * 60}},
		{Day: usageDay("2026-11-03"), Key: "a", Played: job.Played{Audio: 25 * 60}},
	}
	p := plotUsage(list, usageDay("2026-11-01"), usageDay("2026-11-03"))
	if len(p.Bars) != 3 || p.Top != 100 || p.Width != 60 || len(p.Bars[0].Parts) != 0 {
		t.Fatalf("%+v", p)
	}
	parts := p.Bars[1].Parts
	if len(parts) != 2 || parts[0].Class != "sd" || parts[1].Class != "hd" || math.Abs(parts[1].Y) > 0.001 || math.Abs(parts[0].Y-70) > 0.001 || math.Abs(parts[1].Height-70) > 0.001 || p.Bars[1].Minutes != 100 {
		t.Errorf("%+v", p.Bars[1])
	}
	if part := p.Bars[2].Parts[0]; part.X != 42 || part.Y != 75 || part.Class != "audio" {
		t.Errorf("%+v", part)
	}
	if total := sumUsage(list); total.Played.HD != 70*60 || total.Played.Audio != 25*60 {
		t.Errorf("%+v", total)
	}
}

// TestUsageWords: the figures of the page.
func TestUsageWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 2_000_000: "2 MB", 734_003_200: "734 MB", 1_250_000_000_000: "1.3 TB"} {
		if got := byteCount(n); got != want {
			t.Errorf("byteCount(%d) = %q, want %q", n, got, want)
		}
	}
	for s, want := range map[float64]string{0: "0 s", 59.4: "59 s", 119: "2 min", 7200: "2 h", 9120: "2.5 h"} {
		if got := cpuTime(s); got != want {
			t.Errorf("cpuTime(%g) = %q, want %q", s, got, want)
		}
	}
}
