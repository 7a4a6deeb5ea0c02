package captions

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gogs/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode/utf32"
)

// lookup finds a charset by any of its names; nil: it is not known.
func lookup(name string) encoding.Encoding {
	name = strings.ToLower(strings.TrimSpace(name))
	if long, ok := aliases[name]; ok {
		name = long
	}
	// The names of the web: iso-8859-1 is windows-1252, which holds all of it.
	if e, err := htmlindex.Get(name); err == nil && e != encoding.Replacement {
		return e
	}
	if e, err := ianaindex.IANA.Encoding(name); err == nil {
		return e
	}
	return nil
}

// aliases are names that people write and no registry has.
var aliases = map[string]string{
	"utf8": "utf-8", "utf16": "utf-16", "latin1": "iso-8859-1", "latin-1": "iso-8859-1", "ansi": "windows-1252", "sjis": "shift_jis", "cp932": "shift_jis",
	"cp936": "gb18030", "cp949": "euc-kr", "uhc": "euc-kr", "cp950": "big5", "euckr": "euc-kr", "eucjp": "euc-jp",
	"cp1250": "windows-1250", "cp1251": "windows-1251", "cp1252": "windows-1252", "cp1253": "windows-1253", "cp1254": "windows-1254",
	"cp1255": "windows-1255", "cp1256": "windows-1256", "cp1257": "windows-1257", "cp1258": "windows-1258", "iso-8859-8-i": "iso-8859-8",
}

// KnownCharset reports whether a charset can be read.
func KnownCharset(name string) bool { return lookup(name) != nil }

// ofLanguage are the charsets in which a language is written, besides Unicode, the
// most common first.
var ofLanguage = map[string][]string{
	"ru": {"windows-1251", "koi8-r"}, "uk": {"windows-1251", "koi8-u"}, "bg": {"windows-1251"}, "sr": {"windows-1250", "windows-1251"}, "mk": {"windows-1251"}, "be": {"windows-1251"},
	"el": {"windows-1253"}, "he": {"windows-1255"}, "yi": {"windows-1255"}, "ar": {"windows-1256"}, "fa": {"windows-1256"}, "ur": {"windows-1256"},
	"tr": {"windows-1254"}, "az": {"windows-1254"}, "lt": {"windows-1257"}, "lv": {"windows-1257"}, "et": {"windows-1257"}, "vi": {"windows-1258"}, "th": {"windows-874"},
	"cs": {"windows-1250"}, "sk": {"windows-1250"}, "pl": {"windows-1250"}, "hu": {"windows-1250"}, "ro": {"windows-1250"}, "hr": {"windows-1250"}, "sl": {"windows-1250"},
	"bs": {"windows-1250"}, "sq": {"windows-1250"},
	"ja": {"shift_jis", "euc-jp"}, "ko": {"euc-kr"}, "zh": {"gb18030", "big5"}, "zh-hans": {"gb18030", "big5"}, "zh-cn": {"gb18030", "big5"},
	"zh-sg": {"gb18030", "big5"}, "zh-hant": {"big5", "gb18030"}, "zh-tw": {"big5", "gb18030"}, "zh-hk": {"big5", "gb18030"},
	"de": {"windows-1252"}, "en": {"windows-1252"}, "fr": {"windows-1252"}, "es": {"windows-1252"}, "pt": {"windows-1252"}, "it": {"windows-1252"}, "nl": {"windows-1252"},
	"sv": {"windows-1252"}, "da": {"windows-1252"}, "no": {"windows-1252"}, "nb": {"windows-1252"}, "nn": {"windows-1252"}, "fi": {"windows-1252"}, "is": {"windows-1252"},
	"ca": {"windows-1252"}, "gl": {"windows-1252"}, "eu": {"windows-1252"},
}

// decode brings a file to UTF-8.
func decode(data []byte, h Hint) (string, error) {
	if text, ok := decodeMarked(data); ok {
		return text, nil
	}
	if h.Charset != "" {
		e := lookup(h.Charset)
		if e == nil {
			return "", refuse("The charset %q of the captions is not known; expected one such as utf-8, windows-1252, shift_jis or gb18030.", h.Charset)
		}
		text, bad := decodeAs(data, e)
		if bad > len(text)/50 {
			return "", refuse("The captions are not in the charset %q that the request names.", h.Charset)
		}
		return text, nil
	}
	if e := unmarkedUTF16(data); e != nil {
		text, _ := decodeAs(data, e)
		return text, nil
	}
	if bytes.IndexByte(data[:min(len(data), 8192)], 0) >= 0 {
		return "", refuse("The captions are not a text file; expected SRT, WebVTT, TTML or ASS.")
	}
	if mostlyUTF8(data) {
		return strings.ToValidUTF8(string(data), "\ufffd"), nil
	}
	language := strings.ToLower(h.Language)
	main, _, _ := strings.Cut(language, "-")
	found := detect(data)
	names := declared(data)
	for _, r := range found {
		if r.Language == main && main != "" {
			names = append(names, r.Charset)
		}
	}
	names = append(append(names, ofLanguage[language]...), ofLanguage[main]...)
	for _, r := range found {
		names = append(names, r.Charset)
	}
	for _, name := range names {
		if e := lookup(name); e != nil {
			if text, ok := plausible(data, e); ok {
				return text, nil
			}
		}
	}
	return "", refuse("The charset of the captions could not be found out; save them as UTF-8, or name it in 'charset', such as windows-1252.")
}

// decodeMarked decodes a file that begins with a byte order mark.
func decodeMarked(data []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(data, []byte{0xEF, 0xBB, 0xBF}):
		return strings.ToValidUTF8(string(data[3:]), "\ufffd"), true
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE, 0, 0}), bytes.HasPrefix(data, []byte{0, 0, 0xFE, 0xFF}):
		text, _ := decodeAs(data, utf32.UTF32(utf32.BigEndian, utf32.UseBOM))
		return text, true
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		text, _ := decodeAs(data[2:], lookup("utf-16le"))
		return text, true
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		text, _ := decodeAs(data[2:], lookup("utf-16be"))
		return text, true
	}
	return "", false
}

// unmarkedUTF16 finds UTF-16 without a mark: digits and line ends have a zero in
// every second byte.
func unmarkedUTF16(data []byte) encoding.Encoding {
	sample := data[:min(len(data), 4096)]
	var zeros [2]int
	for i, b := range sample {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch {
	case zeros[1] > len(sample)/8 && zeros[0] < zeros[1]/8:
		return lookup("utf-16le")
	case zeros[0] > len(sample)/8 && zeros[1] < zeros[0]/8:
		return lookup("utf-16be")
	}
	return nil
}

// mostlyUTF8 also accepts a file in which a few bytes are broken. What is ASCII
// with escapes is ISO-2022.
func mostlyUTF8(data []byte) bool {
	if bytes.Contains(data, []byte("\x1b$")) {
		return false
	}
	good, bad := 0, 0
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 1:
			good++
		}
		data = data[n:]
	}
	return bad == 0 || good > 50*bad
}

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// declared is the charset that an XML file declares.
func declared(data []byte) []string {
	if m := xmlEncoding.FindSubmatch(data[:min(len(data), 512)]); m != nil {
		return []string{string(m[1])}
	}
	return nil
}

// detect returns charsets that data may be in, the likeliest first.
func detect(data []byte) []chardet.Result {
	var sample bytes.Buffer
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		// Times and numbers say nothing.
		if bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }) || bytes.IndexByte(line, 0x1b) >= 0 {
			sample.Write(line)
			sample.WriteByte('\n')
		}
		if sample.Len() > 64<<10 {
			break
		}
	}
	found, err := chardet.NewHtmlDetector().DetectAll(sample.Bytes())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(found, func(r chardet.Result) bool { return r.Confidence < minConfidence })
}

const minConfidence = 10 // of 100

// plausible decodes data, and reports whether the result is text.
func plausible(data []byte, e encoding.Encoding) (string, bool) {
	text, bad := decodeAs(data, e)
	foreign, letters := 0, 0
	for _, r := range text {
		switch {
		case r < 0x80:
		case unicode.IsControl(r), unicode.Is(unicode.Co, r), unicode.Is(unicode.Cn, r):
			bad++
		case unicode.IsLetter(r) || unicode.IsMark(r):
			letters++
		default:
			foreign++
		}
	}
	return text, bad*200 <= letters && foreign <= 2*letters+20 && letters+foreign > 0
}

// decodeAs decodes data. bad is how many characters are not valid.
func decodeAs(data []byte, e encoding.Encoding) (text string, bad int) {
	out, err := e.NewDecoder().Bytes(data)
	if err != nil {
		return "", len(data)
	}
	return string(out), bytes.Count(out, []byte("\ufffd"))
}
