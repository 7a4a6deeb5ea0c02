package console

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
)

// mediaInfo is a column of the table that compares input and outputs.
type mediaInfo struct {
	Name, Container, Duration, Size, BitRate string
	Video, Audio, Subtitles                  []string
}

// mediaOf reads the metadata of a file, which is what ffprobe found. It reports false if
// there is none, or no video and audio.
func mediaOf(name string, raw json.RawMessage) (info mediaInfo, ok bool) {
	if len(raw) == 0 {
		return mediaInfo{}, false
	}
	m, err := job.ParseMedia(raw)
	if err != nil || len(m.Video)+len(m.Audio) == 0 {
		return mediaInfo{}, false
	}
	info = mediaInfo{Name: name, Container: m.FormatName}
	if m.Duration > 0 {
		info.Duration = shortDuration(time.Duration(m.Duration * float64(time.Second)))
	}
	// For a stream, size and bitrate are those of the playlist.
	stream := m.FormatName == "hls" || m.FormatName == "dash"
	if m.Size > 0 && !stream {
		info.Size = bytesText(m.Size)
	}
	if m.BitRate > 0 && !stream {
		info.BitRate = bitrate(m.BitRate)
	}
	for _, v := range m.Video {
		info.Video = append(info.Video, videoText(v))
	}
	for _, a := range m.Audio {
		info.Audio = append(info.Audio, audioText(a))
	}
	for _, s := range m.Subtitles {
		info.Subtitles = append(info.Subtitles, strings.TrimSpace(s.Codec+" "+s.Language))
	}
	return info, true
}

func videoText(v job.VideoStream) string {
	parts := []string{v.Codec, fmt.Sprintf("%d×%d", v.Width, v.Height)}
	if v.FPS.Num > 0 && v.FPS.Den > 0 {
		parts = append(parts, trimFloat(float64(v.FPS.Num)/float64(v.FPS.Den))+" fps")
	}
	if v.BitRate > 0 {
		parts = append(parts, bitrate(v.BitRate))
	}
	if v.PixFmt != "" {
		parts = append(parts, v.PixFmt)
	}
	switch v.ColorTransfer {
	case "smpte2084":
		parts = append(parts, "HDR10")
	case "arib-std-b67":
		parts = append(parts, "HLG")
	}
	return strings.Join(parts, ", ")
}

func audioText(a job.AudioStream) string {
	parts := []string{a.Codec}
	if a.ChannelLayout != "" {
		parts = append(parts, a.ChannelLayout)
	}
	if a.SampleRate > 0 {
		parts = append(parts, trimFloat(float64(a.SampleRate)/1000)+" kHz")
	}
	if a.BitRate > 0 {
		parts = append(parts, bitrate(a.BitRate))
	}
	if a.Language != "" {
		parts = append(parts, a.Language)
	}
	return strings.Join(parts, ", ")
}

// streamMedia returns the metadata of a stream's packages, by "hls" and "dash".
func streamMedia(raw json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(raw, &m) // a file's metadata may be no such object: then there are none
	return m
}

func trimFloat(f float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", f), "0"), ".")
}

func bitrate(bits int64) string {
	if bits >= 1e6 {
		return fmt.Sprintf("%.1f Mbit/s", float64(bits)/1e6)
	}
	return fmt.Sprintf("%d kbit/s", bits/1000)
}

func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%d kB", n/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
