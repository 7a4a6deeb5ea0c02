package testmedia

// Parts of recipes. A beep of a tenth of a second begins on every full second.
const (
	picture = "testsrc2=s=320x180:r=25:d=4"
	beeps   = "aevalsrc=exprs='if(lt(mod(t,1),0.1),0.8*sin(2*PI*1000*t),0)':s=48000:d=4"
	beeps2  = "aevalsrc=exprs='if(lt(mod(t,1),0.1),0.8*sin(2*PI*1000*t),0)|if(lt(mod(t,1),0.1),0.8*sin(2*PI*1000*t),0)':c=stereo:s=48000:d=4"
)

// h264 appends the arguments of the encoder. bitexact makes the same bytes with the same
// build of ffmpeg, so that sizes can be compared.
func h264(args ...string) []string {
	return append(args, "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p", "-fflags", "+bitexact")
}

func h264aac(args ...string) []string { return append(h264(args...), "-c:a", "aac", "-b:a", "96k") }

// The recipes. All last four seconds unless they say otherwise.
var (
	// Standard is 320x180 at 25 fps in H.264, with stereo beeps in AAC.
	Standard = Recipe{Name: "standard.mp4", Args: h264aac("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2)}
	// Short is Standard of one second, for tests that only need some video.
	Short = Recipe{Name: "short.mp4", Args: h264aac("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2, "-t", "1")}
	// Large is Standard in Motion JPEG and PCM, some 4 MB with its index at the end, for
	// tests of inputs that are read while they arrive.
	Large = Recipe{Name: "large.mov", Args: []string{
		"-f", "lavfi", "-i", picture + ",noise=alls=9:allf=t", "-f", "lavfi", "-i", beeps2, "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le",
	}}
	// NoAudio is Standard without audio.
	NoAudio = Recipe{Name: "noaudio.mp4", Args: h264("-f", "lavfi", "-i", picture)}
	// AudioOnly is beeps in AAC.
	AudioOnly = Recipe{Name: "audioonly.m4a", Args: []string{"-f", "lavfi", "-i", beeps2, "-c:a", "aac", "-b:a", "96k"}}
	// QuietThenLoud is 4 s of silence and 16 s of noise. The rate of an encode
	// varies so much that ffprobe misjudges how long raw AAC lasts.
	QuietThenLoud = Recipe{Name: "quietloud.flac", Args: []string{"-f", "lavfi", "-i", "aevalsrc='if(lt(t,4),0,random(0)-0.5)':s=48000:d=20"}}
	// CoverArt is an MP3 with an attached picture.
	CoverArt = Recipe{Name: "cover.mp3", Args: []string{
		"-f", "lavfi", "-i", beeps2, "-f", "lavfi", "-i", "testsrc2=s=64x64:r=1:d=1", "-map", "0:a", "-map", "1:v",
		"-c:a", "libmp3lame", "-c:v", "mjpeg", "-disposition:v", "attached_pic", "-id3v2_version", "3",
	}}
	// OddSize is 321x181. H.264 in yuv420p has no odd sizes.
	OddSize = Recipe{Name: "odd.mp4", Args: []string{
		"-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2, "-vf", "scale=321:181", "-c:v", "mpeg4", "-q:v", "4", "-c:a", "aac",
	}}
	// Portrait90 is Standard as a telephone held upright records it: 320x180
	// as coded, to be turned 90 degrees clockwise.
	Portrait90 = Recipe{Name: "portrait.mp4", Args: Standard.Args, Edit: Turn90}
	// Anamorphic has pixels of 16:15, so 320x192 is shown as 341x192.
	Anamorphic = Recipe{Name: "anamorphic.mp4", Args: h264aac("-f", "lavfi", "-i", "testsrc2=s=320x192:r=25:d=4,setsar=16/15", "-f", "lavfi", "-i", beeps2)}
	// VFR has 25 fps for two seconds and then 12.5.
	VFR = Recipe{Name: "vfr.mp4", Args: h264aac("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2,
		"-vf", "select='lt(n,50)+not(mod(n,2))'", "-fps_mode", "vfr")}
	// TenBit is H.264 with ten bits a component.
	TenBit = Recipe{Name: "tenbit.mp4", Args: []string{
		"-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-c:a", "aac",
	}}
	// Interlaced is 25 frames of two fields, the top one first.
	Interlaced = Recipe{Name: "interlaced.mp4", Args: h264aac("-f", "lavfi", "-i", "testsrc2=s=320x180:r=50:d=4", "-f", "lavfi", "-i", beeps2,
		"-vf", "tinterlace=interleave_top,setfield=tff", "-flags", "+ilme+ildct", "-x264-params", "tff=1")}
	// LateAudio has audio that begins 1.5 s after the video, and ends 1.5 s
	// after it.
	LateAudio = Recipe{Name: "late.mp4", Args: h264aac("-f", "lavfi", "-i", picture, "-itsoffset", "1.5", "-f", "lavfi", "-i", beeps2)}
	// ShortAudio has audio that ends after 2 s.
	ShortAudio = Recipe{Name: "shortaudio.mp4", Args: h264aac("-f", "lavfi", "-i", picture, "-f", "lavfi", "-t", "2", "-i", beeps2)}
	// LateStart is a transport stream whose time stamps begin after ten hours.
	LateStart = Recipe{Name: "latestart.ts", Args: h264aac("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2, "-output_ts_offset", "36001.5")}
	// SurroundFivePointOne has six channels.
	SurroundFivePointOne = Recipe{Name: "surround.mp4", Args: append(h264("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i",
		"aevalsrc=exprs='0.3*sin(400*t)|0.3*sin(500*t)|0.3*sin(600*t)|0.3*sin(200*t)|0.3*sin(700*t)|0.3*sin(800*t)':c=5.1:s=48000:d=4"), "-c:a", "aac")}
	// OneFrame is a video of a single picture.
	OneFrame = Recipe{Name: "oneframe.mp4", Args: h264("-f", "lavfi", "-i", picture, "-frames:v", "1")}
	// MultiAudio has an English and a French track, of 1000 Hz and of 440 Hz.
	MultiAudio = Recipe{Name: "multi.mp4", Args: h264aac("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2,
		"-f", "lavfi", "-i", "sine=f=440:r=48000:d=4", "-map", "0:v", "-map", "1:a", "-map", "2:a",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra")}
	// Subtitled has text subtitles in English and in French.
	Subtitled = Recipe{Name: "subtitled.mkv",
		Files: map[string]string{
			"en.srt": "1\n00:00:00,500 --> 00:00:01,500\nHello\n\n2\n00:00:02,000 --> 00:00:03,000\nWorld\n",
			"fr.srt": "1\n00:00:00,500 --> 00:00:01,500\nBonjour\n",
		},
		Args: append(h264aac("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2, "-i", "en.srt", "-i", "fr.srt",
			"-map", "0:v", "-map", "1:a", "-map", "2", "-map", "3", "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=fre"), "-c:s", "srt")}
	// Tagged has a title and a comment.
	Tagged = Recipe{Name: "tagged.mp4", Args: h264aac("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2,
		"-metadata", "title=A title", "-metadata", "comment=A comment")}
	// WebM is VP8 with Vorbis.
	WebM = Recipe{Name: "standard.webm", Args: []string{
		"-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libvorbis",
	}}
	// Photo is a JPEG of 640x480.
	Photo = Recipe{Name: "photo.jpg", Args: []string{"-f", "lavfi", "-i", "testsrc2=s=640x480:d=1", "-frames:v", "1", "-update", "1"}}
	// Logo is a PNG of 48x48 that is half transparent, for watermarks.
	Logo = Recipe{Name: "logo.png", Args: []string{"-f", "lavfi", "-i", "color=red@0.5:s=48x48,format=rgba", "-frames:v", "1", "-update", "1"}}
	// WithoutSync is Standard with an index in which no keyframe is before frame 50.
	WithoutSync = Recipe{Name: "nosync.mp4", Args: Standard.Args, Edit: LateSync}
	// EmptySound and EmptyPicture are Standard with a track that holds nothing.
	EmptySound   = Recipe{Name: "emptysound.mp4", Args: Standard.Args, Edit: EmptyAudio}
	EmptyPicture = Recipe{Name: "emptypicture.mp4", Args: Standard.Args, Edit: EmptyVideo}
	// DTS has sound in DTS.
	DTS = Recipe{Name: "dts.mkv", Args: append(h264("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2), "-c:a", "dca", "-strict", "-2")}
	// LongAVI claims eight seconds and has four.
	LongAVI = Recipe{Name: "long.avi", Edit: LongerAVI, Args: []string{"-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2, "-c:v", "mpeg4", "-c:a", "libmp3lame"}}
	// RestartedFLV has four seconds twice, with the same time stamps.
	RestartedFLV = Recipe{Name: "restarted.flv", Args: Standard.Args, Edit: Restarted}
	// HollowMP4, HollowMatroska and HollowTS hold zeros in place of most of their media.
	HollowMP4      = Recipe{Name: "hollow.mp4", Args: Standard.Args, Edit: Hollow}
	HollowMatroska = Recipe{Name: "hollow.mkv", Args: Standard.Args, Edit: Hollow}
	HollowTS       = Recipe{Name: "hollow.ts", Args: Standard.Args, Edit: Hollow}
	// JunkMP3 is an MP3 with other bytes before and behind.
	JunkMP3 = Recipe{Name: "junk.mp3", Edit: Junk, Args: []string{"-f", "lavfi", "-i", beeps2, "-c:a", "libmp3lame", "-b:a", "64k"}}

	// Truncated is Standard without its end, where its index is.
	Truncated = Recipe{Name: "truncated.mp4", Args: Standard.Args, Edit: Cut}
	// TruncatedTail has its index at the front and lacks 40 % of the media.
	TruncatedTail = Recipe{Name: "truncatedtail.mp4", Args: append(append([]string(nil), Standard.Args...), "-movflags", "+faststart"), Edit: Cut}
	// TruncatedMatroska and TruncatedFLAC lack 40 % at their end.
	TruncatedMatroska = Recipe{Name: "truncated.mkv", Args: Standard.Args, Edit: Cut}
	TruncatedFLAC     = Recipe{Name: "truncated.flac", Args: []string{"-f", "lavfi", "-i", "anoisesrc=r=48000:d=4"}, Edit: Cut}
	// TruncatedFragments ends inside of the head of a fragment.
	TruncatedFragments = Recipe{Name: "truncatedfragments.mp4", Edit: CutMoof, Args: append(append([]string(nil), Standard.Args...), "-movflags", "+frag_keyframe+empty_moov")}
	// Encrypted is Standard under Common Encryption.
	Encrypted = Recipe{Name: "encrypted.mp4", Args: append(append([]string(nil), Standard.Args...), "-encryption_scheme", "cenc-aes-ctr",
		"-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")}
	// Empty has no bytes.
	Empty = Recipe{Name: "empty.mp4", Literal: true}
	// HTML is a web page, which servers may send in place of a file.
	HTML = Recipe{Name: "page.mp4", Literal: true, Content: "\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Sign in</body></html>\n"}
	// Text is a plain text.
	Text = Recipe{Name: "text.txt", Literal: true, Content: "This is not a video.\nIt is a text.\n"}
	// Playlist is an HLS playlist that names a file and a host.
	Playlist = Recipe{Name: "list.m3u8", Literal: true, Content: "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile:///etc/passwd\n#EXTINF:4,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n"}
	// Concat is a list of files for ffmpeg.
	Concat = Recipe{Name: "list.ffconcat", Literal: true, Content: "ffconcat version 1.0\nfile '/etc/passwd'\n"}
)
