package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/copra-video/copra/check"
	"github.com/copra-video/copra/client"
)

// downloadOutput brings all files of an output into dir: plain files by their
// names, a stream as the folder tree that its playlists name.
func downloadOutput(ctx context.Context, c *client.Client, o client.OutputState, dir string) error {
	seen := map[string]bool{}
	for _, f := range o.Files() {
		u, err := url.Parse(f.URL)
		if err != nil {
			return fmt.Errorf("read address of %s: %w", o.Key, err)
		}
		d := &downloader{client: c, root: u.ResolveReference(&url.URL{Path: "./"}), dir: dir, seen: seen}
		if f.Format != "" {
			d.dir = filepath.Join(dir, folderOf(f.Format))
		}
		if err := d.fetch(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// folderOf keeps DASH and the HLS playlists over the same files together.
func folderOf(format string) string {
	if format == "hlsfmp4" {
		return "dash"
	}
	return format
}

// downloader copies what lies below an address into a folder.
type downloader struct {
	client *client.Client
	root   *url.URL // ends with a slash
	dir    string
	seen   map[string]bool // addresses with the files that they went into
}

// fetch downloads u and, when it is a playlist or manifest, all that it names
// below the root. Addresses that lead elsewhere are left alone.
func (d *downloader) fetch(ctx context.Context, u *url.URL) error {
	name, ok := strings.CutPrefix(u.Path, d.root.Path)
	name = filepath.FromSlash(name)
	if !ok || u.Scheme != d.root.Scheme || u.Host != d.root.Host || !filepath.IsLocal(name) {
		return nil
	}
	file := filepath.Join(d.dir, name)
	once := u.String() + " " + file
	if d.seen[once] {
		return nil
	}
	d.seen[once] = true
	if err := save(ctx, d.client, u.String(), file); err != nil {
		return err
	}
	if ext := path.Ext(u.Path); ext != ".m3u8" && ext != ".mpd" {
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read what was downloaded: %w", err)
	}
	refs, err := check.References(u, data)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := d.fetch(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

// save writes what the URL serves to the path, which appears only when it is
// whole.
func save(ctx context.Context, c *client.Client, url, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	_, err = c.Download(ctx, url, f)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("save %s: %w", path, err)
	}
	return nil
}
