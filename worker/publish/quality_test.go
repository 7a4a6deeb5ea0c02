package publish

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// TestQualityLeftOut: an encode that could not be compared is left out of the figures, and
// without any they are an empty array, which clients can walk through.
func TestQualityLeftOut(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "1.json"), []byte(`{"width": 64, "height": 36, "frames": 3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &Output{dir: dir, log: slog.New(slog.DiscardHandler)}
	for _, c := range []struct {
		list []transcode.QualityFigures
		want string
	}{
		{[]transcode.QualityFigures{{Variant: "36p", Name: "1.json"}, {Variant: "18p", Name: "2.json"}}, `[{"variant":"36p","width":64,"height":36,"frames":3}]`},
		{[]transcode.QualityFigures{{Name: "2.json"}}, `[]`},
	} {
		result := job.Result{Metadata: json.RawMessage(`{"format":{}}`)}
		if err := p.addQuality(t.Context(), &result, c.list); err != nil || string(result.Quality) != c.want {
			t.Errorf("the figures are %s, %v, want %s", result.Quality, err, c.want)
		}
		var m struct {
			Quality json.RawMessage `json:"quality_metrics"`
		}
		if err := json.Unmarshal(result.Metadata, &m); err != nil || string(m.Quality) != c.want {
			t.Errorf("the metadata is %s, %v", result.Metadata, err)
		}
	}
}
