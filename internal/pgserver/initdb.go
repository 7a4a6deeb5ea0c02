package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// password returns the password of the role. It is created before the database.
func password(dir, data string) (string, error) {
	path := filepath.Join(dir, "password")
	b, err := os.ReadFile(path)
	if err == nil {
		if p := strings.TrimSpace(string(b)); p != "" {
			return p, nil
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the database password: %w", err)
	}
	if _, err := os.Stat(data); err == nil {
		return "", fmt.Errorf("read the database password: %s is missing or empty, but there is a database in %s. "+
			"Put the file back; or start PostgreSQL on the folder by hand and give the role %s a new password", path, data, role)
	}
	p := rand.Text()
	if err := writeFile(path, p); err != nil {
		return "", fmt.Errorf("write the database password: %w", err)
	}
	return p, nil
}

// writeFile writes s to a file at path with mode 0600, as a whole or not at all.
func writeFile(path, s string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(s)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// initCluster creates an empty database in dir/data. It creates it in another folder
// and renames that, so that an interrupted creation never looks like a database.
func initCluster(ctx context.Context, p programs, id identity, dir, password string, unsafe bool) error {
	data, fresh := filepath.Join(dir, "data"), filepath.Join(dir, "data.new")
	if entries, err := os.ReadDir(data); err == nil && len(entries) > 0 {
		return fmt.Errorf("make a database in %s: the folder holds files, but no database. Move them away, or choose another folder", data)
	}
	// Only an interrupted initCluster leaves this folder.
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove what an interrupted start left: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make the database folder: %w", err)
	}
	pwfile := filepath.Join(fresh+".password", "password")
	if err := os.RemoveAll(filepath.Dir(pwfile)); err != nil {
		return fmt.Errorf("remove what an interrupted start left: %w", err)
	}
	if err := os.Mkdir(filepath.Dir(pwfile), 0o700); err != nil {
		return fmt.Errorf("make a folder for the password: %w", err)
	}
	defer os.RemoveAll(filepath.Dir(pwfile))
	if err := os.WriteFile(pwfile, []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the password for initdb: %w", err)
	}
	for _, path := range []string{fresh, filepath.Dir(pwfile), pwfile} {
		if err := id.chown(path); err != nil {
			return err
		}
	}
	args := []string{"-D", fresh, "-U", role, "-A", "scram-sha-256", "--pwfile", pwfile, "-E", "UTF8", "--locale=C"}
	if unsafe {
		args = append(args, "--no-sync")
	}
	if err := runInitdb(ctx, p, id, args); err != nil {
		return err
	}
	if err := os.Rename(fresh, data); err != nil {
		return fmt.Errorf("move the new database into place: %w", err)
	}
	return nil
}

func runInitdb(ctx context.Context, p programs, id identity, args []string) error {
	proc, err := startProcess(id.command(p.initdb, args...), slog.New(slog.DiscardHandler))
	if err != nil && id.namespace {
		return fmt.Errorf("run %s: the data folder lies below one that only root may enter, and this system does not allow "+
			"a user namespace, which would make up for it. Choose another --data folder, or run copra as another user: %w", p.initdb, err)
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", p.initdb, err)
	}
	select {
	case <-proc.done:
		if proc.err != nil {
			return fmt.Errorf("make the database: initdb: %w\n%s", proc.err, proc.lastOutput())
		}
		return nil
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return errors.Join(fmt.Errorf("make the database: %w", context.Cause(ctx)), proc.stop(stop))
	}
}
