package api

import (
	_ "embed" // for openapi.yaml
	"html/template"
	"net/http"
)

//go:embed openapi.yaml
var openAPIYAML []byte

func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	_, _ = w.Write(openAPIYAML) // fails only when the client has disconnected
}

var landingPage = template.Must(template.New("landing").Parse(`<!doctype html>
<meta charset="utf-8">
<title>Copra</title>
<h1>Copra {{.Version}}</h1>
<p>A transcoding server that speaks the Coconut API v2. Point a Coconut client at this address with <code>/v2</code> after it.</p>
<ul>
{{if .Console}}<li><a href="/console/">console</a>: jobs, webhooks and keys, for people</li>
{{end}}<li><a href="/openapi.yaml">openapi.yaml</a>: the API, described</li>
{{if .Docs}}<li><a href="/docs">documentation</a> of this version</li>
{{end}}<li><a href="/healthz">healthz</a>, <a href="/readyz">readyz</a>, <a href="/metrics">metrics</a></li>
</ul>
`))

func (s *server) landing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = landingPage.Execute(w, s.Config) // fails only when the client has disconnected
}
