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
	weight  int           // how often it occurs, relative to the others
	min     time.Duration // the shortest duration
	max     time.Duration
	network bool // it affects connections: of one client, of several or of all
}

const (
	killHost   = "kill-host"   // kill -9, and a new host on the same file
	stopHost   = "stop-host"   // SIGSTOP, SIGCONT
	killClient = "kill-client" // kill -9, and a new client in the same seat
	stopClient = "stop-client" // SIGSTOP, SIGCONT
	reset      = "reset"       // connections end by RST
	halfOpen   = "half-open"   // all bytes are dropped; then one end or both get RST
	oneWay     = "one-way"     // bytes from the host are dropped; then connections end by RST
	delay      = "delay"       // all bytes arrive later
	loss       = "loss"        // now and then bytes arrive only after a TCP retransmission timeout
	cut        = "cut"         // connections end, new ones are refused
	truncate   = "truncate"    // connections end in the middle of a line
	slice      = "slice"       // all bytes arrive in small pieces
	fullDisk   = "full-disk"   // the disk of the history is full
	moveClock  = "move-clock"  // the host's clock jumps
)

// kinds are all kinds except kills of the host, whose number is an option.
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

// hostKill is a kill of the host. Its duration is the time until the next host starts.
var hostKill = kind{name: killHost, max: 800 * time.Millisecond}

// kinds returns the kinds of faults that can be drawn.
func (o *options) kinds() []kind {
	all := kinds
	if o.cluster {
		all = slices.Concat(nodeKinds, kinds)
	}
	if o.secure {
		all = slices.Concat(all, sealedKinds)
	}
	return all
}

// kindNames returns the names for --only and for the report.
func (o *options) kindNames() []string {
	names := []string{killHost}
	for _, k := range o.kinds() {
		names = append(names, k.name)
	}
	return names
}

// A fault is one entry of the schedule. All its details are drawn in advance, so that a
// seed determines them.
type fault struct {
	kind     string
	at       time.Duration // since the start
	duration time.Duration
	seats    []int  // the affected seats; empty: the host
	random   uint64 // for details that depend on the kind
}

// newPlan draws a schedule, which depends only on the options. Every kind occurs at least
// once if there are enough faults. mortals and all are numbers of seats.
func newPlan(o *options, mortals, all []int) []fault {
	random := rand.New(rand.NewPCG(o.seed, 0))
	drawn := make([]kind, 0, o.faults)
	for range o.kills {
		drawn = append(drawn, hostKill)
	}
	choice := o.kinds()
	if len(o.only) > 0 {
		choice = slices.DeleteFunc(slices.Clone(choice), func(k kind) bool { return !slices.Contains(o.only, k.name) })
	}
	for i := 0; len(drawn) < o.faults && len(choice) > 0; i++ {
		if i < len(choice) {
			drawn = append(drawn, choice[i])
		} else {
			drawn = append(drawn, pickWeighted(random, choice))
		}
	}
	random.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	plan := make([]fault, len(drawn))
	for i, k := range drawn {
		slot := o.duration / time.Duration(len(drawn))
		f := fault{kind: k.name, at: time.Duration(i)*slot + randomDuration(random, 0, slot), duration: randomDuration(random, k.min, k.max), random: random.Uint64()}
		switch {
		case k.network:
			f.seats = pickSeats(random, all)
		case k.name == killClient:
			f.seats = []int{mortals[random.IntN(len(mortals))]}
		case k.name == stopClient:
			f.seats = []int{all[random.IntN(len(all))]}
		}
		plan[i] = f
	}
	return plan
}

func pickWeighted(random *rand.Rand, choice []kind) kind {
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

func randomDuration(random *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(random.Int64N(int64(to-from)+1))
}

// pickSeats draws the seats for a network fault: mostly one, sometimes several or all.
func pickSeats(random *rand.Rand, all []int) []int {
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

// printPlan writes a schedule, one fault per line.
func printPlan(w io.Writer, plan []fault) {
	for _, f := range plan {
		seats := strings.Trim(fmt.Sprint(f.seats), "[]")
		fmt.Fprintf(w, "%9.3fs %-11s %6.3fs %20d %s\n", f.at.Seconds(), f.kind, f.duration.Seconds(), f.random, seats)
	}
}
