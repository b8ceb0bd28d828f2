package wire

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

var errDecoded = errors.New("decoded to the end")

// A toy is a decoding as small as can be: '#' falls away, and the next '.' is followed by a
// newline; '!' is the end.
type toy struct {
	owed  bool
	ended bool
}

func (d *toy) decode(b []byte) (n int, err error) {
	for _, c := range slices.Clone(b[1:]) {
		switch {
		case d.ended || c == '!':
			d.ended = true
			return n, errDecoded
		case c == '#':
			d.owed = true
			continue
		}
		b[n] = c
		if n++; c == '.' && d.owed {
			d.owed = false
			b[n] = '\n'
			n++
		}
	}
	return n, nil
}

// A lazyReader is a chunkReader that is read lazily.
type lazyReader struct {
	chunkReader
	lazy int // reads that were
}

func (r *lazyReader) ReadLazily(spare int) ([]byte, int, error) {
	buf := TakeBuffer()
	n, err := r.Read(buf[spare:])
	if err != nil {
		PutBuffer(buf)
		return nil, 0, err
	}
	r.lazy++
	return buf, n, nil
}

// readDecoded reads to the error that ends it.
func readDecoded(l *LineReader) (lines []string, err error) {
	for {
		line, err := l.ReadLine()
		switch {
		case err == nil:
			lines = append(lines, string(line))
		case errors.Is(err, ErrLineTooLong):
			lines = append(lines, tooLong)
		default:
			return lines, err
		}
	}
}

func TestLineReaderDecode(t *testing.T) {
	long := strings.Repeat("x", 600)
	for _, tt := range []struct {
		name  string
		limit int
		in    string
		want  []string
		err   error
	}{
		{"lines", 64, "#a.#b.#c.", []string{"a.", "b.", "c."}, io.EOF},
		{"lines before the end", 64, "#a.#b.!#c.", []string{"a.", "b."}, errDecoded},
		{"an unfinished line before the end", 64, "#a.b!", []string{"a."}, errDecoded},
		{"an unfinished line", 64, "#a.b", []string{"a."}, io.EOF},
		{"nothing but what falls away", 64, "####", nil, io.EOF},
		{"at the limit", 4, "#ab.#abc.#a.", []string{"ab.", tooLong, "a."}, io.EOF},
		{"far over the limit", 4, "#abcdefghijkl.#a.", []string{tooLong, "a."}, io.EOF},
		{"the smallest limit", 1, "#.#a.", []string{tooLong, tooLong}, io.EOF},
		{"longer than the first buffer", 4096, "#" + long + ".#" + long + ".#a.", []string{long + ".", long + ".", "a."}, io.EOF},
		{"no limit", 0, "#" + long + long + ".#a.", []string{long + long + ".", "a."}, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= len(tt.in); size++ {
				for _, fed := range []int{0, 1, len(tt.in) / 2, len(tt.in)} {
					for _, lazily := range []bool{false, true} {
						chunks := chunkReader{data: []byte(tt.in[fed:]), sizes: []int{size}}
						in := io.Reader(&chunks)
						if lazily {
							in = &lazyReader{chunkReader: chunks}
						}
						var d toy
						l := NewLineReader(in, tt.limit)
						l.Decode = d.decode
						read := 0
						l.OnRead = func(n int) { read += n }
						if fed > 0 {
							l.Feed([]byte(tt.in[:fed]))
						}
						got, err := readDecoded(l)
						if !slices.Equal(got, tt.want) || err != tt.err {
							t.Fatalf("reads of %d after %d, lazily %v: lines of %.80q = %.80q, %v, want %.80q, %v", size, fed, lazily, tt.in, got, err, tt.want, tt.err)
						}
						if _, again := l.ReadLine(); again != tt.err {
							t.Fatalf("the next error is %v, want %v", again, tt.err)
						}
						if tt.err == io.EOF && read != len(tt.in) {
							t.Fatalf("OnRead was called with %d bytes of %d", read, len(tt.in))
						}
						if held := cap(l.buf); !lazily && tt.limit > 0 && fed == 0 && held > tt.limit+1 {
							t.Fatalf("limit %d: buffer of %d bytes", tt.limit, held)
						}
					}
				}
			}
		})
	}
}

// While nothing is pending no buffer is held, with and without decoding.
func TestLineReaderHoldsNothing(t *testing.T) {
	for _, decode := range []bool{false, true} {
		in := &lazyReader{chunkReader: chunkReader{data: []byte(strings.Repeat("#a.\n", 10)), sizes: []int{4, 2, 2, 0}}}
		l := NewLineReader(in, 64)
		if decode {
			l.Decode = new(toy).decode
		}
		for {
			err := l.Fill()
			for ok := true; ok; {
				_, ok, _ = l.NextLine()
			}
			if err == io.EOF {
				break
			}
			if err != nil && len(l.Pending()) == 0 && l.buf != nil {
				t.Fatalf("decode %v: a buffer of %d bytes is held", decode, cap(l.buf))
			}
		}
		if in.lazy < 5 {
			t.Errorf("decode %v: %d lazy reads", decode, in.lazy)
		}
	}
}

// A small rest of a buffer is not read into on its own.
func TestLineReaderReadsMuch(t *testing.T) {
	in := strings.Repeat("0123456789012345678901234567890123456789\n", 2000)
	reads := 0
	l := NewLineReader(&lazyReader{chunkReader: chunkReader{data: []byte(in)}}, 4096)
	l.OnRead = func(int) { reads++ }
	if lines := readAll(t, l); len(lines) != 2000 {
		t.Fatalf("%d lines", len(lines))
	}
	if most := 2*len(in)/bufferSize + 2; reads > most {
		t.Errorf("%d reads of %d bytes, want at most %d", reads, len(in), most)
	}
}

func TestLineReaderRelease(t *testing.T) {
	l := NewLineReader(&lazyReader{chunkReader: chunkReader{data: []byte("a\nb")}}, 64)
	if line, err := l.ReadLine(); err != nil || string(line) != "a" {
		t.Fatalf("ReadLine = %q, %v", line, err)
	}
	l.Release()
	if len(l.Pending()) != 0 || l.buf != nil {
		t.Errorf("%q is pending in a buffer of %d bytes", l.Pending(), cap(l.buf))
	}
}
