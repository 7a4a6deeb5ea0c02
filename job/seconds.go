package job

import "encoding/json"

// Seconds is how long a finished file or stream plays; 0 for pictures and for what
// is not known. It is read from the result's metadata, which is what ffprobe found
// in a file, or by packaging what it found in the variants of a stream.
func (o OutputState) Seconds() float64 {
	if o.Stage != Done || o.Type == TypeImage {
		return 0
	}
	return longestDuration(o.Result.Metadata)
}

// longestDuration returns the largest format.duration in documents of ffprobe,
// which may be nested in hashes and lists.
func longestDuration(raw json.RawMessage) float64 {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		var list []json.RawMessage
		longest := 0.0
		if json.Unmarshal(raw, &list) == nil {
			for _, inner := range list {
				longest = max(longest, longestDuration(inner))
			}
		}
		return longest
	}
	if _, ok := members["format"]; ok {
		var doc struct {
			Format probeFormat `json:"format"`
		}
		if json.Unmarshal(raw, &doc) == nil {
			if d, ok := doc.Format.Duration.value(); ok {
				return max(d, 0)
			}
		}
		return 0
	}
	longest := 0.0
	for _, inner := range members {
		longest = max(longest, longestDuration(inner))
	}
	return longest
}
