package stream

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/copra-video/copra/transcode/protect"
)

// The key formats of HLS, and what DASH-IF calls ClearKey.
const (
	formatFairPlay  = "com.apple.streamingkeydelivery"
	formatPlayReady = "com.microsoft.playready"
	schemeClearKey  = "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e"
	schemeCommon    = "urn:mpeg:dash:mp4protection:2011"
)

// xmlProtection is a ContentProtection (ISO/IEC 23009-1 section 5.8.4.1, with the
// names of ISO/IEC 23001-7 section 11.2).
type xmlProtection struct {
	Scheme  string      `xml:"schemeIdUri,attr"`
	Value   string      `xml:"value,attr,omitempty"`
	CENC    string      `xml:"xmlns:cenc,attr,omitempty"`
	KeyID   string      `xml:"cenc:default_KID,attr,omitempty"`
	PSSH    string      `xml:"cenc:pssh,omitempty"`
	MSPR    string      `xml:"xmlns:mspr,attr,omitempty"`
	Object  string      `xml:"mspr:pro,omitempty"`
	License *xmlLicense `xml:"dashif:Laurl"`
}

// xmlLicense is the address of a license server, as DASH-IF's content protection
// writes it.
type xmlLicense struct {
	Space   string `xml:"xmlns:dashif,attr"`
	Type    string `xml:"Lic_type,attr"`
	Address string `xml:",chardata"`
}

// keyID is the id of the key; "" for a clear track.
func (p *Protection) keyID() string {
	if p == nil {
		return ""
	}
	return p.KeyID
}

// uuid writes a key id with its dashes.
func (p *Protection) uuid() string {
	k := p.KeyID
	return strings.Join([]string{k[:8], k[8:12], k[12:16], k[16:20], k[20:]}, "-")
}

// method is METHOD of EXT-X-KEY: of AES-CBC as Apple names it, and of AES-CTR as
// Widevine does.
func (p *Protection) method() string {
	if p.Scheme == protect.CENC {
		return "SAMPLE-AES-CTR"
	}
	return "SAMPLE-AES"
}

// keyAttributes are the attribute lists of the key lines of a track, one for each
// key system (RFC 8216 section 4.3.2.4). Vectors are in the segments.
func (p *Protection) keyAttributes() []string {
	if p == nil {
		return nil
	}
	var list []string
	add := func(address, format, more string) {
		list = append(list, fmt.Sprintf(`METHOD=%s,URI=%s,KEYFORMAT="%s",KEYFORMATVERSIONS="1"%s`, p.method(), quoted(address), format, more))
	}
	if strings.HasPrefix(p.KeyURI, "skd:") {
		add(p.KeyURI, formatFairPlay, "")
	} else if p.KeyURI != "" {
		add(p.KeyURI, "identity", "")
	}
	for _, box := range p.PSSH {
		switch system, object, _ := protect.System(box); system {
		case protect.Widevine:
			add("data:text/plain;base64,"+base64.StdEncoding.EncodeToString(box), "urn:uuid:"+system, ",KEYID=0x"+strings.ToUpper(p.KeyID))
		case protect.PlayReady:
			add("data:text/plain;charset=UTF-16;base64,"+base64.StdEncoding.EncodeToString(object), formatPlayReady, "")
		}
	}
	return list
}

// writeSessionKeys lets players ask for all keys before they load a variant (RFC
// 8216 section 4.3.4.5).
func (b *packager) writeSessionKeys(w *strings.Builder) {
	seen := map[string]bool{}
	for _, m := range b.tracks {
		for _, k := range m.Protection.keyAttributes() {
			if !seen[k] {
				fmt.Fprintf(w, "#EXT-X-SESSION-KEY:%s\n", k)
			}
			seen[k] = true
		}
	}
}

// descriptors are the ContentProtection of a track.
func (p *Protection) descriptors() []xmlProtection {
	if p == nil {
		return nil
	}
	const space = "urn:mpeg:cenc:2013"
	list := []xmlProtection{{Scheme: schemeCommon, Value: p.Scheme, CENC: space, KeyID: p.uuid()}}
	for _, box := range p.PSSH {
		system, object, _ := protect.System(box)
		c := xmlProtection{Scheme: "urn:uuid:" + system, CENC: space, PSSH: base64.StdEncoding.EncodeToString(box)}
		if system == protect.PlayReady {
			c.MSPR, c.Object = "urn:microsoft:playready", base64.StdEncoding.EncodeToString(object)
		}
		list = append(list, c)
	}
	clear := xmlProtection{Scheme: schemeClearKey, Value: "ClearKey1.0"}
	if p.LicenseURL != "" {
		clear.License = &xmlLicense{"https://dashif.org/CPS", "EME-1.0", p.LicenseURL}
	}
	return append(list, clear)
}

// linkSwitchable says of sets of video that differ in their keys that a player may
// switch between them (DASH-IF IOP part 4).
func linkSwitchable(sets []xmlSet) {
	for i := range sets {
		var others []string
		for j := range sets {
			if i != j && sets[i].ContentType == "video" && sets[j].ContentType == "video" && sets[i].Protection != nil && sets[j].Protection != nil &&
				sets[i].codecFamily() == sets[j].codecFamily() {
				others = append(others, strconv.Itoa(sets[j].ID))
			}
		}
		if len(others) > 0 {
			sets[i].Properties = append(sets[i].Properties, xmlDescriptor{"urn:mpeg:dash:adaptation-set-switching:2016", strings.Join(others, ",")})
		}
	}
}

func (s xmlSet) codecFamily() string { return family(s.Representations[0].Codecs) }
