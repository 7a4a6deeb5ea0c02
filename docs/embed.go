// Package docs holds the documentation, for the program that serves it.
package docs

import "embed"

// Files are the pages, as Markdown, by their names in this folder.
//
//go:embed *.md decisions/*.md deploy/*.md spec/*.md
var Files embed.FS
