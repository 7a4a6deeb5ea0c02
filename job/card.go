package job

import (
	"encoding/json"
	"slices"

	"github.com/copra-video/copra/transcode/format"
)

// Cards returns which kinds of cards the job asks for, in its settings and in the formats of
// outputs and variants: backends, and "hardware" for any. They say where the job should run, not
// what is used there.
func (s *Spec) Cards() []string {
	cards := []string{}
	note := func(encoder string) {
		if encoder != "" && !slices.Contains(append([]string{"auto", "software"}, cards...), encoder) {
			cards = append(cards, encoder)
		}
	}
	note(s.Settings.Encoder)
	for _, o := range s.Outputs {
		for _, text := range append([]string{o.MapKey}, variantsOf(o)...) {
			if f, err := format.Parse(text); err == nil {
				note(f.Options.Encoder)
			}
		}
	}
	return cards
}

// variantsOf are the formats of an httpstream that gives a list of them.
func variantsOf(o OutputRequest) []string {
	var params struct {
		Variants []string `json:"variants"`
	}
	if o.Type != TypeStream || json.Unmarshal(o.Raw, &params) != nil {
		return nil
	}
	return params.Variants
}
