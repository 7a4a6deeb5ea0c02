package encoder

import (
	"slices"
	"strings"

	"github.com/copra-video/copra/transcode/codec"
)

// The backends that are devices. FFmpeg's own names of them are part of the names
// of their encoders.
const (
	NVENC Backend = "nvenc" // NVIDIA
	QSV   Backend = "qsv"   // Intel's Quick Sync Video, by libvpl or libmfx
	VAAPI Backend = "vaapi" // Intel and AMD, by Mesa's and Intel's drivers
)

// Backends lists the devices, the preferred one first. Where a card is known to
// two, as Intel's are, the vendor's own comes first.
func Backends() []Backend { return []Backend{NVENC, QSV, VAAPI} }

// deviceName is what the arguments of a run call the device.
const deviceName = "device"

// DeviceArgs open a device, before the inputs of a run. device is a render node
// such as /dev/dri/renderD128, or the number of an NVIDIA card, from 0.
// (ffmpeg(1), -init_hw_device and -filter_hw_device.)
func (b Backend) DeviceArgs(device string) []string {
	switch b {
	case NVENC:
		return []string{"-init_hw_device", "cuda=" + deviceName + ":" + device}
	case QSV:
		return []string{"-init_hw_device", "qsv=" + deviceName + ":hw,child_device=" + device}
	case VAAPI:
		return []string{"-init_hw_device", "vaapi=" + deviceName + ":" + device, "-filter_hw_device", deviceName}
	}
	return nil
}

// UploadFilters bring a picture of a pixel format into the form that the encoder
// takes, and to the device where it does not take pictures from main memory.
func (e *Video) UploadFilters(pixFmt string) []string {
	if e.Backend == Software {
		return nil
	}
	filters := []string{"format=" + devicePixFmts[pixFmt]}
	if e.Backend == VAAPI {
		filters = append(filters, "hwupload")
	}
	return filters
}

// devicePixFmts are the pixel formats of devices, by those of the same samples
// that the planner uses. All backends have these two, and what else they have
// differs from card to card.
var devicePixFmts = map[string]string{"yuv420p": "nv12", "nv12": "nv12", "yuv420p10le": "p010le"}

// TakesPixFmt reports whether the encoder of a device takes the samples of a pixel
// format.
func (e *Video) TakesPixFmt(name string) bool {
	return devicePixFmts[name] != "" && slices.Contains(e.Depths, codec.Pixels(name).Depth)
}

// hardware is the table of the encoders of devices. Whether a machine has them is
// found out by a trial; whether FFmpeg knows the options is held by a test
// against its own list.
//
// Their columns of quality follow the vendors' scales, whose steps are those of a
// quantiser. They are not measured by us for each card: the trial tells how far
// the column is from that of the software, and a card that falls short is not
// chosen by itself.
var hardware = []Video{
	{
		Name: "h264_nvenc", Backend: NVENC, Codecs: []string{"h264"}, Intermediate: MP4, Depths: []int{8},
		Preset: "p5", Presets: nvencPresets, Quality: [5]int{34, 31, 28, 25, 22}, Weight: 0.2,
		Limits: Limits{MinW: 146, MinH: 50, MaxW: 4096, MaxH: 4096},
		rate:   vbvRate, profile: h264Profile, args: h264NVENCArgs,
	},
	{
		Name: "hevc_nvenc", Backend: NVENC, Codecs: []string{"hevc"}, Intermediate: MP4, Depths: []int{8, 10},
		Preset: "p5", Presets: nvencPresets, Quality: [5]int{36, 33, 30, 27, 24}, Weight: 0.3,
		Limits: Limits{MinW: 130, MinH: 34, MaxW: 8192, MaxH: 8192},
		rate:   vbvRate, profile: hevcProfile, args: hevcNVENCArgs,
	},
	{
		Name: "av1_nvenc", Backend: NVENC, Codecs: []string{"av1"}, Intermediate: MP4, Depths: []int{8, 10},
		Preset: "p5", Presets: map[string]string{}, Quality: [5]int{46, 41, 36, 31, 26}, Weight: 0.3,
		Limits: Limits{MinW: 192, MinH: 128, MaxW: 8192, MaxH: 8192},
		rate:   vbvRate, args: av1NVENCArgs,
	},
	{
		Name: "h264_qsv", Backend: QSV, Codecs: []string{"h264"}, Intermediate: MP4, Depths: []int{8},
		Preset: "medium", Presets: qsvPresets, Quality: [5]int{33, 30, 27, 24, 21}, Weight: 0.2,
		Limits: Limits{MinW: 128, MinH: 96, MaxW: 4096, MaxH: 4096},
		rate:   vbvRate, profile: h264Profile, args: h264QSVArgs,
	},
	{
		Name: "hevc_qsv", Backend: QSV, Codecs: []string{"hevc"}, Intermediate: MP4, Depths: []int{8, 10},
		Preset: "medium", Presets: qsvPresets, Quality: [5]int{34, 31, 28, 25, 22}, Weight: 0.3,
		Limits: Limits{MinW: 128, MinH: 128, MaxW: 8192, MaxH: 8192},
		rate:   vbvRate, profile: hevcProfile, args: hevcQSVArgs,
	},
	{
		Name: "av1_qsv", Backend: QSV, Codecs: []string{"av1"}, Intermediate: MP4, Depths: []int{8, 10},
		Preset: "medium", Presets: map[string]string{}, Quality: [5]int{34, 31, 28, 25, 22}, Weight: 0.3,
		Limits: Limits{MinW: 128, MinH: 128, MaxW: 8192, MaxH: 8192},
		rate:   vbvRate, args: av1QSVArgs,
	},
	{
		Name: "h264_vaapi", Backend: VAAPI, Codecs: []string{"h264"}, Intermediate: MP4, Depths: []int{8},
		Quality: [5]int{34, 31, 28, 25, 22}, Weight: 0.2, Presets: vaapiPresets,
		Limits: Limits{MinW: 128, MinH: 128, MaxW: 4096, MaxH: 4096},
		rate:   vaapiRate, profile: h264Profile, args: h264VAAPIArgs,
	},
	{
		Name: "hevc_vaapi", Backend: VAAPI, Codecs: []string{"hevc"}, Intermediate: MP4, Depths: []int{8, 10},
		Quality: [5]int{35, 32, 29, 26, 23}, Weight: 0.3, Presets: vaapiPresets,
		Limits: Limits{MinW: 130, MinH: 128, MaxW: 8192, MaxH: 8192},
		rate:   vaapiRate, profile: hevcProfile, args: hevcVAAPIArgs,
	},
	{
		Name: "av1_vaapi", Backend: VAAPI, Codecs: []string{"av1"}, Intermediate: MP4, Depths: []int{8, 10},
		Quality: [5]int{170, 145, 120, 95, 75}, Weight: 0.3, Presets: map[string]string{},
		Limits: Limits{MinW: 320, MinH: 128, MaxW: 8192, MaxH: 8192},
		rate:   vaapiRate, args: av1VAAPIArgs,
	},
}

// Hardware lists the encoders of devices that make a codec in a container, in the
// order of Backends.
func Hardware(name, container string) []*Video {
	var list []*Video
	for i := range hardware {
		if hardware[i].makes(name, container) {
			list = append(list, &hardware[i])
		}
	}
	return list
}

// HardwareRows lists all encoders of devices.
func HardwareRows() []*Video {
	list := make([]*Video, len(hardware))
	for i := range hardware {
		list[i] = &hardware[i]
	}
	return list
}

// Presets of the vendors by the words of x264, which are those of the option
// preset: about the same place on the way from fast to thorough.
var (
	nvencPresets = map[string]string{
		"ultrafast": "p1", "superfast": "p1", "veryfast": "p2", "faster": "p3", "fast": "p4",
		"medium": "p5", "slow": "p6", "slower": "p7", "veryslow": "p7", "placebo": "p7",
	}
	qsvPresets = map[string]string{
		"ultrafast": "veryfast", "superfast": "veryfast", "veryfast": "veryfast", "faster": "faster", "fast": "fast",
		"medium": "medium", "slow": "slow", "slower": "slower", "veryslow": "veryslow", "placebo": "veryslow",
	}
	// VA-API has no presets that mean the same with all drivers.
	vaapiPresets = map[string]string{
		"ultrafast": "", "superfast": "", "veryfast": "", "faster": "", "fast": "",
		"medium": "", "slow": "", "slower": "", "veryslow": "", "placebo": "",
	}
)

// rateArgs print a rate of vbvRate for an encoder that has an option of its own
// for a quality, which a maxrate bounds.
func rateArgs(r Rate, quality ...string) []string {
	if r.CRF == 0 {
		return []string{"-b:v", kilobits(r.BitrateK), "-maxrate", kilobits(r.MaxrateK), "-bufsize", kilobits(r.BufferK)}
	}
	args := append(quality, number(r.CRF))
	if r.MaxrateK > 0 {
		return append(args, "-maxrate", kilobits(r.MaxrateK), "-bufsize", kilobits(r.BufferK))
	}
	return args
}

// nvencArgs: look-ahead moves keyframes to scene cuts unless it is told not to,
// and a forced keyframe is an IDR frame only with forced-idr.
func nvencArgs(s Settings, rate Rate, r Run) []string {
	args := []string{"-preset", s.Preset, "-tune", "hq", "-rc", "vbr"}
	if rate.CRF > 0 {
		// A bitrate of 0 is what makes it a constant quality: FFmpeg's default
		// of 2 Mbit/s would bound it.
		args = append(args, "-b:v", "0")
	}
	args = append(args, rateArgs(rate, "-cq")...)
	args = append(args, "-rc-lookahead", "20", "-spatial-aq", "1")
	if s.NoBFrames {
		args = append(args, "-bf", "0")
	}
	return append(append(args, gopArgs(r)...), "-forced-idr", "1")
}

func h264NVENCArgs(s Settings, rate Rate, r Run) []string {
	args := append(nvencArgs(s, rate, r), "-no-scenecut", "1", "-profile:v", s.Profile)
	return append(args, levelArgs(s)...)
}

func hevcNVENCArgs(s Settings, rate Rate, r Run) []string {
	args := append(nvencArgs(s, rate, r), "-no-scenecut", "1", "-profile:v", s.Profile)
	return append(append(args, levelArgs(s)...), "-tag:v", "hvc1")
}

func av1NVENCArgs(s Settings, rate Rate, r Run) []string {
	return append(nvencArgs(s, rate, r), "-no-scenecut", "1")
}

// qsvArgs: adaptive I frames are off, since they come between the keyframes of
// the grid.
func qsvArgs(s Settings, rate Rate, r Run) []string {
	args := append([]string{"-preset", s.Preset, "-async_depth", "4"}, qsvRateArgs(rate)...)
	if s.NoBFrames {
		args = append(args, "-bf", "0")
	}
	return append(append(args, gopArgs(r)...), "-forced_idr", "1", "-flags", "+cgop")
}

// qsvRateArgs: a quality alone is Intel's ICQ. With a bound it is QVBR, which
// takes a bitrate to aim at besides, and that must not be the bound itself, which
// would be CBR (libavcodec/qsvenc.c, select_rc_mode).
func qsvRateArgs(r Rate) []string {
	args := rateArgs(r, "-global_quality")
	if r.CRF > 0 && r.MaxrateK > 0 {
		args = append(args, "-b:v", kilobits(max(1, r.MaxrateK*3/4)))
	}
	return args
}

func h264QSVArgs(s Settings, rate Rate, r Run) []string {
	args := append(qsvArgs(s, rate, r), "-adaptive_i", "0", "-idr_interval", "0", "-profile:v", s.Profile)
	return append(args, levelNumber(s)...)
}

// hevcQSVArgs: of HEVC, an IDR interval of 0 makes only the first I frame one.
func hevcQSVArgs(s Settings, rate Rate, r Run) []string {
	args := append(qsvArgs(s, rate, r), "-idr_interval", "1", "-profile:v", s.Profile)
	return append(append(args, levelNumber(s)...), "-tag:v", "hvc1")
}

func av1QSVArgs(s Settings, rate Rate, r Run) []string { return qsvArgs(s, rate, r) }

// vaapiRate is that of VA-API. Its bounded quality, QVBR, is there with some
// drivers only, so a bound makes a quality a bitrate of three quarters of it.
func vaapiRate(s Settings) Rate {
	if bound := s.EffectiveMaxrateK(); s.CRF > 0 && bound > 0 {
		return Rate{BitrateK: max(1, bound*3/4), MaxrateK: bound, BufferK: 2 * bound}
	}
	return vbvRate(s)
}

// vaapiArgs: the encoder finds no scene cuts, and makes an IDR frame of each
// forced keyframe.
func vaapiArgs(s Settings, rate Rate, r Run) []string {
	mode := "VBR"
	quality := []string{"-qp"}
	if rate.CRF > 0 {
		mode = "CQP"
	}
	args := append([]string{"-rc_mode", mode}, rateArgs(rate, quality...)...)
	if s.NoBFrames {
		args = append(args, "-bf", "0")
	}
	return append(append(args, gopArgs(r)...), "-idr_interval", "0", "-flags", "+cgop")
}

// h264VAAPIArgs: baseline is known as constrained baseline only, which is what
// all encoders mean by it.
func h264VAAPIArgs(s Settings, rate Rate, r Run) []string {
	profile := s.Profile
	if profile == "baseline" {
		profile = "constrained_baseline"
	}
	return append(append(vaapiArgs(s, rate, r), "-profile:v", profile), vaapiLevel(s)...)
}

func hevcVAAPIArgs(s Settings, rate Rate, r Run) []string {
	args := append(vaapiArgs(s, rate, r), "-profile:v", s.Profile)
	return append(append(args, vaapiLevel(s)...), "-tag:v", "hvc1")
}

// av1VAAPIArgs: the quantiser of AV1 goes to 255, and is not told by -qp.
func av1VAAPIArgs(s Settings, rate Rate, r Run) []string {
	args := vaapiArgs(s, rate, r)
	for i := range args {
		args[i] = strings.Replace(args[i], "-qp", "-global_quality", 1)
	}
	return args
}

// levelArgs are a level by its name, "3.1".
func levelArgs(s Settings) []string {
	if s.Level == "" {
		return nil
	}
	return []string{"-level", dotted(s.Level)}
}

// vaapiLevel is a level by VA-API's name, which is "3" for 3.0: that would be
// read as the number three.
func vaapiLevel(s Settings) []string {
	if s.Level == "" {
		return nil
	}
	return []string{"-level", strings.TrimSuffix(dotted(s.Level), ".0")}
}

// levelNumber is a level as QSV takes it, which has no names of levels: 31.
func levelNumber(s Settings) []string {
	if s.Level == "" {
		return nil
	}
	return []string{"-level", s.Level}
}

// DeviceTakes says what keeps a device's encoder from settings that the software
// takes; "": nothing. The texts end a sentence that begins with the encoder's name.
func (e *Video) DeviceTakes(s Settings, twoPass bool) string {
	switch {
	case e.Backend == Software:
		return ""
	case twoPass:
		return "has no second pass"
	case !e.TakesPixFmt(s.PixFmt):
		return "does not take the pixel format " + s.PixFmt
	case e.profile != nil && !slices.Contains(deviceProfiles, s.Profile):
		return "does not make the profile " + s.Profile
	}
	return ""
}

// deviceProfiles are the profiles that all devices make.
var deviceProfiles = []string{"baseline", "main", "high", "main10"}
