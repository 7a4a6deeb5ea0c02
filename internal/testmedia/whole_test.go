package testmedia_test

import (
	"slices"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

// TestCover: a matrix is made shorter without losing a row of its tables, and is whole
// with COPRA_WHOLE.
func TestCover(t *testing.T) {
	var matrix [][]string
	for _, a := range []string{"a1", "a2", "a3"} {
		for _, b := range []string{"b1", "b2", "b3", "b4"} {
			matrix = append(matrix, []string{a, b})
		}
	}
	rows := func(c []string) []string { return c }
	t.Setenv("COPRA_WHOLE", "")
	got := testmedia.Cover(matrix, rows)
	if all := slices.Concat(got...); len(got) != 4 {
		t.Errorf("%d cases, want 4: %v", len(got), got)
	} else {
		for _, want := range slices.Concat(matrix...) {
			if !slices.Contains(all, want) {
				t.Errorf("no case has %s: %v", want, got)
			}
		}
	}
	if !slices.IsSortedFunc(got, func(a, b []string) int { return slices.Compare(a, b) }) {
		t.Errorf("the order is another: %v", got)
	}
	t.Setenv("COPRA_WHOLE", "1")
	if got := testmedia.Cover(matrix, rows); len(got) != len(matrix) {
		t.Errorf("%d cases of the whole, want %d", len(got), len(matrix))
	}
}
