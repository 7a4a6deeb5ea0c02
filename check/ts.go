package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/aac"
	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/hevc"
	"github.com/asticode/go-astits"

	"github.com/copra-video/copra/internal/nopanic"
)

const tsPacket = 188

// readTS reads the pictures, sounds and continuity counters of a TS segment.
func (s *segment) readTS(ctx context.Context, data []byte) (err error) {
	defer nopanic.Recover(&err)
	if len(data) == 0 || len(data)%tsPacket != 0 {
		return fmt.Errorf("its %d bytes are no whole number of TS packets", len(data))
	}
	if err := s.readCounters(ctx, data); err != nil {
		return err
	}
	dmx := astits.NewDemuxer(ctx, bytes.NewReader(data), astits.DemuxerOptPacketSize(tsPacket))
	kinds := map[uint16]astits.StreamType{}
	for {
		d, err := dmx.NextData()
		if errors.Is(err, astits.ErrNoMorePackets) || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch {
		case d.PMT != nil:
			for _, e := range d.PMT.ElementaryStreams {
				kinds[e.ElementaryPID] = e.StreamType
			}
		case d.PES != nil && d.PES.Header != nil && d.PES.Header.OptionalHeader != nil:
			if err := s.readPES(kinds[d.PID], d.PES); err != nil {
				return err
			}
		}
	}
	s.tracks = len(kinds)
	lengths(s.pictures)
	return nil
}

// readCounters notes the first and the last continuity counter of each PID, and its gaps.
func (s *segment) readCounters(ctx context.Context, data []byte) error {
	s.counters = map[uint16]span{}
	dmx := astits.NewDemuxer(ctx, bytes.NewReader(data), astits.DemuxerOptPacketSize(tsPacket))
	for i := 0; ; i++ {
		p, err := dmx.NextPacket()
		if errors.Is(err, astits.ErrNoMorePackets) || errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		h := p.Header
		if !h.HasPayload || h.PID == 0x1fff { // null packets (ISO/IEC 13818-1 section 2.4.3.3)
			continue
		}
		c, seen := s.counters[h.PID]
		if !seen {
			c.first = h.ContinuityCounter
		} else if h.ContinuityCounter != (c.last+1)&15 {
			s.faults = append(s.faults, fmt.Sprintf("packet %d of PID %d has the continuity counter %d after %d", i, h.PID, h.ContinuityCounter, c.last))
		}
		c.last = h.ContinuityCounter
		s.counters[h.PID] = c
	}
}

// clock returns a time stamp in seconds.
func clock(r *astits.ClockReference) float64 { return float64(r.Base) / 90000 }

// readPES reads a PES packet: one picture, or some frames of sound.
func (s *segment) readPES(kind astits.StreamType, pes *astits.PESData) error {
	h := pes.Header.OptionalHeader
	if h.PTS == nil {
		return nil
	}
	pts := clock(h.PTS)
	dts := pts
	if h.DTS != nil {
		dts = clock(h.DTS)
	}
	switch kind {
	case astits.StreamTypeH264Video:
		p := picture{pts: pts, dts: dts}
		for _, n := range avc.ExtractNalusFromByteStream(pes.Data) {
			switch avc.GetNaluType(n[0]) {
			case avc.NALU_IDR:
				p.key = true
			case avc.NALU_SPS:
				if s.video == nil {
					if err := s.h264(n, ""); err != nil {
						return err
					}
				}
			}
		}
		p.sync = p.key
		s.pictures = append(s.pictures, p)
	case astits.StreamTypeH265Video:
		p := picture{pts: pts, dts: dts}
		for _, n := range avc.ExtractNalusFromByteStream(pes.Data) {
			switch t := hevc.GetNaluType(n[0]); t {
			case hevc.NALU_IDR_W_RADL, hevc.NALU_IDR_N_LP:
				p.key = true
			case hevc.NALU_SPS:
				if s.video == nil {
					if err := s.h265(n, ""); err != nil {
						return err
					}
				}
			}
		}
		p.sync = p.key
		s.pictures = append(s.pictures, p)
	case astits.StreamTypeADTS:
		return s.adts(pts, pes.Data)
	case astits.StreamTypeAC3Audio, astits.StreamTypeEAC3Audio:
		if s.audio == nil {
			s.audio = &facts{codec: map[bool]string{true: "ac-3", false: "ec-3"}[kind == astits.StreamTypeAC3Audio]}
		}
		s.soundBytes += int64(len(pes.Data))
	}
	return nil
}

// adts reads AAC frames, of which the first is played at pts.
func (s *segment) adts(pts float64, data []byte) error {
	s.soundBytes += int64(len(data))
	for len(data) >= 7 {
		h, skip, err := aac.DecodeADTSHeader(bytes.NewReader(data))
		if err != nil || skip != 0 {
			return errors.New("an AAC frame has no ADTS header")
		}
		rate := sampleRate(h.SamplingFrequencyIndex)
		if s.audio == nil {
			s.audio = &facts{codec: fmt.Sprintf("mp4a.40.%d", h.ObjectType), channels: int(h.ChannelConfig), rate: rate}
		}
		n := int(h.HeaderLength) + int(h.PayloadLength)
		if rate == 0 || n <= 0 || n > len(data) {
			return errors.New("an AAC frame is cut off")
		}
		length := 1024 / float64(rate)
		s.sounds = append(s.sounds, sound{pts, length})
		pts += length
		data = data[n:]
	}
	return nil
}

// sampleRate returns the rate of a sampling frequency index in Hz (ISO/IEC 14496-3 section
// 1.6.3.4); 0 for a reserved one. That of the parser has 16 bits, too few for 96 kHz.
func sampleRate(index byte) int {
	rates := []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	if int(index) < len(rates) {
		return rates[index]
	}
	return 0
}

// unspecified is the transfer characteristic of a stream that names none (ITU-T H.273).
const unspecified = 2

// h264 reads a sequence parameter set. entry is the sample entry in MP4, "" in TS.
func (s *segment) h264(nal []byte, entry string) error {
	sps, err := avc.ParseSPSNALUnit(nal, true)
	if err != nil {
		return fmt.Errorf("read SPS: %w", err)
	}
	f := &facts{entry: entry, codec: avc.CodecString("avc1", sps), interlaced: !sps.FrameMbsOnlyFlag, transfer: unspecified}
	sarW, sarH := uint(1), uint(1)
	if v := sps.VUI; v != nil {
		if v.SampleAspectRatioWidth > 0 && v.SampleAspectRatioHeight > 0 {
			sarW, sarH = v.SampleAspectRatioWidth, v.SampleAspectRatioHeight
		}
		if v.ColourDescriptionFlag {
			f.transfer = int(v.TransferCharacteristics)
		}
	}
	f.size(int(sps.Width), int(sps.Height), sarW, sarH)
	s.video = f
	return nil
}

// h265 is h264 for HEVC.
func (s *segment) h265(nal []byte, entry string) error {
	sps, err := hevc.ParseSPSNALUnit(nal)
	if err != nil {
		return fmt.Errorf("read SPS: %w", err)
	}
	name := entry
	if name == "" {
		name = "hvc1"
	}
	f := &facts{entry: entry, codec: hevc.CodecString(name, sps), transfer: unspecified}
	sarW, sarH := uint(1), uint(1)
	if v := sps.VUI; v != nil {
		if v.SampleAspectRatioWidth > 0 && v.SampleAspectRatioHeight > 0 {
			sarW, sarH = v.SampleAspectRatioWidth, v.SampleAspectRatioHeight
		}
		if v.ColourDescriptionFlag {
			f.transfer = int(v.TransferCharacteristics)
		}
		f.interlaced = v.FieldSeqFlag
	}
	w, h := sps.ImageSize()
	f.size(int(w), int(h), sarW, sarH)
	s.video = f
	return nil
}

// size sets the size and the aspect ratio as displayed, from the coded size and the shape
// of a pixel.
func (f *facts) size(w, h int, sarW, sarH uint) {
	f.width, f.height = w, h
	if h == 0 {
		return
	}
	f.dar = float64(w) / float64(h) * float64(sarW) / float64(sarH)
	if sarW > sarH {
		f.width = int(float64(w)*float64(sarW)/float64(sarH) + 0.5)
	} else if sarW < sarH {
		f.height = int(float64(h)*float64(sarH)/float64(sarW) + 0.5)
	}
}
