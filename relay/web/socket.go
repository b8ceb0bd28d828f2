package web

import (
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// handshakeTime is how long the answer to a handshake may take to be written.
const handshakeTime = 10 * time.Second

// socket takes a page's WebSocket, or its stream, into the room. ServeHTTP has checked that the page is the
// host's own.
func (h *Handler) socket(w http.ResponseWriter, r *http.Request) {
	if acceptsStream(r) {
		h.serveStream(w, r)
		return
	}
	accept, ok := checkHandshake(w, r)
	if !ok {
		return
	}
	conn, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		h.opts.Log.Debug("no WebSocket", "error", err)
		http.Error(w, "this connection cannot become a WebSocket", http.StatusNotImplemented)
		return
	}
	if c, ok := conn.(*stallConn); ok {
		conn = c.Conn // a session has a stall time of its own
	}
	ahead, _ := buffers.Reader.Peek(buffers.Reader.Buffered())
	if err := sendHandshake(conn, accept); err != nil {
		h.opts.Log.Debug("no WebSocket", "error", err)
		conn.Close()
		return
	}
	h.room.ServeWebSocket(conn, slices.Clone(ahead), *enteredBy(r))
}

// checkHandshake returns the answer to the key of a handshake (RFC 6455, section 4.2.1). If r
// is no handshake that can be accepted, it answers r itself. Extensions and subprotocols that
// the client offers are declined by not being named.
func checkHandshake(w http.ResponseWriter, r *http.Request) (accept string, ok bool) {
	keys := r.Header.Values("Sec-WebSocket-Key")
	switch {
	case r.Method != http.MethodGet: // HEAD
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "a WebSocket is opened by GET", http.StatusMethodNotAllowed)
	case !r.ProtoAtLeast(1, 1), !hasToken(r.Header["Connection"], "upgrade"), !hasToken(r.Header["Upgrade"], "websocket"):
		upgradeRequired(w, "this is the address of a WebSocket")
	case !slices.Equal(r.Header.Values("Sec-WebSocket-Version"), []string{"13"}):
		upgradeRequired(w, "only version 13 of WebSocket is supported")
	case len(keys) != 1 || !isKey(keys[0]):
		http.Error(w, "Sec-WebSocket-Key has to be 16 bytes in base64, once", http.StatusBadRequest)
	case r.ContentLength != 0:
		http.Error(w, "a handshake has no body", http.StatusBadRequest)
	default:
		return acceptKey(keys[0]), true
	}
	return "", false
}

// upgradeRequired answers that a WebSocket of version 13 is needed (RFC 6455, section 4.4).
func upgradeRequired(w http.ResponseWriter, text string) {
	header := w.Header()
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", "websocket")
	header.Set("Sec-WebSocket-Version", "13")
	http.Error(w, text, http.StatusUpgradeRequired)
}

// hasToken reports whether one of the comma-separated lists has token, in any case.
func hasToken(lists []string, token string) bool {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

func isKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16
}

// acceptKey is the proof that the host has read the key (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// sendHandshake answers a handshake on a connection that HTTP has given up.
func sendHandshake(conn net.Conn, accept string) error {
	conn.SetWriteDeadline(time.Now().Add(handshakeTime))
	_, err := conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + accept + "\r\n\r\n"))
	conn.SetWriteDeadline(time.Time{})
	return err
}
