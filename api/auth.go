package api

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
)

type keyIDKey struct{}

// keyID returns the id of the API key of an authenticated request.
func keyID(r *http.Request) string {
	id, _ := r.Context().Value(keyIDKey{}).(string)
	return id
}

// authenticate refuses requests without a valid API key.
func (s *server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var key job.Key
		err := job.ErrNotFound
		if token := basicUser(r.Header.Get("Authorization")); token != "" {
			key, err = s.Keys.Authenticate(r.Context(), token)
		}
		switch {
		case errors.Is(err, job.ErrNotFound):
			w.Header().Set("WWW-Authenticate", `Basic realm="Copra"`)
			s.fail(w, r, job.NewError(job.AuthenticationFailed))
		case err != nil:
			s.fail(w, r, err)
		default:
			setKey(r, key)
			ctx := telemetry.With(r.Context(), slog.String("key", key.Name))
			next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, keyIDKey{}, key.ID)))
		}
	})
}

// basicUser returns the user name of Basic credentials, "" when there are none. A
// missing colon is tolerated and a password is ignored. Other schemes, including
// Bearer, are refused, as Coconut does.
func basicUser(header string) string {
	scheme, credentials, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	credentials = strings.TrimRight(strings.TrimSpace(credentials), "=")
	plain, err := base64.RawStdEncoding.DecodeString(credentials)
	if err != nil {
		return ""
	}
	user, _, _ := strings.Cut(string(plain), ":")
	return user
}
