package admin

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// listEncoders prints a table of the encoders of cards and of the software with the
// outcome of a trial of each, now. report: as a text for docs/hardware.md, with the
// machine.
func listEncoders(ctx context.Context, c command.Call, s *settings.Settings, report bool) error {
	media, err := server.OpenMedia(ctx, s, server.MediaOptions{TrialDir: os.TempDir(), Complete: true})
	if err != nil {
		return fmt.Errorf("find ffmpeg: %w", err)
	}
	software, err := media.Tools.SoftwareTrials(ctx)
	if err != nil {
		return fmt.Errorf("try the encoders: %w", err)
	}
	rows := append(append(media.Tools.Capabilities().Devices, media.Tools.MissingDevices()...), software...)
	if report {
		printReport(c, media.Tools, rows)
		return nil
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ENCODER\tDEVICE\tBITS\tSSIM\tSOFTWARE\tSPEED\t")
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(encoderCells(r), "\t")+"\t"+verdict(r))
	}
	return w.Flush()
}

// encoderCells are the columns of both tables, but the last.
func encoderCells(r transcode.DeviceEncoder) []string {
	device, bits, ssim, software, speed := r.Device, "", "", "", ""
	if r.Depth > 0 {
		bits = fmt.Sprint(r.Depth)
	}
	if r.Works {
		ssim, speed = fmt.Sprintf("%.4f", r.SSIM), fmt.Sprintf("%.1f x", r.Speed)
	}
	if r.SoftwareSSIM > 0 {
		software = fmt.Sprintf("%.4f", r.SoftwareSSIM)
	}
	return []string{r.Encoder, device, bits, ssim, software, speed}
}

// verdict says whether auto takes an encoder.
func verdict(r transcode.DeviceEncoder) string {
	switch {
	case !r.Works:
		return r.Reason
	case r.Device == "":
		return "works"
	case r.SSIM < r.SoftwareSSIM-transcode.MaxSSIMLoss:
		return "works; worse than the software at the same bitrate, so auto takes it with --prefer speed only"
	}
	return "works; auto takes it"
}

// printReport prints what docs/hardware.md asks users for. It names no host and no
// path but those of devices.
func printReport(c command.Call, tools *ffmpeg.Toolchain, rows []transcode.DeviceEncoder) {
	fmt.Fprintf(c.Stdout, "copra %s, ffmpeg %s, %s/%s, %d cores, kernel %s\n\n", buildinfo.Version(), tools.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), kernel())
	for _, card := range tools.Cards() {
		fmt.Fprintf(c.Stdout, "- %s\n", card)
	}
	fmt.Fprint(c.Stdout, "\n| encoder | device | bits | SSIM | software | speed | |\n|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(c.Stdout, "| %s | %s |\n", strings.Join(encoderCells(r), " | "), strings.ReplaceAll(verdict(r), "|", "/"))
	}
}

// kernel is the release of the kernel.
func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
