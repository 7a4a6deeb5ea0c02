package transcode

import (
	"path"
	"strconv"
)

// TSOrigin is the timestamp, in seconds, that MPEG-TS segments give to the
// start of the time line. It is the same in every variant, so that players can
// switch between muxed and audio-only ones, and what comes before it (the AAC
// encoder's priming, the decode times of reordered frames) stays positive.
const TSOrigin = 10

// tsMuxDelay is how far the clock reference runs ahead of decoding, in
// seconds, so that a frame has arrived before it is due. The muxer adds it
// twice to every timestamp.
const tsMuxDelay = 0.5

// segmentTSArgs cuts intermediates into MPEG-TS segments by stream copy:
// dir/segment-%05d.ts from 1. video is an mp4 with a keyframe at least every
// two seconds and on the grid; audio is an mp4 with one track. Either may be
// "". seconds is the length aimed at.
//
// One muxer runs over all segments, so continuity counters run on. The
// playlist that the muxer insists on writing, dir/cut.m3u8, is not published:
// stream.Build measures the segments itself.
func segmentTSArgs(video, audio, dir string, seconds float64) []string {
	args := segmentInputs(video, audio)
	args = append(args,
		"-output_ts_offset", decimal(TSOrigin-2*tsMuxDelay),
		"-muxdelay", decimal(tsMuxDelay), "-muxpreload", "0",
		"-f", "hls", "-hls_segment_type", "mpegts")
	return append(args, segmentCommon(dir, "segment-%05d.ts", seconds)...)
}

// segmentCMAFArgs cuts one track into dir/init.mp4 and dir/segment-%05d.m4s
// from 1, by stream copy. The track starts at zero, except for the priming of
// an audio encoder before it, which becomes an edit list in init.mp4; the decode
// times of the segments (tfdt) count from zero without a hole.
func segmentCMAFArgs(track, dir string, seconds float64, video bool) []string {
	var args []string
	// negative_cts_offsets lets both decode and presentation times of
	// reordered video start at zero, with no edit list that players ignore.
	// The index (sidx) is of no use in segments that playlists describe.
	flags := "movflags=+negative_cts_offsets+skip_sidx"
	if video {
		args = segmentInputs(track, "")
	} else {
		args = segmentInputs("", track)
	}
	args = append(args,
		"-f", "hls", "-hls_segment_type", "fmp4",
		// Not -hls_ts_options, which ffmpeg 7 no longer has.
		"-hls_segment_options", flags,
		"-hls_fmp4_init_filename", "init.mp4")
	return append(args, segmentCommon(dir, "segment-%05d.m4s", seconds)...)
}

// segmentInputs reads the intermediates and copies one track of each.
func segmentInputs(video, audio string) []string {
	// -copyts keeps the offset between audio and video as the encoders left
	// it; without it each input is moved to start at zero.
	args := []string{"-copyts"}
	var maps []string
	for _, in := range []struct{ name, kind string }{{video, "v"}, {audio, "a"}} {
		if in.name == "" {
			continue
		}
		maps = append(maps, "-map", strconv.Itoa(len(maps)/2)+":"+in.kind+":0")
		args = append(args, "-i", in.name)
	}
	args = append(args, maps...)
	return append(args, "-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1",
		// The muxer would move each track by its own encoder delay, and audio
		// and video would be apart by the difference.
		"-avoid_negative_ts", "disabled")
}

// segmentCommon are the arguments of the hls muxer that both layouts share.
func segmentCommon(dir, pattern string, seconds float64) []string {
	return []string{
		"-hls_time", decimal(seconds),
		"-hls_list_size", "0", "-start_number", "1",
		"-hls_segment_filename", path.Join(dir, pattern),
		path.Join(dir, "cut.m3u8"),
	}
}

// decimal prints a number of seconds without an exponent.
func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
