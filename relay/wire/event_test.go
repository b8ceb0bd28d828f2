package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// sample returns a value for a field of type typ that is not zero and survives
// JSON; n makes it differ from other samples.
func sample(t *testing.T, typ reflect.Type, n int) reflect.Value {
	t.Helper()
	v := reflect.New(typ).Elem()
	switch {
	case typ == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 11, 25, 10, 2, n%60, 123e6, time.UTC)))
	case typ == reflect.TypeFor[Event](): // inside an event, so it has no events itself
		for i := range typ.NumField() {
			if typ.Field(i).Name != "Events" {
				v.Field(i).Set(sample(t, typ.Field(i).Type, n+i))
			}
		}
	case typ == reflect.TypeFor[File]():
		for i := range typ.NumField() {
			v.Field(i).Set(sample(t, typ.Field(i).Type, n+i))
		}
	case typ.Kind() == reflect.String:
		v.SetString(fmt.Sprintf("sample %d", n))
	case typ.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(int64(n + 1))
	case v.CanUint():
		v.SetUint(uint64(n + 1))
	case typ.Kind() == reflect.Slice:
		v = reflect.Append(v, sample(t, typ.Elem(), n), sample(t, typ.Elem(), n+100))
	case typ.Kind() == reflect.Pointer:
		v.Set(reflect.New(typ.Elem()))
		v.Elem().Set(sample(t, typ.Elem(), n))
	default:
		t.Fatalf("no sample for a field of type %v: add one here and to AppendJSON", typ)
	}
	return v
}

// eachField calls f for structs of T with type and one other field set, and for
// one with all of them. A field that an encoding forgets cannot hide.
func eachField[T any](t *testing.T, f func(t *testing.T, v T)) {
	typ := reflect.TypeFor[T]()
	all := reflect.New(typ).Elem()
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Tag.Get("json") == "-" {
			continue
		}
		all.Field(i).Set(sample(t, field.Type, i))
		one := reflect.New(typ).Elem()
		one.FieldByName("Type").SetString("sample")
		one.Field(i).Set(all.Field(i))
		t.Run(field.Name, func(t *testing.T) { f(t, one.Interface().(T)) })
	}
	t.Run("all", func(t *testing.T) { f(t, all.Interface().(T)) })
}

// decode returns the object in line as its keys and values.
func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(line, &object); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return object
}

// checkLine fails unless b is prefix and one line after it, and returns the line.
func checkLine(t *testing.T, b []byte, prefix string) []byte {
	t.Helper()
	line, ok := bytes.CutPrefix(b, []byte(prefix))
	if !ok || bytes.Count(line, []byte{'\n'}) != 1 || !bytes.HasSuffix(line, []byte{'\n'}) {
		t.Fatalf("appended %q, want one line after %q", b, prefix)
	}
	return line
}

func TestEventJSONEveryField(t *testing.T) {
	eachField(t, func(t *testing.T, e Event) {
		line := checkLine(t, e.AppendJSON([]byte("before ")), "before ")
		std, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := decode(t, line), decode(t, std); !reflect.DeepEqual(got, want) {
			t.Errorf("AppendJSON = %s, want as encoding/json %s", line, std)
		}
		got, err := ParseEvent(line)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("ParseEvent(%s) = %+v, %v, want %+v", line, got, err, e)
		}
	})
}

// old returns n events of a history, and their encodings.
func old(n int) (events []Event, encoded [][]byte) {
	for i := range n {
		e := Event{Type: TypeMessage, ID: uint64(i + 1), From: "alice", Client: "k3v9", Text: fmt.Sprintf("\"line\"\n%d", i)}
		events, encoded = append(events, e), append(encoded, e.AppendJSON(nil))
	}
	return events, encoded
}

// AppendHistory has the same output as AppendJSON for the same events.
func TestAppendHistory(t *testing.T) {
	for _, n := range []int{0, 1, 2, MaxHistory} {
		for _, before := range []uint64{0, 42} {
			events, encoded := old(n)
			e := Event{Type: TypeHistory, Before: before, Events: events}
			got, want := AppendHistory([]byte("before "), &Event{Type: TypeHistory, Before: before}, encoded), e.AppendJSON(nil)
			if line := checkLine(t, got, "before "); !bytes.Equal(line, want) {
				t.Errorf("%d events before %d: %s, want %s", n, before, line, want)
			}
			if back, err := ParseEvent(want); err != nil || !reflect.DeepEqual(back, e) {
				t.Errorf("%s reads back as %+v, %v", want, back, err)
			}
		}
	}
}

// A hostile host cannot send any number of events in one line, nor nest them deeper.
func TestInnerEventsAreBounded(t *testing.T) {
	many := strings.Repeat(`{"type":"x"},`, MaxHistory+1)
	if e, err := ParseEvent([]byte(`{"type":"history","events":[` + strings.TrimSuffix(many, ",") + `]}`)); err == nil {
		t.Errorf("%d events are taken, want %d at most", len(e.Events), MaxHistory)
	}
	line := []byte(`{"type":"history","events":[` + strings.Repeat(`{},`, 1<<20) + `{}]}`)
	allocated := testing.AllocsPerRun(1, func() { ParseEvent(line) })
	if allocated > 10*MaxHistory {
		t.Errorf("a hostile line costs %.0f allocations", allocated)
	}
	deep := strings.Repeat(`{"type":"x","events":[`, 5000) + strings.Repeat(`]}`, 5000)
	e, err := ParseEvent([]byte(deep))
	if err != nil || len(e.Events) != 1 || e.Events[0].Events != nil {
		t.Errorf("events in events: %v", err)
	}
	built := Event{Type: "x", Events: []Event{{Type: "y", Events: []Event{{Type: "z"}}}}}
	if got, want := string(built.AppendJSON(nil)), `{"type":"x","events":[{"type":"y"}]}`+"\n"; got != want {
		t.Errorf("AppendJSON = %s, want %s", got, want)
	}
	if got := built.Clean(); got.Events[0].Events != nil || built.Events[0].Events == nil {
		t.Errorf("Clean of %+v leaves %+v", built, got)
	}
}

func TestRequestJSONEveryField(t *testing.T) {
	eachField(t, func(t *testing.T, r Request) {
		line := checkLine(t, r.AppendJSON([]byte("before ")), "before ")
		got, err := ParseRequest(line)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("ParseRequest(%s) = %+v, %v, want %+v", line, got, err, r)
		}
	})
}

func TestEventJSONStrings(t *testing.T) {
	tests := []struct {
		name, text, json string // json is the text between the quotes
	}{
		{"plain", "soup", `soup`},
		{"letters", "Grüße 你好 👍🏽", `Grüße 你好 👍🏽`},
		{"quote and backslash", `a"b\c/d`, `a\"b\\c/d`},
		{"nothing to escape for HTML", "<b>&'", `<b>&'`},
		{"lines and tab", "a\nb\tc\r", `a\nb\tc\u000d`},
		{"controls", "\x00\x1b\x1f\x7f", "\\u0000\\u001b\\u001f\x7f"},
		{"escapes in a row", "\n\n\"\"", `\n\n\"\"`},
		{"line separator", "a\u2028b", "a\u2028b"},
		{"invalid UTF-8", "a\xffb\xe2\x82", "a\ufffdb\ufffd\ufffd"},
		{"invalid beside escape", "\xff\n\xff", "\ufffd\\n\ufffd"},
		{"replacement character", "a\ufffdb", "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := Event{Type: TypeMessage, Text: tt.text, Members: []string{tt.text, "", tt.text}}
			got := string(e.AppendJSON(nil))
			want := fmt.Sprintf(`{"type":"message","text":"%s","members":["%[1]s","","%[1]s"]}`+"\n", tt.json)
			if got != want {
				t.Errorf("AppendJSON = %s, want %s", got, want)
			}
			parsed, err := ParseEvent([]byte(got))
			if want := string([]rune(tt.text)); err != nil || parsed.Text != want {
				t.Errorf("ParseEvent(%s) = %+v, %v, want text %q", got, parsed, err, want)
			}
		})
	}
}

func TestEventJSONValues(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	tests := []struct {
		name  string
		event Event
		want  string
	}{
		{"type alone", Event{Type: TypePong}, `{"type":"pong"}`},
		{"largest numbers", Event{Type: TypeMessage, ID: 1<<64 - 1, Seq: 1<<64 - 1}, `{"type":"message","id":18446744073709551615,"seq":18446744073709551615}`},
		{"negative count", Event{Type: TypeWho, Count: -1}, `{"type":"who","count":-1}`},
		{"time in another zone", Event{Type: TypeJoin, Time: time.Date(2026, 11, 25, 0, 2, 11, 120e6, berlin)}, `{"type":"join","time":"2026-11-24T23:02:11.120Z"}`},
		{"time below the millisecond", Event{Type: TypeJoin, Time: time.Date(2026, 1, 2, 3, 4, 5, 999999, time.UTC)}, `{"type":"join","time":"2026-01-02T03:04:05.000Z"}`},
		{"empty lists", Event{Type: TypeWho, Members: []string{}}, `{"type":"who"}`},
		{
			"as in the protocol's example",
			Event{Type: TypeMessage, ID: 42, Time: time.Date(2026, 11, 25, 10, 2, 11, 120e6, time.UTC), From: "alice", Client: "k3v9", Seq: 1, Text: "soup is ready"},
			`{"type":"message","id":42,"time":"2026-11-25T10:02:11.120Z","from":"alice","client":"k3v9","seq":1,"text":"soup is ready"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.event.AppendJSON(nil)); got != tt.want+"\n" {
				t.Errorf("AppendJSON = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestParseEvent(t *testing.T) {
	tests := []struct {
		name, line string
		want       Event // without a type if the line is rejected
	}{
		{"unknown fields", `{"type":"message","text":"a","colour":{"r":[1]}}`, Event{Type: TypeMessage, Text: "a"}},
		{"unknown type", `{"type":"dance","text":"a"}`, Event{Type: "dance", Text: "a"}},
		{"null fields", `{"type":"message","text":null,"members":null,"id":null,"time":null}`, Event{Type: TypeMessage}},
		{"spaces and cr", " {\"type\" : \"pong\"}\r\n", Event{Type: TypePong}},
		{"finer time", `{"type":"join","time":"2026-11-25T11:02:11.1209999+01:00"}`, Event{Type: TypeJoin, Time: time.Date(2026, 11, 25, 10, 2, 11, 120e6, time.UTC)}},
		{"no events", `{"type":"history","before":3,"events":[]}`, Event{Type: TypeHistory, Before: 3}},
		{"null for events", `{"type":"history","events":null}`, Event{Type: TypeHistory}},
		{"events twice", `{"type":"history","events":[{"type":"a"}],"Events":[{"type":"b"}]}`, Event{Type: TypeHistory, Events: []Event{{Type: "b"}}}},
		{"unknown fields of an inner event", `{"type":"history","events":[{"type":"a","x":[{}],"events":3}]}`, Event{Type: TypeHistory, Events: []Event{{Type: "a"}}}},
		{"finer time of an inner event", `{"type":"history","events":[{"type":"a","time":"2026-11-25T11:02:11.1209999+01:00"}]}`, Event{Type: TypeHistory, Events: []Event{{Type: "a", Time: time.Date(2026, 11, 25, 10, 2, 11, 120e6, time.UTC)}}}},
		{"inner event without type", `{"type":"history","events":[{"text":"a"}]}`, Event{}},
		{"inner event null", `{"type":"history","events":[null]}`, Event{}},
		{"inner event out of time", `{"type":"history","events":[{"type":"a","time":"9999-12-31T23:59:59-01:00"}]}`, Event{}},
		{"events that are an object", `{"type":"history","events":{"type":"a"}}`, Event{}},
		{"events that are a number", `{"type":"history","events":1}`, Event{}},
		{"nothing", ``, Event{}},
		{"no type", `{"text":"a"}`, Event{}},
		{"null", `null`, Event{}},
		{"list", `[{"type":"pong"}]`, Event{}},
		{"two objects", `{"type":"pong"}{"type":"pong"}`, Event{}},
		{"cut off", `{"type":"pong"`, Event{}},
		{"number for text", `{"type":"message","text":1}`, Event{}},
		{"negative id", `{"type":"message","id":-1}`, Event{}},
		{"id too large", `{"type":"message","id":18446744073709551616}`, Event{}},
		{"no time", `{"type":"message","time":"yesterday"}`, Event{}},
		{"time that another zone pushes out of range", `{"type":"message","time":"9999-12-31T23:59:59-01:00"}`, Event{}},
		{"the same at the other end", `{"type":"message","time":"0000-01-01T00:00:00+01:00"}`, Event{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseEvent([]byte(tt.line))
			if !reflect.DeepEqual(got, tt.want) || (err == nil) != (tt.want.Type != "") {
				t.Errorf("ParseEvent(%s) = %+v, %v, want %+v", tt.line, got, err, tt.want)
			}
		})
	}
}

// A list too long for an honest host is truncated, and its length is kept.
func TestParseLongLists(t *testing.T) {
	many := Event{Type: TypeWelcome, Members: nicks(3 * MaxMembers), Hosts: nicks(2 * MaxMembers)}
	e, err := ParseEvent(many.AppendJSON(nil))
	if err != nil || len(e.Members) != MaxMembers || len(e.Hosts) != MaxMembers || e.Count != 3*MaxMembers {
		t.Errorf("%d members, %d hosts, count %d, %v", len(e.Members), len(e.Hosts), e.Count, err)
	}
	few := Event{Type: TypeWho, Members: nicks(MaxMembers), Count: 5000}
	if e, err := ParseEvent(few.AppendJSON(nil)); err != nil || len(e.Members) != MaxMembers || e.Count != 5000 {
		t.Errorf("%d members, count %d, %v", len(e.Members), e.Count, err)
	}
}

func TestParseRequest(t *testing.T) {
	none := 0
	tests := []struct {
		name, line string
		want       Request // without a type if the line is rejected
	}{
		{"hello", `{"type":"hello","version":1,"nick":"alice","since":41}`, Request{Type: TypeHello, Version: 1, Nick: "alice", Since: 41}},
		{"no backlog is not none given", `{"type":"hello","backlog":0}`, Request{Type: TypeHello, Backlog: &none}},
		{"unknown fields", `{"type":"say","text":"a","x":1}`, Request{Type: TypeSay, Text: "a"}},
		{"invalid UTF-8", "{\"type\":\"say\",\"text\":\"a\xff\"}", Request{Type: TypeSay, Text: "a\ufffd"}},
		{"fields of typed lines have no JSON", `{"type":"say","More":"a","-":"a"}`, Request{Type: TypeSay}},
		{"nothing", ``, Request{}},
		{"no object", `hello`, Request{}},
		{"no type", `{}`, Request{}},
		{"empty type", `{"type":""}`, Request{}},
		{"null", `null`, Request{}},
		{"text for a number", `{"type":"say","seq":"1"}`, Request{}},
		{"negative seq", `{"type":"say","seq":-1}`, Request{}},
		{"nested too deep", `{"type":"say","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, Request{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseRequest([]byte(tt.line))
			if !reflect.DeepEqual(got, tt.want) || (err == nil) != (tt.want.Type != "") {
				t.Errorf("ParseRequest(%.80s) = %+v, %v, want %+v", tt.line, got, err, tt.want)
			}
			if err != nil {
				checkCleaned(t, tt.line, err.Error(), "")
			}
		})
	}
}

// Event.Clean cleans every text that a client may show.
func TestEventCleanEveryField(t *testing.T) {
	const hostile, harmless = "a\x1b[2J\u202eb\u200b", "a␛[2J\ufffdb"
	typ := reflect.TypeFor[Event]()
	for i := range typ.NumField() {
		t.Run(typ.Field(i).Name, func(t *testing.T) {
			var e Event
			field := reflect.ValueOf(&e).Elem().Field(i)
			want := harmless
			switch {
			case field.Kind() == reflect.String:
				field.SetString(hostile)
			case field.Type() == reflect.TypeFor[[]string]():
				field.Set(reflect.ValueOf([]string{hostile, hostile}))
			case field.Type() == reflect.TypeFor[History]():
				field.Set(reflect.ValueOf(History{{Type: hostile, Text: hostile, Members: []string{hostile}}}))
			case field.Type() == reflect.TypeFor[*File]():
				field.Set(reflect.ValueOf(&File{Name: hostile, SHA256: hostile, Type: hostile, Path: hostile}))
			case field.CanInt(), field.CanUint(), field.Kind() == reflect.Bool, field.Type() == reflect.TypeFor[time.Time]():
				return
			default:
				t.Fatalf("a field of type %v: say here whether Clean cleans it", field.Type())
			}
			switch got := reflect.ValueOf(e.Clean()).Field(i).Interface().(type) {
			case History:
				if want := (History{{Type: want, Text: want, Members: []string{want}}}); !reflect.DeepEqual(got, want) {
					t.Errorf("cleaned %+v, want %+v", got, want)
				}
				if before := e.Events[0].Text; before != hostile {
					t.Errorf("Clean changed the list it was given to %+q", before)
				}
			case *File:
				if want := (File{Name: want, SHA256: want, Type: want, Path: want}); *got != want {
					t.Errorf("cleaned %+v, want %+v", got, want)
				}
				if e.File.Name != hostile {
					t.Errorf("Clean changed the file it was given to %+q", e.File.Name)
				}
			case []string:
				if !reflect.DeepEqual(got, []string{want, want}) {
					t.Errorf("cleaned %+q, want %+q", got, want)
				}
				if before := field.Index(0).String(); before != hostile {
					t.Errorf("Clean changed the list it was given to %+q", before)
				}
			default:
				if got := fmt.Sprint(got); got != want {
					t.Errorf("cleaned %+q, want %+q", got, want)
				}
			}
		})
	}
}

func TestEventCleanKeepsLines(t *testing.T) {
	got := Event{Type: TypeMessage, Text: "a\r\nb\n", From: "a\nb"}.Clean()
	if want := "a\nb"; got.Text != want {
		t.Errorf("text = %q, want %q", got.Text, want)
	}
	if want := "a␊b"; got.From != want {
		t.Errorf("from = %q, want %q", got.From, want)
	}
}

func TestSaid(t *testing.T) {
	for typ, want := range map[string]bool{TypeMessage: true, TypeAction: true, TypePrivate: false, TypeJoin: false, TypeNotice: false, "": false} {
		if got := (&Event{Type: typ}).IsPublicMessage(); got != want {
			t.Errorf("Said of a %q = %v, want %v", typ, got, want)
		}
	}
}

func TestCodeFinal(t *testing.T) {
	for code, want := range map[Code]bool{CodeBanned: true, CodeKicked: true, CodeVersion: true, CodeShutdown: false, CodeFull: false, CodeTooLong: false, "newer": false} {
		if got := code.Final(); got != want {
			t.Errorf("%q.Final() = %v, want %v", code, got, want)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, line := range []string{
		`{"type":"message","id":42,"time":"2026-11-25T10:02:11.120Z","from":"alice","client":"k3v9","seq":1,"text":"soup\nis \"ready\""}`,
		`{"type":"welcome","version":1,"room":"01","title":"kitchen","topic":"t","nick":"alice","token":"s","members":["bob",""],"hosts":["bob"],"count":2,"next":42,"app":"chat 1.0.0"}`,
		`{"type":"gap","missed":18446744073709551615}`,
		`{"type":"history","before":42,"events":[{"type":"message","id":40,"time":"2026-11-25T10:02:11.120Z","text":"a"},{"type":"action","id":41,"members":["b"]}]}`,
		`{"type":"history","events":[{"type":"x","events":[{"type":"y","events":[]}]}],"EVENTS":[{"type":"z","before":1}]}`,
		`{"type":"history","events":[null,{},1]}`,
		`{"type":"who","count":-1,"version":-9,"members":[null],"hosts":[]}`,
		`{"type":"x","time":"0000-01-01T00:00:00+23:59"}`,
		`{"type":"x","time":"0001-01-01T00:00:00.0001Z"}`,
		"{\"TYPE\":\"\\ud800\\u2028\xff<&>\"}",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseEvent(line)
		if err != nil {
			return
		}
		encoded := checkLine(t, e.AppendJSON(nil), "")
		again, err := ParseEvent(encoded)
		withoutEmptyLists(&e)
		for i := range e.Events {
			withoutEmptyLists(&e.Events[i])
		}
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("ParseEvent(%s) = %+v, %v, want %+v", encoded, again, err, e)
		}
	})
}

// withoutEmptyLists replaces empty lists by nil, which has the same encoding.
func withoutEmptyLists(e *Event) {
	if len(e.Members) == 0 {
		e.Members = nil
	}
	if len(e.Hosts) == 0 {
		e.Hosts = nil
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, line := range []string{
		`{"type":"hello","version":1,"nick":"alice","token":"s","room":"01","since":41,"backlog":0,"probe":true}`,
		`{"type":"say","seq":1,"text":"soup\nis \"ready\" <&>"}`,
		`{"type":"history","before":42,"count":-1}`,
		`{"type":"msg","to":"bob","text":"\u0000\u2028\ud800"}`,
		`{"type":"x","backlog":-1,"version":-1}`,
		"{\"Type\":\"\xff\"}",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRequest(line)
		if err != nil {
			checkCleaned(t, string(line), err.Error(), "")
			return
		}
		encoded := checkLine(t, r.AppendJSON(nil), "")
		if again, err := ParseRequest(encoded); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("ParseRequest(%s) = %+v, %v, want %+v", encoded, again, err, r)
		}
	})
}

// parseSimple has the same result as encoding/json.
func FuzzParseSimple(f *testing.F) {
	for _, line := range []string{
		`{"type":"say","seq":1,"text":"hi"}`,
		`{"text":"grüße 🍲","type":"say"}`,
		`{"type":"say","seq":01,"text":"hi"}`,
		`{"type":"say","text":"a\nb"}`,
		`{"type":"say","text":"` + "\x7f\xff" + `"}`,
		`{"seq":999999999999999999,"type":"a","type":"b"}`,
		`{"type":"say","seq":1,}`, `{"type":"say"} `, `{"type":"say"}x`, `{"type":"`, `{"type":"say","seq":`, `{"type":""}`, `{"Type":"say"}`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, ok := parseSimple(line)
		if !ok {
			return
		}
		var want Request
		if err := json.Unmarshal([]byte(line), &want); err != nil || !reflect.DeepEqual(r, want) {
			t.Errorf("parseSimple(%q) = %+v, encoding/json says %+v, %v", line, r, want, err)
		}
	})
}

func TestParseSaid(t *testing.T) {
	for _, line := range []string{
		`{"type":"say","seq":1,"text":"soup"}`, `{"text":"grüße 🍲","type":"say"}`,
		string(bytes.TrimSpace((&Request{Type: TypeSay, Seq: 12, Text: "soup"}).AppendJSON(nil))),
	} {
		if _, ok := parseSimple(line); !ok {
			t.Errorf("%s goes the long way", line)
		}
	}
}

var benchEvent = Event{
	Type: TypeMessage, ID: 42, Time: time.Date(2026, 11, 25, 10, 2, 11, 120e6, time.UTC),
	From: "alice", Client: "k3v9", Seq: 1, Text: "the soup is ready, come down before it gets cold (again)",
}

func BenchmarkEventAppendJSON(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = benchEvent.AppendJSON(buf[:0])
	}
}

func BenchmarkParseEvent(b *testing.B) {
	line := benchEvent.AppendJSON(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEvent(line); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEventAppendText(b *testing.B) {
	var buf []byte
	v := Viewer{Zone: time.UTC, Nick: "bob"}
	b.ReportAllocs()
	for b.Loop() {
		buf = benchEvent.AppendText(buf[:0], v)
	}
}

func BenchmarkParseRequest(b *testing.B) {
	line := []byte(`{"type":"say","seq":1,"text":"the soup is ready, come down before it gets cold (again)"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRequest(line); err != nil {
			b.Fatal(err)
		}
	}
}

func TestFilePath(t *testing.T) {
	if got, want := FilePath(3, "Grüße 100%?.png"), "/files/3/Gr%C3%BC%C3%9Fe%20100%25%3F.png"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// checkCleaned fails unless cleaned, the result for in, is harmless. The only control
// characters in it may be those in allowed.
func checkCleaned(t *testing.T, in, cleaned, allowed string) {
	t.Helper()
	if !utf8.ValidString(cleaned) {
		t.Errorf("cleaned %+q = %+q, not valid UTF-8", in, cleaned)
	}
	for _, r := range cleaned {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			t.Errorf("cleaned %+q = %+q, with control character %U", in, cleaned, r)
		}
		if unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			t.Errorf("cleaned %+q = %+q, with %U", in, cleaned, r)
		}
	}
}
