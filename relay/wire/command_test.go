package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	seen, groups := make(map[string]bool), make(map[Group]bool)
	for i := range Commands {
		c := &Commands[i]
		if seen[c.Name] || CommandNamed(c.Name) != c {
			t.Errorf("/%s is in the table twice", c.Name)
		}
		seen[c.Name] = true
		if c.Help == "" || strings.Contains(c.Help, "\n") || !strings.HasSuffix(c.Help, ".") {
			t.Errorf("the help of /%s is %q, want one sentence", c.Name, c.Help)
		}
		if c.Group == "" || groups[c.Group] && Commands[i-1].Group != c.Group {
			t.Errorf("/%s is in the group %q, and not beside its others", c.Name, c.Group)
		}
		groups[c.Group] = true
		if c.Operator != (c.Group == OperatorGroup) {
			t.Errorf("/%s is for operators: %v, in the group %s", c.Name, c.Operator, c.Group)
		}
		for _, a := range c.Args {
			if isLocal := a.Text == nil && a.Count == nil; isLocal != (c.Local != 0) {
				t.Errorf("argument %s of /%s: sets a field %v, want %v", a.Name, c.Name, !isLocal, c.Local == 0)
			}
		}
	}
	if CommandNamed("nosuch") != nil {
		t.Error("there is a command called nosuch")
	}
}

func TestParseCommand(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Request
		code Code // of the fault; "": none
	}{
		{"/who", Request{Type: "who"}, ""},
		{"/WHO", Request{Type: "who"}, ""},
		{"/who ", Request{Type: "who"}, ""},
		{"/who me", Request{}, CodeBadRequest},
		{"/msg  bob  hi  there", Request{Type: "msg", To: "bob", Text: "hi  there"}, ""},
		{"/msg bob", Request{}, CodeBadRequest},
		{"/topic", Request{Type: "topic"}, ""},
		{"/kick bob", Request{Type: "kick", Nick: "bob"}, ""},
		{"/kick bob be nice", Request{Type: "kick", Nick: "bob", Text: "be nice"}, ""},
		{"/history", Request{Type: "history"}, ""},
		{"/history 20", Request{Type: "history", Count: 20}, ""},
		{"/history 0", Request{}, CodeBadRequest},
		{"/history x", Request{}, CodeBadRequest},
		{"/nick a b", Request{}, CodeBadRequest},
		{"/invite", Request{Type: "invite"}, ""},
		{"/invite new", Request{Type: "invite", Text: "new"}, ""},
		{"/members", Request{}, CodeUnknown}, // the screen's own
		{"/hello", Request{}, CodeUnknown},
		{"/", Request{}, CodeUnknown},
	} {
		req, err := ParseCommand(tt.line)
		if tt.code == "" && (err != nil || !reflect.DeepEqual(*req, tt.want)) {
			t.Errorf("ParseCommand(%q) = %+v, %v, want %+v", tt.line, req, err, tt.want)
		}
		if fault, ok := errors.AsType[*Fault](err); tt.code != "" && (!ok || fault.Code != tt.code) {
			t.Errorf("ParseCommand(%q): %v, want code %s", tt.line, err, tt.code)
		}
	}
}

func TestUsage(t *testing.T) {
	for name, want := range map[string]string{
		"who": "/who", "msg": "/msg NICK TEXT", "topic": "/topic [TEXT]", "get": "/get [N [DIR]]", "ban": "/ban NICK|IP [REASON]",
	} {
		if got := CommandNamed(name).Usage(); got != want {
			t.Errorf("usage of /%s is %q, want %q", name, got, want)
		}
	}
}
