// Package proxytest runs nginx and Caddy in front of the built program, with the configurations that
// relay/docs/hosting.md shows.
//
// The tests need Linux, nginx and caddy. Otherwise they are skipped or, with CI=true, fail.
package proxytest
