package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// table is what was measured of a codec.
type table struct {
	sweep
	ways  []candidate
	rows  []row
	tunes []tuneRow
}

// tuneRow is a tune beside the same preset without it: the rate at equal SSIM of each
// clip, 0 where it was not measured.
type tuneRow struct {
	word  string
	rates []float64
}

// row is a way to encode beside the preset of today, with means over the clips.
type row struct {
	label      string
	today      bool
	rate, cpu  float64 // at equal SSIM, of today's
	least, top float64 // rate of the clips where it is least and greatest
	spent      float64 // CPU seconds for a second of a clip of 640x360, at the middle quality
	clips      int
}

// fill compares all ways over the clips that each was done with.
func (t *table) fill(made []clip, r *results) {
	for _, way := range t.ways {
		if way.tune != "" {
			t.tunes = append(t.tunes, tuneOf(way, made, r))
			continue
		}
		base := candidate{encoder: way.encoder, preset: way.encoder.Preset}
		row := row{label: way.label(), today: way.label() == base.label(), least: math.Inf(1)}
		rate, cpu, spent := 0.0, 0.0, 0.0
		for _, c := range made {
			mine := r.of(c, way)
			k, s, ok := relative(r.of(c, base), mine)
			if !ok {
				continue
			}
			row.clips++
			rate, cpu, spent = rate+math.Log(k), cpu+math.Log(s), spent+math.Log(mine[len(mine)/2].CPU)
			row.least, row.top = math.Min(row.least, k), math.Max(row.top, k)
		}
		if n := float64(row.clips); n > 0 {
			row.rate, row.cpu, row.spent = math.Exp(rate/n), math.Exp(cpu/n), math.Exp(spent/n)
			t.rows = append(t.rows, row)
		}
	}
}

func tuneOf(way candidate, made []clip, r *results) tuneRow {
	row := tuneRow{word: way.tune}
	for _, c := range small(made) {
		rate, _, _ := relative(r.of(c, candidate{encoder: way.encoder, preset: way.preset}), r.of(c, way))
		row.rates = append(row.rates, rate)
	}
	return row
}

// small are the clips that all ways have.
func small(made []clip) []clip {
	return slices.DeleteFunc(slices.Clone(made), func(c clip) bool { return c.large })
}

// chosen says why each preset of today is used. The page holds it beside the figures.
var chosen = map[string]string{
	"h264": "`fast`: nothing is a quarter faster and as small. `faster` saves a fifth of the time for 7 % more bits, and its saving is in the search of motion: with\nthat of `fast` (`-subq 6`) it saves 3 %. `--preset libx264=veryfast` is for servers whose time is scarce.",
	"hevc": "`veryfast`: `fast` takes a third more time to save 5 %.",
	"av1":  "`10`: half the CPU time of `8` for 15 % more bits, and still 30 % smaller than H.264 by `fast` at equal SSIM, in twice its time (all clips but those of noise\nand text). `--preset libsvtav1=8` is for files that many people load.",
	"vp9":  "`3`: two thirds of the CPU time of `2` for 2 % more bits.",
	"vp8":  "`2`: what is cheaper needs more bits.",
}

// pageText is docs/encoders.md.
func pageText(machine string, seconds float64, made []clip, tables []table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Which preset does an encoder use?\n\nThis page is made by `make encoders`. Ratios hold on other machines; times do not.\n\n")
	fmt.Fprintf(&b, "Measured on %s: %s.\n\n", time.Now().UTC().Format("2006-01-02"), machine)
	b.WriteString(`Each clip is encoded with the arguments that a worker uses, at qualities 1, 3 and 5 of the format. Rate and CPU time are those for the same SSIM,
relative to the preset that Copra uses unless it is asked for another: means over the range of SSIM that both have, on logarithmic scales
(Bjøntegaard's method), and over the clips. CPU time hardly depends on what else a machine does. SSIM is a measure of how alike pictures are. It is not how they
look: psychovisual choices of encoders, which are the same in all presets of a table, cost SSIM.

`)
	fmt.Fprintf(&b, "| clip, %g s | what it shows |\n|---|---|\n", seconds)
	for _, c := range made {
		fmt.Fprintf(&b, "| %s | %s |\n", c.name, c.what)
	}
	for _, t := range tables {
		fmt.Fprintf(&b, "\n## %s\n\n", t.title)
		if text := chosen[t.codec]; text != "" {
			b.WriteString(text + "\n\n")
		}
		fmt.Fprint(&b, "| preset | rate | from, to | CPU time | CPU s for 1 s of video | clips |\n|---|---|---|---|---|---|\n")
		for _, r := range t.rows {
			label := r.label
			if r.today {
				label = "**" + label + "**, used"
			}
			fmt.Fprintf(&b, "| %s | %.2f | %.2f, %.2f | %.2f | %.2f | %d |\n", label, r.rate, r.least, r.top, r.cpu, r.spent, r.clips)
		}
	}
	b.WriteString(tunesText(made, tables))
	return b.String()
}

// tunesText is the section about the option tune.
func tunesText(made []clip, tables []table) string {
	var b strings.Builder
	b.WriteString(`
## Tunes

The rate at equal SSIM of each tune of the option ` + "`tune`" + `, relative to the same preset without one. A tune is for what people see, so a figure above 1
does not say that it is bad: that of ` + "`grain`" + ` keeps noise that SSIM hardly counts, and AV1 draws another noise, which SSIM takes for an error.

| codec, tune |`)
	for _, c := range small(made) {
		fmt.Fprintf(&b, " %s |", c.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(small(made))) + "\n")
	for _, t := range tables {
		for _, row := range t.tunes {
			fmt.Fprintf(&b, "| %s, `%s` |", t.codec, row.word)
			for _, rate := range row.rates {
				if rate == 0 {
					b.WriteString(" |")
				} else {
					fmt.Fprintf(&b, " %.2f |", rate)
				}
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
