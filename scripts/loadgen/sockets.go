//go:build linux

package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"net/netip"
)

// natsSocketDialect is that of nats-server in the frames of a WebSocket.
var natsSocketDialect = dialect{
	hello: pageDialect.hello,
	handleControl: func(line []byte, sends bool) (string, bool) {
		switch {
		case isHeaderEnd(line):
			return frame(natsDialect.hello("", sends)), false
		case bytes.HasPrefix(line, []byte("PING")):
			return frame("PONG\r\n"), false
		}
		return natsDialect.handleControl(line, sends)
	},
	message: func(text string) string { return frame(natsDialect.message(text)) },
	before:  natsDialect.before,
	after:   natsDialect.after,
	frames:  true,
}

// broadcastDialect is that of broadcast.js: everyone gets the lines that a page sends as they
// are.
var broadcastDialect = dialect{
	hello: pageDialect.hello,
	handleControl: func(line []byte, _ bool) (string, bool) {
		return "", bytes.HasPrefix(line, []byte("welcome"))
	},
	message: pageDialect.message,
	after:   pageDialect.after,
	echo:    true,
	frames:  true,
}

func natsSocketArgv(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
	other, err := freeAddr() // nats-server has no WebSocket without a port for its own protocol
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("listen: %q\nmax_connections: 1000000\nwrite_deadline: \"120s\"\nwebsocket { listen: %q, no_tls: true }\n", other, addr)
	path, err := b.file("nats-socket.conf", conf)
	return []string{b.opts.nats, "-c", path}, err
}

//go:embed broadcast.js
var broadcastJS string

func broadcastArgv(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
	if b.opts.ws == "" {
		return nil, fmt.Errorf("the npm package ws is not installed")
	}
	path, err := b.file("broadcast.js", broadcastJS)
	return []string{"node", path, b.opts.ws, addr.Addr().String(), fmt.Sprint(addr.Port())}, err
}
