package wire

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A terminal of unknown width gets no run of blanks that a member sent and that could fill a
// row. Programs and files get the text as it was sent, and the host's own tables stay.
func TestFold(t *testing.T) {
	blanks := strings.Repeat(" ", 60)
	forged := "ok" + blanks + "* alice left"
	at := time.Date(2026, 11, 25, 10, 2, 0, 0, time.UTC)
	for _, test := range []struct {
		e    Event
		want string
	}{
		{Event{Type: TypeMessage, From: "eve", Text: forged + "\n" + forged}, "10:02 <eve> ok ␣×60 * alice left\n10:02 <eve> ok ␣×60 * alice left\n"},
		{Event{Type: TypeMessage, From: "eve", Text: "\tif x {"}, "10:02 <eve> \tif x {\n"},
		{Event{Type: TypeAction, From: "eve", Text: forged}, "10:02 * eve ok ␣×60 * alice left\n"},
		{Event{Type: TypePrivate, From: "eve", To: "bob", Text: forged}, "10:02 [eve -> you] ok ␣×60 * alice left\n"},
		{Event{Type: TypeTopic, From: "eve", Text: forged}, "* eve set the topic: ok ␣×60 * alice left\n"},
		{Event{Type: TypeLeave, Members: []string{"eve"}, Text: forged}, "* eve left (ok ␣×60 * alice left)\n"},
		{Event{Type: TypeWelcome, Title: "a" + blanks, Topic: forged, Nick: "bob"}, "* Welcome to a ␣×60 , bob (no one else here yet). /help for more.\n* The topic is: ok ␣×60 * alice left\n"},
		{Event{Type: TypeHistory, Events: []Event{{Type: TypeMessage, Time: at, From: "eve", Text: forged}}}, "* 1 earlier message:\n10:02 <eve> ok ␣×60 * alice left\n"},
		{Event{Type: TypeNotice, Text: "/nick NAME" + blanks + "Choose a nick."}, "* /nick NAME" + blanks + "Choose a nick.\n"},
	} {
		test.e.Time = at
		if got := string(test.e.AppendText(nil, Viewer{Zone: time.UTC, Nick: "bob", Fold: true})); got != test.want {
			t.Errorf("got %q\nwant %q", got, test.want)
		}
		if got := string(test.e.AppendText(nil, Viewer{Zone: time.UTC, Nick: "bob"})); !strings.Contains(got, blanks) && strings.Contains(test.want, "␣") {
			t.Errorf("a file gets %q", got)
		}
	}
}

func nicks(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("n%d", i+1))
	}
	return list
}

// In a transcript each line has its date and seconds.
func TestDatedText(t *testing.T) {
	at := time.Date(2026, 11, 25, 9, 2, 11, 120e6, time.UTC)
	v := Viewer{Zone: time.FixedZone("", 3600), Nick: "bob", Dated: true}
	for want, e := range map[string]Event{
		"2026-11-25 10:02:11 <alice> a\n2026-11-25 10:02:11 <alice> b\n": {Type: TypeMessage, Time: at, From: "alice", Text: "a\nb"},
		"2026-11-25 10:02:11 * alice waves\n":                            {Type: TypeAction, Time: at, From: "alice", Text: "waves"},
		"2026-11-25 10:02:11 [alice -> you] a\n":                         {Type: TypePrivate, Time: at, From: "alice", To: "bob", Text: "a"},
		"* carol joined\n":                                               {Type: TypeJoin, Time: at, Members: []string{"carol"}},
	} {
		if got := string(e.AppendText(nil, v)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestEventText(t *testing.T) {
	at := time.Date(2026, 11, 25, 9, 2, 11, 120e6, time.UTC)
	viewer := Viewer{Zone: time.FixedZone("", 3600), Nick: "bob"}
	tests := []struct {
		name  string
		event Event
		want  string
	}{
		{"message", Event{Type: TypeMessage, Time: at, From: "alice", Text: "soup is ready"}, "10:02 <alice> soup is ready\n"},
		{"message of several lines", Event{Type: TypeMessage, Time: at, From: "alice", Text: "a\n\n10:03 <bob> b"}, "10:02 <alice> a\n10:02 <alice> \n10:02 <alice> 10:03 <bob> b\n"},
		{"message that looks like a notice", Event{Type: TypeMessage, Time: at, From: "alice", Text: "* carol joined\n! error"}, "10:02 <alice> * carol joined\n10:02 <alice> ! error\n"},
		{"message without text", Event{Type: TypeMessage, Time: at, From: "alice"}, "10:02 <alice> \n"},
		{"own message", Event{Type: TypeMessage, Time: at, From: "bob", Text: "a"}, "10:02 <bob> a\n"},
		{"message around midnight", Event{Type: TypeMessage, Time: at.Add(14 * time.Hour), From: "alice", Text: "a"}, "00:02 <alice> a\n"},
		{"action", Event{Type: TypeAction, Time: at, From: "alice", Text: "waves"}, "10:02 * alice waves\n"},
		{"action of several lines", Event{Type: TypeAction, Time: at, From: "alice", Text: "waves\nand goes"}, "10:02 * alice waves\n10:02 * alice and goes\n"},
		{"private to me", Event{Type: TypePrivate, Time: at, From: "alice", To: "bob", Text: "a"}, "10:02 [alice -> you] a\n"},
		{"private from me", Event{Type: TypePrivate, Time: at, From: "bob", To: "alice", Text: "a\nb"}, "10:02 [you -> alice] a\n10:02 [you -> alice] b\n"},
		{"private to myself", Event{Type: TypePrivate, Time: at, From: "bob", To: "bob", Text: "a"}, "10:02 [you -> you] a\n"},

		{"join", Event{Type: TypeJoin, Time: at, Members: []string{"carol"}}, "* carol joined\n"},
		{"join of several", Event{Type: TypeJoin, Members: []string{"carol", "dave"}}, "* carol, dave joined\n"},
		{"leave", Event{Type: TypeLeave, Members: []string{"carol"}}, "* carol left\n"},
		{"leave with a reason", Event{Type: TypeLeave, Members: []string{"carol"}, Text: "connection lost"}, "* carol left (connection lost)\n"},
		{"leave with lines", Event{Type: TypeLeave, Members: []string{"carol"}, Text: "a\nb"}, "* carol left (a\n* b)\n"},
		{"nick", Event{Type: TypeNick, From: "guest-3", Nick: "carol"}, "* guest-3 is now carol\n"},
		{"topic set", Event{Type: TypeTopic, ID: 3, From: "alice", Text: "lunch"}, "* alice set the topic: lunch\n"},
		{"topic cleared", Event{Type: TypeTopic, ID: 3, From: "alice"}, "* alice cleared the topic\n"},
		{"topic asked", Event{Type: TypeTopic, Text: "lunch"}, "* The topic is: lunch\n"},
		{"topic asked, none", Event{Type: TypeTopic}, "* No topic is set; /topic TEXT sets one\n"},
		{"who", Event{Type: TypeWho, Count: 3, Members: []string{"alice", "bob", "carol"}, Hosts: []string{"bob", "carol"}, From: "bob"}, "* 3 here: alice, bob (host), carol (operator)\n"},
		{"notice", Event{Type: TypeNotice, Text: "one\ntwo"}, "* one\n* two\n"},
		{
			"history",
			Event{Type: TypeHistory, Before: 9, Events: []Event{
				{Type: TypeMessage, ID: 7, Time: at, From: "alice", Text: "a\n* b"}, {Type: TypeJoin, Members: []string{"carol"}},
				{Type: TypeAction, ID: 8, Time: at, From: "alice", Text: "waves"},
			}},
			"* 2 earlier messages:\n10:02 <alice> a\n10:02 <alice> * b\n10:02 * alice waves\n",
		},
		{"history of one", Event{Type: TypeHistory, Events: []Event{{Type: TypeMessage, Time: at, From: "alice", Text: "a"}}}, "* 1 earlier message:\n10:02 <alice> a\n"},
		{"history of nothing", Event{Type: TypeHistory, Before: 1}, "* no earlier messages\n"},
		{"gap", Event{Type: TypeGap, Missed: 12}, "* 12 events missed; the host no longer keeps them\n"},
		{"gap of one", Event{Type: TypeGap, Missed: 1}, "* 1 event missed; the host no longer keeps it\n"},
		{"error", Event{Type: TypeError, Code: CodeUnknown, Text: "unknown command /foo; /help lists them"}, "! unknown command /foo; /help lists them\n"},
		{"error of several lines", Event{Type: TypeError, Text: "a\nb"}, "! a\n! b\n"},
		{"bye", Event{Type: TypeBye, Code: CodeShutdown, Text: "The room closes."}, "* The room closes.\n"},
		{"bye without words", Event{Type: TypeBye, Code: CodeQuit}, ""},
		{
			"welcome",
			Event{Type: TypeWelcome, Title: "kitchen", Nick: "guest-3", Count: 2, Members: []string{"alice", "bob"}, Hosts: []string{"alice"}, From: "alice"},
			"* Welcome to kitchen, guest-3 (2 here: alice (host), bob). /nick NAME to choose a nick, /help for more.\n",
		},
		{
			"welcome to an empty room",
			Event{Type: TypeWelcome, Title: "kitchen", Nick: "guest-1"},
			"* Welcome to kitchen, guest-1 (no one else here yet). /nick NAME to choose a nick, /help for more.\n",
		},
		{
			"welcome with a topic",
			Event{Type: TypeWelcome, Title: "kitchen", Nick: "guest-1", Topic: "lunch"},
			"* Welcome to kitchen, guest-1 (no one else here yet). /nick NAME to choose a nick, /help for more.\n* The topic is: lunch\n",
		},
		{"room", Event{Type: TypeRoom, Title: "kitchen"}, ""},
		{"pong", Event{Type: TypePong, Time: at, Text: "a"}, ""},
		{"unknown type", Event{Type: "dance", Time: at, Text: "a"}, ""},

		{"names: all of thirteen", Event{Type: TypeJoin, Members: nicks(13)}, "* n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12, n13 joined\n"},
		{"names: cut at fourteen", Event{Type: TypeJoin, Members: nicks(14)}, "* n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12 and 2 more joined\n"},
		{"names: more than are listed", Event{Type: TypeJoin, Members: nicks(2), Count: 5}, "* n1, n2 and 3 more joined\n"},
		{"names: cut, and more than are listed", Event{Type: TypeJoin, Members: nicks(14), Count: 20}, "* n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12 and 8 more joined\n"},
		{"names: none listed", Event{Type: TypeJoin, Count: 5}, "* 5 more joined\n"},
		{"names: who lists all", Event{Type: TypeWho, Count: 15, Members: nicks(14)}, "* 15 here: n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12, n13, n14 and 1 more\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := "before\n"
			got, ok := strings.CutPrefix(string(tt.event.AppendText([]byte(before), viewer)), before)
			if !ok || got != tt.want {
				t.Errorf("AppendText = %q, want %q after %q", got, tt.want, before)
			}
			checkText(t, &tt.event, got)
		})
	}
}

func TestEventTextNoZone(t *testing.T) {
	at := time.Date(2026, 11, 25, 9, 2, 0, 0, time.Local)
	e := Event{Type: TypeMessage, Time: at, From: "alice", Text: "a"}
	if got, want := string(e.AppendText(nil, Viewer{})), "09:02 <alice> a\n"; got != want {
		t.Errorf("AppendText = %q, want %q", got, want)
	}
}

// The text of an event does not share memory with the event, because many read the log.
func TestEventTextLeavesEvent(t *testing.T) {
	e := Event{Type: TypeJoin, Members: nicks(14)}
	e.AppendText(nil, Viewer{})
	if got := e.Members[12:]; got[0] != "n13" || got[1] != "n14" {
		t.Errorf("members = %q after AppendText", e.Members)
	}
}

var (
	saidLine     = regexp.MustCompile(`^[0-2][0-9]:[0-5][0-9] (<|\* |\[)`)
	happenedLine = regexp.MustCompile(`^\* `)
	errorLine    = regexp.MustCompile(`^! `)
)

// checkText fails unless every line of text begins as its event's type requires, so that a
// message, a notice and an error cannot be mistaken for each other.
func checkText(t *testing.T, e *Event, text string) {
	t.Helper()
	if e.Type == TypeHistory {
		heading, said, _ := strings.Cut(text, "\n")
		checkText(t, &Event{Type: TypeNotice}, heading+"\n")
		checkText(t, &Event{Type: TypeMessage}, said)
		return
	}
	if text == "" {
		return
	}
	if !strings.HasSuffix(text, "\n") {
		t.Errorf("text of %+v = %q, without newline at the end", e, text)
	}
	want := happenedLine
	switch e.Type {
	case TypeMessage, TypeAction, TypePrivate:
		want = saidLine
	case TypeError:
		want = errorLine
	}
	for line := range strings.Lines(text) {
		if !want.MatchString(line) {
			t.Errorf("text of %+v = %q, with line %q; want each as %v", e, text, line, want)
		}
	}
}

func FuzzEventText(f *testing.F) {
	types := []string{
		TypeWelcome, TypeRoom, TypeMessage, TypeAction, TypePrivate, TypeJoin, TypeLeave, TypeNick,
		TypeTopic, TypeWho, TypeNotice, TypeGap, TypeError, TypeBye, TypePong, "mess\u200bage", TypeHistory,
	}
	for i := range types {
		f.Add(uint8(i), "alice", "bob", "a\n* b\r\n! c", "carol,dave", 2, int64(1764064931120))
	}
	f.Add(uint8(2), "a\n10:02 <b", "\x1b[2J", "\u2028\u0085\v\f\r!", "\n", -1, int64(-1<<62))
	f.Fuzz(func(t *testing.T, typ uint8, name, to, text, names string, count int, ms int64) {
		list := strings.Split(names, ",")
		e := Event{
			Type: types[int(typ)%len(types)], Time: time.UnixMilli(ms), From: name, To: to, Nick: to, Text: text,
			Title: name, Topic: text, Members: list, Hosts: list[:1], Count: count, Missed: uint64(max(count, 0)), Code: Code(text),
			Events: History{
				{Type: TypeMessage, Time: time.UnixMilli(ms), From: name, Text: text},
				{Type: TypeError, Text: text},
				{Type: TypeAction, Time: time.UnixMilli(ms), From: to, Text: text},
			},
		}.Clean()
		got := string(e.AppendText(nil, Viewer{Zone: time.UTC, Nick: name}))
		checkCleaned(t, text, got, "\t\n")
		checkText(t, &e, got)
		if lines := 1 + strings.Count(e.Text, "\n"); e.IsPublicMessage() && strings.Count(got, "\n") != lines {
			t.Errorf("text of %+v = %q, want %d lines", e, got, lines)
		}
	})
}
