//go:build linux

// Loadgen measures chat beside its peers. It starts one server after the other,
// puts thousands of clients on it from one process, and counts what reaches them.
// scripts/bench builds it and everything it needs.
//
// Four things in one program:
//
//	loadgen bench     the measurements
//	loadgen tutorial  a chat as tutorials write it, one of the peers
//	loadgen bare      the ceilings: a program that does nothing but write
//	loadgen files     the least that serves files and takes some
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
		err = fmt.Errorf("%s: no such command", command)
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
