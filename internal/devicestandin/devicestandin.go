// Package devicestandin is an ffmpeg for tests that answers as one with a card does:
// it hands what is to be encoded on a device to the software, and keeps the rest of
// the command. So the whole way from the trial to the fallback runs where there is
// no card. What a card itself makes cannot be shown by it.
package devicestandin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// marker is the first argument of a process that Main turns into the stand-in.
const marker = "copra-device-standin"

// States of a card.
const (
	Works = ""     // it encodes
	Gone  = "gone" // it cannot be opened
	Lost  = "lost" // it is lost in the middle of every encode but a trial
	Hung  = "hung" // it takes a command and says nothing more
	Poor  = "poor" // its pictures are far worse than those of the software
	Off   = "off"  // its keyframes are not where they were asked for
)

// Card is a stand-in's card with its programs.
type Card struct {
	FFmpeg  string // the program to use in the place of ffmpeg
	Devices string // the folder of its device files
	folder  string
}

// Install puts a stand-in for the real ffmpeg into a folder, with ffprobe beside it.
// The card takes limit sessions at once; 0: any number. The test's TestMain must have
// called Main.
func Install(folder, realFFmpeg, realFFprobe string, limit int) (Card, error) {
	c := Card{FFmpeg: filepath.Join(folder, "ffmpeg"), Devices: filepath.Join(folder, "dev"), folder: folder}
	own, err := os.Executable()
	if err != nil {
		return c, err
	}
	if err := os.MkdirAll(filepath.Join(c.Devices, "dri"), 0o755); err != nil {
		return c, err
	}
	program := filepath.Join(folder, "standin.program")
	if err := copyFile(own, program); err != nil {
		return c, err
	}
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' %s '%s' '%s' %d \"$@\"\n", program, marker, realFFmpeg, folder, limit)
	return c, errors.Join(
		os.WriteFile(c.FFmpeg, []byte(script), 0o755),
		os.Symlink(realFFprobe, filepath.Join(folder, "ffprobe")),
		os.WriteFile(filepath.Join(c.Devices, "nvidiactl"), nil, 0o644),
		os.WriteFile(filepath.Join(c.Devices, "nvidia0"), nil, 0o644),
		os.WriteFile(filepath.Join(folder, "sessions"), nil, 0o666),
		c.Set(Works),
	)
}

// Set brings the card into a state.
func (c Card) Set(state string) error {
	return os.WriteFile(filepath.Join(c.folder, "state"), []byte(state), 0o644)
}

// Most is the largest number of sessions that were open at once.
func (c Card) Most() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.folder, "sessions"))
	_, most := parseSessions(string(text))
	return most, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Main turns this process into the stand-in when Install's script has started it, and
// does not return then.
func Main() {
	if len(os.Args) < 5 || os.Args[1] != marker {
		return
	}
	limit, err := strconv.Atoi(os.Args[4])
	if err != nil {
		limit = 0
	}
	os.Exit(run(os.Args[2], os.Args[3], limit, os.Args[5:]))
}

// run is one command of the stand-in. It returns the exit code.
func run(realFFmpeg, folder string, limit int, args []string) int {
	translated, sessions, trial := translate(args)
	if sessions == 0 {
		return start(realFFmpeg, args)
	}
	state, err := os.ReadFile(filepath.Join(folder, "state"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "[error] stand-in:", err)
		return 1
	}
	sessionsFile := filepath.Join(folder, "sessions")
	if !open(sessionsFile, sessions, limit) {
		fmt.Fprintln(os.Stderr, "[h264_nvenc @ 0x1] [error] OpenEncodeSessionEx failed: out of memory (10): (no details)")
		return 1
	}
	defer open(sessionsFile, -sessions, 0)
	switch string(state) {
	case Gone:
		fmt.Fprintln(os.Stderr, "[AVHWDeviceContext @ 0x1] [error] Cannot load libcuda.so.1")
		fmt.Fprintln(os.Stderr, "[error] Device creation failed: -1.")
		return 1
	case Hung:
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		<-ended
		return 1
	case Lost:
		if trial {
			break
		}
		if code := start(realFFmpeg, atMost(translated, "1")); code != 0 {
			return code
		}
		fmt.Fprintln(os.Stderr, "[h264_nvenc @ 0x1] [error] EncodePicture failed!: device lost (-1)")
		return 1
	case Poor:
		translated = replaceAfter(translated, "-b:v", "20k")
	case Off:
		translated = replaceAfter(translated, "-force_key_frames", "0,1.5")
	}
	return start(realFFmpeg, translated)
}

// start runs the real ffmpeg to its end. A signal for this process reaches it too,
// since both are in one group.
func start(program string, args []string) int {
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(1, exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "[error] stand-in:", err)
		return 1
	}
	return 0
}

// software are the encoders that stand for those of the card.
var software = map[string]string{"h264_nvenc": "libx264", "hevc_nvenc": "libx265"}

// own are the options of the card's encoders that the software does not have, and
// quality the one that means the same.
var own = strings.Fields("-preset -tune -rc -rc-lookahead -spatial-aq -forced-idr -no-scenecut -profile:v -level")

const quality = "-cq"

// translate rewrites a command for the software. sessions counts the encoders of the
// card in it. A trial is known by its picture.
func translate(args []string) (out []string, sessions int, trial bool) {
	encoder := ""
	for i := 0; i < len(args); i++ {
		a := args[i]
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		switch {
		case a == "-init_hw_device":
			i++
		case a == "-i":
			trial = trial || strings.Contains(value, "duration=3")
			out = append(out, a)
		case a == "-c:v":
			encoder = value
			i++
			if to := software[value]; to != "" {
				sessions++
				out = append(out, a, to, "-preset", "ultrafast", "-sc_threshold", "0", "-forced-idr", "1")
			} else {
				out = append(out, a, value)
			}
		case software[encoder] != "" && slices.Contains(own, a):
			i++
		case software[encoder] != "" && a == "-b:v" && value == "0":
			i++
		case software[encoder] != "" && a == quality:
			i++
			out = append(out, "-crf", value)
		case strings.Contains(a, "p010le"):
			out = append(out, strings.ReplaceAll(a, "p010le", "yuv420p10le"))
		default:
			out = append(out, a)
		}
	}
	return out, sessions, trial
}

// atMost ends every output of a command after some seconds.
func atMost(args []string, seconds string) []string {
	at := slices.Index(args, "-i")
	return append(append(slices.Clone(args[:at]), "-t", seconds), args[at:]...)
}

// replaceAfter replaces the values of an option.
func replaceAfter(args []string, option, value string) []string {
	args = slices.Clone(args)
	for i := range args {
		if args[i] == option && i+1 < len(args) {
			args[i+1] = value
		}
	}
	return args
}

// open adds sessions to those that are open, and reports whether the card allows it.
// The file has the number of open ones and the most that there were.
func open(file string, add, limit int) bool {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return true
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return true
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return true
	}
	now, most := parseSessions(string(text))
	if limit > 0 && add > 0 && now+add > limit {
		return false
	}
	now = max(0, now+add)
	line := fmt.Sprintf("%06d %06d", now, max(most, now))
	_, err = f.WriteAt([]byte(line), 0)
	return err == nil
}

func parseSessions(text string) (now, most int) {
	if n, err := fmt.Sscanf(text, "%d %d", &now, &most); err != nil || n < 2 {
		return 0, 0
	}
	return now, most
}
