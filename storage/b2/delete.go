package b2

import (
	"context"
	"errors"

	"github.com/copra-video/copra/storage/remote"
)

// file is one version of a file.
type file struct {
	ID     string `json:"fileId"`
	Name   string `json:"fileName"`
	Action string `json:"action"` // "upload", "hide", or "start": not complete yet
}

// Exists reports whether there is a file under key that is not hidden.
func (b *Bucket) Exists(ctx context.Context, key string) (bool, error) {
	versions, err := b.versions(ctx, key)
	return len(versions) > 0 && versions[0].Action == "upload", err
}

// Delete deletes the newest version of the file under key. It hides the older
// versions, which would become visible again. They are not ours, and the
// bucket's rules say how long they stay. With an application key that may only
// write files, Delete hides all versions.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	versions, err := b.versions(ctx, key)
	switch {
	case isCode(err, "unauthorized"):
		return b.hide(ctx, key)
	case err != nil:
		return err
	case len(versions) == 0 || versions[0].Action == "hide":
		return nil
	}
	if len(versions) > 1 && versions[1].Action == "upload" {
		if err := b.hide(ctx, key); err != nil {
			return err
		}
	}
	err = b.call(ctx, "b2_delete_file_version", map[string]string{"fileName": key, "fileId": versions[0].ID}, nil)
	switch {
	case isCode(err, "file_not_present"):
		return nil
	case isCode(err, "unauthorized"):
		return b.hide(ctx, key)
	}
	return err
}

// hide makes the file under key missing for readers.
func (b *Bucket) hide(ctx context.Context, key string) error {
	err := b.call(ctx, "b2_hide_file", map[string]string{"bucketId": b.id, "fileName": key}, nil)
	if isCode(err, "already_hidden") || isCode(err, "no_such_file") {
		return nil
	}
	return err
}

// versions lists the versions of the file under key, the newest first, without
// incomplete uploads.
func (b *Bucket) versions(ctx context.Context, key string) ([]file, error) {
	var page struct {
		Files []file `json:"files"`
	}
	// The prefix is for application keys that are restricted to one. They may
	// ask for nothing else. Files whose names only begin with key come later in
	// the list.
	in := map[string]any{"bucketId": b.id, "prefix": key, "startFileName": key, "maxFileCount": 100}
	if err := b.call(ctx, "b2_list_file_versions", in, &page); err != nil {
		return nil, err
	}
	var list []file
	for _, f := range page.Files {
		if f.Name == key && f.Action != "start" {
			list = append(list, f)
		}
	}
	return list, nil
}

func isCode(err error, code string) bool {
	e, ok := errors.AsType[*remote.StatusError](err)
	return ok && e.Code == code
}
