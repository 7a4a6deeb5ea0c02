package stream

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
)

// tsData is a segment as stored and as read.
type tsData struct {
	clear []byte
	size  int64
}

// readTS reads a segment and decrypts it when the track has a key. The
// initialisation vector is the number of the segment (RFC 8216 section 5.2).
func (m *trackInfo) readTS(fsys fs.FS, name string, number int) (tsData, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return tsData{}, fmt.Errorf("read segment: %w", err)
	}
	d := tsData{clear: data, size: int64(len(data))}
	if m.key == nil {
		return d, nil
	}
	data = bytes.Clone(data) // a file system in memory returns its own bytes
	block, err := aes.NewCipher(m.key)
	if err != nil {
		return tsData{}, fmt.Errorf("use AES-128 key: %w", err)
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return tsData{}, fmt.Errorf("segment %s is broken: its %d bytes are no whole number of AES blocks", name, len(data))
	}
	cipher.NewCBCDecrypter(block, m.initVector(number)).CryptBlocks(data, data)
	pad := int(data[len(data)-1])
	if pad < 1 || pad > aes.BlockSize {
		return tsData{}, fmt.Errorf("segment %s is broken: it does not decrypt with its key", name)
	}
	d.clear = data[:len(data)-pad]
	return d, nil
}

// initVector is the initialisation vector of a segment.
func (m *trackInfo) initVector(number int) []byte {
	if e := m.Encryption; e != nil && e.IV != "" {
		given, err := hex.DecodeString(e.IV)
		if err == nil && len(given) == aes.BlockSize {
			return given
		}
	}
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[8:], uint64(number))
	return iv[:]
}

// encrypt is the inverse of readTS.
func (m *trackInfo) encrypt(data []byte, number int) ([]byte, error) {
	block, err := aes.NewCipher(m.key)
	if err != nil {
		return nil, fmt.Errorf("use AES-128 key: %w", err)
	}
	pad := aes.BlockSize - len(data)%aes.BlockSize
	data = append(data, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, m.initVector(number)).CryptBlocks(data, data)
	return data, nil
}
