package job

import (
	"encoding/json"
	"testing"
)

const pqFrame = `{"frames":[{"side_data_list":[{"side_data_type":"H.26[45] User Data Unregistered SEI message"},
 {"side_data_type":"Mastering display metadata","red_x":"34000/50000","red_y":"16000/50000","green_x":"13250/50000","green_y":"34500/50000",
  "blue_x":"7500/50000","blue_y":"3000/50000","white_point_x":"15635/50000","white_point_y":"16450/50000","min_luminance":"50/10000","max_luminance":"10000000/10000"},
 {"side_data_type":"Content light level metadata","max_content":1000,"max_average":400}]}]}`

func TestMergeHDR(t *testing.T) {
	for name, side := range map[string]string{"none": "", "rotated": `,"side_data_list":[{"side_data_type":"Display Matrix","rotation":-90}]`} {
		t.Run(name, func(t *testing.T) {
			m, err := ParseMedia([]byte(`{"streams":[{"index":0,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2},
				{"index":1,"codec_type":"video","codec_name":"hevc","width":64,"height":36,"color_transfer":"smpte2084"` + side + `}],"format":{"format_name":"mov"}}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := m.MissingHDR(); len(got) != 1 || got[0] != 1 {
				t.Fatalf("unknown are %v", got)
			}
			rotation := m.Video[0].Rotation
			m.MergeHDR(1, []byte(pqFrame))
			l := m.Video[0].HDR
			if !l.HasMasteringDisplay() || l.MaxLuminance != 1000 || l.MinLuminance != 0.005 || l.Red != [2]float64{0.68, 0.32} || l.MaxCLL != 1000 || l.MaxFALL != 400 {
				t.Errorf("%+v", l)
			}
			// What is stored is Raw, so a second reading finds the same.
			again, err := ParseMedia(m.Raw)
			if err != nil || !json.Valid(m.Raw) || again.Video[0].HDR != l || again.Video[0].Rotation != rotation {
				t.Errorf("%v: %s", err, m.Raw)
			}
			if len(m.MissingHDR()) != 0 {
				t.Error("still unknown")
			}
		})
	}
}

func TestMergeHDROfNothing(t *testing.T) {
	raw := `{"streams":[{"index":0,"codec_type":"video","codec_name":"hevc","width":64,"height":36,"color_transfer":"smpte2084"}],"format":{}}`
	for _, frames := range []string{"", "{}", `{"frames":[]}`, `{"frames":[{}]}`, `{"frames":[{"side_data_list":[{"side_data_type":"x"}]}]}`} {
		m, err := ParseMedia([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		m.MergeHDR(0, []byte(frames))
		m.MergeHDR(7, []byte(pqFrame))
		if string(m.Raw) != raw || m.Video[0].HDR != (HDRMetadata{}) {
			t.Errorf("%s: %s", frames, m.Raw)
		}
	}
}
