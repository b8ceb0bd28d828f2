package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"chat/relay/seal"
)

// maxEntry is the limit of an answer of /enter in bytes.
const maxEntry = 4 << 10

// authorize adds to a request what lets the client into a sealed room: its secret, or a cookie that
// it got for its key. The connection is to the host that has the right key.
func (t *transfer) authorize(r *http.Request) error {
	s := t.client.sealing
	if secret := s.secretToShow(); secret != "" {
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

// enter gets a cookie for the client's key.
func (t *transfer) enter(signer Signer) error {
	challenge, err := t.challenge()
	if err != nil {
		return err
	}
	t.client.mu.Lock()
	room := t.client.identity.Room
	t.client.mu.Unlock()
	signature, err := signer.Sign(seal.SignedData(room, []byte(challenge)))
	if err != nil {
		return permanentError{err}
	}
	body, err := json.Marshal(map[string]string{"key": signer.Key(), "signature": signature, "challenge": challenge})
	if err != nil {
		return permanentError{err}
	}
	r := t.newRequest(http.MethodPost, "/enter", "Content-Type", "application/json")
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res, err := t.send(r)
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

// challenge returns what the client's key must sign.
func (t *transfer) challenge() (string, error) {
	res, err := t.send(t.newRequest(http.MethodGet, "/enter"))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct{ Challenge string }
	if err := json.NewDecoder(io.LimitReader(res.Body, maxEntry)).Decode(&answer); err != nil || len(answer.Challenge) != seal.BindingLength {
		return "", permanentError{errors.New("the host gives no challenge")}
	}
	return answer.Challenge, nil
}
