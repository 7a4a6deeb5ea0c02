package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/devicestandin"
	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
)

// notes are the notes of a job's outputs, in the order of its events.
func (c client) notes(t testing.TB, id string) map[string][]string {
	t.Helper()
	var history struct {
		Events []struct{ Output, Note string }
	}
	_, body, _ := c.send(t, http.MethodGet, "/jobs/"+id+"/events", nil)
	if err := json.Unmarshal(body, &history); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	notes := map[string][]string{}
	for _, e := range history.Events {
		if e.Note != "" {
			notes[e.Output] = append(notes[e.Output], e.Note)
		}
	}
	return notes
}

// deviceClip is a second without audio.
var deviceClip = testmedia.Recipe{Name: "second.mp4", Args: []string{
	"-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
}}

// TestDevice: a card is tried at start, told of, used where a job asks for it, and
// given up for the software where it is not there or fails in the middle. The next
// job has it again. Jobs that ask for it are run by the worker that has it, and by
// another when that is gone. The card is a stand-in: see package devicestandin.
func TestDevice(t *testing.T) {
	t.Parallel()
	d := newDeployment(t, pgtest.New(t).URL)
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Fatal(err)
	}
	card, err := devicestandin.Install(openDir(t), ffmpeg, ffprobe, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.env = append(d.env, "COPRA_OPERATOR_KEY=operator-of-devices-0123456789")
	d.start(t, 1) // a worker without a card
	w := launchFor(t, launch{args: []string{"worker", "--metrics-listen", "127.0.0.1:0"}, env: append(slices.Clone(d.env), "COPRA_WORK_DIR="+d.workDir()+"-card",
		"COPRA_FFMPEG="+card.FFmpeg, "COPRA_FFPROBE="+ffprobe, "COPRA_DEVICES="+card.Devices)})
	if _, err := w.says(2*startTime, `msg="encoder of a card".* encoder=h264_nvenc device=0 `); err != nil {
		t.Fatal(err)
	}
	if _, err := w.says(startTime, `msg="copra worker".* node=(\S+)`); err != nil {
		t.Fatal(err)
	}
	c := d.client(t, "devices")
	input := inputs(t).add(testmedia.Clip(t, deviceClip))
	type row struct {
		name, state, use string
		notes            map[string]string // the last of each output; "": none
	}
	check := func(row row) {
		if err := card.Set(row.state); err != nil {
			t.Fatal(err)
		}
		outputs := object{}
		for key := range row.notes {
			outputs[key] = object{"path": fmt.Sprintf("/%d.mp4", len(outputs))}
		}
		spec := jobOf(input, outputs)
		if row.use != "" {
			spec["settings"] = object{"encoder": row.use}
		}
		j := c.completed(t, 90*time.Second, spec)
		notes := c.notes(t, j.ID)
		for key, want := range row.notes {
			if last := strings.Join(notes[key][max(0, len(notes[key])-1):], ""); last != want {
				t.Errorf("%s, %s: notes %q, want %q", row.name, key, notes[key], want)
			}
			f := probe(t, j.output(t, key).URL, "-count_frames")
			if len(f.Streams) != 1 || f.Streams[0].Frames != "25" {
				t.Errorf("%s, %s: made %+v", row.name, key, f.Streams)
			}
		}
	}
	for _, r := range []row{
		{"used", devicestandin.Works, "hardware", map[string]string{"mp4:160x0": "Encoded by h264_nvenc."}},
		{"not asked for", devicestandin.Works, "software", map[string]string{"mp4:160x0": ""}},
		{"each in its way", devicestandin.Works, "nvenc", map[string]string{
			"mp4:hevc_160x0:x:pix_fmt=yuv420p10le": "Encoded by hevc_nvenc.",
			"mp4:160x0::encoder=qsv":               "Encoded by libx264: this worker has no device for h264_qsv.",
			"mp4:160x0_400k:x:2pass":               "Encoded by libx264: h264_nvenc has no second pass.",
		}},
		{"lost", devicestandin.Lost, "nvenc", map[string]string{"mp4:160x0": "The device failed, so it is encoded in software."}},
		{"gone", devicestandin.Gone, "", map[string]string{"mp4:160x0::encoder=nvenc": "The device failed, so it is encoded in software."}},
		{"there again", devicestandin.Works, "nvenc", map[string]string{"mp4:160x0": "Encoded by h264_nvenc."}},
	} {
		check(r)
	}
	var nodes struct {
		Nodes []struct{ Encoders []string }
	}
	if _, body, _ := (client{d.base, "operator-of-devices-0123456789"}).send(t, http.MethodGet, "/nodes", nil); json.Unmarshal(body, &nodes) != nil ||
		len(nodes.Nodes) != 2 || !slices.Equal(append(nodes.Nodes[0].Encoders, nodes.Nodes[1].Encoders...), []string{"h264_nvenc", "hevc_nvenc"}) {
		t.Errorf("the nodes are %s", body)
	}
	if status, body, _ := c.send(t, http.MethodPost, "/jobs", jobOf(input, object{"mp4:160x0::encoder=cuda": object{"path": "/x.mp4"}})); status != http.StatusBadRequest || !strings.Contains(string(body), "nvenc") {
		t.Errorf("an encoder that is not known: %d %s", status, body)
	}
	w.terminate(t)
	check(row{"its worker has left", devicestandin.Works, "nvenc", map[string]string{"mp4:160x0": "Encoded by libx264: this worker has no device for h264_nvenc."}})
	observed.Row(t, "12.1 settings.encoder")
}
