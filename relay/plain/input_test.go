package plain

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// blocksOf returns the blocks that what r reads is said in.
func blocksOf(t *testing.T, r io.Reader) [][]string {
	t.Helper()
	in := Read(r)
	defer in.Close()
	for range 100 { // until all is there, if it is little
		in.mu.Lock()
		ended := in.err != nil
		in.mu.Unlock()
		if ended {
			break
		}
		time.Sleep(time.Millisecond)
	}
	var blocks [][]string
	for {
		block, err := in.block(t.Context())
		if err == io.EOF {
			return blocks
		}
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, block)
	}
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
			t.Fatal("what came out is not what came in")
		}
	}
}

// A slowReader gives its bytes in reads of any size.
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
		{"blank lines alone", "\n \n\n", nil},
		{"no newline at the end", "a", [][]string{{"a"}}},
		{"blank lines between and at the end", "\na\n\n\tb\n\n", [][]string{{"", "a", "", "\tb"}}},
		{"a slash is a slash", "/quit\n//x\n", [][]string{{"/quit", "//x"}}},
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

// Blank lines without end neither hang nor fill the memory.
func TestBlankLinesWithoutEnd(t *testing.T) {
	blocks := blocksOf(t, strings.NewReader(strings.Repeat("\n", 2_000_000)+"end\n"))
	if len(blocks) != 1 || len(blocks[0]) > wire.MessageLines || blocks[0][len(blocks[0])-1] != "end" {
		t.Errorf("%d blocks, want one of at most %d lines", len(blocks), wire.MessageLines)
	}
}
