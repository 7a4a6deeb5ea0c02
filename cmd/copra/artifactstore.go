package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/artifacts"
)

// artifactStore are the settings of the place where finished parts of jobs are
// kept.
type artifactStore struct {
	Address                     string // a folder, or s3://bucket/prefix; "": none
	Retention                   time.Duration
	Endpoint, Region, AccessKey string
	SecretKey                   job.Secret // from the environment alone
}

func (s *artifactStore) flags(f *flagSet) {
	s.Retention = 24 * time.Hour
	f.text(&s.Address, "artifact-store", "COPRA_ARTIFACT_STORE", "where finished parts of jobs are kept until the job ends, so that a worker that takes a job over does not make them again: a folder on a volume that all workers share, or s3://bucket/prefix. The work files themselves are in --work-dir. Defaults to none.")
	f.setting("artifact-retention", "COPRA_ARTIFACT_RETENTION", "how long the artifact store keeps the parts of a job that failed or was cancelled, for a retry, 1h. Defaults to 24h.", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 24h", v)
		}
		s.Retention = d
		return nil
	})
	f.setting("artifact-s3-endpoint", "COPRA_ARTIFACT_S3_ENDPOINT", "S3 server of the artifact store, http://s3:7070. Defaults to AWS.", urlInto(&s.Endpoint))
	f.text(&s.Region, "artifact-s3-region", "COPRA_ARTIFACT_S3_REGION", "region of the artifact store's bucket. Defaults to AWS_REGION, or else us-east-1.")
	f.text(&s.AccessKey, "artifact-s3-access-key", "COPRA_ARTIFACT_S3_ACCESS_KEY", "access key of the artifact store; its secret key is in COPRA_ARTIFACT_S3_SECRET_KEY. Defaults to what the AWS SDK finds: its variables and files, the role of the machine or pod.")
}

// open opens the store; nil without one.
func (s *artifactStore) open(ctx context.Context) (*artifacts.Store, error) {
	if s.Address == "" {
		return nil, nil
	}
	store, err := artifacts.Open(ctx, artifacts.Options{
		Address: s.Address, Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
	})
	if err != nil {
		return nil, usagef("--artifact-store (COPRA_ARTIFACT_STORE) cannot be used: %w", err)
	}
	return store, nil
}

// artifactCheckTimeout is what a look at the artifact store may take of a start.
const artifactCheckTimeout = 5 * time.Second

// openChecked is open for a worker that starts: a store that cannot work is an
// error, one that is away is none.
func (s *artifactStore) openChecked(ctx context.Context, log *slog.Logger) (*artifacts.Store, error) {
	store, err := s.open(ctx)
	if err != nil || store == nil {
		return nil, err
	}
	cctx, cancel := context.WithTimeout(ctx, artifactCheckTimeout)
	defer cancel()
	switch err := store.Check(cctx); {
	case err == nil:
		log.Info("artifact store", "at", store.String())
	case artifacts.IsTransient(err):
		log.Warn("the artifact store does not work; jobs go on without it until it does", "at", store.String(), "error", err)
	default:
		return nil, usagef("--artifact-store (COPRA_ARTIFACT_STORE) cannot be used: %w", err)
	}
	return store, nil
}

// checkArtifactStore is the doctor's look at it.
func checkArtifactStore(ctx context.Context, out *findings, s *artifactStore) {
	const what = "artifact store"
	store, err := s.open(ctx)
	switch {
	case err != nil:
		out.bad(what, "%v", err)
		return
	case store == nil:
		out.ok(what, "none: what a worker that dies has done of a job is done again; --artifact-store keeps it")
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
