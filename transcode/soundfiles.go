package transcode

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/stream"
)

// soundFile is a file with sound that stands for the source's own. The zero value is none.
// Nothing is known of it before it is fetched, so it gets a fixed number of channels and a
// fixed end.
type soundFile struct {
	name string
	end  float64 // in seconds of the source: it is cut there, or silence fills up to it; 0: as long as it is
}

// What sound from files is taken for before anything is known of it.
const (
	fileChannels   = 2
	fileSampleRate = 48000
	// FileStream is the index of sound that is not of the source, where one is told.
	FileStream = -1
)

// filePurposes are the roles of job.AudioFile.
var filePurposes = map[string]stream.Purpose{
	job.AudioDub: stream.Dub, job.AudioCommentary: stream.Commentary, job.AudioDescription: stream.DescribesVideo, job.AudioClearSpeech: stream.ClearSpeech,
}

// soundName returns the name of a file with sound. As with watermarks, it is made from the
// address.
func (p *planner) soundName(a job.AudioFile) string {
	sum := sha256.Sum256([]byte(a.URL.Reveal()))
	name := fmt.Sprintf("sound-%x", sum[:8])
	p.secrets[SecretName(name)] = a.URL
	return name
}

// withSound is the source with the sound of a file in place of its own, up to end.
func (p *planner) withSound(a job.AudioFile, end float64) *source {
	src := *p.src
	src.file = soundFile{p.soundName(a), math.Round(end*1e3) / 1e3}
	src.audio = &job.AudioStream{
		Index: FileStream, Channels: fileChannels, SampleRate: fileSampleRate, StartTime: src.StartTime,
		Codec: "pcm_s16le", // one whose rate and channels do not change on the way
		// What the request says of it is what a source would say.
		Language: a.Language, Title: a.Name,
		VisualImpaired: a.Role == job.AudioDescription, Commentary: a.Role == job.AudioCommentary, HearingImpaired: a.Role == job.AudioClearSpeech,
	}
	return &src
}

// replaceSilence has a stream of a source without sound take the default one of its files
// in place of that, until restore is called. rest are the other files.
func (p *planner) replaceSilence(files []job.AudioFile) (rest []job.AudioFile, restore func()) {
	if p.src.audio != nil || len(files) == 0 {
		return files, func() {}
	}
	at := max(0, slices.IndexFunc(files, func(a job.AudioFile) bool { return a.Default }))
	before := p.src
	p.src = p.withSound(files[at], p.src.videoEnd())
	rest = slices.Concat(files[:at], files[at+1:])
	return rest, func() { p.src = before }
}

// fromFiles are the tracks of a variant's group that come from files of the request.
func (b *streamBuilder) fromFiles(v variant) (list []alternativeAudio) {
	for _, a := range b.soundFiles {
		src := b.withSound(a, b.duration())
		alone := *b.planner
		alone.src = src
		if key, err := alone.streamAudio(v.format); err == nil {
			list = append(list, alternativeAudio{key: key, from: src.audio, purpose: filePurposes[a.Role], chosen: a.Default})
		}
	}
	return list
}

// audioTrack is a track of an audio group.
type audioTrack struct {
	stream.Track
	key audioRendition
}

// audioTracks are the tracks of a group, the default one first.
func (b *packageBuilder) audioTracks(g *audioGroup) []audioTrack {
	list := []audioTrack{{stream.Track{
		ID: unique(b.ids, "audio"), Type: stream.Audio, Group: g.id, Default: true, NoVariant: !g.withoutVideo,
		Language: knownLanguage(b.src.audio.Language), Name: b.src.audio.Title, Purpose: audioPurpose(*b.src.audio),
	}, g.key}}
	chosen := 0
	for i, o := range g.alternatives {
		list = append(list, audioTrack{stream.Track{
			ID: unique(b.ids, languageID("audio", o.from.Language)), Type: stream.Audio, Group: g.id, NoVariant: true, Alternative: i + 1,
			Language: knownLanguage(o.from.Language), Name: o.from.Title, Purpose: o.purpose,
		}, o.key})
		if o.chosen {
			chosen = i + 1
		}
	}
	if chosen > 0 {
		first, to := &list[0], &list[chosen]
		first.Default, to.Default = to.Default, first.Default
		first.NoVariant, to.NoVariant = to.NoVariant, first.NoVariant
		first.Alternative, to.Alternative = to.Alternative, first.Alternative
		track := list[chosen]
		list = slices.Insert(slices.Delete(list, chosen, chosen+1), 0, track)
	}
	return list
}

// fetchSound registers that output i needs the file of an audio rendition.
func (p *planner) fetchSound(key audioRendition, i int) {
	if key.file != "" {
		p.fetch(Fetch{Name: key.file, URL: SecretName(key.file), Sound: true}, i)
	}
}

// openAudio returns the arguments that open what holds an audio rendition, those that every
// output needs besides, and the track to map.
func (p *planner) openAudio(key audioRendition) (in, each []string, track string) {
	if key.file != "" {
		return []string{"-i", key.file}, nil, "0:a:0"
	}
	in, each = p.openSource(key.window)
	return in, each, fmt.Sprintf("0:%d", key.stream)
}

// fileSpace is what the files with sound may take of the work directory, at the rate of
// uncompressed stereo.
func (p *planner) fileSpace() float64 {
	total := 0.0
	for _, f := range p.fetches {
		if f.Sound {
			total += p.seconds(window{}) * fileSampleRate * fileChannels * 3
		}
	}
	return total
}
