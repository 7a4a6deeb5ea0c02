package coconut

import (
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// What the API knows and this server does not do yet is refused here and
// nowhere else: a request is told at POST, not by a failing job. Making
// something work means to extend a list or to delete a row.
var (
	supportedInputSchemes  = []string{"http", "https"}
	supportedInputServices = []string{
		"s3", "s3other", "gcs", "dospaces", "linode", "wasabi", "scaleway", "vultr", "cdn77", "contabo", "impossible", "r2", "minio",
		"azure",
	}
	supportedStorages      = append([]string{"coconut", serviceURL}, supportedInputServices...)
	supportedNotifications = []string{"http"}
)

// unsupportedParam is a row of what is not carried out.
type unsupportedParam struct {
	param string
	// used tells whether an output asks for something that the server would
	// not do; a param that is given its default is no reason to refuse.
	used func(*output) bool
	// value is set when only this value of the param is not supported. Then one
	// with an expression is refused only after its evaluation.
	value string
}

// unsupportedParams are the params of outputs that are not carried out.
var unsupportedParams = []unsupportedParam{
	{"fit", func(o *output) bool { return o.fit() == "crop" }, "crop"},
	{"transpose", func(o *output) bool {
		return o.Video != nil && o.Video.Transpose != nil || o.Image != nil && o.Image.Transpose != nil
	}, ""},
	{"vflip", func(o *output) bool { return o.Video != nil && o.Video.VFlip || o.Image != nil && o.Image.VFlip }, ""},
	{"hflip", func(o *output) bool { return o.Video != nil && o.Video.HFlip || o.Image != nil && o.Image.HFlip }, ""},
	{"deinterlace", func(o *output) bool { return o.Video != nil && o.Video.Deinterlace }, ""},
	{"square", func(o *output) bool { return o.Video != nil && o.Video.Square || o.Image != nil && o.Image.Square }, ""},
	{"crop", func(o *output) bool { return o.Video != nil && o.Video.CropW != "" }, ""},
	{"watermark", func(o *output) bool {
		return o.Video != nil && o.Video.Watermark != nil || o.Image != nil && o.Image.Watermark != nil
	}, ""},
	{"blur", func(o *output) bool { return o.Image != nil && o.Image.Blur > 0 }, ""},
	{"sprite", func(o *output) bool { return o.Image != nil && o.Image.Sprite != nil }, ""},
	{"vtt", func(o *output) bool { return o.Image != nil && o.Image.VTT != nil }, ""},
	{"scene", func(o *output) bool { return o.given["scene"] && o.Image != nil && o.Image.Scene != nil }, ""},
}

func (o *output) fit() string {
	switch {
	case o.Video != nil:
		return o.Video.Fit
	case o.Image != nil:
		return o.Image.Fit
	}
	return ""
}

// notYet is how every refusal of this file reads.
const notYet = "%s is recognised, but not supported by this server yet; supported are %s."

// unsupportedJob refuses what a job asks for beside its outputs.
func unsupportedJob(s *job.Spec) *job.Error {
	scheme, _, _ := strings.Cut(s.Input.URL.Reveal(), "://")
	scheme = strings.ToLower(scheme)
	switch {
	case s.Input.Storage == nil && !slices.Contains(supportedInputSchemes, scheme):
		return job.Errorf("input_url_not_valid", notYet, "An input URL with the scheme '"+scheme+"'", list(supportedInputSchemes))
	case s.Input.Storage != nil && !slices.Contains(supportedInputServices, s.Input.Storage.Service):
		return job.Errorf(codeService, notYet, "The input service '"+s.Input.Storage.Service+"'", list(supportedInputServices)+", and http and https URLs")
	case s.Storage != nil && !slices.Contains(supportedStorages, s.Storage.Service):
		return job.Errorf(codeService, notYet, "The storage service '"+s.Storage.Service+"'", list(supportedStorages))
	case s.Notification != nil && !slices.Contains(supportedNotifications, s.Notification.Type):
		return job.Errorf("notification_not_valid", notYet, "The notification type '"+s.Notification.Type+"'", list(supportedNotifications))
	}
	return nil
}

// unsupportedOutput refuses what an output asks for: formats first, because
// they decide what there is to be done.
func unsupportedOutput(o *output) *job.Error {
	if o.Stream == nil { // variants are checked where they are read
		if err := format.Supported(o.Format); err != nil {
			return job.Errorf(codeFormat, "The output '%s' is not supported: %s.", shorten(o.name), sentence(err))
		}
	}
	for _, p := range unsupportedParams {
		if !p.used(o) && !(o.deferred[p.param] && p.value == "") {
			continue
		}
		what := "The param '" + p.param + "' of " + string(o.Type) + " outputs"
		if p.value != "" {
			what = "The value '" + p.value + "' of the param '" + p.param + "' of " + string(o.Type) + " outputs"
		}
		return job.Errorf(codeParam, notYet, what, list(supportedParams(o)))
	}
	return nil
}

// supportedParams are the params that an output of the kind of o may have.
func supportedParams(o *output) []string {
	accepted := videoParams
	switch {
	case o.Stream != nil:
		return []string{"path", "if", "key", "variants", "playlist_name", "hls.path", "hls.version", "hls.encryption_key", "hls.encryption_key_uri", "dash.path", "dash.hlsfmp4"}
	case o.Format.Kind() == format.KindAnimated:
		accepted = animatedParams
	case o.Image != nil:
		accepted = imageParams
	}
	return slices.DeleteFunc(slices.Clone(accepted), func(name string) bool {
		return slices.ContainsFunc(unsupportedParams, func(p unsupportedParam) bool { return p.param == name && p.value == "" })
	})
}

func list(names []string) string { return strings.Join(names, ", ") }
