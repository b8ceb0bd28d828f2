//go:build linux

package main

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

type options struct {
	messages int           // from the clients that are never killed; the others send more
	faults   int           // in total
	kills    int           // how many of the faults are kill -9 of the host
	clients  int           // at a time
	cluster  bool          // three hosts share the room by three NATS servers
	secure   bool          // the room is sealed
	seed     uint64        // of the schedule
	duration time.Duration // of the faults; 0: as long as messages, faults and kills need
	only     []string      // kinds of faults; empty: all
	bug      string        // built into the host; empty: none
	dir      string        // for records and logs; empty: a new one, deleted on success
	patience time.Duration // how long to wait at the end without progress
}

// The rates of a run without --duration. Two processors can do several times as much, but
// clients have to catch up after outages.
const (
	messagesPerSecond = 700
	timePerFault      = 800 * time.Millisecond
	timePerKill       = 4 * time.Second
)

func parseOptions(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.IntVar(&o.messages, "messages", 10_000, "send `N` messages from clients that are never killed; the others send more")
	flags.IntVar(&o.faults, "faults", 20, "inject `N` faults")
	flags.IntVar(&o.kills, "kills", 4, "kill the host `N` times; each kill is one of the faults")
	flags.BoolVar(&o.cluster, "cluster", false, "share the room among three hosts by a cluster of three NATS servers")
	flags.BoolVar(&o.secure, "secure", false, "seal the room: clients use TLS, secrets, keys and known hosts, half of them as the page does")
	flags.IntVar(&o.clients, "clients", 20, "run `N` clients at a time, at least 6")
	flags.Uint64Var(&o.seed, "seed", 0, "repeat the schedule of seed `S`; 0 draws a new seed")
	flags.DurationVar(&o.duration, "duration", 0, "spread the faults over `TIME`; 0 takes as long as they need")
	flags.Func("only", "inject only these `KINDS` of faults, separated by commas: "+strings.Join(o.kindNames(), ", ")+"; with --cluster also "+strings.Join(nodeKindNames(), ", ")+"; with --secure "+newInvite, func(s string) error {
		o.only = strings.Split(s, ",")
		return nil
	})
	flags.StringVar(&o.bug, "bug", "", "build the host with the bug `NAME`, which the run must find: "+strings.Join(bugNames(), ", "))
	flags.StringVar(&o.dir, "dir", "", "keep records and logs in `DIR`, which must not exist")
	flags.DurationVar(&o.patience, "patience", 30*time.Second, "give up at the end after `TIME` without progress")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for _, name := range o.only {
		if !slices.Contains(o.kindNames(), name) {
			return nil, fmt.Errorf("--only %s: choose from %s", name, strings.Join(o.kindNames(), ", "))
		}
	}
	if err := checkBug(o.bug); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || o.clients < 6 || o.messages < 1 || o.kills < 0 || o.faults < o.kills || o.duration < 0 {
		return nil, fmt.Errorf("invalid arguments; see --help")
	}
	o.seed = cmp.Or(o.seed, rand.Uint64N(1_000_000))
	if o.duration == 0 {
		o.duration = max(time.Duration(o.messages)*time.Second/messagesPerSecond,
			time.Duration(o.faults)*timePerFault, time.Duration(o.kills)*timePerKill)
	}
	return o, nil
}
