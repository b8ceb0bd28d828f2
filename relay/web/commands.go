package web

import (
	"encoding/json"
	"net/http"

	"chat/relay/wire"
)

// A pageCommand is a command of [wire.Commands] as GET /commands lists it.
type pageCommand struct {
	Name     string `json:"name"`
	Usage    string `json:"usage"`
	Help     string `json:"help"`
	Operator bool   `json:"operator"`
}

// pageCommands returns the commands that the page can use, as JSON. The page completes
// them and shows how they are used.
func pageCommands() []byte {
	var list []pageCommand
	for _, c := range wire.Commands {
		if c.Local == 0 || c.Local&wire.Page != 0 {
			list = append(list, pageCommand{c.Name, c.Usage(), c.Help, c.Operator})
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and booleans can always be encoded
	}
	return append(b, '\n')
}

// commands answers GET /commands.
func (h *Handler) commands(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(h.pageCommands)
}
