package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/copra-video/copra/tools/measure"
)

// target is the target duration of the segments, in seconds.
const target = 6.0

// segmentRates measures a media playlist in kbit/s, as RFC 8216 section 4.1 and Apple's
// tools do: the peak is the largest rate of any consecutive segments that last between
// 0.5 and 1.5 target durations.
func segmentRates(ctx context.Context, s *measure.Server, playlist string) (seconds, average, peak float64, err error) {
	base, err := url.Parse(playlist)
	if err != nil {
		return 0, 0, 0, err
	}
	text, err := get(ctx, s, playlist)
	if err != nil {
		return 0, 0, 0, err
	}
	var lengths, bits []float64
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if d, ok := strings.CutPrefix(line, "#EXTINF:"); ok {
			n, _ := strconv.ParseFloat(strings.TrimSuffix(d, ","), 64)
			lengths = append(lengths, n)
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		ref, err := base.Parse(line)
		if err != nil {
			return 0, 0, 0, err
		}
		data, err := get(ctx, s, ref.String())
		if err != nil {
			return 0, 0, 0, err
		}
		bits = append(bits, float64(len(data))*8/1000)
	}
	if len(bits) == 0 || len(bits) != len(lengths) {
		return 0, 0, 0, fmt.Errorf("read %s: %d segments with %d lengths", playlist, len(bits), len(lengths))
	}
	sum := 0.0
	for i := range bits {
		sum, seconds = sum+bits[i], seconds+lengths[i]
		size, length := 0.0, 0.0
		for k := i; k < len(bits); k++ {
			if size, length = size+bits[k], length+lengths[k]; length > 1.5*target {
				break
			}
			if length >= target/2 {
				peak = max(peak, size/length)
			}
		}
	}
	return seconds, sum / seconds, peak, nil
}

// The bounds that docs/formats.md states.
const (
	peakOfMaxrate = 1.34 // of a segment of 6 s, whose VBV holds two seconds of maxrate
	peakOfBitrate = 1.84
	occupancy     = 1.0  // seconds of maxrate that the VBV holds at the start
	overhead      = 1.06 // of TS packets
)

// judgeRates compares what was measured with what docs/formats.md promises.
func (b *bench) judgeRates(all []rateResult) {
	printRates(all)
	free := map[string]rateResult{} // without maxrate, by content
	for _, r := range all {
		if r.setting.format == "mp4:360p::quality=4" {
			free[r.clip.name] = r
		}
	}
	hardLow, hardHigh, easyOff, easyOf := math.Inf(1), 0.0, 0.0, 0.0
	ordinary, twoPass, overMax, overRate := 0.0, 0.0, 0.0, 0.0
	for _, r := range all {
		ceiling := float64(r.setting.ceiling)
		of := r.peak / r.average
		switch {
		case ceiling > 0:
			overMax = max(overMax, r.peak/ceiling/overhead)
		case r.setting.target > 0:
			overRate = max(overRate, r.peak/float64(r.setting.target)/overhead)
		}
		if r.clip.kind != "uneven" {
			ordinary = max(ordinary, of)
		}
		// Content that needs few bits at any quality does not reach the bitrate.
		if strings.HasSuffix(r.setting.format, "2pass") && r.average >= 0.9*float64(r.setting.target) {
			twoPass = max(twoPass, of)
		}
		if ceiling == 0 || strings.Contains(r.setting.format, "hevc") {
			continue
		}
		if f := free[r.clip.name]; r.clip.kind == "hard" && f.average > 1.2*ceiling {
			hardLow = min(hardLow, r.average/ceiling)
			hardHigh = max(hardHigh, r.average/ceiling/(1+occupancy/r.seconds)/overhead)
		} else if r.clip.kind == "easy" {
			easyOff, easyOf = max(easyOff, math.Abs(r.average/f.average-1)), max(easyOf, r.average/ceiling)
		}
	}
	expect := func(what string, value float64, expected string, met bool) {
		b.report.Expect("rates: "+what, fmt.Sprintf("%.2f", value), expected, met)
	}
	expect("quality and maxrate, hard content, lowest average of maxrate", hardLow, ">= 0.93", hardLow >= 0.93)
	expect("the same, highest, less TS and a second", hardHigh, "<= 1.00", hardHigh <= 1)
	expect("quality and maxrate, easy content, average of maxrate", easyOf, "< 1.00", easyOf < 1)
	expect("the same, off what quality alone takes", easyOff, "<= 0.02", easyOff <= 0.02)
	expect("highest peak of maxrate", overMax, "<= 1.34", overMax <= peakOfMaxrate)
	expect("highest peak of bitrate", overRate, "<= 1.84", overRate <= peakOfBitrate)
	expect("highest peak of average, all but uneven content", ordinary, "<= 2.00", ordinary <= 2)
	expect("highest peak of average, bitrate with 2pass that meets its aim", twoPass, "<= 2.00", twoPass <= 2)
}

// get downloads a file of the server.
func get(ctx context.Context, s *measure.Server, u string) ([]byte, error) {
	var b bytes.Buffer
	_, err := s.API.Download(ctx, u, &b)
	return b.Bytes(), err
}
