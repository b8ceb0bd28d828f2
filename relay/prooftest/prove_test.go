package prooftest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"chat/relay"
	"chat/relay/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checkTimes checks prop with so many schedules, unless -rapid.checks says how many.
func checkTimes(t *testing.T, times int, prop func(*rapid.T)) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	flag.Set("rapid.nofailfile", "true") // one of many goroutines: the seed is as good
	if f := flag.Lookup("rapid.checks"); !given {
		before := f.Value.String()
		f.Value.Set(strconv.Itoa(times / slowdown))
		defer f.Value.Set(before)
	}
	began, schedules := time.Now(), 0
	rapid.Check(t, func(t *rapid.T) { schedules++; prop(t) })
	t.Logf("%d schedules, %.0f a second", schedules, float64(schedules)/time.Since(began).Seconds())
}

// The room's log is in memory: connections fail, clients come, go and come back.
func TestInMemory(t *testing.T) {
	checkTimes(t, 1000, func(t *rapid.T) {
		limits := history.Limits{}
		if rapid.IntRange(0, 3).Draw(t, "window") == 3 {
			limits.Events = 8
		}
		prove(t, "", relay.Options{History: limits})
	})
}

// The room is kept in a file: hosts restart, are killed, and their disk fails.
func TestOnDisk(t *testing.T) {
	parent := diskDir(t)
	var n atomic.Int64
	checkTimes(t, 150, func(t *rapid.T) {
		dir := filepath.Join(parent, fmt.Sprint(n.Add(1)))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		prove(t, dir, relay.Options{History: history.Limits{Events: 8}})
	})
}

// diskDir returns a directory for hosts' files, in memory where that can be: that a commit
// survives a loss of power is not what is proved here.
func diskDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "prooftest")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// prove goes through a schedule, and checks what was promised.
//
// A failure is shrunk, and told with the schedule that is left; to try it again, run with the
// -rapid.seed it names. The goroutines' order is not the seed's: some need several runs.
//
// Longer than in scripts/test, for an hour:
//
//	go test ./relay/prooftest -run TestOnDisk -rapid.checks=250000 -timeout 0
//	go test ./relay/prooftest -run TestInMemory -rapid.checks=1000000 -timeout 0
//
// That it finds what it should: each of these has to fail, the first by doubles, the second
// by what somebody saw and is not in the file.
//
//	go test ./relay/prooftest -overlay "$(go run ./scripts/chaos overlay --bug accepts-duplicates)"
//	go test ./relay/prooftest -overlay "$(go run ./scripts/chaos overlay --bug acks-before-commit)" -run TestOnDisk
func prove(t *rapid.T, dir string, opts relay.Options) {
	rapid.SyncTest(t, func(t *rapid.T) {
		opts.Title, opts.HostToken = "room", hostToken
		opts.Backlog = rapid.SampledFrom([]int{0, 2}).Draw(t, "backlog")
		r := &room{T: t, opts: opts, dir: dir, stolen: map[string]bool{}}
		if dir != "" {
			r.delay = rapid.SampledFrom([]time.Duration{0, 2 * time.Millisecond, 30 * time.Millisecond, 400 * time.Millisecond}).Draw(t, "disk delay")
		}
		r.open()
		t.Cleanup(r.close)
		for i, name := range []string{"ada", "bob", "cid", "dan", "eve", "fay"}[:rapid.IntRange(2, 6).Draw(t, "members")] {
			m := &member{room: r, name: name, token: "token-of-" + name}
			r.members = append(r.members, m)
			if i == 0 {
				m.token = hostToken
				m.come(0)
				time.Sleep(time.Second)
			} else if !rapid.Bool().Draw(t, "late") {
				m.come(backlogs.Draw(t, "backlog"))
			}
		}
		t.Repeat(r.actions())
		r.heal()
		r.check()
	})
}

// actions are what a schedule is made of.
func (r *room) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"come": func(t *rapid.T) {
			if m := r.anyone(t); m.now() == nil {
				m.come(backlogs.Draw(t, "backlog"))
			}
		},
		"come again": func(t *rapid.T) {
			if m := r.anyone(t); m.now() != nil && m.token != hostToken {
				m.now().die(rapid.Bool().Draw(t, "in order"))
				m.come(backlogs.Draw(t, "backlog"))
				if rapid.Bool().Draw(t, "to say something") {
					m.now().say("", 0)
				}
			}
		},
		"say":       r.say,
		"say more":  r.say,
		"say on":    r.say,
		"tell":      r.tell,
		"tell more": r.tell,
		"wait":      r.wait,
		"wait more": r.wait,
		"cut":       r.onCable(func(_ *rapid.T, c *cable) { c.cut() }),
		"cut within": r.onCable(func(t *rapid.T, c *cable) {
			c.cutAfter(direction.Draw(t, "direction"), rapid.IntRange(0, 400).Draw(t, "bytes"))
		}),
		"half open": r.onCable(func(t *rapid.T, c *cable) { c.swallow(direction.Draw(t, "direction")) }),
		"slow": r.onCable(func(t *rapid.T, c *cable) {
			c.delay(rapid.SampledFrom([]time.Duration{0, 20 * time.Millisecond, 400 * time.Millisecond, 8 * time.Second}).Draw(t, "latency"))
		}),
		"far": func(t *rapid.T) {
			r.net.mu.Lock()
			defer r.net.mu.Unlock()
			r.net.latency = rapid.SampledFrom([]time.Duration{0, time.Millisecond, 200 * time.Millisecond, 3 * time.Second}).Draw(t, "latency")
		},
		"sleep": func(t *rapid.T) {
			if l := r.anyone(t).now(); l != nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.sleeps = time.Now().Add(shortPauses.Draw(t, "for"))
			}
		},
		"be called": func(t *rapid.T) {
			m := r.anyone(t)
			if l := m.now(); l != nil && l.joined() != nil {
				m.names++
				l.request("nick", m.name+"_"+rapid.SampledFrom([]string{"home", "work"}).Draw(t, "nick"))
			}
		},
		"kick": func(t *rapid.T) {
			host, l := r.members[0].now(), r.anyone(t).now()
			if l != nil && l != host && l.joined() != nil && host.joined() != nil {
				l.letGo()
				host.request("kick", l.nickNow())
			}
		},
		"steal a nick": func(t *rapid.T) {
			if l := r.anyone(t).now(); l != nil && l.nickNow() != "" {
				r.steal(l, pauses.Draw(t, "for"))
			}
		},
		"person": func(t *rapid.T) {
			if len(r.persons) == 0 || rapid.IntRange(0, 3).Draw(t, "new") == 3 {
				r.letIn()
				return
			}
			rapid.SampledFrom(r.persons).Draw(t, "person").say()
		},
	}
	if r.dir == "" {
		return actions
	}
	actions["restart"] = func(t *rapid.T) { r.restart(pauses.Draw(t, "down")) }
	actions["crash"] = func(t *rapid.T) { r.crash(rapid.Bool().Draw(t, "arrives"), pauses.Draw(t, "down")) }
	actions["slow disk"] = func(t *rapid.T) {
		r.delay = shortPauses.Draw(t, "delay")
		r.disk.set(r.delay, false)
	}
	actions["no disk"] = func(t *rapid.T) {
		r.disk.set(r.delay, true)
		d, delay := r.disk, r.delay
		time.AfterFunc(shortPauses.Draw(t, "for"), func() { d.set(delay, false) })
	}
	actions["look"] = func(*rapid.T) { r.look() }
	return actions
}

var (
	backlogs    = rapid.SampledFrom([]int{0, -1, 3})
	direction   = rapid.SampledFrom([]int{toHost, toClient})
	times       = []time.Duration{time.Millisecond, 30 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 20 * time.Second, 3 * time.Minute}
	pauses      = rapid.SampledFrom(times)
	shortPauses = rapid.SampledFrom(times[:len(times)-1])
)

// anyone draws a member.
func (r *room) anyone(t *rapid.T) *member { return rapid.SampledFrom(r.members).Draw(t, "who") }

func (r *room) say(t *rapid.T) {
	if l := r.anyone(t).now(); l != nil {
		for range rapid.IntRange(1, 4).Draw(t, "times") {
			l.say("", rapid.SampledFrom([]int{0, 0, 3000}).Draw(t, "padding"))
		}
	}
}

func (r *room) tell(t *rapid.T) {
	from, to := r.anyone(t).now(), r.anyone(t).now()
	if from == nil || to == nil || to.nickNow() == "" {
		return
	}
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		from.say(to.nickNow(), 0)
	}
}

func (r *room) wait(t *rapid.T) { time.Sleep(pauses.Draw(t, "for")) }

// onCable returns an action upon the connection of any member but the hosting person.
func (r *room) onCable(do func(*rapid.T, *cable)) func(*rapid.T) {
	return func(t *rapid.T) {
		l := r.anyone(t).now()
		if l == nil || l.isHost() {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.cable != nil {
			do(t, l.cable)
		}
	}
}
