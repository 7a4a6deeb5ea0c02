package encoder

// Image is a row of the table of encoders of pictures and animations.
type Image struct {
	Name      string // FFmpeg's
	Container string // by the name of package codec
	Title     string
	Args      []string
	Muxer     string // FFmpeg's, of a file with one picture or animation
	// Palette: the colours are chosen by filters, after a look at all frames.
	Palette bool
	// Unreadable: FFmpeg writes such files but cannot read them.
	Unreadable bool
	// PixFmt is the pixel format of a picture without transparency, AlphaPixFmt
	// that of one with it.
	PixFmt, AlphaPixFmt string
}

// images is the table. The colours of a GIF are chosen by filters, so its
// frames come to them without chroma subsampling.
var images = []Image{
	{Name: "mjpeg", Container: "jpg", Title: "JPEG pictures", Muxer: "image2", Args: []string{"-q:v", "2"}, PixFmt: "yuvj420p", AlphaPixFmt: "yuvj420p"},
	{Name: "png", Container: "png", Title: "PNG pictures", Muxer: "image2", PixFmt: "rgb24", AlphaPixFmt: "rgba"},
	{Name: "libwebp", Container: "webp", Title: "WebP pictures", Muxer: "image2", Args: []string{"-quality", "85"}, PixFmt: "yuv420p", AlphaPixFmt: "yuva420p"},
	{Name: "gif", Container: "gif", Title: "GIF", Muxer: "gif", Palette: true, PixFmt: "bgr0", AlphaPixFmt: "bgr0"},
	// -loop 0: for ever.
	{Name: "libwebp_anim", Container: "webp_anim", Title: "animated WebP", Args: []string{"-quality", "75", "-loop", "0"}, Muxer: "webp", Unreadable: true, PixFmt: "yuv420p", AlphaPixFmt: "yuv420p"},
}

// Images returns the encoders of pictures and animations.
func Images() []*Image {
	list := make([]*Image, len(images))
	for i := range images {
		list[i] = &images[i]
	}
	return list
}

// ForImage finds the encoder of a container of pictures; nil when there is none.
func ForImage(container string) *Image {
	for i := range images {
		if images[i].Container == container {
			return &images[i]
		}
	}
	return nil
}

// CodecArgs are the arguments that choose the encoder.
func (e *Image) CodecArgs() []string { return append([]string{"-c:v", e.Name}, e.Args...) }

// PixelFormat is the pixel format for a picture with or without transparency.
func (e *Image) PixelFormat(alpha bool) string {
	if alpha {
		return e.AlphaPixFmt
	}
	return e.PixFmt
}
