package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
)

// startTime bounds the start of a server, including the creation of a database
// on a busy machine.
const startTime = 60 * time.Second

// allow is the flag for the loopback network, where all servers of these tests
// are.
const allow = "--allow-network=127.0.0.0/8"

// standalone is a running copra standalone.
type standalone struct {
	*process
	client
	data string
}

func launchStandalone(l launch, data string) (*standalone, error) {
	l.args = append([]string{"standalone", "--listen", "127.0.0.1:0", "--data", data}, l.args...)
	p, err := start(l)
	if err != nil {
		return nil, err
	}
	s := &standalone{process: p, data: data}
	_, err = p.says(startTime, `base URL +(https?://\S+/v2)\n`)
	if err == nil {
		_, err = p.says(time.Second, `key file`) // the last that is written
	}
	if err == nil {
		s.base, err = s.listens()
	}
	if err != nil {
		p.cmd.Process.Kill()
		<-p.done
		return nil, err
	}
	key, err := os.ReadFile(filepath.Join(data, "api-key"))
	s.key = strings.TrimSpace(string(key))
	return s, err
}

// listens is the server's own address. Clients may reach it by another one.
func (s *standalone) listens() (string, error) {
	address, err := os.ReadFile(filepath.Join(s.data, "base-url"))
	return strings.TrimSpace(string(address)) + "/v2", err
}

// startStandalone starts a server that ends with the test at the latest.
func startStandalone(t testing.TB, l launch, data string) *standalone {
	t.Helper()
	started := func() {}
	if l.uid == 0 { // the file must be the server's own
		started = knownFFmpeg(t, filepath.Join(data, "work"), "")
	}
	s, err := launchStandalone(l, data)
	if err != nil {
		t.Fatal(err)
	}
	started()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		<-s.done
		if t.Failed() {
			t.Logf("the server wrote:\n%s%s", s.stdout.String(), tellingLines(s.stderr.String()))
		}
	})
	return s
}

// tellingLines is the end of a log without the lines of requests.
func tellingLines(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "msg=request") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-60):], "")
}

// capabilityFile is kept in the work directory from one start to the next.
const capabilityFile = "ffmpeg-capabilities.json"

// leftovers lists the work files in the work directory dir. Lock files, empty
// folders and the cache of what ffmpeg can do are meant to stay.
func leftovers(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil // removed in the meantime
		case err != nil:
			return err
		case !d.IsDir() && !strings.HasSuffix(path, ".lock") && d.Name() != capabilityFile:
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

func workFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := leftovers(dir)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// fixtures are started by the first test that needs them, and live as long as
// the test process.
type fixtures struct {
	dir string

	mu      sync.Mutex
	steered string // the script of steered
	server  *standalone
	inputs  *inputServer
	hooks   *sink
	bucket  *s3server.Server
	speech  *speechService
}

// close stops the shared server. A server that has left work files behind, or
// that does not end when asked, fails the run.
func (f *fixtures) close() error {
	if f.inputs != nil {
		f.inputs.close()
	}
	if f.hooks != nil {
		f.hooks.close()
	}
	if f.server == nil {
		return nil
	}
	defer f.speech.Close()
	select {
	case <-f.server.done:
		return fmt.Errorf("the shared server ended by itself: %w\n%s", f.server.err, tellingLines(f.server.stderr.String()))
	default:
	}
	if err := f.cleared(); err != nil {
		return err
	}
	if err := f.server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-f.server.done:
		return f.server.err
	case <-time.After(testtime.Allow(5 * time.Second)):
		f.server.cmd.Process.Kill()
		<-f.server.done
		return errors.New("the shared server did not end within 5 s of SIGTERM:\n" + tellingLines(f.server.stderr.String()))
	}
}

// cleared waits until the work files of all jobs are deleted.
func (f *fixtures) cleared() error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(testtime.Allow(10 * time.Second))
	for {
		files, err := leftovers(filepath.Join(f.server.data, "work"))
		if err != nil || len(files) == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("work files are left behind after all tests: %q", files)
		}
	}
}

// shared returns the server that tests share. Its service "s3" is our own S3
// server, and its speech service a stand-in.
func shared(t testing.TB) *standalone {
	t.Helper()
	gateway := s3(t)
	common.mu.Lock()
	defer common.mu.Unlock()
	if common.server == nil {
		data := filepath.Join(common.dir, "shared")
		started := knownFFmpeg(t, filepath.Join(data, "work"), "")
		common.speech = newSpeechService()
		s, err := launchStandalone(launch{
			args: []string{allow, "--s3-endpoint", gateway.Endpoint, "--slots", "4", "--upload-retry-timeout", "5s", "--speech-url", common.speech.URL},
			env:  []string{"COPRA_SPEECH_KEY=" + speechKey},
		}, data)
		if err != nil {
			t.Fatal(err)
		}
		started()
		common.server = s
	}
	s := common.server
	select {
	case <-s.done:
		t.Fatalf("the shared server has ended: %v\n%s", s.err, s.stderr.String())
	default:
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the shared server wrote, at the end:\n%s", tellingLines(s.stderr.String()))
		}
	})
	return s
}

// s3 returns the S3 server that tests share.
func s3(t testing.TB) *s3server.Server {
	t.Helper()
	common.mu.Lock()
	defer common.mu.Unlock()
	if common.bucket == nil {
		common.bucket = s3server.Start(&processLife{TB: t})
	}
	return common.bucket
}

// processLife gives a fixture the life of the test process: its folder is in
// that of the run, and the kernel ends the server with us.
type processLife struct{ testing.TB }

func (*processLife) Cleanup(func()) {}

func (l *processLife) TempDir() string {
	dir, err := os.MkdirTemp(common.dir, "s3-")
	if err != nil {
		l.Fatal(err)
	}
	return dir
}

func inputs(t testing.TB) *inputServer {
	t.Helper()
	common.mu.Lock()
	defer common.mu.Unlock()
	if common.inputs == nil {
		common.inputs = newInputServer()
	}
	return common.inputs
}

func hooks(t testing.TB) *sink {
	t.Helper()
	common.mu.Lock()
	defer common.mu.Unlock()
	if common.hooks == nil {
		common.hooks = newSink()
	}
	return common.hooks
}

// short is a second of video with sound.
func short(t testing.TB) string { return inputs(t).add(testmedia.Clip(t, testmedia.Short)) }
