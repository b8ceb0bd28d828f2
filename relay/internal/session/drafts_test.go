package session

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"chat/relay/wire"
)

// Messages that arrive in one read are posted together, and yet everything a client sends takes
// effect in its order, and each message gets its own answer.
func TestOrderOfWhatArrivesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(slog.New(slog.DiscardHandler))
		ours, theirs := net.Pipe()
		defer ours.Close()
		var sent strings.Builder
		var want []string
		seq := 0
		say := func(n int) {
			for range n {
				seq++
				fmt.Fprintf(&sent, `{"type":"say","seq":%d,"text":"m%d"}`+"\n", seq, seq)
				want = append(want, fmt.Sprint("m", seq))
			}
		}
		say(2)
		sent.WriteString(`{"type":"topic","text":"soup"}` + "\n")
		want = append(want, "topic soup")
		say(maxDrafts + 1)
		sent.WriteString(`{"type":"say","seq":1,"text":"again"}` + "\n")
		say(1)
		sent.WriteString("no JSON\n")
		say(1)
		sent.WriteString(`{"type":"me","seq":1000,"text":"waves"}` + "\n")
		want = append(want, "waves")
		sent.WriteString(`{"type":"say","seq":1001,"text":"last"}` + "\n")
		want = append(want, "last")
		lines := wire.NewLineReader(theirs, 8<<10)
		lines.Feed([]byte(sent.String()))
		s := d.New(Conn{Conn: theirs, Remote: theirs.RemoteAddr(), Lines: lines, Bucket: &Bucket{Rate: new(CurrentRate)}}, anyPlace{})
		go s.ServeProgram([]byte(`{"type":"hello","nick":"alice"}`))

		var got, faults []string
		for in := bufio.NewScanner(ours); !slices.Contains(got, "last") && in.Scan(); {
			e, err := wire.ParseEvent(in.Bytes())
			switch {
			case err != nil:
				t.Fatal(err)
			case e.Type == wire.TypeTopic && e.ID > 0:
				got = append(got, "topic "+e.Text)
			case e.Type == wire.TypeMessage || e.Type == wire.TypeAction:
				got = append(got, e.Text)
			case e.Type == wire.TypeError:
				faults = append(faults, fmt.Sprintf("%s %d", e.Code, e.Seq))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the log has %q, want %q", got, want)
		}
		if want := []string{string(wire.CodeDuplicate) + " 1", string(wire.CodeBadJSON) + " 0"}; !slices.Equal(faults, want) {
			t.Errorf("the answers are %q, want %q", faults, want)
		}
	})
}
