// Package spec has no code but tests: they hold the program against the
// specification, coconut-api.md, row by row. rows_test.go has every row of its
// tables, by section, with a request that has it where there can be one, and
// the test that covers it. The tests here have each request accepted, look that
// the named tests are there and speak of the row, and, where the specification
// itself lies beside the repository, that none of its rows is missing.
package spec
