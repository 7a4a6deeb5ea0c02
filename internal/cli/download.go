package cli

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/copra-video/copra/client"
)

// fetched counts what was downloaded of one output.
type fetched struct {
	files int
	bytes int64
}

// downloadOutput brings all files of an output into dir: plain files by their
// names, a stream as the folder tree that its playlists name.
func downloadOutput(ctx context.Context, c *client.Client, o client.OutputState, dir string) (fetched, error) {
	var sum fetched
	for _, f := range o.Files() {
		u, err := url.Parse(f.URL)
		if err != nil {
			return sum, fmt.Errorf("read address of %s: %w", o.Key, err)
		}
		d := &downloader{client: c, seen: map[string]bool{}}
		into := dir
		if f.Format != "" {
			into = filepath.Join(dir, folderOf(f.Format))
		}
		err = d.fetch(ctx, u, into, path.Base(u.Path))
		sum.files += d.sum.files
		sum.bytes += d.sum.bytes
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// folderOf keeps DASH and the HLS playlists over the same files together.
func folderOf(format string) string {
	if format == "hlsfmp4" {
		return "dash"
	}
	return format
}

// safeName makes a folder name of an output's key.
func safeName(key string) string {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '-'
		}
		return r
	}, key)
	if strings.Trim(name, ".") == "" {
		return "output"
	}
	return name
}

type downloader struct {
	client *client.Client
	seen   map[string]bool // by name below the folder
	sum    fetched
}

// fetch downloads u to dir/name and, when it is a playlist or manifest, all
// that it names below itself. Addresses that lead elsewhere are left alone.
func (d *downloader) fetch(ctx context.Context, u *url.URL, dir, name string) error {
	if d.seen[name] {
		return nil
	}
	d.seen[name] = true
	file := filepath.Join(dir, filepath.FromSlash(name))
	n, err := save(ctx, d.client, u.String(), file)
	if err != nil {
		return err
	}
	d.sum.files++
	d.sum.bytes += n
	var refs []string
	switch path.Ext(name) {
	case ".m3u8":
		refs, err = playlistRefs(file)
	case ".mpd":
		refs, err = manifestRefs(file)
	}
	if err != nil {
		return err
	}
	for _, ref := range refs {
		r, err := url.Parse(ref)
		if err != nil || r.IsAbs() || r.Host != "" {
			continue
		}
		below := path.Join(path.Dir(name), r.Path)
		if !filepath.IsLocal(filepath.FromSlash(below)) {
			continue
		}
		if err := d.fetch(ctx, u.ResolveReference(r), dir, below); err != nil {
			return err
		}
	}
	return nil
}

// save writes what url serves to path, which appears only when it is whole, and
// returns how many bytes it has.
func save(ctx context.Context, c *client.Client, url, path string) (int64, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, fmt.Errorf("make folder: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return 0, fmt.Errorf("make file: %w", err)
	}
	n, err := c.Download(ctx, url, f)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return 0, fmt.Errorf("save %s: %w", path, err)
	}
	return n, nil
}

var uriAttribute = regexp.MustCompile(`URI="([^"]*)"`)

// playlistRefs lists what an HLS playlist names (RFC 8216, section 4.3).
func playlistRefs(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read playlist: %w", err)
	}
	var refs []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case !strings.HasPrefix(line, "#"):
			refs = append(refs, line)
		case !strings.HasPrefix(line, "#EXT-X-KEY"):
			if m := uriAttribute.FindStringSubmatch(line); m != nil {
				refs = append(refs, m[1])
			}
		}
	}
	return refs, nil
}

// manifest is the part of an MPD that names files: SegmentTemplates with a
// SegmentTimeline (ISO/IEC 23009-1, section 5.3.9).
type manifest struct {
	Sets []struct {
		Template        *template `xml:"SegmentTemplate"`
		Representations []struct {
			ID       string    `xml:"id,attr"`
			Template *template `xml:"SegmentTemplate"`
		} `xml:"Representation"`
	} `xml:"Period>AdaptationSet"`
}

type template struct {
	Media string `xml:"media,attr"`
	Init  string `xml:"initialization,attr"`
	Start *int64 `xml:"startNumber,attr"`
	Times []struct {
		Time     *int64 `xml:"t,attr"`
		Duration int64  `xml:"d,attr"`
		Repeat   int64  `xml:"r,attr"`
	} `xml:"SegmentTimeline>S"`
}

var templateField = regexp.MustCompile(`\$(RepresentationID|Number|Time)(%0(\d+)d)?\$`)

// manifestRefs lists what a static MPD names.
func manifestRefs(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	var m manifest
	if err := xml.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	var refs []string
	for _, set := range m.Sets {
		for _, rep := range set.Representations {
			t := rep.Template
			if t == nil {
				t = set.Template
			}
			if t != nil {
				refs = append(refs, t.refs(rep.ID)...)
			}
		}
	}
	return refs, nil
}

func (t *template) refs(id string) []string {
	fill := func(s string, number, at int64) string {
		return templateField.ReplaceAllStringFunc(s, func(f string) string {
			m := templateField.FindStringSubmatch(f)
			width, _ := strconv.Atoi(m[3])
			switch m[1] {
			case "Number":
				return fmt.Sprintf("%0*d", width, number)
			case "Time":
				return fmt.Sprintf("%0*d", width, at)
			}
			return id
		})
	}
	refs := []string{fill(t.Init, 0, 0)}
	number, at := int64(1), int64(0)
	if t.Start != nil {
		number = *t.Start
	}
	for _, s := range t.Times {
		if s.Time != nil {
			at = *s.Time
		}
		for range s.Repeat + 1 {
			refs = append(refs, fill(t.Media, number, at))
			number++
			at += s.Duration
		}
	}
	return refs
}
