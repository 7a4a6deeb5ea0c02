package job

import (
	"encoding/json"
	"regexp"
	"testing"
)

var wireCode = regexp.MustCompile(`^[a-z]+(_[a-z]+)+$`)

// TestReasonsAreComplete: every constant has a row with all that is shown of it,
// and no two have the same code.
func TestReasonsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if !wireCode.MatchString(r.Code()) || seen[r.Code()] {
			t.Errorf("reason %d has the code %q", r, r.Code())
		}
		seen[r.Code()] = true
		switch r.Fault() {
		case CustomerFault, StorageFault, ServerFault:
		default:
			t.Errorf("%s is the fault of %q", r, r.Fault())
		}
		if s := r.Status(); s != 0 && (s < 400 || s > 599) || s >= 500 != (s != 0 && r.Fault() == ServerFault) {
			t.Errorf("%s has the status %d and is the fault of the %s", r, s, r.Fault())
		}
		if r.Cause() == "" || r.Cure() == "" || r.Message() == "" {
			t.Errorf("%s is not explained", r)
		}
	}
}

// TestStatuses: what is not 400 is as docs/spec/coconut-v2.md, section 12, says.
func TestStatuses(t *testing.T) {
	other := map[Reason]int{
		AuthenticationFailed: 401, IdempotencyKeyReused: 409, JobFinished: 409, JobNotFinished: 409, NothingToRetry: 409,
		TooManyJobs: 429, TooManyRequests: 429, QuotaUsedUp: 429, UploadTooLarge: 413, ServerDiskFull: 507,
	}
	for _, r := range Reasons() {
		want, ok := other[r]
		if !ok && r < InputHTTPError {
			want = 400
		}
		if r.Status() != want {
			t.Errorf("%s is answered %d, want %d", r, r.Status(), want)
		}
	}
}

func TestReasonOfNothing(t *testing.T) {
	for _, r := range []Reason{0, reasonCount, 255} {
		if r.Code() != "" || r.Status() != 0 || r.Fault() != "" || r.Transient() || r.Requeue() || r.Message() != "" {
			t.Errorf("reason %d is %q", r, r)
		}
	}
}

// TestReasonAsJSON: a reason is stored as its code. None, and one of another
// version, are the zero value.
func TestReasonAsJSON(t *testing.T) {
	type stored struct {
		Reason Reason `json:"reason,omitzero"`
	}
	for _, r := range append(Reasons(), 0) {
		text, err := json.Marshal(stored{r})
		if err != nil {
			t.Fatal(err)
		}
		want := `{"reason":"` + r.Code() + `"}`
		if r == 0 {
			want = `{}`
		}
		if string(text) != want {
			t.Errorf("stored as %s, want %s", text, want)
		}
		back := stored{InternalError}
		if r == 0 {
			back = stored{}
		}
		if err := json.Unmarshal(text, &back); err != nil || back.Reason != r {
			t.Errorf("%s read as %q: %v", text, back.Reason, err)
		}
	}
	back := stored{InternalError}
	if err := json.Unmarshal([]byte(`{"reason":"of_a_later_version"}`), &back); err != nil || back.Reason != 0 {
		t.Errorf("a later version's: %q, %v", back.Reason, err)
	}
}
