package ftp

import (
	"context"
	"errors"
	"net/textproto"

	"github.com/jlaffaye/ftp"
)

// Exists reports whether there is a file for key. It asks for the size. If the
// server does not support SIZE, that is an error.
func (b *Bucket) Exists(ctx context.Context, key string) (found bool, err error) {
	err = b.use(ctx, func(c *conn) error {
		found, err = has(c, b.path(key))
		return err
	})
	return found && err == nil, err // the connection may break after the answer
}

// Delete deletes the file for key, and leaves the folders above it.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	return b.use(ctx, func(c *conn) error {
		err := c.Delete(b.path(key))
		if !noFile(err) {
			return err
		}
		// Servers give the same reply for a file that may not be deleted.
		if found, herr := has(c, b.path(key)); herr != nil || found {
			return err
		}
		return nil
	})
}

func has(c *conn, name string) (bool, error) {
	_, err := c.FileSize(name)
	if noFile(err) {
		return false, nil
	}
	return err == nil, err
}

// noFile reports whether the server says that there is no such file.
func noFile(err error) bool {
	answer, ok := errors.AsType[*textproto.Error](err)
	return ok && answer.Code == ftp.StatusFileUnavailable
}
