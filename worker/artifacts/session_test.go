package artifacts

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	artifactstore "github.com/copra-video/copra/storage/artifacts"
)

// Close waits for a slow store only while that can be of use.
func TestSessionClose(t *testing.T) {
	for name, tt := range map[string]struct {
		end  End
		want time.Duration
	}{
		"completed": {end: Completed},
		"abandoned": {end: Abandoned},
		"failed":    {end: Failed, want: 30 * time.Second},
		"stopped":   {end: Stopped, want: 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := artifactstore.Open(t.Context(), artifactstore.Options{Address: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			root, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				s := &Session{store: store, job: resumedJob, root: root, log: slog.New(slog.DiscardHandler)}
				s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(t.Context()))
				s.storing.Go(func() { <-s.ctx.Done() })
				begin := time.Now()
				s.Close(t.Context(), tt.end)
				if took := time.Since(begin); took != tt.want {
					t.Errorf("it took %s, want %s", took, tt.want)
				}
			})
		})
	}
}
