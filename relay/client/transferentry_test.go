package client

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"chat/relay/seal"
	"chat/relay/wire"
)

// Who enters by key signs the connection of an upload, and never a challenge: a hostile host could pass
// one on from another host, and enter there as the client.
func TestTransferSignsItsConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		opts := Options{Room: "r1", Seal: Seal{Pin: h.pin, Signer: testSigner{}}}
		c, end, err := joinSealed(t, h, opts, func() *hostEnd {
			end := h.accept()
			end.wantHello()
			end.send(welcomeTo("r1", wire.Event{}))
			return end
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			proof := h.accept()
			proof.send(answerTo("r1", proof.wantAny(wire.TypeHello)))
			proof.wantHangUp()
			conn := h.accept().conn.(*tls.Conn)
			defer conn.Close()
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil || r.Method != http.MethodPost || r.URL.Path != "/enter" {
				t.Errorf("the host is asked for %+v, %v", r, err)
				return
			}
			var entry map[string]string
			if err := json.NewDecoder(r.Body).Decode(&entry); err != nil {
				t.Error(err)
			}
			binding, err := bindingOf(conn)
			if err != nil {
				t.Error(err)
			}
			if want := fmt.Sprintf("%x", seal.SignedData("r1", binding)); len(entry) != 2 || entry["key"] != "the key" || entry["signature"] != want {
				t.Errorf("the client enters with %q, want the signature %q", entry, want)
			}
			fmt.Fprint(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		}()
		if _, err := c.Get(t.Context(), wire.File{Name: "x", Path: "/files/1/x", Size: 1, SHA256: strings.Repeat("0", 64)}, t.TempDir(), nil); statusOf(err) != http.StatusForbidden {
			t.Errorf("Get: %v", err)
		}
		<-done
		end.conn.Close()
		go c.Close()
	})
}
