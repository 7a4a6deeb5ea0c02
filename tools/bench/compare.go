package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/copra-video/copra/tools/measure"
)

// compare fails unless the three folders hold the same: as many files of each kind, of
// the same duration, about the same size, and of the same quality by SSIM. Otherwise
// their times could not be compared.
func compare(ctx context.Context, dirs [3]string) error {
	for _, pattern := range []string{"*.mp4", "*.jpg", "hls/*/*.ts"} {
		var counts [3]int
		var sizes [3]float64
		for i, dir := range dirs {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				return err
			}
			for _, f := range files {
				if pattern == "*.mp4" && intermediate(f) {
					continue
				}
				st, err := os.Stat(f)
				if err != nil {
					return err
				}
				counts[i]++
				sizes[i] += float64(st.Size())
			}
		}
		fmt.Fprintf(os.Stderr, "%-11s %v files, %.0f, %.0f and %.0f kB\n", pattern, counts, sizes[0]/1e3, sizes[1]/1e3, sizes[2]/1e3)
		if counts[0] == 0 || counts[1] != counts[0] || counts[2] != counts[0] {
			return fmt.Errorf("the results differ: %v files %s", counts, pattern)
		}
		if pattern != "*.jpg" && (math.Abs(sizes[1]/sizes[0]-1) > 0.08 || math.Abs(sizes[2]/sizes[0]-1) > 0.05) {
			return fmt.Errorf("the results differ: %.0f bytes of %s", sizes, pattern)
		}
	}
	for _, r := range rungs {
		if !r.file {
			continue
		}
		var lengths [3]float64
		for i, dir := range dirs {
			text, err := measure.Probe(ctx, filepath.Join(dir, r.name+".mp4"), "format=duration")
			if err != nil {
				return err
			}
			lengths[i], _ = strconv.ParseFloat(text, 64)
		}
		if lengths[0] == 0 || math.Abs(lengths[1]-lengths[0]) > 0.2 || math.Abs(lengths[2]-lengths[0]) > 0.2 {
			return fmt.Errorf("the results differ: %s.mp4 lasts %.3f s", r.name, lengths)
		}
	}
	for _, dir := range dirs[1:] {
		similar, err := measure.SSIM(ctx, filepath.Join(dirs[0], "480p.mp4"), filepath.Join(dir, "480p.mp4"))
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "480p.mp4    SSIM of server's and %s: %.4f\n", filepath.Base(dir), similar)
		if similar < 0.97 {
			return fmt.Errorf("the results differ: SSIM of 480p.mp4 to that in %s is %.4f", dir, similar)
		}
	}
	return nil
}

// intermediate reports whether byHand.shared has made the file for its second command.
func intermediate(file string) bool {
	name := filepath.Base(file)
	return strings.HasPrefix(name, "video-") || name == "audio.mp4"
}

// fetch downloads u to a file.
func fetch(ctx context.Context, s *measure.Server, u, file string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = s.API.Download(ctx, u, f)
	return file, err
}

// fetchPlaylist downloads a playlist and what its URI lines name. I-frame playlists are
// named in attributes, so they are left out.
func fetchPlaylist(ctx context.Context, s *measure.Server, u, dir string) error {
	base, err := url.Parse(u)
	if err != nil {
		return err
	}
	file, err := fetch(ctx, s, u, filepath.Join(dir, filepath.Base(base.Path)))
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		ref, err := base.Parse(line)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.Dir(filepath.FromSlash(line)))
		if strings.HasSuffix(line, ".m3u8") {
			err = fetchPlaylist(ctx, s, ref.String(), to)
		} else {
			_, err = fetch(ctx, s, ref.String(), filepath.Join(to, filepath.Base(line)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
