package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// selfTest stands in place of a program: the copy reports what the rules deny.
const selfTest = "self-test"

// Report is what the kernel offers here.
type Report struct {
	ABI     int  // of Landlock; 0: none
	Files   bool // access to files is restricted
	TCP     bool // and TCP connections
	Sockets bool // no sockets but those of TCP, and these only where a port is allowed
	// UserError is why programs cannot run as Trial.User; "" when they can, or
	// when no user was given.
	UserError string `json:",omitempty"`
}

// String is a line for the operator.
func (r Report) String() string {
	text := "ffmpeg has limits on memory and file size"
	if r.Files {
		text = fmt.Sprintf("ffmpeg reaches its own files only (Landlock ABI %d), with limits on memory and file size", r.ABI)
	} else {
		text += ", but can read every file that the server can: this kernel or container does not offer Landlock"
	}
	switch {
	case r.TCP && r.Sockets:
		return text + "; it makes no connections but to the input that this server serves it"
	case r.Sockets:
		return text + "; it makes no connections, but ffprobe can, which takes Linux 6.7 to deny, so inputs are fetched whole before they are read"
	default:
		return text + "; its connections are not restricted"
	}
}

// Full reports whether everything is restricted.
func (r Report) Full() bool { return r.Files && r.TCP && r.Sockets }

// Trial says what Check tries besides the rules.
type Trial struct {
	// User is tried as Rules.User; 0: none. Only root can try another one.
	User int
	// Dir is the folder below which that user is to read and write. It is created
	// when it does not exist.
	Dir string
}

// Check starts a copy of this program under rules, has it try what they deny,
// and reports what was denied. It takes some 10 ms. An error means that no
// program can be started this way.
func Check(ctx context.Context, t Trial) (Report, error) {
	if !mainCalled.Load() {
		return Report{}, errors.New("check the sandbox: this program does not call sandbox.Main")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	rules := Rules{Landlock: true, Ports: []uint16{9}}
	var dir string
	var userErr error
	if t.User != 0 {
		if dir, userErr = t.prepare(); userErr == nil {
			defer os.RemoveAll(dir)
			rules.User, rules.Write = t.User, []string{dir}
		}
	}
	program, args := Command(rules, selfTest, nil)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Dir = []string{}, dir
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	var r Report
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		return Report{}, fmt.Errorf("check the sandbox: %w: %s", err, strings.TrimSpace(messages.String()))
	}
	if rules.User != 0 && r.UserError == "" {
		userErr = t.verify(dir)
	}
	if userErr != nil {
		r.UserError = userErr.Error()
	}
	return r, nil
}

// What the user of a trial reads, and the copy that it writes.
const (
	trialInput, trialOutput = "in", "out"
	trialText               = "copra"
)

// prepare creates a folder for the user, as a worker does for a run. The caller
// removes it.
func (t Trial) prepare() (dir string, err error) {
	// Without these root can neither end the processes of the user, nor see
	// whether they advance, nor read what they have written.
	for _, c := range []int{unix.CAP_SYS_PTRACE, unix.CAP_KILL, unix.CAP_DAC_OVERRIDE} {
		if has, err := hasCapability(c); err != nil || !has {
			return "", errors.Join(fmt.Errorf("root lacks capability %d here", c), err)
		}
	}
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	dir, err = os.MkdirTemp(t.Dir, "sandbox-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	input := filepath.Join(dir, trialInput)
	err = errors.Join(os.WriteFile(input, []byte(trialText), 0o600), os.Lchown(input, t.User, t.User), os.Lchown(dir, t.User, t.User))
	if err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("give files to user %d: %w", t.User, err)
	}
	return dir, nil
}

// verify checks what the user has written.
func (t Trial) verify(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, trialOutput))
	if err != nil {
		return fmt.Errorf("read a file of user %d: %w", t.User, err)
	}
	if string(text) != trialText {
		return fmt.Errorf("user %d has written another file", t.User)
	}
	return nil
}

// hasCapability reports whether this process has a capability.
func hasCapability(c int) (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("read capabilities: %w", err)
	}
	return data[c/32].Effective&(1<<(c%32)) != 0, nil
}

// runSelfTest prints a Report. Its rules allow no more than the system's files, a
// port that is not tried, and the folder that it starts in. It ends the process
// when it has printed.
func runSelfTest(user, parent int) error {
	var r Report
	if abi, err := ll.LandlockGetABIVersion(); err == nil {
		r.ABI = abi
	}
	_, err := os.ReadDir("/")
	r.Files = errors.Is(err, fs.ErrPermission)
	// Nothing listens on this port. What counts is who refuses.
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", "127.0.0.1:1")
	if err == nil {
		c.Close()
	}
	r.TCP = errors.Is(err, syscall.EACCES)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err == nil {
		unix.Close(fd)
	}
	r.Sockets = errors.Is(err, unix.EACCES)
	if user != 0 {
		if err := tryUser(user, parent); err != nil {
			r.UserError = err.Error()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	os.Exit(0)
	return nil
}

// tryUser becomes the user, and copies a file in the folder that it starts in.
func tryUser(user, parent int) error {
	if err := switchUser(user, nil, parent); err != nil {
		return err
	}
	text, err := os.ReadFile(trialInput)
	if err == nil {
		err = os.WriteFile(trialOutput, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("copy a file as user %d: %w", user, err)
	}
	return nil
}
