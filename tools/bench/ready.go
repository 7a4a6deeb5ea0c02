package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/tools/measure"
)

// readyStarts are the starts with one data folder, in their order.
var readyStarts = []struct {
	name   string
	before func(data string) error
	// bound is the most that the time may be of that of the other program; 0: none.
	bound float64
}{
	// Without a bound: initdb alone takes about a third of what a start took before
	// ffmpeg's capabilities were kept.
	{"an empty data folder", func(string) error { return nil }, 0},
	{"a database, nothing known of ffmpeg", forgetCapabilities, 1. / 3},
	{"a database, capabilities kept", func(string) error { return nil }, 1. / 8},
}

// ready measures how long a standalone server takes to be ready, and the CPU time of its
// start and stop. With -against another build does the same in turn.
func (b *bench) ready(ctx context.Context) error {
	programs := []string{b.Bin}
	if b.against != "" {
		other, err := filepath.Abs(b.against)
		if err != nil {
			return err
		}
		programs = append(programs, other)
	}
	wall, cpu := make([][][]float64, len(readyStarts)), make([][][]float64, len(readyStarts))
	for i := range readyStarts {
		wall[i], cpu[i] = make([][]float64, len(programs)), make([][]float64, len(programs))
	}
	for round := range b.rounds {
		for p, program := range programs {
			// Folders are kept until the end: ext4 makes files slowly where many were
			// removed just before.
			data, err := b.Sub("ready", fmt.Sprintf("%d-%d", round, p))
			if err != nil {
				return err
			}
			for i, start := range readyStarts {
				if err := start.before(data); err != nil {
					return err
				}
				cost, err := startOnce(ctx, program, data)
				if err != nil {
					return err
				}
				wall[i][p], cpu[i][p] = append(wall[i][p], cost.Wall.Seconds()), append(cpu[i][p], cost.CPU.Seconds())
			}
		}
	}
	for i, start := range readyStarts {
		what := "ready: " + start.name
		b.report.Note(what, fmt.Sprintf("%.2f s, %.2f s of CPU", measure.Median(wall[i][0]), measure.Median(cpu[i][0])))
		if b.against == "" {
			continue
		}
		of := func(unit string, times [][]float64) (label, value string, ratio float64) {
			r := ratios(times[0], times[1])
			ratio = measure.Median(r)
			return what + ", " + unit + " against " + filepath.Base(b.against) + list(r), fmt.Sprintf("%.2f x of %.2f s", ratio, measure.Median(times[1])), ratio
		}
		label, value, ratio := of("time", wall[i])
		if start.bound > 0 {
			b.report.Expect(label, value, fmt.Sprintf("<= %.3f x", start.bound), ratio <= start.bound)
		} else {
			b.report.Note(label, value)
		}
		label, value, _ = of("CPU", cpu[i])
		b.report.Note(label, value)
	}
	return nil
}

// forgetCapabilities makes the next start ask ffmpeg, as a worker with an empty
// work directory does.
func forgetCapabilities(data string) error {
	err := os.Remove(server.CapabilityFile(filepath.Join(data, "work")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // an older build, which does not keep them
	}
	return err
}

// startOnce starts a standalone server, waits until it says that it is ready, and
// stops it.
func startOnce(ctx context.Context, program, data string) (measure.Cost, error) {
	ctx, cancel := context.WithTimeout(ctx, measure.StartTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "standalone", "--data", data, "--listen", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return measure.Cost{}, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return measure.Cost{}, err
	}
	var took time.Duration
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if took == 0 && strings.HasSuffix(lines.Text(), " is ready.") {
			took = time.Since(begin)
			cancel()
		}
	}
	err = cmd.Wait()
	if took == 0 {
		return measure.Cost{}, fmt.Errorf("start %s: it was not ready: %w\n%s", program, err, log.String())
	}
	return measure.Cost{Wall: took, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}
