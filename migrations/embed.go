// Package migrations holds the schema of the database as goose migrations,
// built into the program. A migration that has been released is never changed;
// the next change is the next file. River's own tables are River's business
// and migrated by it, see internal/postgres.
package migrations

import "embed"

// FS holds the *.sql files at its root.
//
//go:embed *.sql
var FS embed.FS
