package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"chat/relay/endpoint"
)

// Only what a trusted proxy appended counts: from the right, the first address that is no
// trusted proxy is the client's.
func TestForwarded(t *testing.T) {
	proxies, err := endpoint.ParseProxies([]string{"10.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	type header = map[string][]string
	const xff, forwarded = "X-Forwarded-For", "Forwarded"
	for _, test := range []struct {
		name, peer string
		header     header
		want       string // "": rejected
		isFrom     bool   // forwarded
	}{
		{"no proxy", "192.0.2.1:9", header{xff: {"198.51.100.7"}, forwarded: {"for=198.51.100.8"}}, "192.0.2.1:9", false},
		{"this machine is no proxy", "127.0.0.1:9", header{xff: {"198.51.100.7"}}, "127.0.0.1:9", false},
		{"a pipe", "pipe", header{xff: {"198.51.100.7"}}, "pipe", false},
		{"the proxy's own", "10.0.0.1:9", nil, "10.0.0.1:9", false},
		{"one hop", "10.0.0.1:9", header{xff: {"198.51.100.7"}}, "198.51.100.7:0", true},
		{"IPv6 proxy", "[::1]:9", header{xff: {"198.51.100.7"}}, "198.51.100.7:0", true},
		{"mapped proxy", "[::ffff:10.0.0.1]:9", header{xff: {"198.51.100.7"}}, "198.51.100.7:0", true},
		{"with port", "10.0.0.1:9", header{xff: {"198.51.100.7:4711"}}, "198.51.100.7:0", true},
		{"IPv6", "10.0.0.1:9", header{xff: {"2001:db8::7"}}, "[2001:db8::7]:0", true},
		{"IPv6 in brackets", "10.0.0.1:9", header{xff: {"[2001:db8::7]"}}, "[2001:db8::7]:0", true},
		{"IPv6 with port", "10.0.0.1:9", header{xff: {"[2001:db8::7]:4711"}}, "[2001:db8::7]:0", true},
		{"mapped", "10.0.0.1:9", header{xff: {"::ffff:198.51.100.7"}}, "198.51.100.7:0", true},
		{"invented by the client", "10.0.0.1:9", header{xff: {"127.0.0.1, 203.0.113.5, 198.51.100.7"}}, "198.51.100.7:0", true},
		{"several lines", "10.0.0.1:9", header{xff: {"127.0.0.1", "198.51.100.7, 10.2.3.4"}}, "198.51.100.7:0", true},
		{"two proxies", "10.0.0.1:9", header{xff: {"203.0.113.5,198.51.100.7 , 10.9.9.9"}}, "198.51.100.7:0", true},
		{"only proxies", "10.0.0.1:9", header{xff: {"10.7.7.7, 10.9.9.9"}}, "10.7.7.7:0", true},
		{"rubbish left of the client", "10.0.0.1:9", header{xff: {"<script>\x1b[2J, unknown, 198.51.100.7"}}, "198.51.100.7:0", true},
		{"rubbish", "10.0.0.1:9", header{xff: {"198.51.100.7, rubbish"}}, "", false},
		{"empty", "10.0.0.1:9", header{xff: {""}}, "", false},
		{"unknown", "10.0.0.1:9", header{forwarded: {"for=unknown"}}, "", false},
		{"a name", "10.0.0.1:9", header{xff: {"localhost"}}, "", false},
		{"without for", "10.0.0.1:9", header{forwarded: {"proto=https"}}, "", false},
		{"Forwarded", "10.0.0.1:9", header{forwarded: {"for=203.0.113.5, For=198.51.100.7;proto=https;by=10.0.0.1"}}, "198.51.100.7:0", true},
		{"Forwarded, quoted", "10.0.0.1:9", header{forwarded: {`for="[2001:db8::7]:4711";host="a,b;for=1.2.3.4"`}}, "[2001:db8::7]:0", true},
		{"Forwarded, several lines", "10.0.0.1:9", header{forwarded: {"for=203.0.113.5", "proto=https;for=198.51.100.7"}}, "198.51.100.7:0", true},
		{"Forwarded, a quote left open by the client", "10.0.0.1:9", header{forwarded: {`for=203.0.113.5;x=", for=198.51.100.7`}}, "", false},
		{"Forwarded, an open quote and a quoted hop", "10.0.0.1:9", header{forwarded: {`for=203.0.113.5;x=", for="198.51.100.7:1";host="x"`}}, "", false},
		{"Forwarded, an escaped quote", "10.0.0.1:9", header{forwarded: {`for=203.0.113.5;x="\", for=198.51.100.7`}}, "198.51.100.7:0", true},
		{"Forwarded, an open quote on an earlier line", "10.0.0.1:9", header{forwarded: {`for=203.0.113.5;x="`, "for=198.51.100.7"}}, "198.51.100.7:0", true},
		{"Forwarded, hidden port", "10.0.0.1:9", header{forwarded: {`for="[2001:db8::7]:_p0rt", for="198.51.100.7:_x"`}}, "198.51.100.7:0", true},
		{"Forwarded, hidden port of IPv6", "10.0.0.1:9", header{forwarded: {`for="[2001:db8::7]:_p0rt"`}}, "[2001:db8::7]:0", true},
		{"Forwarded, hidden client", "10.0.0.1:9", header{forwarded: {`for=203.0.113.5, for="_hidden"`}}, "", false},
		{"both", "10.0.0.1:9", header{xff: {"198.51.100.7"}, forwarded: {"for=127.0.0.1"}}, "198.51.100.7:0", true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = test.peer
		for name, values := range test.header {
			r.Header[name] = values
		}
		got, err := asForwarded(r, proxies)
		switch {
		case test.want == "" && err == nil:
			t.Errorf("%s: it is from %s, want an error", test.name, got.RemoteAddr)
		case test.want == "":
		case err != nil || got.RemoteAddr != test.want || isForwarded(got) != test.isFrom:
			t.Errorf("%s: %v, %v, want %s", test.name, got, err, test.want)
		}
	}
}
