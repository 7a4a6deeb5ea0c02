package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// osProcess is a process of the machine, from /proc.
type osProcess struct {
	pid, parent int
	args        []string
	cwd         string
}

func (p osProcess) name() string {
	if len(p.args) == 0 {
		return ""
	}
	return filepath.Base(p.args[0])
}

// processes lists the running processes, except those without arguments, such as
// zombies.
func processes() []osProcess {
	var list []osProcess
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(line) == 0 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		p := osProcess{pid: pid, args: strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")}
		stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
		// "pid (name) state ppid ...": the name may hold anything.
		if i := bytes.LastIndexByte(stat, ')'); i > 0 {
			if f := strings.Fields(string(stat[i+1:])); len(f) > 1 {
				p.parent, _ = strconv.Atoi(f[1])
			}
		}
		p.cwd, _ = os.Readlink(filepath.Join(dir, "cwd"))
		list = append(list, p)
	}
	return list
}

// children lists the processes that belong to a data folder, by their arguments
// or their working directory, and the children of pid, without pid itself.
func children(pid int, data string) []osProcess {
	var list []osProcess
	for _, p := range processes() {
		if p.pid != pid && p.pid != os.Getpid() && (p.parent == pid || strings.HasPrefix(p.cwd, data+"/") || strings.Contains(strings.Join(p.args, "\x00"), data+"/")) {
			list = append(list, p)
		}
	}
	return list
}

// encoding reports whether an ffmpeg encodes video in a data folder.
func encoding(workDir string) bool {
	return slices.ContainsFunc(processes(), func(p osProcess) bool { return isEncoder(p, workDir) })
}

func isEncoder(p osProcess, workDir string) bool {
	return p.name() == "ffmpeg" && strings.HasPrefix(p.cwd, workDir) && strings.Contains(strings.Join(p.args, " "), "libx264")
}
