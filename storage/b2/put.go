package b2

import (
	"context"
	"crypto/sha1" //nolint:gosec // what the service checks uploads by
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

const (
	maxParts = 10_000
	parallel = 4 // parts at once
)

// target is an upload URL, which takes one upload at a time.
type target struct {
	URL   string `json:"uploadUrl"`
	Token string `json:"authorizationToken"`
}

// Put stores body under key, in parts if it is large. An older version of the
// file stays, hidden, as long as the bucket's rules say.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	s, err := b.login(ctx)
	if err != nil {
		return err
	}
	contentType := opts.ContentType
	if contentType == "" {
		contentType = "b2/x-auto"
	}
	if body.Size() > 2*s.PartSize {
		return b.putParts(ctx, key, body, contentType, partSize(body.Size(), s.PartSize))
	}
	return storage.Retry(ctx, b.client.Retry, func(ctx context.Context) error {
		t, err := b.take(ctx)
		if err != nil {
			return err
		}
		header := http.Header{}
		header.Set("X-Bz-File-Name", storage.EscapeKey(key))
		header.Set("Content-Type", contentType)
		for name, value := range b.info() {
			header.Set("X-Bz-Info-"+name, storage.EscapeKey(value))
		}
		if _, err := b.send(ctx, t, header, body, 0, body.Size()); err != nil {
			return b.retryElsewhere(err)
		}
		b.mu.Lock()
		b.idle = append(b.idle, t)
		b.mu.Unlock()
		return nil
	})
}

// info are the headers that downloads will have, by the service's names for
// them.
func (b *Bucket) info() map[string]string {
	info := map[string]string{}
	if b.cache != "" {
		info["b2-cache-control"] = b.cache
	}
	if b.expires != "" {
		info["b2-expires"] = b.expires
	}
	return info
}

// take returns an upload URL that is not in use.
func (b *Bucket) take(ctx context.Context) (target, error) {
	b.mu.Lock()
	if n := len(b.idle); n > 0 {
		t := b.idle[n-1]
		b.idle = b.idle[:n-1]
		b.mu.Unlock()
		return t, nil
	}
	b.mu.Unlock()
	var t target
	err := b.call(ctx, "b2_get_upload_url", map[string]string{"bucketId": b.id}, &t)
	return t, err
}

// retryElsewhere makes the refusal of an upload URL an error that is retried
// with another URL. The service expires URLs of a pod that is full, and answers
// 401 then.
func (b *Bucket) retryElsewhere(err error) error {
	if remote.IsStatus(err, http.StatusUnauthorized) {
		return &storage.Unavailable{Message: b.client.Peer.Sentence + " took no upload.", Cause: err}
	}
	return err
}

// send uploads a part of body and returns its checksum. The checksum is sent
// after the body, since it is known only then.
func (b *Bucket) send(ctx context.Context, t target, header http.Header, body storage.Body, offset, length int64) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, nil)
	if err != nil {
		return "", b.client.Peer.Refused("%[1]s told no valid address (%[3]s).", "uploadUrl")
	}
	r.Header = header
	r.Header.Set("Authorization", t.Token)
	r.Header.Set("X-Bz-Content-Sha1", "hex_digits_at_end")
	sum := &summed{r: storage.Section(body, offset, length), sum: sha1.New()} //nolint:gosec // see above
	remote.SetBody(r, sum, length+2*sha1.Size)
	if _, _, err := b.client.Once(r); err != nil {
		return "", err
	}
	return sum.hex(), nil
}

// summed reads r, and after it the checksum of what it read.
type summed struct {
	mu   sync.Mutex // the transport may still read when the answer has arrived
	r    io.Reader
	sum  hash.Hash
	tail *strings.Reader
}

func (s *summed) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tail != nil {
		return s.tail.Read(p)
	}
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	if err == io.EOF { //nolint:errorlint // a section ends so
		s.tail = strings.NewReader(hex.EncodeToString(s.sum.Sum(nil)))
		err = nil
	}
	return n, err
}

func (s *summed) hex() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return hex.EncodeToString(s.sum.Sum(nil))
}

func (b *Bucket) putParts(ctx context.Context, key string, body storage.Body, contentType string, size int64) error {
	var file struct {
		ID string `json:"fileId"`
	}
	start := map[string]any{"bucketId": b.id, "fileName": key, "contentType": contentType, "fileInfo": b.info()}
	if err := b.call(ctx, "b2_start_large_file", start, &file); err != nil {
		return err
	}
	sums, err := b.sendParts(ctx, file.ID, body, size)
	if err == nil {
		err = b.call(ctx, "b2_finish_large_file", map[string]any{"fileId": file.ID, "partSha1Array": sums}, nil)
	}
	if err != nil {
		// Parts of an upload that was not completed cost its owner money.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = b.call(ctx, "b2_cancel_large_file", map[string]string{"fileId": file.ID}, nil)
	}
	return err
}

// sendParts uploads the parts, several at once. Each goroutine has an upload URL
// of its own.
func (b *Bucket) sendParts(ctx context.Context, file string, body storage.Body, size int64) ([]string, error) {
	sums := make([]string, (body.Size()+size-1)/size)
	numbers := make(chan int, len(sums))
	for i := range sums {
		numbers <- i
	}
	close(numbers)
	group, ctx := errgroup.WithContext(ctx)
	for range min(parallel, len(sums)) {
		group.Go(func() error {
			var t target
			for i := range numbers {
				offset := int64(i) * size
				err := storage.Retry(ctx, b.client.Retry, func(ctx context.Context) (err error) {
					if t.URL == "" {
						if err := b.call(ctx, "b2_get_upload_part_url", map[string]string{"fileId": file}, &t); err != nil {
							return err
						}
					}
					header := http.Header{}
					header.Set("X-Bz-Part-Number", strconv.Itoa(i+1))
					if sums[i], err = b.send(ctx, t, header, body, offset, min(size, body.Size()-offset)); err != nil {
						t = target{} // a URL that failed once is not used again
						return b.retryElsewhere(err)
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return sums, group.Wait()
}

// partSize is the size of parts for a file of total bytes: recommended, or, in
// whole MiB, as much more as is needed to stay within the number of parts
// allowed.
func partSize(total, recommended int64) int64 {
	const mib = 1 << 20
	if total <= recommended*maxParts {
		return recommended
	}
	return ((total+maxParts-1)/maxParts + mib - 1) / mib * mib
}
