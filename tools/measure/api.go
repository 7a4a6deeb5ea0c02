package measure

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/local"
)

// Deployment is a PostgreSQL of its own, with its usual durability, for
// processes that share it.
type Deployment struct {
	URL string // of the database
	PID int    // of PostgreSQL
	Key string // an API key

	lab    *Lab
	name   string
	secret string
	env    []string
	public string
	stop   func()

	workers int // started so far
}

// Deploy starts a PostgreSQL and makes the schema and an API key in it.
func (l *Lab) Deploy(ctx context.Context, name string) (d *Deployment, err error) {
	return l.DeployFor(ctx, name, 0)
}

// DeployFor is Deploy of a PostgreSQL with so many connections; 0: the usual number.
func (l *Lab) DeployFor(ctx context.Context, name string, connections int) (d *Deployment, err error) {
	dir, err := l.Sub(name, "postgres")
	if err != nil {
		return nil, err
	}
	pg, err := pgserver.Start(ctx, pgserver.Options{Dir: dir, Bin: os.Getenv("COPRA_PG_BIN"), MaxConnections: connections})
	if err != nil {
		return nil, err
	}
	d = &Deployment{URL: pg.URL(), PID: pg.PID(), lab: l, name: name}
	d.stop = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := pg.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		}
	}
	secret := seal.Generate()
	d.secret = secret
	d.env = []string{
		"COPRA_DATABASE_URL=" + d.URL, "COPRA_SECRET_KEYS=" + secret, "COPRA_ALLOW_NETWORKS=127.0.0.0/8",
		"COPRA_STORAGE_DIR=" + filepath.Join(l.Dir, name, "storage"),
	}
	if d.Key, err = prepare(ctx, d.URL, secret); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// Stop ends the database. What uses it must have been stopped.
func (d *Deployment) Stop() { d.stop() }

// API starts `copra api`.
func (d *Deployment) API(ctx context.Context, flags ...string) (*Server, error) {
	srv, err := d.lab.Launch(ctx, d.name+"-api", d.env, append([]string{"api", "--listen", "127.0.0.1:0"}, flags...)...)
	if err != nil {
		return nil, err
	}
	err = srv.Await(ctx, func() bool {
		d.public = Listening(FileText(srv.Log))
		return d.public != ""
	})
	if err != nil {
		return nil, err
	}
	return srv, srv.connect(d.public, d.Key)
}

// Worker starts `copra worker`, after the API. The server that it returns has metrics
// alone.
func (d *Deployment) Worker(ctx context.Context, flags ...string) (*Server, error) {
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	d.workers++
	env := append([]string{"COPRA_PUBLIC_URL=" + d.public, "COPRA_WORK_DIR=" + d.WorkDir()}, d.env...)
	w, err := d.lab.Launch(ctx, fmt.Sprintf("%s-worker-%d", d.name, d.workers), env, append([]string{"worker", "--metrics-listen", address}, flags...)...)
	if err != nil {
		return nil, err
	}
	if err := w.connect("http://"+address, ""); err != nil {
		return nil, err
	}
	return w, w.Await(ctx, func() bool {
		_, err := w.API.Ready(ctx)
		return err == nil
	})
}

// Store opens the database.
func (d *Deployment) Store(ctx context.Context, connections int) (*postgres.Store, error) {
	sealer, err := seal.ParseKeys([]string{d.secret})
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, d.URL, postgres.Options{MaxConns: int32(connections), Sealer: sealer})
}

// Built opens the built-in storage, after the API has started.
func (d *Deployment) Built() (*local.Store, error) {
	return local.Open(local.Options{Dir: filepath.Join(d.lab.Dir, d.name, "storage"), PublicURL: d.public})
}

// WorkDir is the folder for the work files of all workers.
func (d *Deployment) WorkDir() string { return filepath.Join(d.lab.Dir, d.name, "work") }

// APIOnly starts `copra api` alone, and returns the process id of its database.
func (l *Lab) APIOnly(ctx context.Context, name string) (srv *Server, database int, stop func(), err error) {
	d, err := l.Deploy(ctx, name)
	if err != nil {
		return nil, 0, nil, err
	}
	srv, err = d.API(ctx)
	if err != nil {
		d.Stop()
		return nil, 0, nil, err
	}
	return srv, d.PID, func() { srv.Stop(); d.Stop() }, nil
}

// prepare makes the schema and an API key.
func prepare(ctx context.Context, url, secret string) (key string, err error) {
	if err := postgres.Migrate(ctx, url, nil); err != nil {
		return "", err
	}
	sealer, err := seal.ParseKeys([]string{secret})
	if err != nil {
		return "", err
	}
	store, err := postgres.Open(ctx, url, postgres.Options{MaxConns: 2, Sealer: sealer})
	if err != nil {
		return "", err
	}
	defer store.Close()
	_, token, err := store.CreateKey(ctx, "measure", job.Secret{})
	return token.Reveal(), err
}
