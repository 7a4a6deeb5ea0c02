package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// Logs shows what FFmpeg was told for a job, and what it said.
func Logs(ctx context.Context, call command.Call) error {
	var s settings.Settings
	var p endpoint
	var asJSON bool
	words, err := s.Parse(call, settings.Folder, append(p.rows(&s, standaloneOfData),
		settings.Row{Flag: "json", Switch: &asJSON, Help: "print the runs as a JSON array, each as the API shows it."})...)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return command.Usagef("%s: name the ID of one job; there are %d", call.Name, len(words))
	}
	c, err := p.running(ctx, call.Name, s)
	if err != nil {
		return err
	}
	runs, err := c.Logs(ctx, words[0])
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(call.Stdout, runs)
	}
	for _, r := range runs {
		printRun(call.Stdout, r)
	}
	return nil
}

func printRun(w io.Writer, r client.FFmpegRun) {
	fmt.Fprintf(w, "%s  %s  %.1f s, %.1f s CPU", r.At.Format(time.RFC3339), r.Step, r.Seconds, r.CPUSeconds)
	if r.Speed != nil {
		fmt.Fprintf(w, ", %.1f x real time", *r.Speed)
	}
	fmt.Fprintf(w, ", run %d on %s", r.Run, r.Node)
	if r.Task != nil {
		fmt.Fprintf(w, ", task %d", *r.Task)
	}
	fmt.Fprintf(w, "\n  %s\n", quoted(r.Command))
	for line := range strings.Lines(r.Messages) {
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(line, "\n"))
	}
	if r.Error != "" {
		fmt.Fprintf(w, "  failed: %s\n", r.Error)
	}
}

// quoted is a command as a shell reads it.
func quoted(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
			if strings.ContainsFunc(a, func(r rune) bool { return !strconv.IsPrint(r) }) {
				a = strings.Map(func(r rune) rune {
					if strconv.IsPrint(r) {
						return r
					}
					return '?'
				}, a)
			}
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		b.WriteString(a)
	}
	return b.String()
}

// plain are the characters that no shell takes for anything else.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%"
