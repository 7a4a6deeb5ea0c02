package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// table is what was measured of a codec.
type table struct {
	sweep
	ways []candidate
	rows []row
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

// chosen says why each preset of today is used. The page holds it beside the figures.
var chosen = map[string]string{
	"h264": "`fast`: what is cheaper needs more bits, `veryfast` nearly a fifth more on the film. `--preset libx264=veryfast` is for servers whose time is scarce.",
	"hevc": "`veryfast`: `fast`, `faster` and `medium` cost more and are hardly smaller.",
	"av1":  "`8`: `10` takes half of the CPU time for 9 % more bits at 640x360, but nearly two thirds of it for 18 % more at 1280x720. `--preset libsvtav1=10` is for\nservers whose time is scarce.",
	"vp9":  "`2`, though `3` is near: what is measured here is too little to change it.",
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
	return b.String()
}
