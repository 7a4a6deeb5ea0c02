package artifacts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

const (
	jobA, jobB = "aaaaAAAA111122", "bbbbBBBB111122"
	few        = 40 // damages tried if each takes a request
)

var (
	key1 = strings.Repeat("1", 64)
	key2 = strings.Repeat("2", 64)
)

// stores runs a test for each kind of store.
func stores(t *testing.T, run func(t *testing.T, s *Store)) {
	t.Run("folder", func(t *testing.T) {
		run(t, opened(t, Options{Address: filepath.Join(t.TempDir(), "store")}))
	})
	srv := s3server.Start(t)
	srv.CreateBucket(t, "artifacts")
	for _, prefix := range []string{"", "/some/prefix"} {
		t.Run("s3"+prefix, func(t *testing.T) {
			run(t, opened(t, Options{
				Address: "s3://artifacts" + prefix, Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: job.NewSecret(srv.SecretKey),
			}))
		})
	}
}

// OpenTestBucket is s3bucket.Open, which imports this package.
var OpenTestBucket func(ctx context.Context, o Options, name string) (Bucket, error)

func opened(t *testing.T, o Options) *Store {
	t.Helper()
	o.OpenBucket = OpenTestBucket
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// raw returns the stored bytes. replace overwrites them.
func raw(t *testing.T, s *Store, job, key string) []byte {
	t.Helper()
	src, err := s.b.open(t.Context(), job+"/"+key+".part")
	if err != nil {
		t.Fatal(err)
	}
	r, err := src.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func replace(t *testing.T, s *Store, job, key string, data []byte) {
	t.Helper()
	name := job + "/" + key + ".part"
	f, ok := s.b.(folder)
	if !ok {
		if err := s.b.put(t.Context(), name, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		return
	}
	// Without a sync, which would take most of the time.
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// files writes files for an artifact into a folder.
func files(t *testing.T, content map[string][]byte) (*os.Root, []File) {
	t.Helper()
	root := folderOf(t)
	var list []File
	for _, name := range slices.Sorted(maps.Keys(content)) {
		f := File{name, fmt.Sprintf("made-%d", len(list))}
		if err := root.WriteFile(f.Path, content[name], 0o600); err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return root, list
}

func folderOf(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// restored restores an artifact into a new folder, and returns the files there.
func restored(t *testing.T, s *Store, job, key string) (map[string][]byte, error) {
	t.Helper()
	root := folderOf(t)
	_, err := s.Restore(t.Context(), job, key, root, func(name string) (string, bool) {
		return "got-" + name, filepath.IsLocal(name) && !strings.Contains(name, "/")
	})
	got := map[string][]byte{}
	entries, rerr := os.ReadDir(root.Name())
	if rerr != nil {
		t.Fatal(rerr)
	}
	for _, e := range entries {
		data, rerr := root.ReadFile(e.Name())
		if rerr != nil {
			t.Fatal(rerr)
		}
		got[strings.TrimPrefix(e.Name(), "got-")] = data
	}
	if err != nil && len(got) > 0 {
		t.Errorf("%d files are left of a restore that failed with %v", len(got), err)
	}
	return got, err
}

func keep(t *testing.T, s *Store, job, key string, content map[string][]byte) {
	t.Helper()
	root, list := files(t, content)
	if _, err := s.Put(t.Context(), job, key, root, list); err != nil {
		t.Fatal(err)
	}
}

func TestParts(t *testing.T) {
	stores(t, func(t *testing.T, s *Store) {
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		pictures := map[string][]byte{}
		for i := range 300 {
			pictures[fmt.Sprintf("0-%05d", i)] = storagetest.Random(i)
		}
		for name, content := range map[string]map[string][]byte{
			"one":      {"0": storagetest.Random(100_000)},
			"large":    {"0": storagetest.Random(18 << 20)}, // S3 gets it in parts
			"pictures": pictures,
			"empty":    {"0": {}, "1": {1}, "2": {}, "3": {}},
			"none":     {},
		} {
			keep(t, s, jobA, key1, content)
			got, err := restored(t, s, jobA, key1)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !maps.EqualFunc(content, got, bytes.Equal) {
				t.Errorf("%s: something else comes back", name)
			}
		}
		if _, err := restored(t, s, jobA, key2); !errors.Is(err, ErrMissing) {
			t.Errorf("a part that nobody stored: %v", err)
		}
	})
}

func TestListAndDrop(t *testing.T) {
	stores(t, func(t *testing.T, s *Store) {
		for range 2 { // a missing one, too
			for _, j := range []string{jobA, jobB} {
				if err := s.Drop(t.Context(), j); err != nil {
					t.Fatal(err)
				}
			}
			if keys, err := s.List(t.Context(), jobA); err != nil || len(keys) != 0 {
				t.Errorf("list of nothing: %v, %v", keys, err)
			}
		}
		content := map[string][]byte{"0": {1}}
		keep(t, s, jobA, key1, content)
		keep(t, s, jobA, key2, content)
		keep(t, s, jobB, key1, content)
		keys, err := s.List(t.Context(), jobA)
		if diff := cmp.Diff([]string{key1, key2}, keys); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		jobs, err := s.Jobs(t.Context())
		if err != nil || len(jobs) != 2 || time.Since(jobs[jobA]).Abs() > time.Minute || time.Since(jobs[jobB]).Abs() > time.Minute {
			t.Errorf("jobs %v, %v", jobs, err)
		}
		if err := s.Drop(t.Context(), jobA); err != nil {
			t.Fatal(err)
		}
		if _, err := restored(t, s, jobA, key1); !errors.Is(err, ErrMissing) {
			t.Errorf("a part that was dropped: %v", err)
		}
		if _, err := restored(t, s, jobB, key1); err != nil {
			t.Errorf("a part of another job: %v", err)
		}
		if err := s.Tidy(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"", "..", "a/b", "../" + jobB, "a b"} {
			if err := s.Drop(t.Context(), name); err == nil {
				t.Errorf("drops %q", name)
			}
			if _, err := s.Put(t.Context(), name, key1, folderOf(t), nil); err == nil {
				t.Errorf("keeps for %q", name)
			}
			if _, err := s.Put(t.Context(), jobA, name, folderOf(t), nil); err == nil {
				t.Errorf("keeps %q", name)
			}
		}
	})
}

// An artifact is not restored if any byte was changed, if it was cut or
// extended, or if it is stored under another name.
func TestDamage(t *testing.T) {
	stores(t, func(t *testing.T, s *Store) {
		content := map[string][]byte{"0": storagetest.Random(100), "1": {}, "2": []byte("some text")}
		keep(t, s, jobA, key1, content)
		whole := raw(t, s, jobA, key1)
		step := 1
		if _, remote := s.b.(bucket); remote {
			step = len(whole) / few
		}
		damaged := func(what string, data []byte) {
			t.Helper()
			replace(t, s, jobA, key1, data)
			if _, err := restored(t, s, jobA, key1); !errors.Is(err, ErrBroken) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for at := 0; at < len(whole); at += step {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << (at % 8)
			damaged(fmt.Sprintf("byte %d changed", at), flipped)
			damaged(fmt.Sprintf("cut after %d bytes", at), whole[:at])
		}
		damaged("longer", append(bytes.Clone(whole), 0))
		damaged("zeros", make([]byte, len(whole)))
		damaged("a head without an end", bytes.Repeat([]byte{'x'}, 1000))
		damaged("a head that claims much", []byte("copra part 1 99999999999 "+strings.Repeat("0", 64)+"\n"))
		replace(t, s, jobA, key2, whole)
		replace(t, s, jobB, key1, whole)
		for _, other := range [][2]string{{jobA, key2}, {jobB, key1}} {
			if _, err := restored(t, s, other[0], other[1]); !errors.Is(err, ErrBroken) {
				t.Errorf("in another's place: %v", err)
			}
		}
		keep(t, s, jobA, key1, content)
		if got, err := restored(t, s, jobA, key1); err != nil || !maps.EqualFunc(content, got, bytes.Equal) {
			t.Errorf("kept again: %v", err)
		}
		// The reader must refuse a name that leads elsewhere.
		keep(t, s, jobA, key1, map[string][]byte{"../x": {1}})
		if _, err := restored(t, s, jobA, key1); !errors.Is(err, ErrBroken) {
			t.Errorf("a name that climbs: %v", err)
		}
	})
}

// A file that changes while it is stored is not restored with the changes.
func TestChangedMeanwhile(t *testing.T) {
	for name, change := range map[string]func(*os.File) error{
		"a hole":  func(f *os.File) error { _, err := f.WriteAt(make([]byte, 4096), 1<<20); return err },
		"shorter": func(f *os.File) error { return f.Truncate(1 << 20) },
	} {
		t.Run(name, func(t *testing.T) {
			root, list := files(t, map[string][]byte{"0": storagetest.Random(3 << 20)})
			s := opened(t, Options{Address: filepath.Join(t.TempDir(), "store")})
			h := &changing{backend: s.b, before: func() {
				f, err := root.OpenFile(list[0].Path, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if err := change(f); err != nil {
					t.Fatal(err)
				}
			}}
			if _, err := (&Store{b: h, stall: time.Second}).Put(t.Context(), jobA, key1, root, list); err == nil {
				if _, err := restored(t, s, jobA, key1); !errors.Is(err, ErrBroken) {
					t.Errorf("restored: %v", err)
				}
			} else if keys, _ := s.List(t.Context(), jobA); len(keys) > 0 {
				t.Errorf("a part is there although %v", err)
			}
		})
	}
}

// changing changes a file after it was measured.
type changing struct {
	backend
	before func()
}

func (c *changing) put(ctx context.Context, name string, body storage.Body) error {
	c.before()
	return c.backend.put(ctx, name, body)
}

// Nothing that a program puts into its folder makes us read or write outside of
// it.
func TestFolderOfAProgram(t *testing.T) {
	s := opened(t, Options{Address: filepath.Join(t.TempDir(), "store")})
	outside := t.TempDir()
	canary := filepath.Join(outside, "canary")
	if err := os.WriteFile(canary, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := folderOf(t)
	at := func(name string) string { return filepath.Join(root.Name(), name) }
	if err := errors.Join(os.Symlink(canary, at("link")), os.Symlink(outside, at("folder")), os.Mkdir(at("dir"), 0o700), syscall.Mkfifo(at("pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "folder/canary", "dir", "pipe", "../x", "missing"} {
		if _, err := s.Put(t.Context(), jobA, key1, root, []File{{"0", name}}); err == nil {
			t.Errorf("%s was kept", name)
		}
	}
	keep(t, s, jobA, key1, map[string][]byte{"0": []byte("ours")})
	for _, name := range []string{"link", "folder/new", "../x", "pipe"} {
		if _, err := s.Restore(t.Context(), jobA, key1, root, func(string) (string, bool) { return name, true }); err == nil {
			t.Errorf("restored over %s", name)
		}
	}
	entries, err := os.ReadDir(outside)
	if data, rerr := os.ReadFile(canary); err != nil || len(entries) != 1 || string(data) != "secret" {
		t.Errorf("%d files, %q, %v, %v", len(entries), data, err, rerr)
	}
}

// Only the owner can read stored files, and an interrupted Put leaves nothing
// else.
func TestFolderModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := opened(t, Options{Address: dir})
	keep(t, s, jobA, key1, map[string][]byte{"0": storagetest.Random(1000)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.b.put(ctx, jobA+"/"+key2+".part", bytes.NewReader(make([]byte, 1000))); !errors.Is(err, context.Canceled) {
		t.Errorf("a put that was broken off: %v", err)
	}
	var found []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if want := map[bool]os.FileMode{true: 0o700, false: 0o600}[info.IsDir()]; info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !info.IsDir() {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	if diff := cmp.Diff([]string{key1 + ".part"}, found); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Files beside our own folder are neither listed nor deleted.
func TestFolderOfOthers(t *testing.T) {
	dir := t.TempDir()
	theirs := filepath.Join(dir, jobA, key1+".part")
	if err := os.MkdirAll(filepath.Dir(theirs), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(theirs, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := opened(t, Options{Address: dir})
	if jobs, err := s.Jobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Errorf("jobs %v, %v", jobs, err)
	}
	if err := s.Drop(t.Context(), jobA); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}

func TestFolderFull(t *testing.T) {
	if os.Getuid() != 0 {
		testmedia.Missing(t, "only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		testmedia.Missing(t, "no small disk can be mounted: "+err.Error())
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := opened(t, Options{Address: dir})
	keep(t, s, jobA, key1, map[string][]byte{"0": make([]byte, 500_000)})
	for _, size := range []int{500_000, 2 << 20} { // into the last twentieth, and more than there is
		root, list := files(t, map[string][]byte{"0": make([]byte, size)})
		_, err := s.Put(t.Context(), jobA, key2, root, list)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := restored(t, s, jobA, key1); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Address: "ftp://host/path"}, "neither a folder nor"},
		{Options{Address: "s3://"}, "neither a folder nor"},
		{Options{Address: "s3://key:canary@bucket/x"}, "neither a folder nor"},
		{Options{Address: "s3://b?x=canary"}, "neither a folder nor"},
		{Options{Address: "s3://under_score!/x", AccessKey: "a", SecretKey: job.NewSecret("canary")}, "is not a bucket name"},
		{Options{Address: "s3://b/x", AccessKey: "a"}, "only one is given"},
		{Options{Address: "s3://b/x", SecretKey: job.NewSecret("canary")}, "only one is given"},
		{Options{Address: "s3://b/x", Endpoint: "ftp://host", AccessKey: "a", SecretKey: job.NewSecret("canary")}, "endpoint is not valid"},
		{Options{Address: "/there/is/no/such/folder"}, "the folder /there/is/no/such, for folder, is not there"},
		{Options{Address: file}, "is no folder"},
	} {
		tt.o.OpenBucket = OpenTestBucket
		_, err := Open(t.Context(), tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}

// A program that links no SDK has folders alone.
func TestNoBuckets(t *testing.T) {
	if _, err := Open(t.Context(), Options{Address: "s3://b/x"}); err == nil || !strings.Contains(err.Error(), "in a folder only") {
		t.Errorf("%v", err)
	}
}

func TestCheckTells(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "artifacts")
	for name, o := range map[string]Options{
		"does not exist":    {Address: "s3://no-such-bucket", Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: job.NewSecret(srv.SecretKey)},
		"secret_access_key": {Address: "s3://artifacts", Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: job.NewSecret("canary")},
		"could not be":      {Address: "s3://artifacts", Endpoint: "http://127.0.0.1:1", AccessKey: "a", SecretKey: job.NewSecret("canary")},
	} {
		err := opened(t, o).Check(t.Context())
		if passing := name == "could not be"; IsTransient(err) != passing {
			t.Errorf("%s: passing is %t", name, !passing)
		}
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without settings of ours the SDK's own settings are used.
func TestDefaultChain(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "artifacts")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": srv.AccessKey, "AWS_SECRET_ACCESS_KEY": srv.SecretKey, "AWS_CONFIG_FILE": os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	if err := opened(t, Options{Address: "s3://artifacts/p", Endpoint: srv.Endpoint}).Check(t.Context()); err != nil {
		t.Error(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if err := opened(t, Options{Address: "s3://artifacts/p", Endpoint: srv.Endpoint}).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "No keys for the bucket are set") || IsTransient(err) {
		t.Errorf("without credentials: %v", err)
	}
}
