//go:build linux

package main

import (
	"bytes"
	"fmt"
)

// A dialect is a server's protocol, as far as a client needs it.
type dialect struct {
	hello         func(nick string, sends bool) string                  // the first lines of a client
	handleControl func(line []byte, sends bool) (reply string, in bool) // reads a line that is not a message; in: the server has let the client in
	message       func(text string) string                              // the line that sends a text
	quit          string                                                // the line that leaves; empty: close the sending side
	before        int                                                   // bytes of the lines before a message
	after         int                                                   // bytes after a message's text
	echo          bool                                                  // senders receive their own messages
	tls           bool                                                  // the connection is encrypted
	record        int                                                   // the limit of bytes that are encrypted as one record
	frames        bool                                                  // lines come in WebSocket frames, after an empty line
	hasLabels     bool                                                  // labels may be inside a text
	acked         func(line []byte) bool                                // whether a line acknowledges the sender's next message; nil: the echo does
}

func nick(id int) string { return fmt.Sprintf("s%04d", id) }

// Clients that only receive send nothing, and the server gives them guest nicks.
var textDialect = dialect{
	hello: func(nick string, sends bool) string {
		if sends {
			return "/nick " + nick + "\n"
		}
		return ""
	},
	handleControl: func(line []byte, sends bool) (string, bool) {
		if sends {
			return "", bytes.HasPrefix(line, []byte("* you are now "))
		}
		return "", bytes.HasPrefix(line, []byte("* Welcome to "))
	},
	message: func(text string) string { return text + "\n" },
	quit:    "/quit\n",
	after:   1,
}

var jsonDialect = dialect{
	hello: func(nick string, _ bool) string {
		return `{"type":"hello","version":1,"nick":"` + nick + `","backlog":0}` + "\n"
	},
	handleControl: func(line []byte, _ bool) (string, bool) {
		return "", bytes.HasPrefix(line, []byte(`{"type":"welcome"`))
	},
	// seq starts with the number of the first message and is counted up with it.
	message: func(text string) string {
		return fmt.Sprintf(`{"type":"say","seq":%d,"text":"%s"}`+"\n", firstNumber, text)
	},
	quit:  `{"type":"quit"}` + "\n",
	after: len(`"}` + "\n"),
	echo:  true,
}

var natsDialect = dialect{
	hello: func(string, bool) string {
		return `CONNECT {"verbose":false,"pedantic":false,"echo":false}` + "\r\nSUB chat 1\r\nPING\r\n"
	},
	handleControl: func(line []byte, _ bool) (string, bool) {
		if bytes.HasPrefix(line, []byte("PING")) {
			return "PONG\r\n", false
		}
		return "", bytes.HasPrefix(line, []byte("PONG"))
	},
	message: func(text string) string { return fmt.Sprintf("PUB chat %d\r\n%s\r\n", len(text), text) },
	before:  len(fmt.Sprintf("MSG chat 1 %d\r\n", textSize)),
	after:   2,
}

var ircDialect = dialect{
	hello: func(nick string, _ bool) string { return "NICK " + nick + "\r\nUSER x 0 * :x\r\n" },
	handleControl: func(line []byte, _ bool) (string, bool) {
		switch {
		case bytes.HasPrefix(line, []byte("PING ")):
			return "PONG" + string(line[4:]), false
		case bytes.Contains(line, []byte(" 001 ")):
			return "JOIN #c\r\n", false
		}
		return "", bytes.Contains(line, []byte(" 366 "))
	},
	message: func(text string) string { return "PRIVMSG #c :" + text + "\r\n" },
	quit:    "QUIT\r\n",
	after:   2,
}

// Ncat labels what one read returned, not lines.
var ncatDialect = dialect{
	hello: func(string, bool) string { return "" },
	handleControl: func(line []byte, _ bool) (string, bool) {
		return "", bytes.Contains(line, []byte("<announce>"))
	},
	message:   func(text string) string { return text + "\n" },
	after:     1,
	hasLabels: true,
}

var tutorialDialect = dialect{
	hello: func(string, bool) string { return "" },
	handleControl: func(line []byte, _ bool) (string, bool) {
		return "", bytes.HasPrefix(line, []byte("You are "))
	},
	message: func(text string) string { return text + "\n" },
	after:   1,
	echo:    true,
}

// The bare server gets its orders on a connection of their own; see bare.go.
var bareDialect = dialect{
	hello: func(string, bool) string { return "" },
	handleControl: func(line []byte, _ bool) (string, bool) {
		return "", bytes.HasPrefix(line, []byte("listen"))
	},
	message: func(text string) string { return "10:02 <s0000> " + text + "\n" },
	after:   1,
	echo:    true,
}
