package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Cost is the wall-clock time and the CPU time of a piece of work. The CPU time hardly
// depends on what else the machine does.
type Cost struct{ Wall, CPU time.Duration }

// Plus returns the sum.
func (c Cost) Plus(o Cost) Cost { return Cost{c.Wall + o.Wall, c.CPU + o.CPU} }

// tick is the unit of times in /proc: USER_HZ, 100 a second on Linux.
const tick = 10 * time.Millisecond

// CPUTime returns the user and system time that a process and its descendants have used
// so far, with that of children that have ended (proc_pid_stat(5)).
func CPUTime(pid int) (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	parent, used := map[int]int{}, map[int]time.Duration{}
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// The name in parentheses may hold spaces and parentheses, so its end is the last
		// one.
		head, rest, _ := strings.Cut(string(data), " (")
		fields := strings.Fields(rest[strings.LastIndexByte(rest, ')')+1:])
		id, err := strconv.Atoi(head)
		if err != nil || len(fields) < 15 {
			return 0, fmt.Errorf("read %s: %q", name, data)
		}
		parent[id], _ = strconv.Atoi(fields[1])
		for _, f := range fields[11:15] { // utime, stime, cutime, cstime
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read %s: %w", name, err)
			}
			used[id] += time.Duration(n) * tick
		}
	}
	var sum time.Duration
	for id := range used {
		for at := id; at != 0; at = parent[at] {
			if at == pid {
				sum += used[id]
				break
			}
		}
	}
	return sum, nil
}

// MachineTime returns the time of all CPUs since the machine was started: that in which
// they were busy, and the whole (proc_stat(5)). Both are 0 where that cannot be read.
func MachineTime() (busy, total time.Duration) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(data), "\n")
	for i, f := range strings.Fields(line) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || i > 8 { // "cpu"; the time of guests is in user
			continue
		}
		total += time.Duration(n) * tick
		if i != 4 && i != 5 { // idle, waiting for disks
			busy += time.Duration(n) * tick
		}
	}
	return busy, total
}

// OthersShare returns the share of the machine's CPU time that other programs have used
// since MachineTime returned busy and total, such as "12 %"; "?" if no time has passed.
// own is the CPU time of this program and its children since then.
func OthersShare(busy, total, own time.Duration) string {
	b, t := MachineTime()
	if t == total {
		return "?"
	}
	return fmt.Sprintf("%.0f %%", 100*max(0, float64(b-busy-own)/float64(t-total)))
}
