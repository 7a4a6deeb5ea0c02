package publish

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// TestVerifyPicture: whole pictures of the size that was planned pass, and nothing else.
func TestVerifyPicture(t *testing.T) {
	m := image.NewRGBA(image.Rect(0, 0, 64, 36))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	m.Set(0, 0, color.White)
	var j, p bytes.Buffer
	if err := errors.Join(jpeg.Encode(&j, m, nil), png.Encode(&p, m)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		content []byte
		want    transcode.Expect
		ok      bool
	}{
		{"a.jpg", j.Bytes(), transcode.Expect{Width: 64, Height: 36}, true},
		{"a.jpg", j.Bytes(), transcode.Expect{}, true},
		{"a.png", p.Bytes(), transcode.Expect{Height: 36}, true},
		{"a.jpg", j.Bytes(), transcode.Expect{Width: 64, Height: 38}, false},
		{"a.jpg", j.Bytes()[:j.Len()/2], transcode.Expect{}, false},
		{"a.png", p.Bytes()[:p.Len()-20], transcode.Expect{}, false},
		{"a.jpg", nil, transcode.Expect{}, false},
		{"a.png", []byte("no picture"), transcode.Expect{}, false},
		{"absent.jpg", nil, transcode.Expect{}, false},
	} {
		dir := t.TempDir()
		if tt.name != "absent.jpg" {
			if err := os.WriteFile(filepath.Join(dir, tt.name), tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := verifyPicture(dir, tt.name, tt.want)
		e, failed := errors.AsType[*job.Error](err)
		if ok := err == nil; ok != tt.ok || !ok && (!failed || e.Reason != job.OutputNotValid) {
			t.Errorf("%s, %d bytes, %+v: %v", tt.name, len(tt.content), tt.want, err)
		}
	}
}
