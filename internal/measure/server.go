package measure

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

// StartTime bounds the start of a server, its first database included.
const StartTime = 60 * time.Second

// Server is a running process of the program under test.
type Server struct {
	Base string // without /v2
	Key  string
	Cmd  *exec.Cmd
	Log  string // file
	HTTP *http.Client
	Sink *Sink
}

// Standalone starts a standalone server with a data folder of its own.
func (l *Lab) Standalone(ctx context.Context, name string, flags ...string) (*Server, error) {
	data, err := l.Sub(name, "data")
	if err != nil {
		return nil, err
	}
	s, err := l.Launch(ctx, name, nil, append([]string{"standalone", "--data", data, "--listen", "127.0.0.1:0",
		"--allow-network", "127.0.0.0/8"}, flags...)...)
	if err != nil {
		return nil, err
	}
	err = s.Await(ctx, func() bool {
		s.Base = Word(filepath.Join(data, "base-url"))
		s.Key = Word(filepath.Join(data, "api-key"))
		return s.Base != "" && s.Key != ""
	})
	return s, err
}

// Launch starts the program with its log in a file. It ends with this process.
func (l *Lab) Launch(_ context.Context, name string, env []string, args ...string) (*Server, error) {
	logFile, err := os.Create(filepath.Join(l.Dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	s := &Server{Cmd: exec.Command(l.Bin, args...), Log: logFile.Name(), Sink: l.Sink,
		HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	s.Cmd.Env = append(os.Environ(), env...)
	s.Cmd.Stdout, s.Cmd.Stderr = logFile, logFile
	s.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it
	if err := s.Cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", l.Bin, err)
	}
	return s, nil
}

// Await polls until the server is there.
func (s *Server) Await(ctx context.Context, there func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, StartTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(s.Log)
			s.Stop()
			return fmt.Errorf("the server did not start: %w\n%s", ctx.Err(), log)
		case <-tick.C:
		}
	}
	return nil
}

// Stop ends the server and waits for it.
func (s *Server) Stop() {
	_ = s.Cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(20*time.Second, func() { _ = s.Cmd.Process.Kill() })
	defer kill.Stop()
	_ = s.Cmd.Wait()
}

// PeakMemory is the most that the process itself has held, in bytes.
func (s *Server) PeakMemory() (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Cmd.Process.Pid))
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

// Do sends a request and reads its answer into into, which must be of
// status want; a nil into takes any.
func (s *Server) Do(ctx context.Context, method, path string, body io.Reader, want int, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.Base+path, body)
	if err != nil {
		return err
	}
	req.SetBasicAuth(s.Key, "")
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		return &StatusError{method, path, resp.StatusCode, data}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(data, into)
}

// StatusError is an answer of another status than was wanted.
type StatusError struct {
	Method, Path string
	Code         int
	Body         []byte
}

// Error is one line.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: status %d: %s", e.Method, e.Path, e.Code, e.Body)
}

func (e *StatusError) code() int {
	if e == nil {
		return 0
	}
	return e.Code
}

// Upload sends a file and returns its address as an input.
func (s *Server) Upload(ctx context.Context, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var answer struct{ URL string }
	err = s.Do(ctx, http.MethodPut, "/v2/uploads/"+filepath.Base(file), f, http.StatusCreated, &answer)
	return answer.URL, err
}

// JobState is what is read of a job.
type JobState struct {
	ID      string
	Status  string
	Input   struct{ Error string }
	Outputs []Output
}

// Output is what is read of an output.
type Output struct {
	Key, URL, Error string
	URLs            json.RawMessage
}

// Request is a job on the input, told to the sink when it has ended. storage
// is the built-in one when nil.
func (s *Server) Request(input string, outputs, storage map[string]any) []byte {
	if storage == nil {
		storage = map[string]any{"service": "coconut"}
	}
	body, err := json.Marshal(map[string]any{
		"input":        map[string]any{"url": input},
		"storage":      storage,
		"outputs":      outputs,
		"notification": map[string]any{"type": "http", "url": s.Sink.URL},
	})
	if err != nil {
		panic(err) // of strings and numbers
	}
	return body
}

// Job sends a request, waits until the job has ended, and returns it with the
// moment before the request and that of the webhook.
func (s *Server) Job(ctx context.Context, body []byte) (j JobState, sent, ended time.Time, err error) {
	sent = time.Now()
	if err = s.Do(ctx, http.MethodPost, "/v2/jobs", bytes.NewReader(body), http.StatusCreated, &j); err != nil {
		return j, sent, ended, err
	}
	if ended, err = s.Sink.Wait(ctx, j.ID); err != nil {
		return j, sent, ended, err
	}
	if err = s.Do(ctx, http.MethodGet, "/v2/jobs/"+j.ID, nil, http.StatusOK, &j); err != nil {
		return j, sent, ended, err
	}
	if j.Status != "job.completed" {
		return j, sent, ended, fmt.Errorf("the job ended as %s: %+v; log: %s", j.Status, j, s.Log)
	}
	return j, sent, ended, nil
}

// Word is the text of a small file, "" when there is none.
func Word(file string) string {
	data, _ := os.ReadFile(file)
	return strings.TrimSpace(string(data))
}

// Listening finds the address in the log line of a process that has started to
// serve, "" when there is none yet.
func Listening(log string) string {
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
