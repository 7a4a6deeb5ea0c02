package job

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// sideDataList is ffprobe's side_data_list of a stream: the members that give the
// rotation and the HDR metadata.
type sideDataList []struct {
	Type     text   `json:"side_data_type"`
	Rotation number `json:"rotation"`
	RedX     text   `json:"red_x"`
	RedY     text   `json:"red_y"`
	GreenX   text   `json:"green_x"`
	GreenY   text   `json:"green_y"`
	BlueX    text   `json:"blue_x"`
	BlueY    text   `json:"blue_y"`
	WhiteX   text   `json:"white_point_x"`
	WhiteY   text   `json:"white_point_y"`
	Min      text   `json:"min_luminance"`
	Max      text   `json:"max_luminance"`
	MaxCLL   number `json:"max_content"`
	MaxFALL  number `json:"max_average"`
	Dolby    number `json:"dv_profile"`
	BaseAs   number `json:"dv_bl_signal_compatibility_id"`
}

func (s *sideDataList) UnmarshalJSON(b []byte) error {
	type plain sideDataList
	var list plain
	if json.Unmarshal(b, &list) == nil {
		*s = sideDataList(list)
	}
	return nil
}

// ffprobe's names of the side data with HDR metadata.
const (
	masteringDisplay  = "Mastering display metadata"
	contentLightLevel = "Content light level metadata"
	dolbyVision       = "DOVI configuration record"
)

// dolbyOnly is the profile of Dolby Vision whose pictures only a decoder of Dolby's shows
// right, because they are no HDR10, HLG or SDR by themselves; 0: others do.
func (s sideDataList) dolbyOnly() int {
	for _, d := range s {
		if d.Type == dolbyVision && d.BaseAs.int() == 0 {
			return intOf(d.Dolby)
		}
	}
	return 0
}

func (s sideDataList) hdrMetadata() (l HDRMetadata) {
	for _, d := range s {
		switch d.Type {
		case masteringDisplay:
			l.Red, l.Green = [2]float64{d.RedX.fraction(), d.RedY.fraction()}, [2]float64{d.GreenX.fraction(), d.GreenY.fraction()}
			l.Blue, l.White = [2]float64{d.BlueX.fraction(), d.BlueY.fraction()}, [2]float64{d.WhiteX.fraction(), d.WhiteY.fraction()}
			l.MinLuminance, l.MaxLuminance = d.Min.fraction(), d.Max.fraction()
		case contentLightLevel:
			l.MaxCLL, l.MaxFALL = intOf(d.MaxCLL), intOf(d.MaxFALL)
		}
	}
	return l
}

// fraction reads "34000/50000" as a number. Anything else is 0.
func (t text) fraction() float64 {
	a, b, _ := strings.Cut(string(t), "/")
	num, errA := strconv.ParseFloat(a, 64)
	den, errB := strconv.ParseFloat(b, 64)
	if errA != nil || errB != nil || num < 0 || den <= 0 || num > 1e12 {
		return 0
	}
	return num / den
}

// IsPQ reports whether the transfer is that of SMPTE ST 2084, with which static
// metadata about light goes.
func (v VideoStream) IsPQ() bool { return v.ColorTransfer == "smpte2084" }

// IsHDR reports whether the transfer is PQ or HLG.
func (v VideoStream) IsHDR() bool { return v.IsPQ() || v.ColorTransfer == "arib-std-b67" }

// MissingHDR returns the indices of HDR streams whose container has no HDR
// metadata. Their frames may have it.
func (m *Media) MissingHDR() (streams []int) {
	for _, v := range m.Video {
		if v.IsHDR() && v.HDR == (HDRMetadata{}) {
			streams = append(streams, v.Index)
		}
	}
	return streams
}

// MergeHDR adds the HDR metadata in frames, the output of `ffprobe -show_frames`,
// to the side data of the stream, in Raw too: where ffprobe shows that of a
// container. Output that cannot be read changes nothing.
func (m *Media) MergeHDR(stream int, frames []byte) {
	var doc struct {
		Frames []struct {
			SideData []json.RawMessage `json:"side_data_list"`
		} `json:"frames"`
	}
	if json.Unmarshal(frames, &doc) != nil {
		return
	}
	var found [][]byte
	for _, f := range doc.Frames {
		for _, raw := range f.SideData {
			var d struct {
				Type string `json:"side_data_type"`
			}
			var compact bytes.Buffer
			if json.Unmarshal(raw, &d) == nil && (d.Type == masteringDisplay || d.Type == contentLightLevel) && json.Compact(&compact, raw) == nil {
				found = append(found, compact.Bytes())
			}
		}
		if len(found) > 0 {
			break
		}
	}
	at, add := sideDataInsertion(m.Raw, stream)
	if len(found) == 0 || at == 0 {
		return
	}
	list := bytes.Join(found, []byte(","))
	raw := bytes.Join([][]byte{m.Raw[:at], []byte(add[0]), list, []byte(add[1]), m.Raw[at:]}, nil)
	if with, err := ParseMedia(raw); err == nil {
		*m = with
	}
}

// sideDataInsertion returns the offset in raw at which to insert an element of a
// stream's side data, and the text to put before and after it. The offset is 0
// when there is no such stream.
func sideDataInsertion(raw []byte, index int) (at int64, around [2]string) {
	streams, from, ok := member(raw, "streams")
	if !ok {
		return 0, around
	}
	d := json.NewDecoder(bytes.NewReader(streams))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return 0, around
	}
	for d.More() {
		var s json.RawMessage
		if d.Decode(&s) != nil {
			return 0, around
		}
		var id struct {
			Index *int `json:"index"`
		}
		if json.Unmarshal(s, &id) != nil || id.Index == nil || *id.Index != index {
			continue
		}
		start := from + d.InputOffset() - int64(len(s))
		list, inner, ok := member(s, "side_data_list")
		switch {
		case !ok:
			return start + int64(len(s)) - 1, [2]string{`,"side_data_list":[`, `]`}
		case len(list) > 2 && list[0] == '[':
			return start + inner + int64(len(list)) - 1, [2]string{",", ""}
		}
		return 0, around
	}
	return 0, around
}
