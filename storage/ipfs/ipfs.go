// Package ipfs pins results on IPFS by the services Pinata and Infura. IPFS
// names a file by its content, so addresses are known only after the upload. The
// files of an output, such as those of a stream, are uploaded together as one
// folder, so that links between them work.
package ipfs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// Options of an account.
type Options struct {
	// Client makes the requests; it comes from netguard and follows no
	// redirects.
	Client *http.Client
	Retry  retry.Policy
}

// service is what differs between the two services.
type service struct {
	endpoint string
	gateway  string
	add      string   // path of the upload
	fields   []string // names and values of form fields
	check    func(ctx context.Context, b *Bucket) (*http.Request, error)
	login    func(b *Bucket, r *http.Request)
	// name is a file's name in the form.
	name func(key string) string
	// root reads the name of the folder from the answer.
	root        func(answer []byte) string
	credentials []string
}

// folder is the folder that Pinata wants before all names. It is not a part of
// addresses.
const folder = "copra"

var services = map[string]service{
	job.ServicePinata: {
		endpoint: "https://api.pinata.cloud", gateway: "gateway.pinata.cloud",
		add:    "/pinning/pinFileToIPFS",
		fields: []string{"pinataOptions", `{"cidVersion":1}`},
		check: func(ctx context.Context, b *Bucket) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, b.endpoint+"/data/testAuthentication", nil)
		},
		login: func(b *Bucket, r *http.Request) {
			r.Header.Set("pinata_api_key", b.credentials[0])        //nolint:canonicalheader // as documented
			r.Header.Set("pinata_secret_api_key", b.credentials[1]) //nolint:canonicalheader // as documented
		},
		name: func(key string) string { return folder + "/" + key },
		root: func(answer []byte) string {
			var a struct{ IpfsHash string }
			_ = json.Unmarshal(answer, &a)
			return a.IpfsHash
		},
		credentials: []string{"api_key", "secret_api_key"},
	},
	job.ServiceInfura: {
		endpoint: "https://ipfs.infura.io:5001", gateway: "ipfs.io",
		add: "/api/v0/add?cid-version=1&pin=true&wrap-with-directory=true",
		check: func(ctx context.Context, b *Bucket) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodPost, b.endpoint+"/api/v0/version", nil)
		},
		login: func(b *Bucket, r *http.Request) { r.SetBasicAuth(b.credentials[0], b.credentials[1]) },
		name:  url.QueryEscape, // the server decodes it
		root: func(answer []byte) string {
			root := ""
			for line := range bytes.Lines(answer) {
				var a struct{ Name, Hash string }
				if json.Unmarshal(line, &a) == nil && a.Name == "" {
					root = a.Hash
				}
			}
			return root
		},
		credentials: []string{"project_id", "project_secret"},
	},
}

// Bucket is an account. It implements storage.BatchPutter.
type Bucket struct {
	client      remote.Client
	service     service
	endpoint    string
	gateway     string
	credentials []string

	mu    sync.Mutex
	roots map[string]string // folder by key
}

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$`)
	cid      = regexp.MustCompile(`^[A-Za-z0-9]{10,128}$`)
)

// Open makes a Bucket of st. It connects to nothing.
func Open(st *job.Storage, o Options) (*Bucket, error) {
	s, ok := services[st.Service]
	if !ok {
		return nil, job.Errorf(job.StorageServiceNotValid, "The storage service %q is not known.", st.Service)
	}
	place := "the service " + st.Service
	b := &Bucket{
		client:  remote.Client{HTTP: o.Client, Retry: o.Retry, Peer: remote.Peer{Sentence: "The service " + st.Service, Noun: place}},
		service: s, endpoint: strings.TrimRight(st.Endpoint, "/"), gateway: s.gateway, roots: map[string]string{},
	}
	if b.endpoint == "" {
		b.endpoint = s.endpoint
	}
	if g := st.Options["gateway_dns"]; g != "" {
		g = strings.TrimRight(strings.TrimPrefix(g, "https://"), "/")
		if !hostName.MatchString(g) {
			return nil, job.Errorf(job.StorageNotValid, "The storage 'gateway_dns' %q is not a host name.", g)
		}
		b.gateway = g
	}
	for _, name := range s.credentials {
		if st.Credentials[name].IsZero() {
			return nil, job.Errorf(job.StorageCredentialsNotValid, "The storage credentials are not correct, you must define your '%s' and '%s'.", s.credentials[0], s.credentials[1])
		}
		b.credentials = append(b.credentials, st.Credentials[name].Reveal())
	}
	return b, nil
}

// Check asks whether the credentials are accepted.
func (b *Bucket) Check(ctx context.Context) error {
	_, _, err := b.client.Do(ctx, func(ctx context.Context) (*http.Request, error) {
		r, err := b.service.check(ctx, b)
		if err != nil {
			return nil, b.badEndpoint()
		}
		b.service.login(b, r)
		return r, nil
	})
	return err
}

func (b *Bucket) badEndpoint() error {
	return job.Errorf(job.StorageNotValid, "The storage 'endpoint' is not valid.")
}

// URL is the address of key at the gateway. It is "" before the upload.
func (b *Bucket) URL(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	root, ok := b.roots[key]
	if !ok {
		return ""
	}
	return "https://" + b.gateway + "/ipfs/" + root + "/" + storage.EscapeKey(key)
}

// Put pins one file in a folder of its own.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	return b.PutBatch(ctx, []storage.Item{{Key: key, Body: body, Options: opts}})
}

// PutBatch pins files as one folder.
func (b *Bucket) PutBatch(ctx context.Context, items []storage.Item) error {
	items = slices.Clone(items)
	// The services build folders while they read, so the files of a folder must
	// be adjacent.
	slices.SortFunc(items, func(x, y storage.Item) int {
		return slices.Compare(strings.Split(x.Key, "/"), strings.Split(y.Key, "/"))
	})
	f, err := newForm(b.service, items)
	if err != nil {
		return err
	}
	_, answer, err := b.client.Do(ctx, func(ctx context.Context) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.endpoint+b.service.add, nil)
		if err != nil {
			return nil, b.badEndpoint()
		}
		b.service.login(b, r)
		r.Header.Set("Content-Type", f.contentType)
		remote.SetBody(r, f.reader(), f.size)
		return r, nil
	})
	if err != nil {
		return err
	}
	root := b.service.root(answer)
	if !cid.MatchString(root) {
		return b.client.Peer.Refused("%[1]s did not tell the address of the upload (%[3]s).", "no CID")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range items {
		b.roots[i.Key] = root
	}
	return nil
}

// form is a multipart body. It reads its files only while it is sent.
type form struct {
	heads       [][]byte // before each file
	tail        []byte
	items       []storage.Item
	size        int64
	contentType string
}

func newForm(s service, items []storage.Item) (*form, error) {
	f := &form{items: items}
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	take := func() []byte {
		b := bytes.Clone(out.Bytes())
		out.Reset()
		f.size += int64(len(b))
		return b
	}
	for i := 0; i+1 < len(s.fields); i += 2 {
		if err := w.WriteField(s.fields[i], s.fields[i+1]); err != nil {
			return nil, fmt.Errorf("write form: %w", err)
		}
	}
	for _, item := range items {
		header := textproto.MIMEHeader{}
		header.Set("Content-Disposition", multipart.FileContentDisposition("file", s.name(item.Key)))
		header.Set("Content-Type", "application/octet-stream")
		if _, err := w.CreatePart(header); err != nil {
			return nil, fmt.Errorf("write form: %w", err)
		}
		f.heads = append(f.heads, take())
		f.size += item.Body.Size()
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write form: %w", err)
	}
	f.tail = take()
	f.contentType = w.FormDataContentType()
	return f, nil
}

func (f *form) reader() io.Reader {
	var parts []io.Reader
	for i, head := range f.heads {
		body := f.items[i].Body
		parts = append(parts, bytes.NewReader(head), storage.Section(body, 0, body.Size()))
	}
	return io.MultiReader(append(parts, bytes.NewReader(f.tail))...)
}

var _ storage.BatchPutter = (*Bucket)(nil)
