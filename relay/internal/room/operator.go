package room

import (
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// adminNick is who acts if the host itself does. No member can have a nick with a space.
const adminNick = "host (admin)"

// Admin returns the operator that stands for the host itself. It is not in the room, and does not change.
func (r *Room) Admin() *Member { return r.admin }

func newAdmin() *Member {
	return &Member{nick: adminNick, identity: &identity{host: true, operator: true}}
}

// maxAct is how many bytes of what an operator did are recorded: more than any reason with what is before it.
const maxAct = 1 << 10

// Record adds to the log that an operator did something: what follows its nick in a sentence. The error is a
// [*wire.Fault].
func (r *Room) Record(by *Member, code wire.Code, did string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkOperatorLocked(by); err != nil {
		return err
	}
	return faultOf(r.recordLocked(by, code, "", did, now), "it is not in the history")
}

// recordLocked is Record; nick is whom the act is about, "": no one that others may know. A closed room records nothing more.
func (r *Room) recordLocked(by *Member, code wire.Code, nick, did string, now time.Time) error {
	if r.closed {
		return nil
	}
	e := &wire.Event{Type: wire.TypeOperator, Time: now, From: by.nick, Client: by.identity.id, Code: code, Nick: nick, Text: cleaned(text.Clean(did), maxAct)}
	_, err := r.log.Append(e, history.Origin{Author: by.identity.author})
	r.log.Wake()
	return err
}
