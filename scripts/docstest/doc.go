// Package docstest tests the documents: their links, the length of the README, and the
// tables of commands and limits, which "go test ./scripts/docstest -update" rewrites.
package docstest
