package stream

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// This file finds captions that lie in the pictures of H.264 and HEVC: CEA-608 and CEA-708, as
// the user data of ATSC A/53 part 4, clause 6.2.3. Encoders carry them over from the source or
// do not, and cameras and encoders of broadcasts send empty ones all the time, so they are
// looked for in what was made.

// ccMarker is how that user data begins: the country, the provider, its identifier and the type
// cc_data().
var ccMarker = []byte("\xb5\x00\x31GA94\x03")

// The channels that are signalled (RFC 8216 section 4.3.4.1, INSTREAM-ID): the first of CEA-608,
// and the first service of CEA-708.
const (
	line21  = "CC1"
	service = "SERVICE1"
)

// ccGroup is the group of closed captions.
const ccGroup = "cc"

// inCaptions is which channels of captions in pictures have a text.
type inCaptions struct{ line21, service bool }

// channel is the one to signal; "": there are no captions. What has captions of CEA-708 has the
// same ones as CEA-608 almost always, which all players read.
func (c inCaptions) channel() string {
	switch {
	case c.line21:
		return line21
	case c.service:
		return service
	}
	return ""
}

// find looks at the captions in a segment. packet is the length of transport packets, over which
// user data may be spread: what does not lie in one is left out, since each picture has some. 0:
// there are none.
func (c *inCaptions) find(data []byte, packet int) {
	for at := 0; !c.line21; {
		i := bytes.Index(data[at:], ccMarker)
		if i < 0 {
			return
		}
		begin := at + i
		at = begin + len(ccMarker)
		if len(data) < at+2 {
			return
		}
		end := at + 2 + 3*int(data[at]&31)
		if data[at]&0x40 == 0 || end > len(data) || packet > 0 && begin/packet != (end-1)/packet {
			continue // cc_data that is not to be processed, or is cut
		}
		for triple := range slices.Chunk(data[at+2:end], 3) {
			c.note(triple[0], triple[1], triple[2])
		}
	}
}

// note looks at one entry of cc_data (CEA-708 clause 4.3): a pair of bytes of CEA-608 with their
// parity, which is zero where there is nothing to say, or two bytes of a packet of CEA-708, of
// which the first ones are its length and the head of a block (clause 6.2).
func (c *inCaptions) note(head, one, two byte) {
	const valid = 4
	if head&valid == 0 {
		return
	}
	switch head & 3 {
	case 0: // the first field, with CC1 and CC2
		c.line21 = c.line21 || one&0x7f != 0
	case 3: // a packet begins: service number and size of its first block
		c.service = c.service || two>>5 == 1 && two&31 > 0
	}
}

// closedCaptions returns the channel of captions in the pictures of any track; "": there are
// none.
func (b *packager) closedCaptions() string {
	for _, m := range b.tracks {
		if c := m.captions.channel(); c != "" {
			return c
		}
	}
	return ""
}

// writeClosedCaptions lists the captions that lie in the pictures.
func (b *packager) writeClosedCaptions(w *strings.Builder) {
	if c := b.closedCaptions(); c != "" {
		fmt.Fprintf(w, "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=%s,NAME=%s,DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID=%s\n", quoted(ccGroup), quoted("Closed captions"), quoted(c))
	}
}

// descriptors signal the captions in the pictures of an adaptation set, by DASH-IF IOP 4.3
// clause 6.4.3 and ANSI/SCTE 214-1: the channel and its language, which is not known.
func (c inCaptions) descriptors() []xmlDescriptor {
	switch c.channel() {
	case line21:
		return []xmlDescriptor{{"urn:scte:dash:cc:cea-608:2015", "CC1=und"}}
	case service:
		return []xmlDescriptor{{"urn:scte:dash:cc:cea-708:2015", "1=lang:und"}}
	}
	return nil
}
