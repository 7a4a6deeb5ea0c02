package coconut

import "testing"

// Where no picture is encoded there is nothing to compare, and the message says so.
func TestQualityMetricsRefused(t *testing.T) {
	request := func(outputs string) []byte {
		return []byte(`{"input": {"url": "https://a/b"}, "storage": {"service": "coconut"}, "outputs": ` + outputs + `}`)
	}
	refusedWith(t, request(`{"mp3": {"path": "/a.mp3", "quality_metrics": true}}`), []string{"no video"})
	refusedWith(t, request(`{"mp4:copy": {"path": "/a.mp4", "quality_metrics": true}}`), []string{"'copy' loses nothing"})
	refusedWith(t, request(`{"jpg": {"path": "/a.jpg", "quality_metrics": true}}`), []string{"it compares encoded video"})
	refusedWith(t, request(`{"httpstream": {"hls": {"path": "/a"}, "variants": ["mp4:x:64k"], "quality_metrics": true}}`), []string{"no variant has video"})
}
