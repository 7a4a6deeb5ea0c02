package transcode

import (
	"fmt"
	"strings"

	"github.com/copra-video/copra/transcode/stream"
)

// addText extracts the source's text subtitles as WebVTT, which stream.Build
// cuts. Subtitles that are pictures cannot be carried.
func (b *streamBuilder) addText(pkg *stream.Package, names map[string]int) {
	var args, dirs, files []string
	for i, s := range b.src.Subtitles {
		if !s.Text {
			continue
		}
		// Containers mark the first of them as default without anybody's wish;
		// they are on only where a viewer wants them, or when they are forced.
		t := stream.Track{
			ID: unique(names, languageID("subtitles", s.Language)), Type: stream.Text, Segments: "text.vtt",
			Language: knownLanguage(s.Language), Name: s.Title, Default: s.Forced, Forced: s.Forced, Alternative: i + 1, Purpose: textPurpose(s),
		}
		t.Dir = t.ID
		dir := pkg.Dir + "/" + t.Dir
		args = append(args, "-map", fmt.Sprintf("0:%d", s.Index), "-c:s", "webvtt", "-f", "webvtt", dir+"/"+t.Segments)
		dirs, files = append(dirs, dir), append(files, dir+"/"+t.Segments)
		pkg.Tracks = append(pkg.Tracks, t)
	}
	if len(files) == 0 {
		return
	}
	in, each := b.openSource(window{})
	if early := b.startShift(); early > 0 && pkg.Layout == stream.CMAF {
		in = append([]string{"-itsoffset", decimal(-early)}, in...)
	}
	args = append(in, args...)
	args = append(args, b.syncTimestamps("a", each)...)
	args = append(args, b.syncTimestamps("v", each)...)
	b.addOutputStep(Step{
		ID: b.outputStepID(StepText, b.output, packageKind(pkg)), Kind: StepText, Op: Operation{FFmpeg: &FFmpeg{Args: args}}, Optional: true, // a stream is worth having without them
		Dirs: dirs, Files: files, Outputs: []int{b.output}, Cost: 0.5,
	})
}

// knownLanguage is the language as tracks carry it; "" when nobody said.
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
