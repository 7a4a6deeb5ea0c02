package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// Usage shows what jobs took and made, by day and API key.
func Usage(ctx context.Context, call command.Call) error {
	var s settings.Settings
	var p endpoint
	var asJSON, asCSV bool
	var from, to string
	err := s.ParseFlags(call, settings.Folder, append(p.rows(&s, standaloneOfData),
		settings.Row{Flag: "from", Shown: "the first of this month", Set: settings.Text(&from), Help: "the first day, 2026-11-01, in UTC."},
		settings.Row{Flag: "to", Shown: "tomorrow", Set: settings.Text(&to), Help: "the day after the last, 2026-12-01."},
		settings.Row{Flag: "csv", Switch: &asCSV, Help: "print comma-separated values with a header."},
		settings.Row{Flag: "json", Switch: &asJSON, Help: "print a JSON array, each day as the API shows it."})...)
	if err != nil {
		return err
	}
	var days [2]time.Time
	for i, text := range []string{from, to} {
		if text == "" {
			continue
		}
		if days[i], err = time.Parse(time.DateOnly, text); err != nil {
			return command.Usagef("%s: %q is not a day of the form 2026-11-30", call.Name, text)
		}
	}
	c, err := p.running(ctx, call.Name, s)
	if err != nil {
		return err
	}
	list, err := c.Usage(ctx, days[0], days[1])
	switch {
	case err != nil:
		return err
	case asJSON:
		return printJSON(call.Stdout, list)
	case asCSV:
		return printUsageCSV(call.Stdout, list)
	}
	tw := newTable(call.Stdout)
	fmt.Fprintln(tw, "DATE\tKEY\tJOBS\tFAILED\tAUDIO\tSD\tHD\tUHD\tMIB\tCPU")
	for _, u := range list {
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.0f s\n", u.Date, u.KeyName, u.Jobs, u.Failed,
			u.Minutes.Audio, u.Minutes.SD, u.Minutes.HD, u.Minutes.UHD, float64(u.UploadedBytes)/(1<<20), u.CPUSeconds)
	}
	return tw.Flush()
}

func printUsageCSV(to io.Writer, list []client.Usage) error {
	w := csv.NewWriter(to)
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	rows := [][]string{{"date", "key", "key_name", "jobs", "failed", "audio_minutes", "sd_minutes", "hd_minutes", "uhd_minutes", "uploaded_bytes", "cpu_seconds"}}
	for _, u := range list {
		m := u.Minutes
		rows = append(rows, []string{
			u.Date, u.Key, u.KeyName, strconv.FormatInt(u.Jobs, 10), strconv.FormatInt(u.Failed, 10),
			number(m.Audio), number(m.SD), number(m.HD), number(m.UHD), strconv.FormatInt(u.UploadedBytes, 10), number(u.CPUSeconds),
		})
	}
	return w.WriteAll(rows)
}
