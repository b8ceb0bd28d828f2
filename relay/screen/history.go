package screen

import (
	"chat/relay/client"
	"chat/relay/wire"
)

// A history loads messages from the host that are older than the transcript. It is owned
// by Bubble Tea's event loop.
type history struct {
	c         *conversation
	requested uint64 // messages older than this ID were requested; 0: none were
	exhausted bool   // the host has no older ones, or the transcript is full
	foreign   int    // entries of a room that ended; older messages cannot be inserted before them
}

// historyPage is how many messages are requested when the top is reached.
const historyPage = 100

// request requests count messages that are older than the transcript. It reports
// whether an answer will come.
func (h *history) request(count int) bool {
	if h.requested > 0 {
		return true
	}
	oldest := h.c.oldestID()
	if h.exhausted || h.foreign > 0 || h.c.lost != nil || oldest <= 1 {
		return false
	}
	if _, err := h.c.room.Do(h.c.m.ctx, wire.Request{Type: wire.TypeHistory, Before: oldest, Count: count}); err == nil {
		h.requested = oldest
	}
	return h.requested > 0
}

// requestLost notes that no answer will come.
func (h *history) requestLost() { h.requested = 0 }

// answered puts the messages of an answer into the transcript.
func (h *history) answered(e *client.Received) {
	if e.Before != h.requested {
		return
	}
	h.requested = 0
	var older []entry
	for i := range e.Events {
		old := h.c.linked(&e.Events[i])
		n, ok := h.c.transcript.entryOf(old, old.Client == h.c.clientID, h.c.nick)
		if ok && (n.kind == kindMessage || n.kind == kindAction) {
			older = append(older, n)
		}
	}
	h.exhausted = h.c.prepend(older) == 0
	h.c.search.historyLoaded()
}

// newRoom notes that all entries are of a room that ended.
func (h *history) newRoom() { h.foreign = len(h.c.transcript.entries) }

// entriesDropped notes that the first n entries were dropped: the host may still have them.
func (h *history) entriesDropped(n int) {
	h.foreign = max(h.foreign-n, 0)
	h.exhausted = false
}
