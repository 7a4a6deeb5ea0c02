// Package azure stores and reads blobs of Azure Blob Storage with the key of
// the account.
package azure

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// Options of a container.
type Options struct {
	// Client makes the requests; it comes from netguard and follows no
	// redirects.
	Client *http.Client
	Retry  retry.Policy
	// BlockSize is the smallest size of a block. Files of more than twice this
	// size are sent in blocks. Defaults to 8 MiB.
	BlockSize int64
}

// Bucket is one container. It implements storage.Deleter and opens sources.
type Bucket struct {
	o          Options
	peer       remote.Peer
	key        *blob.SharedKeyCredential
	address    string // of the container
	cache      string
	sdkOptions azcore.ClientOptions
}

var (
	accountName   = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	containerName = regexp.MustCompile(`^(\$web|\$root|[a-z0-9-]{3,63})$`)
)

var sentences = map[string]string{
	"AuthenticationFailed":            "The account or the key for %[2]s is wrong (%[3]s).",
	"AuthorizationFailure":            "The key for %[2]s is wrong, or its firewall does not let this server in (%[3]s).",
	"AuthorizationPermissionMismatch": "The credentials have no access to %[2]s (%[3]s).",
	"KeyBasedAuthenticationNotPermitted": "The account of %[2]s does not take its key as a credential: " +
		"allow \"storage account key access\" in its configuration (%[3]s).",
	"ContainerNotFound":        "The %[2]s does not exist (%[3]s).",
	"ContainerBeingDeleted":    "The %[2]s is being deleted (%[3]s).",
	"ContainerDisabled":        "The %[2]s is disabled (%[3]s).",
	"AccountIsDisabled":        "The account of %[2]s is disabled (%[3]s).",
	"InvalidResourceName":      "The name of %[2]s or of the file is not valid (%[3]s).",
	"BlobNotFound":             "The file does not exist in %[2]s (%[3]s).",
	"BlobArchived":             "The file in %[2]s is archived and must be restored first (%[3]s).",
	"ConditionNotMet":          "The file in %[2]s changed while it was being read (%[3]s).",
	"InvalidRange":             "The file in %[2]s changed while it was being read (%[3]s).",
	"RequestBodyTooLarge":      "The file is too large for %[2]s (%[3]s).",
	"SnapshotsPresent":         "The file in %[2]s has snapshots and may not be removed without them (%[3]s).",
	"BlobImmutableDueToPolicy": "The file in %[2]s may not be replaced or removed: a policy keeps it (%[3]s).",
}

// Open makes a Bucket of st. It connects to nothing.
func Open(st *job.Storage, o Options) (*Bucket, error) {
	if o.BlockSize == 0 {
		o.BlockSize = 8 << 20
	}
	account := st.Credentials["account"].Reveal()
	if !accountName.MatchString(account) {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The storage credential 'account' is not the name of a storage account.")
	}
	key, err := blob.NewSharedKeyCredential(account, st.Credentials["api_key"].Reveal())
	if err != nil || st.Credentials["api_key"].IsZero() {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The storage credential 'api_key' is not the key of a storage account, which is in base64.")
	}
	if !containerName.MatchString(st.Bucket) {
		return nil, job.Errorf(job.StorageNotValid, "The storage container %q is not a container name: lower-case letters, digits and hyphens.", st.Bucket)
	}
	endpoint := strings.TrimRight(st.Endpoint, "/")
	if endpoint == "" {
		endpoint = "https://" + account + ".blob.core.windows.net"
	}
	if u, err := url.Parse(endpoint); err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return nil, job.Errorf(job.StorageNotValid, "The storage endpoint is not valid: it must be a URL such as \"https://account.blob.core.windows.net\".")
	}
	return &Bucket{
		o: o, peer: remote.Bucket("container", st.Bucket), key: key, cache: st.CacheControl,
		address: endpoint + "/" + st.Bucket,
		sdkOptions: azcore.ClientOptions{
			Transport: o.Client,
			Retry:     policy.RetryOptions{MaxRetries: -1}, // do has the retries
			Telemetry: policy.TelemetryOptions{Disabled: true},
		},
	}, nil
}

// do calls f with retries, and turns its error into one for the customer.
func (b *Bucket) do(ctx context.Context, f func(context.Context) error) error {
	return storage.Retry(ctx, b.o.Retry, func(ctx context.Context) error { return b.explain(f(ctx)) })
}

func (b *Bucket) explain(err error) error {
	resp, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return b.peer.Explain(err)
	}
	if resp.ErrorCode == "ServerBusy" || resp.ErrorCode == "OperationTimedOut" {
		return b.peer.Status(http.StatusServiceUnavailable, resp.ErrorCode, nil)
	}
	return b.peer.Status(resp.StatusCode, resp.ErrorCode, sentences)
}

// Check asks for the container's properties.
func (b *Bucket) Check(ctx context.Context) error {
	c, err := container.NewClientWithSharedKeyCredential(b.address, b.key, &container.ClientOptions{ClientOptions: b.sdkOptions})
	if err != nil {
		return b.badAddress()
	}
	return b.do(ctx, func(ctx context.Context) error {
		_, err := c.GetProperties(ctx, nil)
		return err
	})
}

func (b *Bucket) badAddress() error {
	return job.Errorf(job.StorageNotValid, "The address of %s is not valid.", b.peer.Noun)
}

// URL is the public address of key.
func (b *Bucket) URL(key string) string { return b.address + "/" + storage.EscapeKey(key) }

func (b *Bucket) blob(key string) (*blockblob.Client, error) {
	c, err := blockblob.NewClientWithSharedKeyCredential(b.URL(key), b.key, &blockblob.ClientOptions{ClientOptions: b.sdkOptions})
	if err != nil {
		return nil, b.badAddress()
	}
	return c, nil
}

var _ storage.Deleter = (*Bucket)(nil)
