package cube

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const table = "0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1 1 1\n"

// What is written is read as the same, whatever stood around it.
func TestParse(t *testing.T) {
	for name, text := range map[string]string{
		"plain":   "LUT_3D_SIZE 2\n" + table,
		"windows": "\ufeffTITLE \"x\"\r\nLUT_3D_SIZE 2\r\n\r\n# c\r\n" + strings.ReplaceAll(table, "\n", "\r\n"),
		"domain":  "LUT_3D_SIZE 2\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\nLUT_3D_INPUT_RANGE 0 1\n" + table,
	} {
		l, err := Parse([]byte(text))
		if err != nil || l.Side != 2 || len(l.Values) != 8 || l.Values[1] != [3]float64{1, 0, 0} {
			t.Errorf("%s: %+v %v", name, l, err)
			continue
		}
		var b bytes.Buffer
		if err := l.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(b.Bytes())
		if d := cmp.Diff(l, again); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string][2]string{
		"empty":         {"", "no LUT_3D_SIZE"},
		"one dimension": {"LUT_1D_SIZE 4\n", "one dimension"},
		"large":         {"LUT_3D_SIZE 256\n", "from 2 to 65"},
		"short":         {"LUT_3D_SIZE 2\n0 0 0\n", "has 1 colours, and 8"},
		"long":          {"LUT_3D_SIZE 2\n" + table + "0 0 0\n", "line 10"},
		"before size":   {"0 0 0\n", "line 1"},
		"no number":     {"LUT_3D_SIZE 2\nnan 0 0\n", "line 2"},
		"infinite":      {"LUT_3D_SIZE 2\n0 inf 0\n", "line 2"},
		"domain":        {"LUT_3D_SIZE 2\nDOMAIN_MAX 0 1 1\n" + table, "DOMAIN_MIN"},
		"long line":     {strings.Repeat("a", 5000), "not a .cube"},
	} {
		if _, err := Parse([]byte(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %q", name, err, c[1])
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("LUT_3D_SIZE 2\n" + table))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse(data)
		if err == nil && len(l.Values) != l.Side*l.Side*l.Side {
			t.Errorf("%d colours of a side of %d", len(l.Values), l.Side)
		}
	})
}
