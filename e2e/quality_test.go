package e2e

import (
	"encoding/json"
	"math"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// measuredQuality is what a job says of an encode.
type measuredQuality struct {
	Variant    string
	Width      int
	Frames     int
	SSIM, PSNR struct {
		Mean  float64
		Worst float64 `json:"worst_second"`
	}
}

// TestQualityMetrics: the job, its metadata and the event of an output have the figures of each
// encode, as ffmpeg gives them for the published file; an output that did not ask has none.
func TestQualityMetrics(t *testing.T) {
	t.Parallel()
	srv, hook := shared(t), newSink()
	defer hook.close()
	clip := testmedia.Clip(t, testmedia.Short)
	spec := jobOf(inputs(t).add(clip), object{
		"mp4": object{"path": "/a.mp4", "quality_metrics": true, "key": "asked"},
		"httpstream": object{
			"hls": object{"path": "/hls"}, "variants": []string{"mp4:80x_100k", "mp4:160x_200k"}, "quality_metrics": true,
		},
		"webm:80x": object{"path": "/b.webm", "key": "silent"},
	})
	spec["notification"] = object{"type": "http", "url": hook.url("quality"), "events": true}
	j := srv.completed(t, 3*time.Minute, spec)
	var doc struct {
		Outputs []struct {
			Key     string
			Quality *[]measuredQuality `json:"quality_metrics"`
		}
	}
	if err := json.Unmarshal(j.raw, &doc); err != nil {
		t.Fatal(err)
	}
	inJob := map[string]*[]measuredQuality{}
	for _, o := range doc.Outputs {
		inJob[o.Key] = o.Quality
	}
	if inJob["silent"] != nil || inJob["asked"] == nil || len(*inJob["asked"]) != 1 || inJob["httpstream"] == nil || len(*inJob["httpstream"]) != 2 {
		t.Fatalf("figures %s", j.raw)
	}
	for _, v := range *inJob["httpstream"] {
		if v.Variant == "" || v.SSIM.Mean < 0.5 || v.SSIM.Mean > 1 || v.PSNR.Worst > v.PSNR.Mean || v.PSNR.Worst < 15 {
			t.Errorf("variant %+v", v)
		}
	}
	// With passthrough frames as they are and no times, by the filter alone.
	out, err := exec.CommandContext(t.Context(), testmedia.Tool(t, "ffmpeg"), "-nostdin", "-i", save(t, j.output(t, "asked").URL, "a.mp4"), "-i", clip,
		"-lavfi", "[0:v]settb=1/1000,setpts=N*10[a];[1:v]settb=1/1000,setpts=N*10[b];[a][b]ssim", "-f", "null", "-").CombinedOutput()
	m := regexp.MustCompile(`All:([0-9.]+)`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := (*inJob["asked"])[0]
	if want, _ := strconv.ParseFloat(string(m[1]), 64); math.Abs(got.SSIM.Mean-want) > 1e-4 || got.Frames == 0 || got.Variant != "" {
		t.Errorf("figures %+v, by hand an SSIM of %s", got, m[1])
	}
	for _, key := range []string{"asked", "httpstream", "silent"} {
		_, body, _ := srv.send(t, http.MethodGet, "/metadata/jobs/"+j.ID+"/"+key, nil)
		var metadata struct {
			Metadata map[string]struct {
				Quality []measuredQuality `json:"quality_metrics"`
			}
		}
		if err := json.Unmarshal(body, &metadata); err != nil || len(metadata.Metadata[key].Quality) != map[string]int{"asked": 1, "httpstream": 2}[key] {
			t.Errorf("metadata of %s: %v %s", key, err, body)
		}
	}
	for _, h := range hook.await(t, "quality", "job.completed", time.Minute) {
		var e struct {
			Event string
			Data  struct {
				Key     string
				Quality []measuredQuality `json:"quality_metrics"`
			}
		}
		if err := json.Unmarshal(h.raw, &e); err != nil {
			t.Fatal(err)
		}
		if want := map[string]int{"asked": 1, "httpstream": 2}[e.Data.Key]; e.Event == "output.completed" && len(e.Data.Quality) != want {
			t.Errorf("event of %s: %s", e.Data.Key, h.raw)
		}
	}
}
