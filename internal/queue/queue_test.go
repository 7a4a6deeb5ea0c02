package queue

import "testing"

func TestPriority(t *testing.T) {
	for p, want := range map[int]int{50: 1, 1: 1, 0: 2, -1: 3, -25: 3, -26: 4, -50: 4} {
		if got := Priority(p); got != want {
			t.Errorf("Priority(%d) = %d, want %d", p, got, want)
		}
	}
}
