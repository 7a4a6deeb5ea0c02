package settings

import (
	"fmt"
	"time"

	"github.com/copra-video/copra/job"
)

// ArtifactStore are the settings of the place where finished parts of jobs are
// kept.
type ArtifactStore struct {
	Address                     string // a folder, or s3://bucket/prefix; "": none
	Retention                   time.Duration
	Endpoint, Region, AccessKey string
	SecretKey                   job.Secret // from the environment alone
}

func (s *ArtifactStore) flags(f *FlagSet) {
	s.Retention = 24 * time.Hour
	f.Text(&s.Address, "artifact-store", "COPRA_ARTIFACT_STORE", "where finished parts of jobs are kept until the job ends, so that a worker that takes a job over does not make them again: a folder on a volume that all workers share, or s3://bucket/prefix. The work files themselves are in --work-dir. Defaults to none.")
	f.Setting("artifact-retention", "COPRA_ARTIFACT_RETENTION", "how long the artifact store keeps the parts of a job that failed or was cancelled, for a retry, 1h. Defaults to 24h.", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 24h", v)
		}
		s.Retention = d
		return nil
	})
	f.Setting("artifact-s3-endpoint", "COPRA_ARTIFACT_S3_ENDPOINT", "S3 server of the artifact store, http://s3:7070. Defaults to AWS.", URLInto(&s.Endpoint))
	f.Text(&s.Region, "artifact-s3-region", "COPRA_ARTIFACT_S3_REGION", "region of the artifact store's bucket. Defaults to AWS_REGION, or else us-east-1.")
	f.Text(&s.AccessKey, "artifact-s3-access-key", "COPRA_ARTIFACT_S3_ACCESS_KEY", "access key of the artifact store; its secret key is in COPRA_ARTIFACT_S3_SECRET_KEY. Defaults to what the AWS SDK finds: its variables and files, the role of the machine or pod.")
}
