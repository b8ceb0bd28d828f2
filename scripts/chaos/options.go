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
	messages int           // that the stayers say; those who are killed say more
	faults   int           // in all
	kills    int           // of them: kill -9 of the host
	clients  int           // at a time
	seed     uint64        // of the schedule
	duration time.Duration // of the faults; 0: as messages, faults and kills need
	only     []string      // kinds of faults; none: all
	bug      string        // built into the host; empty: none
	dir      string        // for records and all; "": a new one, gone when all was well
	patience time.Duration // without any progress at the end
}

// What one run does a second, unless --duration is given: two processors do several
// times of it, but outages want to be caught up on.
const (
	messagesPerSecond = 700
	timePerFault      = 800 * time.Millisecond
	timePerKill       = 4 * time.Second
)

func parseOptions(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.IntVar(&o.messages, "messages", 10_000, "say `N` messages, and some more by those who are killed")
	flags.IntVar(&o.faults, "faults", 20, "let `N` faults happen")
	flags.IntVar(&o.kills, "kills", 4, "kill the host `N` times; they count as faults")
	flags.IntVar(&o.clients, "clients", 20, "with `N` clients at a time, at least 6")
	flags.Uint64Var(&o.seed, "seed", 0, "repeat the schedule of seed `S`; 0: another one")
	flags.DurationVar(&o.duration, "duration", 0, "spread the faults over `TIME`; 0: as long as they need")
	flags.Func("only", "only these `KINDS` of faults, with commas: "+strings.Join(kindNames(), ", "), func(s string) error {
		o.only = strings.Split(s, ",")
		return nil
	})
	flags.StringVar(&o.bug, "bug", "", "build the host with the bug `NAME`, which the run must find: "+strings.Join(bugNames(), ", "))
	flags.StringVar(&o.dir, "dir", "", "keep records and all in `DIR`; it must not exist")
	flags.DurationVar(&o.patience, "patience", 30*time.Second, "in the end, give up when nothing is said for `TIME`")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for _, name := range o.only {
		if !slices.Contains(kindNames(), name) {
			return nil, fmt.Errorf("--only %s: there are %s", name, strings.Join(kindNames(), ", "))
		}
	}
	if err := checkBug(o.bug); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || o.clients < 6 || o.messages < 1 || o.kills < 0 || o.faults < o.kills || o.duration < 0 {
		return nil, fmt.Errorf("wrong arguments; --help shows them")
	}
	o.seed = cmp.Or(o.seed, rand.Uint64N(1_000_000))
	if o.duration == 0 {
		o.duration = max(time.Duration(o.messages)*time.Second/messagesPerSecond,
			time.Duration(o.faults)*timePerFault, time.Duration(o.kills)*timePerKill)
	}
	return o, nil
}
