// Package cube reads and writes look-up tables for colours in the format .cube. What is
// written is as ffmpeg's filter lut3d wants it, whatever was read.
package cube

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
)

// Bounds of a table: 65 points a side are the most that programs for grading write.
const (
	MaxBytes = 16 << 20
	maxSide  = 65
	maxLine  = 1024
)

// LUT is a table of three dimensions. Values has the colours with red fastest, then
// green.
type LUT struct {
	Side     int
	Min, Max [3]float64 // of what is looked up
	Values   [][3]float64
}

func refuse(format string, args ...any) *job.Error {
	return job.Errorf(job.OverlayNotValid, "The LUT "+format+".", args...)
}

// Parse reads a table. The error is a *job.Error with the reason OverlayNotValid.
func Parse(data []byte) (LUT, error) {
	l := LUT{Max: [3]float64{1, 1, 1}}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	lines.Buffer(make([]byte, maxLine), maxLine)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") || strings.HasPrefix(text, "TITLE") {
			continue
		}
		if err := l.line(text); err != nil {
			return LUT{}, refuse("has a line %d that cannot be read: %v", n, err)
		}
	}
	switch want := l.Side * l.Side * l.Side; {
	case lines.Err() != nil:
		return LUT{}, refuse("is not a .cube file").WithCause(lines.Err())
	case l.Side == 0:
		return LUT{}, refuse("is not a .cube file: it has no LUT_3D_SIZE")
	case len(l.Values) != want:
		return LUT{}, refuse("has %d colours, and %d are expected for a size of %d", len(l.Values), want, l.Side)
	}
	for i := range l.Min {
		if !(l.Min[i] < l.Max[i]) {
			return LUT{}, refuse("has a DOMAIN_MIN that is not below its DOMAIN_MAX")
		}
	}
	return l, nil
}

func (l *LUT) line(text string) error {
	fields := strings.Fields(text)
	switch fields[0] {
	case "LUT_1D_SIZE":
		return fmt.Errorf("it is of one dimension, and three are expected")
	case "LUT_3D_SIZE":
		if len(fields) != 2 || l.Side != 0 {
			return fmt.Errorf("one size is expected")
		}
		n, err := strconv.Atoi(fields[1])
		if err != nil || n < 2 || n > maxSide {
			return fmt.Errorf("expected a size from 2 to %d", maxSide)
		}
		l.Side = n
		return nil
	case "DOMAIN_MIN":
		return three(fields[1:], &l.Min)
	case "DOMAIN_MAX":
		return three(fields[1:], &l.Max)
	case "LUT_3D_INPUT_RANGE":
		var ends [2]float64
		if err := numbers(fields[1:], ends[:]); err != nil {
			return err
		}
		for i := range l.Min {
			l.Min[i], l.Max[i] = ends[0], ends[1]
		}
		return nil
	}
	if l.Side == 0 || len(l.Values) == l.Side*l.Side*l.Side {
		return fmt.Errorf("no colour is expected there")
	}
	var colour [3]float64
	if err := three(fields, &colour); err != nil {
		return err
	}
	l.Values = append(l.Values, colour)
	return nil
}

func three(fields []string, to *[3]float64) error { return numbers(fields, to[:]) }

func numbers(fields []string, to []float64) error {
	if len(fields) != len(to) {
		return fmt.Errorf("%d numbers are expected", len(to))
	}
	for i, f := range fields {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil || math.IsNaN(n) || math.Abs(n) > 1000 {
			return fmt.Errorf("a number up to 1000 is expected")
		}
		to[i] = n
	}
	return nil
}

// Write writes the table.
func (l LUT) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	row := func(name string, c [3]float64) { fmt.Fprintf(b, "%s%.7f %.7f %.7f\n", name, c[0], c[1], c[2]) }
	fmt.Fprintf(b, "LUT_3D_SIZE %d\n", l.Side)
	row("DOMAIN_MIN ", l.Min)
	row("DOMAIN_MAX ", l.Max)
	for _, c := range l.Values {
		row("", c)
	}
	return b.Flush()
}
