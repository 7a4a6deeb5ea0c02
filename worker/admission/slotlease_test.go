package admission

import "testing"

// TestPlaces: a run whose steps have ended yields its slot if it has a place to upload, the
// oldest first. A run that waits for its storage takes none.
func TestPlaces(t *testing.T) {
	y := NewYielded(1)
	yielded := func(want int, when string) {
		t.Helper()
		if n := y.Count(); n != want {
			t.Errorf("%s: %d have yielded, want %d", when, n, want)
		}
	}
	a, b, c, d := y.Lease(), y.Lease(), y.Lease(), y.Lease()
	yielded(0, "all encode")
	for _, s := range []*SlotLease{a, b, c} {
		s.SetEncoded(true)
		s.SetEncoded(true) // as often as one likes
	}
	yielded(1, "a has the place")
	doneA := a.WaitForOthers()
	yielded(2, "a waits, b has the place")
	doneB := b.WaitForOthers()
	yielded(3, "a and b wait, c has the place")
	doneB()
	doneA()
	yielded(3, "the storage is back: a and b upload beside c, and do not take back what they have yielded")
	d.SetEncoded(true)
	a.Release()
	c.Release()
	yielded(1, "b uploads, and takes the only place")
	b.SetEncoded(false)
	yielded(2, "b encodes once more, d has the place")
	b.SetEncoded(true)
	d.Release()
	b.Release()
	yielded(0, "at the end")
	if y.uploading != 0 || len(y.next) != 0 {
		t.Errorf("%d places are taken for ever, %d runs wait for one", y.uploading, len(y.next))
	}
	e, f := y.Lease(), y.Lease()
	e.SetEncoded(true)
	f.SetEncoded(true)
	f.Release()
	e.Release()
	yielded(0, "f has ended without a place")
	if len(y.next) != 0 {
		t.Error("a run that has ended waits for a place")
	}
}
