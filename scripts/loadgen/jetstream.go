//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// The stream stores the messages in a file. Only senders ask for acknowledgements. The
// others subscribe as without a stream, which costs the server least.
const stream = "chat"

var jetStreamDialect = dialect{
	hello: func(nick string, _ bool) string {
		return `CONNECT {"verbose":false,"pedantic":false,"echo":false}` + "\r\nSUB chat 1\r\nSUB " + ackTo(nick) + " 2\r\nPING\r\n"
	},
	handleControl: natsDialect.handleControl,
	message: func(text string) string {
		return fmt.Sprintf("PUB chat %s %d\r\n%s\r\n", ackTo(senderNick(text)), len(text), text)
	},
	acked:  func(line []byte) bool { return bytes.HasPrefix(line, []byte(`{"stream":"`+stream+`","seq":`)) },
	before: len(fmt.Sprintf("MSG chat 1 %s %d\r\n", ackTo(nick(0)), textSize)),
	after:  2,
	echo:   true, // the acknowledgement replaces the echo
}

func ackTo(nick string) string { return "ack." + nick }

// senderNick returns the nick of a text's sender; see newText.
func senderNick(text string) string { return nick(senderOf([]byte(text[len(text)-tailSize:]))) }

func jetStreamArgv(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
	dir, err := b.diskDir("jetstream")
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: always }\n", addr, dir)
	path := filepath.Join(dir, "nats.conf")
	return []string{b.opts.nats, "-c", path}, os.WriteFile(path, []byte(conf), 0o644)
}

// makeStream creates the stream on the server.
func makeStream(server netip.AddrPort) error {
	conn, lines, err := connectClient(server.String(), &jetStreamDialect, nick(0))
	if err != nil {
		return err
	}
	defer conn.Close()
	wanted := fmt.Sprintf(`{"name":%q,"subjects":["chat"],"storage":"file"}`, stream)
	if _, err := fmt.Fprintf(conn, "PUB $JS.API.STREAM.CREATE.%s %s %d\r\n%s\r\n", stream, ackTo(nick(0)), len(wanted), wanted); err != nil {
		return err
	}
	for {
		line, err := lines.ReadString('\n')
		switch {
		case err != nil:
			return fmt.Errorf("wait for the stream: %w", err)
		case strings.Contains(line, `"error":`):
			return fmt.Errorf("create the stream: %s", line)
		case strings.Contains(line, `"did_create":true`):
			return nil
		}
	}
}
