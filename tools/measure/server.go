package measure

import (
	"context"
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

	"github.com/copra-video/copra/client"
)

// StartTime bounds the start of a server, with the first start of its database.
const StartTime = 60 * time.Second

// Server is a running process of the program under test.
type Server struct {
	Base string // without /v2
	API  *client.Client
	Cmd  *exec.Cmd
	Log  string // the name of the file
	HTTP *http.Client
	Sink *Sink

	key string
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
	var base, key string
	err = s.Await(ctx, func() bool {
		base, key = FileText(filepath.Join(data, "base-url")), FileText(filepath.Join(data, "api-key"))
		return base != "" && key != ""
	})
	if err != nil {
		return nil, err
	}
	return s, s.connect(base, key)
}

// Launch starts the program with its log in a file. The caller must call Stop: the
// program does not end with ctx, so that one can be stopped after another.
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
	s.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches this process alone, which stops the server
	if err := s.Cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", l.Bin, err)
	}
	return s, nil
}

// Await polls until ready says so, for at most StartTime. If it does not, the server is
// stopped, and the error has its log.
func (s *Server) Await(ctx context.Context, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, StartTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
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

// PeakMemory returns the peak resident memory of the process without its children, in
// bytes (VmHWM of proc_pid_status(5)).
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

// connect makes the client of a server whose address is known by now. The client does
// not retry, since a failure is a result too.
func (s *Server) connect(base, key string) (err error) {
	s.Base, s.key = base, key
	s.API, err = client.New(client.Options{BaseURL: base, APIKey: key, HTTPClient: s.HTTP, Attempts: 1})
	return err
}

// Get requests a path, such as /v2/jobs, and reads the answer without decoding it, so
// that the time that this takes is that of the server.
func (s *Server) Get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base+path, nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(s.key, "")
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// Request returns a request whose end is reported to the sink. A storage of nil is the
// built-in one.
func (s *Server) Request(input string, outputs client.Outputs, storage *client.Storage) *client.JobRequest {
	if storage == nil {
		storage = &client.Storage{Service: "coconut"}
	}
	return &client.JobRequest{
		Input: client.Input{URL: input}, Storage: storage, Outputs: outputs,
		Notification: &client.NotificationRequest{Type: "http", URL: s.Sink.URL},
	}
}

// Job sends a request, waits until the job has ended, and returns it with the time just
// before the request and that of the webhook. A job that failed is an error.
func (s *Server) Job(ctx context.Context, r *client.JobRequest) (j *client.Job, sent, ended time.Time, err error) {
	sent = time.Now()
	if j, err = s.API.CreateJob(ctx, r); err != nil {
		return nil, sent, ended, err
	}
	if ended, err = s.Sink.Wait(ctx, j.ID); err != nil {
		return nil, sent, ended, err
	}
	if j, err = s.API.Job(ctx, j.ID); err != nil {
		return nil, sent, ended, err
	}
	if err := j.Err(); err != nil {
		return nil, sent, ended, fmt.Errorf("%w; log: %s", err, s.Log)
	}
	return j, sent, ended, nil
}

// FileText returns the text of a file without the space around it; "" if there is none.
func FileText(file string) string {
	data, _ := os.ReadFile(file)
	return strings.TrimSpace(string(data))
}

// Listening returns the URL of a process from the log line in which it says where it
// listens; "" if there is none yet.
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
