package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// ExitNotStarted is the exit code when a program could not be started under its
// rules, as that of shells. The message is on standard error.
const ExitNotStarted = 126

// Main turns this process into another program when it was started as Command
// says, and does not return then. It must be the first statement of main, or of
// TestMain.
func Main() {
	mainCalled.Store(true)
	if len(os.Args) < 4 || os.Args[1] != marker {
		return
	}
	err := execSandboxed(os.Args[2], os.Args[3], os.Args[3:])
	fmt.Fprintf(os.Stderr, "copra: start %s: %v\n", os.Args[3], err)
	os.Exit(ExitNotStarted)
}

// execSandboxed applies rules to this process and executes path with argv. It
// returns only when it has failed.
func execSandboxed(rules, path string, argv []string) error {
	var r Rules
	if err := json.Unmarshal([]byte(rules), &r); err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	// What follows applies to a thread. The thread that calls exec becomes the
	// process.
	runtime.LockOSThread()
	parent := os.Getppid()
	// The parent-death signal is a setting of the thread.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set the parent-death signal: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	// Files that were inherited, beside the three standard ones.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("close files: %w", err)
	}
	if r.Landlock {
		if err := r.restrict(path); err != nil {
			return err
		}
	}
	if err := filterSockets(len(r.Ports) > 0); err != nil {
		return err
	}
	if path == selfTest {
		return runSelfTest(r.User, parent)
	}
	// A write over the limit is to fail with a message, not by a signal.
	signal.Ignore(syscall.SIGXFSZ)
	if err := r.setLimits(); err != nil {
		return err
	}
	// Last, since that user may not be able to open the files that the rules name.
	// The process is in its folder already, which need not be reached again.
	if r.User != 0 {
		if err := switchUser(r.User, r.Groups, parent); err != nil {
			return err
		}
	}
	return syscall.Exec(path, argv, os.Environ())
}

// switchUser gives up root for good, and its capabilities with it. groups are those
// that it keeps beside that of the user. parent is the
// id of the process that has started this one.
func switchUser(id int, groups []int, parent int) error {
	err := syscall.Setgroups(groups)
	if err == nil {
		err = syscall.Setresgid(id, id, id)
	}
	if err == nil {
		err = syscall.Setresuid(id, id, id)
	}
	if err != nil {
		return fmt.Errorf("become user %d: %w", id, err)
	}
	// The kernel clears the parent-death signal when the user changes. The parent
	// may have died before it is set again.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set the parent-death signal: %w", err)
	}
	if os.Getppid() != parent {
		return errors.New("the parent has ended")
	}
	return nil
}

func (r Rules) setLimits() error {
	limits := []struct {
		what  int
		bytes int64
	}{{unix.RLIMIT_CORE, 0}, {unix.RLIMIT_FSIZE, r.FileSize}, {unix.RLIMIT_DATA, r.Memory}}
	for _, l := range limits {
		if l.bytes <= 0 && l.what != unix.RLIMIT_CORE {
			continue
		}
		var has unix.Rlimit
		if err := unix.Getrlimit(l.what, &has); err != nil {
			return fmt.Errorf("read limit %d: %w", l.what, err)
		}
		n := min(uint64(l.bytes), has.Max)
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("set limit %d: %w", l.what, err)
		}
	}
	return nil
}

// What programs read to start and to work: libraries, fonts, and the number of
// processors. All of /proc would be too much, since it shows other processes.
var (
	systemPrograms = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"}
	systemFiles    = []string{
		"/etc/fonts", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/ld-musl-x86_64.path",
		"/etc/ld-musl-aarch64.path", "/etc/localtime", "/var/cache/fontconfig", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
		"/sys/devices/system/cpu", "/sys/devices/system/node", "/dev/urandom", "/dev/random",
	}
	devices = []string{"/dev/null"}
	// deviceFiles are what the user-space parts of drivers read to know a device:
	// libdrm, Mesa, Intel's and NVIDIA's.
	deviceFiles = []string{
		"/sys/dev/char", "/sys/devices", "/sys/bus/pci/devices", "/sys/class/drm", "/sys/module/nvidia", "/proc/driver/nvidia", "/proc/devices",
		"/etc/drirc", "/etc/igfx_user_feature.txt", "/etc/libva.conf",
	}
)

const (
	readFile landlock.AccessFSSet = ll.AccessFSReadFile
	readTree landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSReadDir
	// Without the right to make links and devices, or to run what was written.
	writeTree landlock.AccessFSSet = readTree | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSMakeDir |
		ll.AccessFSRemoveFile | ll.AccessFSRemoveDir
	writeFile landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSTruncate
	device    landlock.AccessFSSet = writeFile | ll.AccessFSIoctlDev
	execute   landlock.AccessFSSet = ll.AccessFSExecute
)

func (r Rules) restrict(path string) error {
	var rules []landlock.Rule
	allow := func(file, tree landlock.AccessFSSet, needed bool, paths ...string) error {
		for _, p := range paths {
			st, err := os.Stat(p)
			switch {
			case err == nil && st.IsDir():
				rules = append(rules, landlock.PathAccess(tree, p))
			case err == nil:
				rules = append(rules, landlock.PathAccess(file, p))
			case needed || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
				return fmt.Errorf("allow a path: %w", err)
			}
		}
		return nil
	}
	programs := r.Programs
	if path != selfTest {
		programs = append(programs, path)
	}
	err := errors.Join(
		allow(readFile|execute, readTree|execute, false, systemPrograms...),
		allow(readFile, readTree, false, systemFiles...),
		allow(writeFile, writeFile, false, devices...),
		allow(readFile|execute, readTree|execute, true, programs...),
		allow(readFile, readTree, true, r.Read...),
		allow(writeFile, writeTree, true, r.Write...),
	)
	if err == nil && len(r.Devices) > 0 {
		err = errors.Join(allow(readFile, readTree, false, deviceFiles...), allow(device, device|ll.AccessFSReadDir, true, r.Devices...))
	}
	if err != nil {
		return err
	}
	for _, p := range r.Ports {
		rules = append(rules, landlock.ConnectTCP(p))
	}
	if err := landlock.V11.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("apply Landlock: %w", err)
	}
	return nil
}
