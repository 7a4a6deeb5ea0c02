package transcode

// What the tests of real streams, in another package, need.
var SegmentTSArgs = segmentTSArgs

// SegmentCMAFArgs are those of a package with picture and sound.
func SegmentCMAFArgs(track, dir string, seconds float64, video bool, start float64) []string {
	return segmentCMAFArgs(cut{track: track, dir: dir, seconds: seconds, video: video, start: start})
}
