// Package migrations holds the schema of the database as goose migrations, which
// are part of the program. Statements of a released migration are never changed:
// a change is a new file. River's tables are created by River's own migrations,
// see internal/postgres.
package migrations

import "embed"

// FS holds the *.sql files at its root.
//
//go:embed *.sql
var FS embed.FS
