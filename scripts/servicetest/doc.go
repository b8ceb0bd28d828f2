// Package servicetest runs the built program as a service of a real systemd, which is process 1 of a namespace of its own, with
// the units of scripts/packaging/systemd as they are.
//
// The tests of the running service need Linux, root and systemd. Otherwise they are skipped or, with CI=true, fail.
package servicetest
