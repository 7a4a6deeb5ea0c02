// Package local is the built-in storage "coconut": files below one directory,
// served by the API itself for 24 hours at addresses that cannot be guessed.
//
//	DIR/<DD>/<HH>/<32 hex>/<path>   results; day and hour (UTC) of the job
//	DIR/uploads/<32 hex>/<name>     sources sent by `copra submit`
//	DIR/tmp/                        files that are still being written
//	DIR/secret                      what the 32 hex digits are made with
//
// A file is written under tmp and renamed when it is whole. Everything goes
// through an os.Root, so no path and no symbolic link leads outside. Several
// processes may share DIR, also over a network file system.
package local

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Prefix is the path of every address of the store on the API's server.
const Prefix = "/storage/"

const (
	tmpDir     = "tmp"
	uploadsDir = "uploads"
	secretFile = "secret"
)

// Options of a Store.
type Options struct {
	// Dir holds the files. It is created if it is missing.
	Dir string
	// PublicURL is the base of addresses: "https://transcode.example.com".
	PublicURL string
	// Keep is how long files are kept. Defaults to 24 h.
	Keep time.Duration
	// MaxUpload bounds one upload in bytes. Defaults to 0, no bound.
	MaxUpload int64
	// MinFree is how many bytes of the disk uploads must leave free. Defaults to
	// 1 GiB.
	MinFree int64
	// Free returns the free bytes of the disk of a directory. Defaults to asking
	// the system.
	Free func(dir string) (int64, error)
	// UploadIdle bounds the wait for the next bytes of an upload. Defaults to 60 s.
	UploadIdle time.Duration
}

// Store is the built-in storage. It is safe for concurrent use.
type Store struct {
	o      Options
	root   *os.Root
	secret []byte
}

// Open opens the store in o.Dir.
func Open(o Options) (*Store, error) {
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
	}
	if o.MinFree == 0 {
		o.MinFree = 1 << 30
	}
	if o.Free == nil {
		o.Free = freeBytes
	}
	if o.UploadIdle == 0 {
		o.UploadIdle = time.Minute
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("make storage directory: %w", err)
	}
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open storage directory: %w", err)
	}
	s := &Store{o: o, root: root}
	if err := s.prepare(); err != nil {
		_ = root.Close()
		return nil, err
	}
	return s, nil
}

// Close releases the directory.
func (s *Store) Close() error { return s.root.Close() }

func (s *Store) prepare() error {
	for _, d := range []string{tmpDir, uploadsDir} {
		if err := s.root.MkdirAll(d, 0o750); err != nil {
			return fmt.Errorf("make storage directory: %w", err)
		}
	}
	secret, err := s.root.ReadFile(secretFile)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err = s.makeSecret()
	}
	if err != nil {
		return fmt.Errorf("read storage secret: %w", err)
	}
	if len(secret) != sha256.Size {
		return fmt.Errorf("read storage secret: %s holds %d bytes, not %d; remove the file to get a new one",
			path.Join(s.o.Dir, secretFile), len(secret), sha256.Size)
	}
	s.secret = secret
	return nil
}

// makeSecret publishes a new secret by a hard link. Only one of several
// processes that start at the same time can create the link. All read the secret
// of that process.
func (s *Store) makeSecret() ([]byte, error) {
	fresh := make([]byte, sha256.Size)
	rand.Read(fresh)
	tmp := s.tempName()
	if err := s.root.WriteFile(tmp, fresh, 0o600); err != nil {
		return nil, err
	}
	defer func() { _ = s.root.Remove(tmp) }()
	if err := s.root.Link(tmp, secretFile); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return s.root.ReadFile(secretFile)
}

// Hash returns the 32 hex digits for the outputs of one kind of a job. It is
// always the same, so that a retry writes to the same addresses. It cannot be
// computed from the job's id without the store's secret.
func (s *Store) Hash(jobID, kind string) string {
	m := hmac.New(sha256.New, s.secret)
	m.Write([]byte(jobID + "\x00" + kind))
	return hex.EncodeToString(m.Sum(nil)[:16])
}

func (s *Store) tempName() string { return path.Join(tmpDir, randomHex()) }

func randomHex() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// url is the address of the file name (slash separated, relative to Dir).
func (s *Store) url(name string) string { return s.o.PublicURL + Prefix + escapePath(name) }
