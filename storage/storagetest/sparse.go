package storagetest

import (
	"io"

	"github.com/copra-video/copra/storage"
)

// Sparse is a Body of size zeros, which are not in memory.
func Sparse(size int64) storage.Body { return sparse(size) }

type sparse int64

func (s sparse) Size() int64 { return int64(s) }

func (s sparse) ReadAt(p []byte, offset int64) (int, error) {
	n := int(min(int64(len(p)), max(int64(s)-offset, 0)))
	clear(p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
