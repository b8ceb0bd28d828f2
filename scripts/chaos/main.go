//go:build linux

// Chaos proves what the README promises: a message that somebody was shown, or that
// its sender saw acknowledged, is never lost, doubled or out of order, whatever falls
// over.
//
//	go run ./scripts/chaos                     a short run, as in scripts/test
//	go run ./scripts/chaos --messages 1000000 --faults 1000 --kills 200
//	go run ./scripts/chaos --seed 7            the schedule of faults of seed 7 again
//	go run ./scripts/chaos --bug accepts-duplicates
//	                                           a host with a bug: the run must find it
//	go run ./scripts/chaos overlay --bug acks-before-commit
//	                                           print an overlay for go build or go test
//
// It hosts a room with a history in a process of its own, lets twenty processes talk in
// it, each behind a fault proxy on loopback, and meanwhile kills, stops, cuts, delays and
// truncates by a schedule that a seed makes. Every client keeps a record of what it was
// shown and of what it said. In the end all is healed, those who were never killed say
// what they have left, and each record is compared with the file.
//
// Its exit code is 0 only if nothing was lost, doubled or reordered. Otherwise it keeps
// its folder and names it: records, the file, the host's log, the schedule.
//
// The program is also its own clients: "chaos talk" and "chaos listen" are run by it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// commands are what the program runs itself as; anything else is a run.
var commands = map[string]func(ctx context.Context, args []string) error{
	"talk":    runTalk,
	"listen":  runListen,
	"lock":    runLock,
	"overlay": runOverlay,
	"inside":  runProof, // with a mount namespace of its own around it
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command, args := runEnclosed, os.Args[1:]
	if len(args) > 0 && commands[args[0]] != nil {
		command, args = commands[args[0]], args[1:]
	}
	err := command(ctx, args)
	switch {
	case err == nil:
		return
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case !errors.Is(err, errTold):
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	stop()
	os.Exit(1)
}

// errTold is a failure that the report has told already.
var errTold = errors.New("told")
