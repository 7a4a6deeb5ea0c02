package transcode

// What the tests of real streams, in another package, need.
var (
	SegmentTSArgs   = segmentTSArgs
	SegmentCMAFArgs = segmentCMAFArgs
)
