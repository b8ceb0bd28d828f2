package room

import (
	"bytes"
	"strings"
	"testing"

	"chat/relay/history"
	"chat/relay/wire"
)

// A record that a file holds is an error, or loads into a state that stores it the same way
// again. A hidden event is an error, or is applied and can be rolled back.
func FuzzRecords(f *testing.F) {
	for key, value := range map[string]string{
		"topic": `"soup"`, "authors": "7", "ban/192.168.1.7": `"mallory"`, "mute/client k3v9": `"bob"`, "mute/\x00": `""`, "ban/\u200b": `""`, "client/": "{", "other": "1",
		"operator/key " + strings.Repeat("ab", 32): `"bob"`, "operator/owner " + testKey("a").Fingerprint: `"` + strings.Repeat(`\u0001`, 300) + `"`, "operator/10.0.0.1": `"bob"`,
		"nick/alice": `{"nick":"Alice","key":"` + testKey("a").Fingerprint + `","at":1764064931120}`,
		"client/3":   `{"key":"` + string(bytes.Repeat([]byte("ab"), 32)) + `","id":"k3v9","nick":"bob","seq":5,"gone":"dropped","at":1764064931120,"rejected":{"4":"muted"}}`,
		"nick/":      `{"nick":"` + string(bytes.Repeat([]byte("a"), 999)) + `"}`,
		"client/7":   `{"key":"` + string(bytes.Repeat([]byte("ab"), 32)) + `","wanted":"` + strings.Repeat(`\u0000`, 300) + `"}`,
		"ban/x":      `"` + strings.Repeat(`\u0001`, 300) + `"`,
	} {
		f.Add(key, value, []byte(`{"type":"own","at":1,"nick":"alice","fingerprint":"`+testKey("b").Fingerprint+`"}`))
		f.Add(key, value, []byte(`{"type":"op","at":1,"nick":"bob","marks":["key `+strings.Repeat("ab", 32)+`"]}`))
		f.Add(key, value, []byte(`{"type":"deop","at":1,"marks":["key `+strings.Repeat("ab", 32)+`","owner x"]}`))
		f.Add(key, value, []byte(`{"type":"release","at":1,"nick":"Alice"}`))
		f.Add(key, value, []byte(`{"type":"client","at":1,"author":3,"id":"x","key":"00","nick":"bob","presence":"left"}`))
	}
	f.Fuzz(func(t *testing.T, key, value string, hiddenJSON []byte) {
		fold, err := NewFold(func(load func(string, []byte) error) error { return load(key, []byte(value)) })
		if err != nil {
			return
		}
		if stored := fold.state.record(key); stored != nil {
			again, err := NewFold(func(load func(string, []byte) error) error { return load(key, stored) })
			if err != nil {
				t.Fatalf("%q: %q is stored as %q, which does not load: %v", key, value, stored, err)
			}
			if twice := again.state.record(key); !bytes.Equal(twice, stored) {
				t.Errorf("%q: %q is stored as %q, then as %q", key, value, stored, twice)
			}
		}
		if h, err := parseHidden(hiddenJSON); err == nil {
			before := fold.state.record(key)
			fold.state.apply(&wire.Event{}, h, history.Origin{})
			fold.Rollback()
			if after := fold.state.record(key); !bytes.Equal(before, after) {
				t.Errorf("%s: %q became %q by an event that was rolled back: %s", key, before, after, hiddenJSON)
			}
		}
	})
}
