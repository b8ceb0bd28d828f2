package client

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"chat/relay/wire"
)

func TestProbe(t *testing.T) {
	room := `{"type":"room","room":"00ff","title":"kit\u001bchen","version":1,"app":"chat 1.0.0","count":3}` + "\n"
	tests := []struct {
		name   string
		answer string
		want   wire.RoomInfo
		code   wire.Code
		text   string
		is     error
	}{
		{name: "room", answer: room, want: wire.RoomInfo{ID: "00ff", Title: "kit␛chen", Version: 1, App: "chat 1.0.0", Members: 3}},
		{name: "greets us as a person first", answer: "* Welcome\n10:02 <bob> {\n" + room, want: wire.RoomInfo{ID: "00ff", Title: "kit␛chen", Version: 1, App: "chat 1.0.0", Members: 3}},
		{name: "a title that forges a table", answer: strings.Replace(room, `kit\u001bchen`, "kitchen"+strings.Repeat("\u2800", 60)+"10.0.0.1", 1), want: wire.RoomInfo{ID: "00ff", Title: "kitchen 10.0.0.1", Version: 1, App: "chat 1.0.0", Members: 3}},
		{name: "full", answer: "! the room is full\n", text: "the room is full"},
		{name: "refused by code", answer: `{"type":"error","code":"banned","text":"not you"}` + "\n", code: wire.CodeBanned, text: "not you"},
		{name: "web server", answer: "HTTP/1.1 400 Bad Request\r\n\r\n", is: ErrNoRoom},
		{name: "other JSON", answer: `{"jsonrpc":"2.0","id":null}` + "\n", is: ErrNoRoom},
		{name: "an endless line", answer: strings.Repeat("x", maxProbeRead+1), is: ErrNoRoom},
		{name: "hangs up", answer: "", is: errHungUp},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			addr := listen(t, func(conn net.Conn) {
				line, err := wire.NewLineReader(conn, 1<<10).ReadLine()
				if r, err := wire.ParseRequest(line); err != nil || !r.Probe || r.Type != wire.TypeHello {
					t.Errorf("got %s (%v), want a hello with probe", line, err)
				}
				if err == nil {
					conn.Write([]byte(test.answer))
				}
			})
			got, err := Probe(t.Context(), addr)
			refusal, _ := errors.AsType[*RefusedError](err)
			switch {
			case test.is != nil:
				if !errors.Is(err, test.is) {
					t.Errorf("Probe: %v, want %v", err, test.is)
				}
			case test.text != "":
				if refusal == nil || refusal.Code != test.code || refusal.Text != test.text {
					t.Errorf("Probe: %v, want a refusal %q %q", err, test.code, test.text)
				}
			case err != nil || got != test.want:
				t.Errorf("Probe = %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

func TestProbeIsBounded(t *testing.T) {
	addr := listen(t, func(conn net.Conn) { conn.Read(make([]byte, 1<<10)); conn.Read(make([]byte, 1)) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Probe(ctx, addr); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Probe: %v, want the deadline", err)
	}
}

// A host that refuses a connection may reset it before it reads the hello.
func TestRefusalBeforeTheHelloIsRead(t *testing.T) {
	addr := listen(t, func(conn net.Conn) { conn.Write([]byte("! too many connections\n")) })
	_, err := Join(t.Context(), Options{Addr: addr})
	if refusal, ok := errors.AsType[*RefusedError](err); ok {
		if refusal.Text != "too many connections" {
			t.Errorf("Join: %v", err)
		}
		return
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Join: %v, want an end at once", err)
	}
}

// listen serves one connection on loopback and returns its address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for { // a sealed room is dialed twice
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}
