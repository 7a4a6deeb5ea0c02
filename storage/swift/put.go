package swift

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

const (
	maxSegments = 1000 // of an object, by default
	parallel    = 3    // segments at once
)

// Put stores body under key, in segments if it is large. The object appears when
// all of it has arrived.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	if body.Size() > 2*b.o.SegmentSize {
		return b.putSegments(ctx, key, body, opts.ContentType)
	}
	return b.put(ctx, b.name, key, body, 0, body.Size(), opts.ContentType)
}

func (b *Bucket) put(ctx context.Context, container, key string, body storage.Body, offset, length int64, contentType string) error {
	return b.do(ctx, http.MethodPut, storage.EscapeKey(container)+"/"+storage.EscapeKey(key), func(r *http.Request) {
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		remote.SetBody(r, storage.Section(body, offset, length), length)
	})
}

// segment is a row of the manifest of a static large object.
type segment struct {
	Path string `json:"path"`
	Size int64  `json:"size_bytes"`
}

// putSegments stores segments in a container of their own, as all tools do. Then
// it stores the manifest that makes them one object.
func (b *Bucket) putSegments(ctx context.Context, key string, body storage.Body, contentType string) error {
	container := b.name + "_segments"
	if err := b.do(ctx, http.MethodPut, storage.EscapeKey(container), noBody); err != nil {
		return err
	}
	size := max(b.o.SegmentSize, (body.Size()+maxSegments-1)/maxSegments)
	segments := make([]segment, (body.Size()+size-1)/size)
	folder := key + "/" + rand.Text()[:16]
	// When one segment fails, the others that are under way are allowed to
	// finish. A server may store a segment after it was deleted, if it was still
	// arriving at that time.
	var group errgroup.Group
	var failed atomic.Bool
	group.SetLimit(parallel)
	for i := range segments {
		name, offset := fmt.Sprintf("%s/%06d", folder, i), int64(i)*size
		segments[i] = segment{Path: container + "/" + name, Size: min(size, body.Size()-offset)}
		group.Go(func() error {
			if failed.Load() {
				return nil
			}
			err := b.put(ctx, container, name, body, offset, segments[i].Size, "application/octet-stream")
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	err := group.Wait()
	if err == nil {
		err = b.putManifest(ctx, key, segments, contentType)
	}
	if err != nil {
		b.remove(ctx, segments)
	}
	return err
}

func (b *Bucket) putManifest(ctx context.Context, key string, segments []segment, contentType string) error {
	manifest, err := json.Marshal(segments)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	return b.do(ctx, http.MethodPut, b.object(key)+"?multipart-manifest=put", func(r *http.Request) {
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		remote.SetBody(r, bytes.NewReader(manifest), int64(len(manifest)))
	})
}

// remove deletes the segments of an upload that failed, since they cost their
// owner money.
func (b *Bucket) remove(ctx context.Context, segments []segment) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, s := range segments {
		container, name, _ := strings.Cut(s.Path, "/")
		_ = b.do(ctx, http.MethodDelete, storage.EscapeKey(container)+"/"+storage.EscapeKey(name), noBody)
	}
}
