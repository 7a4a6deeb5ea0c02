package main

import (
	"fmt"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// page returns docs/formats-matrix.md.
func page(pairs []pair, columns []column) string {
	var versions []string
	for _, c := range columns {
		versions = append(versions, c.version)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Containers and codecs that work

Written by `+"`go run ./tools/formatdoc`"+`, which made every pair from a clip of a second and read it back, with FFmpeg %s.

yes: works; a version: works with that one only; no: this FFmpeg cannot; empty: the container does not hold the codec, and a request for it
is refused with the list of what it holds.
`, strings.Join(versions, " and "))
	for _, t := range []struct {
		track codec.Track
		title string
	}{{codec.Video, "Video"}, {codec.Audio, "Audio"}} {
		fmt.Fprintf(&b, "\n## %s\n\n", t.title)
		table(&b, t.track, pairs, columns)
	}
	notes(&b, pairs, columns)
	return b.String()
}

// table writes the table of one kind of track.
func table(b *strings.Builder, track codec.Track, pairs []pair, columns []column) {
	cells := map[[2]string]string{}
	used := map[string]bool{}
	for _, p := range pairs {
		if p.track == track {
			cells[[2]string{p.container, p.codec}] = cell(p, columns)
			used[p.container], used[p.codec] = true, true
		}
	}
	var containers []string
	for _, c := range codec.Containers() {
		if used[c.Name] && len(c.Codecs(track)) > 0 {
			containers = append(containers, c.Name)
		}
	}
	fmt.Fprintf(b, "| codec | %s |\n|---|%s\n", strings.Join(containers, " | "), strings.Repeat("---|", len(containers)))
	for _, c := range codec.Codecs() {
		if c.Track != track || !used[c.Name] {
			continue
		}
		fmt.Fprintf(b, "| `%s` |", c.Name)
		for _, k := range containers {
			fmt.Fprintf(b, " %s |", cells[[2]string{k, c.Name}])
		}
		b.WriteByte('\n')
	}
}

// cell says with which ffmpeg a pair works.
func cell(p pair, columns []column) string {
	var works []string
	for _, c := range columns {
		if c.results[p] == "" {
			works = append(works, c.version)
		}
	}
	switch len(works) {
	case len(columns):
		return "yes"
	case 0:
		return "no"
	}
	return strings.Join(works, ", ")
}

// notes writes why pairs do not work, each reason once for a codec.
func notes(b *strings.Builder, pairs []pair, columns []column) {
	seen := map[string]bool{}
	for _, c := range columns {
		for _, p := range pairs {
			if why := c.results[p]; why != "" && !seen[c.version+p.codec+why] {
				if len(seen) == 0 {
					b.WriteString("\n## What does not work\n\n")
				}
				seen[c.version+p.codec+why] = true
				fmt.Fprintf(b, "- `%s` with %s: %s\n", p.format, c.version, why)
			}
		}
	}
}
