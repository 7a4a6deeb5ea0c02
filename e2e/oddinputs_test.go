package e2e

import (
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// Files whose index or headers are wrong, and sound that few files have: each gives
// what a player shows of it.
func TestOddInputs(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	sound := object{"mp3": object{"path": "/a.mp3"}, "mp4:x:96k": object{"path": "/a.mp4"}, "httpstream": object{"hls": object{"path": "/hls"}}}
	film := object{"mp4:160x0": object{"path": "/a.mp4"}, "httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:160x0"}}, "mp3": object{"path": "/a.mp3"}}
	tests := []struct {
		clip    testmedia.Recipe
		outputs object
		lasts   float64           // seconds, of every output
		fails   map[string]string // outputs that cannot be made, and of what they tell
		video   int               // streams of the MP4
		damaged bool              // any output may fail, with a sentence that says why
	}{
		{testmedia.WithoutSync, object{"jpg:100x": object{"path": "/a.jpg"}, "mp4:160x0": object{"path": "/a.mp4", "offset": 0.5, "duration": 1}}, 1, nil, 1, false},
		{testmedia.EmptySound, film, 4, map[string]string{"mp3": "no audio"}, 1, false},
		{testmedia.EmptyPicture, sound, 4, nil, 0, false},
		{testmedia.DTS, film, 4, nil, 1, false},
		{testmedia.LongAVI, film, 4, nil, 1, false},
		{testmedia.JunkMP3, sound, 4, nil, 0, false},
		{testmedia.TruncatedFLAC, sound, 0, nil, 0, true},
		{testmedia.RestartedFLV, film, 0, nil, 1, true},
		{testmedia.HollowMP4, film, 0, nil, 1, true},
		{testmedia.HollowMatroska, film, 0, nil, 1, true},
		{testmedia.HollowTS, film, 0, nil, 1, true},
	}
	ids := map[string]string{}
	for _, tt := range tests {
		ids[tt.clip.Name] = srv.create(t, jobOf(inputs(t).add(testmedia.Clip(t, tt.clip)), tt.outputs)).ID
	}
	for _, tt := range tests {
		t.Run(tt.clip.Name, func(t *testing.T) {
			j := srv.wait(t, ids[tt.clip.Name], 100*time.Second)
			if tt.damaged && j.Input.Error != "" {
				plain(t, j.Input.Error, "")
			}
			if tt.clip.Name == testmedia.RestartedFLV.Name {
				plain(t, j.Input.Error, "begins anew after 4")
			}
			if tt.clip.Name == testmedia.TruncatedFLAC.Name {
				plain(t, j.Input.Error, "not complete")
			}
			for _, o := range j.Outputs {
				says, fails := tt.fails[o.Key]
				switch {
				case tt.damaged && o.Error != "":
					plain(t, o.Error, "")
				case tt.damaged:
				case fails:
					plain(t, o.Error, says)
				case o.Error != "":
					t.Errorf("%s: %s", o.Key, o.Error)
				case o.Type == "image":
					probe(t, save(t, o.images(t)[0], "a.jpg")).video(t, "jpg")
				case o.Type == "httpstream":
					probe(t, o.stream(t, "hls")).lasts(t, o.Key, tt.lasts, 0.15)
				default:
					f := probe(t, o.URL)
					f.lasts(t, o.Key, tt.lasts, 0.15)
					if n := f.count("video"); o.Key != "mp3" && n != tt.video {
						t.Errorf("%s has %d video streams, want %d", o.Key, n, tt.video)
					}
				}
			}
		})
	}
}
