//go:build linux

// Chaos tests the README's promise: a message that was shown to a member, or
// acknowledged to its sender, is never lost, duplicated or reordered, whatever fails.
//
//	go run ./scripts/chaos                     a short run, as in scripts/test
//	go run ./scripts/chaos --messages 1000000 --faults 1000 --kills 200
//	go run ./scripts/chaos --seed 7            repeat the faults of seed 7
//	go run ./scripts/chaos --cluster           three relays of one room, with three NATS servers
//	go run ./scripts/chaos --secure            a sealed room; also with --cluster
//	go run ./scripts/chaos --bug accepts-duplicates
//	                                           a host with a bug, which the run must find
//	go run ./scripts/chaos overlay --bug acks-before-commit
//	                                           print an overlay for go build or go test
//
// It runs a host with a history, and twenty clients, each with its own proxy on loopback.
// Meanwhile it kills, stops, cuts, delays and truncates according to a schedule drawn from
// a seed. Every client records its messages and the events it receives. At the end all faults
// stop, the clients that were never killed send the rest of their messages, and each record
// is compared with the history file.
//
// With --cluster the clients move between three hosts, two of them with a history file. Faults also hit the NATS servers
// and the connections to them. At the end two more hosts start, one with an empty file, one with none. All hosts must list the same members,
// and all files, and what each host serves, must be the same.
//
// With --secure the room is sealed. Half of the clients connect as the page does, with a cookie and a WebSocket; the others use TLS, keys,
// known hosts and kept identities, and some prove the secret by SCRAM. The invite is replaced now and then: clients that are away meanwhile get the new
// secret from the host's user. The one who only reads uses TLS by hand, and types the secret again each time.
//
// The exit code is 0 only if no message was lost, duplicated or reordered. Otherwise the
// run keeps its folder and prints its path: records, history, the host's log, the schedule.
//
// The program also runs itself as its clients: "chaos bot" and "chaos listen".
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

// commands are the subcommands. Without one, the program does a run.
var commands = map[string]func(ctx context.Context, args []string) error{
	"bot":     runBot,
	"listen":  runListen,
	"lock":    runLock,
	"overlay": runOverlay,
	"inside":  runProof, // in its own mount namespace
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command, args := runIsolated, os.Args[1:]
	if len(args) > 0 && commands[args[0]] != nil {
		command, args = commands[args[0]], args[1:]
	}
	err := command(ctx, args)
	switch {
	case err == nil:
		return
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case !errors.Is(err, errReported):
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	stop()
	os.Exit(1)
}

// errReported is a failure that has been printed already.
var errReported = errors.New("reported")
