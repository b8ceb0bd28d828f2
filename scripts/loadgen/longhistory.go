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
	shortHistory = 20_000 // more than the host keeps in memory
)

// A savedHistory is the history of a host that was killed.
type savedHistory struct {
	path string
	took float64 // seconds to make it
}

// runLongHistory measures what a long history costs when it is opened, searched and read.
// The history is made once.
func runLongHistory(ctx context.Context, b *bench, p *peer, _ shape) (values, error) {
	count := longHistory
	if b.opts.quick {
		count = quickHistory
	}
	long, err := b.madeHistory(ctx, p, count)
	if err != nil {
		return nil, err
	}
	short, err := b.madeHistory(ctx, p, shortHistory)
	if err != nil {
		return nil, err
	}
	empty, err := b.diskDir("empty")
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
	if err := dropFromCache(long.path); err != nil {
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

// madeHistory returns a history of count messages, which it makes unless it exists.
func (b *bench) madeHistory(ctx context.Context, p *peer, count int) (*savedHistory, error) {
	name := fmt.Sprintf("%s-%d", p.name, count)
	if made := b.histories[name]; made != nil {
		return made, nil
	}
	dir, err := b.diskDir(name)
	if err != nil {
		return nil, err
	}
	made := &savedHistory{path: filepath.Join(dir, "room.chat")}
	server, err := b.serve(ctx, p, 1, "--history", made.path)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	start := clock()
	if err := fillRoom(ctx, server, count); err != nil {
		return nil, fmt.Errorf("make a history of %d messages: %w", count, err)
	}
	made.took = float64(clock()-start) / 1e9
	b.histories[name] = made
	return made, nil
}

// fillRoom sends count messages and waits until all are acknowledged.
func fillRoom(ctx context.Context, server *server, count int) error {
	t, err := newLineSender(&jsonDialect, server.addr)
	if err != nil {
		return err
	}
	defer t.conn.Close()
	stop := context.AfterFunc(ctx, func() { t.conn.Close() })
	defer stop()
	sent := make(chan error, 1)
	go func() {
		w := newWords()
		for seq := 1; seq <= count; seq++ {
			fmt.Fprintf(t.out, `{"type":"say","seq":%d,"text":"%s"}`+"\n", seq, w.text())
		}
		sent <- t.out.Flush()
	}()
	if err := readMessages(t.lines, count); err != nil {
		return err
	}
	return <-sent
}

// readMessages reads count messages and checks their order.
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
			return fmt.Errorf("got %[2]s after %[1]d", last, line)
		}
		last = id
		count--
	}
	return nil
}

// dropFromCache drops a file from the system's page cache.
func dropFromCache(path string) error {
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

// openOnce opens a history and returns the time it takes and the memory.
func (b *bench) openOnce(ctx context.Context, p *peer, path string) (nanos, rss float64, err error) {
	server, seconds, err := b.startUp(ctx, p, "--history", path)
	if err != nil {
		return 0, 0, err
	}
	defer server.stop()
	rss, err = server.memory("VmRSS")
	return seconds * 1e9, rss, err
}

// readLong opens a long history and measures each way of reading it.
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
	t, err := newLineSender(p.dialect, server.addr)
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
	found, err := t.timeRequests(searches)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	v["search"], v["slowest"] = found[len(found)/2], found[len(found)-1]
	if found, err = t.timeRequests(pages); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	v["page"] = found[len(found)/2]
	if v["catch up"], err = catchUp(ctx, server, count); err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	v["peak"], err = server.memory("VmHWM")
	return err
}

// timeRequests sends one request after the other and returns the sorted durations.
func (t *lineSender) timeRequests(requests []string) (nanos []float64, err error) {
	for _, request := range requests {
		start := clock()
		if err := t.request(request, `{"type":"history"`); err != nil {
			return nil, fmt.Errorf("%s: %w", request, err)
		}
		nanos = append(nanos, float64(clock()-start))
	}
	slices.Sort(nanos)
	return nanos, nil
}

// catchUp reads everything from the beginning, as a client does after a long absence, and
// returns the messages per second.
func catchUp(ctx context.Context, server *server, count int) (rate float64, err error) {
	late := jsonDialect
	late.hello = func(string, bool) string { return `{"type":"hello","nick":"late","since":1}` + "\n" }
	start := clock()
	conn, lines, err := connectClient(server.addr.String(), &late, "")
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
