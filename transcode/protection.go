package transcode

import (
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/stream"
)

// ClearDir is where the segments of a package lie before they are encrypted.
func ClearDir(dir string) string { return dir + "-clear" }

// registerKeys puts the keys of the stream among the secrets of the plan.
func (b *streamBuilder) registerKeys() *job.Error {
	if b.params.Protection == nil {
		return nil
	}
	for _, k := range b.params.Protection.Keys {
		key, err := hex.DecodeString(k.Key.Reveal())
		if err != nil || len(key) != 16 || len(k.KeyID) != 32 {
			return job.Errorf(job.OutputParamNotValid, "The parameter \"protection.keys\" is not valid: a key and its id have 32 hexadecimal digits each.")
		}
		b.secrets[b.contentKey(k)] = job.NewSecret(string(key))
	}
	return nil
}

// contentKey is the name of a key among the secrets.
func (b *streamBuilder) contentKey(k job.ContentKey) SecretName {
	return SecretName(fmt.Sprintf("%scontent-key-%d-%s", b.prefix, b.output+1, k.Track))
}

// protection is how a track is encrypted; nil: it is not. Its key is that of the
// narrowest class that has one.
func (b *packageBuilder) protection(t stream.Track) *stream.Protection {
	p := b.params.Protection
	if p == nil {
		return nil
	}
	classes := []string{job.KeyAudio, job.KeyAll}
	if t.Type == stream.Video {
		classes = []string{job.KeySD, job.KeyVideo, job.KeyAll}
		if lines := b.lines[t.ID]; lines > 1080 {
			classes[0] = job.KeyUHD
		} else if lines >= 720 {
			classes[0] = job.KeyHD
		}
	}
	for _, class := range classes {
		i := slices.IndexFunc(p.Keys, func(k job.ContentKey) bool { return k.Track == class })
		if i < 0 {
			continue
		}
		k := p.Keys[i]
		return &stream.Protection{
			Scheme: p.Scheme, KeyID: k.KeyID, KeyName: string(b.contentKey(k)), KeyURI: k.URI, LicenseURL: p.LicenseURL, PSSH: p.PSSH,
		}
	}
	return nil // decoding a request refuses keys that leave a track out
}

// protect adds the step that encrypts what the step cut has made of a track.
func (b *packageBuilder) protect(t stream.Track, cut string) {
	p := t.Protection
	dir := b.Dir + "/" + t.Dir
	s := Step{
		ID: b.outputStepID(StepProtect, b.output, b.kind+"-"+t.ID), Kind: StepProtect, Needs: []string{cut},
		Dirs: []string{dir}, Files: []string{dir + "/" + t.Segments, dir + "/" + t.Init}, Outputs: []int{b.output}, Cost: 0.2,
	}
	s.Op.Protect = &Protect{
		From: ClearDir(b.Dir) + "/" + t.Dir, To: dir, Init: t.Init, Segments: t.Segments,
		Scheme: p.Scheme, KeyID: p.KeyID, Key: SecretName(p.KeyName), Track: t.ID, PSSH: p.PSSH,
	}
	b.addOutputStep(outputStep{Step: s})
}
