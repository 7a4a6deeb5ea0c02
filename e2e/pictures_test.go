package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode"
)

// Sheets, tracks, animations, watermarks and expressions of one job, as a
// client gets them.
func TestPictures(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	logo := inputs(t).add(testmedia.Clip(t, testmedia.Logo))
	page := inputs(t).add(testmedia.Clip(t, testmedia.HTML))
	j := srv.run(t, 90*time.Second, jobOf(inputs(t).add(testmedia.Clip(t, testmedia.Standard)), object{
		"jpg:120x":    object{"path": "/jpg/tooltip/image.jpg", "key": "sheet", "interval": 1, "sprite": true, "vtt": true},
		"webp:80x":    object{"path": "/webp/thumb_%.2d.webp", "key": "thumbs", "offsets": "{% array(1, input.duration / 2) %}", "vtt": object{"filename": "cues.vtt"}, "square": true},
		"png":         object{"path": "/a_#num#.png", "key": "half", "number": 1, "format": object{"resolution": "{% input.width / 2 %}x"}, "blur": 1, "hflip": true},
		"gif:160x":    object{"path": "/a.gif", "key": "gif", "scene": object{"number": 3, "duration": 0.5}},
		"webp_anim":   object{"path": "/anim.webp", "key": "anim", "scene": object{"number": 2, "duration": 0.5}},
		"mp4:160x":    object{"path": "/a.mp4", "key": "marked", "crop": "{% input.width / 2 %}:ih", "transpose": 1, "watermark": object{"url": logo}},
		"mp4:160x0":   object{"path": "/b.mp4", "key": "no logo", "watermark": object{"url": inputs(t).add("/nowhere/logo.png")}},
		"mp4:160x:x":  object{"path": "/c.mp4", "key": "web page", "watermark": object{"url": page, "position": "topleft"}},
		"webm:160x":   object{"path": "/a.webm", "key": "skipped", "if": "{{ input.width }} > 4000 AND {{ input.is_hd }}"},
		"mp4:100x:x:": object{"path": "/d.mp4", "key": "bad values", "offset": "{% 1 / (input.width - 320) %}"},
	}))
	urls := func(key string) []string {
		o := j.output(t, key)
		var names []string
		for _, u := range o.images(t) {
			_, name, _ := strings.Cut(u, "/"+regexp.MustCompile(`[0-9a-f]{32}`).FindString(u))
			names = append(names, name)
		}
		return names
	}
	for key, want := range map[string][]string{
		"sheet":  {"/jpg/tooltip/image.jpg", "/jpg/tooltip/image.vtt"},
		"thumbs": {"/webp/thumb_01.webp", "/webp/thumb_02.webp", "/webp/cues.vtt"},
		"half":   {"/a_01.png"},
		"gif":    {"/a.gif"},
		"anim":   {"/anim.webp"},
	} {
		if diff := cmp.Diff(want, urls(key)); diff != "" {
			t.Errorf("urls of %s (-want +got):\n%s", key, diff)
		}
	}
	for key, words := range map[string]string{
		"no logo": "The watermark", "web page": "The watermark is a web page", "bad values": "division by zero",
	} {
		if o := j.output(t, key); o.Status != "video.failed" || !strings.Contains(o.Error, words) {
			t.Errorf("%s: %+v", key, o)
		}
	}
	if o := j.output(t, "skipped"); o.Status != "video.skipped" {
		t.Errorf("skipped: %+v", o)
	}
	if o := j.output(t, "marked"); o.Status != "video.encoded" {
		t.Errorf("marked: %+v", o)
	} else if w, h := probe(t, save(t, o.URL, "a.mp4")).video(t, "marked"); w != 160 || h != 142 {
		t.Errorf("a crop of 160x180 turned to 160 wide is %dx%d", w, h)
	}

	sheet := j.output(t, "sheet").images(t)
	if w, h := probe(t, save(t, sheet[0], "a.jpg")).video(t, "sheet"); w != 480 || h != 68 {
		t.Errorf("the sheet is %dx%d", w, h)
	}
	want := "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nimage.jpg#xywh=0,0,120,68\n\n00:00:01.000 --> 00:00:02.000\nimage.jpg#xywh=120,0,120,68\n\n" +
		"00:00:02.000 --> 00:00:03.000\nimage.jpg#xywh=240,0,120,68\n\n00:00:03.000 --> 00:00:04.000\nimage.jpg#xywh=360,0,120,68\n"
	if diff := cmp.Diff(want, string(fetch(t, sheet[1]))); diff != "" {
		t.Errorf("track (-want +got):\n%s", diff)
	}
	if _, _, h := fetchRange(t, sheet[1], ""); !strings.HasPrefix(h.Get("Content-Type"), "text/vtt") {
		t.Errorf("the track is served as %q", h.Get("Content-Type"))
	}
	if got := string(fetch(t, j.output(t, "thumbs").images(t)[2])); !strings.HasSuffix(got, "\n\n00:00:00.000 --> 00:00:02.000\nthumb_01.webp\n\n00:00:02.000 --> 00:00:04.000\nthumb_02.webp\n") {
		t.Errorf("track:\n%s", got)
	}
	if w, h := probe(t, save(t, j.output(t, "half").images(t)[0], "a.png")).video(t, "half"); w != 160 || h != 90 {
		t.Errorf("half is %dx%d", w, h)
	}
	probe(t, save(t, j.output(t, "gif").images(t)[0], "a.gif")).lasts(t, "gif", 1.5, 0.05)
	anim := fetch(t, j.output(t, "anim").images(t)[0])
	if a, err := transcode.ReadAnimation(bytes.NewReader(anim), int64(len(anim))); err != nil || a.Width != 320 || a.Duration < 0.9 || a.Duration > 1.1 {
		t.Errorf("animation: %+v, %v", a, err)
	}
	observed.Row(t, "errors.md watermark_not_valid")
}

// A photo with a rotation in its Exif data, and audio without any picture.
func TestPhotoAndSound(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	data, err := os.ReadFile(testmedia.Clip(t, testmedia.Photo))
	if err != nil {
		t.Fatal(err)
	}
	exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	photo := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(photo, append(append([]byte(nil), data[:2]...), append([]byte(exif), data[2:]...)...), 0o600); err != nil {
		t.Fatal(err)
	}
	j := srv.completed(t, 60*time.Second, jobOf(inputs(t).add(photo), object{"webp:1300x866": "/a.webp", "jpg:120x": "/b.jpg", "png": object{"path": "/c.png", "square": true}}))
	for key, want := range map[string][2]int{"webp:1300x866": {1300, 866}, "jpg:120x": {120, 160}, "png": {480, 480}} {
		u := j.output(t, key).images(t)[0]
		if w, h := probe(t, save(t, u, path.Base(u))).video(t, key); w != want[0] || h != want[1] {
			t.Errorf("%s is %dx%d, want %v", key, w, h, want)
		}
	}
	j = srv.run(t, 60*time.Second, jobOf(inputs(t).add(testmedia.Clip(t, testmedia.CoverArt)), object{"jpg": "/a.jpg", "gif": "/a.gif"}))
	for _, key := range []string{"jpg", "gif"} {
		if o := j.output(t, key); o.Status != "image.failed" || o.Error != "The input has no video, so no picture can be taken from it." {
			t.Errorf("%s of a sound: %+v", key, o)
		}
	}
}

// A photo of a phone, which FFmpeg cannot read, from servers with and without
// ranges: upright, and shown with the size of what was sent.
func TestPhonePhoto(t *testing.T) {
	t.Parallel()
	testmedia.Tool(t, "heif-convert")
	data, err := os.ReadFile(testmedia.Shared(t, "photo.heic"))
	if err != nil {
		t.Fatal(err)
	}
	// The property pixi becomes an irot: a quarter turn.
	data = bytes.Replace(data, []byte("pixi\x00"), []byte("irot\x01"), 1)
	photo := filepath.Join(t.TempDir(), "photo.heic")
	if err := os.WriteFile(photo, data, 0o600); err != nil {
		t.Fatal(err)
	}
	srv := shared(t)
	for _, way := range []string{"file", "plain"} {
		j := srv.completed(t, 60*time.Second, jobOf(inputs(t).as(way, photo), object{"jpg": "/a.jpg", "png:300x": "/b.png"}))
		for key, want := range map[string][2]int{"jpg": {900, 1200}, "png:300x": {300, 400}} {
			u := j.output(t, key).images(t)[0]
			if w, h := probe(t, save(t, u, path.Base(u))).video(t, key); w != want[0] || h != want[1] {
				t.Errorf("%s, %s is %dx%d, want %v", way, key, w, h, want)
			}
		}
		if _, metadata, _ := srv.send(t, http.MethodGet, "/metadata/jobs/"+j.ID, nil); !bytes.Contains(metadata, fmt.Appendf(nil, `"size":"%d"`, len(data))) {
			t.Errorf("%s: %s", way, metadata)
		}
	}
}
