package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
)

// keysData is what the page of keys shows. Token is a new secret, and About says of what. It
// is shown once, and is in no address and no log.
type keysData struct {
	Keys         []job.Key
	Token, About string
}

func (c *console) showKeys(w http.ResponseWriter, r *http.Request, v viewer, d keysData) (err error) {
	if d.Keys, err = c.Store.ListKeys(r.Context()); err != nil {
		return err
	}
	c.show(w, r, http.StatusOK, "keys", v, "API keys", d)
	return nil
}

func (c *console) keysPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	return c.showKeys(w, r, v, keysData{})
}

func (c *console) createKey(w http.ResponseWriter, r *http.Request, v viewer) error {
	name := strings.TrimSpace(r.PostFormValue("name"))
	if name == "" || len(name) > 100 {
		return job.Errorf(job.QueryNotValid, "The name of a key has 1 to 100 bytes.")
	}
	_, token, err := c.Store.CreateKey(r.Context(), name, job.Secret{})
	if err != nil {
		return err
	}
	return c.showKeys(w, r, v, keysData{Token: token.Reveal(), About: "The new API key of " + name})
}

func (c *console) limitKey(w http.ResponseWriter, r *http.Request, _ viewer) error {
	var l job.Limits
	hours := 0
	for name, to := range map[string]*int{"queued": &l.Queued, "running": &l.Running, "minutes": &l.Minutes, "keep": &hours} {
		text := strings.TrimSpace(r.PostFormValue(name))
		if text == "" {
			continue // no limit
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return job.Errorf(job.QueryNotValid, "The limit %q is not a whole number; 0 is no limit.", text)
		}
		*to = int(n)
	}
	const most = 24 * 36500
	if hours > most {
		return job.Errorf(job.QueryNotValid, "Jobs are kept for at most %d hours; empty is as long as those of other keys.", most)
	}
	l.Keep = time.Duration(hours) * time.Hour
	if err := c.Store.LimitKey(r.Context(), r.PathValue("id"), l); err != nil {
		return err
	}
	return done(w, r, "/console/keys", "limited")
}

func (c *console) signKey(w http.ResponseWriter, r *http.Request, v viewer) error {
	secret, err := c.Store.RotateSigningSecret(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.showKeys(w, r, v, keysData{Token: secret.Reveal(), About: "The new signing secret"})
}

func (c *console) revokeKey(w http.ResponseWriter, r *http.Request, _ viewer) error {
	if err := c.Store.RevokeKey(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return done(w, r, "/console/keys", "revoked")
}
