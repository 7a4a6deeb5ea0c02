package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
)

// photoTools are tools with libheif's program, and a real photo.
func photoTools(t *testing.T) (*Toolchain, []byte) {
	t.Helper()
	f := tools(t)
	if f.heif == "" {
		testmedia.Missing(t, "heif-convert is not installed")
	}
	photo, err := os.ReadFile(testmedia.Shared(t, "photo.heic"))
	if err != nil {
		t.Fatal(err)
	}
	return f, photo
}

// putPhoto writes a photo as the input in a folder of its own.
func putPhoto(t *testing.T, photo []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "source"), photo, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// patched is a photo with some of its bytes replaced, once.
func patched(t *testing.T, photo []byte, at, from, to string) []byte {
	t.Helper()
	i := bytes.Index(photo, []byte(at+from))
	if i < 0 {
		t.Fatalf("no %q in the photo", at+from)
	}
	out := bytes.Clone(photo)
	copy(out[i:], to)
	return out
}

// turned makes the property pixi of a photo an irot: a quarter turn, counterclockwise.
func turned(t *testing.T, photo []byte) []byte {
	return patched(t, photo, "pixi", "\x00", "irot\x01")
}

// quarters are the mean colours of the four quarters of a picture.
func quarters(t *testing.T, dir, name string) []byte {
	t.Helper()
	out, err := exec.Command(testmedia.Tool(t, "ffmpeg"), "-v", "error", "-i", filepath.Join(dir, name), //nolint:gosec // our own picture
		"-vf", "format=rgb24,scale=2:2:flags=area", "-pix_fmt", "rgb24", "-f", "rawvideo", "-").Output()
	if err != nil || len(out) != 12 {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
	return out
}

// TestDecodePhoto: a photo becomes a picture of its size, colours and orientation,
// which is what libheif's program makes of it.
func TestDecodePhoto(t *testing.T) {
	t.Parallel()
	f, photo := photoTools(t)
	if os.Getuid() == 0 {
		f = asUser(t, f)
	}
	for name, c := range map[string]struct {
		photo         []byte
		width, height int
	}{
		"upright": {photo, 1200, 900},
		"turned":  {turned(t, photo), 900, 1200},
	} {
		dir := putPhoto(t, c.photo)
		if out, err := exec.Command(f.heif, "-q", "100", filepath.Join(dir, "source"), filepath.Join(dir, "want.jpg")).CombinedOutput(); err != nil { //nolint:gosec // our own photo
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		if err := f.DecodePhoto(t.Context(), dir, "source"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m, err := f.Probe(t.Context(), filepath.Join(dir, "source"))
		if err != nil || !m.Still() || len(m.Video) != 1 || m.Video[0].Width != c.width || m.Video[0].Height != c.height || m.Video[0].Rotation != 0 {
			t.Fatalf("%s: %+v, %v", name, m.Video, err)
		}
		if err := f.Run(t.Context(), Command{Dir: dir, Args: []string{"-i", "source", "-q:v", "1", "out.jpg"}}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, want := quarters(t, dir, "out.jpg"), quarters(t, dir, "want.jpg")
		for i := range want {
			if math.Abs(float64(got[i])-float64(want[i])) > 2 {
				t.Errorf("%s: colours %v, want %v", name, got, want)
				break
			}
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 3 { // source, want.jpg, out.jpg
			t.Errorf("%s: left behind: %v, %v", name, list, err)
		}
	}
}

// TestDecodePhotoRefuses: what is wrong with a photo is said, and a file that is
// none stays.
func TestDecodePhotoRefuses(t *testing.T) {
	t.Parallel()
	f, photo := photoTools(t)
	huge := patched(t, photo, "ispe\x00\x00\x00\x00", "", "ispe\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\xff\xff")
	for name, c := range map[string]struct {
		photo  []byte
		reason job.Reason
	}{
		"cut":       {photo[:len(photo)/2], job.InputDamaged},
		"head only": {photo[:64], job.InputDamaged},
		"no size":   {patched(t, photo, "ispe", "", "free"), job.InputDamaged},
		"huge":      {huge, job.InputNotValid},
	} {
		tools := *f
		if name == "huge" { // nothing is decoded
			tools.heif = "/nonexistent"
		}
		err := tools.DecodePhoto(t.Context(), putPhoto(t, c.photo), "source")
		if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != c.reason {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}

	film := []byte("\x00\x00\x00\x14ftypisom\x00\x00\x00\x00isom")
	dir := putPhoto(t, film)
	if err := f.DecodePhoto(t.Context(), dir, "source"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "source")); err != nil || !bytes.Equal(got, film) {
		t.Errorf("a film was changed: %v", err)
	}
}

// TestPhotoWithoutProgram: the photo stays, and the sentence says what is missing.
func TestPhotoWithoutProgram(t *testing.T) {
	t.Parallel()
	f, photo := photoTools(t)
	without := *f
	without.heif = ""
	dir := putPhoto(t, photo)
	if err := without.DecodePhoto(t.Context(), dir, "source"); err != nil {
		t.Fatal(err)
	}
	_, err := without.Probe(t.Context(), filepath.Join(dir, "source"))
	if f.capabilities.Major > 7 || f.capabilities.Major == 7 && f.capabilities.Minor >= 1 {
		return // it reads some photos by itself
	}
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.InputPhotoNotReadable || !bytes.Contains([]byte(e.Message), []byte("libheif-examples")) {
		t.Errorf("%v", err)
	}
}

// TestPhotoFailure: the server is at fault for what it lacks.
func TestPhotoFailure(t *testing.T) {
	t.Parallel()
	failed := errors.New("exit status 1")
	for messages, c := range map[string]struct {
		err    error
		reason job.Reason
	}{
		"Could not decode image: 0: Unsupported feature: Unsupported codec\n":                                            {failed, job.InputPhotoNotReadable},
		"Could not decode image: Error while loading plugin: No decoding plugin installed for this compression format\n": {failed, job.InputPhotoNotReadable},
		"terminate called after throwing an instance of 'std::bad_alloc'\n":                                              {failed, job.ServerOutOfMemory},
		"could not write image\n": {nil, job.ServerDiskFull},
	} {
		if e, ok := errors.AsType[*job.Error](photoFailure(c.err, messages)); !ok || e.Reason != c.reason {
			t.Errorf("%q: %v", messages, e)
		}
	}
	if err := photoFailure(nil, "Warning: odd\n"); err != nil {
		t.Error(err)
	}
}

// TestPhotoReport: what libheif's program lists is what doctor reports.
func TestPhotoReport(t *testing.T) {
	t.Parallel()
	const without = "AVC decoders:\nAVIF decoders:\n- dav1d = dav1d v6.6.0\nHEIC decoders:\nJPEG decoders:\n- jpeg = libjpeg\nuncompressed: yes\nVVIC decoders:\n"
	if got := parsePhotoKinds(without); !slices.Equal(got, []string{"AVIF", "JPEG"}) {
		t.Errorf("%q", got)
	}
	f, _ := photoTools(t)
	for _, l := range f.reportPhotos() {
		if !l.OK {
			t.Errorf("%+v", l)
		}
	}
}

// TestTakePicture: of several pictures the first one counts, and no link is followed
// out of the folder.
func TestTakePicture(t *testing.T) {
	t.Parallel()
	const picture = "\x89PNG\r\n\x1a\n\x00\x00\x00\x00IENDsum."
	dir := t.TempDir()
	to, outside := filepath.Join(t.TempDir(), "source"), filepath.Join(t.TempDir(), "outside.png")
	for _, path := range []string{filepath.Join(dir, "picture-1.png"), outside} {
		if err := os.WriteFile(path, []byte(picture), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := takePicture(dir, to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || string(got) != picture {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, photoOut)); err != nil {
		t.Fatal(err)
	}
	err := takePicture(dir, to+"2")
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.InputDamaged {
		t.Errorf("a link: %v", err)
	}
}

// TestCopyUpright: the Exif data go, all else stays.
func TestCopyUpright(t *testing.T) {
	t.Parallel()
	chunk := func(kind, data string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(data)))) + kind + data + "sum."
	}
	const magic = "\x89PNG\r\n\x1a\n"
	head, exif, end := chunk("IHDR", "1234567890123"), chunk("eXIf", "MM\x00*"), chunk("IEND", "")
	var out bytes.Buffer
	if err := copyUpright(&out, bytes.NewReader([]byte(magic+head+exif+end))); err != nil || out.String() != magic+head+end {
		t.Errorf("%q, %v", out.String(), err)
	}
	err := copyUpright(&out, bytes.NewReader([]byte(magic+head[:20])))
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.InputDamaged {
		t.Errorf("a cut picture: %v", err)
	}
}
