package spec

import "strings"

// formatRows are sections 4.2 to 4.5.
func formatRows() []row {
	var list []row
	add := func(section, test string, formats ...[2]string) {
		for _, f := range formats {
			list = append(list, row{section: section, name: f[0], request: output(f[1], ""), test: test})
		}
	}
	each := func(section, test, names, format string) {
		for _, n := range strings.Fields(names) {
			value := n[strings.LastIndex(n, ":")+1:]
			name := strings.Replace(n, ":", " ", 1)
			list = append(list, row{section: section, name: name, request: output(strings.ReplaceAll(format, "$", value), ""), test: test, says: value})
		}
	}
	each("4.2", "internal/spec.TestContainers", "mp4 webm mpegts mov ogg aac mp3 wav avi asf wmv flv mkv 3gp ogv divx xvid hls flash theora", "$")
	each("4.2", "transcode/format.TestParse", "jpg jpeg", "$")
	each("4.2", "e2e.TestPictures", "png webp gif webp_anim", "$")
	add("4.2", "internal/spec.TestContainers", [2]string{"mp4:hevc", "mp4:hevc"}, [2]string{"webm:vp9", "webm:vp9"}, [2]string{"mov, mpegts, mkv", "mpegts"},
		[2]string{"asf/wmv", "asf"}, [2]string{"aac, wav", "wav"})

	add("4.3", "transcode/format.TestInForce", [2]string{"resolution", "mp4:640x360"}, [2]string{"codec", "mp4:hevc"}, [2]string{"bitrate", "mp4:1500k"}, [2]string{"fps", "mp4:25fps"},
		[2]string{"resolution WxH", "mp4:640x360"}, [2]string{"resolution Wx", "mp4:640x"}, [2]string{"resolution 0xH", "mp4:0x360"}, [2]string{"resolution Wx0", "mp4:640x0"})
	each("4.3", "internal/spec.TestDefinitions", "resolution:240p resolution:360p resolution:480p resolution:540p resolution:576p resolution:720p resolution:1080p resolution:2160p", "mp4:$")
	each("4.3", "internal/spec.TestDefinitions", "240p 360p 480p 540p 576p 720p 1080p 2160p", "mp4:$")
	each("4.3", "internal/spec.TestDefinitions", "240p:0x240 360p:0x360 480p:0x480 540p:0x540 576p:0x576 720p:1280x720 1080p:1920x1080 2160p:3840x2160", "mp4:$")
	each("4.3", "internal/spec.TestRates", "fps:0fps fps:15fps fps:23.98fps fps:25fps fps:29.97fps fps:30fps fps:60fps", "mp4:$")
	each("4.3", "transcode.TestPairs", "codec:copy codec:h264 codec:hevc codec:dnxhd codec:prores codec:prores-ks codec:mjpeg codec:qtrle codec:mpeg4 codec:mpeg1video", "mov:$")
	each("4.3", "transcode.TestPairs", "codec:vp8 codec:vp9", "webm:$")
	each("4.3", "transcode.TestPairs", "codec:theora", "ogv:$")
	each("4.3", "transcode.TestPairs", "codec:novideo", "mp4:$")
	each("4.3", "transcode.TestPairs", "codec:xvid codec:mpeg2video codec:huffyuv", "avi:$")
	each("4.3", "transcode.TestPairs", "codec:flv", "flv:$")
	each("4.3", "transcode.TestPairs", "codec:h263", "3gp:$")
	each("4.3", "transcode.TestPairs", "codec:wmv1 codec:wmv2", "asf:$")
	list = append(list, // no ffmpeg encodes the one, and no container of the list holds the other
		row{section: "4.3", name: "codec svq3", request: output("mov:svq3", ""), code: "output_format_not_valid", test: "transcode/format.TestSupported", says: "svq3"},
		row{section: "4.3", name: "codec rv20", request: output("mkv:rv20", ""), code: "output_format_not_valid", test: "transcode/format.TestSupported", says: "rv20"})

	add("4.4", "transcode/format.TestInForce", [2]string{"codec", "mp4::mp3"}, [2]string{"bitrate", "mp4::96k"}, [2]string{"sample rate", "mp4::22050hz"}, [2]string{"channels", "mp4::mono"})
	each("4.4", "transcode.TestPairs", "codec:aac codec:ac3 codec:copy codec:mp3 codec:mp2 codec:noaudio codec:flac codec:vorbis codec:pcm-u8 codec:pcm-s16le codec:pcm codec:pcm-alaw codec:wmav2", "mkv::$")
	each("4.4", "transcode.TestTelephone", "codec:amr-nb", "3gp::$")
	for _, v := range strings.Fields("8000hz 11025hz 22050hz 44100hz 48000hz") {
		list = append(list, row{section: "4.4", name: "sample rate " + v, request: output("mp4::"+v, ""), test: "internal/spec.TestRates", says: v})
	}
	each("4.4", "transcode/format.TestInForce", "channels:mono channels:stereo channels:multi", "mp4::$")

	add("4.5", "transcode.TestGolden", [2]string{"2pass", "mp4:720p::2pass"}, [2]string{"metadata", "mp4:720p::metadata=0"}, [2]string{"metadata 0", "mp3:64k:metadata=0"}, [2]string{"frag", "mp4:720p::frag"})
	add("4.5", "transcode.TestPixFmts", [2]string{"pix_fmt", "mp4:720p::pix_fmt=yuv420p"}, [2]string{"pix_fmt yuv420p", "mp4:720p::pix_fmt=yuv420p"},
		[2]string{"pix_fmt yuv422p", "mp4:720p::pix_fmt=yuv422p"}, [2]string{"pix_fmt yuva444p10le", "mov:prores-ks::pix_fmt=yuva444p10le"})
	add("4.5", "transcode.TestQualityAndPasses", [2]string{"quality", "webm:vp9::quality=1"}, [2]string{"maxrate", "mp4:720p::quality=5,maxrate=4000k"})
	add("4.5", "internal/spec.TestEncoderOptions", [2]string{"vprofile", "mp4:720p::vprofile=high"}, [2]string{"level", "mp4:720p::level=31"})
	each("4.5", "internal/spec.TestEncoderOptions", "vprofile:baseline vprofile:main vprofile:high vprofile:high10 vprofile:high422 vprofile:high444", "mp4:360p::vprofile=$")
	each("4.5", "internal/spec.TestEncoderOptions", "vprofile:444", "mp4:hevc_360p::vprofile=$")
	each("4.5", "internal/spec.TestEncoderOptions", "vprofile:0 vprofile:1 vprofile:2 vprofile:3", "mov:prores-ks::vprofile=$")
	each("4.5", "internal/spec.TestEncoderOptions", "level:10 level:11 level:12 level:13 level:20 level:21 level:22 level:30 level:31 level:32 level:40 level:41 level:42 level:50 level:51", "mp4:240p::level=$")
	for i, r := range list {
		switch {
		case r.test == "internal/spec.TestContainers", r.test == "internal/spec.TestEncoderOptions", strings.HasPrefix(r.name, "resolution "): // tables there
			list[i].says = "mp4"
		case r.test == "transcode.TestPairs": // every codec in every container of the tables
			list[i].says = "VideoCodecs"
		case strings.HasPrefix(r.name, "pix_fmt "), strings.HasPrefix(r.name, "metadata "):
			_, list[i].says, _ = strings.Cut(r.name, " ")
		}
		if r.section == "4.3" || r.section == "4.4" {
			switch r.name {
			case "resolution", "codec", "bitrate", "fps", "sample rate", "channels":
				list[i].says = strings.TrimPrefix(strings.Split(r.request, `"outputs":{"`)[1], "mp4:")[:3]
			}
		}
	}
	return list
}

// hashRows are section 4.6.
func hashRows() []row {
	var list []row
	for _, m := range []struct{ name, member string }{
		{"resolution", `"1280x720"`}, {"video_codec", `"h264"`}, {"video_bitrate", `"2000k"`}, {"fps", `"25fps"`}, {"audio_codec", `"aac"`},
		{"audio_bitrate", `"128k"`}, {"sample_rate", `"44100hz"`}, {"audio_channel", `"stereo"`}, {"pix_fmt", `"yuv420p"`}, {"2pass", `true`},
		{"quality", `5`}, {"maxrate", `"4000k"`}, {"vprofile", `"high"`}, {"level", `"41"`}, {"frag", `true`},
	} {
		list = append(list, row{section: "4.6", name: m.name, request: output("mp4", `"format":{"`+m.name+`":`+m.member+`}`), test: "transcode/format.TestCanonicalFromHash"})
	}
	return list
}

// exampleRows are section 4.7.
func exampleRows() []row {
	var list []row
	for _, f := range strings.Fields("mp4 mp4:240p mp4:240p_400k mp4:720p mp4:1080p:256k mp4:1080p:x mp4:720p::2pass mp4:1080p::vprofile=high,level=50 " +
		"mp4:hevc_720p_1500k mp4:x mp4:x:64k mp4:x:64k_mono mp4::256k mp4:::quality=4 mp4:::quality=5 mp4:360p::quality=4 mp4:240p::quality=4,maxrate=400k " +
		"mp4:480p::quality=4,maxrate=1500K mp4:720p::quality=5,maxrate=4000k,vprofile=high,pix_fmt=yuv420p mp4:720p::maxrate=2500k mp4:0x720 mp4:1080x1920 webm " +
		"webm:600x0_800k webm:vp9 webm:0x480 avi:0x240_500k hls:360p mp3 mp3:64k mp3:64k_22050hz_mono ogg:64k jpg jpg:300x jpg:540p jpg:160x84 jpg:400x400 " +
		"png:600x600 webp:160x gif:320x320 gif:300x httpstream hls") {
		r := row{section: "4.7", name: f, request: output(f, ""), test: "transcode/format.TestParseExamplesOfTheSpecification"}
		if f == "httpstream" {
			r.request = stream("")
		}
		list = append(list, r)
	}
	return list
}
