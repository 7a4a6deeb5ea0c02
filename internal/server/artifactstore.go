package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/storage/artifacts/s3bucket"
)

// OpenArtifactStore opens the store; nil without one.
func OpenArtifactStore(ctx context.Context, s *settings.ArtifactStore) (*artifacts.Store, error) {
	if s.Address == "" {
		return nil, nil
	}
	store, err := artifacts.Open(ctx, artifacts.Options{
		Address: s.Address, OpenBucket: s3bucket.Open, Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
	})
	if err != nil {
		return nil, command.Usagef("--artifact-store (COPRA_ARTIFACT_STORE) cannot be used: %w", err)
	}
	return store, nil
}

// artifactCheckTimeout bounds the check of the artifact store at the start.
const artifactCheckTimeout = 5 * time.Second

// openCheckedArtifactStore is OpenArtifactStore for a worker that starts. A
// store that can never work is an error. One that does not answer is not: jobs
// do without it until it does.
func openCheckedArtifactStore(ctx context.Context, s *settings.ArtifactStore, log *slog.Logger) (*artifacts.Store, error) {
	store, err := OpenArtifactStore(ctx, s)
	if err != nil || store == nil {
		return nil, err
	}
	cctx, cancel := context.WithTimeout(ctx, artifactCheckTimeout)
	defer cancel()
	switch err := store.Check(cctx); {
	case err == nil:
		log.InfoContext(ctx, "artifact store", "at", store.String())
	case artifacts.IsTransient(err):
		log.WarnContext(ctx, "the artifact store does not answer", "at", store.String(), "error", err)
	default:
		return nil, command.Usagef("--artifact-store (COPRA_ARTIFACT_STORE) cannot be used: %w", err)
	}
	return store, nil
}
