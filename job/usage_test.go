package job_test

import (
	"encoding/json"
	"testing"

	"github.com/copra-video/copra/job"
)

// TestPlayed counts a minute by the lines of its pictures.
func TestPlayed(t *testing.T) {
	for name, c := range map[string]struct {
		metadata string
		want     job.Played
	}{
		"sound":          {`{"streams":[{"codec_type":"audio"}],"format":{"duration":"60.0"}}`, job.Played{Audio: 60}},
		"cover":          {`{"streams":[{"codec_type":"audio"},{"codec_type":"video","width":3000,"height":3000,"disposition":{"attached_pic":1}}],"format":{"duration":"60"}}`, job.Played{Audio: 60}},
		"540p":           {`{"streams":[{"codec_type":"video","width":960,"height":540},{"codec_type":"audio"}],"format":{"duration":"60"}}`, job.Played{SD: 60}},
		"720p":           {`{"streams":[{"codec_type":"video","width":1280,"height":720}],"format":{"duration":"60"}}`, job.Played{HD: 60}},
		"upright 1080p":  {`{"streams":[{"codec_type":"video","width":1080,"height":1920}],"format":{"duration":"60"}}`, job.Played{HD: 60}},
		"2160p":          {`{"streams":[{"codec_type":"video","width":3840,"height":2160}],"format":{"duration":"60"}}`, job.Played{UHD: 60}},
		"ladder, twice":  {`{"hls":{"streams":[{"codec_type":"video","width":640,"height":360},{"codec_type":"video","width":1280,"height":720}],"format":{"duration":"60"}},"dash":{"streams":[{"codec_type":"video","width":640,"height":360},{"codec_type":"video","width":1280,"height":720}],"format":{"duration":"60"}}}`, job.Played{SD: 60, HD: 60}},
		"no duration":    {`{"streams":[{"codec_type":"video","width":640,"height":360}],"format":{}}`, job.Played{}},
		"nothing":        {`null`, job.Played{}},
		"no document":    {`{"a":[1,"x"]}`, job.Played{}},
		"list of a file": {`[{"streams":[{"codec_type":"audio"}],"format":{"duration":"3"}}]`, job.Played{Audio: 3}},
	} {
		o := job.OutputState{Type: job.TypeVideo, Stage: job.Done, Result: job.Result{Metadata: json.RawMessage(c.metadata)}}
		if got := o.Played(); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		o.Type = job.TypeImage
		if got := o.Played(); got != (job.Played{}) {
			t.Errorf("%s as a picture: %+v", name, got)
		}
	}
}
