package transcode

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

// made makes a file in dir and returns it as a part.
func made(t testing.TB, dir, name string, args ...string) Part {
	t.Helper()
	file := filepath.Join(dir, name)
	command(t, dir, "ffmpeg", append(append([]string{"-nostdin", "-v", "error"}, args...), file)...)
	return probedPart(t, dir, file)
}

// lumaAt is the luma of the middle of a frame of the joined file, of 255.
func lumaAt(t testing.TB, dir string, frame int) int {
	t.Helper()
	raw, _ := command(t, dir, "ffmpeg", "-v", "error", "-i", SourceName, "-vf", fmt.Sprintf("select=eq(n\\,%d),extractplanes=y,format=gray16le,crop=1:1:iw/2:ih/2", frame), "-frames:v", "1", "-f", "rawvideo", "-")
	return int(raw[1])
}

// hlg are the arguments of a picture of one luma, of 1023, in HLG.
func hlg(luma int, seconds string) []string {
	return []string{
		"-f", "lavfi", "-i", "color=gray:s=64x36:r=25:d=" + seconds, "-vf", fmt.Sprintf("format=yuv420p10le,lutyuv=y=%d:u=512:v=512,setparams=range=tv:color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc", luma),
		"-c:v", "libx265", "-x265-params", "log-level=none:lossless=1:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc", "-preset", "ultrafast",
		"-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc",
	}
}

// TestJoinLight: parts that are all HLG stay HLG with their values; beside SDR they become
// SDR, in which grey stays between black and white, and the values of SDR stay.
func TestJoinLight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dark, bright := made(t, dir, "dark.mkv", hlg(300, "0.4")...), made(t, dir, "bright.mkv", hlg(700, "0.4")...)
	j, out := joinParts(t, dir, dark, bright)
	v := probedPart(t, dir, out).Media.Video[0]
	if v.PixFmt != "yuv420p10le" || v.ColorTransfer != "arib-std-b67" || v.ColorPrimaries != "bt2020" || !j.Media.Video[0].IsHDR() {
		t.Errorf("HLG became %s, %s, %s", v.PixFmt, v.ColorTransfer, v.ColorPrimaries)
	}
	if a, b := lumaAt(t, dir, 3), lumaAt(t, dir, 13); a != 300/4 || b != 700/4 {
		t.Errorf("HLG has the luma %d and %d, want %d and %d", a, b, 300/4, 700/4)
	}

	sdr := made(t, dir, "sdr.mkv", "-f", "lavfi", "-i", "color=gray:s=64x36:r=25:d=0.4", "-vf", "lutyuv=y=180:u=128:v=128,format=yuv420p", "-c:v", "libx264", "-qp", "0",
		"-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
	_, out = joinParts(t, dir, dark, sdr, bright)
	v = probedPart(t, dir, out).Media.Video[0]
	if v.PixFmt != "yuv420p10le" || v.ColorTransfer != "bt709" || v.ColorPrimaries != "bt709" || v.ColorSpace != "bt709" {
		t.Errorf("HLG beside SDR became %s, %s, %s, %s", v.PixFmt, v.ColorTransfer, v.ColorPrimaries, v.ColorSpace)
	}
	a, b, c := lumaAt(t, dir, 3), lumaAt(t, dir, 13), lumaAt(t, dir, 23)
	t.Logf("luma %d %d %d", a, b, c)
	if a < 20 || a > 110 || b < 179 || b > 181 || c < 150 || c > 235 {
		t.Errorf("the luma is %d, %d of SDR, %d", a, b, c)
	}
}

// TestJoinInterlaced: interlaced parts are progressive afterwards, at their own rate beside
// a slower one, and what was progressive stays as it was.
func TestJoinInterlaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	film := probedPart(t, dir, testmedia.Counter(t, "25", 6, 128, 72))
	film.Length = 0.4
	// It moves from field to field.
	moving := "testsrc2=s=128x72:r=50:d=2,scroll=horizontal=0.03,interlace=scan=tff:lowpass=off"
	fields := made(t, dir, "fields.mpg", "-f", "lavfi", "-i", moving, "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-top", "1", "-q:v", "2")
	if !newSource(fields.Media).interlaced() {
		t.Fatalf("the clip is not interlaced: %+v", fields.Media.Video[0])
	}
	j, out := joinParts(t, dir, film, fields)
	if r := j.Media.Video[0].FPS; fpsFloat(r) != 25 {
		t.Errorf("the rate is %v", r)
	}
	found := regexp.MustCompile(`Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+) Undetermined: *(\d+)`)
	detect := func(file string) string {
		_, log := command(t, dir, "ffmpeg", "-v", "info", "-nostdin", "-i", file, "-vf", "idet", "-an", "-f", "null", "-")
		all := found.FindAllStringSubmatch(log, -1) // the first of FFmpeg 7 is of a graph that saw no frame
		return strings.Join(all[len(all)-1][1:], " ")
	}
	if was := detect("fields.mpg"); !strings.HasPrefix(was, "50 0") {
		t.Errorf("the source has TFF, BFF, progressive: %s", was)
	}
	if is := detect(out); !strings.HasPrefix(is, "0 0 60 ") {
		t.Errorf("joined has TFF, BFF, progressive: %s", is)
	}
	got := testmedia.ReadFrames(t, out)
	if len(got) != 60 || fmt.Sprint(got[:10]) != fmt.Sprint(counted(0, 10)) {
		t.Errorf("the frames are %v", got)
	}
}

// TestJoinBetweenFrames: a range that begins while a picture is on screen begins with it, and
// no picture comes twice for that.
func TestJoinBetweenFrames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	film := probedPart(t, dir, testmedia.Counter(t, "25", 6, 128, 72))
	// As in TS, where the priming of the sound comes first: all is half a frame late.
	command(t, dir, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=48000:d=3", "-itsoffset", "0.021", "-i", film.Name, "-map", "1:v", "-map", "0:a", "-c:v", "copy", "-c:a", "pcm_s16le", "-t", "3", filepath.Join(dir, "late.mov"))
	late := probedPart(t, dir, filepath.Join(dir, "late.mov"))
	slow := made(t, dir, "slow.mkv", "-i", film.Name, "-vf", "fps=10:round=up", "-an", "-c:v", "libx264", "-qp", "5")
	late.Offset, late.Length, slow.Offset, slow.Length = 2, 0.4, 1.05, 0.4
	_, out := joinParts(t, dir, late, slow)
	want := counted(49, 10)
	shown := testmedia.ReadFrames(t, filepath.Join(dir, "slow.mkv"))
	for _, n := range []int{10, 11, 11, 11, 12, 12, 13, 13, 13, 14} {
		want = append(want, shown[n])
	}
	if got := testmedia.ReadFrames(t, out); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the frames are\n%v, want\n%v", got, want)
	}
}
