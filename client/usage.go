package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Usage is what the jobs of an API key that ended on a day took and made.
type Usage struct {
	Date          string  `json:"date"` // UTC, such as 2026-11-30
	Key           string  `json:"key"`  // its id
	KeyName       string  `json:"key_name"`
	Jobs          int64   `json:"jobs"`   // that ended
	Failed        int64   `json:"failed"` // of these; they have no minutes
	Minutes       Minutes `json:"minutes"`
	UploadedBytes int64   `json:"uploaded_bytes"`
	CPUSeconds    float64 `json:"cpu_seconds"` // of FFmpeg
}

// Minutes are what finished outputs play, each variant of a stream by itself.
type Minutes struct {
	Audio float64 `json:"audio"`
	SD    float64 `json:"sd"`  // below 720 lines
	HD    float64 `json:"hd"`  // from 720 to 1080 lines
	UHD   float64 `json:"uhd"` // more
}

type usage struct{ Usage []Usage }

func (u *usage) check() error {
	if u.Usage == nil {
		return errors.New("it is not the usage")
	}
	return nil
}

// Usage returns what jobs took and made that ended from the day of from to the one
// before that of to, by day and key. A zero from is the first day of the month, a zero
// to is tomorrow. With the operator's key in the place of the API key it is that of all
// keys.
func (c *Client) Usage(ctx context.Context, from, to time.Time) ([]Usage, error) {
	q := url.Values{}
	for name, at := range map[string]time.Time{"from": from, "to": to} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.DateOnly))
		}
	}
	path := "/v2/usage"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	u, err := decode[usage](ctx, c, call{do: "read usage", method: http.MethodGet, path: path, want: http.StatusOK, repeat: true})
	if err != nil {
		return nil, err
	}
	return u.Usage, nil
}
