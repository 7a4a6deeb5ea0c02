package transcode

import (
	"fmt"
	"strings"

	"github.com/copra-video/copra/transcode/stream"
)

// addText adds the captions of the request, and then the subtitles of the source.
func (b *packageBuilder) addText() {
	b.addCaptions()
	b.addSubtitles()
}

// addSubtitles extracts the source's text subtitles as WebVTT, which stream.Build
// cuts. Subtitles that are pictures cannot be carried.
func (b *packageBuilder) addSubtitles() {
	var args, dirs, files []string
	for i, s := range b.src.Subtitles {
		if !s.Text {
			continue
		}
		// Muxers mark the first of them as default without being asked to. They
		// are shown only where a viewer wants them, or when they are forced.
		t := stream.Track{
			ID: unique(b.ids, languageID("subtitles", s.Language)), Type: stream.Text, Segments: "text.vtt",
			Language: knownLanguage(s.Language), Name: s.Title, Default: s.Forced, Forced: s.Forced, Alternative: i + 1, Purpose: textPurpose(s),
		}
		t.Dir = t.ID
		dir := b.Dir + "/" + t.Dir
		args = append(args, "-map", fmt.Sprintf("0:%d", s.Index), "-c:s", "webvtt", "-f", "webvtt", dir+"/"+t.Segments)
		dirs, files = append(dirs, dir), append(files, dir+"/"+t.Segments)
		b.Tracks = append(b.Tracks, t)
	}
	if len(files) == 0 {
		return
	}
	in, each := b.openSource(window{})
	if shift := b.startShift(); shift > 0 && b.Layout == stream.CMAF {
		in = append([]string{"-itsoffset", decimal(-shift)}, in...)
	}
	s := Step{
		ID: b.outputStepID(StepText, b.output, b.kind), Kind: StepText, Optional: true, // a stream is worth having without them
		Dirs: dirs, Files: files, Outputs: []int{b.output}, Cost: 0.5,
	}
	s.addArgs(in...)
	s.addArgs(args...)
	s.addArgs(b.syncWithAudio(each)...)
	s.addArgs(b.syncWithVideo(each)...)
	b.addOutputStep(outputStep{Step: s})
}

// knownLanguage is the language as tracks carry it; "" when it is not known.
func knownLanguage(language string) string {
	if known(language) && language != "und" {
		return language
	}
	return ""
}

// languageID names a track for a language: "audio-deu".
func languageID(kind, language string) string {
	l := strings.ToLower(knownLanguage(language))
	if l == "" || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return kind + "-other"
	}
	return kind + "-" + l
}
