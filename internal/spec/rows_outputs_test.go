package spec

import (
	"fmt"
)

// mark is a watermark.
const mark = `{"url":"http://recorder:80/logo.png","position":"bottomleft"}`

// skips are the lines of a condition.
var skips = []string{"publishes /", "packages /", "output is skipped", "output fails"}

// members makes rows of parameters of an output, each against the same output
// with another value, or without.
func members(section, format string, params [][3]string) (list []row) {
	for _, p := range params {
		r := pair(section, p[0], output(format, p[1]), output(format, p[2]))
		if p[0] == "if" {
			r.only = skips
		}
		list = append(list, r)
	}
	return list
}

// fileRows are section 5.2.
func fileRows() []row {
	list := members("5.2", "mp4:400x400", [][3]string{
		{"if", `"if":"{{ input.width }} < 1280"`, ``},
		{"key", `"key":"a:b"`, ``},
		{"format", `"format":{"resolution":"0x240"}`, ``},
		{"offset", `"offset":5`, ``},
		{"duration", `"duration":1`, ``},
		{"fit", `"fit":"crop"`, ``},
		{"transpose", `"transpose":1`, ``},
		{"vflip", `"vflip":true`, ``},
		{"hflip", `"hflip":true`, ``},
		{"deinterlace", `"deinterlace":true`, ``},
		{"square", `"square":true`, ``},
		{"crop", `"crop":"640:360"`, ``},
		{"watermark", `"watermark":` + mark, ``},
	})
	return append(list,
		pair("5.2", "path", request(`outputs={"mp4":{"path":"/dir/b.mp4"}}`), request(`outputs={"mp4":{"path":"/a.mp4"}}`)),
		pair("5.2", "url", request(`outputs={"mp4":{"url":"http://recorder:80/a.mp4?X-Amz-Signature=b"}}`), request(`outputs={"mp4":{"path":"/a.mp4"}}`)))
}

// pictureRows are section 5.3.
func pictureRows() []row {
	several := func(params string) string {
		return request(`outputs={"jpg:300x":{"path":"/a_%.2d.jpg"` + params + `}}`)
	}
	list := members("5.3", "jpg:300x300", [][3]string{
		{"if", `"if":"{{ input.width }} < 1280"`, ``},
		{"key", `"key":"jpg:medium"`, ``},
		{"format{resolution}", `"format":{"resolution":"200x"}`, ``},
		{"square", `"square":true`, ``},
		{"blur", `"blur":5`, ``},
		{"fit", `"fit":"crop"`, ``},
		{"transpose", `"transpose":2`, ``},
		{"vflip", `"vflip":true`, ``},
		{"hflip", `"hflip":true`, ``},
		{"watermark", `"watermark":` + mark, ``},
	})
	return append(list,
		pair("5.3", "path", several(`,"number":3`), request(`outputs={"jpg:300x":{"path":"/b_%05d.jpg","number":3}}`)),
		pair("5.3", "number", several(`,"number":3`), several("")),
		pair("5.3", "interval", several(`,"interval":0`), several("")),
		pair("5.3", "offsets", several(`,"offsets":[1,2.5]`), several("")),
		pair("5.3", "sprite", several(`,"interval":10,"sprite":{"columns":3,"limit":2}`), several(`,"interval":10`)),
		pair("5.3", "vtt", several(`,"interval":10,"vtt":{"filename":"track.vtt"}`), several(`,"interval":10`)),
		pair("5.3", "scene", output("gif:300x", `"scene":{"number":5,"duration":1}`), output("gif:300x", "")),
		pair("5.3", "width", output("gif:501x", ""), output("gif:500x", "")))
}

// streamRows are section 5.4.
func streamRows() []row {
	list := []row{
		pair("5.4", "path", streamed(`,"path":"/base"`), streamed("")),
		pair("5.4", "if", streamed(`,"if":"NOT {{ input.is_hd }}"`), streamed("")),
		pair("5.4", "key", streamed(`,"key":"stream"`), streamed("")),
		pair("5.4", "variants", streamed(`,"variants":["mp4:360p","mp4:x:64k","mp4:720p"]`), streamed("")),
		pair("5.4", "playlist_name", streamed(`,"playlist_name":"index"`), streamed("")),
		pair("5.4", "dash", streamed(`,"dash":{"path":"/dash","hlsfmp4":true}`), streamed("")),
		pair("5.4", "hls", request(`outputs={"httpstream":{"hls":{"path":"hls/","version":3},"dash":{"path":"dash"},"variants":["mp4:360p"]}}`),
			request(`outputs={"httpstream":{"dash":{"path":"dash"},"variants":["mp4:360p"]}}`)),
	}
	list[1].only = skips
	return list
}

// variableRows are the variables of section 5.5: an output has the variable in
// its path, and a condition that is true of the one input and not of the other.
func variableRows() (list []row) {
	turned := `"field_order":"progressive","side_data_list":[{"side_data_type":"Display Matrix","rotation":-90}]`
	for _, v := range []struct {
		name, value string
		quoted      bool
		film        []string
	}{
		{"width", "1920", false, []string{`"width":1920`, `"width":1280`}},
		{"height", "1080", false, []string{`"height":1080`, `"height":720`}},
		{"rotation", "0", false, []string{`"field_order":"progressive"`, turned}},
		{"fps", "25", false, []string{`"25/1"`, `"24000/1001"`}},
		{"ifps", "25", false, []string{`"25/1"`, `"24000/1001"`}},
		{"duration", "30", false, []string{`"30.000000"`, `"12.700000"`}},
		{"is_hd", "true", false, []string{`"width":1920,"height":1080`, `"width":640,"height":360`}},
		{"is_audio_only", "false", false, []string{`"codec_type":"video"`, `"codec_type":"data"`}},
		{"video_codec", "h264", true, []string{`"h264"`, `"hevc"`}},
		{"audio_codec", "aac", true, []string{`"aac"`, `"mp3"`}},
		{"format", "mov,mp4,m4a,3gp,3g2,mj2", true, []string{`"mov,mp4,m4a,3gp,3g2,mj2"`, `"matroska,webm"`}},
		{"mime_type", "video/mp4", true, []string{`"mov,mp4,m4a,3gp,3g2,mj2"`, `"matroska,webm"`}},
		{"video_bitrate", "4000", false, []string{`"4000000"`, `"2500000"`}},
		{"audio_bitrate", "128", false, []string{`"128000"`, `"64000"`}},
		{"channels", "6", false, []string{`"channels":6,"channel_layout":"5.1"`, `"channels":1,"channel_layout":"mono"`}},
		{"sample_rate", "44100", false, []string{`"44100"`, `"48000"`}},
		{"file_size", "1048576", false, []string{`"1048576"`, `"2097152"`}},
		{"metadata.format.*", "Film", true, []string{`"title":"Film"`, `"title":"Clip"`}},
		{"metadata.streams…", "eng", true, []string{`"eng"`, `"deu"`}},
	} {
		variable, value := "input."+v.name, v.value
		switch v.name {
		case "metadata.format.*":
			variable = "input.metadata.format.tags.title"
		case "metadata.streams…":
			variable = "input.metadata.streams[1].tags.language"
		}
		if v.quoted {
			value = "'" + value + "'"
		}
		body := request(fmt.Sprintf(`outputs={"mp4:x":[{"path":"/{{ %s }}.mp4","key":"in the path"},{"path":"/b.mp4","key":"if","if":"{{ %s }} = %s"}]}`, variable, variable, value))
		list = append(list, row{section: "5.5", name: "input." + v.name, with: attempt{job: body}, without: attempt{job: body, film: v.film},
			only: skips})
	}
	return list
}

// operatorRows are the operators of section 5.5, each against another one of
// which the answer differs.
func operatorRows() (list []row) {
	for _, c := range [][3]string{
		{"<", "{{ input.width }} < 1920", "{{ input.width }} <= 1920"}, {">", "{{ input.width }} > 1920", "{{ input.width }} >= 1920"},
		{"<=", "{{ input.width }} <= 1920", "{{ input.width }} < 1920"}, {">=", "{{ input.width }} >= 1920", "{{ input.width }} > 1920"},
		{"<>", "{{ input.width }} <> 1920", "{{ input.width }} = 1920"}, {"!=", "{{ input.width }} != 1920", "{{ input.width }} = 1920"},
		{"=", "{{ input.width }} = 1920", "{{ input.width }} != 1920"},
		{"AND", "{{ input.width }} = 1920 AND {{ input.height }} = 720", "{{ input.width }} = 1920 OR {{ input.height }} = 720"},
		{"OR", "{{ input.width }} = 1920 OR {{ input.height }} = 720", "{{ input.width }} = 1920 AND {{ input.height }} = 720"},
		{"NOT", "NOT {{ input.is_hd }}", "{{ input.is_hd }}"},
	} {
		r := pair("5.5", c[0], output("mp4:x", `"if":"`+c[1]+`"`), output("mp4:x", `"if":"`+c[2]+`"`))
		r.only = skips
		list = append(list, r)
	}
	return list
}

// functionRows are section 5.6: the width of the output is an expression, that
// of the control another one over the same numbers.
func functionRows() (list []row) {
	for _, f := range [][3]string{
		{"+", "input.width + 80", "input.width - 80"}, {"-", "input.width - 80", "input.width + 80"}, {"*", "input.width * 2", "input.width / 2"},
		{"/", "input.width / 2", "input.width * 2"}, {"min", "min(input.width, 640)", "max(input.width, 640)"}, {"max", "max(input.width, 640)", "min(input.width, 640)"},
		{"int", "int(input.width / 7) * 7", "input.width / 7 * 7"}, {"float", "float(input.width / 7) * 7", "int(input.width / 7) * 7"},
		{"if(cond,a,b)", "if(input.width > 640, 640, 320)", "if(input.width < 640, 640, 320)"},
	} {
		width := func(expr string) string { return output("mp4", `"format":{"resolution":"{% `+expr+` %}x"}`) }
		r := pair("5.6", f[0], width(f[1]), width(f[2]))
		r.only = skips
		list = append(list, r)
	}
	at := func(offsets string) string {
		return request(`outputs={"jpg":{"path":"/a_%.2d.jpg","offsets":` + offsets + `}}`)
	}
	return append(list, pair("5.6", "array", at(`"{% array(1, input.duration / 3) %}"`), at(`"{% array(1) %}"`)))
}
