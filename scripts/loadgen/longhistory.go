//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	longHistory  = 1_000_000 // messages
	quickHistory = 100_000
	shortHistory = 20_000 // more than the host has in memory
)

// A made room is a history that a host was killed over.
type madeRoom struct {
	path string
	took float64 // seconds
}

// runLongHistory measures what the length of a history costs whoever opens it and whoever
// reads it. It is made once.
func runLongHistory(ctx context.Context, b *bench, p *peer, _ shape) (values, error) {
	count := longHistory
	if b.opts.quick {
		count = quickHistory
	}
	long, err := b.room(ctx, p, count)
	if err != nil {
		return nil, err
	}
	short, err := b.room(ctx, p, shortHistory)
	if err != nil {
		return nil, err
	}
	empty, err := b.folder("empty")
	if err != nil {
		return nil, err
	}
	v := values{"count": float64(count), "fill": float64(count) / long.took}
	if _, v["empty"], err = b.openOnce(ctx, p, filepath.Join(empty, "room.chat")); err != nil {
		return nil, err
	}
	if _, v["short"], err = b.openOnce(ctx, p, short.path); err != nil {
		return nil, err
	}
	if err := forget(long.path); err != nil {
		return nil, err
	}
	if v["cold"], _, err = b.openOnce(ctx, p, long.path); err != nil {
		return nil, err
	}
	info, err := os.Stat(long.path)
	if err != nil {
		return nil, err
	}
	v["bytes"] = float64(info.Size()) / float64(count)
	return v, b.readLong(ctx, p, long.path, count, v)
}

// room makes a history of so many messages, unless it has been made.
func (b *bench) room(ctx context.Context, p *peer, count int) (*madeRoom, error) {
	name := fmt.Sprintf("%s-%d", p.name, count)
	if made := b.rooms[name]; made != nil {
		return made, nil
	}
	dir, err := b.folder(name)
	if err != nil {
		return nil, err
	}
	made := &madeRoom{path: filepath.Join(dir, "room.chat")}
	server, err := b.serve(ctx, p, 1, "--history", made.path)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	start := clock()
	if err := fillRoom(ctx, server, count); err != nil {
		return nil, fmt.Errorf("making a history of %d messages: %w", count, err)
	}
	made.took = float64(clock()-start) / 1e9
	b.rooms[name] = made
	return made, nil
}

// fillRoom says so much, and waits until all of it is acknowledged.
func fillRoom(ctx context.Context, server *server, count int) error {
	t, err := newTalker(&jsonDialect, server.addr)
	if err != nil {
		return err
	}
	defer t.conn.Close()
	stop := context.AfterFunc(ctx, func() { t.conn.Close() })
	defer stop()
	said := make(chan error, 1)
	go func() {
		w := newWords()
		for seq := 1; seq <= count; seq++ {
			fmt.Fprintf(t.out, `{"type":"say","seq":%d,"text":"%s"}`+"\n", seq, w.text())
		}
		said <- t.out.Flush()
	}()
	if err := readMessages(t.lines, count); err != nil {
		return err
	}
	return <-said
}

// readMessages reads until so many messages have come, and checks their order.
func readMessages(lines *bufio.Reader, count int) error {
	begin := []byte(`{"type":"message","id":`)
	for last := 0; count > 0; {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return err
		}
		rest, ok := bytes.CutPrefix(line, begin)
		if !ok {
			if bytes.HasPrefix(line, []byte(`{"type":"gap"`)) || bytes.HasPrefix(line, []byte(`{"type":"error"`)) {
				return fmt.Errorf("%s", line)
			}
			continue
		}
		digits, _, _ := bytes.Cut(rest, []byte(","))
		id, err := strconv.Atoi(string(digits))
		if err != nil || id <= last {
			return fmt.Errorf("behind %d came %s", last, line)
		}
		last = id
		count--
	}
	return nil
}

// forget has the system drop what it has of a file in memory.
func forget(path string) error {
	for _, name := range []string{path, path + "-wal"} {
		file, err := os.Open(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		defer file.Close()
		if err := file.Sync(); err != nil {
			return err
		}
		if err := unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			return err
		}
	}
	return nil
}

// openOnce opens a history, and tells how long it takes and how much memory.
func (b *bench) openOnce(ctx context.Context, p *peer, path string) (nanos, rss float64, err error) {
	server, seconds, err := b.startUp(ctx, p, "--history", path)
	if err != nil {
		return 0, 0, err
	}
	defer server.stop()
	rss, err = server.memory("VmRSS")
	return seconds * 1e9, rss, err
}

// readLong opens a long history and reads it in every way there is.
func (b *bench) readLong(ctx context.Context, p *peer, path string, count int, v values) error {
	server, seconds, err := b.startUp(ctx, p, "--history", path)
	if err != nil {
		return err
	}
	defer server.stop()
	v["ready"] = seconds * 1e9
	if v["rss"], err = server.memory("VmRSS"); err != nil {
		return err
	}
	t, err := newTalker(p.dialect, server.addr)
	if err != nil {
		return err
	}
	defer t.conn.Close()
	const times = 5
	var searches, pages []string
	for range times {
		for _, text := range newWords().searches() {
			searches = append(searches, fmt.Sprintf(`{"type":"search","text":%q}`+"\n", text))
		}
	}
	for before := count / 100; before < count/10; before += count / 1000 {
		pages = append(pages, fmt.Sprintf(`{"type":"history","before":%d,"count":200}`+"\n", before))
	}
	found, err := t.time(searches)
	if err != nil {
		return fmt.Errorf("searching: %w", err)
	}
	v["search"], v["slowest"] = found[len(found)/2], found[len(found)-1]
	if found, err = t.time(pages); err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	v["page"] = found[len(found)/2]
	if v["catch up"], err = catchUp(ctx, server, count); err != nil {
		return fmt.Errorf("catching up: %w", err)
	}
	v["peak"], err = server.memory("VmHWM")
	return err
}

// time asks one thing after the other, and returns how long each took, sorted.
func (t *talker) time(requests []string) (nanos []float64, err error) {
	for _, request := range requests {
		start := clock()
		if err := t.ask(request, `{"type":"history"`); err != nil {
			return nil, fmt.Errorf("%s: %w", request, err)
		}
		nanos = append(nanos, float64(clock()-start))
	}
	slices.Sort(nanos)
	return nanos, nil
}

// catchUp reads all that was said, as one does who was away since the beginning, and
// returns how many messages came in a second.
func catchUp(ctx context.Context, server *server, count int) (rate float64, err error) {
	late := jsonDialect
	late.hello = func(string, bool) string { return `{"type":"hello","nick":"late","since":1}` + "\n" }
	start := clock()
	conn, lines, err := enter(server.addr.String(), &late, "")
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return 0, err
	}
	err = readMessages(lines, count)
	return float64(count) / float64(clock()-start) * 1e9, err
}
