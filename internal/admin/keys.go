// Package admin has the subcommands of an operator: keys, migrate, secrets and
// doctor.
package admin

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/settings"
)

// keysCall is one call of copra keys.
type keysCall struct {
	command.Call
	settings settings.Settings
	store    *postgres.Store
	key      string // the id of the key, for verbs that take one
	name     string
	signing  bool
	limits   postgres.Limits
}

// keysVerbs are the verbs of copra keys.
var keysVerbs = map[string]struct {
	takesKey bool
	run      func(k *keysCall, ctx context.Context) error
}{
	"create": {false, (*keysCall).create},
	"list":   {false, (*keysCall).list},
	"limit":  {true, (*keysCall).limit},
	"sign":   {true, (*keysCall).sign},
	"revoke": {true, (*keysCall).revoke},
}

// Keys is the subcommand keys create|list|limit|sign|revoke, for the API keys
// in the database.
func Keys(ctx context.Context, c command.Call) error {
	k := &keysCall{Call: c}
	words, err := k.settings.Parse(c, settings.Database|settings.Keys|settings.Log,
		settings.Row{Flag: "name", Set: settings.Text(&k.name),
			Help: "create: what the key is for, shown by list."},
		settings.Row{Flag: "signing", Switch: &k.signing,
			Help: "create: give the key a signing secret too, for its webhooks, and print that on a second line; sign gives one to a key that is there."},
		settings.Row{Flag: "queued", Default: "0", Set: settings.Number(&k.limits.Queued, 0, 1<<30),
			Help: "create, limit: most jobs of the key that have not ended; a POST over it is answered 429. 0 is no limit."},
		settings.Row{Flag: "running", Default: "0", Set: settings.Number(&k.limits.Running, 0, 1<<30),
			Help: "create, limit: most jobs of the key that are transcoded at once; the others wait. 0 is no limit."},
		settings.Row{Flag: "minutes", Default: "0", Set: settings.Number(&k.limits.Minutes, 0, 1<<30),
			Help: "create, limit: most minutes that outputs play which the key makes in a calendar month (UTC); a POST after that is answered 429. 0 is no limit."},
		settings.Row{Flag: "keep", Default: "0s", Set: settings.Duration(&k.limits.Keep, 0),
			Help: "create, limit: how long jobs of the key are kept that have ended, such as 720h. 0s is as long as --job-retention of the workers says."})
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return command.Usagef("keys: say create, list, limit, sign or revoke")
	}
	verb, ok := keysVerbs[words[0]]
	if !ok {
		return command.Usagef("keys: %q is not create, list, limit, sign or revoke", words[0])
	}
	switch {
	case verb.takesKey && len(words) != 2:
		return command.Usagef("keys %s: name one KEY by its id; there are %d", words[0], len(words)-1)
	case verb.takesKey:
		k.key = words[1]
	case len(words) != 1:
		return command.Usagef("keys %s: %q is not expected", words[0], words[1])
	}
	if k.store, err = openStore(ctx, &k.settings, c.Stderr); err != nil {
		return err
	}
	defer k.store.Close()
	return verb.run(k, ctx)
}

// openStore opens the database for a subcommand that works on it alone.
func openStore(ctx context.Context, s *settings.Settings, stderr io.Writer) (*postgres.Store, error) {
	dsn, err := s.DatabaseAddress()
	if err != nil {
		return nil, err
	}
	sealer, err := s.Sealer()
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, dsn, postgres.Options{MaxConns: 2, Sealer: sealer, Log: s.Logger(stderr)})
}

// create makes a key and prints its token. A key of the operator's own comes
// from the environment, not from the arguments.
func (k *keysCall) create(ctx context.Context) error {
	key, token, err := k.store.CreateKey(ctx, k.name, k.settings.APIKey)
	if err != nil {
		return err
	}
	if k.key = key.ID; k.limits != (postgres.Limits{}) {
		if err := k.limit(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(k.Stderr, "key %s; it is shown this once:\n", key.ID)
	fmt.Fprintln(k.Stdout, token.Reveal())
	if k.signing {
		return k.sign(ctx)
	}
	return nil
}

func (k *keysCall) limit(ctx context.Context) error  { return k.store.LimitKey(ctx, k.key, k.limits) }
func (k *keysCall) revoke(ctx context.Context) error { return k.store.RevokeKey(ctx, k.key) }

// sign gives the key a new signing secret and prints it.
func (k *keysCall) sign(ctx context.Context) error {
	secret, err := k.store.RotateSigningSecret(ctx, k.key)
	if err != nil {
		return err
	}
	fmt.Fprintln(k.Stderr, "signing secret of its webhooks; it is shown this once and replaces the one before:")
	fmt.Fprintln(k.Stdout, secret.Reveal())
	return nil
}

func (k *keysCall) list(ctx context.Context) error {
	keys, err := k.store.ListKeys(ctx)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(k.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tKEY\tNAME\tCREATED\tREVOKED\tSIGNS\tQUEUED\tRUNNING\tMINUTES\tKEEP")
	for _, key := range keys {
		fmt.Fprintf(tw, "%s\t%s...\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", key.ID, key.Prefix, key.Name, minute(key.CreatedAt), minute(key.RevokedAt),
			yesNo(key.HasSigningSecret), limitText(key.Limits.Queued), limitText(key.Limits.Running), limitText(key.Limits.Minutes), keepText(key.Limits.Keep))
	}
	return tw.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

// limitText is a limit as list shows it.
func limitText(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// keepText is how long jobs are kept, as list shows it.
func keepText(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.String()
}

// minute is a time as list shows it.
func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}
