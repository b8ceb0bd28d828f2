//go:build linux

// Loadgen compares chat with its peers. It starts one server after the other, connects
// thousands of clients to it from one process, and counts the messages that reach them.
// scripts/bench builds it and everything it needs.
//
// It has these commands:
//
//	loadgen bench     the measurements
//	loadgen tutorial  a chat server as in tutorials, one of the peers
//	loadgen bare      the ceiling: a server that only writes
//	loadgen files     a minimal file server
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

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: loadgen bench|tutorial|bare|files [flags]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch command, args := os.Args[1], os.Args[2:]; command {
	case "bench":
		err = runBench(ctx, args)
	case "tutorial":
		err = runTutorial(args)
	case "bare":
		err = runBare(args)
	case "files":
		err = runFileServer(args)
	default:
		err = fmt.Errorf("unknown command %s", command)
	}
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}
