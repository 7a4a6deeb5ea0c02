package coconut

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
)

// Vars returns the variables for expressions (coconut-v2.md section 5.5). Every
// documented variable exists for every input. It is 0, "" or false when the input
// has no such property, so that a condition on the video of an audio file is false
// instead of an error. Width and height are those after rotation.
func Vars(m job.Media) expr.Vars {
	vars := expr.Vars{
		"input.mime_type":     mimeType(m),
		"input.file_size":     float64(m.Size),
		"input.format":        m.FormatName,
		"input.duration":      math.Trunc(m.Duration),
		"input.is_audio_only": len(m.Video) == 0 && len(m.Audio) > 0,
	}
	var v job.VideoStream
	if len(m.Video) > 0 {
		v = m.Video[0]
	}
	width, height := v.Width, v.Height
	if v.Rotation == 90 || v.Rotation == 270 {
		width, height = height, width
	}
	fps := 0.0
	if v.FPS.Den > 0 {
		fps = float64(v.FPS.Num) / float64(v.FPS.Den)
	}
	vars["input.width"] = float64(width)
	vars["input.height"] = float64(height)
	vars["input.fps"] = math.Round(fps*1000) / 1000
	vars["input.ifps"] = math.Round(fps)
	vars["input.video_bitrate"] = kilobits(v.BitRate)
	vars["input.video_codec"] = v.Codec
	vars["input.rotation"] = float64(v.Rotation)
	vars["input.is_hd"] = width >= 1280 || height >= 720

	var a job.AudioStream
	if len(m.Audio) > 0 {
		a = m.Audio[0]
	}
	vars["input.audio_codec"] = a.Codec
	vars["input.channels"] = float64(a.Channels)
	vars["input.audio_bitrate"] = kilobits(a.BitRate)
	vars["input.sample_rate"] = float64(a.SampleRate)

	dec := json.NewDecoder(bytes.NewReader(m.Raw))
	dec.UseNumber()
	var raw any
	if dec.Decode(&raw) == nil {
		metadataVars(vars, "input.metadata", raw)
	}
	return vars
}

func kilobits(n int64) float64 { return math.Round(float64(n) / 1000) }

// metadataVars adds the scalars of ffprobe's JSON by their paths, such as
// input.metadata.format.duration and input.metadata.streams[0].width. An index may
// also be written as streams.0. A string that is a number, as ffprobe writes most
// numbers, is a number.
func metadataVars(vars expr.Vars, name string, v any) {
	switch t := v.(type) {
	case map[string]any:
		for k, inner := range t {
			metadataVars(vars, name+"."+k, inner)
		}
	case []any:
		for i, inner := range t {
			metadataVars(vars, name+"."+strconv.Itoa(i), inner)
			metadataVars(vars, name+"["+strconv.Itoa(i)+"]", inner)
		}
	case json.Number:
		if n, err := t.Float64(); err == nil {
			vars[name] = n
		}
	case string:
		vars[name] = t
		if n, ok := parseNumber(&value{kind: kindString, text: t}); ok {
			vars[name] = n
		}
	case bool:
		vars[name] = t
	}
}

// mimeTypes are the MIME types by the first of ffprobe's format names, with video and
// without.
var mimeTypes = map[string][2]string{
	"mov":       {"video/mp4", "audio/mp4"},
	"matroska":  {"video/x-matroska", "audio/x-matroska"},
	"mpegts":    {"video/mp2t", "audio/mp2t"},
	"mpeg":      {"video/mpeg", "audio/mpeg"},
	"mpegvideo": {"video/mpeg", "video/mpeg"},
	"avi":       {"video/x-msvideo", "audio/x-msvideo"},
	"flv":       {"video/x-flv", "audio/x-flv"},
	"asf":       {"video/x-ms-wmv", "audio/x-ms-wma"},
	"ogg":       {"video/ogg", "audio/ogg"},
	"mxf":       {"application/mxf", "application/mxf"},
	"mp3":       {"audio/mpeg", "audio/mpeg"}, // its video is a cover picture
	"aac":       {"audio/aac", "audio/aac"},
	"wav":       {"audio/x-wav", "audio/x-wav"},
	"flac":      {"audio/flac", "audio/flac"},
	"aiff":      {"audio/aiff", "audio/aiff"},
	"amr":       {"audio/amr", "audio/amr"},
	"png_pipe":  {"image/png", "image/png"},
	"jpeg_pipe": {"image/jpeg", "image/jpeg"},
	"image2":    {"image/jpeg", "image/jpeg"},
	"webp_pipe": {"image/webp", "image/webp"},
	"gif":       {"image/gif", "image/gif"},
	"bmp_pipe":  {"image/bmp", "image/bmp"},
	"tiff_pipe": {"image/tiff", "image/tiff"},
}

func mimeType(m job.Media) string {
	name, _, _ := strings.Cut(m.FormatName, ",")
	pair, ok := mimeTypes[name]
	if !ok {
		return "application/octet-stream"
	}
	if len(m.Video) == 0 {
		return pair[1]
	}
	switch {
	case name == "mov" && strings.TrimSpace(m.Tags["major_brand"]) == "qt":
		return "video/quicktime"
	case name == "matroska" && slices.Contains([]string{"vp8", "vp9", "av1"}, m.Video[0].Codec):
		return "video/webm"
	}
	return pair[0]
}
