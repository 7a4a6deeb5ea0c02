package spec

// videoRows are section 5.2.
func videoRows() []row {
	var list []row
	for _, p := range []struct{ name, member, test, says string }{
		{"path", ``, "api/coconut.TestRefused", ""},
		{"if", `"if":"{{ input.width }} >= 1280"`, "e2e.TestExpressions", ""},
		{"key", `"key":"a:b"`, "e2e.TestConsumers", ""},
		{"format", `"format":{"resolution":"0x240"}`, "e2e.TestConsumers", ""},
		{"offset", `"offset":5`, "transcode.TestOffsetOfAudioAndVideo", "Offset"},
		{"duration", `"duration":1`, "transcode.TestGolden", ""},
		{"fit", `"fit":"crop"`, "transcode.TestFit", ""},
		{"transpose", `"transpose":1`, "transcode.TestTurns", ""},
		{"vflip", `"vflip":true`, "transcode.TestTurns", ""},
		{"hflip", `"hflip":true`, "transcode.TestTurns", ""},
		{"deinterlace", `"deinterlace":true`, "transcode.TestInterlaced", "deinterlace"},
		{"square", `"square":true`, "transcode.TestShapes", ""},
		{"crop", `"crop":"640:360"`, "transcode.TestShapes", ""},
		{"watermark", `"watermark":{"url":"https://example.com/logo.png","position":"bottomright"}`, "transcode.TestWatermark", "Watermark"},
	} {
		list = append(list, row{section: "5.2", name: p.name, request: output("mp4:360p", p.member), test: p.test, says: p.says})
	}
	return append(list, row{section: "5.2", name: "url", test: "e2e.TestConsumers", says: "X-Amz-Signature",
		request: request(`outputs={"mp4":{"url":"https://example.com/a.mp4?X-Amz-Signature=b"}}`, "storage=")})
}

// imageRows are section 5.3.
func imageRows() []row {
	var list []row
	for _, p := range []struct{ name, member, test, says string }{
		{"path", ``, "transcode.TestPicturePath", "%.2d"},
		{"if", `"if":"{{ input.width }} >= 1280"`, "api/coconut.TestAccepted", ""},
		{"key", `"key":"jpg:medium"`, "e2e.TestConsumers", "jpg:medium"},
		{"format{resolution}", `"format":{"resolution":"300x"}`, "e2e.TestPictures", "resolution"},
		{"number", `"number":1`, "e2e.TestPictures", ""},
		{"interval", `"interval":0,"sprite":true`, "transcode.TestSprites", "interval"},
		{"offsets", `"offsets":[1]`, "transcode.TestPicturesAreOfTheirMoment", "offsets"},
		{"square", `"square":true`, "transcode.TestShapes", ""},
		{"blur", `"blur":5`, "transcode.TestBlur", ""},
		{"fit", `"fit":"crop"`, "transcode.TestFitPicture", ""},
		{"transpose", `"transpose":2`, "transcode.TestTurns", ""},
		{"vflip", `"vflip":true`, "transcode.TestTurns", ""},
		{"hflip", `"hflip":true`, "transcode.TestTurns", ""},
		{"watermark", `"watermark":{"url":"https://example.com/logo.png"}`, "transcode.TestWatermark", "Watermark"},
		{"sprite", `"interval":10,"sprite":{"columns":5}`, "transcode.TestSprites", ""},
		{"vtt", `"vtt":{"filename":"a.vtt"}`, "transcode.TestWebVTT", ""},
	} {
		list = append(list, row{section: "5.3", name: p.name, request: output("jpg:300x", p.member), test: p.test, says: p.says})
	}
	return append(list,
		row{section: "5.3", name: "scene", request: output("gif:300x", `"scene":{"number":5,"duration":1}`), test: "transcode.TestAnimations"},
		row{section: "5.3", name: "width", request: output("gif:501x", ""), code: "output_format_not_valid", test: "api/coconut.TestRefused", says: "500"})
}

// streamRows are section 5.4.
func streamRows() []row {
	return []row{
		{section: "5.4", name: "path", request: stream(`,"path":"/base"`), test: "e2e.TestConsumers", says: "/vods/42/"},
		{section: "5.4", name: "if", request: stream(`,"if":"{{ input.is_hd }}"`), test: "api/coconut.TestEvalCondition"},
		{section: "5.4", name: "key", request: stream(`,"key":"stream"`), test: "api/coconut.TestAccepted"},
		{section: "5.4", name: "variants", request: stream(`,"variants":["mp4:hevc_360p","mp4:x:64k","mp4:720p"]`), test: "e2e.TestConsumers"},
		{section: "5.4", name: "playlist_name", request: stream(`,"playlist_name":"index"`), test: "api/coconut.TestRefused"},
		{section: "5.4", name: "dash", request: stream(`,"dash":{"path":"/dash","hlsfmp4":true}`), test: "transcode.TestStreams"},
		{section: "5.4", name: "hls", request: request(`outputs={"httpstream":{"hls":{"path":"hls/","version":3}}}`), test: "transcode.TestVersion3"},
	}
}
