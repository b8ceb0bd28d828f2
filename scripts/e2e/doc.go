// Package e2e runs the built program the way people do: hosts, clients, nc and the like, in
// pipes and on terminals. Each script in testdata is named for the behaviour that it shows;
// e2e_test.go lists the commands that scripts have in addition to those of testscript.
//
//	go test ./scripts/e2e
//	go test ./scripts/e2e -run /filter -v
//
// All traffic stays on the loopback interface or in a network namespace that a script makes;
// scripts/lantest tests discovery between machines. A script that needs a program which is
// not installed is skipped; with CI=true that is a failure.
//
// The tests are for Unix: they use signals, pseudo-terminals and shells.
package e2e
