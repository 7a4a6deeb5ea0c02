package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProxyPages: a page shows the very configuration that tests run.
func TestProxyPages(t *testing.T) {
	files, err := os.ReadDir("../deploy/proxies")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		page := "deploy/" + strings.TrimSuffix(f.Name(), filepath.Ext(f.Name())) + ".md"
		if config := read(t, "../deploy/proxies/"+f.Name()); !strings.Contains(read(t, page), "\n"+config+"```") {
			t.Errorf("%s does not show deploy/proxies/%s as it is", page, f.Name())
		}
	}
}
