package web

import (
	"encoding/json"
	"net/http"

	"chat/relay/text"
)

// A nickCheck is the answer to GET /nick: whether the room would accept a nick.
type nickCheck struct {
	Nick   string `json:"nick"`             // as the room would show it, or a proposal; "": there is none
	Reason string `json:"reason,omitempty"` // why it is not valid
}

// checkNick answers GET /nick?nick=NAME. The page asks before it joins, so that a person sees why a nick
// is not valid while they can choose another.
func (h *Handler) checkNick(w http.ResponseWriter, r *http.Request) {
	wanted := r.URL.Query().Get("nick")
	nick, err := text.NormalizeNick(wanted)
	answer := nickCheck{Nick: nick}
	if err != nil {
		answer = nickCheck{text.ProposeNick(wanted), text.Clean(err.Error())}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}
