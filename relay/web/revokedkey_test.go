package web_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"chat/relay"
	"chat/relay/seal"
)

// A cookie by key reads no more once its key is no longer a member's, or its owner is banned. A stream that it opened
// before ends, with nothing that was said since.
func TestStreamOfARevokedKey(t *testing.T) {
	for name, revoke := range map[string]func(r *sealedRoom, isMember *atomic.Bool, op *browser){
		"removed": func(r *sealedRoom, isMember *atomic.Bool, _ *browser) {
			isMember.Store(false)
			r.srv.KeysChanged()
		},
		"banned": func(_ *sealedRoom, _ *atomic.Bool, op *browser) {
			op.send(`{"type":"ban","nick":"alice"}`)
			op.send(`{"type":"unban","nick":"127.0.0.1"}`) // as if alice came from another address
		},
	} {
		t.Run(name, func(t *testing.T) {
			var isMember atomic.Bool
			isMember.Store(true)
			r := openSealed(t, func(s *relay.Seal) { s.IsMember = func(string) bool { return isMember.Load() } })
			signer := newSigner(t)
			cookie, _ := r.enter(signedEntry(t, r, signer))
			alice := r.socket(t, "Cookie", cookie)
			alice.send(`{"type":"hello","nick":"alice"}`)
			if _, err := alice.next(); err != nil {
				t.Fatal(err)
			}
			res := r.events(t, "Cookie", cookie)
			say := func(words string) {
				if res, body := r.ask("POST", "/messages", words, bearer(operatorSecret+".token-of-ci")...); res.StatusCode != http.StatusCreated {
					t.Fatal(body)
				}
			}
			say("soup is ready")
			lines := bufio.NewScanner(res.Body)
			for lines.Scan() && !strings.Contains(lines.Text(), "soup is ready") {
			}
			op := r.socket(t, bearer(operatorSecret)...)
			op.send(`{"type":"hello","nick":"op"}`)
			revoke(r, &isMember, op)
			for { // until alice is gone
				if _, err := alice.next(); err != nil {
					break
				}
			}
			say("the soup is poisoned")
			if rest, err := io.ReadAll(res.Body); err != nil || strings.Contains(string(rest), "poisoned") {
				t.Errorf("the stream goes on with %s, %v", rest, err)
			}
			for _, path := range []string{"/messages", "/events", "/qr.svg"} {
				if res, body := r.ask("GET", path, "", "Cookie", cookie); res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s gets %d %s", path, res.StatusCode, body)
				}
			}
			res, body := r.ask("POST", "/enter", signedEntry(t, r, signer).Encode(), "Content-Type", "application/x-www-form-urlencoded")
			if res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
				t.Errorf("the key gets another cookie: %d %s", res.StatusCode, body)
			}
		})
	}
}

// events opens the stream of events, with a header. It is closed when the test ends.
func (r *sealedRoom) events(t *testing.T, name, value string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+r.addr+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(name, value)
	res, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// A new invite ends the stream of a page that entered by its key only, too. It gets no secret: it had none.
func TestStreamByKeyGetsNoSecret(t *testing.T) {
	r := openSealed(t, func(s *relay.Seal) { s.IsMember = func(string) bool { return true } })
	cookie, _ := r.enter(signedEntry(t, r, newSigner(t)))
	res := r.events(t, "Cookie", cookie)
	op := r.socket(t, bearer(operatorSecret)...)
	op.send(`{"type":"hello","nick":"op"}`)
	op.send(`{"type":"invite","text":"new"}`)
	if rest, err := io.ReadAll(res.Body); err != nil || strings.Contains(string(rest), "2222") {
		t.Errorf("the stream ends with %s, %v", rest, err)
	}
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// signedEntry returns the body of a POST /enter by a key.
func signedEntry(t *testing.T, r *sealedRoom, signer ssh.Signer) url.Values {
	t.Helper()
	var entry struct{ Challenge string }
	if _, body := r.ask("GET", "/enter", ""); json.Unmarshal([]byte(body), &entry) != nil {
		t.Fatal(body)
	}
	signature, err := signer.Sign(rand.Reader, seal.SignedData("01f3c5a7092b4d6e", []byte(entry.Challenge)))
	if err != nil {
		t.Fatal(err)
	}
	return url.Values{
		"key": {strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}, "challenge": {entry.Challenge},
		"signature": {base64.StdEncoding.EncodeToString(ssh.Marshal(signature))},
	}
}
