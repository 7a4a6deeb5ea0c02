package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/job"
)

const (
	// One of 200 megapixels has some 60 MB.
	maxPhotoBytes = 256 << 20
	// The largest photo that is decoded. FFmpeg's own limit is near it (INT_MAX / 8
	// pixels, libavutil/imgutils.c).
	maxPhotoSide   = 16384
	maxPhotoPixels = 1 << 28

	photoTimeout = 2 * time.Minute
)

// photoPrograms are the names of libheif's decoder. It has been called heif-dec
// since libheif 1.18; distributions keep the older name beside it, or have it alone.
var photoPrograms = []string{"heif-dec", "heif-convert"}

// photoPackages say where the program and its plugins come from.
const photoPackages = "libheif-examples, and libheif-plugin-libde265 and libheif-plugin-dav1d where the codecs are plugins"

// locatePhotoDecoder finds libheif's program. Where it is missing, FFmpeg reads what
// it can: nothing before 7.1.
func (t *Toolchain) locatePhotoDecoder() {
	for _, name := range photoPrograms {
		if path, err := lookPath(name); err == nil {
			t.heif = path
			return
		}
	}
}

// askPhotoDecoder asks libheif's program which photos it decodes, for Report.
func (t *Toolchain) askPhotoDecoder(ctx context.Context) {
	if t.heif == "" {
		return
	}
	if answer, _, err := t.query(ctx, t.rules(sandbox.Rules{}), t.heif, "--list-decoders"); err == nil {
		t.photoKinds = parsePhotoKinds(answer)
	}
}

// parsePhotoKinds reads --list-decoders, a heading for each kind and its decoders
// below: "HEIC decoders:" and "- libde265 = libde265 HEVC decoder, version 1.0.11".
func parsePhotoKinds(answer string) (kinds []string) {
	kind := ""
	for line := range strings.Lines(answer) {
		name, heading := strings.CutSuffix(strings.TrimSpace(line), " decoders:")
		switch {
		case heading:
			kind = name
		case name != "" && kind != "":
			kinds, kind = append(kinds, kind), ""
		}
	}
	return kinds
}

// reportPhotos says which photos can be read.
func (t *Toolchain) reportPhotos() (findings []Finding) {
	for _, kind := range []string{"HEIC", "AVIF"} {
		f := Finding{"photos " + kind, slices.Contains(t.photoKinds, kind), "decoded by " + t.heif}
		if !f.OK {
			f.Note = "missing: no " + kind + " photos (" + photoPackages + ")"
		}
		findings = append(findings, f)
	}
	return findings
}

// decodesPhoto reports whether the input is a photo that DecodePhoto replaces.
func (t *Toolchain) decodesPhoto(ctx context.Context, in probeSource) bool {
	if t.heif == "" {
		return false
	}
	head, err := in.read(ctx, 0, 12)
	return err == nil && isPhoto(head)
}

// DecodePhoto replaces the file name in dir by a PNG of its picture if it is a HEIC
// or AVIF photo, upright and with its colour profile. All other files stay, and
// photos too where libheif's program is not installed: Probe then says so. The
// error is a *job.Error for a photo that is damaged or too large.
//
// Phones store a photo as a grid of tiles, each a picture of its own. FFmpeg before
// 7.1 reads no grid.
func (t *Toolchain) DecodePhoto(ctx context.Context, dir, name string) error {
	if t.heif == "" {
		return nil
	}
	path := filepath.Join(dir, name)
	width, height, err := photoSize(path)
	switch {
	case errors.Is(err, errNoPhoto):
		return nil
	case err != nil:
		return err
	case width > maxPhotoSide || height > maxPhotoSide || int64(width)*int64(height) > maxPhotoPixels:
		return job.InputErrorf(job.InputNotValid, "is a photo of %dx%d pixels; at most %d on a side and %d in all are accepted", width, height, maxPhotoSide, maxPhotoPixels)
	}
	out, err := os.MkdirTemp(dir, "photo-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(out)
	if err := os.Rename(path, filepath.Join(out, photoIn)); err != nil {
		return fmt.Errorf("move photo: %w", err)
	}
	// 16 bits for each of four channels, and what PNG adds.
	if err := t.runPhotoDecoder(ctx, out, int64(width)*int64(height)*9+1<<20); err != nil {
		return err
	}
	return takePicture(out, path)
}

// The names of the photo and of its picture in a folder of their own.
const (
	photoIn  = "photo"
	photoOut = "picture.png"
)

// runPhotoDecoder decodes the photo in dir. No file that it writes can be larger
// than maxBytes.
func (t *Toolchain) runPhotoDecoder(ctx context.Context, dir string, maxBytes int64) error {
	if err := t.giveToUser(dir, "."); err != nil {
		return err
	}
	limited, end := context.WithTimeout(ctx, photoTimeout)
	defer end()
	rules := t.runRules(dir, nil)
	if rules != nil {
		rules.FileSize = min(rules.FileSize, maxBytes)
	}
	var messages stderrTail
	err := child{
		path: t.heif, args: []string{"--quiet", photoIn, photoOut}, dir: dir, stdout: io.Discard, stderr: &messages,
		killDelay: t.killDelay, rules: rules, nice: niceness,
	}.run(limited)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return job.InputErrorf(job.InputNotValid, "is a photo that could not be decoded within %d seconds", int(photoTimeout.Seconds())).WithCause(err)
	}
	return photoFailure(err, messages.String())
}

// photoFailure says why a photo was not decoded: err is how libheif's program ended.
// It ends without an error, too, when it could not write the picture.
func photoFailure(err error, messages string) error {
	cause := errors.New("run libheif's program: " + lastError(messages))
	if err != nil {
		cause = fmt.Errorf("run libheif's program: %w: %s", err, lastError(messages))
	}
	for _, m := range photoMessages {
		if m.text.MatchString(messages) {
			return job.NewError(m.reason).WithCause(cause)
		}
	}
	if err == nil {
		return nil
	}
	exit, ended := errors.AsType[*exec.ExitError](err)
	if !ended {
		return cause
	}
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() && s.Signal() == syscall.SIGKILL {
		return cause // most likely out of memory, which another try may not be
	}
	return damagedPhoto(cause)
}

// photoMessages are messages of libheif's program for which the photo is not at
// fault. Newer distributions have the codecs as plugins, in packages of their own.
var photoMessages = []struct {
	text   *regexp.Regexp
	reason job.Reason
}{
	{regexp.MustCompile(`Unsupported codec|[Nn]o decoding plugin|Error while loading plugin`), job.InputPhotoNotReadable},
	{regexp.MustCompile(`bad_alloc|Memory allocation error`), job.ServerOutOfMemory},
	{regexp.MustCompile(`could not write image|Can't open`), job.ServerDiskFull},
}

func damagedPhoto(cause error) *job.Error {
	return job.InputErrorf(job.InputDamaged, "is a photo that cannot be decoded: it is damaged, or not complete").WithCause(cause)
}

// takePicture moves the picture that was decoded in dir to path. A file with
// several pictures gives as many, with numbers; the first one counts.
func takePicture(dir, path string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("read decoded photo: %w", err)
	}
	defer root.Close()
	// The program may be under a stranger's control by now: a link of its making
	// leads nowhere outside, and a pipe keeps nobody waiting.
	in, err := root.OpenFile(photoOut, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		in, err = root.OpenFile(strings.TrimSuffix(photoOut, ".png")+"-1.png", os.O_RDONLY|syscall.O_NONBLOCK, 0)
	}
	if err != nil {
		return damagedPhoto(err)
	}
	defer in.Close()
	if st, err := in.Stat(); err != nil || !st.Mode().IsRegular() {
		return damagedPhoto(errors.Join(err, errors.New("the picture is no file")))
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write decoded photo: %w", err)
	}
	err = copyUpright(out, in)
	return errors.Join(err, out.Close())
}
