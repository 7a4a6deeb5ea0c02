// Command formatdoc writes docs/formats-matrix.md: every pair of container and
// codec that a request may name is planned, made with the installed ffmpeg from
// a tiny clip, and read back.
//
//	go run ./tools/formatdoc -o docs/formats-matrix.md
//	go run ./tools/formatdoc -ffmpeg /opt/ffmpeg5/ffmpeg,/opt/ffmpeg7/ffmpeg
//
// Beside each ffmpeg its ffprobe is used. Without the flag it is the one in PATH.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "formatdoc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, log io.Writer) error {
	flags := flag.NewFlagSet("formatdoc", flag.ContinueOnError)
	programs := flags.String("ffmpeg", "ffmpeg", "the ffmpeg programs, separated by commas")
	to := flags.String("o", "docs/formats-matrix.md", "the page to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pairs := allPairs()
	var columns []column
	for path := range strings.SplitSeq(*programs, ",") {
		c, err := measure(ctx, path, pairs, log)
		if err != nil {
			return err
		}
		columns = append(columns, c)
	}
	return os.WriteFile(*to, []byte(page(pairs, columns)), 0o644)
}
