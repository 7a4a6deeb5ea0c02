package coconut

import (
	"bytes"
	"encoding/csv"
	"math"
	"strconv"
	"time"

	"github.com/copra-video/copra/job"
)

// usageBody is the answer to GET /v2/usage.
type usageBody struct {
	Usage []usageDay `json:"usage"`
}

type usageDay struct {
	Date          string        `json:"date"`
	Key           string        `json:"key"`
	KeyName       string        `json:"key_name"`
	Jobs          int64         `json:"jobs"`
	Failed        int64         `json:"failed"`
	Minutes       minutesByKind `json:"minutes"`
	UploadedBytes int64         `json:"uploaded_bytes"`
	CPUSeconds    float64       `json:"cpu_seconds"`
}

type minutesByKind struct {
	Audio float64 `json:"audio"`
	SD    float64 `json:"sd"`
	HD    float64 `json:"hd"`
	UHD   float64 `json:"uhd"`
}

// EncodeUsage encodes what jobs took and made.
func EncodeUsage(list []job.Usage) []byte {
	b := usageBody{Usage: make([]usageDay, 0, len(list))}
	for _, u := range list {
		b.Usage = append(b.Usage, dayOf(u))
	}
	return encode(b)
}

func dayOf(u job.Usage) usageDay {
	return usageDay{
		Date: u.Day.Format(time.DateOnly), Key: u.KeyID, KeyName: u.Key, Jobs: u.Jobs, Failed: u.Failed,
		Minutes:       minutesByKind{minutes(u.Played.Audio), minutes(u.Played.SD), minutes(u.Played.HD), minutes(u.Played.UHD)},
		UploadedBytes: u.UploadedBytes, CPUSeconds: math.Round(u.CPUSeconds*1000) / 1000,
	}
}

// minutes converts seconds, to four digits.
func minutes(seconds float64) float64 { return math.Round(seconds/60*1e4) / 1e4 }

// EncodeUsageCSV encodes the same as comma-separated values (RFC 4180), with a header.
func EncodeUsageCSV(list []job.Usage) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write([]string{"date", "key", "key_name", "jobs", "failed", "audio_minutes", "sd_minutes", "hd_minutes", "uhd_minutes", "uploaded_bytes", "cpu_seconds"})
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	for _, u := range list {
		d := dayOf(u)
		m := d.Minutes
		_ = w.Write([]string{
			d.Date, d.Key, plainCell(d.KeyName), strconv.FormatInt(d.Jobs, 10), strconv.FormatInt(d.Failed, 10),
			number(m.Audio), number(m.SD), number(m.HD), number(m.UHD), strconv.FormatInt(d.UploadedBytes, 10), number(d.CPUSeconds),
		})
	}
	w.Flush() // a bytes.Buffer takes everything
	return out.Bytes()
}

// plainCell keeps a spreadsheet from taking a name for a formula.
func plainCell(s string) string {
	if s != "" && bytes.ContainsAny([]byte(s[:1]), "=+-@\t\r") {
		return "'" + s
	}
	return s
}
