package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// filterSockets installs a seccomp filter on the calling thread, which stays in
// place across exec(2). Landlock restricts TCP, and UDP in the newest kernels
// only. So the filter denies every socket, or every one but those of TCP when
// tcp is set. It denies io_uring too, which would go past the filter.
//
// It does nothing where the kernel has no seccomp filters, and on machines whose
// system call numbers are not known here.
func filterSockets(tcp bool) error {
	arch := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if arch == 0 {
		return nil
	}
	filter := socketFilter(arch, tcp)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("filter sockets: %w", err)
	}
	return nil
}

// Offsets in struct seccomp_data; of the 64-bit arguments those of the low halves.
const (
	dataNumber, dataArch                   = 0, 4
	dataDomain, dataType, dataProto        = 16, 24, 32
	socketTypeMask                         = 0xf // without SOCK_CLOEXEC and SOCK_NONBLOCK
	x32Bit                                 = 0x40000000
	denyErrno                       uint32 = unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES)
	unknownErrno                    uint32 = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	allow                           uint32 = unix.SECCOMP_RET_ALLOW
)

func socketFilter(arch uint32, tcp bool) []unix.SockFilter {
	load := func(off uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
	}
	ret := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	// jump skips yes or no instructions.
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	f := []unix.SockFilter{
		load(dataArch),
		jump(unix.BPF_JEQ, arch, 1, 0),
		ret(unknownErrno), // system calls of another architecture
		load(dataNumber),
		jump(unix.BPF_JGE, x32Bit, 0, 1),
		ret(unknownErrno),
		jump(unix.BPF_JEQ, unix.SYS_IO_URING_SETUP, 0, 1),
		ret(unknownErrno),
		jump(unix.BPF_JEQ, unix.SYS_SOCKET, 1, 0),
		ret(allow),
	}
	if !tcp {
		return append(f, ret(denyErrno))
	}
	return append(f,
		load(dataDomain),
		jump(unix.BPF_JEQ, unix.AF_INET, 1, 0),
		jump(unix.BPF_JEQ, unix.AF_INET6, 0, 5),
		load(dataType),
		unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: socketTypeMask},
		jump(unix.BPF_JEQ, unix.SOCK_STREAM, 0, 2),
		load(dataProto),
		jump(unix.BPF_JGE, unix.IPPROTO_TCP+1, 0, 1), // no Multipath TCP, which Landlock does not restrict
		ret(denyErrno),
		ret(allow),
	)
}
