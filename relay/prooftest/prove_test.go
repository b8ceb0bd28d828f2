package prooftest

import (
	"flag"
	"fmt"
	"maps"
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

// checkTimes checks prop with this many schedules, unless -rapid.checks is given.
func checkTimes(t *testing.T, times int, prop func(*rapid.T)) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	flag.Set("rapid.nofailfile", "true") // goroutines make runs differ: a seed is as good as a file
	if f := flag.Lookup("rapid.checks"); !given {
		before := f.Value.String()
		f.Value.Set(strconv.Itoa(times / slowdown))
		defer f.Value.Set(before)
	}
	began, schedules := time.Now(), 0
	rapid.Check(t, func(t *rapid.T) { schedules++; prop(t) })
	t.Logf("%d schedules, %.0f per second", schedules, float64(schedules)/time.Since(began).Seconds())
}

// The log is in memory: connections fail, clients join, leave and reconnect.
func TestInMemory(t *testing.T) {
	checkTimes(t, 1000, func(t *rapid.T) {
		limits := history.Limits{}
		if rapid.IntRange(0, 3).Draw(t, "window") == 3 {
			limits.Events = 8
		}
		prove(t, "", relay.Options{History: limits})
	})
}

// The log is in a file: hosts restart and are killed, and their disks fail.
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

// diskDir returns a directory for the hosts' files, in memory if possible. Whether a commit
// survives a power loss is not tested here.
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

// prove runs one schedule and checks all promises.
//
// rapid shrinks a failing schedule and prints it with a seed; -rapid.seed runs it again.
// The order of goroutines does not depend on the seed, so some failures need several runs.
//
// Run longer than scripts/test does, for an hour:
//
//	go test ./relay/prooftest -run TestOnDisk -rapid.checks=250000 -timeout 0
//	go test ./relay/prooftest -run TestInMemory -rapid.checks=1000000 -timeout 0
//
// To see that these tests find bugs, build one in. The first command must report
// duplicates, the second events that a member saw and that are not in the file.
//
//	go test ./relay/prooftest -overlay "$(go run ./scripts/chaos overlay --bug accepts-duplicates)"
//	go test ./relay/prooftest -overlay "$(go run ./scripts/chaos overlay --bug acks-before-commit)" -run TestOnDisk
func prove(t *rapid.T, dir string, opts relay.Options) {
	rapid.SyncTest(t, func(t *rapid.T) {
		opts.Title, opts.HostToken = "room", hostToken
		opts.Backlog = rapid.SampledFrom([]int{0, 2}).Draw(t, "backlog")
		r := &room{T: t, opts: opts, dir: dir, takenNicks: map[string]bool{}, nicksAsked: map[string]bool{}}
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
				m.join(0)
				time.Sleep(time.Second)
			} else if !rapid.Bool().Draw(t, "late") {
				m.join(backlogs.Draw(t, "backlog"))
			}
		}
		t.Repeat(r.actions())
		r.heal()
		r.check()
	})
}

// actions returns the actions that a schedule is made of.
func (r *room) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"join": func(t *rapid.T) {
			if m := r.drawMember(t); m.current() == nil {
				m.join(backlogs.Draw(t, "backlog"))
			}
		},
		"rejoin": func(t *rapid.T) {
			if m := r.drawMember(t); m.current() != nil && m.token != hostToken {
				m.current().end(rapid.Bool().Draw(t, "gracefully"))
				m.join(backlogs.Draw(t, "backlog"))
				if rapid.Bool().Draw(t, "and send") {
					m.current().send("", 0)
				}
			}
		},
		"send":              r.send,
		"send more":         r.send,
		"send again":        r.send,
		"send private":      r.sendPrivate,
		"send private more": r.sendPrivate,
		"wait":              r.wait,
		"wait more":         r.wait,
		"sleep": func(t *rapid.T) {
			if l := r.drawMember(t).current(); l != nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.pausedUntil = time.Now().Add(shortPauses.Draw(t, "for"))
			}
		},
		"change nick": func(t *rapid.T) {
			m := r.drawMember(t)
			if l := m.current(); l != nil && l.joinedClient() != nil {
				m.askedForNick.Store(true)
				l.request("nick", m.name+"_"+rapid.SampledFrom([]string{"home", "work"}).Draw(t, "nick"))
			}
		},
		"kick": func(t *rapid.T) {
			host, l := r.members[0].current(), r.drawMember(t).current()
			if l != nil && l != host && l.joinedClient() != nil && host.joinedClient() != nil {
				l.releaseNick()
				host.request("kick", l.currentNick())
			}
		},
		"take a nick": func(t *rapid.T) {
			if l := r.drawMember(t).current(); l != nil && l.currentNick() != "" {
				r.takeNick(l, pauses.Draw(t, "for"))
			}
		},
		"person": func(t *rapid.T) {
			if len(r.persons) == 0 || rapid.IntRange(0, 3).Draw(t, "new") == 3 {
				r.connectPerson()
				return
			}
			rapid.SampledFrom(r.persons).Draw(t, "person").send()
		},
	}
	maps.Copy(actions, r.networkActions())
	if r.dir != "" {
		maps.Copy(actions, r.diskActions())
	}
	return actions
}

// networkActions are faults of the network.
func (r *room) networkActions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"cut": r.onCable(func(_ *rapid.T, c *cable) { c.cut() }),
		"cut within a line": r.onCable(func(t *rapid.T, c *cable) {
			c.cutAfterBytes(drawDirection.Draw(t, "direction"), rapid.IntRange(0, 400).Draw(t, "bytes"))
		}),
		"half open": r.onCable(func(t *rapid.T, c *cable) { c.dropAll(drawDirection.Draw(t, "direction")) }),
		"slow": r.onCable(func(t *rapid.T, c *cable) {
			c.delay(rapid.SampledFrom([]time.Duration{0, 20 * time.Millisecond, 400 * time.Millisecond, 8 * time.Second}).Draw(t, "latency"))
		}),
		"far": func(t *rapid.T) {
			r.net.mu.Lock()
			defer r.net.mu.Unlock()
			r.net.latency = rapid.SampledFrom([]time.Duration{0, time.Millisecond, 200 * time.Millisecond, 3 * time.Second}).Draw(t, "latency")
		},
	}
}

// diskActions are faults of the host and its disk.
func (r *room) diskActions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"restart": func(t *rapid.T) { r.restart(pauses.Draw(t, "down")) },
		"crash":   func(t *rapid.T) { r.crash(rapid.Bool().Draw(t, "arrives"), pauses.Draw(t, "down")) },
		"slow disk": func(t *rapid.T) {
			r.delay = shortPauses.Draw(t, "delay")
			r.disk.set(r.delay, false)
		},
		"failing disk": func(t *rapid.T) {
			r.disk.set(r.delay, true)
			d, delay := r.disk, r.delay
			time.AfterFunc(shortPauses.Draw(t, "for"), func() { d.set(delay, false) })
		},
		"check so far": func(*rapid.T) { r.checkSoFar() },
	}
}

var (
	backlogs      = rapid.SampledFrom([]int{0, -1, 3})
	drawDirection = rapid.SampledFrom([]int{toHost, toClient})
	times         = []time.Duration{time.Millisecond, 30 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 20 * time.Second, 3 * time.Minute}
	pauses        = rapid.SampledFrom(times)
	shortPauses   = rapid.SampledFrom(times[:len(times)-1])
)

// drawMember draws a member.
func (r *room) drawMember(t *rapid.T) *member { return rapid.SampledFrom(r.members).Draw(t, "who") }

func (r *room) send(t *rapid.T) {
	if l := r.drawMember(t).current(); l != nil {
		for range rapid.IntRange(1, 4).Draw(t, "times") {
			l.send("", rapid.SampledFrom([]int{0, 0, 3000}).Draw(t, "padding"))
		}
	}
}

func (r *room) sendPrivate(t *rapid.T) {
	from, to := r.drawMember(t).current(), r.drawMember(t).current()
	if from == nil || to == nil || to.currentNick() == "" {
		return
	}
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		from.send(to.currentNick(), 0)
	}
}

func (r *room) wait(t *rapid.T) { time.Sleep(pauses.Draw(t, "for")) }

// onCable returns an action on the connection of a member. The host's connection does not
// fail.
func (r *room) onCable(do func(*rapid.T, *cable)) func(*rapid.T) {
	return func(t *rapid.T) {
		l := r.drawMember(t).current()
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
