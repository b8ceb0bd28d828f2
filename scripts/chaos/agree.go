//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chat/relay/wire"
)

// This file checks that all hosts of a cluster have the same room: members, events and IDs.

// maxTail is how many of the last events are read from a host that has them in a file, which is compared as a whole.
const maxTail = 5000

// freshPatience is how long a host may take that has to read all of the journal.
const freshPatience = 5 * time.Minute

// compareMembers waits until all hosts report the same members, all bots among them and none that are gone.
func (r *run) compareMembers(ctx context.Context) error {
	var here, gone []string
	for _, s := range r.seats {
		for i, p := range s.lives {
			switch {
			case s.role != botRole:
			case i == len(s.lives)-1:
				here = append(here, p.label)
			default:
				gone = append(gone, p.label)
			}
		}
	}
	for began := time.Now(); ; {
		why := r.membersDiffer(ctx, here, gone)
		if why == nil || ctx.Err() != nil {
			return why
		}
		if time.Since(began) > r.patience {
			return why
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// membersDiffer returns an error if the hosts do not agree on who is here, or a host misses one of here or has one of gone.
func (r *run) membersDiffer(ctx context.Context, here, gone []string) error {
	var before []string
	for _, h := range r.hosts {
		var members []string
		err := r.ask(ctx, h.addr, wire.Request{Nick: "judge", Backlog: new(int)}, func(e wire.Event, _ []byte) bool {
			if e.Type == wire.TypeWelcome {
				members = slices.DeleteFunc(e.Members, func(nick string) bool { return strings.HasPrefix(nick, "judge") })
			}
			return e.Type == wire.TypeWelcome
		})
		if err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		slices.Sort(members)
		if before != nil && !slices.Equal(before, members) {
			return fmt.Errorf("%s has the members %q, %s has %q", r.hosts[0].name, before, h.name, members)
		}
		before = members
	}
	for _, label := range here {
		if !slices.Contains(before, label) {
			return fmt.Errorf("%s is not among the members: %q", label, before)
		}
	}
	for _, label := range gone {
		if slices.Contains(before, label) {
			return fmt.Errorf("%s is among the members, but gone: %q", label, before)
		}
	}
	return nil
}

// ask joins the room at a host and calls receive with each event, and its line, until that returns true. It needs no encryption, as
// it does so from the host's machine.
func (r *run) ask(ctx context.Context, addr string, hello wire.Request, receive func(e wire.Event, line []byte) (enough bool)) error {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	hello.Type = wire.TypeHello
	if r.secure {
		invite, err := readInvitation(r.inviteFile())
		if err != nil {
			return err
		}
		hello.Secret = string(invite.Member)
	}
	if _, err := conn.Write(hello.AppendJSON(nil)); err != nil {
		return err
	}
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		line, err := in.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		e, err := wire.ParseEvent(line[:len(line)-1])
		if err != nil {
			return err
		}
		if e.Type == wire.TypeBye {
			return fmt.Errorf("the host closed: %s", e.Text)
		}
		if receive(e, line) {
			return nil
		}
	}
}

// startFresh starts two more hosts of the room: one that fills a new file from the journal, and one that begins with the last snapshot.
func (r *run) startFresh(ctx context.Context) error {
	for _, history := range []string{filepath.Join(r.disk.dir, "fresh.db"), ""} {
		n := len(r.hosts)
		h, err := newHost(r.dir, fmt.Sprintf("host%d", n+1), r.program, history, address(freshPort+n))
		if err != nil {
			return err
		}
		h.flags = r.hostFlags()
		for _, s := range r.nodes.servers.Servers {
			h.flags = append(h.flags, "--cluster", s.URL())
		}
		h.faultMu.Lock() // watch must not look at it before it is started
		r.addHost(h)
		err = h.start()
		h.faultMu.Unlock()
		if err != nil {
			return err
		}
		if err := h.awaitOpen(ctx, freshPatience); err != nil {
			return fmt.Errorf("%s, a new one: %w\n%s", h.name, err, h.logTail())
		}
	}
	return nil
}

// freshPort is where the ports of fresh hosts begin.
const freshPort = 1000

// tailFile returns where the last events are kept that a host served at the end.
func (r *run) tailFile(h *host) string { return filepath.Join(r.dir, h.name+".tail") }

// saveTails saves the last events that each host serves, up to the last message of the run.
func (r *run) saveTails(ctx context.Context) error {
	for _, h := range r.hosts {
		if err := r.saveTail(ctx, h); err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
	}
	return nil
}

func (r *run) saveTail(ctx context.Context, h *host) error {
	var next uint64
	err := r.ask(ctx, h.addr, wire.Request{Nick: "judge", Backlog: new(int)}, func(e wire.Event, _ []byte) bool {
		next = e.Next
		return e.Type == wire.TypeWelcome
	})
	if err != nil {
		return err
	}
	out, err := os.Create(r.tailFile(h))
	if err != nil {
		return err
	}
	defer out.Close()
	w := bufio.NewWriter(out)
	since := uint64(1)
	if next > maxTail && h.history != "" {
		since = next - maxTail
	}
	err = r.ask(ctx, h.addr, wire.Request{Nick: "judge", Since: since}, func(e wire.Event, line []byte) bool {
		if e.ID > 0 {
			w.Write(line)
		}
		return e.From == lastLabel && e.Text == text(lastLabel, 1)
	})
	if err != nil {
		return err
	}
	return errors.Join(w.Flush(), out.Close())
}

// compareHistories compares the printed histories of all hosts that have one with the first one's.
func (r *run) compareHistories(printed string) error {
	for _, h := range r.hosts[1:] {
		if h.history == "" {
			continue
		}
		other := filepath.Join(r.dir, h.name+".jsonl")
		if err := r.printHistory(h.history, other); err != nil {
			return err
		}
		events, err := r.compareFiles(printed, other, h.name)
		if err != nil {
			return err
		}
		r.compared = append(r.compared, fmt.Sprintf("%s: %d events in its file", h.name, events))
	}
	for _, h := range r.hosts {
		events, err := r.compareTail(printed, h)
		if err != nil {
			return err
		}
		r.compared = append(r.compared, fmt.Sprintf("%s: the last %d events that it served", h.name, events))
	}
	return nil
}

// compareFiles compares two printed histories up to the last message of the run, and returns the number of events.
func (r *run) compareFiles(one, two, name string) (events int, err error) {
	a, err := os.Open(one)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	b, err := os.Open(two)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	inA, inB := bufio.NewReaderSize(a, 1<<20), bufio.NewReaderSize(b, 1<<20)
	for done := false; !done; events++ {
		lineA, err := inA.ReadBytes('\n')
		if err != nil {
			r.verdict.problem("the last message is not in the file of %s", r.hosts[0].name)
			return events, skipEOF(err)
		}
		lineB, err := inB.ReadBytes('\n')
		if err != nil {
			r.verdict.problem("the file of %s ends before %.200s", name, lineA)
			return events, skipEOF(err)
		}
		if !bytes.Equal(lineA, lineB) {
			r.verdict.add(differs, name, events, fmt.Sprintf("its file has %.200s instead of %.200s", lineB, lineA))
			return events, nil
		}
		e, err := wire.ParseEvent(lineA)
		if err != nil {
			return events, err
		}
		done = e.From == lastLabel && e.Text == text(lastLabel, 1)
	}
	return events, nil
}

func skipEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// compareTail compares the last events that a host served with the printed history, and returns their number. Private
// messages are not served to others, and joins and leaves are left out of what a client missed.
func (r *run) compareTail(printed string, h *host) (events int, err error) {
	var tail []wire.Event
	err = eachEvent(r.tailFile(h), func(e wire.Event) { tail = append(tail, e) })
	if errors.Is(err, os.ErrNotExist) { // the run did not get so far
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(tail) == 0 {
		r.verdict.problem("%s served no events", h.name)
		return 0, nil
	}
	rest, first, last := tail, tail[0].ID, tail[len(tail)-1].ID
	err = eachEvent(printed, func(e wire.Event) {
		isMessage := e.Type == wire.TypeMessage || e.Type == wire.TypeAction
		switch {
		case e.ID < first || e.ID > last:
		case len(rest) > 0 && rest[0].ID == e.ID:
			if got, want := eventKey(rest[0]), eventKey(e); got != want {
				r.verdict.add(differs, h.name, int(e.ID), fmt.Sprintf("it served %.200s instead of %.200s", got, want))
			}
			rest = rest[1:]
		case isMessage:
			r.verdict.add(differs, h.name, int(e.ID), fmt.Sprintf("it did not serve %.200s", eventKey(e)))
		}
	})
	if err != nil {
		return 0, err
	}
	if len(rest) > 0 {
		r.verdict.add(differs, h.name, int(rest[0].ID), fmt.Sprintf("it served %.200s, which is not in the file of %s", eventKey(rest[0]), r.hosts[0].name))
	}
	return len(tail), nil
}

// eachEvent calls f with each event in a file that has one in each line.
func eachEvent(name string, f func(e wire.Event)) error {
	parse := func(_ *recordReader, line []byte) (entry, error) {
		e, err := wire.ParseEvent(line)
		if err == nil {
			f(e)
		}
		return entry{}, err
	}
	return readRecord(name, parse, nil)
}

// eventKey returns what must be the same of an event at all hosts.
func eventKey(e wire.Event) string {
	return fmt.Sprint(e.ID, " ", e.Type, " ", e.Time.UTC().Format(time.RFC3339Nano), " ", e.Client, " ", e.From, " ", e.Nick, " ", e.Members, " ", e.Text)
}
