package transcode

import (
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

// TestCopyFits: video is copied where it is what was asked for, and a note says why it is
// not.
func TestCopyFits(t *testing.T) {
	const plain = "mp4:720p path=/a.mp4"
	same := func(*job.VideoStream) {}
	for _, c := range []struct {
		name, line string
		change     func(v *job.VideoStream)
		why        string // "": it is copied
	}{
		{"as asked for", plain, same, ""},
		{"to another container", "mkv:h264_720p path=/a.mkv", same, ""},
		{"of no size", "mp4 path=/a.mp4", same, ""},
		{"of a bitrate", "mp4:720p_2000k path=/a.mp4", same, ""},
		{"of the same rate", "mp4:720p_30fps path=/a.mp4", same, ""},
		{"without sound", "mp4:720p:x path=/a.mp4", same, ""},
		{"of another size", "mp4:480p path=/a.mp4", same, "its size is 1280x720, and 854x480 is asked for"},
		{"in a box", "mp4:1280x1280 path=/a.mp4", same, "its size is"},
		{"of another codec", "mp4:hevc_720p path=/a.mp4", same, "its codec is h264, and hevc in mp4 is asked for"},
		{"of a low bitrate", "mp4:720p_900k path=/a.mp4", same, "its bitrate is 1500 kbit/s, and 900 are asked for"},
		{"of a maxrate", "mp4:720p::maxrate=2000k,quality=3 path=/a.mp4", same, "its bitrate is 2500 kbit/s over two seconds, and the maxrate asked for is 2000"},
		{"of a profile", "mp4:720p::vprofile=main path=/a.mp4", same, "its profile is High, and main is asked for"},
		{"of a level", "mp4:720p::level=30 path=/a.mp4", same, "its level is 3.1, and 3.0 is asked for"},
		{"of a rate", "mp4:720p_25fps path=/a.mp4", same, "its frame rate is not the 25"},
		{"of a part", plain + " offset=2", same, "a part of it is asked for"},
		{"turned", plain + " hflip", same, "the picture is to be changed"},
		{"with a watermark", plain + " watermark=topleft", same, "the picture is to be changed"},
		{"rotated", plain, func(v *job.VideoStream) { v.Rotation = 180 }, "the file has it turned"},
		{"interlaced", plain, func(v *job.VideoStream) { v.FieldOrder = "tt" }, "it is interlaced"},
		{"ten bits", plain, func(v *job.VideoStream) { v.PixFmt, v.Profile = "yuv420p10le", "High 10" }, "its pixel format is yuv420p10le"},
		{"open", plain, func(v *job.VideoStream) { v.GOPs.Open = true }, "its GOPs are open"},
		{"long", plain, func(v *job.VideoStream) { v.GOPs.Longest = 12 }, "its keyframes are up to 12.0 s apart"},
		{"not known", plain, func(v *job.VideoStream) { v.GOPs = nil }, "is not known for certain"},
		{"huge", plain, func(v *job.VideoStream) { v.GOPs.Peak = 90e6 }, "its bitrate is 90000 kbit/s over two seconds, and a usual maxrate"},
	} {
		m := film(1280, 720)
		v := &m.Video[0]
		v.Profile, v.Level = "High", 31
		v.GOPs = every(2, 2, 30)
		v.GOPs.Mean, v.GOPs.Peak = 1_500_000, 2_500_000
		m.Audio[0].Channels, m.Audio[0].BitRate = 2, 128000
		c.change(v)
		for _, o := range []Options{{}, {Copy: CopyAuto}} {
			list := outputs(t, c.line)
			p := Build(list, m, o)
			checkPlan(t, p)
			videos, _ := encodes(p)
			copied, note := p.Results[0].Copied, ""
			if len(p.Notes) > 0 {
				note = p.Notes[0].Text
			}
			switch {
			case o.Copy == "":
				if videos == 0 || copied != nil || note != "" {
					t.Errorf("%s, not asked to copy: %d encodes, %+v, %q", c.name, videos, copied, note)
				}
			case c.why == "":
				if videos > 0 || copied == nil || !copied.Video || copied.Reason != note || !strings.HasPrefix(note, "Video copied: it is h264 High in 1280x720") {
					t.Errorf("%s: %d encodes, %+v, %q", c.name, videos, copied, note)
				}
			case videos == 0 || copied == nil || copied.Video || !strings.Contains(note, c.why):
				t.Errorf("%s: %d encodes, %q, want %q", c.name, videos, note, c.why)
			}
		}
	}
	// The output has the last word.
	m := film(1280, 720)
	m.Video[0].Profile, m.Video[0].GOPs = "High", every(2, 2, 30)
	for param, want := range map[string]int{"": 0, "off": 1, "auto": 0} {
		list := outputs(t, plain)
		list[0].Video.Copy = param
		if videos, _ := encodes(Build(list, m, Options{Copy: CopyAuto})); videos != want {
			t.Errorf("copy %q: %d encodes, want %d", param, videos, want)
		}
	}
}

// TestCopyRun: what is copied has the packets of the source, and its sound is in step.
func TestCopyRun(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=3", "-f", "lavfi", "-i", "sine=d=3", "-c:v", "libx264", "-preset", "fast", "-g", "50", "-bf", "2", "-pix_fmt", "yuv420p",
		"-c:a", "aac", "-b:a", "96k", "-f", "mp4")
	p := runMedia(t, dir, indexed(t, dir), Options{Copy: CopyAuto}, "mp4 path=/a.mp4", "mkv:h264:mp3 path=/b.mkv", "mpegts path=/c.ts", "mp4:80x path=/d.mp4")
	if videos, _ := encodes(p); videos != 1 || p.Results[3].Copied.Video {
		t.Fatalf("%d encodes, want that of another size", videos)
	}
	sums := func(name string) []string {
		out, _ := command(t, dir, "ffmpeg", "-v", "error", "-i", name, "-map", "0:v", "-f", "framemd5", "-")
		var list []string
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "#") {
				list = append(list, line[strings.LastIndex(line, ",")+1:])
			}
		}
		return list
	}
	want := sums(SourceName)
	for _, r := range p.Results[:3] {
		name := r.Files[0].Name
		if got := sums(name); !slices.Equal(got, want) || len(got) != 75 {
			t.Errorf("%s has other frames than the source: %d", name, len(got))
		}
		if m := probe(t, dir, name); len(m.Audio) != 1 {
			t.Errorf("%s has %d tracks of sound", name, len(m.Audio))
		}
	}
}
