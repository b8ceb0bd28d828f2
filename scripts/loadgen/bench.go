//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// A bench is all measurements of one call.
type bench struct {
	opts  *options
	self  string               // this program, to be run as a peer
	dir   string               // what the servers write
	disk  string               // what they write that has to be on a disk; empty: nothing yet
	rooms map[string]*madeRoom // histories that have been made
	peers map[string]*peer
	files uint64 // how many a process may have open
	runs  []run
}

// A run is what one measurement of one peer said.
type run struct {
	Cell    string `json:"cell"`
	Clients int    `json:"clients"`
	Senders int    `json:"senders"`
	Peer    string `json:"peer"`
	Round   int    `json:"round"`
	Values  values `json:"values,omitempty"`
	Failed  string `json:"failed,omitempty"` // why there is no result
}

func runBench(ctx context.Context, args []string) error {
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	b := &bench{opts: opts, peers: newPeers(opts), rooms: make(map[string]*madeRoom)}
	for _, name := range b.wanted(nil) {
		if b.peers[name] == nil {
			return fmt.Errorf("--peer %s: there is no such one", name)
		}
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.files, err = raiseFileLimit(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "chat-bench-"); err != nil {
		return err
	}
	defer func() { os.RemoveAll(b.dir); os.RemoveAll(b.disk) }()
	began := time.Now()
	if most := b.mostClients(); most < mostWanted {
		fmt.Fprintf(os.Stderr, "a process may have %d files open here: at most %d clients (prlimit, limits.conf)\n", b.files, most)
	}
	for _, c := range newCells() {
		if opts.wants(c.name) {
			if err := b.measure(ctx, c); err != nil {
				return err
			}
		}
	}
	return b.report(os.Stdout, time.Since(began))
}

// raiseFileLimit is for this process and the servers it starts.
func raiseFileLimit() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	limit.Cur = limit.Max
	return limit.Max, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// shapesOf are the cell's shapes that were asked for, or what was asked for as a shape.
func (b *bench) shapesOf(c *cell) (shapes []shape) {
	for _, s := range c.shapes {
		s.clients = min(s.clients, b.mostClients())
		if (b.opts.clients == 0 || s.clients == min(b.opts.clients, b.mostClients())) && (b.opts.senders == 0 || s.senders == b.opts.senders) {
			shapes = append(shapes, s)
		}
	}
	if len(shapes) == 0 && b.opts.clients > 0 {
		senders := min(max(b.opts.senders, min(c.shapes[0].senders, 1)), b.opts.clients)
		shapes = []shape{{clients: b.opts.clients, senders: senders}}
	}
	return shapes
}

// mostClients is how many connections a process may have.
func (b *bench) mostClients() int {
	const others = 200
	return int(min(b.files, 1<<30)) - others
}

// wanted are the peers that were asked for, else those given.
func (b *bench) wanted(usual []string) (names []string) {
	if len(b.opts.peers) == 0 {
		return usual
	}
	for _, name := range b.opts.peers {
		name, _, _ = strings.Cut(name, "=")
		names = append(names, name)
	}
	return names
}

// measure runs a cell: for each shape all peers in turns.
func (b *bench) measure(ctx context.Context, c *cell) error {
	for _, s := range b.shapesOf(c) {
		usual := c.peers
		if s.peers != nil {
			usual = s.peers
		}
		for round := 1; round <= b.opts.rounds; round++ {
			for _, name := range b.wanted(usual) {
				p := b.peers[name]
				if len(b.opts.peers) == 0 && !p.suits(s) || c.dialect != nil && c.dialect != p.dialect {
					continue
				}
				if err := b.measureOne(ctx, c, p, s, round); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

const longest = 3 * time.Minute // of a run

func (b *bench) measureOne(ctx context.Context, c *cell, p *peer, s shape, round int) error {
	limited, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("not done after %v", longest))
	defer cancel()
	r := run{Cell: c.name, Clients: s.clients, Senders: s.senders, Peer: p.name, Round: round}
	var err error
	if r.Values, err = c.run(limited, b, p, s); err != nil {
		r.Failed, r.Values = err.Error(), nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.runs = append(b.runs, r)
	fmt.Fprintln(os.Stderr, r.line(c))
	return nil
}

func (r run) line(c *cell) string {
	text := fmt.Sprintf("%s %d x %d, round %d, %-12s", r.Cell, r.Clients, r.Senders, r.Round, r.Peer)
	if r.Failed != "" {
		return text + " no result: " + r.Failed
	}
	for _, col := range c.columns {
		if v, ok := r.Values[col.key]; ok {
			text += fmt.Sprintf("  %s %s", col.title, col.show(v))
		}
	}
	return text
}
