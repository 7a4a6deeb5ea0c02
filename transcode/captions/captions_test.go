package captions

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

func show(cues []Cue) string {
	var b strings.Builder
	for _, c := range cues {
		fmt.Fprintf(&b, "%d-%d %s|%s\n", c.Start, c.End, strings.ReplaceAll(c.Text, "\n", "/"), c.Settings)
	}
	return b.String()
}

// TestFormats reads each format, also as people write it by hand.
func TestFormats(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"SRT": {"\ufeff1\r\n00:00:01,000 --> 00:00:02,500\r\nTom & <i>Jerry</i>\r\nsay 1 < 2 -->\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000 X1:10 X2:20\r\n{\\an8}<font color=\"#fff\">top</font>\r\n",
			"1000-2500 Tom &amp; <i>Jerry</i>/say 1 &lt; 2 --&gt;|\n3000-4000 top|line:0\n"},
		"SRT without numbers, hours or lines between": {"00:01.5 -> 00:02.5\n00:01.5 --> 00:02.5\nA\n00:03,5 --> 0:0:4,25\nB\n\n\nC\n7\n0:0:5:250 -->0:0:6:000\n10\n",
			"1500-2500 A|\n3500-4250 B/C|\n5250-6000 10|\n"},
		"SRT overlapping, unordered, negative, backwards and empty": {"1\n00:00:05,000 --> 00:00:09,000\nlate\n\n2\n-00:00:01,000 --> 00:00:06,000\nearly\n\n3\n00:00:08,000 --> 00:00:07,000\nnever\n\n4\n00:00:07,000 --> 00:00:08,000\n<i> </i>\n",
			"0-6000 early|\n5000-9000 late|\n"},
		"WebVTT": {"WEBVTT - title\nX-TIMESTAMP-MAP=LOCAL:0\n\nNOTE\nnot shown\n\nSTYLE\n::cue { color: red }\n\nid 1\n00:01.000 --> 00:02.000 line:0 region:r align:left\n<v Ann>Hi &amp; ho\nsecond\n\nREGION\nid:r\n\n01:00:00.000 --> 01:00:01.000\nlast",
			"1000-2000 <v Ann>Hi &amp; ho/second|line:0 align:left\n3600000-3601000 last|\n"},
		"ASS": {"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Italic, Alignment\nStyle: Default,Arial,0,2\nStyle: Sign,Arial,-1,8\n\n[Events]\nFormat: Layer, Start, End, Style, Text\nComment: 0,0:00:00.00,0:00:01.00,Default,no\nDialogue: 0,0:00:01.00,0:00:02.50,Default,One, two\\N{\\i1}three{\\i0} & {\\b1}four\nDialogue: 1,0:00:01.00,0:00:02.50,Default,One, two\\N{\\i1}three{\\i0} & {\\b1}four\nDialogue: 0,0:00:03.00,0:00:04.00,Sign,{\\p1}m 0 0 l 1 1{\\p0}sign\nDialogue: 0,0:00:05.00,0:00:06.00,Default,{\\an7\\pos(1,2)}corner\n",
			"1000-2500 One, two/<i>three</i> &amp; <b>four</b>|\n3000-4000 <i>sign</i>|line:0\n5000-6000 corner|align:left line:0\n"},
		"SSA": {"[Script Info]\n[V4 Styles]\nFormat: Name, Alignment\nStyle: Top,6\n[Events]\nFormat: Marked, Start, End, Style, Text\nDialogue: Marked=0,0:00:01.00,0:00:02.00,*Top,up\n",
			"1000-2000 up|line:0\n"},
		"TTML": {`<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="25" ttp:tickRate="10000000" xml:lang="en">
 <head><metadata>no</metadata><styling><style xml:id="it" tts:fontStyle="italic"/></styling><layout><region xml:id="top" tts:displayAlign="before"/></layout></head>
 <body begin="1s"><div><p begin="00:00:01.500" end="00:00:02.5">Tom &amp; <span style="it">Jerry</span><br/>
   next   line</p>
  <p begin="00:00:03:05" dur="2.5s" region="top">frames</p><p begin="60000000t" end="70000000t" tts:fontWeight="bold">ticks</p><p>no time</p>
  <p><span begin="8s" end="9s">word</span></p></div></body></tt>`,
			"2500-3500 Tom &amp; <i>Jerry</i>/next line|\n4200-6700 frames|line:0\n7000-8000 <b>ticks</b>|\n9000-10000 word|\n"},
	} {
		cues, err := Parse([]byte(c.in), Hint{})
		if got := show(cues); err != nil || got != c.want {
			t.Errorf("%s: %v\n%swant\n%s", name, err, got, c.want)
		}
		again, err := Parse(WebVTT(cues), Hint{})
		if err != nil || show(again) != show(cues) {
			t.Errorf("%s: what is written as WebVTT is read as (%v)\n%s", name, err, show(again))
		}
	}
}

// TestRefused says of each bad file what is wrong with it.
func TestRefused(t *testing.T) {
	many := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(i))
		}
		return b.String()
	}
	for in, want := range map[string]string{
		"":                          "empty file",
		"\ufeff \r\n":               "empty file",
		"WEBVTT\n\nNOTE nothing":    "hold no cue",
		"1\n00:00:01,000 --> x\nhi": "hold no cue",
		"<!DOCTYPE html><html><head></head><body>404 --></body>":                      "web page (HTML)",
		"<?xml version='1.0'?><rss></rss>":                                            "XML but not TTML",
		"<tt xmlns='http://www.w3.org/ns/ttml'><body><p begin='1s' end='2s'>a</body>": "broken in line 1",
		"<tt xmlns='http://www.w3.org/ns/ttml'><p begin='soon'>a</p></tt>":            `not valid: "soon"`,
		"<tt xmlns='x'>" + strings.Repeat("<div>", 200):                               "nested more than 100",
		"<SAMI></SAMI>":                        "SAMI",
		"{1}{25}hello":                         "MicroDVD",
		`{"error": "not found"}`:               "JSON",
		"#EXTM3U\n":                            "HLS playlist",
		"hello":                                "format of the captions is not known",
		"\x00\x01\x02\x03\x00\xff\xfe\xff\xfd": "not a text file",
		"1\n00:00:01,000 --> 00:00:02,000\n\x81\x8d\x8f\x90\x9d\xfe\x81\xff\n":                            "charset of the captions could not be found out",
		many(101, func(i int) string { return fmt.Sprintf("00:00:01,000 --> 00:00:02,000\n%d!\n\n", i) }): "101 cues at once at 00:00:01.000",
		many(200_001, func(i int) string {
			return fmt.Sprintf("00:%d:%d,000 --> 00:%d:%d,%03d\nx%d\n\n", i/60, i%60, i/60, i%60, 900, i)
		}): "200001 cues; at most",
		"00:00:01,000 --> 00:00:02,000\n" + strings.Repeat("x", 20_000): "20000 bytes of text",
	} {
		_, err := Parse([]byte(in), Hint{})
		e, ok := errors.AsType[*job.Error](err)
		if !ok || e.Reason != job.CaptionsNotValid || !strings.Contains(e.Message, want) {
			t.Errorf("%.60q: %v, want %q", in, err, want)
		}
	}
	if _, err := Parse([]byte("1\n00:00:01,000 --> 00:00:02,000\nhi\n"), Hint{Charset: "klingon"}); err == nil || !strings.Contains(err.Error(), "klingon") {
		t.Errorf("a charset that does not exist: %v", err)
	}
}

// TestManyCues has 100,000 cues, as a damaged or made-up file may.
func TestManyCues(t *testing.T) {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "%d\n%02d:%02d:%02d,%03d --> %02d:%02d:%02d,%03d\ncue %d\n\n", i+1, i/36000, i/600%60, i/10%60, i%10*100, i/36000, i/600%60, i/10%60, i%10*100+99, i)
	}
	cues, err := Parse([]byte(b.String()), Hint{})
	if err != nil || len(cues) != 100_000 {
		t.Fatalf("%d cues, %v", len(cues), err)
	}
	cut := Cut(cues, 100, 10)
	if len(cut) != 100 || cut[0].Start != 0 || cut[0].Text != "cue 1000" || cut[99].End != 9999 {
		t.Errorf("%d cues from 100 s to 110 s: %+v", len(cut), cut[:1])
	}
}

// TestCut moves and shortens cues like the video.
func TestCut(t *testing.T) {
	cues := []Cue{{1000, 3000, "", "before"}, {2500, 4000, "", "in"}, {4000, 9000, "", "over"}, {8000, 9000, "", "after"}}
	for _, c := range []struct {
		offset, length float64
		want           string
	}{
		{0, 0, "1000-3000 before|\n2500-4000 in|\n4000-9000 over|\n8000-9000 after|\n"},
		{2, 5, "0-1000 before|\n500-2000 in|\n2000-5000 over|\n"},
		{4, 0, "0-5000 over|\n4000-5000 after|\n"},
		{20, 1, ""},
	} {
		if got := show(Cut(cues, c.offset, c.length)); got != c.want {
			t.Errorf("from %v for %v:\n%swant\n%s", c.offset, c.length, got, c.want)
		}
	}
}

// TestASS: captions are drawn where they say, with no override that is not ours. ASS stays as
// it is.
func TestASS(t *testing.T) {
	in := "WEBVTT\n\n00:00:01.000 --> 00:00:02.504 line:0 align:start\n<b>a</b> &amp; {\\fs99}<v Bob>b\n\n00:00:03.000 --> 01:00:00.000 line:90%\nc\\Nd\n"
	got, err := ASS([]byte(in), Hint{}, Style{Size: 9.5, Color: "0a0b0c"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Style: Default,sans-serif,9.5,&H000C0B0A,",
		"Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\an7}{\\b1}a{\\b0} & \\{\\\u2060fs99\\}b\n",
		"Dialogue: 0,0:00:03.00,1:00:00.00,Default,,0,0,0,,c\\\u2060Nd\n",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	own := "\ufeff[Script Info]\nPlayResX: 100\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,{\\fs9}x\n"
	if got, err := ASS([]byte(own), Hint{}, Style{Color: "ffffff"}); err != nil || string(got) != own[3:] {
		t.Errorf("%v, ASS became %s", err, got)
	}
	if got, err := ASS([]byte("WEBVTT\n\n"), Hint{}, Style{Color: "ffffff"}); err != nil || strings.Contains(string(got), "Dialogue") {
		t.Errorf("%v, no cues became %s", err, got)
	}
	if _, err := ASS([]byte("<html></html>"), Hint{}, Style{}); err == nil {
		t.Error("a web page is drawn")
	}
	// What only looks like ASS is not taken as it is.
	if got, err := ASS([]byte("ffconcat version 1.0\nfile x\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,x\n"), Hint{}, Style{Color: "ffffff"}); err != nil || !strings.HasPrefix(string(got), "[Script Info]") || strings.Contains(string(got), "file x") {
		t.Errorf("%v, %s", err, got)
	}
}
