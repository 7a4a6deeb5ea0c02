package server

import (
	"context"
	"time"
)

// sweepInterval is how often a worker removes what was kept for long enough.
const sweepInterval = 10 * time.Minute

// everySweep calls sweep now and at each sweepInterval until ctx ends.
func everySweep(ctx context.Context, sweep func()) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		sweep()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweepStorage deletes what the built-in storage has kept for long enough.
func (s *Server) sweepStorage(ctx context.Context) {
	everySweep(ctx, func() {
		if _, err := s.local.Sweep(time.Now()); err != nil {
			s.log.WarnContext(ctx, "sweep the built-in storage", "error", err)
		}
	})
}

// sweepDatabase deletes what the database has kept for long enough. Several workers
// may do so at once.
func (s *Server) sweepDatabase(ctx context.Context) {
	everySweep(ctx, func() {
		s.sweepJobs(ctx)
		if s.settings.LogRetention == 0 {
			return
		}
		if n, err := s.store.SweepLogs(ctx, s.settings.LogRetention); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "sweep the database", "error", err)
		} else if n > 0 {
			s.log.InfoContext(ctx, "logs of jobs removed", "runs", n)
		}
	})
}

func (s *Server) sweepJobs(ctx context.Context) {
	if n, err := s.store.SweepJobs(ctx, s.settings.JobRetention); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "sweep the database", "error", err)
	} else if n > 0 {
		s.log.InfoContext(ctx, "jobs removed", "jobs", n)
	}
}
