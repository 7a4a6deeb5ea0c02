package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
)

// trackInfo is a track whose segments were read.
type trackInfo struct {
	Track
	key       []byte // of AES-128; nil: clear
	init      string // work file of the init segment; "": TS
	initSize  int64
	timescale int64 // ticks in a second
	segments  []segment
	video     *videoConfig // nil: no video in it
	audio     *audioConfig
	frames    int
	end       float64 // seconds, of the last frame shown
	rate      float64 // frames in a second; 0: no video
	captions  inCaptions
}

// segment is one media segment. Seconds count from the start of the time line.
type segment struct {
	source   string // work file
	appended string // work file of what is appended to it; "": nothing
	size     int64
	start    float64 // seconds, of its first picture or sound
	duration float64 // seconds, to the start of the next
	time     int64   // decode time of its first frame in ticks
	ticks    int64   // sum of its frames' durations
	keys     []keyFrame
}

// keyFrame is a picture that an I-frame playlist can name.
type keyFrame struct {
	off, size int64   // byte range
	start     float64 // seconds
}

// measure reads all segments of a track, which lie in dir.
func measure(fsys fs.FS, dir string, layout Layout, t Track, keys Keys) (*trackInfo, error) {
	m := &trackInfo{Track: t}
	if t.Encryption != nil {
		m.key = keys(t.Encryption.KeyName)
	}
	names, err := segmentNames(fsys, path.Join(dir, t.Dir), t.Segments)
	if err != nil {
		return nil, err
	}
	if layout == TS {
		err = m.measureTS(fsys, names)
	} else {
		err = m.measureCMAF(fsys, path.Join(dir, t.Dir, t.Init), names)
	}
	if err != nil {
		return nil, err
	}
	return m, m.finish()
}

// segmentNames lists the segments from 1 on. It is an error when one is missing
// while a later one exists.
func segmentNames(fsys fs.FS, dir, pattern string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	there := make(map[string]bool, len(entries))
	count := 0
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), pattern, &n); err == nil && e.Name() == fmt.Sprintf(pattern, n) {
			there[e.Name()] = true
			count = max(count, n)
		}
	}
	names := make([]string, count)
	for i := range names {
		name := fmt.Sprintf(pattern, i+1)
		if !there[name] {
			return nil, fmt.Errorf("segment %s is missing", path.Join(dir, name))
		}
		names[i] = path.Join(dir, name)
	}
	if count == 0 {
		return nil, fmt.Errorf("there are no segments in %s", dir)
	}
	return names, nil
}

// tsSeconds converts a TS timestamp to seconds of the time line.
func tsSeconds(pts int64) float64 { return float64(pts-TSOrigin*tsClock) / tsClock }

func (m *trackInfo) measureTS(fsys fs.FS, names []string) error {
	m.timescale = tsClock
	reader := &tsReader{}
	var first, last, audioEnd int64
	for i, name := range names {
		data, err := m.readTS(fsys, name, i+1)
		if err != nil {
			return err
		}
		m.captions.find(data.clear, tsPacket)
		s, err := reader.read(data.clear)
		if err == nil {
			err = m.checkTS(s)
		}
		if err != nil {
			return fmt.Errorf("segment %s is broken: %w", name, err)
		}
		seg := segment{source: name, size: data.size}
		audioEnd = s.audioEnd
		if len(s.pictures) == 0 {
			seg.time = s.audioStart
			seg.start = tsSeconds(s.audioStart)
			m.frames += s.audio
			last = s.audioEnd
		} else {
			seg.time = s.pictures[0].pts
			seg.start = tsSeconds(seg.time)
			if i == 0 {
				first = seg.time
			}
			for _, p := range s.pictures {
				last = max(last, p.pts)
				if p.key {
					seg.keys = append(seg.keys, keyFrame{p.off, p.end - p.off, tsSeconds(p.pts)})
				}
			}
			m.frames += len(s.pictures)
		}
		m.segments = append(m.segments, seg)
	}
	m.video, m.audio = reader.video, reader.audio
	if m.video == nil {
		m.end = tsSeconds(last)
		// The encoder's priming lies before the time line and is not heard.
		if s := &m.segments[0].start; *s < 0 && *s > -0.2 {
			*s = 0
		}
		return nil
	}
	m.setRate(float64(last-first)/tsClock, m.frames-1)
	m.end = tsSeconds(last) + 1/m.rate
	// Audio that goes on without video is still played.
	if e := tsSeconds(audioEnd); e > m.end+0.1 {
		m.end = e
	}
	return nil
}

// checkTS checks that a segment has what the type of its track says.
func (m *trackInfo) checkTS(s tsSegment) error {
	switch {
	case m.Type != Audio && len(s.pictures) == 0:
		return errors.New("there is no picture in it")
	case m.Type == Audio && s.audio == 0:
		return errors.New("there is no sound in it")
	case m.Type == Audio && len(s.pictures) > 0:
		return errors.New("there is a picture in it")
	case m.Type != Audio && !s.pictures[0].key:
		return errors.New("it does not start with a keyframe")
	}
	return nil
}

func (m *trackInfo) measureCMAF(fsys fs.FS, initName string, names []string) error {
	data, err := fs.ReadFile(fsys, initName)
	if err != nil {
		return fmt.Errorf("read init segment: %w", err)
	}
	in, err := parseInit(data)
	if err != nil {
		return fmt.Errorf("init segment %s is broken: %w", initName, err)
	}
	if (m.Type == Audio) != (in.audio != nil) {
		return fmt.Errorf("init segment %s is broken: it has no %s track", initName, m.Type)
	}
	if in.keyID != m.Protection.keyID() {
		return fmt.Errorf("init segment %s is broken: its key id is %q and not %q", initName, in.keyID, m.Protection.keyID())
	}
	m.init, m.initSize, m.timescale = initName, int64(len(data)), in.timescale
	m.video, m.audio = in.video, in.audio
	var next int64 // the decode time that must come
	for i, name := range names {
		seg, err := m.readFragments(fsys, in, name, i == 0, &next)
		if err != nil {
			return err
		}
		m.segments = append(m.segments, seg)
	}
	if m.video != nil {
		m.setRate(float64(next-m.segments[0].time)/float64(m.timescale), m.frames)
	}
	return nil
}

func (m *trackInfo) readFragments(fsys fs.FS, in *initSegment, name string, first bool, next *int64) (segment, error) {
	seg := segment{source: name}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return seg, fmt.Errorf("read segment: %w", err)
	}
	if m.video != nil {
		m.captions.find(data, 0)
	}
	frags, err := in.parseFragments(data)
	if err != nil {
		return seg, fmt.Errorf("segment %s is broken: %w", name, err)
	}
	if !frags[0].samples[0].sync {
		return seg, fmt.Errorf("segment %s is broken: it does not start with a keyframe", name)
	}
	seg.size, seg.time = int64(len(data)), frags[0].tfdt
	if first {
		*next = seg.time
	}
	at := func(ticks int64) float64 { return float64(ticks+in.offset) / float64(in.timescale) }
	begin := int64(math.MaxInt64)
	for _, f := range frags {
		if f.tfdt != *next {
			return seg, fmt.Errorf("segment %s is broken: its decode time is %d and not %d", name, f.tfdt, *next)
		}
		if f.dataEnd > 0 && f.samples[0].sync && m.video != nil {
			seg.keys = append(seg.keys, keyFrame{f.off, f.dataEnd - f.off, at(f.tfdt + int64(f.samples[0].cts))})
		}
		for _, s := range f.samples {
			pts := *next + int64(s.cts)
			begin = min(begin, pts)
			*next += int64(s.duration)
			m.end = max(m.end, at(pts+int64(s.duration)))
			m.frames++
		}
	}
	seg.start, seg.ticks = at(begin), *next-seg.time
	if m.audio != nil {
		// Players that place segments by the playlist compare it with decode
		// times, which count the priming that the edit list takes off.
		seg.start = float64(seg.time) / float64(in.timescale)
	}
	return seg, nil
}

// setRate sets the frame rate from a number of frames and their time. The
// planner's rate is used when it agrees, because a measured one has the rounding
// of time stamps in it.
func (m *trackInfo) setRate(seconds float64, frames int) {
	if frames > 0 && seconds > 0 {
		m.rate = float64(frames) / seconds
	}
	if m.FrameRate.Num > 0 && m.FrameRate.Den > 0 {
		want := float64(m.FrameRate.Num) / float64(m.FrameRate.Den)
		if m.rate == 0 || math.Abs(m.rate-want) < want*0.02 {
			m.rate = want
		}
	}
	if m.rate == 0 {
		m.rate = 25 // one picture, of unknown rate
	}
}

// finish sets the durations, each from its own start to the next one's.
func (m *trackInfo) finish() error {
	for i := range m.segments {
		s := &m.segments[i]
		end := m.end
		if i+1 < len(m.segments) {
			end = m.segments[i+1].start
		} else if m.init != "" && m.audio != nil {
			// The sound ends before the last decode time by what the edit list
			// takes off the beginning; a segment of a few frames keeps half of
			// its length.
			end = max(end, s.start+float64(s.ticks)/float64(m.timescale)/2)
		}
		s.duration = end - s.start
		if s.duration <= 0 {
			return fmt.Errorf("segment %s is broken: it ends %.3f s before it starts", s.source, -s.duration)
		}
	}
	return nil
}

// shortTail is the length in seconds below which a last segment of audio is
// merged into the one before.
const shortTail = 0.25

// mergeLastSegment merges a last segment of a few frames into the one before it
// when the track has one segment more than the video. Audio frames do not end
// with the last picture, so a clip whose length is a multiple of the segment's
// would get a segment of 20 ms in audio and none in video.
func (m *trackInfo) mergeLastSegment(videoSegments int) {
	n := len(m.segments) - 1
	if m.video != nil || n < 1 || n != videoSegments || m.segments[n].duration >= shortTail {
		return
	}
	tail, before := m.segments[n], &m.segments[n-1]
	before.appended = tail.source
	before.size += tail.size
	before.duration = m.end - before.start
	before.ticks += tail.ticks
	m.segments = m.segments[:n]
}

// duration is the sum of the segments' durations in seconds.
func (m *trackInfo) duration() float64 { return m.end - m.segments[0].start }

// codecs is the value of CODECS.
func (m *trackInfo) codecs() string {
	switch {
	case m.video != nil && m.audio != nil:
		return m.video.codec + "," + m.audio.codec
	case m.video != nil:
		return m.video.codec
	}
	return m.audio.codec
}
