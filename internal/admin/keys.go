// Package admin has the subcommands of an operator: keys, migrate, secrets and
// doctor.
package admin

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/job"
)

// Keys is the subcommand keys create|list|limit|sign|revoke. It works on COPRA_DATABASE_URL.
func Keys(ctx context.Context, e command.Stdio, args []string) error {
	var s settings.Settings
	var name string
	var signing bool
	var limits postgres.Limits
	f := settings.NewFlagSet("keys", "create|list|limit KEY|sign KEY|revoke KEY [flags]", "API keys", e.Stderr)
	f.Text(&name, "name", "", "create: what the key is for, shown by list. Defaults to none.")
	f.BoolVar(&signing, "signing", false, "create: give the key a signing secret too, for its webhooks, and print that on a second line; sign gives one to a key that is there.")
	f.Number(&limits.Queued, "queued", "", 0, 1<<30, "create, limit: most jobs of the key that have not ended; a POST over it is answered 429. 0 is no limit. Defaults to 0.")
	f.Number(&limits.Running, "running", "", 0, 1<<30, "create, limit: most jobs of the key that are transcoded at once; the others wait. 0 is no limit. Defaults to 0.")
	s.DatabaseFlags(f)
	s.LogFlags(f)
	words, err := f.Parse(e, args)
	if err != nil {
		return err
	}
	s.FromEnv(e)
	if len(words) == 0 {
		return command.Usagef("keys: say create, list, limit, sign or revoke")
	}
	want := map[string]int{"create": 1, "list": 1, "limit": 2, "sign": 2, "revoke": 2}[words[0]]
	if want == 0 {
		return command.Usagef("keys: %q is not create, list, limit, sign or revoke", words[0])
	}
	if len(words) != want {
		return command.Usagef("keys %s: expected %d words, got %d", words[0], want, len(words))
	}
	dsn, err := s.DatabaseAddress()
	if err != nil {
		return err
	}
	sealer, err := s.Sealer()
	if err != nil {
		return err
	}
	store, err := postgres.Open(ctx, dsn, postgres.Options{MaxConns: 2, Sealer: sealer, Log: s.Logger(e.Stderr)})
	if err != nil {
		return err
	}
	defer store.Close()
	switch words[0] {
	case "create":
		// A key of the caller's own comes from the environment, not from the
		// argument list.
		k, token, err := store.CreateKey(ctx, name, job.NewSecret(s.APIKey))
		if err != nil {
			return err
		}
		if limits != (postgres.Limits{}) {
			if err := store.LimitKey(ctx, k.ID, limits); err != nil {
				return err
			}
		}
		fmt.Fprintf(e.Stderr, "key %s; it is shown this once:\n", k.ID)
		fmt.Fprintln(e.Stdout, token.Reveal())
		if signing {
			return printSigning(ctx, e, store, k.ID)
		}
		return nil
	case "limit":
		return store.LimitKey(ctx, words[1], limits)
	case "sign":
		return printSigning(ctx, e, store, words[1])
	case "revoke":
		return store.RevokeKey(ctx, words[1])
	}
	list, err := store.ListKeys(ctx)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(e.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tKEY\tNAME\tCREATED\tREVOKED\tSIGNS\tQUEUED\tRUNNING")
	for _, k := range list {
		fmt.Fprintf(tw, "%s\t%s...\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Prefix, k.Name, day(k.CreatedAt), day(k.RevokedAt), yesNo(k.HasSigningSecret), atMost(k.Limits.Queued), atMost(k.Limits.Running))
	}
	return tw.Flush()
}

// printSigning gives the key a new signing secret.
func printSigning(ctx context.Context, e command.Stdio, store *postgres.Store, key string) error {
	secret, err := store.RotateSigningSecret(ctx, key)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Stderr, "signing secret of its webhooks; it is shown this once and replaces the one before:")
	fmt.Fprintln(e.Stdout, secret.Reveal())
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

// atMost is a limit as list shows it.
func atMost(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}
