// Package spec has no code but tests: they hold the program against the
// specification, docs/spec/coconut-v2.md, row by row.
//
// rows_*_test.go have a row for each row of the specification's tables: a
// request (or a call of the API) that has it, and a control that differs from it
// in nothing else. Both are carried out as far as that is possible without
// PostgreSQL, FFmpeg and network, and everything that they bring about is
// written down: the answer, how the input is read, the plan for FFmpeg, what is
// stored where, the end of the job, its webhooks. What differs between the two
// is what the row does. testdata/observed.txt has it for each row; go test
// ./internal/spec -update rewrites that file. A row that makes no difference
// fails.
//
//	source_test.go   the rows of the specification
//	spec_test.go     what the rows do, against testdata/observed.txt
//	complete_test.go that no row is missing
//	observe_test.go  a job from the request to what is stored
//	ending_test.go   the end of the job, and its webhooks
//	plan_test.go     a plan as lines
//	wire_test.go     servers that write down what they are asked
//	api_test.go      the API over a store in memory
//
// What needs PostgreSQL or FFmpeg to be seen is listed in package observed, and
// the test that sees it says so by observed.Row.
package spec
