package settings

import (
	"strings"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/job"
)

// OIDC are the settings of the OpenID provider that signs operators in to the console.
type OIDC struct {
	Issuer     string // "": none
	ClientID   string
	SecretFile string
	Secret     job.Secret // before SecretFile
	Scopes     []string
	Operators  []string
}

// oidcRows are the OpenID provider.
func (s *Settings) oidcRows() []Row {
	p := &s.OIDC
	return []Row{
		{Group: API, Flag: "oidc-issuer", Env: "COPRA_OIDC_ISSUER", Shown: "none", Set: issuer(&p.Issuer),
			Help: "OpenID provider that signs operators in to the console, https://login.example.com/realms/video. The rest is set with it; the provider is told to send people back to /console/sign-on/return below --public-url."},
		{Group: API, Flag: "oidc-client-id", Env: "COPRA_OIDC_CLIENT_ID", Set: Text(&p.ClientID),
			Help: "what the provider knows the console by."},
		{Group: API, Flag: "oidc-client-secret-file", Env: "COPRA_OIDC_CLIENT_SECRET_FILE", Set: Text(&p.SecretFile),
			Help: "file with the secret that the provider has given for the console."},
		{Group: API, Env: "COPRA_OIDC_CLIENT_SECRET", Shown: "the file of --oidc-client-secret-file", Set: Secret(&p.Secret),
			Help: "that secret itself."},
		{Group: API, Flag: "oidc-operators", Env: "COPRA_OIDC_OPERATORS", Set: words(&p.Operators),
			Help: "who may sign in, separated by commas: addresses of mail that the provider has verified, and group:NAME for a name in the claim groups. They see everything, as with the operator's key."},
		{Group: API, Flag: "oidc-scopes", Env: "COPRA_OIDC_SCOPES", Default: "email", Set: words(&p.Scopes),
			Help: "what the provider is asked to tell besides openid, separated by commas; some need groups for group:NAME."},
	}
}

// issuer takes an address and keeps it to the letter: the provider has to name the same
// one, with its slash at the end (OpenID Connect Discovery 1.0, section 4.3).
func issuer(p *string) Parser {
	return func(v string) error {
		var checked string
		if err := URL(&checked)(v); err != nil {
			return err
		}
		*p = v
		return nil
	}
}

// words takes texts that are separated by commas.
func words(p *[]string) Parser {
	return func(v string) error {
		*p = nil
		for w := range strings.SplitSeq(v, ",") {
			if w = strings.TrimSpace(w); w != "" {
				*p = append(*p, w)
			}
		}
		return nil
	}
}

// OIDCSecret reads the secret of the OpenID provider, and fails when a setting that is
// needed with the provider is missing.
func (s *Settings) OIDCSecret() (job.Secret, error) {
	p := &s.OIDC
	switch {
	case p.ClientID == "":
		return job.Secret{}, command.Usagef("--oidc-issuer (COPRA_OIDC_ISSUER) is set, and --oidc-client-id (COPRA_OIDC_CLIENT_ID) is missing")
	case len(p.Operators) == 0:
		return job.Secret{}, command.Usagef("--oidc-issuer (COPRA_OIDC_ISSUER) is set, and --oidc-operators (COPRA_OIDC_OPERATORS) names nobody who may sign in")
	case !p.Secret.IsZero():
		return p.Secret, nil
	case p.SecretFile == "":
		return job.Secret{}, nil // a public client, which has PKCE alone
	}
	return oneSecret(p.SecretFile, "secret of the OpenID provider (--oidc-client-secret-file, COPRA_OIDC_CLIENT_SECRET_FILE)")
}
