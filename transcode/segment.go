package transcode

import (
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/stream"
)

// tsMuxDelay is how far the clock reference runs ahead of decoding, in
// seconds, so that a frame has arrived before it is due. The muxer adds it
// twice to every timestamp.
const tsMuxDelay = 0.5

// segmentTSArgs cuts intermediates into MPEG-TS segments by stream copy:
// dir/segment-%05d.ts from 1. video is an mp4 with a keyframe at least every
// two seconds and on the grid, or StdinInput; audio is an mp4 with one track.
// Either may be "". seconds is the length to aim at.
//
// keyInfo names the file that names the key of AES-128; "": not encrypted. decode is
// by how many frames the first picture is decoded before its time at least.
//
// One muxer runs over all segments, so continuity counters run on. It opens the
// file of a segment when it has closed the one before. It also writes a playlist,
// dir/cut.m3u8, which is not published: stream.Build measures the segments
// itself.
func segmentTSArgs(video, audio, dir string, seconds, decode float64, keyInfo string) []string {
	args := segmentInputs(video, audio)
	if video != "" && decode > 0 {
		// In frames: FFmpeg 5.1 tells the filter the time base of the input, and
		// gives it times in that of TS.
		args = append(args, "-bsf:v", "setts=pts=PTS:dts='DTS-max(0,STARTDTS+"+decimal(decode)+"*DURATION)'")
	}
	if keyInfo != "" {
		args = append(args, "-hls_key_info_file", keyInfo)
	}
	return append(args, tsSegmentArgs(dir, seconds)...)
}

// tsSegmentArgs writes the segments of segmentTSArgs.
func tsSegmentArgs(dir string, seconds float64) []string {
	return []string{
		"-output_ts_offset", decimal(stream.TSOrigin - 2*tsMuxDelay),
		"-muxdelay", decimal(tsMuxDelay), "-muxpreload", "0",
		"-f", "hls", "-hls_segment_type", "mpegts",
		"-hls_time", decimal(seconds),
		"-hls_list_size", "0", "-start_number", "1",
		"-hls_segment_filename", path.Join(dir, "segment-%05d.ts"),
		path.Join(dir, "cut.m3u8"),
	}
}

// keyFiles are what the option hls_key_info_file wants: the key, and a file that
// names it. The first line of that file is an address for FFmpeg's playlist,
// which is not published. The third is the vector; without it that is the
// number of the segment, as RFC 8216 section 5.2 says for playlists without
// one.
func keyFiles(dir string, key SecretName, iv string) (info string, files []InputFile) {
	name := path.Join(dir, "key.bin")
	info = path.Join(dir, "key.info")
	return info, []InputFile{{Name: name, Secret: key}, {Name: info, Data: strings.TrimSuffix("key\n"+name+"\n"+iv, "\n") + "\n"}}
}

// cut is one track on its way to fragmented MP4.
type cut struct {
	track   string // intermediate, or StdinInput
	dir     string
	seconds float64 // to aim at for a segment
	video   bool
	// shift moves the track to an earlier time, in seconds.
	shift float64
	// start is the media time at which the presentation begins, in seconds: that
	// of all tracks of a package. 0: what the encoder's delay makes it.
	start float64
	// late has the first picture of each GOP decoded by no more than start before its
	// time, though those after it are reordered, and takes off priming of the sound that
	// does not fit into start.
	late bool
}

// segmentCMAFArgs cuts one track into dir/init.mp4 and dir/segment-%05d.m4s
// from 1, by stream copy. Decode times (tfdt) count from zero without a hole. An
// edit list in init.mp4 takes off what lies before the first picture or sound:
// the delay of reordered video, the priming of an audio encoder. (The muxer can
// write negative composition offsets for video instead, but FFmpeg and the
// players built on it then show the pictures late by that delay.)
//
// The edit lists of all tracks take off the same, cut.start, so that picture and
// sound are in step where no edit list is read, as in GStreamer and VLC
// (docs/decisions/0030-tracks-in-step-without-edit-lists.md).
//
// The track has to start at zero: browsers ignore an edit list that delays a
// track, and stream.Build refuses it.
//
// The dash muxer is used because the hls muxer cannot start a fragment (moof) at
// each keyframe, which an I-frame playlist needs. A segment gets its name when it
// is whole. The muxer also writes a manifest, dir/cut.mpd, which is not
// published.
func segmentCMAFArgs(c cut) []string {
	// The index (sidx) is of no use in segments that playlists describe.
	flags := "movflags=+skip_sidx"
	var args []string
	if c.video {
		args = segmentInputs(c.track, "")
		// The rate in the sample description would be that of the first
		// seconds, since the track may still be growing.
		flags += "+frag_keyframe:write_btrt=0"
	} else {
		args = segmentInputs("", c.track)
	}
	if c.shift > 0 {
		args = append([]string{"-itsoffset", decimal(-c.shift)}, args...)
	}
	return append(append(args, c.startArgs()...),
		"-f", "dash", "-dash_segment_type", "mp4",
		"-seg_duration", decimal(c.seconds),
		// With a timeline the muxer counts each segment from the one before,
		// and audio drifts off the grid; without, from the start.
		"-use_template", "1", "-use_timeline", "0",
		"-format_options", flags,
		"-init_seg_name", "init.mp4",
		"-media_seg_name", "segment-$Number%05d$.m4s",
		path.Join(c.dir, "cut.mpd"))
}

// startArgs have the first decode time precede zero by c.start. The muxer counts
// media times from there, and its edit list takes off what comes before zero.
// Pictures are only decoded earlier. Of audio the first packet, which is priming,
// lasts longer; without priming there is nothing to lengthen. What begins earlier
// than that stays as it is.
func (c cut) startArgs() []string {
	if c.start <= 0 {
		return nil
	}
	// -copytb 1: else FFmpeg 5.1 tells the filter another time base (TB) than
	// that of the packets.
	args, start := []string{"-copytb", "1"}, decimal(c.start)+"/TB"
	if c.video && c.late {
		return append(args, "-bsf:v", shortDelay(start))
	}
	if c.video {
		return append(args, "-bsf:v", "setts=pts=PTS:dts='"+earlierDTS(start)+"'")
	}
	filters := "setts=ts='if(eq(N,0)*lt(TS,0),min(TS,-" + start + "),TS)'"
	if c.late {
		// A copied track may begin with more priming than an encoder of our own writes, as
		// Apple's do: two packets and a bit. Decoders need only the last of them.
		packet := c.start - c.shift
		filters = "noise=drop='lt(pts*tb,-" + decimal(math.Round((c.start+packet/2)*1e6)/1e6) + ")'," + filters
	}
	return append(args, "-bsf:a", filters)
}

// earlierDTS is the decode time of pictures of which the first is decoded by start before
// zero at least.
func earlierDTS(start string) string { return "DTS-max(0,STARTDTS+" + start + ")" }

// shortDelay gives pictures decode times of which each GOP begins by start before its
// first picture. Composition times stay.
//
// A picture that is shown after all before it (their last time is in register 0), and is
// decoded as long before its time as the first or less, begins a GOP or comes without
// reordering. The two behind it follow closely: the second may be the first to be shown.
// The muxer believes the duration of the last packet in a segment, so that is the time
// to the GOP that comes.
func shortDelay(start string) string {
	dts := "st(1,eq(N,0)+gt(PTS,ld(0))*lte(PTS-DTS,STARTPTS-STARTDTS));st(0,max(ld(0),PTS));" +
		"max(" + earlierDTS(start) + ",if(ld(1),PTS-" + start + ",PREV_OUTDTS+" + start + "/3))"
	// Packets of a fragmented file may come without a duration.
	frame := "if(gt(DURATION,0),DURATION,if(eq(N,0),0,DTS-PREV_INDTS))"
	return "setts=pts=PTS:dts='" + dts + "':duration='st(2," + dts + ");ld(0)+" + frame + "-" + start + "-ld(2)'"
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

// decimal prints a number of seconds without an exponent.
func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
