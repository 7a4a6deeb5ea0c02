package transcode

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/copra-video/copra/job"
)

// RemuxTrack is a file of which tracks become those of one source.
type RemuxTrack struct {
	Media    job.Media
	Name     string  // of the file in the work directory
	Origin   float64 // of the media time, in seconds, that is the same moment in all files
	NoClock  bool    // the file has no time of its own, and begins when the first does
	Kind     string  // "video" or "audio": only the first stream of that kind is taken; "": all of both
	Language string  // BCP 47; "": not known
	Title    string
}

// mp4Codecs are the codecs that FFmpeg's MP4 takes, and players of it know.
var mp4Codecs = []string{"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "aac", "ac3", "eac3", "opus", "mp3", "mp2", "flac", "alac"}

// clockTurn is after how many seconds the clock of a transport stream begins anew.
const clockTurn = float64(1<<33) / 90000

// maxPriming is how many seconds of sound before the picture are taken for priming.
const maxPriming = 0.15

// plainPriming lets the first packet of AAC begin one packet before the next. In fragmented
// MP4 it may last longer, so that the edit lists of all tracks are equal (docs/decisions/0030);
// FFmpeg would then take as much off the sound, of which the packet has less.
const plainPriming = `setts=ts=if(eq(N\,0)*gt(NEXT_DURATION\,0)\,NEXT_PTS-NEXT_DURATION\,TS)`

// RemuxSource plans how files with one time line become one file, output, without an
// encode. Its time begins with the first file, or where another begins long before it: what
// begins a little earlier is the priming of an audio encoder, which an edit list takes off.
func RemuxSource(tracks []RemuxTrack, output string) (Step, *job.Error) {
	s := Step{ID: "remux", Kind: StepJoin, Files: []string{output}}
	starts := make([]float64, len(tracks))
	first := 0.0
	for i, t := range tracks {
		starts[i] = t.Media.StartTime - t.Origin
		if t.NoClock {
			starts[i] = starts[0]
		} else if i > 0 {
			switch late := starts[i] - starts[0]; {
			case late > clockTurn/2:
				starts[i] -= clockTurn
			case late < -clockTurn/2:
				starts[i] += clockTurn
			}
		}
		if i == 0 || starts[i] < first {
			first = starts[i]
		}
	}
	if starts[0]-first <= maxPriming {
		first = starts[0]
	}
	container := "mp4"
	var maps, tags []string
	video, audio := 0, 0
	for i, t := range tracks {
		// FFmpeg lets each file begin at 0 and adds this.
		if late := starts[i] - first; late != 0 {
			s.addArgs("-itsoffset", strconv.FormatFloat(math.Round(late*1e6)/1e6, 'f', -1, 64))
		}
		s.addArgs("-i", t.Name)
		use := func(index int, codec string) {
			maps = append(maps, "-map", fmt.Sprintf("%d:%d", i, index))
			if !slices.Contains(mp4Codecs, codec) {
				container = "matroska"
			}
		}
		for k, v := range t.Media.Video {
			if t.Kind != "audio" && (k == 0 || t.Kind == "") {
				use(v.Index, v.Codec)
				video++
			}
		}
		for k, a := range t.Media.Audio {
			if t.Kind == "video" || k > 0 && t.Kind != "" {
				continue
			}
			use(a.Index, a.Codec)
			stream := ":s:a:" + strconv.Itoa(audio)
			if code := threeLetters(t.Language, false); code != "" {
				tags = append(tags, "-metadata"+stream, "language="+code)
			}
			if title := printable(t.Title); title != "" {
				tags = append(tags, "-metadata"+stream, "title="+title)
			}
			if a.Codec == "aac" {
				tags = append(tags, "-bsf:a:"+strconv.Itoa(audio), plainPriming)
			}
			disposition := "0"
			if audio == 0 {
				disposition = "default"
			}
			tags = append(tags, "-disposition:a:"+strconv.Itoa(audio), disposition)
			audio++
		}
	}
	if video+audio == 0 {
		return Step{}, job.InputErrorf(job.InputNotValid, "holds no audio and no video that can be decoded")
	}
	s.addArgs(maps...)
	s.addArgs("-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1")
	s.addArgs(tags...)
	s.addArgs("-f", container, output)
	return s, nil
}

// printable is the beginning of a name that somebody else gave.
func printable(name string) string {
	var out strings.Builder
	for _, c := range name {
		if unicode.IsPrint(c) && out.Len() < 100 {
			out.WriteRune(c)
		}
	}
	return out.String()
}
