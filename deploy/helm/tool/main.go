// Command charttool does with a chart what `helm lint --strict` and `helm
// template` do, by Helm's own packages:
//
//	charttool lint CHART [VALUES...]
//	charttool template CHART RELEASE NAMESPACE [VALUES...]
//
// VALUES are files; a later one overrides an earlier one. It is a module of its
// own, so that Helm's 200 modules are not those of the server, and is built once
// into .cache/tools by scripts/setup.sh. The whole of Helm takes twice as long.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "charttool:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "lint":
		return lintChart(args[1], args[2:])
	case len(args) >= 4 && args[0] == "template":
		return renderChart(args[1], args[2], args[3], args[4:])
	}
	return errors.New("usage: charttool lint CHART [VALUES...] | template CHART RELEASE NAMESPACE [VALUES...]")
}

// readValues merges files of values.
func readValues(files []string) (map[string]any, error) {
	all := map[string]any{}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read values: %w", err)
		}
		values, err := loader.LoadValues(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("read values of %s: %w", file, err)
		}
		all = loader.MergeMaps(all, values)
	}
	return all, nil
}

// lintChart fails at a warning too, as --strict does.
func lintChart(dir string, files []string) error {
	if _, err := os.Stat(filepath.Join(dir, "Chart.yaml")); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("lint: %s has no Chart.yaml", dir)
	}
	values, err := readValues(files)
	if err != nil {
		return err
	}
	const warning = 2 // support.WarningSev, which has no name outside
	result := lint.RunAll(dir, values, "default")
	var failed []string
	for _, m := range result.Messages {
		if m.Severity >= warning {
			failed = append(failed, m.Error())
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("lint: %s", strings.Join(failed, "; "))
	}
	return nil
}

// renderChart prints what the templates make, each under the name of its file,
// as `helm template` does. NOTES.txt comes last.
func renderChart(dir, release, namespace string, files []string) error {
	values, err := readValues(files)
	if err != nil {
		return err
	}
	chart, err := loader.Load(dir)
	if err != nil {
		return fmt.Errorf("load the chart: %w", err)
	}
	options := common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	full, err := util.ToRenderValues(chart, values, options, common.DefaultCapabilities)
	if err != nil {
		return fmt.Errorf("read values: %w", err)
	}
	rendered, err := engine.Engine{}.Render(chart, full)
	if err != nil {
		return fmt.Errorf("render the chart: %w", err)
	}
	names := slices.Sorted(maps.Keys(rendered))
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	for _, name := range names {
		text := strings.TrimSpace(rendered[name])
		if text == "" || strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		fmt.Printf("---\n# Source: %s\n%s\n", name, strings.TrimPrefix(text, "---\n"))
	}
	return nil
}

func rank(name string) int {
	if path.Base(name) == "NOTES.txt" {
		return 1
	}
	return 0
}
