package console

import (
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
)

// functions are what templates may call.
var functions = template.FuncMap{
	"datetime":  func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"clock":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"took":      shortDuration,
	"state":     stateOf,
	"stage":     stageOf,
	"delivery":  deliveryOf,
	"trial":     storageStepOf,
	"percent":   func(p float64) int { return int(100 * min(max(p, 0), 1)) },
	"minutes":   func(seconds float64) string { return trimFloat(float64(int(seconds/6)) / 10) },
	"spanWords": func() any { return spanWords },
	"date":      func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	"sum":       func(a, b float64) float64 { return a + b },
	"bytes":     byteCount,
	"hours":     cpuTime,
	"classes":   func() map[string]string { return usageClasses },
	"speed":     func(s float64) string { return fmt.Sprintf("%.1f×", s) },
	"plain":     plainText,
	"finished":  func(s job.State) bool { return s.Finished() },
	"progress":  func(s job.State) int { return s.LiveProgress() },
	"iszero":    func(t time.Time) bool { return t.IsZero() },
	"isTop": func(page string, names ...string) bool {
		for _, n := range names {
			if n == page {
				return true
			}
		}
		return false
	},
}

// badge is a state as a page shows it: a word, and a class of the style sheet.
type badge struct{ Word, Class string }

// stateOf returns the badge of a job.
func stateOf(s job.State) badge {
	switch {
	case s.Error == "cancelled":
		return badge{"cancelled", "off"}
	case s.Status == job.JobCompleted:
		return badge{"completed", "good"}
	case s.Status == job.JobFailed:
		return badge{"failed", "bad"}
	case s.Status == job.JobProcessing:
		return badge{"processing", "busy"}
	}
	return badge{"waiting", "idle"}
}

// stageOf returns the badge of an output.
func stageOf(s job.Stage) badge {
	switch s {
	case job.Done:
		return badge{"done", "good"}
	case job.Failed:
		return badge{"failed", "bad"}
	case job.Encoding, job.Packaging:
		return badge{string(s), "busy"}
	case job.Skipped, job.Aborted:
		return badge{string(s), "off"}
	}
	return badge{string(s), "idle"}
}

// deliveryOf returns the badge of a webhook.
func deliveryOf(s job.DeliveryState) badge {
	switch s {
	case job.DeliveryDelivered:
		return badge{"delivered", "good"}
	case job.DeliveryGivenUp:
		return badge{"given up", "bad"}
	}
	return badge{"pending", "busy"}
}

// storageStepOf returns the badge of a step of a storage check.
func storageStepOf(r job.StorageStepResult) badge {
	switch r {
	case job.StepDone:
		return badge{"done", "good"}
	case job.StepFailed:
		return badge{"failed", "bad"}
	}
	return badge{string(r), "off"}
}

var (
	markdownLink  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	markdownMarks = strings.NewReplacer("`", "", "**", "")
)

// plainText returns a text of the table of error codes without its Markdown, and with a
// capital letter at its start.
func plainText(markdown string) string {
	s := markdownMarks.Replace(markdownLink.ReplaceAllString(markdown, "$1"))
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// shellWord returns a word that a shell takes as it is.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// hostOf returns the host of an address; "" if it has none.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// fileName returns the last element of an address's path.
func fileName(address string) string {
	if u, err := url.Parse(address); err == nil {
		address = u.Path
	}
	return address[strings.LastIndexByte(address, '/')+1:]
}
