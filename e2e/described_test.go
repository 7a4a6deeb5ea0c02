package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// description is the openapi.yaml that a server serves.
type description struct{ doc *openapi3.T }

func served(t testing.TB, c client) description {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(fetch(t, strings.TrimSuffix(c.base, "/v2")+"/openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return description{doc}
}

// holds fails the test unless body is what the description calls name.
func (d description) holds(t testing.TB, name string, body []byte) {
	t.Helper()
	schema := d.doc.Components.Schemas[name]
	if schema == nil {
		t.Fatalf("%s is not described", name)
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	if err := schema.Value.VisitJSON(v); err != nil {
		t.Errorf("no %s: %v\n%s", name, err, body)
	}
}
