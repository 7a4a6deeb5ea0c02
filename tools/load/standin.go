package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/copra-video/copra/client"
)

// standIn is scripts in place of ffmpeg and ffprobe, and an input for them.
type standIn struct {
	dir     string
	sandbox string
	input   string // its URL
	close   func()
}

// results are the files that the scripts copy. The real ffmpeg makes them once, from a
// clip of 320x180 and one second.
var results = []struct {
	name string
	args []string
}{
	{"clip.mp4", []string{"-vf", "scale=160:90", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"}},
	{"clip.jpg", []string{"-vf", "scale=160:90", "-frames:v", "1", "-an"}},
	{"clip.mp3", []string{"-vn", "-c:a", "libmp3lame"}},
}

// outputs returns the outputs of the jobs, for each of which there is a result.
func outputs() client.Outputs {
	return client.Outputs{"jpg:160x": "/picture.jpg", "mp4:0x90": "/small.mp4", "mp3": "/sound.mp3"}
}

// standIns makes the scripts, the results and the input.
func (l *load) standIns(ctx context.Context, sandbox string) (*standIn, error) {
	dir, err := l.Sub("stand-in")
	if err != nil {
		return nil, err
	}
	s := &standIn{dir: dir, sandbox: sandbox}
	if err := s.make(ctx, "input.mp4", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=1", "-f", "lavfi", "-i", "sine=duration=1",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"); err != nil {
		return nil, err
	}
	for _, r := range results {
		if err := s.make(ctx, r.name, append([]string{"-i", "input.mp4"}, r.args...)...); err != nil {
			return nil, err
		}
	}
	if err := s.scripts(ctx); err != nil {
		return nil, err
	}
	clip, err := os.ReadFile(filepath.Join(dir, "input.mp4"))
	if err != nil {
		return nil, err
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "input.mp4", time.Time{}, bytes.NewReader(clip))
	}))
	s.input, s.close = srv.URL+"/input.mp4", srv.Close
	return s, nil
}

// make has the real ffmpeg make a file.
func (s *standIn) make(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, "ffmpeg", append(append([]string{"-nostdin", "-v", "error", "-y"}, args...), name)...)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make %s: %w\n%s", name, err, out)
	}
	return nil
}

// describe returns what the real ffprobe says of a file, on one line.
func (s *standIn) describe(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-print_format", "json", "-show_streams", "-show_format", filepath.Join(s.dir, name)).Output()
	if err != nil {
		return "", fmt.Errorf("probe %s: %w", name, err)
	}
	var line bytes.Buffer
	err = json.Compact(&line, out)
	return strings.ReplaceAll(line.String(), "'", ""), err
}

// scripts writes the two programs. Calls without -i, which ask for versions and features,
// go to the real ones. In -f FORMAT WORD, the word is a file to be made, unless it is an
// option: then FORMAT is that of an input.
func (s *standIn) scripts(ctx context.Context) error {
	programs := map[string]string{}
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		path, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		programs[name] = path
	}
	var copies, descriptions strings.Builder
	for _, r := range results {
		ext := filepath.Ext(r.name)
		text, err := s.describe(ctx, r.name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&copies, "    *%s) cp '%s' \"$out\" ;;\n", ext, filepath.Join(s.dir, r.name))
		fmt.Fprintf(&descriptions, "*%s) printf '%%s' '%s' ;;\n", ext, text)
	}
	text, err := s.describe(ctx, "input.mp4")
	if err != nil {
		return err
	}
	ffmpeg := `#!/bin/sh
case " $* " in *" -i "*) ;; *) exec '` + programs["ffmpeg"] + `' "$@" ;; esac
while [ $# -gt 2 ]; do
  if [ "$1" = -f ] && [ "${3#-}" = "$3" ]; then
    out=$3
    case $out in *%05d*) out=${out%%%*}00001${out##*d} ;; esac
    case $out in
` + copies.String() + `    esac
    shift 2
  fi
  shift
done
`
	ffprobe := `#!/bin/sh
case " $* " in *" -i "*) ;; *) exec '` + programs["ffprobe"] + `' "$@" ;; esac
for last; do :; done
case $last in
http*) printf '%s' '` + text + `' ;;
` + descriptions.String() + `esac
`
	for name, script := range map[string]string{"ffmpeg": ffmpeg, "ffprobe": ffprobe} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(script), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// flags returns the flags of a worker that uses the scripts.
func (s *standIn) flags(more ...string) []string {
	return append([]string{"--ffmpeg", filepath.Join(s.dir, "ffmpeg"), "--ffprobe", filepath.Join(s.dir, "ffprobe"), "--sandbox", s.sandbox}, more...)
}
