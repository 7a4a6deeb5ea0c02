package sparse

import "slices"

// span is a part of a file, from from up to, not including, to.
type span struct{ from, to int64 }

// spans are parts of a file in ascending order. No two of them touch.
type spans []span

// add adds a part.
func (s *spans) add(from, to int64) {
	if from >= to {
		return
	}
	first := 0
	for first < len(*s) && (*s)[first].to < from {
		first++
	}
	last := first
	for last < len(*s) && (*s)[last].from <= to {
		from, to = min(from, (*s)[last].from), max(to, (*s)[last].to)
		last++
	}
	*s = slices.Replace(*s, first, last, span{from, to})
}

// end returns where the part ends that has the byte at an offset; the offset itself
// when none has it.
func (s spans) end(at int64) int64 {
	for _, p := range s {
		if p.from <= at && at < p.to {
			return p.to
		}
	}
	return at
}

// next returns where the first part begins that lies after an offset; limit when there
// is none.
func (s spans) next(after, limit int64) int64 {
	for _, p := range s {
		if p.from > after {
			return min(p.from, limit)
		}
	}
	return limit
}

// bytes is how many bytes the parts have.
func (s spans) bytes() (n int64) {
	for _, p := range s {
		n += p.to - p.from
	}
	return n
}
