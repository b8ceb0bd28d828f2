package plain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// blocksOf returns the blocks that r is sent in, if all of it, or as much as is read ahead,
// has come before the first one.
func blocksOf(t *testing.T, r io.Reader) (blocks [][]string) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		in := Read(r)
		defer in.Close()
		synctest.Wait()
		for {
			block, err := in.block(t.Context())
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			blocks = append(blocks, block)
		}
	})
	return blocks
}

func TestInputKeepsEveryLine(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		var input strings.Builder
		for range random.IntN(400) {
			switch random.IntN(12) {
			case 0:
				input.WriteString(strings.Repeat("\n", random.IntN(5)))
			case 1:
				input.WriteString(strings.Repeat(`"`, random.IntN(40_000)))
			case 2:
				input.WriteString(strings.Repeat("日本", random.IntN(9000)))
			}
			fmt.Fprintf(&input, "%d %s\r\n", random.Int(), strings.Repeat("y", random.IntN(60)))
		}
		var got strings.Builder
		for _, block := range blocksOf(t, &slowReader{[]byte(input.String()), random}) {
			said := strings.Join(block, "\n")
			r := wire.Request{Type: wire.TypeSay, Seq: 1 << 60, Text: said}
			if len(said) > 16<<10 || len(block) > 100 || len(r.AppendJSON(nil)) > client.MaxRequest || !utf8.ValidString(said) {
				t.Fatalf("a block of %d bytes and %d lines, %d of JSON", len(said), len(block), len(r.AppendJSON(nil)))
			}
			if text.CleanLines(said) != said {
				t.Fatalf("the host would change %q", said)
			}
			got.WriteString(said)
		}
		strip := strings.NewReplacer("\n", "", "\r", "")
		if strip.Replace(got.String()) != strip.Replace(input.String()) {
			t.Fatal("the output is not the input")
		}
	}
}

// A slowReader returns its bytes in reads of any size.
type slowReader struct {
	rest   []byte
	random *rand.Rand
}

func (r *slowReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest[:min(len(r.rest), 1+r.random.IntN(20_000))])
	r.rest = r.rest[n:]
	return n, nil
}

func TestBlocks(t *testing.T) {
	many := strings.Repeat("x\n", 250)
	tests := []struct {
		name, in string
		want     [][]string
	}{
		{"nothing", "", nil},
		{"only blank lines", "\n \n\n", nil},
		{"no newline at the end", "a", [][]string{{"a"}}},
		{"blank lines between and at the end", "\na\n\n\tb\n\n", [][]string{{"", "a", "", "\tb"}}},
		{"slashes", "/quit\n//x\n", [][]string{{"/quit", "//x"}}},
		{"controls", "\x1b[31mred\x1b[m\r\n", [][]string{{"␛[31mred␛[m"}}},
		{"more blank lines than a block", strings.Repeat("\n", 150) + "a\n", [][]string{append(make([]string, wire.MessageLines-1), "a")}},
		{"a long line", strings.Repeat("é", 10_000), [][]string{{strings.Repeat("é", wire.MessageBytes/2)}, {strings.Repeat("é", 10_000-wire.MessageBytes/2)}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := blocksOf(t, strings.NewReader(test.in))
			if !slices.EqualFunc(got, test.want, slices.Equal) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := blocksOf(t, strings.NewReader(many)); len(slices.Concat(got...)) != 250 {
		t.Errorf("%d lines of 250", len(slices.Concat(got...)))
	}
}

// Endless blank lines neither hang nor fill the memory.
func TestEndlessBlankLines(t *testing.T) {
	blocks := blocksOf(t, strings.NewReader(strings.Repeat("\n", 2_000_000)+"end\n"))
	if len(blocks) != 1 || len(blocks[0]) > wire.MessageLines || blocks[0][len(blocks[0])-1] != "end" {
		t.Errorf("%d blocks, want one of at most %d lines", len(blocks), wire.MessageLines)
	}
}

// Lines are taken one by one until the end, and a read error comes after them.
func TestLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := Read(io.MultiReader(strings.NewReader("one\r\n\ntwo\x07\nthree"), iotest.ErrReader(errors.New("the tape is torn"))))
		for _, want := range []string{"one", "", "two␇", "three"} {
			if got, err := in.Line(t.Context()); got != want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
		for range 2 {
			if _, err := in.Line(t.Context()); !errors.Is(err, errReadInput) || !strings.HasSuffix(err.Error(), "the tape is torn") {
				t.Errorf("got %v, want the read error", err)
			}
		}
	})
}

// Who waits for a line can stop waiting.
func TestLineEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, w := io.Pipe()
		in := Read(r)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := in.Line(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		w.Close()
	})
}

// Only so much is read ahead while no line is taken; after Close the rest is discarded, and
// the program that writes to us does not wait for ever.
func TestReadAheadIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, w := io.Pipe()
		in := Read(r)
		line := []byte(strings.Repeat("x", 1<<10-1) + "\n")
		var written atomic.Int64
		var writer sync.WaitGroup
		writer.Go(func() {
			for range 10 * aheadBytes / len(line) {
				n, _ := w.Write(line)
				written.Add(int64(n))
			}
			w.Close()
		})
		synctest.Wait()
		if n := written.Load(); n < aheadBytes || n > aheadBytes+64<<10 {
			t.Errorf("read %d bytes ahead, want about %d", n, aheadBytes)
		}
		before := in.left()
		if _, err := in.Line(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := in.left(); n != before {
			t.Errorf("%d lines wait, want %d: one was taken, and one read", n, before)
		}
		in.Close()
		writer.Wait()
		synctest.Wait()
		if n := in.left(); n != before {
			t.Errorf("%d lines wait after Close, want %d", n, before)
		}
	})
}

// Ctrl-D ends the input, although a terminal could be read further, and also as the first key.
func TestFirstEndCounts(t *testing.T) {
	for _, typed := range []string{"", "one\n", "\xff", "\xffone\n"} {
		var terminal []io.Reader
		if typed != "" {
			terminal = append(terminal, strings.NewReader(typed))
		}
		in := Read(&terminalEnds{terminal})
		want := strings.TrimSuffix(strings.ToValidUTF8(typed, "\ufffd"), "\n")
		if got, err := in.Line(t.Context()); want != "" && (got != want || err != nil) || want == "" && err != io.EOF {
			t.Errorf("%q: got %q, %v; want %q", typed, got, err, want)
		}
		if got, err := in.Line(t.Context()); err != io.EOF {
			t.Errorf("%q: got %q, %v after the end", typed, got, err)
		}
	}
}

// terminalEnds reads its readers, ends once, and continues with other lines.
type terminalEnds struct{ before []io.Reader }

func (r *terminalEnds) Read(p []byte) (int, error) {
	if len(r.before) == 0 {
		r.before = []io.Reader{strings.NewReader("for another program\n")}
		return 0, io.EOF
	}
	n, err := r.before[0].Read(p)
	if err == io.EOF {
		r.before = r.before[1:]
		return r.Read(p)
	}
	return n, err
}

// Windows PowerShell writes UTF-16 with a byte order mark into files.
func TestUTF16(t *testing.T) {
	const want = "soup is ready 🍲\nfür alle\n"
	little, big := []byte{0xff, 0xfe}, []byte{0xfe, 0xff}
	for _, unit := range utf16.Encode([]rune(strings.ReplaceAll(want, "\n", "\r\n"))) {
		little = binary.LittleEndian.AppendUint16(little, unit)
		big = binary.BigEndian.AppendUint16(big, unit)
	}
	for name, test := range map[string]struct{ in, want string }{
		"little endian":        {string(little), want},
		"big endian":           {string(big), want},
		"cut in the middle":    {string(little[:7]), "so�"},
		"only the mark":        {"\xff\xfe", ""},
		"not UTF-16":           {"\xffa\n\xfeb\n", "�a\n�b\n"},
		"a mark that is late":  {"a\n\xff\xfeb\n", "a\n��b\n"},
		"UTF-8 with a mark":    {"\ufeffsoup\n", "soup\n"},
		"one byte, not a mark": {"\xff", "�"},
	} {
		for _, r := range []io.Reader{strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in))} {
			got := ""
			for _, block := range blocksOf(t, r) {
				got += strings.Join(block, "\n") + "\n"
			}
			if strings.TrimSuffix(got, "\n") != strings.TrimSuffix(test.want, "\n") {
				t.Errorf("%s: got %q, want %q", name, got, test.want)
			}
		}
	}
}

// The first line comes at once, however short it is.
func TestShortFirstLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, w := io.Pipe()
		in := Read(r)
		io.WriteString(w, "a\n")
		synctest.Wait()
		if in.left() != 1 {
			t.Error("the line was not read")
		}
		w.Close()
	})
}

// A typed line of only Ctrl-D or Ctrl-Z ends the input; a pipe's is sent as it is.
func TestTypedEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, end := range []string{"\x04\r\n", "\x1a\n", " \x04\n", "\x04\n\n"} {
			in := ReadTyped(strings.NewReader("one\n\x04\x04\n" + end + "two\n"))
			for _, want := range []string{"one", "␄␄"} {
				if got, err := in.Line(t.Context()); got != want || err != nil {
					t.Errorf("before %q: %q, %v; want %q", end, got, err, want)
				}
			}
			if got, err := in.Line(t.Context()); err != io.EOF {
				t.Errorf("after %q: %q, %v", end, got, err)
			}
		}
	})
	if got := blocksOf(t, strings.NewReader("\x04\n\x1a\n")); len(got) != 1 || !slices.Equal(got[0], []string{"␄", "␚"}) {
		t.Errorf("a pipe sends %q", got)
	}
}

// Each system has its own key for the end of the input.
func TestLeaveKeys(t *testing.T) {
	for goos, want := range map[string]string{"linux": "Ctrl-D", "darwin": "Ctrl-D", "windows": "Ctrl-Z Enter"} {
		if got := leaveKeys(goos); got != want {
			t.Errorf("on %s: %s, want %s", goos, got, want)
		}
	}
	if !strings.Contains(LeaveHint, leaveKeys(runtime.GOOS)) {
		t.Errorf("the hint is %q", LeaveHint)
	}
}
