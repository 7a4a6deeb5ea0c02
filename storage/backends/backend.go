package backends

import (
	"context"
	"net/url"
	"strings"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/azure"
	"github.com/copra-video/copra/storage/b2"
	"github.com/copra-video/copra/storage/ftp"
	"github.com/copra-video/copra/storage/gcs"
	"github.com/copra-video/copra/storage/httpupload"
	"github.com/copra-video/copra/storage/ipfs"
	"github.com/copra-video/copra/storage/s3"
	"github.com/copra-video/copra/storage/sftp"
	"github.com/copra-video/copra/storage/swift"
)

// backend opens a storage that is not the built-in one.
func (o *Opener) backend(_ context.Context, st *job.Storage) (storage.Bucket, error) {
	switch st.Service {
	case job.ServiceURL:
		return o.upload(st, false)
	case job.ServiceGCS:
		if !st.Credentials[gcs.Credential].IsZero() {
			return gcs.Open(st, gcs.Options{Client: o.buckets, Retry: o.o.UploadRetry})
		}
	case job.ServiceAzure:
		return azure.Open(st, azure.Options{Client: o.buckets, Retry: o.o.UploadRetry})
	case job.ServiceBackblaze:
		return b2.Open(st, b2.Options{Client: o.buckets, Retry: o.o.UploadRetry})
	case job.ServicePinata, job.ServiceInfura:
		return ipfs.Open(st, ipfs.Options{Client: o.buckets, Retry: o.o.UploadRetry})
	case job.ServiceRackspace, job.ServiceSwift:
		return swift.Open(st, swift.Options{Client: o.buckets, Retry: o.o.UploadRetry})
	}
	if _, ok := s3.Lookup(st.Service); ok {
		return o.s3(st)
	}
	return nil, job.Errorf(job.StorageServiceNotValid, "The storage service %q is not known.", st.Service)
}

// upload opens a URL to upload to. exact says that it names one file, not a folder.
func (o *Opener) upload(st *job.Storage, exact bool) (storage.Bucket, error) {
	switch scheme(st.URL) {
	case "http", "https":
		return httpupload.Open(st, httpupload.Options{Client: o.buckets, Retry: o.o.UploadRetry, Exact: exact})
	case "ftp", "ftps":
		return ftp.Open(st, o.ftp(o.o.UploadRetry, exact))
	case "sftp":
		return sftp.Open(st, o.sftp(o.o.UploadRetry, exact))
	}
	return nil, job.Errorf(job.StorageNotValid, "The 'url' of the storage or output must begin with http, https, ftp, ftps or sftp.")
}

func (o *Opener) ftp(p retry.Policy, exact bool) ftp.Options {
	return ftp.Options{Dial: o.o.Guard.DialContext, Retry: p, Exact: exact}
}

func (o *Opener) sftp(p retry.Policy, exact bool) sftp.Options {
	return sftp.Options{Dial: o.o.Guard.DialContext, Retry: p, Exact: exact, Log: o.o.Log}
}

func (o *Opener) s3(st *job.Storage) (storage.Bucket, error) {
	opts := s3.Options{Client: o.buckets, Retry: o.o.UploadRetry}
	if st.Service == job.ServiceS3 && o.o.S3Endpoint != "" && st.Endpoint == "" {
		opts.Client, opts.Endpoint, opts.PublicEndpoint = o.trusted, o.o.S3Endpoint, o.o.S3PublicURL
	}
	return s3.Open(st, opts)
}

func scheme(address job.Secret) string {
	u, err := url.Parse(strings.TrimSpace(address.Reveal()))
	if err != nil {
		return ""
	}
	return u.Scheme
}
