//go:build linux

package main

import (
	"bytes"
	"fmt"
)

// A dialect is what a server is spoken to in.
type dialect struct {
	hello   func(nick string, talks bool) string                  // what a client begins with
	control func(line []byte, talks bool) (reply string, in bool) // answers a line that is no message
	say     func(text string) string                              // the line that says a text
	bye     string                                                // leaves; empty: end the sending side
	before  int                                                   // bytes of lines before a message's own
	after   int                                                   // bytes behind a message's text
	echo    bool                                                  // a sender gets its own messages
	frames  bool                                                  // lines come in frames, from an empty line on
	labels  bool                                                  // labels may stand inside a text
	acked   func(line []byte) bool                                // acknowledges a sender's next message; nil: that it comes back does
}

func nick(id int) string { return fmt.Sprintf("s%04d", id) }

// Clients that only listen say nothing, and are greeted as guests.
var textDialect = dialect{
	hello: func(nick string, talks bool) string {
		if talks {
			return "/nick " + nick + "\n"
		}
		return ""
	},
	control: func(line []byte, talks bool) (string, bool) {
		if talks {
			return "", bytes.HasPrefix(line, []byte("* you are now "))
		}
		return "", bytes.HasPrefix(line, []byte("* Welcome to "))
	},
	say:   func(text string) string { return text + "\n" },
	bye:   "/quit\n",
	after: 1,
}

var jsonDialect = dialect{
	hello: func(nick string, _ bool) string {
		return `{"type":"hello","version":1,"nick":"` + nick + `","backlog":0}` + "\n"
	},
	control: func(line []byte, _ bool) (string, bool) {
		return "", bytes.HasPrefix(line, []byte(`{"type":"welcome"`))
	},
	// A seq begins as the message's number does, and is counted up with it.
	say: func(text string) string {
		return fmt.Sprintf(`{"type":"say","seq":%d,"text":"%s"}`+"\n", firstNumber, text)
	},
	bye:   `{"type":"quit"}` + "\n",
	after: len(`"}` + "\n"),
	echo:  true,
}

var natsDialect = dialect{
	hello: func(string, bool) string {
		return `CONNECT {"verbose":false,"pedantic":false,"echo":false}` + "\r\nSUB chat 1\r\nPING\r\n"
	},
	control: func(line []byte, _ bool) (string, bool) {
		if bytes.HasPrefix(line, []byte("PING")) {
			return "PONG\r\n", false
		}
		return "", bytes.HasPrefix(line, []byte("PONG"))
	},
	say:    func(text string) string { return fmt.Sprintf("PUB chat %d\r\n%s\r\n", len(text), text) },
	before: len(fmt.Sprintf("MSG chat 1 %d\r\n", textSize)),
	after:  2,
}

var ircDialect = dialect{
	hello: func(nick string, _ bool) string { return "NICK " + nick + "\r\nUSER x 0 * :x\r\n" },
	control: func(line []byte, _ bool) (string, bool) {
		switch {
		case bytes.HasPrefix(line, []byte("PING ")):
			return "PONG" + string(line[4:]), false
		case bytes.Contains(line, []byte(" 001 ")):
			return "JOIN #c\r\n", false
		}
		return "", bytes.Contains(line, []byte(" 366 "))
	},
	say:   func(text string) string { return "PRIVMSG #c :" + text + "\r\n" },
	bye:   "QUIT\r\n",
	after: 2,
}

// Ncat labels what it read at once, not lines.
var ncatDialect = dialect{
	hello: func(string, bool) string { return "" },
	control: func(line []byte, _ bool) (string, bool) {
		return "", bytes.Contains(line, []byte("<announce>"))
	},
	say:    func(text string) string { return text + "\n" },
	after:  1,
	labels: true,
}

var tutorialDialect = dialect{
	hello: func(string, bool) string { return "" },
	control: func(line []byte, _ bool) (string, bool) {
		return "", bytes.HasPrefix(line, []byte("You are "))
	},
	say:   func(text string) string { return text + "\n" },
	after: 1,
	echo:  true,
}

// The bare program takes its orders on a connection of their own; see bare.go.
var bareDialect = dialect{
	hello: func(string, bool) string { return "" },
	control: func(line []byte, _ bool) (string, bool) {
		return "", bytes.HasPrefix(line, []byte("listen"))
	},
	say:   func(text string) string { return "10:02 <s0000> " + text + "\n" },
	after: 1,
	echo:  true,
}
