package web

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"

	"chat/relay/internal/access"
	"chat/relay/seal"
	"chat/relay/wire"
)

// This file decides which requests are let into a sealed room. A browser exchanges the secret, once, for a
// cookie; a script sends the secret with each request.

// enteredKey is the key of the credentials of a request, an *access.Credentials, in its context.
type enteredKey struct{}

// enteredBy returns the credentials of a request; in a plain room empty ones.
func enteredBy(r *http.Request) *access.Credentials {
	if e, ok := r.Context().Value(enteredKey{}).(*access.Credentials); ok {
		return e
	}
	return &access.Credentials{}
}

// letIn returns the request with its credentials, if they allow it in a sealed room. If they do not, it rejects the
// request.
func (h *Handler) letIn(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	if !h.gate.IsSealed() {
		return r, true
	}
	valid := h.gate.Current()
	e, err := h.identify(r)
	if err != nil {
		h.rejectEntry(w, r, err)
		return nil, false
	}
	e.Valid = valid
	switch {
	case h.isKeyBanned(e.Key):
		http.Error(w, banned, http.StatusForbidden)
		return nil, false
	case e.Level == access.None && !isFree(r):
		h.rejectEntry(w, r, wire.Faultf(wire.CodeNoSecret,
			"this room is sealed: open its invite in a browser, or send its secret with the header Authorization: Bearer SECRET"))
		return nil, false
	case e.Level == access.Listen && !isRead(r) && r.URL.Path != "/enter" && r.URL.Path != "/socket": // its session rejects messages
		h.rejectEntry(w, r, wire.Faultf(wire.CodeListenOnly, "your invite is only for reading"))
		return nil, false
	}
	return r.WithContext(context.WithValue(r.Context(), enteredKey{}, &e)), true
}

// isKeyBanned reports whether the owner of a key, which may be nil, is banned: the client may come from another address.
func (h *Handler) isKeyBanned(k *access.Key) bool {
	return k != nil && h.room.IsKeyBanned(k.Fingerprint)
}

// isFree reports whether a request needs no secret: for the page without anything of the room, the
// description that everyone gets, the program, and the way in.
func isFree(r *http.Request) bool {
	switch path := r.URL.Path; path {
	case "/enter":
		return true
	case "/", "/room", "/commands", "/healthz":
		return isRead(r)
	default:
		return isRead(r) && (strings.HasPrefix(path, "/page/") || isOfGet(path))
	}
}

// isRead reports whether a request changes nothing.
func isRead(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

// identify returns the credentials of a request, by the secret in its header or by its cookie. In the header it leaves only
// the script's own token. The error is a [*wire.Fault]: the secret is wrong.
func (h *Handler) identify(r *http.Request) (access.Credentials, error) {
	if secret, own, ok := secretIn(r); ok {
		level, err := h.gate.Check(addressOf(r), secret, r.Context().Done())
		if err != nil {
			return access.Credentials{}, err
		}
		r.Header.Del("Authorization")
		if own != "" {
			r.Header.Set("Authorization", "Bearer "+own)
		}
		return h.gate.Grant(level, nil), nil
	}
	level, key, _ := h.readCookie(r)
	return h.gate.Grant(level, key), nil
}

// secretIn returns the secret in the header of a request, and the token that follows its last dot.
func secretIn(r *http.Request) (secret, own string, ok bool) {
	secret, ok = bearer(r)
	if dot := strings.LastIndexByte(secret, '.'); dot >= 0 {
		secret, own = secret[:dot], secret[dot+1:]
	}
	return secret, own, ok
}

// readCookie returns the level and the key of a request's cookie. A browser may send several of the name: those of a longer
// path first.
func (h *Handler) readCookie(r *http.Request) (level access.Level, key *access.Key, ok bool) {
	for _, cookie := range r.CookiesNamed(h.gate.CookieName()) {
		if level, key, ok := h.gate.ReadCookie(cookie.Value); ok {
			return level, key, true
		}
	}
	return access.None, nil, false
}

// rejectEntry answers a request that err, a [*wire.Fault], keeps out. It logs wrong secrets and signatures.
func (h *Handler) rejectEntry(w http.ResponseWriter, r *http.Request, err error) {
	fault, ok := errors.AsType[*wire.Fault](err)
	if !ok {
		h.reject(w, err)
		return
	}
	switch fault.Code {
	case wire.CodeNoSecret, wire.CodeAuthFailed:
		if fault.Code == wire.CodeAuthFailed {
			h.room.LogRefusal(r.RemoteAddr, addressOf(r), fault.Code)
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="chat"`) // RFC 6750, section 3
	case wire.CodeTooMany:
		w.Header().Set("Retry-After", "60") // seconds
	}
	h.reject(w, &rejection{fault.Event(0)})
}

// --- the way in -------------------------------------------------------------------

// maxEnter is the limit of the body of POST /enter, in bytes.
const maxEnter = 8 << 10

// describeEntry answers GET /enter: which room this is, and the challenge that a browser's key signs.
func (h *Handler) describeEntry(w http.ResponseWriter, _ *http.Request) {
	info := h.room.Info()
	h.writeJSON(w, struct {
		Room      string `json:"room"`
		Title     string `json:"title"`
		Sealed    bool   `json:"sealed"`
		Challenge string `json:"challenge"`
	}{info.ID, info.Title, true, h.gate.Challenge()})
}

// An enterRequest is the body of POST /enter. A key may come alone, if the browser has a cookie.
type enterRequest struct {
	Secret    string `json:"secret"`    // or a whole invite
	Key       string `json:"key"`       // as in a hello
	Signature string `json:"signature"` // of the challenge, as in a hello
	Challenge string `json:"challenge"` // "": the connection is signed
}

// enter answers POST /enter: it exchanges a secret, a key, or both for a cookie.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request) {
	body, err := readEnter(w, r)
	if err != nil {
		h.reject(w, err)
		return
	}
	valid := h.gate.Current()
	level, key, _ := h.readCookie(r)
	if body.Secret != "" {
		if level, err = h.gate.Check(addressOf(r), access.SecretIn(body.Secret), r.Context().Done()); err != nil {
			h.rejectEntry(w, r, err)
			return
		}
	}
	if body.Key != "" {
		if key, err = h.verifyKey(r, &body); err != nil {
			h.rejectEntry(w, r, err)
			return
		}
	}
	if h.isKeyBanned(key) {
		http.Error(w, banned, http.StatusForbidden)
		return
	}
	proven := h.gate.Grant(level, key)
	if proven.Level == access.None {
		h.rejectEntry(w, r, h.gate.WhyNot())
		return
	}
	cookie := h.gate.Cookie(level, key)
	if access.BySecretNow(level, valid) != level { // otherwise the cookie would be one of the new secret
		h.rejectEntry(w, r, wire.Faultf(wire.CodeAuthFailed, "the secret has just been replaced; ask for the current invite"))
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: h.gate.CookieName(), Value: cookie, Path: "/", MaxAge: int(access.CookieTime.Seconds()),
		HttpOnly: true, Secure: isEncrypted(r), SameSite: http.SameSiteStrictMode,
	})
	answer := struct {
		Access string `json:"access"`
		Tag    string `json:"tag,omitempty"` // of the key
	}{Access: proven.Level.String()}
	if key != nil {
		answer.Tag = key.Tag
	}
	h.writeJSON(w, answer)
}

// readEnter reads the body of POST /enter, JSON or a form. The error is a *statusError; it does not repeat the
// body.
func readEnter(w http.ResponseWriter, r *http.Request) (body enterRequest, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxEnter)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		err = json.NewDecoder(r.Body).Decode(&body)
	} else if err = r.ParseForm(); err == nil {
		form := r.PostForm // not r.Form: it includes the address, and addresses are logged
		body = enterRequest{form.Get("secret"), form.Get("key"), form.Get("signature"), form.Get("challenge")}
	}
	if err != nil {
		return enterRequest{}, &statusError{http.StatusBadRequest, `send the secret as {"secret":"…"}, or as a form`}
	}
	return body, nil
}

// verifyKey returns the key that the client has proved to have. A program signs its connection, as in a hello; a page, which
// does not know its connection, a challenge. The error is a [*wire.Fault].
func (h *Handler) verifyKey(r *http.Request, body *enterRequest) (*access.Key, error) {
	binding := []byte(body.Challenge)
	conn, ok := r.Context().Value(connKey{}).(roomConn)
	switch {
	case body.Challenge == "" && ok: // behind a proxy it is the proxy's connection, which no client signs
		var err error
		if binding, err = conn.Exporter(seal.ExporterLabel, seal.BindingLength); err != nil {
			h.opts.Log.Debug("a connection has no keying material", "remote", r.RemoteAddr, "error", err)
			return nil, wire.Faultf(wire.CodeAuthFailed, "your key cannot be checked on this connection; sign a challenge")
		}
	case !h.gate.IsChallenge(body.Challenge):
		return nil, wire.Faultf(wire.CodeAuthFailed, "the challenge is too old; get another one")
	}
	return access.CheckKey(body.Key, body.Signature, h.room.Info().ID, binding, r.Context().Done())
}

// inviteOf returns the invite that the sender of a request may pass on; false: there is none, or the secret that it came with has
// just been replaced.
func (h *Handler) inviteOf(r *http.Request) (seal.Invite, bool) {
	e := enteredBy(r)
	invite, ok := h.room.Invite(e.Level)
	return invite, ok && access.BySecretNow(e.BySecret, e.Valid) == e.BySecret
}

func (h *Handler) writeJSON(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		h.opts.Log.Debug("write an answer", "error", err)
	}
}

// isEncrypted reports whether the client's connection is encrypted, by the host or by a proxy that it trusts.
func isEncrypted(r *http.Request) bool {
	if isForwarded(r) {
		return strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	}
	conn, ok := r.Context().Value(connKey{}).(roomConn)
	return ok && conn.IsEncrypted()
}
