package transcode

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// cards are what a machine with an NVIDIA card and an Intel GPU has: the second is
// plainly worse than the software.
func cards() Capabilities {
	tried := func(name, device string, depth int, ssim float64) DeviceEncoder {
		return DeviceEncoder{Encoder: name, Device: device, Depth: depth, Works: true, SSIM: ssim, SoftwareSSIM: 0.97}
	}
	return Capabilities{Devices: []DeviceEncoder{
		tried("h264_nvenc", "0", 8, 0.968), tried("hevc_nvenc", "0", 8, 0.969), {Encoder: "hevc_nvenc", Device: "0", Depth: 10, Reason: "10 bits are not supported"},
		tried("h264_vaapi", "/dev/dri/renderD128", 8, 0.94), tried("av1_vaapi", "/dev/dri/renderD128", 8, 0.94),
	}}
}

// TestDeviceChoice: which encoder makes a format, by what is asked for and what the
// trials have shown.
func TestDeviceChoice(t *testing.T) {
	for _, row := range []struct {
		name, format string
		choice       EncoderChoice
		want, note   string
	}{
		{"nothing said", "mp4:360p", EncoderChoice{}, "libx264", ""},
		{"auto takes what is good enough", "mp4:360p", EncoderChoice{Use: "auto"}, "h264_nvenc", "Encoded by h264_nvenc."},
		{"auto leaves what is not", "mp4:av1_360p", EncoderChoice{Use: "auto"}, "libsvtav1", ""},
		{"speed is preferred", "mp4:av1_360p", EncoderChoice{Use: "auto", Prefer: "speed"}, "av1_vaapi", "Encoded by av1_vaapi."},
		{"any card", "mp4:av1_360p", EncoderChoice{Use: "hardware"}, "av1_vaapi", "Encoded by av1_vaapi."},
		{"a kind of card", "mp4:360p", EncoderChoice{Use: "vaapi"}, "h264_vaapi", "Encoded by h264_vaapi."},
		{"the format before the server", "mp4:360p::encoder=vaapi", EncoderChoice{Use: "nvenc"}, "h264_vaapi", "Encoded by h264_vaapi."},
		{"software before the server", "mp4:360p::encoder=software", EncoderChoice{Use: "nvenc"}, "libx264", ""},
		{"a card that is not there", "mp4:360p::encoder=qsv", EncoderChoice{}, "libx264", "Encoded by libx264: this worker has no device for h264_qsv."},
		{"a depth that does not work", "mp4:hevc_360p::pix_fmt=yuv420p10le", EncoderChoice{Use: "nvenc"}, "libx265", "Encoded by libx265: hevc_nvenc does not work on this worker: 10 bits are not supported."},
		{"a depth that there is not", "mp4:360p::pix_fmt=yuv420p10le", EncoderChoice{Use: "nvenc"}, "libx264", "Encoded by libx264: h264_nvenc does not take the pixel format yuv420p10le."},
		{"a second pass", "mp4:360p_500k::2pass", EncoderChoice{Use: "nvenc"}, "libx264", "Encoded by libx264: h264_nvenc has no second pass."},
		{"a profile", "mp4:360p::vprofile=high422,pix_fmt=yuv422p", EncoderChoice{Use: "nvenc"}, "libx264", "Encoded by libx264: h264_nvenc does not take the pixel format yuv422p."},
		{"a small picture", "mp4:96x54", EncoderChoice{Use: "nvenc"}, "libx264", "Encoded by libx264: h264_nvenc does not make pictures of 96x54."},
		{"a codec of no card", "webm:360p", EncoderChoice{Use: "nvenc"}, "libvpx", "Encoded by libvpx: no encoder of nvenc makes vp8."},
	} {
		p := Build(outputs(t, row.format), film(1280, 720), Options{Capabilities: cards(), Encoder: row.choice})
		if err := p.Results[0].Err; err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		note := ""
		for _, n := range p.Notes {
			note += n.Text
		}
		at := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Kind == StepEncode })
		args := p.Steps[at].FFmpegArgs()
		if got := args[slices.Index(args, "-c:v")+1]; got != row.want || note != row.note {
			t.Errorf("%s: %s is encoded by %s, note %q; want %s, %q", row.name, row.format, got, note, row.want, row.note)
		}
	}
}

// TestDeviceSteps: a run opens the card, brings the pictures to it, and says what it
// takes of it. It stays on the machine that has the card, and survives JSON.
func TestDeviceSteps(t *testing.T) {
	p := Build(outputs(t, "mp4:360p", "mp4:240p", "mp4:240p::encoder=software"), film(1280, 720), Options{Capabilities: cards(), Encoder: EncoderChoice{Use: "vaapi"}})
	at := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Kind == StepEncode })
	s := p.Steps[at]
	args := strings.Join(s.FFmpegArgs(), " ")
	for _, want := range []string{
		"-init_hw_device vaapi=device:/dev/dri/renderD128 -filter_hw_device device -i source", "format=nv12,hwupload[v1]", "format=nv12,hwupload[v2]", "-c:v h264_vaapi -rc_mode", "-c:v libx264",
	} {
		if !strings.Contains(args, want) {
			t.Errorf("%q is missing in\n%s", want, args)
		}
	}
	if strings.Count(args, "hwupload") != 2 {
		t.Errorf("pictures for the software are brought to the card:\n%s", args)
	}
	if d := cmp.Diff([]DeviceUse{{Backend: encoder.VAAPI, Device: "/dev/dri/renderD128", Sessions: 2}}, s.Devices); d != "" {
		t.Error(d)
	}
	if s.Portable() {
		t.Error("the step can go to a machine without the card")
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var again Plan
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, again.Steps[at]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Note{{[]int{0, 1}, "Encoded by h264_vaapi."}}, again.Notes); d != "" {
		t.Error(d)
	}
	p = Build(outputs(t, "mp4:360p::encoder=vaapi"), film(1280, 720), Options{Capabilities: cards(), NoDevices: true})
	if len(p.Notes) != 0 || slices.ContainsFunc(p.Steps, func(s Step) bool { return len(s.Devices) > 0 }) {
		t.Errorf("a device after one has failed: %s", show(p))
	}
}

// TestDeviceWords: the words that a format takes are those that the planner knows.
func TestDeviceWords(t *testing.T) {
	want := []string{"auto", "software", "hardware"}
	for _, b := range encoder.Backends() {
		want = append(want, string(b))
	}
	if d := cmp.Diff(want, format.Encoders); d != "" {
		t.Error(d)
	}
}
