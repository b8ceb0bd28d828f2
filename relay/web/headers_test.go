package web_test

import (
	"net/http"
	"testing"

	"chat/relay"
	"chat/relay/web"
)

// Whatever the answer, no other site can show it or learn the room's address from it, no script runs that is not a file of
// the host, and no cache keeps what a member may read.
func TestHeaders(t *testing.T) {
	plain, sealed := open(t, relay.Options{}, web.Options{}), openSealed(t)
	request := func(method, url string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := sealed.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	for _, path := range []string{"/", "/page/main.js", "/page/nosuch", "/room", "/enter", "/messages", "/get", "/socket"} {
		for _, res := range []*http.Response{
			request("GET", "http://"+plain.addr+path), request("GET", "https://"+sealed.addr+path), request("GET", "https://"+sealed.addr+path, bearer(memberSecret)...),
			request("GET", "http://"+plain.addr+path, "Origin", "https://evil.example"),
		} {
			where, h := res.Request.URL.String()+" "+res.Status, res.Header
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
				"Cross-Origin-Opener-Policy": map[string]string{"https": "same-origin"}[res.Request.URL.Scheme],
			} {
				if h.Get(name) != want {
					t.Errorf("%s: %s is %q, want %q", where, name, h.Get(name), want)
				}
			}
			if keeps := h.Get("Cache-Control"); keeps != "no-store" && !(keeps == "no-cache" && (path == "/" || path == "/page/main.js")) {
				t.Errorf("%s: Cache-Control is %q", where, keeps)
			}
			policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; manifest-src 'self'; " +
				"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
			if got := h.Get("Content-Security-Policy"); got != policy && path != "/get" { // its page has a policy of its own
				t.Errorf("%s: the policy is %q, want %q", where, got, policy)
			}
		}
	}
}
