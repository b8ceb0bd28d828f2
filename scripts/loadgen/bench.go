//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"chat/scripts/natsserver"
)

// A bench is the state of one call of the program.
type bench struct {
	opts      *options
	self      string                   // path of this program, which also is some of the peers
	dir       string                   // for files of the servers
	disk      string                   // for files that must be on a disk; empty: not created yet
	histories map[string]*savedHistory // by peer and length
	peers     map[string]*peer
	maxFiles  uint64 // limit of open files per process
	runs      []run
}

// A run is the result of one measurement of one peer.
type run struct {
	Cell    string `json:"cell"`
	Clients int    `json:"clients"`
	Senders int    `json:"senders"`
	Peer    string `json:"peer"`
	Round   int    `json:"round"`
	Values  values `json:"values,omitempty"`
	Failed  string `json:"failed,omitempty"` // the reason, if there is no result
}

func runBench(ctx context.Context, args []string) error {
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	if opts.nats == "" {
		if opts.nats, err = natsserver.Binary(ctx); err != nil {
			return err
		}
	}
	b := &bench{opts: opts, peers: newPeers(opts), histories: make(map[string]*savedHistory)}
	for _, name := range b.selectPeers(nil) {
		if b.peers[name] == nil {
			return fmt.Errorf("--peer %s: there is no such one", name)
		}
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.maxFiles, err = raiseFileLimit(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "chat-bench-"); err != nil {
		return err
	}
	defer func() { os.RemoveAll(b.dir); os.RemoveAll(b.disk) }()
	began := time.Now()
	if most := b.maxClients(); most < maxWantedClients {
		fmt.Fprintf(os.Stderr, "at most %[2]d clients: a process may have %[1]d files open (see prlimit, limits.conf)\n", b.maxFiles, most)
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

// raiseFileLimit raises the limit of open files for this process and the servers it starts,
// and returns it.
func raiseFileLimit() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	limit.Cur = limit.Max
	return limit.Max, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// selectShapes returns the shapes of the cell that match the flags. If none does, it makes
// one of the flags.
func (b *bench) selectShapes(c *cell) (shapes []shape) {
	for _, s := range c.shapes {
		s.clients = min(s.clients, b.maxClients())
		if (b.opts.clients == 0 || s.clients == min(b.opts.clients, b.maxClients())) && (b.opts.senders == 0 || s.senders == b.opts.senders) {
			shapes = append(shapes, s)
		}
	}
	if len(shapes) == 0 && b.opts.clients > 0 {
		senders := min(max(b.opts.senders, min(c.shapes[0].senders, 1)), b.opts.clients)
		shapes = []shape{{clients: b.opts.clients, senders: senders}}
	}
	return shapes
}

// maxClients returns how many connections a process may have.
func (b *bench) maxClients() int {
	const others = 200
	return int(min(b.maxFiles, 1<<30)) - others
}

// selectPeers returns the peers of --peer, or usual without the flag.
func (b *bench) selectPeers(usual []string) (names []string) {
	if len(b.opts.peers) == 0 {
		return usual
	}
	for _, name := range b.opts.peers {
		name, _, _ = strings.Cut(name, "=")
		names = append(names, name)
	}
	return names
}

// measure runs a cell: for each shape and round, one peer after the other.
func (b *bench) measure(ctx context.Context, c *cell) error {
	for _, s := range b.selectShapes(c) {
		usual := c.peers
		if s.peers != nil {
			usual = s.peers
		}
		for round := 1; round <= b.opts.rounds; round++ {
			for _, name := range b.selectPeers(usual) {
				p := b.peers[name]
				if len(b.opts.peers) == 0 && !p.canRun(s) || c.dialect != nil && c.dialect != p.dialect {
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

const maxRunTime = 3 * time.Minute // of one run

func (b *bench) measureOne(ctx context.Context, c *cell, p *peer, s shape, round int) error {
	limited, cancel := context.WithTimeoutCause(ctx, maxRunTime, fmt.Errorf("not finished after %v", maxRunTime))
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
