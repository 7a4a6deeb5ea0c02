package workdir

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenRegularIn opens the regular file called name below dir, with the flags of
// os.OpenFile. It fails without waiting for everything else: a hijacked ffmpeg may
// have put a link or a pipe in the place of the file, or a link in the place of a
// folder above it.
func OpenRegularIn(dir, name string, flag int) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if st, err := root.Lstat(name); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is not a regular file", name), err)
	}
	// O_NONBLOCK: the file may have become a pipe since it was looked at.
	file, err := root.OpenFile(name, flag|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() {
		file.Close()
		return nil, errors.Join(fmt.Errorf("%s is not a regular file", name), err)
	}
	return file, nil
}
