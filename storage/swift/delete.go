package swift

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// Exists reports whether there is an object under key.
func (b *Bucket) Exists(ctx context.Context, key string) (bool, error) {
	_, there, err := b.head(ctx, key)
	return there, err
}

// Delete deletes the object under key. If it is large, Delete also deletes the
// segments that Put stored for it.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	header, there, err := b.head(ctx, key)
	if err != nil || !there {
		return err
	}
	var segments []segment
	if strings.EqualFold(header.Get("X-Static-Large-Object"), "true") {
		if segments, err = b.segments(ctx, key); err != nil {
			return err
		}
	}
	err = b.do(ctx, http.MethodDelete, b.object(key), noBody)
	if remote.IsStatus(err, http.StatusNotFound) {
		return nil
	}
	if err == nil {
		b.remove(ctx, segments)
	}
	return err
}

func (b *Bucket) head(ctx context.Context, key string) (header http.Header, there bool, err error) {
	header, _, err = b.ask(ctx, http.MethodHead, b.object(key), noBody)
	if remote.IsStatus(err, http.StatusNotFound) {
		return nil, false, nil
	}
	return header, err == nil, err
}

// segments lists the segments of a large object that are where putSegments puts
// them. A manifest may name others, which are not ours.
func (b *Bucket) segments(ctx context.Context, key string) ([]segment, error) {
	_, answer, err := b.ask(ctx, http.MethodGet, b.object(key)+"?multipart-manifest=get", noBody)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(answer, &rows) != nil {
		return nil, b.client.Peer.Refused("%[1]s tells no segments of a large file (%[3]s).", "multipart-manifest")
	}
	var list []segment
	for _, r := range rows {
		if path := strings.TrimPrefix(r.Name, "/"); strings.HasPrefix(path, b.name+"_segments/"+key+"/") {
			list = append(list, segment{Path: path})
		}
	}
	return list, nil
}

// object is the escaped path of key in the account.
func (b *Bucket) object(key string) string {
	return storage.EscapeKey(b.name) + "/" + storage.EscapeKey(key)
}

func noBody(*http.Request) {}
