package transcode

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCapabilities(t *testing.T) {
	var unknown Capabilities
	if !unknown.HasEncoder("libx264") || !unknown.HasFilter("zscale") || unknown.PixelFormats("libx264") != nil {
		t.Error("what is unknown is not assumed to be there")
	}
	c := Capabilities{
		Version: "5.1.9", Major: 5, Minor: 1,
		Encoders: NewSet("libx265", "aac", "libx264", "aac"), Filters: NewSet(),
		PixFmts: map[string][]string{"libx264": {"yuv420p", "nv12"}},
	}
	if !cmp.Equal(c.Encoders, Set{"aac", "libx264", "libx265"}) {
		t.Errorf("the set is not sorted and distinct: %v", c.Encoders)
	}
	if !c.HasEncoder("aac") || c.HasEncoder("libvpx") || c.HasFilter("zscale") {
		t.Error("wrong members")
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Capabilities
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, back); d != "" {
		t.Error("capabilities changed on the way through JSON:\n" + d)
	}
	if back.HasFilter("zscale") {
		t.Error("an empty set became an unknown one")
	}
}
