package httpupload

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// FuzzForm checks that for every path and name a receiver reads one file and the
// fields, and that nothing injects another field, header or file.
func FuzzForm(f *testing.F) {
	f.Add("a/b.mp4", "video", "http://host/?http_file_name=file")
	f.Add("a\"; name=\"x\r\nX: y\r\n\r\n--.mp4", "--x\r\n", "http://host/%22%01.mp4")
	f.Fuzz(func(t *testing.T, key, field, address string) {
		b, err := Open(&job.Storage{URL: job.NewSecret(address)}, Options{})
		if err != nil || b.presigned {
			return
		}
		head, tail, kind, err := b.form(key, storage.PutOptions{ContentType: "video/mp4", Form: map[string]string{"encoded_video_id": field, "job_id": "j"}})
		if err != nil {
			return
		}
		_, params, err := mime.ParseMediaType(kind)
		if err != nil {
			t.Fatal(err)
		}
		r := multipart.NewReader(io.MultiReader(bytes.NewReader(head), bytes.NewReader([]byte("content")), bytes.NewReader(tail)), params["boundary"])
		parts := 0
		for {
			p, err := r.NextRawPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("key %q, field %q: %v\n%s", key, field, err, head)
			}
			parts++
			body, err := io.ReadAll(p)
			if err != nil {
				t.Fatal(err)
			}
			want := map[int]string{1: field, 2: "j", 3: "content"}[parts]
			if string(body) != want || len(p.Header) > 2 {
				t.Errorf("part %d is %q with %v, want %q", parts, body, p.Header, want)
			}
		}
		if parts != 3 {
			t.Errorf("%d parts", parts)
		}
	})
}
