package server

import (
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/worker/speech"
)

// OpenSpeech returns the speech service that the settings name; nil: they name none. Its
// address is the operator's, who may have it in a private network.
func OpenSpeech(s *settings.Settings) (*speech.Service, error) {
	if s.Speech.URL == "" {
		return nil, nil //nolint:nilnil // the caller looks
	}
	key, err := s.SpeechKey()
	if err != nil {
		return nil, err
	}
	return speech.New(speech.Options{
		URL: s.Speech.URL, Model: s.Speech.Model, Key: key, Timeout: s.Speech.Timeout, Requests: s.Speech.Requests,
		Client: netguard.TrustedClient(netguard.Options{HeaderTimeout: s.Speech.Timeout}),
	}), nil
}
