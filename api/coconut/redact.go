package coconut

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"

	"github.com/copra-video/copra/job"
)

// redacted stands in a shown request for what is not shown.
const redacted = "[redacted]"

// shownMembers are the members of a request whose texts hold no secret. The texts
// of all others are not shown: a member that this program does not know may hold
// anything, and so may the params of a notification.
var shownMembers = []string{
	"service", "bucket", "container", "bucket_id", "region", "key", "type", "topic_arn", "acl", "storage_class", "cache_control", "expires",
	"path", "if", "offset", "duration", "offsets", "number", "interval", "fit", "position", "transpose", "crop", "filename", "playlist_name",
	"resolution", "quality", "video_codec", "video_bitrate", "fps", "audio_codec", "audio_bitrate", "audio_samplerate", "audio_channel",
	"preset", "tune", "maxrate", "pix_fmt", "variants", "version", "priority", "max_duration", "gateway_dns",
	"loudness", "segment_duration", "gop", "crf", "scheme", "track", "language", "charset",
}

// RedactRequest returns an accepted request for people to see, indented, without
// what may be secret. Of an address it shows scheme and host.
func RedactRequest(body []byte) ([]byte, error) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	var compact, shown bytes.Buffer
	redact(&compact, root, "", nil)
	if err := json.Indent(&shown, compact.Bytes(), "", "  "); err != nil {
		return nil, job.Errorf(job.ConfigNotValid, "The stored request is not valid JSON.").WithCause(err)
	}
	return shown.Bytes(), nil
}

// redact writes v, which is the member name of the members above.
func redact(b *bytes.Buffer, v *value, name string, above []string) {
	switch v.kind {
	case kindHash:
		b.WriteByte('{')
		for i, m := range v.members {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(encode(m.name))
			b.WriteByte(':')
			redact(b, m.value, m.name, append(above[:len(above):len(above)], name))
		}
		b.WriteByte('}')
	case kindList:
		b.WriteByte('[')
		for i, e := range v.list {
			if i > 0 {
				b.WriteByte(',')
			}
			redact(b, e, name, above)
		}
		b.WriteByte(']')
	case kindString:
		b.Write(encode(redactText(v.text, name, above)))
	case kindNull:
		b.WriteString("null")
	default: // a number or a boolean
		if hidden(name, above) {
			b.Write(encode(redacted))
			return
		}
		b.WriteString(v.text)
	}
}

// hidden reports whether a member may be a secret whatever it is. A key of segments
// has the same name as the key of an output.
func hidden(name string, above []string) bool {
	return slices.Contains(above, "credentials") || slices.Contains(above, "params") || slices.Contains(above, "protection") && name == "key"
}

func redactText(text, name string, above []string) string {
	if hidden(name, above) {
		return redacted
	}
	if u, err := url.Parse(text); err == nil && u.Scheme != "" && u.Host != "" {
		return u.Scheme + "://" + u.Hostname() + "/..."
	}
	// An output may be a text alone, its path, and a format is the name of its member.
	inOutput := len(above) == 2 && above[1] == "outputs"
	ofCustomer := len(above) == 2 && above[1] == "metadata"
	if inOutput || ofCustomer || slices.Contains(shownMembers, name) || text == "" {
		return text
	}
	return redacted
}
