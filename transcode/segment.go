package transcode

import (
	"path"
	"strconv"
)

// segmentTSArgs cuts intermediates into MPEG-TS segments by stream copy:
// dir/segment-%05d.ts from 1. video is an mp4 with a keyframe at least every
// two seconds and on the grid; audio is an mp4 with one track. Either may be
// "". seconds is the length aimed at.
//
// One muxer runs over all segments, so continuity counters run on. The
// playlist that the muxer insists on writing is not used: stream.Build
// measures the segments itself.
func segmentTSArgs(video, audio, dir string, seconds float64) []string {
	args := segmentInputs(video, audio)
	args = append(args,
		// Without these the TS muxer starts 1.4 s late.
		"-muxdelay", "0", "-muxpreload", "0",
		"-f", "hls", "-hls_segment_type", "mpegts")
	args = append(args, segmentCommon(dir, "segment-%05d.ts", seconds)...)
	return append(args, path.Join(dir, "cut.m3u8"))
}

// segmentCMAFArgs cuts one track into dir/init.mp4 and dir/segment-%05d.m4s
// from 1, by stream copy.
func segmentCMAFArgs(track, dir string, seconds float64, video bool) []string {
	var args []string
	if video {
		args = segmentInputs(track, "")
	} else {
		args = segmentInputs("", track)
	}
	args = append(args,
		"-f", "hls", "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4")
	args = append(args, segmentCommon(dir, "segment-%05d.m4s", seconds)...)
	return append(args, path.Join(dir, "cut.m3u8"))
}

// segmentInputs reads the intermediates and copies their one track each.
func segmentInputs(video, audio string) []string {
	// -copyts keeps the offset between audio and video as the encoders left it.
	args := []string{"-copyts"}
	n := 0
	var maps []string
	for _, in := range []struct{ name, kind string }{{video, "v"}, {audio, "a"}} {
		if in.name == "" {
			continue
		}
		args = append(args, "-i", in.name)
		maps = append(maps, "-map", strconv.Itoa(n)+":"+in.kind+":0")
		n++
	}
	args = append(args, maps...)
	return append(args, "-c", "copy", "-map_metadata", "-1")
}

// segmentCommon are the arguments of the hls muxer that both layouts share.
func segmentCommon(dir, pattern string, seconds float64) []string {
	return []string{
		"-hls_time", strconv.FormatFloat(seconds, 'f', -1, 64),
		"-hls_list_size", "0", "-start_number", "1",
		"-hls_segment_filename", path.Join(dir, pattern),
	}
}
