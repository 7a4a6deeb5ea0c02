package transcode

// DefaultPresets are the presets of encoders that Options.Presets does not name,
// by encoder.
func DefaultPresets() map[string]string {
	presets := map[string]string{}
	for _, e := range videoEncoders {
		if e.preset != "" {
			presets[e.encoder] = e.preset
		}
	}
	return presets
}
