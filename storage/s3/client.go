package s3

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Options of a bucket.
type Options struct {
	// Client makes the requests; it comes from netguard and follows no
	// redirects.
	Client *http.Client
	// Endpoint is the operator's own server for the service. It replaces the
	// service's endpoint and is always used path-style.
	Endpoint string
	// PublicEndpoint is the address of Endpoint for readers. Defaults to
	// Endpoint.
	PublicEndpoint string
	// Retry says how often a request is made (Tries, 6 by default) and how long to
	// wait before each retry. Without Waits the SDK chooses: exponential with
	// jitter, up to 20 s.
	Retry retry.Policy
	// PartSize is the smallest size of a part. Files of more than twice this
	// size are sent in parts. Defaults to 8 MiB; servers refuse less than 5 MiB.
	PartSize int64
	// Parallel is how many parts are sent at once. Defaults to 4.
	Parallel int
	// Credentials replace those of the storage, for a bucket of the operator's
	// own. Defaults to none.
	Credentials aws.CredentialsProvider
	// Private leaves objects readable to their owner alone, where the default of
	// the service lets everyone read them.
	Private bool
}

// Bucket is one bucket of a customer. It implements storage.Deleter and opens
// sources. Keys are used as they are, without a leading slash.
type Bucket struct {
	o        Options
	service  Service
	name     string
	account  job.Storage
	endpoint *url.URL // nil: Amazon's own
	public   *url.URL // base of addresses for customers; nil as endpoint
	path     bool
	acl      string
	noACL    atomic.Bool // set once the bucket has refused an ACL
	conn     atomic.Pointer[connection]
}

// connection is a client for the region of the bucket, as far as it is known.
type connection struct {
	*s3.Client
	region string
}

var (
	bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,254}$`)
	regionName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	hostPart   = regexp.MustCompile(`^[A-Za-z0-9-]{1,63}$`)
)

// Open makes a Bucket of st, whose service is in the table. It does not connect.
// Wrong settings are a *job.Error.
func Open(st *job.Storage, o Options) (*Bucket, error) {
	service, ok := Lookup(st.Service)
	if !ok {
		return nil, job.Errorf(job.StorageServiceNotValid, "The storage service %q is not known.", st.Service)
	}
	b := &Bucket{o: o.withDefaults(), service: service, name: st.Bucket, account: *st, acl: st.ACL}
	if b.acl == "" && !o.Private {
		b.acl = service.ACL
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	region := st.Region
	if region == "" {
		region = service.Region
	}
	if err := b.resolve(region); err != nil {
		return nil, err
	}
	b.connect(region)
	return b, nil
}

func (o Options) withDefaults() Options {
	if o.Retry.Tries == 0 {
		o.Retry.Tries = 6
	}
	if o.PartSize == 0 {
		o.PartSize = 8 << 20
	}
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	if o.PublicEndpoint == "" {
		o.PublicEndpoint = o.Endpoint
	}
	return o
}

func (b *Bucket) check() error {
	st := &b.account
	if !bucketName.MatchString(b.name) {
		return job.Errorf(job.StorageNotValid, "The storage bucket %q is not a bucket name.", b.name)
	}
	if st.Region != "" && !regionName.MatchString(st.Region) {
		return job.Errorf(job.StorageNotValid, "The storage region %q is not a region name.", st.Region)
	}
	if b.o.Credentials == nil && (st.Credentials["access_key_id"].IsZero() || st.Credentials["secret_access_key"].IsZero()) {
		return job.Errorf(job.StorageCredentialsNotValid, "The storage credentials are not correct, you must define your 'access_key_id' and 'secret_access_key'.")
	}
	for name, value := range map[string]string{
		"acl": st.ACL, "storage_class": st.StorageClass, "expires": st.Expires, "cache_control": st.CacheControl,
	} {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return job.Errorf(job.StorageNotValid, "The storage member %q holds control characters.", name)
		}
	}
	return nil
}

// resolve determines endpoint, addressing style and public address.
func (b *Bucket) resolve(region string) error {
	st := &b.account
	b.path = b.service.PathStyle
	if st.ForcePathStyle != nil {
		b.path = *st.ForcePathStyle
	}
	var err error
	switch {
	case b.o.Endpoint != "":
		b.path = true
		if b.endpoint, err = b.parseEndpoint(b.o.Endpoint); err != nil {
			return err
		}
		b.public, err = b.parseEndpoint(b.o.PublicEndpoint)
		return err
	case st.Endpoint != "":
		b.endpoint, err = b.parseEndpoint(st.Endpoint)
	case b.service.Amazon:
		return nil
	default:
		account := st.Options["account_id"]
		if account == "" {
			account = st.Credentials["account_id"].Reveal()
		}
		if account != "" && !hostPart.MatchString(account) {
			return job.Errorf(job.StorageCredentialsNotValid, "The storage member 'account_id' is not an account id.")
		}
		b.endpoint, err = b.parseEndpoint(b.service.endpoint(region, account))
	}
	if err != nil {
		return err
	}
	if virtualImpossible(b.endpoint, b.name) {
		b.path = true
	}
	b.public = b.endpoint
	return nil
}

// virtualImpossible reports whether the bucket cannot be a part of the host
// name: the host is an IP address, or no TLS certificate would cover the name.
func virtualImpossible(endpoint *url.URL, bucket string) bool {
	_, err := netip.ParseAddr(endpoint.Hostname())
	return err == nil || endpoint.Hostname() == "localhost" || strings.Contains(bucket, ":") ||
		endpoint.Scheme == "https" && strings.Contains(bucket, ".")
}

func (b *Bucket) parseEndpoint(s string) (*url.URL, error) {
	if s == "" {
		return nil, job.Errorf(job.StorageNotValid, "The storage service %q needs an 'endpoint', for example \"https://s3.example.com\".", b.service.Name)
	}
	if !strings.Contains(s, "://") {
		scheme := "https://"
		if b.account.Secure != nil && !*b.account.Secure {
			scheme = "http://"
		}
		s = scheme + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.User != nil {
		// The value is not repeated, since it may hold credentials.
		return nil, job.Errorf(job.StorageNotValid, "The storage endpoint is not valid: it must be a URL such as \"https://s3.example.com\", without credentials or query.")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath, u.Fragment = "", ""
	return u, nil
}

// connect creates the client for a region.
func (b *Bucket) connect(region string) *connection {
	o := s3.Options{
		Region:       region,
		HTTPClient:   b.o.Client,
		UsePathStyle: b.path,
		Credentials:  b.credentials(),
		Retryer:      b.retryer(),
		// Other servers of the family fail on checksums in headers and trailers,
		// which Amazon supports. For Amazon the SDK's default is used.
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
		// Only Amazon has the session protocol of directory buckets.
		DisableS3ExpressSessionAuth: aws.Bool(!b.amazon()),
	}
	if b.amazon() {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
		o.EndpointOptions.DisableHTTPS = b.account.Secure != nil && !*b.account.Secure
	} else {
		o.BaseEndpoint = aws.String(b.endpoint.String())
	}
	if b.service.PlainEncoding {
		o.APIOptions = append(o.APIOptions, plainEncoding)
	}
	c := &connection{Client: s3.New(o), region: region}
	b.conn.Store(c)
	return c
}

func (b *Bucket) credentials() aws.CredentialsProvider {
	if b.o.Credentials != nil {
		return b.o.Credentials
	}
	return credentials.NewStaticCredentialsProvider(
		b.account.Credentials["access_key_id"].Reveal(), b.account.Credentials["secret_access_key"].Reveal(), "")
}

// amazon reports whether requests go to Amazon itself.
func (b *Bucket) amazon() bool { return b.endpoint == nil }

var _ storage.Deleter = (*Bucket)(nil)
