package measure

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
)

// APIOnly starts `copra api` on a PostgreSQL of its own with its usual
// durability, and returns the process id of that too.
func (l *Lab) APIOnly(ctx context.Context, name string) (srv *Server, database int, stop func(), err error) {
	dir, err := l.Sub(name, "postgres")
	if err != nil {
		return nil, 0, nil, err
	}
	pg, err := pgserver.Start(ctx, pgserver.Options{Dir: dir})
	if err != nil {
		return nil, 0, nil, err
	}
	stopPG := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := pg.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		}
	}
	defer func() {
		if err != nil {
			stopPG()
		}
	}()
	secret := seal.Generate()
	key, err := l.prepare(ctx, pg.URL(), secret)
	if err != nil {
		return nil, 0, nil, err
	}
	srv, err = l.Launch(ctx, name, []string{"COPRA_DATABASE_URL=" + pg.URL(), "COPRA_SECRET_KEYS=" + secret},
		"api", "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, 0, nil, err
	}
	srv.Key = key
	err = srv.Await(ctx, func() bool {
		srv.Base = Listening(Word(srv.Log))
		return srv.Base != ""
	})
	return srv, pg.PID(), func() { srv.Stop(); stopPG() }, err
}

// prepare makes the schema and an API key.
func (l *Lab) prepare(ctx context.Context, url, secret string) (key string, err error) {
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
	_, token, err := store.CreateKey(ctx, "bench", job.Secret{})
	return token.Reveal(), err
}
