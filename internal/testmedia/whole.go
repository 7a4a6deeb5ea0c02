package testmedia

import "os"

// Whole reports whether matrices of cases run as a whole: with COPRA_WHOLE=1, which make
// test-whole sets. Otherwise Cover makes them shorter.
func Whole() bool { return os.Getenv("COPRA_WHOLE") != "" }

// Cover returns the cases of a matrix that every change runs: so few, in their order, that
// each row that rows names of a case is in one of them. rows says of a case which entries
// of the tables it is about, such as its container and its codec, or pairs of them. With
// COPRA_WHOLE=1 all cases are returned.
func Cover[T any](cases []T, rows func(T) []string) []T {
	if Whole() {
		return cases
	}
	covered := map[string]bool{}
	taken := make([]bool, len(cases))
	for {
		best, most := -1, 0
		for i, c := range cases {
			fresh := 0
			for _, r := range rows(c) {
				if !covered[r] {
					fresh++
				}
			}
			if fresh > most { // of equals the first, so that the choice is the same each time
				best, most = i, fresh
			}
		}
		if best < 0 {
			break
		}
		taken[best] = true
		for _, r := range rows(cases[best]) {
			covered[r] = true
		}
	}
	var list []T
	for i, c := range cases {
		if taken[i] {
			list = append(list, c)
		}
	}
	return list
}
