// Package speech transcribes speech by a service that the operator runs or rents. The
// service speaks the transcription endpoint of OpenAI's API, as servers for Whisper and
// other models do: POST /v1/audio/transcriptions with a file, answered by WebVTT
// (https://platform.openai.com/docs/api-reference/audio/createTranscription).
//
// Long sound is sent in pieces, which are cut where nobody speaks. The errors are
// *job.Error whose messages are parts of sentences for customers. They name neither the
// address of the service nor what it said: those are in their causes, for the log.
package speech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/captions"
)

// Options say which service transcribes, and how.
type Options struct {
	// URL is the service's base address; /v1/audio/transcriptions is added to what of it is
	// missing.
	URL   string
	Model string
	Key   job.Secret // sent as a bearer token; zero: none
	// Timeout is how long the service may take for a piece, with all attempts.
	Timeout time.Duration
	// Requests is how many are under way at once, at least 1.
	Requests int
	// Client makes requests. Its own timeouts must be no shorter than Timeout.
	Client *http.Client
	// Waits are those between attempts. Defaults to 1, 5 and 20 s.
	Waits []time.Duration
}

// Service is a speech service. It is safe for concurrent use.
type Service struct {
	o        Options
	endpoint string
	slots    *semaphore.Weighted
}

const path = "/v1/audio/transcriptions"

// New returns the service of o.
func New(o Options) *Service {
	if o.Waits == nil {
		o.Waits = []time.Duration{time.Second, 5 * time.Second, 20 * time.Second}
	}
	return &Service{o: o, endpoint: endpoint(o.URL), slots: semaphore.NewWeighted(int64(max(1, o.Requests)))}
}

// endpoint completes a base address. Some are given with their version, as the clients of
// OpenAI's API want them, and some as a whole.
func endpoint(base string) string {
	base = strings.TrimRight(base, "/")
	switch {
	case strings.HasSuffix(base, strings.TrimPrefix(path, "/v1")):
		return base
	case strings.HasSuffix(base, "/v1"):
		return base + strings.TrimPrefix(path, "/v1")
	}
	return base + path
}

// String is the address that is asked.
func (s *Service) String() string { return s.endpoint }

// refuse is an error of which customers are told the text, and the log the cause.
func refuse(cause error, format string, args ...any) error {
	return job.Errorf(job.CaptionsNotValid, format, args...).WithCause(cause)
}

// Transcribe returns what is spoken in sound, which has size bytes of samples: 16 bits,
// little endian, one channel, Rate. Cues are in order and count from its start. language
// is a tag of BCP 47, "" where it is not known.
func (s *Service) Transcribe(ctx context.Context, sound io.ReaderAt, size int64, language string) ([]captions.Cue, error) {
	pieces, err := cut(sound, size)
	if err != nil {
		return nil, refuse(err, "the sound could not be read")
	}
	var all []captions.Cue
	for _, p := range pieces {
		if p.silent {
			continue // models make up text for silence
		}
		cues, err := s.piece(ctx, io.NewSectionReader(sound, p.from, p.to-p.from), language)
		if err != nil {
			return nil, err
		}
		for _, c := range cues {
			c.Start, c.End = c.Start+milliseconds(p.from), min(c.End+milliseconds(p.from), milliseconds(p.to))
			if c.Start < c.End {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// Check has the service transcribe a second of silence.
func (s *Service) Check(ctx context.Context) error {
	const second = 2 * Rate
	_, err := s.request(ctx, io.NewSectionReader(bytes.NewReader(make([]byte, second)), 0, second), "en")
	return err
}

// errTimeout ends the attempts of a piece.
var errTimeout = errors.New("the speech service took too long")

// piece transcribes a piece, with several attempts.
func (s *Service) piece(ctx context.Context, sound *io.SectionReader, language string) (cues []captions.Cue, err error) {
	if err := s.slots.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	defer s.slots.Release(1)
	limited, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, errTimeout)
	defer cancel()
	var last error
	policy := retry.Policy{Tries: len(s.o.Waits) + 1, Waits: s.o.Waits, Jitter: 0.2, Retryable: mayPass}
	err = policy.Do(limited, func(ctx context.Context) (err error) {
		if cues, err = s.request(ctx, sound, language); err != nil && ctx.Err() == nil {
			last = err
		}
		return err
	})
	switch {
	case err == nil || ctx.Err() != nil:
		return cues, err
	case errors.Is(err, errTimeout) && last != nil:
		return nil, last
	case errors.Is(err, errTimeout):
		return nil, refuse(err, "the speech service did not answer within %g s", s.o.Timeout.Seconds())
	}
	return nil, err
}

// answerError is an answer other than 200.
type answerError struct {
	code int
	text string // from the answer, for the operator
}

func (e answerError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("it answered %d %s: %s", e.code, http.StatusText(e.code), e.text), ": ")
}

// errAnswer marks answers that were read and are wrong: another attempt brings the same.
var errAnswer = errors.New("the answer is no WebVTT")

// mayPass reports whether another attempt may succeed: the service was not reached, is
// loaded, or has failed.
func mayPass(err error) bool {
	if e, ok := errors.AsType[answerError](err); ok {
		return e.code == http.StatusRequestTimeout || e.code == http.StatusTooEarly || e.code == http.StatusTooManyRequests || e.code >= 500
	}
	return !errors.Is(err, errAnswer)
}

// request makes one attempt.
func (s *Service) request(ctx context.Context, sound *io.SectionReader, language string) ([]captions.Cue, error) {
	body, length, contentType := form(sound, s.o.Model, language)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, body)
	if err != nil {
		return nil, refuse(err, "the address of the speech service is not valid")
	}
	r.ContentLength = length
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "text/vtt")
	if key := s.o.Key.Reveal(); key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := s.o.Client.Do(r)
	if err != nil {
		return nil, refuse(withoutURL(err), "the speech service could not be reached")
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, captions.MaxBytes+1))
	if err != nil {
		return nil, refuse(withoutURL(err), "the answer of the speech service broke off")
	}
	if resp.StatusCode != http.StatusOK {
		e := answerError{resp.StatusCode, s.said(data)}
		why := ""
		if e.code == http.StatusUnauthorized || e.code == http.StatusForbidden {
			why = ", so it does not take the key of this server"
		}
		return nil, refuse(e, "the speech service answered %d %s%s", e.code, http.StatusText(e.code), why)
	}
	return s.read(data)
}

// read reads an answer. One without any text has no cues.
func (s *Service) read(data []byte) ([]captions.Cue, error) {
	if len(data) > captions.MaxBytes {
		return nil, refuse(errAnswer, "the speech service answered with more than %d MiB", captions.MaxBytes>>20)
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	if !bytes.HasPrefix(text, []byte("WEBVTT")) {
		return nil, refuse(fmt.Errorf("%w: %s", errAnswer, s.said(data)), "the speech service answered with something other than WebVTT")
	}
	cues, err := captions.Parse(data, captions.Hint{Charset: "utf-8"})
	switch {
	case errors.Is(err, captions.ErrNoCues):
		return nil, nil
	case err != nil:
		return nil, refuse(fmt.Errorf("%w: %w", errAnswer, err), "the speech service answered with WebVTT that is not valid")
	}
	return cues, nil
}

// said is the beginning of an answer, for the operator. Services repeat keys that they
// refuse.
func (s *Service) said(data []byte) string {
	text := strings.ToValidUTF8(string(data), "\ufffd")
	if key := s.o.Key.Reveal(); key != "" {
		text = strings.ReplaceAll(text, key, "[redacted]")
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + " ..."
	}
	return text
}

// withoutURL is the cause of an error of an HTTP client.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
