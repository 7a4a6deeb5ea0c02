package coconut

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/copra-video/copra/transcode/format"
)

// Hints are parts of messages about members that a request may not have. They say
// where the member belongs, or how it is spelt. They never decide whether a request
// is refused: unknown params of outputs are, other unknown members are ignored
// (coconut-v2.md sections 1.7 and 5.1).

// misplaced is a row: params that people write where they do not belong, in outputs of
// these kinds.
type misplaced struct {
	kinds []format.Kind
	names string // separated by spaces
	hint  string
}

var (
	files      = []format.Kind{format.KindVideo, format.KindAudio}
	videos     = []format.Kind{format.KindVideo}
	audios     = []format.Kind{format.KindAudio}
	pictures   = []format.Kind{format.KindImage}
	animations = []format.Kind{format.KindAnimated}
	streams    = []format.Kind{format.KindStream}
	anyKind    = slices.Concat(files, pictures, animations, streams)
)

var misplacedParams = []misplaced{
	{pictures, "offset start start_time at time timestamp", `the moments of pictures are 'offsets', as [5] in seconds, or as "{% array(input.duration * 0.1) %}" for 10 percent of the input`},
	{animations, "offset offsets start start_time duration number interval", `the moments of an animation are its 'scene', such as {"number": 3, "duration": 2}`},
	{streams, "offset start start_time duration", `a stream is made of the whole input`},
	{files, "start start_time from ss", `the beginning in seconds is 'offset'`},
	{files, "length to", `the length in seconds is 'duration'`},

	{videos, "width height size dimensions", `both sides are one resolution in 'format', such as {"format": {"resolution": "1280x720"}}`},
	{slices.Concat(pictures, animations), "width height size dimensions", `both sides are one resolution in 'format', such as {"format": {"resolution": "320x180"}}`},
	{videos, "bitrate", `it belongs into 'format', as "video_bitrate" or "audio_bitrate"`},
	{videos, "codec", `it belongs into 'format', as "video_codec" or "audio_codec"`},
	{audios, "bitrate", `it belongs into 'format', as "audio_bitrate"`},
	{audios, "codec", `it belongs into 'format', as "audio_codec"`},
	{audios, "audio", `its members belong into 'format', such as {"format": {"audio_codec": "mp3", "audio_bitrate": "128k"}}`},
	{videos, "framerate frame_rate", `it belongs into 'format', as "fps"`},
	{videos, "video audio", `its members belong into 'format', such as {"format": {"video_codec": "h264", "audio_bitrate": "128k"}}`},
	{streams, "resolution width height size bitrate codec fps framerate frame_rate quality maxrate video_codec video_bitrate audio_codec audio_bitrate format", `it belongs to 'variants', which are formats such as ["mp4:360p", "mp4:720p::quality=4"]`},
	{streams, "segment_time segment_length hls_time", `the length of segments is 'segment_duration', in seconds`},
	{slices.Concat(pictures, animations), "crop", `an exact size with "fit": "crop" cuts what is too much`},
	{slices.Concat(videos, pictures, animations), "rotate rotation", `pictures are turned by 'transpose', 1 to the right and 2 to the left`},
	{videos, "video_filters video_filter filters filter vf", `there are no filters to write; 'crop', 'fit', 'transpose', 'vflip', 'hflip', 'deinterlace' and 'watermark' are params`},
	{slices.Concat(videos, pictures, animations), "transformation transformations", `'watermark' and others are params of the output itself, and subtitles are 'captions'`},
	{slices.Concat(videos, streams), "subtitles subtitle caption subs", `text from a file is 'captions', such as [{"url": "https://example.com/en.srt", "language": "en"}]`},

	{slices.Concat(pictures, animations), "quality_metrics", `it compares encoded video with the input's, and is a param of files with video and of httpstream`},

	{anyKind, "input inputs", `a job has an 'input', or several 'inputs', beside 'outputs'`},
	{anyKind, "storage notification webhook", `the job has one for all outputs, beside 'outputs': 'storage' or 'notification'`},
	{anyKind, "settings ultrafast priority", `it belongs into the job's 'settings', beside 'outputs'`},
}

// misplacedMembers are rows for members of the param 'format'.
var misplacedMembers = []misplaced{
	{slices.Concat(videos, pictures, animations), "width height size dimensions", `both sides are one resolution, such as "1280x720", "1280x" or "0x720"`},
	{videos, "bitrate", `it is "video_bitrate" or "audio_bitrate"`},
	{videos, "codec", `it is "video_codec" or "audio_codec"`},
	{audios, "bitrate", `it is "audio_bitrate"`},
	{audios, "codec", `it is "audio_codec"`},
	{videos, "framerate frame_rate", `it is "fps"`},
	{files, "channels", `it is "audio_channel"`},
	{videos, "video audio", `their members have long names here, such as "video_codec" and "audio_bitrate"`},
}

// paramTables says which outputs have which params.
var paramTables = []struct {
	kinds []format.Kind
	what  string
	names []string
}{
	{files, "files with video or audio", videoParams},
	{pictures, "pictures (jpg, png, webp)", imageParams},
	{animations, "animations (gif, webp_anim)", animatedParams},
	{streams, "httpstream", streamParams},
}

// placeOf looks for the row of a member.
func placeOf(rows []misplaced, kind format.Kind, name string) string {
	for _, r := range rows {
		if slices.Contains(r.kinds, kind) && slices.Contains(strings.Fields(r.names), name) {
			return r.hint
		}
	}
	return ""
}

// accept refuses params that an output of this kind does not have.
func (h hash) accept(kind format.Kind, mapKey string, names []string) hash {
	h.onlyOr(func(m member) string { return paramHint(kind, mapKey, m) }, names...)
	h.outer = names
	return h
}

// paramHint says where a param belongs that an output of this kind does not have.
func paramHint(kind format.Kind, mapKey string, m member) string {
	if hint := placeOf(misplacedParams, kind, m.name); hint != "" {
		return hint
	}
	if slices.Contains(format.HashMembers(kind), m.name) {
		hint := "it belongs into 'format'"
		if m.value.kind != kindHash && m.value.kind != kindList && m.value.kind != kindNull {
			hint += fmt.Sprintf(`, as {"format": {%q: %s}}`, m.name, m.value.describe())
		}
		if strings.Contains(mapKey, ":") {
			hint += ", which replaces what follows the container in " + quote(mapKey)
		}
		return hint
	}
	for _, t := range paramTables {
		if slices.Contains(t.names, m.name) {
			return "it is a param of " + t.what
		}
	}
	return ""
}

// formatHint says where a member of the param 'format' belongs, if err is about one
// that no format has.
func formatHint(mapKey string, err error) string {
	unknown, ok := errors.AsType[*format.UnknownMemberError](err)
	if !ok {
		return ""
	}
	f, err := format.Parse(container(mapKey))
	if err != nil {
		return ""
	}
	hint := placeOf(misplacedMembers, f.Kind(), unknown.Name)
	for _, t := range paramTables {
		if hint == "" && slices.Contains(t.kinds, f.Kind()) && slices.Contains(t.names, unknown.Name) {
			hint = "it belongs beside 'format'"
		}
	}
	if hint == "" {
		hint = nearestHint(unknown.Name, format.HashMembers(f.Kind()))
	}
	if hint == "" {
		return ""
	}
	return "; " + hint
}

func container(mapKey string) string {
	name, _, _ := strings.Cut(mapKey, ":")
	return name
}

// keyHint explains the form "jpg:300x#10%", in which version 1 named the moments of
// pictures.
func keyHint(mapKey string) string {
	plain, moment, old := strings.Cut(mapKey, "#")
	if f, err := format.Parse(plain); !old || err != nil || f.Kind() != format.KindImage {
		return ""
	}
	offsets := `[5] for seconds or "{% array(input.duration * 0.1) %}" for 10 percent`
	share, percent := strings.CutSuffix(moment, "%")
	if n, ok := parseNumber(&value{kind: kindString, text: share}); ok && n >= 0 && n <= 100 {
		offsets = "[" + share + "]"
		if percent {
			offsets = fmt.Sprintf(`"{%% array(input.duration * %s / 100) %%}"`, share)
		}
	}
	return fmt.Sprintf(`; write the output as %s and its moment as "offsets": %s`, quote(plain), offsets)
}

// outerHint is about a member of a hash that is a param, such as hls.
func (h hash) outerHint(name string) string {
	if slices.Contains(h.outer, name) {
		return "it belongs one level up, to the output itself"
	}
	if slices.Contains(h.outer, "hls") {
		return placeOf(misplacedParams, format.KindStream, name)
	}
	return ""
}

// misspelt names a member whose name is almost one of names, which are missing. It is
// "" if there is none.
func (v *value) misspelt(names ...string) string {
	if v == nil {
		return ""
	}
	for _, m := range v.members {
		if n := nearest(m.name, names); n != "" && n != m.name {
			return fmt.Sprintf(" (there is '%s', write '%s')", shorten(m.name), n)
		}
	}
	return ""
}

func nearestHint(name string, known []string) string {
	if n := nearest(name, known); n != "" {
		return "there is no such param, but '" + n + "'"
	}
	return ""
}

// nearest returns the name that is most like name, "" if none is near. Case, '_' and
// '-' do not matter: playlistName is near playlist_name.
func nearest(name string, known []string) string {
	const longest = 40 // bytes, of a name that can be near
	if len(name) > longest {
		return ""
	}
	found, least := "", longest
	for _, k := range known {
		limit := 1
		if len(k) > 4 {
			limit = 2
		}
		if d := distance(bare(name), bare(k)); d <= limit && d < least {
			found, least = k, d
		}
	}
	return found
}

func bare(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
}

// distance counts the letters to insert, remove, replace or swap with the next one to
// make b of a (the optimal string alignment distance).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
		for j := 1; j <= len(b); j++ {
			if i == 0 {
				rows[i][j] = j
				continue
			}
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
