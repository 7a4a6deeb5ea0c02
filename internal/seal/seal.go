// Package seal encrypts what must not be readable in the database or in a backup
// of it: the stored requests, with the credentials of customers' buckets.
//
// A sealed value is AES-256-GCM under one of the operator's keys, and has the id
// of that key. So keys can be changed: put a new one first in the list, and keep
// the old ones after it until nothing is sealed with them. The context of the
// caller (the kind of row and its id) is authenticated too, so a sealed value
// that was moved to another row does not open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	keySize = 32
	idSize  = 4
	version = 1
)

// ErrKey is the error of a value that was sealed with a key that is not in the
// list.
var ErrKey = errors.New("its key is not among the sealing keys given")

// Sealer seals with its first key and opens with any of them. It is safe for
// concurrent use.
type Sealer struct{ keys []key }

type key struct {
	id   [idSize]byte
	aead cipher.AEAD
	root []byte // of derived keys
}

// Generate returns a new random key in the form of ParseKeys.
func Generate() string {
	b := make([]byte, keySize)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// ParseKeys makes a Sealer of keys in base64 of 32 bytes each, the form of
// Generate and of `openssl rand -base64 32`. The first key seals. Errors have
// the position in the list and never the key.
func ParseKeys(list []string) (*Sealer, error) {
	s := &Sealer{}
	for i, text := range list {
		b, err := decode(strings.TrimSpace(text))
		if err != nil || len(b) != keySize {
			return nil, fmt.Errorf("read sealing key %d: it must be 32 bytes in base64, as `openssl rand -base64 32` prints them", i+1)
		}
		k, err := newKey(b)
		if err != nil {
			return nil, fmt.Errorf("read sealing key %d: %w", i+1, err)
		}
		if slices.ContainsFunc(s.keys, func(o key) bool { return o.id == k.id }) {
			return nil, fmt.Errorf("read sealing key %d: it is in the list twice", i+1)
		}
		s.keys = append(s.keys, k)
	}
	if len(s.keys) == 0 {
		return nil, errors.New("read the sealing keys: there is none")
	}
	return s, nil
}

// decode accepts the standard and the URL alphabet, with or without padding.
func decode(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	return base64.RawStdEncoding.DecodeString(text)
}

func newKey(b []byte) (key, error) {
	block, err := aes.NewCipher(b)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return key{}, err
	}
	// The id must not help to find the key. A hash of 256 random bits does not.
	sum := sha256.Sum256(append([]byte("copra sealing key id:"), b...))
	root := hmac.New(sha256.New, b)
	root.Write([]byte("copra derived keys"))
	return key{id: [idSize]byte(sum[:idSize]), aead: aead, root: root.Sum(nil)}, nil
}

// Derive returns 32 bytes for a purpose, one of each key, that of the first key
// first. They do not tell the keys, and are the same as long as a key is in the list.
func (s *Sealer) Derive(purpose string) [][]byte {
	var list [][]byte
	for _, k := range s.keys {
		mac := hmac.New(sha256.New, k.root)
		mac.Write([]byte(purpose))
		list = append(list, mac.Sum(nil))
	}
	return list
}

// Seal encrypts plain for context, "jobs/vdq1fShawHzyz3" for example.
// The result is a version byte, the key's id, the nonce and the ciphertext.
func (s *Sealer) Seal(plain []byte, context string) []byte {
	k := s.keys[0]
	out := make([]byte, 0, 1+idSize+k.aead.NonceSize()+len(plain)+k.aead.Overhead())
	out = append(out, version)
	out = append(out, k.id[:]...)
	nonce := make([]byte, k.aead.NonceSize())
	rand.Read(nonce) // never fails: crypto/rand ends the program instead
	out = append(out, nonce...)
	return k.aead.Seal(out, nonce, plain, associated(out[:1+idSize], context))
}

// Open decrypts what Seal returned for the same context. The error is ErrKey if
// the key is no longer in the list.
func (s *Sealer) Open(sealed []byte, context string) ([]byte, error) {
	if len(sealed) < 1+idSize {
		return nil, fmt.Errorf("open the sealed %s: it is cut off", context)
	}
	if sealed[0] != version {
		return nil, fmt.Errorf("open the sealed %s: version %d is not known", context, sealed[0])
	}
	head, rest := sealed[:1+idSize], sealed[1+idSize:]
	for _, k := range s.keys {
		if [idSize]byte(head[1:]) != k.id {
			continue
		}
		if len(rest) < k.aead.NonceSize() {
			return nil, fmt.Errorf("open the sealed %s: it is cut off", context)
		}
		nonce, ciphertext := rest[:k.aead.NonceSize()], rest[k.aead.NonceSize():]
		plain, err := k.aead.Open(nil, nonce, ciphertext, associated(head, context))
		if err != nil {
			return nil, fmt.Errorf("open the sealed %s: it was changed, or belongs elsewhere: %w", context, err)
		}
		return plain, nil
	}
	return nil, fmt.Errorf("open the sealed %s, key id %x: %w", context, head[1:], ErrKey)
}

func associated(head []byte, context string) []byte {
	return append(slices.Clone(head), context...)
}
