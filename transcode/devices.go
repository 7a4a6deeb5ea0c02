package transcode

import (
	"fmt"
	"slices"

	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// DeviceEncoder is the encoder of a device with the outcome of its trial: a short
// picture was encoded at a bitrate, decoded again and compared.
type DeviceEncoder struct {
	Encoder string // FFmpeg's name
	Device  string // as encoder.Backend.DeviceArgs takes it
	Depth   int    // bits of a sample
	Works   bool
	Reason  string `json:",omitempty"` // a sentence that says why it does not work
	// SSIM is the likeness of what was decoded, and SoftwareSSIM that of the
	// software's encode at the same bitrate, both 0 to 1.
	SSIM, SoftwareSSIM float64
	Speed              float64 // in times of real time
}

// MaxSSIMLoss is by how much the SSIM of a device may be below that of the software
// at the same bitrate for the device to be chosen by itself. It is about what one
// step of an encoder's preset costs.
const MaxSSIMLoss = 0.01

// EncoderChoice says which backends may encode.
type EncoderChoice struct {
	// Use is "software" (or ""), "auto", "hardware" for any device, or the name of a
	// backend of devices. auto takes a device where Prefer allows it.
	Use string
	// Prefer is "quality" (or ""), with which auto takes no device whose SSIM is more than
	// MaxSSIMLoss below that of the software, or "speed".
	Prefer string
}

// Note is a sentence about outputs, for their owner.
type Note struct {
	Outputs []int
	Text    string
}

// DeviceUse is how much of a device a step takes.
type DeviceUse struct {
	Backend  encoder.Backend
	Device   string // as encoder.Backend.DeviceArgs takes it
	Sessions int    // encoders that run at the same time
}

// wantedEncoder is what the format asks for, else the job or the server.
func (p *planner) wantedEncoder(f format.Format) EncoderChoice {
	c := p.Encoder
	if f.Options.Encoder != "" && !p.NoDevices {
		c.Use = f.Options.Encoder
	}
	return c
}

// deviceRendition is newRendition for the first device that may and can make it. A
// plan uses one device of each backend only.
func (p *planner) deviceRendition(f format.Format, w window, preFilters string, g geometry) (rendition, bool) {
	for _, e := range encoder.Hardware(f.VideoCodec(), f.Container) {
		if !p.wantedEncoder(f).allows(e.Backend) || softwareOnly(f) != "" {
			continue
		}
		r, err := p.renditionWith(e, f, w, preFilters, g)
		if err != nil || r.geometry != g || e.DeviceTakes(r.settings, r.twoPass) != "" {
			continue
		}
		for _, d := range p.Capabilities.Devices {
			if d.Encoder == e.Name && p.wantedEncoder(f).takes(d, r) {
				r.device = d.Device
				return r, true
			}
		}
	}
	return rendition{}, false
}

// softwareOnly says which option of a format only software encoders have; "": none.
func softwareOnly(f format.Format) string {
	switch {
	case f.CRF() > 0:
		return "a crf is on the scale of the software, and quality or a bitrate is for all encoders"
	case f.Options.Tune != "":
		return "only the software has a tune"
	}
	return ""
}

// allows reports whether a backend of devices may encode.
func (c EncoderChoice) allows(b encoder.Backend) bool {
	switch c.Use {
	case "auto", "hardware":
		return true
	}
	return c.Use == string(b)
}

// takes reports whether a device is good enough for a rendition.
func (c EncoderChoice) takes(d DeviceEncoder, r rendition) bool {
	if !d.Works || d.Depth != codec.Pixels(r.settings.PixFmt).Depth {
		return false
	}
	return c.Use != "auto" || c.Prefer == "speed" || d.SSIM >= d.SoftwareSSIM-MaxSSIMLoss
}

// whyNotOnDevice says why a rendition is made in software for which the user has
// asked for a device by name; "": he has not.
func (p *planner) whyNotOnDevice(f format.Format, r rendition) string {
	c := p.wantedEncoder(f)
	if c.Use == "" || c.Use == "auto" || c.Use == "software" {
		return ""
	}
	if why := softwareOnly(f); why != "" {
		return why
	}
	rows := slices.DeleteFunc(encoder.Hardware(f.VideoCodec(), f.Container), func(e *encoder.Video) bool { return !c.allows(e.Backend) })
	if len(rows) == 0 {
		return fmt.Sprintf("no encoder of %s makes %s", c.Use, f.VideoCodec())
	}
	for _, e := range rows {
		for _, d := range p.Capabilities.Devices {
			switch why := e.DeviceTakes(r.settings, r.twoPass); {
			case d.Encoder != e.Name:
			case why != "":
				return e.Name + " " + why
			case fitLimits(e.Limits, r.geometry) != r.geometry:
				return fmt.Sprintf("%s does not make pictures of %dx%d", e.Name, r.geometry.W, r.geometry.H)
			case !d.Works && d.Depth == codec.Pixels(r.settings.PixFmt).Depth:
				return fmt.Sprintf("%s does not work on this worker: %s", e.Name, d.Reason)
			}
		}
	}
	return fmt.Sprintf("this worker has no device for %s", rows[0].Name)
}

// noteSoftware keeps for output i why it is not made on a device.
func (p *planner) noteSoftware(r rendition, i int) {
	if r.notOn != "" {
		p.notOnDevice = append(p.notOnDevice, Note{[]int{i}, fmt.Sprintf("Encoded by %s: %s.", r.encoder.Name, r.notOn)})
	}
}

// deviceNotes say which outputs are encoded by which device.
func (p *planner) deviceNotes() []Note {
	var list []Note
	for _, g := range p.decodeGroups {
		for _, v := range g.videos {
			if v.key.device == "" {
				continue
			}
			text := fmt.Sprintf("Encoded by %s.", v.key.encoder.Name)
			at := slices.IndexFunc(list, func(n Note) bool { return n.Text == text })
			if at < 0 {
				list, at = append(list, Note{Text: text}), len(list)
			}
			list[at].Outputs = union(list[at].Outputs, v.outputs)
		}
	}
	return append(list, p.notOnDevice...)
}

// devices are those that renditions are encoded on.
func devices(videos []*renditionNode) []DeviceUse {
	var list []DeviceUse
	for _, v := range videos {
		if v.key.device == "" {
			continue
		}
		at := slices.IndexFunc(list, func(d DeviceUse) bool {
			return d.Backend == v.key.encoder.Backend && d.Device == v.key.device
		})
		if at < 0 {
			list, at = append(list, DeviceUse{Backend: v.key.encoder.Backend, Device: v.key.device}), len(list)
		}
		list[at].Sessions++
	}
	return list
}

// deviceArgs open the devices of a step.
func deviceArgs(list []DeviceUse) []string {
	var args []string
	for _, d := range list {
		args = append(args, d.Backend.DeviceArgs(d.Device)...)
	}
	return args
}
