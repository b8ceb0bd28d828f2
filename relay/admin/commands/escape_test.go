package commands

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// Escaped JSON means the same, and has nothing that controls a terminal.
func TestEscapedAnswer(t *testing.T) {
	nick := "\u009b31m\u202eevil\x7f\u200d\U000e0001 näme 🙂\u00a0"
	raw := []byte("{ \"nick\":\n\"" + nick + "\" }")
	var out bytes.Buffer
	p := newPrinter(&out)
	p.raw(raw)
	if err := p.flush(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.ContainsAny(got, "\u009b\u202e\x7f\U000e0001") || strings.Count(got, "\n") != 1 || !strings.Contains(got, "näme 🙂") {
		t.Errorf("it prints %q", got)
	}
	var back struct{ Nick string }
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Nick != nick {
		t.Errorf("it means %q, %v", back.Nick, err)
	}
}
