package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/artifacts"
)

// scratchStore are the settings of the place where finished parts of jobs are
// kept.
type scratchStore struct {
	Address                     string // a folder, or s3://bucket/prefix; "": none
	Keep                        time.Duration
	Endpoint, Region, AccessKey string
	SecretKey                   job.Secret // from the environment alone
}

func (s *scratchStore) flags(f *flagSet) {
	s.Keep = 24 * time.Hour
	f.text(&s.Address, "scratch-store", "COPRA_SCRATCH", "where finished parts of jobs are kept until the job ends, so that a worker that takes a job over does not make them again: a folder on a volume that all workers share, or s3://bucket/prefix. The work files themselves are in --scratch-dir. Defaults to none.")
	f.setting("scratch-keep", "COPRA_SCRATCH_KEEP", "how long the scratch store keeps the parts of a job that failed or was cancelled, for a retry, 1h. Defaults to 24h.", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 24h", v)
		}
		s.Keep = d
		return nil
	})
	f.setting("scratch-s3-endpoint", "COPRA_SCRATCH_S3_ENDPOINT", "S3 server of the scratch store, http://s3:7070. Defaults to AWS.", urlInto(&s.Endpoint))
	f.text(&s.Region, "scratch-s3-region", "COPRA_SCRATCH_S3_REGION", "region of the scratch store's bucket. Defaults to AWS_REGION, or else us-east-1.")
	f.text(&s.AccessKey, "scratch-s3-access-key", "COPRA_SCRATCH_S3_ACCESS_KEY", "access key of the scratch store; its secret key is in COPRA_SCRATCH_S3_SECRET_KEY. Defaults to what the AWS SDK finds: its variables and files, the role of the machine or pod.")
}

// open opens the store; nil without one.
func (s *scratchStore) open(ctx context.Context) (*artifacts.Store, error) {
	if s.Address == "" {
		return nil, nil
	}
	store, err := artifacts.Open(ctx, artifacts.Options{
		Address: s.Address, Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
	})
	if err != nil {
		return nil, usagef("--scratch-store (COPRA_SCRATCH) cannot be used: %w", err)
	}
	return store, nil
}

// scratchCheckTime is what a look at the scratch store may take of a start.
const scratchCheckTime = 5 * time.Second

// openChecked is open for a worker that starts: a store that cannot work is an
// error, one that is away is none.
func (s *scratchStore) openChecked(ctx context.Context, log *slog.Logger) (*artifacts.Store, error) {
	store, err := s.open(ctx)
	if err != nil || store == nil {
		return nil, err
	}
	cctx, cancel := context.WithTimeout(ctx, scratchCheckTime)
	defer cancel()
	switch err := store.Check(cctx); {
	case err == nil:
		log.Info("scratch store", "at", store.String())
	case artifacts.IsTransient(err):
		log.Warn("the scratch store does not work; jobs go on without it until it does", "at", store.String(), "error", err)
	default:
		return nil, usagef("--scratch-store (COPRA_SCRATCH) cannot be used: %w", err)
	}
	return store, nil
}

// checkScratchStore is the doctor's look at it.
func checkScratchStore(ctx context.Context, out *findings, s *scratchStore) {
	const what = "scratch store"
	store, err := s.open(ctx)
	switch {
	case err != nil:
		out.bad(what, "%v", err)
		return
	case store == nil:
		out.ok(what, "none: what a worker that dies has done of a job is done again; --scratch-store keeps it")
		return
	}
	begin := time.Now()
	switch err := store.Check(ctx); {
	case err == nil:
		out.ok(what, "%s, written to, read and emptied in %d ms", store, time.Since(begin).Milliseconds())
	case artifacts.IsTransient(err):
		out.lacks(what, "%s: %v", store, err)
	default:
		out.bad(what, "%s: %v", store, err)
	}
}
