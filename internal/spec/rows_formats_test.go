package spec

import "strings"

// plain is a request with an output of a format and nothing else.
func plain(name string) string { return output(name, "") }

// against makes rows of values in a format in which "$" stands for the value,
// each against the same control.
func against(section, name, values, with, without string) (list []row) {
	for _, v := range strings.Fields(values) {
		list = append(list, pair(section, strings.TrimSpace(name+" "+v), plain(strings.ReplaceAll(with, "$", v)), plain(without)))
	}
	return list
}

// containerRows are section 4.2.
func containerRows() (list []row) {
	list = append(list, against("4.2", "", "mov mkv mpegts hls mp4:hevc webm webm:vp9 avi divx xvid asf wmv flv flash 3gp ogv theora ogg mp3 aac wav", "$", "mp4")...)
	list = append(list, against("4.2", "", "mp4", "$", "mov")...)
	list = append(list, against("4.2", "", "jpg jpeg webp gif webp_anim", "$", "png")...)
	return append(list, against("4.2", "", "png", "$", "jpg")...)
}

// definitions are the named sizes of section 4.3.
var definitions = [][2]string{
	{"240p", "0x240"}, {"360p", "0x360"}, {"480p", "0x480"}, {"540p", "0x540"}, {"576p", "0x576"}, {"720p", "1280x720"}, {"1080p", "1920x1080"}, {"2160p", "3840x2160"},
}

// videoSpecRows are section 4.3. A definition is a size and a bitrate: against
// its size as numbers the bitrate differs, unless it is the default.
func videoSpecRows() (list []row) {
	list = []row{
		pair("4.3", "resolution", plain("mp4:640x360"), plain("mp4")),
		pair("4.3", "codec", plain("mp4:hevc"), plain("mp4")),
		pair("4.3", "bitrate", plain("mp4:1500k"), plain("mp4")),
		pair("4.3", "fps", plain("mp4:15fps"), plain("mp4")),
		pair("4.3", "resolution WxH", plain("mp4:640x480"), plain("mp4:640x")),
		pair("4.3", "resolution Wx", plain("mp4:640x"), plain("mp4")),
		pair("4.3", "resolution 0xH", plain("mp4:0x360"), plain("mp4")),
		pair("4.3", "resolution Wx0", plain("mp4:640x0"), plain("mp4")),
	}
	for _, d := range definitions {
		name, size := d[0], d[1]
		bitrate := pair("4.3", name, plain("mp4:"+name), plain("mp4:"+size))
		bitrate.only = []string{"encode:", "publishes"}
		bitrate.same = name == "480p" || name == "540p" || name == "576p"
		sides := pair("4.3", name+" "+size, plain("mp4:"+name), plain("mp4:100x100"))
		sides.only = []string{"publishes", "filter scale", "filter pad"}
		list = append(list, pair("4.3", "resolution "+name, plain("mp4:"+name), plain("mp4")), bitrate, sides)
	}
	list = append(list, against("4.3", "fps", "0fps 25fps", "mp4:$", "mp4:15fps")...)
	list = append(list, against("4.3", "fps", "15fps 23.98fps 29.97fps 30fps 60fps", "mp4:$", "mp4")...)
	list = append(list, against("4.3", "codec", "copy hevc dnxhd prores prores-ks mjpeg qtrle mpeg4 mpeg1video", "mov:$", "mov")...)
	list = append(list, against("4.3", "codec", "h264", "mov:$", "mov:hevc")...)
	list = append(list, against("4.3", "codec", "vp8", "webm:$", "webm:vp9")...)
	list = append(list, against("4.3", "codec", "vp9", "webm:$", "webm")...)
	list = append(list, against("4.3", "codec", "theora", "mkv:$", "mkv")...)
	list = append(list, against("4.3", "codec", "novideo", "mp4:$", "mp4")...)
	list = append(list, against("4.3", "codec", "xvid mpeg2video huffyuv", "avi:$", "avi")...)
	list = append(list, against("4.3", "codec", "flv", "flv:$", "flv:h264")...)
	list = append(list, against("4.3", "codec", "h263", "3gp:$", "3gp:h264")...)
	list = append(list, against("4.3", "codec", "wmv1", "asf:$", "asf")...)
	list = append(list, against("4.3", "codec", "wmv2", "asf:$", "asf:wmv1")...)
	list = append(list, against("4.3", "codec", "svq3", "mov:$", "mov")...)
	return append(list, against("4.3", "codec", "rv20", "mkv:$", "mkv")...)
}

// audioSpecRows are section 4.4.
func audioSpecRows() (list []row) {
	list = []row{
		pair("4.4", "codec", plain("mp4::mp3"), plain("mp4")), pair("4.4", "bitrate", plain("mp4::96k"), plain("mp4")),
		pair("4.4", "sample rate", plain("mp4::22050hz"), plain("mp4")), pair("4.4", "channels", plain("mp4::mono"), plain("mp4")),
	}
	list = append(list, against("4.4", "codec", "ac3 copy mp3 mp2 noaudio flac vorbis pcm-u8 pcm-s16le pcm pcm-alaw wmav2", "mkv::$", "mkv")...)
	list = append(list, against("4.4", "codec", "aac", "mkv::$", "mkv::mp3")...)
	list = append(list, against("4.4", "codec", "amr-nb", "3gp::$", "3gp")...)
	list = append(list, against("4.4", "sample rate", "8000hz 11025hz 22050hz 48000hz", "mp4::$", "mp4")...)
	list = append(list, against("4.4", "sample rate", "44100hz", "mp4::$", "mp4::48000hz")...)
	list = append(list, against("4.4", "channels", "mono multi", "mp4::$", "mp4")...)
	return append(list, against("4.4", "channels", "stereo", "mp4::$", "mp4::multi")...)
}

// optionRows are section 4.5.
func optionRows() (list []row) {
	list = []row{
		pair("4.5", "pix_fmt", plain("mp4:360p::pix_fmt=yuv444p"), plain("mp4:360p")),
		pair("4.5", "pix_fmt yuv420p", plain("mp4:360p::pix_fmt=yuv420p"), plain("mp4:360p::pix_fmt=yuv422p")),
		pair("4.5", "pix_fmt yuv422p", plain("mp4:360p::pix_fmt=yuv422p"), plain("mp4:360p")),
		pair("4.5", "pix_fmt yuva444p10le", plain("mov:prores-ks::pix_fmt=yuva444p10le"), plain("mov:prores-ks")),
		pair("4.5", "2pass", plain("mp4:360p::2pass"), plain("mp4:360p")),
		pair("4.5", "metadata", plain("mp4:360p::metadata=0"), plain("mp4:360p")),
		pair("4.5", "metadata 0", plain("mp3:64k:metadata=0"), plain("mp3:64k")),
		pair("4.5", "frag", plain("mp4:360p::frag"), plain("mp4:360p")),
		pair("4.5", "quality", plain("webm:vp9::quality=1"), plain("webm:vp9")),
		pair("4.5", "maxrate", plain("mp4:360p::quality=5,maxrate=4000k"), plain("mp4:360p::quality=5")),
		pair("4.5", "vprofile", plain("mp4:360p::vprofile=main"), plain("mp4:360p")),
		pair("4.5", "level", plain("mp4:360p::level=31"), plain("mp4:360p")),
	}
	list = append(list, against("4.5", "vprofile", "baseline main high10 high422 high444", "mp4:360p::vprofile=$", "mp4:360p")...)
	list = append(list, against("4.5", "vprofile", "high", "mp4:360p::vprofile=$", "mp4:360p::vprofile=main")...)
	list = append(list, against("4.5", "vprofile", "444", "mp4:hevc_360p::vprofile=$", "mp4:hevc_360p")...)
	list = append(list, against("4.5", "vprofile", "0 1 2 3", "mov:prores-ks::vprofile=$", "mov:prores-ks::vprofile=4")...)
	return append(list, against("4.5", "level", "10 11 12 13 20 21 22 30 31 32 40 41 42 50 51", "mp4:240p::level=$", "mp4:240p")...)
}

// hashRows are section 4.6.
func hashRows() (list []row) {
	for _, m := range []struct{ name, with, without string }{
		{"resolution", `"1280x720"`, ""}, {"video_codec", `"hevc"`, ""}, {"video_bitrate", `"2000k"`, ""}, {"fps", `"15fps"`, ""}, {"audio_codec", `"mp3"`, ""},
		{"audio_bitrate", `"96k"`, ""}, {"sample_rate", `"22050hz"`, ""}, {"audio_channel", `"mono"`, ""}, {"pix_fmt", `"yuv422p"`, ""}, {"2pass", `true`, ""},
		{"quality", `5`, ""}, {"maxrate", `"4000k"`, ""}, {"vprofile", `"main"`, ""}, {"level", `"41"`, ""}, {"frag", `true`, ""},
	} {
		list = append(list, pair("4.6", m.name, output("mp4", `"format":`+hash{m.name: m.with, "fps": `"25fps"`}.but(m.name, m.with).text()), output("mp4", `"format":`+hash{"fps": `"25fps"`}.text())))
	}
	return list
}

// exampleRows are section 4.7: each is read, and not as the bare container is.
func exampleRows() (list []row) {
	for _, f := range strings.Fields("mp4:240p mp4:240p_400k mp4:720p mp4:1080p:256k mp4:1080p:x mp4:720p::2pass mp4:1080p::vprofile=high,level=50 " +
		"mp4:hevc_720p_1500k mp4:x mp4:x:64k mp4:x:64k_mono mp4::256k mp4:::quality=4 mp4:::quality=5 mp4:360p::quality=4 mp4:240p::quality=4,maxrate=400k " +
		"mp4:480p::quality=4,maxrate=1500K mp4:720p::quality=5,maxrate=4000k,vprofile=high,pix_fmt=yuv420p mp4:720p::maxrate=2500k mp4:0x720 mp4:1080x1920 " +
		"webm:600x0_800k webm:vp9 webm:0x480 avi:0x240_500k hls:360p mp3:64k mp3:64k_22050hz_mono ogg:64k jpg:300x jpg:540p jpg:160x84 jpg:400x400 " +
		"png:600x600 webp:160x gif:320x320 gif:300x") {
		container, _, _ := strings.Cut(f, ":")
		list = append(list, pair("4.7", f, plain(f), plain(container)))
	}
	for _, f := range strings.Fields("mp4 webm mp3 hls") {
		list = append(list, pair("4.7", f, plain(f), plain("mkv")))
	}
	return append(list, pair("4.7", "jpg", plain("jpg"), plain("png")), pair("4.7", "httpstream", streamed(""), plain("mp4")))
}
