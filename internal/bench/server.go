package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// startTime bounds the start of a server, its first database included.
const startTime = 60 * time.Second

// server is a running process of the program under test.
type server struct {
	base string // without /v2
	key  string
	cmd  *exec.Cmd
	log  string // file
	http *http.Client
	sink *sink
}

// standalone starts a standalone server with a data folder of its own.
func (b *bench) standalone(ctx context.Context, name string, flags ...string) (*server, error) {
	data, err := b.sub(name, "data")
	if err != nil {
		return nil, err
	}
	s, err := b.launch(ctx, name, nil, append([]string{"standalone", "--data", data, "--listen", "127.0.0.1:0",
		"--allow-network", "127.0.0.0/8"}, flags...)...)
	if err != nil {
		return nil, err
	}
	err = s.await(ctx, func() bool {
		s.base = word(filepath.Join(data, "base-url"))
		s.key = word(filepath.Join(data, "api-key"))
		return s.base != "" && s.key != ""
	})
	return s, err
}

// launch starts the program with its log in a file. It ends with this process.
func (b *bench) launch(_ context.Context, name string, env []string, args ...string) (*server, error) {
	logFile, err := os.Create(filepath.Join(b.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	s := &server{cmd: exec.Command(b.bin, args...), log: logFile.Name(), sink: b.sink,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = logFile, logFile
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", b.bin, err)
	}
	return s, nil
}

// await polls until the server is there.
func (s *server) await(ctx context.Context, there func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(s.log)
			s.stop()
			return fmt.Errorf("the server did not start: %w\n%s", ctx.Err(), log)
		case <-tick.C:
		}
	}
	return nil
}

// stop ends the server and waits for it.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	_ = s.cmd.Wait()
}

// peakMemory is the most that the process itself has held, in bytes.
func (s *server) peakMemory() (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, errors.New("the system does not tell VmHWM")
}

func (s *server) do(ctx context.Context, method, path string, body io.Reader, want int, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, body)
	if err != nil {
		return err
	}
	req.SetBasicAuth(s.key, "")
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, data)
	}
	return json.Unmarshal(data, into)
}

// upload sends a file and returns its address as an input.
func (s *server) upload(ctx context.Context, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var answer struct{ URL string }
	err = s.do(ctx, http.MethodPut, "/v2/uploads/"+filepath.Base(file), f, http.StatusCreated, &answer)
	return answer.URL, err
}

// jobState is what is read of a job.
type jobState struct {
	ID      string
	Status  string
	Input   struct{ Error string }
	Outputs []output
}

type output struct {
	Key, URL, Error string
	URLs            json.RawMessage
}

// request is a job on the input, told to the sink when it has ended. storage
// is the built-in one when nil.
func (s *server) request(input string, outputs, storage map[string]any) []byte {
	if storage == nil {
		storage = map[string]any{"service": "coconut"}
	}
	body, err := json.Marshal(map[string]any{
		"input":        map[string]any{"url": input},
		"storage":      storage,
		"outputs":      outputs,
		"notification": map[string]any{"type": "http", "url": s.sink.url},
	})
	if err != nil {
		panic(err) // of strings and numbers
	}
	return body
}

// job sends a request, waits until the job has ended, and returns it with the
// moment before the request and that of the webhook.
func (s *server) job(ctx context.Context, body []byte) (j jobState, sent, ended time.Time, err error) {
	sent = time.Now()
	if err = s.do(ctx, http.MethodPost, "/v2/jobs", bytes.NewReader(body), http.StatusCreated, &j); err != nil {
		return j, sent, ended, err
	}
	if ended, err = s.sink.wait(ctx, j.ID); err != nil {
		return j, sent, ended, err
	}
	if err = s.do(ctx, http.MethodGet, "/v2/jobs/"+j.ID, nil, http.StatusOK, &j); err != nil {
		return j, sent, ended, err
	}
	if j.Status != "job.completed" {
		return j, sent, ended, fmt.Errorf("the job ended as %s: %+v; log: %s", j.Status, j, s.log)
	}
	return j, sent, ended, nil
}

// word is the text of a small file, "" when there is none.
func word(file string) string {
	data, _ := os.ReadFile(file)
	return strings.TrimSpace(string(data))
}

// listening finds the address in the log line of a process that has started to
// serve, "" when there is none yet.
func listening(log string) string {
	_, rest, found := strings.Cut(log, "listen=")
	if !found {
		return ""
	}
	address, _, ended := strings.Cut(rest, " ")
	if !ended {
		return ""
	}
	return "http://" + address
}
