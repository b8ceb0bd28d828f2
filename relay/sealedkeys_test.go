package relay_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"chat/relay"
	"chat/relay/internal/access"
	"chat/relay/web"
	"chat/relay/wire"
)

// A request with a wrong signature takes a second, as checking one is expensive, and an address cannot fill the log with
// them.
func TestWrongSignaturesByHTTP(t *testing.T) {
	var page *web.Handler
	var log bytes.Buffer // slog.Handler writes one line at a time
	sealedRoom(t, func(o *relay.Options) {
		o.Web, o.Log = func(conn net.Conn) { page.StartServing(conn) }, slog.New(slog.NewTextHandler(&log, nil))
	}, func(t *testing.T, srv *relay.Server) {
		page = web.New(srv, web.Options{})
		defer page.Close()
		key := newTypedKey(t, ssh.KeyAlgoED25519).line()
		const rounds, atOnce = 4, 50
		for range rounds {
			res := roundTrip(t, srv, "10.0.0.9", "GET", "/enter", "")
			var entry struct{ Challenge string }
			if err := json.NewDecoder(res.Body).Decode(&entry); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			var asked sync.WaitGroup
			for range atOnce {
				asked.Go(func() {
					form := url.Values{"key": {key}, "signature": {"AAAA"}, "challenge": {entry.Challenge}}
					if status, _ := request(t, srv, "10.0.0.1", "POST", "/enter", form.Encode()); status != 401 || time.Since(began) < access.WrongDelay {
						t.Errorf("a wrong signature gets %d after %v", status, time.Since(began))
					}
				})
			}
			asked.Wait()
		}
		refused(t, srv, "10.0.0.1", sealedHello("eve", "a wrong secret"), wire.CodeAuthFailed) // the address is not locked out
		synctest.Wait()
		lines := strings.Count(log.String(), "a request was not let in")
		if lines == 0 || lines > rounds*atOnce/2 {
			t.Errorf("%d requests make %d lines in the log", rounds*atOnce, lines)
		}
	})
}
