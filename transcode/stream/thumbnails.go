package stream

import (
	"bytes"
	"errors"
	"fmt"
	"image/jpeg"
	"io/fs"
	"math"
	"path"
	"strings"
)

// tileScheme says in DASH that pictures are tiled (DASH-IF IOP, section on tiles of
// thumbnail images).
const tileScheme = "http://dashif.org/guidelines/thumbnail_tile"

// sheetsName is the name of the thumbnails among the published files.
const sheetsName = "thumbnails"

// sheet is a picture of many thumbnails. Times are in seconds.
type sheet struct {
	source          string
	size            int64
	start, duration float64
}

// readSheets finds the sheets that were made. longest is the length of the stream.
func (b *packager) readSheets(fsys fs.FS, longest float64) error {
	t := b.Thumbnails
	if t == nil {
		return nil
	}
	each := float64(t.Columns*t.Rows) * t.Interval
	for n := range t.Count {
		name := fmt.Sprintf(t.Sheets, n+1)
		data, err := fs.ReadFile(fsys, name)
		if n > 0 && errors.Is(err, fs.ErrNotExist) {
			break // the source is shorter than it says
		}
		if err != nil {
			return fmt.Errorf("read thumbnails: %w", err)
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(data))
		if err != nil || c.Width != t.Columns*t.Width || c.Height != t.Rows*t.Height {
			return fmt.Errorf("the thumbnails %s are no JPEG picture of %dx%d", name, t.Columns*t.Width, t.Rows*t.Height)
		}
		start := float64(n) * each
		b.sheets = append(b.sheets, sheet{source: name, size: int64(len(data)), start: start, duration: min(each, max(longest-start, t.Interval))})
	}
	return nil
}

func (b *packager) sheetPath(n int) string {
	if b.Layout == TS {
		return fmt.Sprintf("%s/sheet-%05d.jpg", sheetsName, n)
	}
	return fmt.Sprintf("%s-%05d.jpg", sheetsName, n)
}

func (b *packager) sheetFiles() []File {
	var files []File
	for i, s := range b.sheets {
		files = append(files, File{Path: b.sheetPath(i + 1), Source: s.source, ContentType: typeJPEG})
	}
	return files
}

// listsSheets reports whether playlists name the thumbnails.
func (b *packager) listsSheets() bool { return len(b.sheets) > 0 && !b.plain() }

func (b *packager) sheetsPlaylistPath() string {
	if b.Layout == TS {
		return path.Join(sheetsName, "stream.m3u8")
	}
	return "stream-" + sheetsName + ".m3u8"
}

// sheetsPlaylist is an image media playlist. The tags are no part of RFC 8216; players
// that do not know them pass over them.
func (b *packager) sheetsPlaylist() string {
	var w strings.Builder
	self, t := b.sheetsPlaylistPath(), b.Thumbnails
	longest := 0.0
	for _, s := range b.sheets {
		longest = max(longest, s.duration)
	}
	b.headerOf(&w, int(math.Ceil(longest)), "#EXT-X-IMAGES-ONLY")
	for i, s := range b.sheets {
		fmt.Fprintf(&w, "#EXTINF:%.6f,\n#EXT-X-TILES:RESOLUTION=%dx%d,LAYOUT=%dx%d,DURATION=%.6f\n%s\n",
			s.duration, t.Width, t.Height, t.Columns, t.Rows, t.Interval, uri(self, b.sheetPath(i+1)))
	}
	w.WriteString("#EXT-X-ENDLIST\n")
	return w.String()
}

// sheetsRate is the largest rate of a sheet in bit/s.
func (b *packager) sheetsRate() int {
	most := 0.0
	for _, s := range b.sheets {
		most = max(most, float64(s.size)*8/s.duration)
	}
	return int(math.Ceil(most))
}

func (b *packager) writeSheetsVariant(w *strings.Builder, self string) {
	fmt.Fprintf(w, "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=%d,CODECS=\"jpeg\",RESOLUTION=%dx%d,URI=%s\n",
		b.sheetsRate(), b.Thumbnails.Width, b.Thumbnails.Height, quoted(uri(self, b.sheetsPlaylistPath())))
}

// sheetSet is the AdaptationSet of the thumbnails. All sheets have the same length, as
// players expect, and endNumber says that no more come.
func (b *packager) sheetSet(id int) xmlSet {
	t := b.Thumbnails
	return xmlSet{
		ID: id, ContentType: "image", MimeType: typeJPEG,
		Representations: []xmlRepresentation{{
			ID: sheetsName, Bandwidth: b.sheetsRate(), Width: t.Columns * t.Width, Height: t.Rows * t.Height,
			Essential: []xmlDescriptor{{tileScheme, fmt.Sprintf("%dx%d", t.Columns, t.Rows)}},
			Template: &xmlTemplate{
				Timescale: 1000, Media: sheetsName + "-$Number%05d$.jpg", Duration: int64(math.Round(1000 * float64(t.Columns*t.Rows) * t.Interval)),
				Start: 1, End: len(b.sheets),
			},
		}},
	}
}
