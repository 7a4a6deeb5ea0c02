package postgres_test

import (
	"testing"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
)

// BenchmarkCreateAndGet measures the database's part of POST and GET. The test
// server does not flush to disk; a real one adds that to each POST.
func BenchmarkCreateAndGet(b *testing.B) {
	sealer, err := seal.ParseKeys([]string{seal.Generate()})
	if err != nil {
		b.Fatal(err)
	}
	s, err := postgres.Open(b.Context(), pgtest.New(b).URL, postgres.Options{Sealer: sealer})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	k, _, err := s.CreateKey(b.Context(), "", job.Secret{})
	if err != nil {
		b.Fatal(err)
	}
	spec, err := coconut.DecodeJob([]byte(request))
	if err != nil {
		b.Fatal(err)
	}
	var id string
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			st, err := s.CreateJob(b.Context(), job.Submission{KeyID: k.ID, Request: []byte(request), Spec: spec})
			if err != nil {
				b.Fatal(err)
			}
			id = st.ID
		}
	})
	b.Run("get", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.GetJob(b.Context(), k.ID, id); err != nil {
				b.Fatal(err)
			}
		}
	})
}
