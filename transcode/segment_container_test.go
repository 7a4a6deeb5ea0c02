package transcode_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Eyevinn/dash-mpd/mpd"
	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/hevc"
	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/asticode/go-astits"

	"github.com/copra-video/copra/transcode/stream"
)

func (p *published) judgeTS(t *testing.T) {
	for _, tr := range p.pkg.Tracks {
		counters := map[uint16]uint8{}
		name := p.sums[tr.ID].Playlist
		for _, s := range segments(p.media(t, name)) {
			data := p.read(path.Join(path.Dir(name), s.URI))
			p.judgeCounters(t, s.URI, data, counters)
			p.judgeAccess(t, tr, s.URI, data)
		}
	}
}

func (p *published) judgeCounters(t *testing.T, name string, data []byte, counters map[uint16]uint8) {
	dmx := astits.NewDemuxer(context.Background(), bytes.NewReader(data), astits.DemuxerOptPacketSize(188))
	for i := 0; ; i++ {
		pk, err := dmx.NextPacket()
		if errors.Is(err, astits.ErrNoMorePackets) || errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		h := pk.Header
		if pid := slices.Index([]uint16{0x11, 0, 0x1000}, h.PID); i < 3 && pid != i {
			t.Errorf("%s: packet %d has the PID %d; SDT, PAT and PMT must come first", name, i, h.PID)
		}
		if last, ok := counters[h.PID]; ok && h.HasPayload && h.ContinuityCounter != (last+1)&15 {
			t.Errorf("%s: packet %d of PID %d has the counter %d after %d", name, i, h.PID, h.ContinuityCounter, last)
		}
		if h.HasPayload {
			counters[h.PID] = h.ContinuityCounter
		}
	}
}

// judgeAccess: the first picture is an IDR with its parameter sets, and IDRs
// follow every two seconds.
func (p *published) judgeAccess(t *testing.T, tr stream.Track, name string, data []byte) {
	if tr.Type == stream.Audio {
		return
	}
	dmx := astits.NewDemuxer(context.Background(), bytes.NewReader(data), astits.DemuxerOptPacketSize(188))
	var last int64 = -1
	for {
		d, err := dmx.NextData()
		if errors.Is(err, astits.ErrNoMorePackets) || errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if d.PES == nil || !d.PES.Header.IsVideoStream() {
			continue
		}
		kinds := map[avc.NaluType]bool{}
		for _, nal := range avc.ExtractNalusFromByteStream(d.PES.Data) {
			kinds[avc.GetNaluType(nal[0])] = true
		}
		pts := d.PES.Header.OptionalHeader.PTS.Base
		if kinds[avc.NALU_IDR] {
			if !kinds[avc.NALU_SPS] || !kinds[avc.NALU_PPS] {
				t.Errorf("%s: an IDR has no parameter sets", name)
			}
			last = pts
		}
		if last < 0 {
			t.Fatalf("%s does not start with an IDR", name)
		}
		if pts-last >= 2.05*90000 {
			t.Errorf("%s: no IDR for %.3f s", name, float64(pts-last)/90000)
		}
	}
}

func (p *published) judgeInit(t *testing.T) {
	for _, tr := range p.pkg.Tracks {
		trak := p.initTrack(t, tr)
		stsd := trak.Mdia.Minf.Stbl.Stsd
		codec := p.sums[tr.ID].Codecs
		switch {
		case stsd.AvcX != nil && stsd.AvcX.Type() == "avc1":
			c := stsd.AvcX.AvcC.DecConfRec
			if want := avc.CodecString("avc1", mustSPS(t, c.SPSnalus[0])); !strings.EqualFold(codec, want) {
				t.Errorf("%s: CODECS %s, from the stream %s", tr.ID, codec, want)
			}
		case stsd.HvcX != nil && stsd.HvcX.Type() == "hvc1":
			sps, err := hevc.ParseSPSNALUnit(stsd.HvcX.HvcC.GetNalusForType(hevc.NALU_SPS)[0])
			if err != nil {
				t.Fatal(err)
			}
			if want := hevc.CodecString("hvc1", sps); !strings.EqualFold(codec, want) {
				t.Errorf("%s: CODECS %s, from the stream %s", tr.ID, codec, want)
			}
		case stsd.Mp4a != nil && codec == "mp4a.40.2":
		default:
			t.Errorf("%s: the sample entry is neither avc1, hvc1 nor mp4a with the codec %s", tr.ID, codec)
		}
		if len(stsd.Children) != 1 {
			t.Errorf("%s has %d sample entries", tr.ID, len(stsd.Children))
		}
	}
}

func mustSPS(t *testing.T, nal []byte) *avc.SPS {
	t.Helper()
	sps, err := avc.ParseSPSNALUnit(nal, true)
	if err != nil {
		t.Fatal(err)
	}
	return sps
}

func (p *published) initTrack(t *testing.T, tr stream.Track) *mp4.TrakBox {
	t.Helper()
	f, err := mp4.DecodeFile(bytes.NewReader(p.read("init-" + tr.ID + ".mp4")))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Init.Moov.Traks) != 1 {
		t.Fatalf("%s has %d tracks in its init segment", tr.ID, len(f.Init.Moov.Traks))
	}
	return f.Init.Moov.Trak
}

func (p *published) judgeFragments(t *testing.T) {
	for _, tr := range p.pkg.Tracks {
		f, err := mp4.DecodeFile(bytes.NewReader(p.read("init-" + tr.ID + ".mp4")))
		if err != nil {
			t.Fatal(err)
		}
		trex, timescale := f.Init.Moov.Mvex.Trex, int64(f.Init.Moov.Trak.Mdia.Mdhd.Timescale)
		var next, delay uint64
		if e := f.Init.Moov.Trak.Edts; e != nil {
			delay = uint64(e.Elst[0].Entries[0].MediaTime)
		}
		// The same in all tracks: so they are in step without edit lists too.
		if begins := float64(delay) / float64(timescale); math.Abs(begins-mediaStart) > 0.0005 {
			t.Errorf("%s: the presentation begins at %.4f s of the media, want %.4f s", tr.ID, begins, mediaStart)
		}
		for i, s := range segments(p.media(t, p.sums[tr.ID].Playlist)) {
			file, err := mp4.DecodeFile(bytes.NewReader(p.read(s.URI)))
			if err != nil {
				t.Fatal(err)
			}
			var frags []*mp4.Fragment
			for _, seg := range file.Segments {
				frags = append(frags, seg.Fragments...)
			}
			for n, frag := range frags {
				if got := frag.Moof.Traf.Tfdt.BaseMediaDecodeTime(); got != next {
					t.Errorf("%s: tfdt of fragment %d is %d, want %d", s.URI, n, got, next)
				}
				samples, err := frag.GetFullSamples(trex)
				if err != nil {
					t.Fatal(err)
				}
				if tr.Type == stream.Video && !samples[0].IsSync() {
					t.Errorf("%s: fragment %d does not start with a sync sample", s.URI, n)
				}
				if shown := samples[0].PresentationTime() - delay; tr.Type == stream.Video && shown != next {
					t.Errorf("%s: segment %d: the first picture is shown at %d and not at %d", tr.ID, i, shown, next)
				}
				var sum uint64
				for _, s := range samples {
					sum += uint64(s.Dur)
				}
				if tr.Type == stream.Video && sum > uint64(2.05*float64(timescale)) {
					t.Errorf("%s: no IDR for %.3f s", s.URI, float64(sum)/float64(timescale))
				}
				next += sum
			}
		}
	}
}

func (p *published) judgeDASH(t *testing.T) {
	doc, err := mpd.MPDFromBytes(p.read(p.pkg.Name + ".mpd"))
	if err != nil {
		t.Fatal(err)
	}
	if doc.GetType() != "static" || doc.MediaPresentationDuration == nil || doc.MinBufferTime == nil || len(doc.Periods) != 1 {
		t.Fatalf("the manifest is not complete")
	}
	duration := doc.MediaPresentationDuration.Seconds()
	ids := map[string]bool{}
	for _, set := range doc.Periods[0].AdaptationSets {
		if !set.SegmentAlignment || set.StartWithSAP != 1 || set.MimeType == "" {
			t.Errorf("the set %s lacks attributes", set.ContentType)
		}
		for _, r := range set.Representations {
			if ids[r.Id] {
				t.Errorf("the id %s is used twice", r.Id)
			}
			ids[r.Id] = true
			p.judgeRepresentation(t, set, r, duration, doc.MinBufferTime.Seconds())
		}
	}
	for _, tr := range p.pkg.Tracks { // ffmpeg takes the first video
		if tr.Type == stream.Video {
			got, want := sourceFrames(t, filepath.Join(p.root, p.pkg.Name+".mpd")), sourceFrames(t, filepath.Join(p.work, tr.ID+".mp4"))
			if !slices.Equal(got, want) {
				t.Errorf("the manifest decodes to %d pictures, the source has %d, or they differ", len(got), len(want))
			}
			break
		}
	}
	if len(ids) != len(p.pkg.Tracks) {
		t.Errorf("%d representations of %d tracks", len(ids), len(p.pkg.Tracks))
	}
}

func (p *published) judgeRepresentation(t *testing.T, set *mpd.AdaptationSetType, r *mpd.RepresentationType, duration, buffer float64) {
	if r.Codecs != p.sums[r.Id].Codecs {
		t.Errorf("%s: codecs %s", r.Id, r.Codecs)
	}
	if set.ContentType == "video" {
		if r.Width == 0 || r.Height == 0 || r.FrameRate == "" || r.Sar != "1:1" {
			t.Errorf("%s lacks attributes", r.Id)
		}
	} else if r.AudioSamplingRate == nil || len(r.AudioChannelConfigurations) != 1 || set.Lang == "" {
		t.Errorf("%s lacks attributes", r.Id)
	}
	tpl := r.SegmentTemplate
	p.read(tpl.Initialization)
	at, n := uint64(0), 0
	for _, s := range tpl.SegmentTimeline.S {
		for range s.R + 1 {
			n++
			data := p.read(strings.Replace(tpl.Media, "$Number%05d$", fmt.Sprintf("%05d", n), 1))
			f, err := mp4.DecodeFile(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Segments[0].Fragments[0].Moof.Traf.Tfdt.BaseMediaDecodeTime(); got != at {
				t.Errorf("%s: tfdt of segment %d is %d, the manifest says %d", r.Id, n, got, at)
			}
			if rate := float64(len(data)) * 8 / max(buffer, float64(s.D)/float64(*tpl.Timescale)); rate > float64(r.Bandwidth) {
				t.Errorf("%s: segment %d needs %.0f bit/s of %d", r.Id, n, rate, r.Bandwidth)
			}
			at += s.D
		}
	}
	if n != p.sums[r.Id].Segments {
		t.Errorf("%s: %d segments in the manifest of %d", r.Id, n, p.sums[r.Id].Segments)
	}
	// Audio starts with the encoder's priming, which the edit list takes off.
	if sum := float64(at) / float64(*tpl.Timescale); math.Abs(sum-duration) > audioFrame {
		t.Errorf("%s: the time line sums to %.3f s of %.3f s", r.Id, sum, duration)
	}
}
