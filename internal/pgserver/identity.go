package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// identity is the user that PostgreSQL runs as. PostgreSQL refuses to run as root,
// so there are three cases:
//
//   - This process is not root: the same user.
//   - It is root and another user can reach the folder: `postgres`, or `nobody`
//     where that user does not exist. The data belong to it.
//   - It is root and only root can reach the folder, as below /root: root in a user
//     namespace where root has another id. The data belong to root.
type identity struct {
	uid, gid     int // owner of the files
	namespace    bool
	namespaceUID int // id of root in the namespace
}

// chooseIdentity returns the owner of existing data, else one that can reach dir.
func chooseIdentity(dir, data string) (identity, error) {
	if uid := os.Geteuid(); uid != 0 {
		if _, err := user.LookupId(strconv.Itoa(uid)); err != nil {
			return identity{}, fmt.Errorf("run PostgreSQL as user id %d: the id has no line in /etc/passwd, which PostgreSQL needs. "+
				"Add one, or set COPRA_DATABASE_URL to use another server: %w", uid, err)
		}
		return identity{uid: uid, gid: os.Getegid()}, nil
	}
	id, err := unprivilegedIdentity()
	if err != nil {
		return identity{}, err
	}
	if info, err := os.Stat(data); err == nil {
		st := info.Sys().(*syscall.Stat_t)
		if st.Uid == 0 {
			return id.inNamespace(), nil
		}
		id.uid, id.gid = int(st.Uid), int(st.Gid)
		if closed := firstUnreachable(dir, id); closed != "" {
			return identity{}, fmt.Errorf("run PostgreSQL as user id %d, to whom the data in %s belong: the user cannot enter %s. "+
				"Allow it with chmod o+x %s, or move the data folder", id.uid, data, closed, closed)
		}
		return id, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return identity{}, fmt.Errorf("look at the database folder: %w", err)
	}
	if firstUnreachable(dir, id) != "" {
		return id.inNamespace(), nil
	}
	return id, nil
}

func unprivilegedIdentity() (identity, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil && uid != 0 {
			return identity{uid: uid, gid: gid}, nil
		}
	}
	return identity{}, errors.New("run PostgreSQL: it refuses to run as root, and neither of the users postgres and nobody exists. " +
		"Run copra as another user, or set COPRA_DATABASE_URL to use another server")
}

func (id identity) inNamespace() identity {
	return identity{uid: 0, gid: 0, namespace: true, namespaceUID: id.uid}
}

// firstUnreachable returns the folder on the path of dir that id may not enter, from
// the end of the path; "" when there is none.
func firstUnreachable(dir string, id identity) string {
	for p := dir; ; p = filepath.Dir(p) {
		info, err := os.Stat(p)
		if err != nil {
			return p
		}
		st := info.Sys().(*syscall.Stat_t)
		mode := info.Mode().Perm()
		pass := mode&0o001 != 0
		switch {
		case int(st.Uid) == id.uid:
			pass = mode&0o100 != 0
		case int(st.Gid) == id.gid:
			pass = mode&0o010 != 0
		}
		if !pass {
			return p
		}
		if p == filepath.Dir(p) {
			return ""
		}
	}
}

// chown makes id the owner of path.
func (id identity) chown(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := os.Chown(path, id.uid, id.gid); err != nil {
		return fmt.Errorf("give %s to the user of PostgreSQL: %w", path, err)
	}
	return nil
}

// command prepares a program to run as id. It ends with its parent: the kernel sends
// SIGINT, which is a fast and clean shutdown for PostgreSQL. Its own process group
// keeps Ctrl-C in the terminal from ending it before the parts that use it.
func (id identity) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:noctx // Stop ends it, not a context
	cmd.Dir = "/"                      // id may not be able to enter our folder
	// Without PG* and LC_* of the caller, which would change what runs.
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT, Setpgid: true}
	switch {
	case id.namespace:
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: id.namespaceUID, HostID: 0, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: id.namespaceUID, HostID: 0, Size: 1}}
	case os.Geteuid() == 0:
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(id.uid), Gid: uint32(id.gid)}
	}
	return cmd
}
