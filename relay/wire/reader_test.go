package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// A chunkReader returns data in pieces of the given sizes, again and again. A size of 0 is a
// timeout, as of a connection past its deadline.
type chunkReader struct {
	data  []byte
	sizes []int
	next  int
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	size := len(p)
	if len(c.sizes) > 0 {
		size = c.sizes[c.next%len(c.sizes)]
		c.next++
	}
	if size == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(size, len(p))], c.data)
	c.data = c.data[n:]
	return n, nil
}

const tooLong = "<too long>" // stands for ErrLineTooLong in a list of lines

// readAll reads to the end of the stream, and ignores timeouts.
func readAll(t *testing.T, l *LineReader) []string {
	t.Helper()
	var lines []string
	for {
		line, err := l.ReadLine()
		switch {
		case err == nil:
			lines = append(lines, string(line))
		case errors.Is(err, ErrLineTooLong):
			lines = append(lines, tooLong)
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err == io.EOF:
			return lines
		default:
			t.Fatalf("ReadLine: %v", err)
		}
	}
}

// plainLines returns the lines that a LineReader must return for the whole input.
func plainLines(input []byte, limit int) []string {
	var lines []string
	for len(input) > 0 {
		line, rest, ended := bytes.Cut(input, []byte{'\n'})
		switch {
		case limit > 0 && len(line)+1 > limit:
			lines = append(lines, tooLong)
		case ended || len(line) > 0:
			lines = append(lines, string(bytes.TrimSuffix(line, []byte{'\r'})))
		}
		input = rest
	}
	return lines
}

func TestLineReader(t *testing.T) {
	big := strings.Repeat("x", firstBuffer)
	tests := []struct {
		name  string
		limit int
		in    string
		want  []string
	}{
		{"nothing", 8, "", nil},
		{"lines", 8, "a\nbc\n", []string{"a", "bc"}},
		{"empty lines", 8, "\n\na\n\n", []string{"", "", "a", ""}},
		{"crlf", 8, "a\r\nb\r\n", []string{"a", "b"}},
		{"one cr goes", 8, "a\r\r\n\r\n", []string{"a\r", ""}},
		{"cr inside", 8, "a\rb\n", []string{"a\rb"}},
		{"last without newline", 8, "a\nb", []string{"a", "b"}},
		{"last with cr alone", 8, "a\nb\r", []string{"a", "b"}},
		{"zero bytes", 8, "\x00\n\x00", []string{"\x00", "\x00"}},
		{"at the limit", 4, "abc\nabc\nab\r\n", []string{"abc", "abc", "ab"}},
		{"one over", 4, "abcd\nab\n", []string{tooLong, "ab"}},
		{"one over with cr", 4, "abc\r\nab\n", []string{tooLong, "ab"}},
		{"far over", 4, "abcdefghijklmnop\nab\n", []string{tooLong, "ab"}},
		{"over twice", 4, "abcdefgh\nabcdefgh\nab\n", []string{tooLong, tooLong, "ab"}},
		{"over and no newline", 4, "a\nabcdefghi", []string{"a", tooLong}},
		{"at the limit and no newline", 4, "a\nabcd", []string{"a", tooLong}},
		{"under the limit and no newline", 4, "a\nabc", []string{"a", "abc"}},
		{"smallest limit", 1, "\na\n\n", []string{"", tooLong, ""}},
		{"no limit", 0, big + big + big + "\na", []string{big + big + big, "a"}},
		{"over the first buffer", 4 * firstBuffer, big + "\n" + big + big + "\na\n", []string{big, big + big, "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= max(len(tt.in), 1); size++ {
				for _, sizes := range [][]int{{size}, {size, 0}} { // smoothly, and a timeout after each piece
					l := NewLineReader(&chunkReader{data: []byte(tt.in), sizes: sizes}, tt.limit)
					if got := readAll(t, l); !slices.Equal(got, tt.want) {
						t.Fatalf("limit %d, reads of %v: lines of %q = %q, want %q", tt.limit, sizes, tt.in, got, tt.want)
					}
				}
			}
			l := NewLineReader(iotest.DataErrReader(strings.NewReader(tt.in)), tt.limit)
			if got := readAll(t, l); !slices.Equal(got, tt.want) {
				t.Errorf("limit %d, EOF with the last bytes: lines of %q = %q, want %q", tt.limit, tt.in, got, tt.want)
			}
			if got := plainLines([]byte(tt.in), tt.limit); !slices.Equal(got, tt.want) {
				t.Errorf("limit %d: plainLines(%q) = %q, want %q", tt.limit, tt.in, got, tt.want)
			}
		})
	}
}

func TestLineReaderSetMax(t *testing.T) {
	tests := []struct {
		name       string
		first, set int
		in         string
		want       []string
	}{
		{"higher from the next line on", 4, 9, "abc\nabcdefgh\n", []string{"abc", "abcdefgh"}},
		{"lower for what is read already", 9, 4, "abcdefgh\nabcd\nabc\n", []string{"abcdefgh", tooLong, "abc"}},
		{"lower inside an unfinished line", 9, 4, "a\nabcdefg", []string{"a", tooLong}},
		{"none", 4, 0, "abc\nabcdefgh\n", []string{"abc", "abcdefgh"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= len(tt.in); size++ {
				l := NewLineReader(&chunkReader{data: []byte(tt.in), sizes: []int{size}}, tt.first)
				line, err := l.ReadLine()
				if err != nil {
					t.Fatalf("ReadLine: %v", err)
				}
				got := []string{string(line)}
				l.SetMax(tt.set)
				got = append(got, readAll(t, l)...)
				if !slices.Equal(got, tt.want) {
					t.Errorf("reads of %d: lines of %q = %q, want %q", size, tt.in, got, tt.want)
				}
			}
		})
	}
}

func TestLineReaderPending(t *testing.T) {
	l := NewLineReader(&chunkReader{data: []byte("one\ntwo"), sizes: []int{5, 0}}, 64)
	if line, err := l.ReadLine(); err != nil || string(line) != "one" {
		t.Fatalf("ReadLine = %q, %v, want one", line, err)
	}
	if line, err := l.ReadLine(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("ReadLine = %q, %v, want a timeout", line, err)
	}
	if got := string(l.Pending()); got != "t" {
		t.Errorf("Pending = %q, want t", got)
	}
	if line, err := l.ReadLine(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("ReadLine = %q, %v, want a second timeout", line, err)
	}
	if got := string(l.Pending()); got != "two" {
		t.Errorf("Pending = %q, want two", got)
	}
}

// A line that never ends is reported once, and uses no more memory than the limit.
func TestLineReaderEndlessLine(t *testing.T) {
	const limit = 4096
	for _, size := range []int{1, 7, 512, 1 << 16} {
		t.Run(fmt.Sprintf("reads of %d", size), func(t *testing.T) {
			in := &chunkReader{data: bytes.Repeat([]byte{'x'}, 1<<20), sizes: []int{size}}
			l := NewLineReader(in, limit)
			if got := readAll(t, l); !slices.Equal(got, []string{tooLong}) {
				t.Errorf("lines = %d, want one that is too long", len(got))
			}
			if got := cap(l.buf); got > limit {
				t.Errorf("buffer of %d bytes, want at most %d", got, limit)
			}
		})
	}
}

func TestLineReaderErrors(t *testing.T) {
	broken := errors.New("broken")
	t.Run("of the reader below", func(t *testing.T) {
		l := NewLineReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), 64)
		if line, err := l.ReadLine(); err != nil || string(line) != "a" {
			t.Fatalf("ReadLine = %q, %v, want a", line, err)
		}
		if line, err := l.ReadLine(); err != broken {
			t.Errorf("ReadLine = %q, %v, want %v", line, err, broken)
		}
	})
	t.Run("a reader that gives nothing", func(t *testing.T) {
		l := NewLineReader(readerFunc(func([]byte) (int, error) { return 0, nil }), 64)
		if line, err := l.ReadLine(); err != io.ErrNoProgress {
			t.Errorf("ReadLine = %q, %v, want %v", line, err, io.ErrNoProgress)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestStripTelnet(t *testing.T) {
	tests := []struct {
		name, in, want string
	}{
		{"nothing", "", ""},
		{"plain", "soup is ready", "soup is ready"},
		{"UTF-8", "Grüße 👍", "Grüße 👍"},
		{"will, wont, do, dont", "a\xff\xfb\x01b\xff\xfc\x01c\xff\xfd\x03d\xff\xfe\x03e", "abcde"},
		{"option that is a letter", "\xff\xfdabc", "bc"},
		{"option cut off", "a\xff\xfd", "a"},
		{"two bytes", "a\xff\xf1b\xff\xf4c", "abc"},
		{"escaped 255", "a\xff\xffb", "ab"},
		{"iac at the end", "a\xff", "a"},
		{"sub-negotiation", "a\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0b", "ab"},
		{"sub-negotiation with escaped 255", "a\xff\xfa\x1f\xff\xff\x00\xff\xf0b", "ab"},
		{"sub-negotiation, escaped 255 before 240", "a\xff\xfa\x1f\xff\xff\xf0\xff\xf0b", "ab"},
		{"sub-negotiation without end", "a\xff\xfa\x1f\x00", "a"},
		{"nothing but commands", "\xff\xfb\x01\xff\xfd\x03", ""},
		{"as PuTTY greets", "\xff\xfb\x1f\xff\xfb \xff\xfb\x18\xff\xfb'\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03hi", "hi"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(StripTelnet([]byte(tt.in))); got != tt.want {
				t.Errorf("StripTelnet(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzLineReader(f *testing.F) {
	f.Add([]byte("a\nbc\r\n\nd"), 4, []byte{1, 2, 3})
	f.Add([]byte("abcdefgh\nab\n"), 4, []byte{5, 0})
	f.Add([]byte(strings.Repeat("x", 2*firstBuffer)+"\ny"), 2000, []byte{0, 255})
	f.Add([]byte("abc"), 0, []byte{})
	f.Add([]byte("a\n"), -1, []byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, input []byte, limit int, splits []byte) {
		var sizes []int
		for _, n := range splits {
			sizes = append(sizes, int(n))
		}
		sizes = append(sizes, len(input)+1) // at least one that is not a timeout
		want := plainLines(input, limit)
		l := NewLineReader(&chunkReader{data: input, sizes: sizes}, limit)
		if got := readAll(t, l); !slices.Equal(got, want) {
			t.Errorf("limit %d, reads of %v: lines of %q = %q, want %q", limit, sizes, input, got, want)
		}
		if held := cap(l.buf); limit > 0 && held > limit {
			t.Errorf("limit %d: buffer of %d bytes", limit, held)
		}
		StripTelnet(bytes.Clone(input)) // must not panic, whatever is cut off
	})
}

// One line of many that came in one read.
func BenchmarkReadLine(b *testing.B) {
	const line = "the soup is ready, come down before it gets cold (again)\n"
	lines := strings.Repeat(line, 200)
	endless := readerFunc(func(p []byte) (int, error) { return copy(p, lines), nil })
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for r := NewLineReader(endless, 8<<10); b.Loop(); {
		if _, err := r.ReadLine(); err != nil {
			b.Fatal(err)
		}
	}
}
