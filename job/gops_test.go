package job

import (
	"math"
	"strings"
	"testing"
)

// TestGOPs: keyframes, the longest distance between them, open GOPs and the peak are
// those of the packets.
func TestGOPs(t *testing.T) {
	// 25 frames a second for 10 s, a keyframe each 4 s. Each second has 1000 bytes, the
	// two from 4 s on 3000 each.
	var packets []Packet
	for n := range int64(250) {
		p := Packet{Time: n, Duration: 1, Bytes: 40, Key: n%100 == 0}
		if n >= 100 && n < 150 {
			p.Bytes = 120
		}
		packets = append(packets, p)
	}
	g := NewGOPs(packets, 0.04, 0.5)
	if len(g.Keyframes) != 3 || math.Abs(g.Keyframes[1]-4.5) > 1e-9 || math.Abs(g.Longest-4) > 1e-9 || g.Open || g.Peak != 24000 || g.Mean != 11200 {
		t.Errorf("%+v", g)
	}
	for at, want := range map[float64]int{0.4: -1, 0.5: 0, 4.4: 0, 4.6: 1, 99: 2} {
		if got := g.Before(at); got != want {
			t.Errorf("before %v s is keyframe %d, want %d", at, got, want)
		}
	}
	// The frame after the second keyframe is shown before it.
	packets[100].Time, packets[101].Time = 101, 100
	if g := NewGOPs(packets, 0.04, 0); !g.Open {
		t.Error("an open GOP is taken for closed")
	}
	if NewGOPs(nil, 1, 0) != nil || NewGOPs(packets[1:], 1, 0) != nil {
		t.Error("what does not begin with a keyframe can be entered")
	}
}

// TestTimelineGOPs: ffmpeg's list of packets says which are keyframes: those without
// flags of their own.
func TestTimelineGOPs(t *testing.T) {
	const list = "#tb 0: 1/10\n" +
		"0, 0, 2, 1, 500, 0x1\n0, 1, 3, 1, 100, 0x2, F=0x0\n0, 2, 4, 1, 100, 0x3, F=0x5, S=1, 8\n0, 3, 5, 1, 100, 0x4, F=0x0\n"
	line, err := ReadTimeline(strings.NewReader(list), []TimelineStream{{Video: true}})
	if err != nil {
		t.Fatal(err)
	}
	g := line.Streams[0].GOPs
	if g == nil || len(g.Keyframes) != 2 || math.Abs(g.Keyframes[1]-0.4) > 1e-9 || g.Peak != 16000 {
		t.Errorf("%+v", g)
	}
}
