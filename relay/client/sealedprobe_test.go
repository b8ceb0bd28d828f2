package client

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"chat/relay/wire"
)

// A sealed room is probed over an encrypted connection, which shows the host's pin, whether or not it
// is announced as sealed; a plain room that is announced so is probed too.
func TestProbeSealed(t *testing.T) {
	certificate, pin := newCertificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	serve := func(answersPlain wire.Event, saysSealed bool) func(net.Conn) {
		return func(plain net.Conn) {
			lines := wire.NewLineReader(plain, 1<<10)
			plain.SetReadDeadline(time.Now().Add(10 * time.Second))
			if lines.Fill(); len(lines.Pending()) > 0 && lines.Pending()[0] != 0x16 {
				plain.Write(answersPlain.AppendJSON(nil))
				return
			}
			conn := tls.Server(fed{plain, lines}, config)
			line, err := wire.NewLineReader(conn, 1<<10).ReadLine()
			if r, err := wire.ParseRequest(line); err != nil || !r.Probe || r.Secret != "" || r.Token != "" {
				t.Errorf("got %s (%v), want a hello with probe", line, err)
			}
			if err == nil {
				answer := wire.Event{Type: wire.TypeRoom, Room: "00ff", Title: "lab", Instance: "i1", Sealed: saysSealed}
				conn.Write(answer.AppendJSON(nil))
			}
		}
	}
	refusal := wire.Event{Type: wire.TypeError, Code: wire.CodeSealed, Text: "this room is sealed"}
	onThisMachine := wire.Event{Type: wire.TypeRoom, Room: "00ff", Title: "lab", Sealed: true}
	for name, test := range map[string]struct {
		plain                 wire.Event
		announced, saysSealed bool
	}{
		"announced": {refusal, true, true}, "not announced": {refusal, false, true}, "on this machine": {onThisMachine, false, true}, "not said": {refusal, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ProbeWith(t.Context(), listen(t, serve(test.plain, test.saysSealed)), wire.NewNonce(), test.announced)
			if want := (wire.RoomInfo{ID: "00ff", Title: "lab", Instance: "i1", Sealed: true, Pin: string(pin)}); err != nil || got != want {
				t.Errorf("ProbeWith = %+v, %v; want %+v", got, err, want)
			}
		})
	}
	t.Run("a plain room that is announced as sealed", func(t *testing.T) {
		addr := listen(t, func(conn net.Conn) {
			if line, err := wire.NewLineReader(conn, 4<<10).ReadLine(); err != nil || len(line) == 0 || line[0] != '{' {
				conn.Write([]byte("\x15\x03\x03\x00\x02\x02\x46"))
				return
			}
			answer := wire.Event{Type: wire.TypeRoom, Room: "00ff", Title: "lab"}
			conn.Write(answer.AppendJSON(nil))
		})
		if got, err := ProbeWith(t.Context(), addr, "", true); err != nil || got != (wire.RoomInfo{ID: "00ff", Title: "lab"}) {
			t.Errorf("ProbeWith = %+v, %v", got, err)
		}
	})
}

// A fed connection is read from what lines have read of it, then from itself.
type fed struct {
	net.Conn
	lines *wire.LineReader
}

func (f fed) Read(b []byte) (int, error) {
	if pending := f.lines.Pending(); len(pending) > 0 {
		n := copy(b, pending)
		rest := append([]byte(nil), pending[n:]...)
		f.lines.Release()
		if len(rest) > 0 {
			f.lines.Feed(rest)
		}
		return n, nil
	}
	return f.Conn.Read(b)
}
