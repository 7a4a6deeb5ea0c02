package workdir

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenRegularIn opens the regular file called name below dir. It fails for
// everything else, without waiting: whoever has taken over the ffmpeg that
// writes in dir may have put a link or a pipe in the place of a file, or a link
// to a folder elsewhere above it.
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
