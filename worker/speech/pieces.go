package speech

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"strings"

	"golang.org/x/text/language"

	"github.com/copra-video/copra/transcode"
)

// Rate is the sample rate of the sound, in Hz.
const Rate = transcode.SpeechRate

const (
	perSecond = 2 * Rate // bytes
	// longest bounds a piece: 10 minutes are 19.2 MB, and services take files of 25 MB.
	longest = 600 * perSecond
	// search is how much of the end of a piece is looked at for the best place to cut.
	search = 120 * perSecond
	// block is a pause as between words, 300 ms: the quietest block is where a cut is made.
	block = 3 * perSecond / 10
	// quiet is the largest sample of silence, -60 dBFS.
	quiet = 32
)

// piece is a part of the sound, in bytes.
type piece struct {
	from, to int64
	silent   bool
}

func milliseconds(at int64) int64 { return at * 1000 / perSecond }

// level is how loud a block is.
type level struct {
	energy float64 // of a sample in the mean
	peak   int     // the largest sample
}

// levels measures the blocks of a sound. The last one may be shorter.
func levels(sound io.ReaderAt, size int64) ([]level, error) {
	var list []level
	data := make([]byte, block)
	for at := int64(0); at < size; at += block {
		n, err := sound.ReadAt(data[:min(block, size-at)], at)
		if err != nil && (err != io.EOF || at+int64(n) < size) {
			return nil, fmt.Errorf("read sound: %w", err)
		}
		var l level
		for i := 0; i+1 < n; i += 2 {
			v := int(int16(binary.LittleEndian.Uint16(data[i:])))
			l.energy += float64(v * v)
			l.peak = max(l.peak, v, -v)
		}
		l.energy /= math.Max(1, float64(n/2))
		list = append(list, l)
	}
	return list, nil
}

// cut divides a sound into pieces that a service takes, each cut in the middle of the
// quietest block near its end, where nobody is likely to speak.
func cut(sound io.ReaderAt, size int64) ([]piece, error) {
	size -= size % 2
	blocks, err := levels(sound, size)
	if err != nil {
		return nil, err
	}
	var list []piece
	for from := int64(0); from < size; {
		to := size
		if size-from > longest {
			// What is left is long enough too: services refuse a tenth of a second.
			to = quietest(blocks, from+longest-search, min(from+longest, size-search/2))
		}
		p := piece{from: from, to: to, silent: true}
		for _, l := range blocks[from/block : (to+block-1)/block] {
			p.silent = p.silent && l.peak <= quiet
		}
		list = append(list, p)
		from = to
	}
	return list, nil
}

// quietest returns the middle of the quietest block that lies between two places.
func quietest(blocks []level, from, to int64) int64 {
	best := (from + block - 1) / block
	for i := best; (i+1)*block <= to; i++ {
		if blocks[i].energy < blocks[best].energy {
			best = i
		}
	}
	return best*block + block/2
}

// form is the body of a request, with its length and type. The sound is sent as WAV, which
// every service reads.
func form(sound *io.SectionReader, model, tag string) (body io.Reader, length int64, contentType string) {
	var head bytes.Buffer
	w := multipart.NewWriter(&head) // a buffer takes whatever is written
	for _, f := range [][2]string{{"model", model}, {"response_format", "vtt"}, {"language", spoken(tag)}} {
		if f[1] != "" {
			_ = w.WriteField(f[0], f[1])
		}
	}
	_, _ = w.CreateFormFile("file", "sound.wav")
	head.Write(wavHeader(sound.Size()))
	begin := head.Len()
	_ = w.Close()
	all := head.Bytes()
	return io.MultiReader(bytes.NewReader(all[:begin]), io.NewSectionReader(sound, 0, sound.Size()), bytes.NewReader(all[begin:])),
		int64(len(all)) + sound.Size(), w.FormDataContentType()
}

// spoken is the code that services know for the language of a tag: ISO 639-1, or 639-3
// where there is none; "": it is not known.
func spoken(tag string) string {
	if tag == "" {
		return ""
	}
	base, confidence := language.Make(tag).Base()
	if confidence == language.No || base.String() == "und" {
		return ""
	}
	return strings.ToLower(base.String())
}

// wavHeader is the header of a WAV file with so many bytes of samples.
func wavHeader(size int64) []byte {
	h := make([]byte, 0, 44)
	u32 := func(n int64) { h = binary.LittleEndian.AppendUint32(h, uint32(n)) }
	u16 := func(n int) { h = binary.LittleEndian.AppendUint16(h, uint16(n)) }
	h = append(h, "RIFF"...)
	u32(36 + size)
	h = append(h, "WAVEfmt "...)
	u32(16)
	u16(1) // PCM
	u16(1) // channel
	u32(Rate)
	u32(perSecond)
	u16(2)  // bytes of a frame
	u16(16) // bits of a sample
	h = append(h, "data"...)
	u32(size)
	return h
}
