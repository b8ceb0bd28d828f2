// Package e2e runs the built program as people run it: hosts, joiners, nc and the
// others, pipes and terminals, by the scripts in testdata. Each script is named for the
// behaviour that it shows; e2e_test.go lists the commands that they have besides those of
// testscript.
//
//	go test ./scripts/e2e
//	go test ./scripts/e2e -run /filter -v
//
// All of it stays on the loopback, but for what is shown in a network namespace of its
// own; discovery between machines is tried in scripts/lantest. What a script needs and is
// not installed skips it; under CI=true that is a failure.
//
// The tests are for Unix: signals, pseudo-terminals, shells.
package e2e
