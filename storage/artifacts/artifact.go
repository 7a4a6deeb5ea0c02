package artifacts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// File is one file of an artifact.
type File struct {
	Name string // in the artifact
	Path string // below the folder that it is in
}

// head is the begin of an artifact: a line with its length and checksum, then
// this struct as JSON. The files follow, one after the other.
type head struct {
	Job   string   `json:"job"`
	Key   string   `json:"key"`
	Files []member `json:"files"`
}

type member struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

const (
	lead    = "copra part 1" // includes the version
	maxHead = 16 << 20
	maxLead = 128
)

func (h head) encode() ([]byte, error) {
	data, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return append(fmt.Appendf(nil, "%s %d %x\n", lead, len(data), sum), data...), nil
}

// Put stores files of a folder as an artifact, and returns its size. It reads
// the files twice, and they must not change meanwhile. It replaces an existing
// artifact. The folder may be that of a program that is not trusted: Put reads
// nothing outside of it.
func (s *Store) Put(ctx context.Context, job, key string, from *os.Root, files []File) (int64, error) {
	name, err := objectName(job, key)
	if err != nil {
		return 0, err
	}
	h := head{Job: job, Key: key}
	body := artifactBody{from: from}
	for _, f := range files {
		m, err := measure(ctx, from, f)
		if err != nil {
			return 0, fmt.Errorf("read what is to be kept: %w", err)
		}
		h.Files = append(h.Files, m)
	}
	if body.head, err = h.encode(); err != nil {
		return 0, fmt.Errorf("write the head of a part: %w", err)
	}
	if len(body.head) > maxHead {
		return 0, fmt.Errorf("keep a part: %d files are too many", len(files))
	}
	body.size = int64(len(body.head))
	for i, f := range files {
		body.files = append(body.files, span{body.size, f.Path})
		body.size += h.Files[i].Size
	}
	err = s.within(ctx, transferTime(body.size), func(ctx context.Context) error { return s.b.put(ctx, name, body) })
	if err != nil {
		return 0, fmt.Errorf("keep a part of job %s: %w", job, err)
	}
	return body.size, nil
}

func measure(ctx context.Context, from *os.Root, f File) (member, error) {
	file, err := OpenRegular(from, f.Path)
	if err != nil {
		return member{}, err
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.CopyBuffer(onlyWriter{sum}, ending{ctx, file}, make([]byte, 256<<10))
	return member{f.Name, n, hex.EncodeToString(sum.Sum(nil))}, err
}

// OpenRegular opens a file of a folder. It refuses anything but a regular file.
func OpenRegular(from *os.Root, path string) (*os.File, error) {
	// Do not wait for the writer of a named pipe.
	f, err := from.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// artifactBody is an artifact to be stored: the head, and the files in their
// folder. It opens a file for each read, since there may be thousands.
type artifactBody struct {
	head  []byte
	from  *os.Root
	files []span
	size  int64
}

// span is a file with its offset in the artifact.
type span struct {
	at   int64
	path string
}

func (b artifactBody) Size() int64 { return b.size }

func (b artifactBody) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < b.size {
		k, err := b.readSome(p[n:min(int64(len(p)), int64(n)+b.size-off)], off)
		n, off = n+k, off+int64(k)
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readSome reads from the one piece that contains off.
func (b artifactBody) readSome(p []byte, off int64) (int, error) {
	if off < int64(len(b.head)) {
		return copy(p, b.head[off:]), nil
	}
	// The last file that begins at or before off. Empty files before it end
	// there.
	i := sort.Search(len(b.files), func(i int) bool { return b.files[i].at > off }) - 1
	end := b.size
	if i+1 < len(b.files) {
		end = b.files[i+1].at
	}
	f, err := OpenRegular(b.from, b.files[i].path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.ReadAt(p[:min(int64(len(p)), end-off)], off-b.files[i].at)
	if errors.Is(err, io.EOF) {
		if err = nil; n == 0 {
			err = io.ErrUnexpectedEOF // the file was cut
		}
	}
	return n, err
}

// Restore writes the files of an artifact into a folder, at the paths that place
// returns for their names. A name that place refuses counts as damage. No file
// may exist there yet. If Restore fails, with ErrMissing, ErrBroken or the error
// of the store, it leaves no file. Only if the store hangs may files appear
// later; they are of no use.
func (s *Store) Restore(ctx context.Context, job, key string, to *os.Root, place func(name string) (path string, ok bool)) (int64, error) {
	name, err := objectName(job, key)
	if err != nil {
		return 0, err
	}
	var src storage.Source
	err = s.within(ctx, callTimeout, func(ctx context.Context) (err error) {
		src, err = s.b.open(ctx, name)
		return err
	})
	if err == nil {
		err = s.within(ctx, transferTime(src.Size()), func(ctx context.Context) error {
			return s.restore(ctx, src, job, key, to, place)
		})
	}
	if err != nil {
		return 0, fmt.Errorf("restore a part of job %s: %w", job, err)
	}
	return src.Size(), nil
}

func (s *Store) restore(ctx context.Context, src storage.Source, job, key string, to *os.Root, place func(string) (string, bool)) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watch := time.AfterFunc(s.stall, func() { stop(fmt.Errorf("the artifact store brought nothing for %s", s.stall)) })
	defer watch.Stop()
	body := storage.NewReader(ctx, src, 0, readRetry)
	defer body.Close()
	r := watched{body, func() { watch.Reset(s.stall) }}
	h, length, err := readHead(r)
	if err != nil {
		return err
	}
	if h.Job != job || h.Key != key {
		return fmt.Errorf("%w: it is another's", ErrBroken)
	}
	for _, m := range h.Files {
		length += m.Size
	}
	if length != src.Size() {
		return fmt.Errorf("%w: it has %d bytes in the place of %d", ErrBroken, src.Size(), length)
	}
	var made []string
	defer func() {
		if err != nil {
			for _, p := range made {
				_ = to.Remove(p) // it may not exist
			}
		}
	}()
	for _, m := range h.Files {
		path, ok := place(m.Name)
		if !ok {
			return fmt.Errorf("%w: nobody expects a file %q in it", ErrBroken, m.Name)
		}
		made = append(made, path)
		if err := m.write(r, to, path); err != nil {
			return err
		}
	}
	return nil
}

// write writes one file. r is at its beginning.
func (m member) write(r io.Reader, to *os.Root, path string) error {
	f, err := to.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(f, sum), io.LimitReader(r, m.Size), make([]byte, 256<<10))
	if err = errors.Join(plain(err), f.Close()); err != nil {
		return err
	}
	return m.matches(n, sum)
}

func (m member) matches(n int64, sum hash.Hash) error {
	if n != m.Size || hex.EncodeToString(sum.Sum(nil)) != m.SHA256 {
		return fmt.Errorf("%w: the file %q is not what was stored", ErrBroken, m.Name)
	}
	return nil
}

// plain replaces an error of a reader whose message is for the owner of an input
// by its cause.
func plain(err error) error {
	if e, ok := errors.AsType[*job.Error](err); ok && e.Cause != nil {
		return e.Cause
	}
	return err
}

// readHead reads the head of a part and returns its length.
func readHead(r io.Reader) (h head, length int64, err error) {
	broken := func(what string) (head, int64, error) {
		return head{}, 0, fmt.Errorf("%w: %s", ErrBroken, what)
	}
	// Read the line byte by byte, since what follows it is not a part of it.
	var line []byte
	for one := make([]byte, 1); len(line) < maxLead; {
		if _, err := io.ReadFull(r, one); errors.Is(err, io.EOF) {
			return broken("it has no head")
		} else if err != nil {
			return head{}, 0, plain(err)
		}
		if one[0] == '\n' {
			break
		}
		line = append(line, one[0])
	}
	var size int64
	var sum string
	rest, ok := strings.CutPrefix(string(line), lead+" ")
	if n, err := fmt.Sscanf(rest, "%d %64s", &size, &sum); !ok || err != nil || n != 2 || size < 0 || size > maxHead ||
		fmt.Sprintf("%d %s", size, sum) != rest {
		return broken("it has no head")
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return broken("its head is cut off")
	} else if err != nil {
		return head{}, 0, plain(err)
	}
	if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum {
		return broken("its head is not what was stored")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return broken("its head cannot be read")
	}
	for _, m := range h.Files {
		if m.Size < 0 {
			return broken("its head cannot be right")
		}
	}
	return h, int64(len(line)+1) + size, nil
}

// watched reports each read that returned bytes.
type watched struct {
	io.Reader
	alive func()
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.alive()
	}
	return n, err
}
