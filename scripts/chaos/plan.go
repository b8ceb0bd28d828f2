//go:build linux

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A kind is a kind of fault.
type kind struct {
	name    string
	weight  int           // how often, beside the others
	min     time.Duration // how long it lasts
	max     time.Duration
	network bool // it hits connections: of one client, of some or of all
}

const (
	killHost   = "kill-host"   // kill -9, and start again on the same file
	stopHost   = "stop-host"   // SIGSTOP, SIGCONT
	killClient = "kill-client" // kill -9; another one comes for it
	stopClient = "stop-client" // SIGSTOP, SIGCONT
	reset      = "reset"       // connections end by RST
	halfOpen   = "half-open"   // everything is swallowed; then one end or both are told
	oneWay     = "one-way"     // nothing comes from the host; then connections end by RST
	delay      = "delay"       // everything comes later
	loss       = "loss"        // now and then nothing comes for as long as TCP takes to repeat
	cut        = "cut"         // connections end, new ones are refused
	truncate   = "truncate"    // connections end in the middle of a line
	slice      = "slice"       // everything comes in small pieces
	fullDisk   = "full-disk"   // no byte more on the disk of the history
	moveClock  = "move-clock"  // the host's clock jumps
)

// kinds are all of them but the kills of the host, whose number is told.
var kinds = []kind{
	{name: stopHost, weight: 4, min: 200 * time.Millisecond, max: 2500 * time.Millisecond},
	{name: killClient, weight: 10, max: time.Second},
	{name: stopClient, weight: 8, min: 200 * time.Millisecond, max: 3 * time.Second},
	{name: reset, weight: 18, network: true},
	{name: halfOpen, weight: 10, min: time.Second, max: 5 * time.Second, network: true},
	{name: oneWay, weight: 8, min: 300 * time.Millisecond, max: 2 * time.Second, network: true},
	{name: delay, weight: 10, min: time.Second, max: 4 * time.Second, network: true},
	{name: loss, weight: 10, min: time.Second, max: 4 * time.Second, network: true},
	{name: cut, weight: 8, min: 200 * time.Millisecond, max: 3 * time.Second, network: true},
	{name: truncate, weight: 16, network: true},
	{name: slice, weight: 6, min: 500 * time.Millisecond, max: 3 * time.Second, network: true},
	{name: fullDisk, weight: 3, min: time.Second, max: 6 * time.Second},
	{name: moveClock, weight: 5},
}

// hostKill is how the host is killed; the time is until it is started again.
var hostKill = kind{name: killHost, max: 800 * time.Millisecond}

// kindNames are those of --only and of the report.
func kindNames() []string {
	names := []string{killHost}
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// A fault is one that will happen. How it happens in detail is drawn here as well, so
// that a seed says all of it.
type fault struct {
	kind  string
	at    time.Duration // from the beginning
	last  time.Duration // how long
	seats []int         // whom it hits; none: the host
	draw  uint64        // for what depends on the kind
}

// newPlan draws a schedule: the same for the same numbers and seed. Every kind happens
// once at least, if there are enough. mortals and all are seats.
func newPlan(o *options, mortals, all []int) []fault {
	random := rand.New(rand.NewPCG(o.seed, 0))
	drawn := make([]kind, 0, o.faults)
	for range o.kills {
		drawn = append(drawn, hostKill)
	}
	choice := kinds
	if len(o.only) > 0 {
		choice = slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return !slices.Contains(o.only, k.name) })
	}
	for i := 0; len(drawn) < o.faults && len(choice) > 0; i++ {
		if i < len(choice) {
			drawn = append(drawn, choice[i])
		} else {
			drawn = append(drawn, weighed(random, choice))
		}
	}
	random.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	plan := make([]fault, len(drawn))
	for i, k := range drawn {
		slot := o.duration / time.Duration(len(drawn))
		f := fault{kind: k.name, at: time.Duration(i)*slot + within(random, 0, slot), last: within(random, k.min, k.max), draw: random.Uint64()}
		switch {
		case k.network:
			f.seats = some(random, all)
		case k.name == killClient:
			f.seats = []int{mortals[random.IntN(len(mortals))]}
		case k.name == stopClient:
			f.seats = []int{all[random.IntN(len(all))]}
		}
		plan[i] = f
	}
	return plan
}

func weighed(random *rand.Rand, choice []kind) kind {
	sum := 0
	for _, k := range choice {
		sum += k.weight
	}
	n := random.IntN(sum)
	for _, k := range choice {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("weights do not add up")
}

func within(random *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(random.Int64N(int64(to-from)+1))
}

// some are whom a fault of the network hits: mostly one, at times some or all.
func some(random *rand.Rand, all []int) []int {
	switch n := random.IntN(10); {
	case n < 6:
		return []int{all[random.IntN(len(all))]}
	case n < 9:
		picked := random.Perm(len(all))[:2+random.IntN(len(all)-2)]
		seats := make([]int, len(picked))
		for i, p := range picked {
			seats[i] = all[p]
		}
		slices.Sort(seats)
		return seats
	}
	return all
}

// writePlan tells a schedule, one fault a line.
func writePlan(w io.Writer, plan []fault) {
	for _, f := range plan {
		seats := strings.Trim(fmt.Sprint(f.seats), "[]")
		fmt.Fprintf(w, "%9.3fs %-11s %6.3fs %20d %s\n", f.at.Seconds(), f.kind, f.last.Seconds(), f.draw, seats)
	}
}
