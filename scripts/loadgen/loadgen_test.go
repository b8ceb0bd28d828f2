//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// lineOf returns a dialect's message as a receiver gets it.
func lineOf(d *dialect, sender int, n int64) string {
	text := strings.Replace(newText(sender, int(n)), fmt.Sprint(firstNumber), fmt.Sprint(firstNumber+n), 1)
	switch d {
	case &textDialect:
		return "10:02 <" + nick(sender) + "> " + text + "\n"
	case &jsonDialect:
		return fmt.Sprintf(`{"type":"message","id":%d,"from":"%s","seq":%d,"text":"%s"}`+"\n", n+1, nick(sender), firstNumber+n, text)
	case &jetStreamDialect:
		return fmt.Sprintf("MSG chat 1 ack.%s %d\r\n%s\r\n", nick(sender), len(text), text)
	case &natsDialect:
		return fmt.Sprintf("MSG chat 1 %d\r\n%s\r\n", len(text), text)
	case &ircDialect:
		return ":" + nick(sender) + "!~x@127.0.0.1 PRIVMSG #c :" + text + "\r\n"
	default:
		return text + "\n"
	}
}

var dialects = map[string]*dialect{
	"text": &textDialect, "json": &jsonDialect, "nats": &natsDialect, "irc": &ircDialect, "ncat": &ncatDialect, "bare": &bareDialect,
	"jetstream": &jetStreamDialect,
}

func newTestClient(d *dialect, senders int) (*client, *reader) {
	c := &client{dialect: d, received: make([]receiveState, senders), joinedCount: new(atomic.Int64), fd: -1}
	for i := range c.received {
		c.received[i].next = number(0)
	}
	return c, &reader{gen: &generator{}, latency: new(histogram)}
}

// The frame headers are stripped, wherever the stream is cut into pieces.
func TestUnframe(t *testing.T) {
	var stream, want strings.Builder
	for _, n := range []int{1, 10, 125, 126, 5000, 65535, 65536, 70000} {
		payload := strings.Repeat("\x81\n", n)[:n]
		want.WriteString(payload)
		stream.WriteByte(0x81)
		switch {
		case n < 126:
			stream.WriteByte(byte(n))
		case n < 1<<16:
			stream.Write(binary.BigEndian.AppendUint16([]byte{126}, uint16(n)))
		default:
			stream.Write(binary.BigEndian.AppendUint64([]byte{127}, uint64(n)))
		}
		stream.WriteString(payload)
	}
	for _, piece := range []int{1, 2, 3, 7, 1000, 1 << 20} {
		u := unframer{begun: true}
		var got []byte
		for chunk := range slices.Chunk([]byte(stream.String()), piece) {
			got = append(got, u.strip(slices.Clone(chunk), 0)...)
		}
		if string(got) != want.String() {
			t.Errorf("in pieces of %d: got %d bytes, want %d", piece, len(got), want.Len())
		}
	}
}

// Frames in the same read as the HTTP header are stripped; the rest of an earlier read is not.
func TestUnframeAfterHeader(t *testing.T) {
	const header, frames = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "\x81\x03ab\n\x81\x02c\n"
	var u unframer
	if got, want := string(u.strip([]byte(header+frames), 0)), header+"ab\nc\n"; got != want {
		t.Errorf("all at once: %q, want %q", got, want)
	}
	if got, want := string(u.strip([]byte("rest\x81\x02d\n"), len("rest"))), "restd\n"; got != want {
		t.Errorf("after the rest of a line: %q, want %q", got, want)
	}
	u = unframer{}
	first := len(header) - len("\r\n")
	got := string(u.strip([]byte(header[:first]), 0)) + string(u.strip([]byte(header[first:]+frames), 0))
	if want := header + "ab\nc\n"; got != want {
		t.Errorf("the last line of the header alone: %q, want %q", got, want)
	}
}

// feed passes stream to a client in pieces.
func feed(c *client, r *reader, stream string, piece int) error {
	var buf []byte
	for len(stream) > 0 {
		n := min(piece, len(stream))
		buf = append(buf, stream[:n]...)
		stream = stream[n:]
		used, err := c.readLines(r, buf)
		if err != nil {
			return err
		}
		buf = buf[used:]
	}
	return nil
}

func TestClientCountsEachLine(t *testing.T) {
	for name, d := range dialects {
		for _, senders := range []int{1, 3} {
			var stream strings.Builder
			const each = 120
			for n := range int64(each) {
				for sender := range senders {
					stream.WriteString(lineOf(d, sender, n))
				}
				if n%50 == 7 {
					stream.WriteString("* amy joined\r\n")
				}
			}
			for _, piece := range []int{1, 2, 13, 64, 65, 66, 79, 1000, 1 << 20} {
				c, r := newTestClient(d, senders)
				if err := feed(c, r, stream.String(), piece); err != nil {
					t.Fatalf("%s, %d senders, pieces of %d: %v", name, senders, piece, err)
				}
				if want := int64(senders * each); r.count != want {
					t.Errorf("%s, %d senders, pieces of %d: got %d messages, want %d", name, senders, piece, r.count, want)
				}
			}
		}
	}
}

func TestClientDetectsErrors(t *testing.T) {
	faults := map[string][]int64{
		"lost":          {0, 1, 2, 4, 5},
		"twice":         {0, 1, 2, 2, 3},
		"swapped":       {0, 1, 3, 2, 4},
		"the first one": {1, 2, 3},
	}
	for name, d := range dialects {
		for fault, numbers := range faults {
			for _, senders := range []int{1, 2} {
				c, r := newTestClient(d, senders)
				var stream strings.Builder
				for _, n := range numbers {
					stream.WriteString(lineOf(d, 0, n))
				}
				if err := feed(c, r, stream.String(), 1<<20); err == nil {
					t.Errorf("%s, %d senders: %s: not detected", name, senders, fault)
				}
			}
		}
		changed := strings.Replace(lineOf(d, 0, 0), fmt.Sprintf("-%d", firstNumber), "-1000000x", 1)
		if c, r := newTestClient(d, 1); feed(c, r, changed, 1<<20) == nil {
			t.Errorf("%s, changed: not detected", name)
		}
	}
}

func TestAcknowledgements(t *testing.T) {
	c, r := newTestClient(&jetStreamDialect, 3)
	var stream strings.Builder
	for n := range int64(50) {
		fmt.Fprintf(&stream, "MSG ack.s0000 2 30\r\n{\"stream\":\"chat\",\"seq\":%d}\r\n", n+1)
		stream.WriteString(lineOf(&jetStreamDialect, 2, n))
	}
	if err := feed(c, r, stream.String(), 33); err != nil {
		t.Fatal(err)
	}
	if c.received[0].count != 50 || c.received[1].count != 0 || c.received[2].count != 50 {
		t.Errorf("%+v", c.received)
	}
	if got := jetStreamDialect.message(newText(2, 0)); !strings.HasPrefix(got, "PUB chat ack.s0002 64\r\n") {
		t.Errorf("%q", got)
	}
}

func TestWords(t *testing.T) {
	w, seen := newWords(), make(map[string]int)
	for range 10_000 {
		text := w.text()
		if len(text) > 300 {
			t.Errorf("%q", text)
		}
		for word := range strings.SplitSeq(text, " ") {
			seen[word]++
		}
	}
	if often, seldom := seen[w.all[0]], seen[w.all[1000]]; often < 100*seldom || len(seen) < manyWords/4 {
		t.Errorf("the first word occurs %d times, the 1001st %d times; %d words", often, seldom, len(seen))
	}
	if n := len(w.searches()); n != 21 {
		t.Errorf("%d searches", n)
	}
}

func TestLabelsInsideALine(t *testing.T) {
	plain := lineOf(&ncatDialect, 0, 0)
	for at := range len(plain) {
		c, r := newTestClient(&ncatDialect, 1)
		stream := plain[:at] + "<user17> " + plain[at:] + lineOf(&ncatDialect, 0, 1)
		if err := feed(c, r, stream, 1<<20); err != nil || r.count != 2 {
			t.Errorf("label at %d: got %d messages, %v", at, r.count, err)
		}
	}
}

func TestNoAllocationPerLine(t *testing.T) {
	const lines = 1000
	var stream []byte
	c, r := newTestClient(&textDialect, 1)
	base := int64(0)
	if n := testing.AllocsPerRun(10, func() {
		stream = stream[:0]
		for n := range int64(lines) {
			stream = append(stream, "10:02 <s0000> "+marker...)
			stream = append(stream, ".........................................  0000-"...)
			for shift := 56; shift >= 0; shift -= 8 {
				stream = append(stream, byte(number(base+n)>>shift))
			}
			stream = append(stream, '\n')
		}
		base += lines
		if used, err := c.readLines(r, stream); err != nil || used != len(stream) {
			t.Fatal(used, err)
		}
	}); n > 1 {
		t.Errorf("%v allocations for %d lines", n, lines)
	}
}

func TestNumbers(t *testing.T) {
	digits := number(0)
	for n := range int64(120_000) {
		if digits != number(n) {
			t.Fatalf("%d: got %x, want %x", n, digits, number(n))
		}
		digits = nextNumber(digits)
	}
	if got := nextNumber(number(9_999_999)); got != number(10_000_000) {
		t.Errorf("the successor of 19999999 is %x", got)
	}
}

func TestWindow(t *testing.T) {
	for senders := range 500 {
		g := &generator{dialect: &textDialect, clients: make([]client, 500), senders: senders}
		f := newFlow(g)
		if f.window < 1 || f.window*int64(senders) > inFlight || f.window>>f.shift >= ringSize/2 {
			t.Errorf("%d senders: a window of %d messages in blocks of %d", senders, f.window, 1<<f.shift)
		}
	}
}

func TestHistogram(t *testing.T) {
	h := new(histogram)
	for v := range int64(1_000_000) {
		h.add(v)
	}
	for _, q := range []float64{0.001, 0.5, 0.99, 0.999} {
		if got, want := h.quantile(q), q*1e6; got < want*0.99 || got > want*1.01 {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	for i := range len(h.counts) - 1 {
		if b := bucket(lowest(i)); b != i {
			t.Fatalf("the lowest value of bucket %d is in bucket %d", i, b)
		}
	}
}

func TestWatchAcrossReads(t *testing.T) {
	for piece := 1; piece < 20; piece++ {
		term := newTerminal([]string{"none"})
		joining, key, never := term.watch("Joining|connected"), term.watch("Ꭰ"), term.watch("Ꭱ")
		drawn := []byte("\x1b[H\x1b[1mchat\x1b[m\r\nJoining 127.0.0.1…\x1b[40;8HᎠ")
		for n := 0; n < len(drawn); n += piece {
			term.search(drawn[n:min(n+piece, len(drawn))], int64(n))
		}
		if len(joining.seen) != 1 || len(key.seen) != 1 || len(never.seen) != 0 || len(term.watches) != 1 {
			t.Errorf("pieces of %d: %d, %d, %d", piece, len(joining.seen), len(key.seen), len(never.seen))
		}
	}
}

func TestLineSender(t *testing.T) {
	var out strings.Builder
	sender := &lineSender{out: bufio.NewWriter(&out), dialect: &textDialect}
	for range 500 {
		if err := sender.sendText(""); err != nil {
			t.Fatal(err)
		}
	}
	if err := sender.sendText(testLinesEnd); err != nil {
		t.Fatal(err)
	}
	sender.out.Flush()
	seen := make(map[string]bool)
	for line := range strings.Lines(out.String()) {
		if len(line) != textSize+1 || line[0] == '/' || seen[line] {
			t.Errorf("%q", line)
		}
		seen[line] = true
	}
	if len(seen) != 501 || !strings.HasSuffix(out.String(), testLinesEnd+"\n") {
		t.Errorf("%d lines", len(seen))
	}
}
