package backends

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/httpupload"
)

const (
	// checkTime bounds the writing and the reading of a check together.
	checkTime = 30 * time.Second
	// cleanTime bounds the deletion, which comes after a caller that has gone, too.
	cleanTime = 10 * time.Second
)

// checkText is what the file of a check says to whoever finds it.
const checkText = "Copra wrote this file to check that it can store results here. It may be deleted.\n"

// Check stores a small file under a new name in the path of st, as a result of a job is
// stored, reads it back and deletes it. What it finds is the StorageCheck. The error is a
// *job.Error for a storage that cannot be tried out without harm.
func (o *Opener) Check(ctx context.Context, st *job.Storage) (job.StorageCheck, error) {
	owner := storage.Namespace{JobID: "check-" + rand.Text(), Kind: "files", Created: time.Now()}
	c := &check{o: o, key: Key(st.Path, "copra-check-"+strings.ToLower(rand.Text())+".txt"), text: []byte(checkText)}
	var err error
	if c.bucket, err = o.open(ctx, st, owner); err == nil {
		defer func() { _ = storage.Close(c.bucket) }()
		if h, ok := c.bucket.(*httpupload.Bucket); ok && h.OneFile() {
			return job.StorageCheck{}, job.Errorf(job.StorageNotValid, "The URL of the storage is signed for one file, which a check would replace. It cannot be tried out.")
		}
		err = checkKey(c.key)
	}
	timed, cancel := context.WithTimeoutCause(ctx, checkTime, errCheckTime)
	defer cancel()
	c.write(timed, err)
	c.read(timed)
	clean, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), cleanTime, errCheckTime)
	defer cancel()
	c.remove(clean)
	return c.result(), nil
}

var errCheckTime = errors.New("the time for the check is over")

// check is a check under way.
type check struct {
	o      *Opener
	bucket storage.Bucket
	key    string
	text   []byte

	steps   []job.StorageStep
	written bool
	tried   bool // it may be there although the writing failed
	altered bool // something else than was written came back
}

// step adds a step, and reports whether it was done.
func (c *check) step(ctx context.Context, name job.StorageStepName, begin time.Time, err error) bool {
	s := job.StorageStep{Name: name, Result: job.StepDone, Took: time.Since(begin)}
	if err != nil {
		e := checkFailure(err)
		if e.Reason == job.InternalError && ctx.Err() == nil {
			c.o.o.Log.WarnContext(ctx, "storage check", "step", name, "error", err)
		}
		s.Result, s.Reason, s.Message = job.StepFailed, e.Reason, e.Message
	}
	c.steps = append(c.steps, s)
	return err == nil
}

func (c *check) skip(name job.StorageStepName, why string) {
	c.steps = append(c.steps, job.StorageStep{Name: name, Result: job.StepSkipped, Message: why})
}

// write stores the file, unless err says that it cannot be. Like a worker it first asks
// for a refusal: its sentence is the better one.
func (c *check) write(ctx context.Context, err error) {
	begin := time.Now()
	if err == nil {
		if err = c.bucket.Check(ctx); !isRefusal(err) {
			c.tried = true
			err = c.bucket.Put(ctx, c.key, bytes.NewReader(c.text), storage.PutOptions{ContentType: "text/plain; charset=utf-8", Form: map[string]string{"storage_check": "true"}})
		}
	}
	c.written = c.step(ctx, job.StorageWrite, begin, err)
}

// isRefusal reports whether an error of Check settles that nothing can be stored.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*job.Error](err)
	return ok
}

// read reads the file back. Where a storage cannot be an input, it is looked for.
func (c *check) read(ctx context.Context) {
	if !c.written {
		c.skip(job.StorageRead, "Nothing was written.")
		return
	}
	begin := time.Now()
	src, err := c.source(ctx)
	switch looker, ok := c.bucket.(storage.Deleter); {
	case err != nil:
	case src != nil:
		err = c.compare(ctx, src)
	case ok:
		var found bool
		if found, err = looker.Exists(ctx, c.key); err == nil && !found {
			err = job.Errorf(job.StorageRefused, "The storage took the file and has none under its name.")
			c.altered = true
		}
	default:
		c.skip(job.StorageRead, "This kind of storage cannot be read from here.")
		return
	}
	c.step(ctx, job.StorageRead, begin, err)
}

// source opens the file that was written; nil if this kind of storage cannot be an input.
func (c *check) source(ctx context.Context) (storage.Source, error) {
	if b, ok := c.bucket.(reader); ok {
		return b.Source(ctx, c.key)
	}
	if c.o.o.Local != nil {
		if src, own, err := c.o.o.Local.Lookup(c.bucket.URL(c.key)); own {
			return src, err
		}
	}
	return nil, nil
}

func (c *check) compare(ctx context.Context, src storage.Source) error {
	body, err := src.Open(ctx, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	got, err := io.ReadAll(io.LimitReader(body, int64(len(c.text))+1))
	if err != nil {
		return fmt.Errorf("read the file of the check: %w", err)
	}
	if !bytes.Equal(got, c.text) {
		c.altered = true
		return job.Errorf(job.StorageRefused, "The storage gave back something else than was written.")
	}
	return nil
}

// remove deletes the file. That of a writing that failed may be there too: its answer
// may have been lost.
func (c *check) remove(ctx context.Context) {
	d, ok := c.bucket.(storage.Deleter)
	switch {
	case !c.tried:
		c.skip(job.StorageDelete, "Nothing was written.")
	case !ok:
		c.skip(job.StorageDelete, "Nothing can be deleted in this kind of storage from here.")
	case !c.written:
		_ = d.Delete(ctx, c.key) // most often there is nothing
		c.skip(job.StorageDelete, "Nothing was written.")
	default:
		begin := time.Now()
		c.step(ctx, job.StorageDelete, begin, d.Delete(ctx, c.key))
	}
}

// result sums the steps up.
func (c *check) result() job.StorageCheck {
	write, read, remove := c.steps[0], c.steps[1], c.steps[2]
	r := job.StorageCheck{OK: c.written && !c.altered, Object: c.key, Left: c.written && remove.Result != job.StepDone, Steps: c.steps}
	switch {
	case !c.written:
		r.Message, r.Reason = write.Message, write.Reason
		return r
	case c.altered:
		r.Message, r.Reason = read.Message, read.Reason
		return r
	case read.Result == job.StepDone:
		r.Message = "The storage takes results: a file was written and read back"
	case read.Result == job.StepSkipped:
		r.Message = "The storage takes results: a file was written"
	default:
		r.Message = "The storage takes results: a file was written. It could not be read back, which jobs do not need"
	}
	switch {
	case !r.Left:
		r.Message += ", and it is deleted again."
	case remove.Result == job.StepSkipped:
		r.Message += "; it stays there, since this kind of storage cannot delete."
	default:
		r.Message += "; it stays there, since it could not be deleted, which jobs need only to clean up after a failure."
	}
	return r
}

// checkFailure is what a customer may see of err.
func checkFailure(err error) *job.Error {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	if u, ok := errors.AsType[*storage.Unavailable](err); ok {
		return &job.Error{Reason: job.StorageUnavailable, Message: u.Message, Cause: err}
	}
	if errors.Is(err, errCheckTime) || errors.Is(err, context.DeadlineExceeded) {
		return job.Errorf(job.StorageUnavailable, "The storage did not do it within %d seconds.", int(checkTime/time.Second)).WithCause(err)
	}
	return job.Errorf(job.InternalError, "The storage could not be tried out because of an internal error.").WithCause(err)
}
