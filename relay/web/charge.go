package web

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"chat/relay"
)

// A chargedWriter charges the client's address for the bytes of an answer, and delays them if
// too many were read. Files that the system copies to the connection cost nothing.
type chargedWriter struct {
	http.ResponseWriter
	conn    roomConn
	closing <-chan struct{} // ends waiting
	free    bool            // the rest of the answer costs nothing
}

// maxPiece is how many bytes of an answer are charged at once, so that an answer is slow
// rather than late.
const maxPiece = 64 << 10

func (w *chargedWriter) Write(b []byte) (n int, err error) {
	for !w.free && n < len(b) {
		piece := b[n:min(len(b), n+maxPiece)]
		w.wait(w.conn.Charge(len(piece)))
		written, err := w.ResponseWriter.Write(piece)
		if n += written; err != nil {
			return n, err
		}
	}
	if n < len(b) {
		written, err := w.ResponseWriter.Write(b[n:])
		return n + written, err
	}
	return n, nil
}

// wait waits for d, or until the handler is closed; also if the client has closed its sending
// side: it may still read.
func (w *chargedWriter) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.closing:
	}
}

// ReadFrom lets the server copy a file.
func (w *chargedWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

// Unwrap is for [http.ResponseController].
func (w *chargedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// awaitTurn waits until the client's address may read more. If that would take too long, it
// answers the request and returns false.
func awaitTurn(w http.ResponseWriter) bool {
	charged, ok := w.(*chargedWriter)
	if !ok {
		return true
	}
	delay := charged.conn.Delay()
	if delay > relay.MaxDelay {
		w.Header().Set("Retry-After", seconds(delay))
		http.Error(w, "too much is read from your address; try again in "+seconds(delay)+" s", http.StatusTooManyRequests)
		return false
	}
	charged.wait(delay)
	return true
}

// seconds returns a duration in whole seconds.
func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// stopCharging makes the rest of an answer free: events as they happen cost nothing.
func stopCharging(w http.ResponseWriter) {
	if charged, ok := w.(*chargedWriter); ok {
		charged.free = true
	}
}
