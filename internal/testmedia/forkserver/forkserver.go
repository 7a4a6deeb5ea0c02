// Package forkserver makes a program start in a sixth of its time. To load the two hundred
// libraries of a distribution's ffmpeg takes 50 ms of the processor, longer than most runs
// of tests take, and tests start it thousands of times.
//
// A fork server is how fuzzers such as AFL start a program: it is loaded once, stops before
// main, and forks for each run. So every run is a process of its own that executes the same
// code. What is tested is not the start: a program in a sandbox, with limits or as another
// user, is started as it is.
package forkserver

import (
	"crypto/sha256"
	"debug/elf"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

//go:embed src
var sources embed.FS

// startTime bounds the start of a server on a busy machine.
const startTime = 30 * time.Second

// Start starts the fork server of a program for this process, and returns the path of the
// client, which is to be started in place of the program. The server ends with this process.
// dir is a folder for what is compiled, which is kept. The error says why program has to be
// started by itself: it is linked statically, say, or there is no C compiler.
func Start(dir, program string) (client string, err error) {
	// The interpreter of a script would become the server.
	file, err := elf.Open(program)
	if err != nil {
		return "", fmt.Errorf("make a fork server of %s: %w", program, err)
	}
	file.Close()
	folder, err := compile(dir, program)
	if err != nil {
		return "", fmt.Errorf("compile a fork server: %w", err)
	}
	alive, end, err := os.Pipe()
	if err != nil {
		return "", err
	}
	ready, said, err := os.Pipe()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(program)
	cmd.Stdin, cmd.Stdout = alive, said
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+filepath.Join(folder, "server.so"),
		"FORK_SERVER="+filepath.Join(folder, strconv.Itoa(os.Getpid())))
	err = cmd.Start()
	alive.Close()
	said.Close()
	if err != nil {
		return "", fmt.Errorf("start %s: %w", program, err)
	}
	answer := make([]byte, len("ready"))
	if err = ready.SetReadDeadline(time.Now().Add(startTime)); err == nil {
		_, err = io.ReadFull(ready, answer)
	}
	if err == nil && string(answer) != "ready" {
		err = errors.New("it runs instead")
	}
	ready.Close()
	if err != nil {
		end.Close()
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
		return "", fmt.Errorf("make a fork server of %s: %w", program, err)
	}
	keep = append(keep, end)
	return filepath.Join(folder, filepath.Base(program)), nil
}

// keep are the pipes at whose end the servers end: with this process.
var keep []*os.File

// compile makes a folder with the library of the server, the client under the name of the
// program, and a link "program". It does so once for each program and version of the
// sources. Several processes may do so at once.
func compile(dir, program string) (folder string, err error) {
	key := sha256.New()
	fmt.Fprintf(key, "%s\n", program)
	for _, name := range []string{"server.c", "client.c"} {
		text, err := sources.ReadFile("src/" + name)
		if err != nil {
			return "", err
		}
		key.Write(text)
	}
	folder = filepath.Join(dir, "fork-"+hex.EncodeToString(key.Sum(nil)[:6]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	work, err := os.MkdirTemp(dir, "making-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, sources); err != nil {
		return "", err
	}
	made := filepath.Join(work, "made")
	if err := errors.Join(os.Mkdir(made, 0o755), os.Symlink(program, filepath.Join(made, "program"))); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"-shared", "-fPIC", "-o", filepath.Join(made, "server.so"), filepath.Join(work, "src", "server.c"), "-ldl"},
		{"-o", filepath.Join(made, filepath.Base(program)), filepath.Join(work, "src", "client.c")},
	} {
		if out, err := exec.Command("cc", append([]string{"-O1"}, args...)...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("cc %q: %w: %s", args, err, out)
		}
	}
	if err := os.Rename(made, folder); err != nil {
		if _, there := os.Stat(folder); there != nil {
			return "", err
		}
	}
	return folder, nil
}
