package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// sandboxArg has this program become the process of a container.
const sandboxArg = "enter-sandbox"

// imageBin is where the programs of the image are.
const imageBin = "/image/bin"

// sandboxSpec is what the process of a container gets. It passes between two
// processes of this program as JSON.
type sandboxSpec struct {
	Root            string // empty folder, to become /
	Image           string // folder with the folder bin
	Network         string // file of the network namespace
	Hostname, Hosts string
	Args, Env       []string
	Dir             string // working directory
	UID, GID        int
	FSGroup         int // a further group
	Owned           []string
	Owner           int
	Mounts          []mount
	ReadOnly        bool // root file system
	NoNewPrivileges bool
}

type mount struct {
	From, To string
	ReadOnly bool
}

// enter sets up this process, which has mount, PID, UTS and IPC namespaces of its
// own already, and becomes the program of the container. It returns only errors.
func enter(file string) error {
	runtime.LockOSThread() // namespaces are a thread's; exec keeps those of this one
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the sandbox: %w", err)
	}
	var s sandboxSpec
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read the sandbox: %w", err)
	}
	_ = os.Remove(file) // it holds secrets
	ns, err := os.Open(s.Network)
	if err != nil {
		return fmt.Errorf("open the network: %w", err)
	}
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network: %w", err)
	}
	ns.Close()
	if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := s.buildRoot(); err != nil {
		return err
	}
	if err := s.changeRoot(); err != nil {
		return err
	}
	if err := s.dropRights(); err != nil {
		return err
	}
	if err := os.Chdir(s.Dir); err != nil {
		return err
	}
	for _, line := range s.Env {
		if path, ok := cutPrefix(line, "PATH="); ok {
			os.Setenv("PATH", path)
		}
	}
	program, err := exec.LookPath(s.Args[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", program, unix.Exec(program, s.Args, s.Env))
}

func cutPrefix(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):], true
	}
	return "", false
}

// buildRoot makes the file system of the image: the programs of this machine in
// /usr, some of /etc, and what is the image's own.
func (s *sandboxSpec) buildRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := os.MkdirAll(s.Root, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", s.Root, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount the root: %w", err)
	}
	for _, folder := range []string{"proc", "dev", "sys", "etc", "run", "var", "tmp", "image", "var/lib"} {
		if err := os.MkdirAll(filepath.Join(s.Root, folder), 0o755); err != nil {
			return err
		}
	}
	for _, folder := range s.Owned {
		path := filepath.Join(s.Root, folder)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chown(path, s.Owner, s.Owner); err != nil {
			return err
		}
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+link, filepath.Join(s.Root, link)); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", filepath.Join(s.Root, "var/run")); err != nil {
		return err
	}
	return s.fillRoot()
}

func (s *sandboxSpec) fillRoot() error {
	user := fmt.Sprintf("root:x:0:0::/root:/bin/sh\ncopra:x:%d:%d::/var/lib/copra:/usr/sbin/nologin\n", s.Owner, s.Owner)
	for name, text := range map[string]string{
		"hosts": s.Hosts, "hostname": s.Hostname + "\n", "resolv.conf": "", "passwd": user,
		"group": fmt.Sprintf("root:x:0:\ncopra:x:%d:\n", s.Owner), "nsswitch.conf": "hosts: files\n",
	} {
		if err := os.WriteFile(filepath.Join(s.Root, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	binds := []mount{{From: "/usr", To: "/usr", ReadOnly: true}, {From: s.Image, To: "/image", ReadOnly: true}, {From: "/sys", To: "/sys", ReadOnly: true}}
	for _, path := range []string{"/etc/ssl", "/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache"} {
		if _, err := os.Stat(path); err == nil {
			binds = append(binds, mount{From: path, To: path, ReadOnly: true})
		}
	}
	for _, device := range []string{"null", "zero", "full", "random", "urandom"} {
		binds = append(binds, mount{From: "/dev/" + device, To: "/dev/" + device})
	}
	for _, m := range append(binds, s.Mounts...) {
		if err := s.bind(m); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", filepath.Join(s.Root, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	return nil
}

// bind shows a file or folder of this machine in the container.
func (s *sandboxSpec) bind(m mount) error {
	to := filepath.Join(s.Root, m.To)
	if resolved, ok := cutPrefix(m.To, "/var/run/"); ok {
		to = filepath.Join(s.Root, "run", resolved)
	}
	info, err := os.Stat(m.From)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(to, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
		err = os.WriteFile(to, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(m.From, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", m.To, err)
	}
	if m.ReadOnly {
		if err := unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("mount %s read-only: %w", m.To, err)
		}
	}
	return nil
}

func (s *sandboxSpec) changeRoot() error {
	if err := os.Chdir(s.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if s.ReadOnly {
		if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("make the root read-only: %w", err)
		}
	}
	return nil
}

// dropRights leaves the process the user and groups of the pod, and no capability.
func (s *sandboxSpec) dropRights() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
	groups := []int{s.GID}
	if s.FSGroup != 0 {
		groups = append(groups, s.FSGroup)
	}
	if err := unix.Setgroups(groups); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := unix.Setresgid(s.GID, s.GID, s.GID); err != nil {
		return fmt.Errorf("set the group: %w", err)
	}
	if err := unix.Setresuid(s.UID, s.UID, s.UID); err != nil {
		return fmt.Errorf("set the user: %w", err)
	}
	if s.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("set no_new_privs: %w", err)
		}
	}
	return nil
}
