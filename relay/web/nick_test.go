package web_test

import (
	"net/url"
	"testing"

	"chat/relay"
	"chat/relay/web"
)

func TestCheckNick(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	for nick, want := range map[string]string{
		"Zoë":        `{"nick":"Zoë"}`,
		" anna ":     `{"nick":"anna"}`,
		"Anna Maria": `{"nick":"Anna-Maria","reason":"a nick has no spaces and none of \u003c\u003e[]()*!:,@#/"}`,
		"🦊":          `{"nick":"","reason":"a nick has letters, digits and plain signs only"}`,
		"":           `{"nick":"","reason":"a nick has at least one letter"}`,
	} {
		if status, body := r.do("GET", "/nick?nick="+url.QueryEscape(nick), ""); status != 200 || body != want+"\n" {
			t.Errorf("%q: %d, %s", nick, status, body)
		}
	}
	if status, _ := r.do("GET", "/nick?nick=anna", "", "Origin", "http://evil.example"); status != 403 {
		t.Errorf("another site's page gets %d", status)
	}
}
