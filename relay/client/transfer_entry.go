package client

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"

	"chat/relay/seal"
)

// authorize adds to a request what lets the client into a sealed room: its secret, or a cookie that
// it got for its key. The connection is to the host that has the right key.
func (t *transfer) authorize(r *http.Request) error {
	s := t.client.sealing
	if secret := s.secretToSend(); secret != "" {
		r.Header.Set("Authorization", "Bearer "+string(secret)+".") // a token of ours would follow the last dot
		return nil
	}
	if !s.isSealed() || !s.hasKey() {
		return nil
	}
	if t.cookie == nil {
		if err := t.enter(s.opts.Signer); err != nil {
			return fmt.Errorf("enter the room by key: %w", err)
		}
	}
	r.AddCookie(t.cookie)
	return nil
}

// enter gets a cookie for the client's key. What the key signs is good for this connection only: a host that
// passed on the challenge of another one, as pages sign it, would enter there as the client.
func (t *transfer) enter(signer Signer) error {
	t.client.mu.Lock()
	room := t.client.identity.Room
	t.client.mu.Unlock()
	var body bytes.Buffer
	var failed error
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { // before the body is read
		body.Reset()
		failed = signEntry(&body, signer, room, info.Conn)
	}}
	r := t.newRequest(http.MethodPost, "/enter", "Content-Type", "application/json")
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	r.Body, r.ContentLength = io.NopCloser(&body), -1
	res, err := t.send(r)
	if failed != nil {
		err = permanentError{failed}
	}
	if err != nil {
		return err
	}
	res.Body.Close()
	for _, cookie := range res.Cookies() {
		if strings.HasPrefix(cookie.Name, "chat-") {
			t.cookie = &http.Cookie{Name: cookie.Name, Value: cookie.Value}
			return nil
		}
	}
	return permanentError{errors.New("the host gives no cookie")}
}

// signEntry writes the request to enter a room by key over conn.
func signEntry(w io.Writer, signer Signer, room string, conn net.Conn) error {
	if outer, ok := conn.(*transferConn); ok {
		conn = outer.Conn
	}
	encrypted, ok := conn.(*tls.Conn)
	if !ok {
		return errors.New("the connection is not encrypted")
	}
	binding, err := bindingOf(encrypted)
	if err != nil {
		return err
	}
	signature, err := signer.Sign(seal.SignedData(room, binding))
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(map[string]string{"key": signer.Key(), "signature": signature})
}
