package transcode

import (
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/stream"
)

// audioPurpose is what the source's dispositions say of an audio stream.
func audioPurpose(a job.AudioStream) stream.Purpose {
	switch {
	case a.VisualImpaired:
		return stream.DescribesVideo
	case a.Commentary:
		return stream.Commentary
	case a.HearingImpaired:
		return stream.ClearSpeech
	}
	return ""
}

// textPurpose is what the source's dispositions say of subtitles.
func textPurpose(s job.SubtitleStream) stream.Purpose {
	switch {
	case s.HearingImpaired:
		return stream.SDH
	case s.Commentary:
		return stream.Commentary
	}
	return ""
}
