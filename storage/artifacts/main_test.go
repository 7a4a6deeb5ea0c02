package artifacts_test

import (
	"os"
	"testing"

	"github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/storage/artifacts/s3bucket"
)

func TestMain(m *testing.M) {
	artifacts.OpenTestBucket = s3bucket.Open
	os.Exit(m.Run())
}
