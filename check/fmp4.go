package check

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/Eyevinn/mp4ff/aac"
	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/hevc"
	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/copra-video/copra/internal/nopanic"
)

// initSegment is the head of fragmented MP4.
type initSegment struct {
	video, audio *facts
	tracks       []*mp4.TrakBox
	trex         map[uint32]*mp4.TrexBox
	protection   *protection // nil: clear
}

// readInit reads an init segment. What mp4ff cannot read is an error.
func readInit(data []byte) (in *initSegment, err error) {
	defer nopanic.Recover(&err)
	f, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	moov := f.Moov
	if f.Init != nil {
		moov = f.Init.Moov
	}
	if moov == nil {
		return nil, errors.New("there is no moov box")
	}
	in = &initSegment{tracks: moov.Traks, trex: map[uint32]*mp4.TrexBox{}}
	if moov.Mvex != nil {
		for _, t := range moov.Mvex.Trexs {
			in.trex[t.TrackID] = t
		}
	}
	for _, t := range moov.Traks {
		if err := in.track(t); err != nil {
			return nil, err
		}
	}
	return in, nil
}

func (in *initSegment) track(t *mp4.TrakBox) error {
	stsd := t.Mdia.Minf.Stbl.Stsd
	p, err := unprotect(stsd)
	if err != nil {
		return err
	}
	if p != nil {
		in.protection = p
	}
	var s segment
	switch {
	case stsd.AvcX != nil:
		c := stsd.AvcX.AvcC
		if c == nil || len(c.SPSnalus) == 0 {
			in.video = &facts{entry: stsd.AvcX.Type(), inBand: true}
			return nil
		}
		if err := s.h264(c.SPSnalus[0], stsd.AvcX.Type()); err != nil {
			return err
		}
		in.video = s.video
		in.video.pixels(stsd.AvcX)
	case stsd.HvcX != nil:
		var sps [][]byte
		if stsd.HvcX.HvcC != nil {
			sps = stsd.HvcX.HvcC.GetNalusForType(hevc.NALU_SPS)
		}
		if len(sps) == 0 {
			in.video = &facts{entry: stsd.HvcX.Type(), inBand: true}
			return nil
		}
		if err := s.h265(sps[0], stsd.HvcX.Type()); err != nil {
			return err
		}
		in.video = s.video
		in.video.pixels(stsd.HvcX)
	case stsd.VpXX != nil:
		in.video = vp9(stsd.VpXX)
	case stsd.Av01 != nil:
		in.video = av1(stsd.Av01)
	case stsd.Mp4a != nil:
		in.audio = mp4a(stsd.Mp4a)
	case stsd.AC3 != nil:
		in.audio = &facts{entry: "ac-3", codec: "ac-3", channels: int(stsd.AC3.ChannelCount), rate: int(stsd.AC3.SampleRate)}
		if d := stsd.AC3.Dac3; d != nil { // the entry says 2, whatever they are
			in.audio.channels, _ = d.ChannelInfo()
		}
	case stsd.EC3 != nil:
		in.audio = &facts{entry: "ec-3", codec: "ec-3", channels: int(stsd.EC3.ChannelCount), rate: int(stsd.EC3.SampleRate)}
		if d := stsd.EC3.Dec3; d != nil {
			in.audio.channels, _ = d.ChannelInfo()
		}
	}
	return nil
}

// pixels takes the pixel aspect ratio from the sample entry, if it has one.
func (f *facts) pixels(e *mp4.VisualSampleEntryBox) {
	if e.Pasp != nil && e.Pasp.HSpacing > 0 && e.Pasp.VSpacing > 0 {
		f.size(int(e.Width), int(e.Height), uint(e.Pasp.HSpacing), uint(e.Pasp.VSpacing))
	}
}

func mp4a(e *mp4.AudioSampleEntryBox) *facts {
	f := &facts{entry: "mp4a", codec: "mp4a", channels: int(e.ChannelCount), rate: int(e.SampleRate)}
	if e.Esds == nil || e.Esds.DecConfigDescriptor == nil {
		return f
	}
	d := e.Esds.DecConfigDescriptor
	f.codec = fmt.Sprintf("mp4a.%02x", d.ObjectType)
	if d.ObjectType != 0x40 || d.DecSpecificInfo == nil {
		return f
	}
	if c, err := aac.DecodeAudioSpecificConfig(bytes.NewReader(d.DecSpecificInfo.DecConfig)); err == nil {
		f.codec = fmt.Sprintf("mp4a.40.%d", c.ObjectType)
		if c.ChannelConfiguration > 0 {
			f.channels = int(c.ChannelConfiguration)
		}
		f.rate = c.SamplingFrequency
	}
	return f
}

// readFragments reads a media segment.
func (s *segment) readFragments(in *initSegment, data []byte) (err error) {
	defer nopanic.Recover(&err)
	f, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		return err
	}
	s.video, s.audio, s.tracks, s.parts = in.video, in.audio, len(in.tracks), map[uint32]part{}
	s.pairs = true
	moofs := 0
	for i, b := range f.Children {
		if b.Type() == "moof" {
			moofs++
			s.pairs = s.pairs && i+1 < len(f.Children) && f.Children[i+1].Type() == "mdat"
		}
	}
	if moofs == 0 {
		return errors.New("there is no moof box in it")
	}
	for _, seg := range f.Segments {
		for _, frag := range seg.Fragments {
			for _, t := range in.tracks {
				if err := s.fragment(in, t, frag); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *segment) fragment(in *initSegment, t *mp4.TrakBox, frag *mp4.Fragment) error {
	id := t.Tkhd.TrackID
	var traf *mp4.TrafBox
	for _, have := range frag.Moof.Trafs {
		if have.Tfhd.TrackID == id {
			traf = have
		}
	}
	if traf == nil || traf.Tfdt == nil {
		return nil
	}
	samples, err := frag.GetFullSamples(in.trex[id])
	if err != nil {
		return err
	}
	scale := t.Mdia.Mdhd.Timescale
	if scale == 0 {
		return errors.New("the time scale is zero")
	}
	p, seen := s.parts[id]
	if !seen {
		p = part{start: traf.Tfdt.BaseMediaDecodeTime(), scale: scale, begins: -edit(t, scale)}
	} else if got := traf.Tfdt.BaseMediaDecodeTime(); got != p.end {
		s.faults = append(s.faults, fmt.Sprintf("tfdt of a fragment is %d and not %d", got, p.end))
	}
	p.end = traf.Tfdt.BaseMediaDecodeTime()
	shift := edit(t, scale)
	stsd := t.Mdia.Minf.Stbl.Stsd
	at := func(ticks int64) float64 { return float64(ticks)/float64(scale) + shift }
	for _, sm := range samples {
		p.end += uint64(sm.Dur)
		length := float64(sm.Dur) / float64(scale)
		pts := at(int64(sm.DecodeTime) + int64(sm.CompositionTimeOffset))
		switch {
		case t.Mdia.Hdlr.HandlerType == "vide":
			pic := picture{pts: pts, dts: at(int64(sm.DecodeTime)), length: length, sync: sm.IsSync(), key: sm.IsSync()}
			if stsd.AvcX != nil {
				pic.key = avc.IsIDRSample(sm.Data)
			} else if stsd.HvcX != nil {
				pic.key = hevc.IsIDRSample(sm.Data)
			} else if stsd.VpXX != nil {
				pic.key = vp9Key(sm.Data)
			} else if stsd.Av01 != nil {
				pic.key = av1Key(sm.Data)
			}
			s.pictures = append(s.pictures, pic)
		case t.Mdia.Hdlr.HandlerType == "soun":
			s.sounds = append(s.sounds, sound{at(int64(sm.DecodeTime)), length})
			s.soundBytes += int64(len(sm.Data))
		}
	}
	s.parts[id] = p
	return nil
}

// edit returns by how many seconds the edit list moves a track.
func edit(t *mp4.TrakBox, scale uint32) float64 {
	if t.Edts == nil || len(t.Edts.Elst) == 0 {
		return 0
	}
	for _, e := range t.Edts.Elst[0].Entries {
		if e.MediaTime >= 0 {
			return -float64(e.MediaTime) / float64(scale)
		}
	}
	return 0
}

// firstSync reports whether a moof begins with a sync sample. Its mdat may be
// cut off.
func firstSync(in *initSegment, data []byte) (sync bool) {
	var broken error
	defer nopanic.Recover(&broken)
	box, err := mp4.DecodeBox(0, bytes.NewReader(data))
	moof, ok := box.(*mp4.MoofBox)
	if err != nil || !ok || moof.Traf == nil || moof.Traf.Trun == nil || moof.Traf.Trun.SampleCount() == 0 {
		return false
	}
	t := moof.Traf
	t.Trun.AddSampleDefaultValues(t.Tfhd, in.trex[t.Tfhd.TrackID])
	return t.Trun.Samples[0].IsSync()
}
