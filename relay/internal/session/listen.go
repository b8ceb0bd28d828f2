package session

import "chat/relay/wire"

// forListeners are the requests of those who may only read. They concern only themselves: even
// their own nick, and whom they ignore.
var forListeners = map[string]bool{
	"nick": true, "who": true, "ignore": true, "unignore": true, "quit": true, "help": true,
	wire.TypeHistory: true, wire.TypeSearch: true, wire.TypeInvite: true,
	wire.TypePing: true, wire.TypeHello: true,
	wire.TypeCommand: true, // which is another request, of these or not
}

// isForListeners reports whether someone who may only read may make a request.
func isForListeners(req *wire.Request) bool {
	switch req.Type {
	case "topic", wire.TypeFiles:
		return req.Text == "" // it asks for the topic, or for the list
	}
	return forListeners[req.Type]
}
