package check

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// aesKey is the AES-128 key of a playlist.
type aesKey struct {
	block cipher.Block
	iv    []byte // nil: the number of the segment
}

// key fetches the key of a playlist. It is nil for a clear playlist.
func (c *checker) key(ctx context.Context, p *playlist) (*aesKey, error) {
	lines := strings.Count(p.raw, "#EXT-X-KEY:METHOD=AES-128")
	c.sampleKeys(p)
	if lines == 0 && (p.init != nil || strings.Contains(p.raw, "METHOD=SAMPLE-AES")) {
		return nil, nil //nolint:nilnil // segments that can be read without their key
	}
	lines = strings.Count(p.raw, "#EXT-X-KEY:")
	if lines == 0 {
		return nil, nil
	}
	c.hold("AES", lines == 1, p.name, "there are %d key lines", lines)
	if len(p.keys) == 0 {
		return nil, errors.New("the key line cannot be read")
	}
	k := p.keys[0]
	if k.Method != "AES-128" {
		return nil, fmt.Errorf("the method is %s, not AES-128", k.Method)
	}
	u, err := resolve(p.at, k.URI)
	if err != nil {
		return nil, err
	}
	f, err := c.read(ctx, u, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("the key cannot be fetched: %w", err)
	}
	if len(f.data) != aes.BlockSize {
		return nil, fmt.Errorf("the key has %d bytes", len(f.data))
	}
	key := &aesKey{}
	if key.block, err = aes.NewCipher(f.data); err != nil {
		return nil, err
	}
	if k.IV != "" {
		key.iv, err = hex.DecodeString(strings.TrimPrefix(strings.ToLower(k.IV), "0x"))
		if err != nil || len(key.iv) != aes.BlockSize {
			return nil, fmt.Errorf("the IV %s is not valid", k.IV)
		}
	}
	return key, nil
}

// decrypt returns the clear text of the segment with a number.
func (k *aesKey) decrypt(data []byte, number int) ([]byte, error) {
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errors.New("it is no whole number of AES blocks")
	}
	iv := k.iv
	if iv == nil {
		iv = make([]byte, aes.BlockSize)
		binary.BigEndian.PutUint64(iv[8:], uint64(number))
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(k.block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, errors.New("it does not decrypt with its key")
	}
	return out[:len(out)-pad], nil
}
