package session

import (
	"sync"

	"chat/relay/internal/clock"
	"chat/relay/internal/room"
)

// maxDrafts is how many messages are posted together at most. It bounds how long one session
// holds the room's lock. Their texts also fit in one read.
const maxDrafts = 64

// drafts are messages of one session that arrived together and are not posted yet. They
// are posted before anything else is done for the session.
type drafts struct {
	list []room.Draft // the first ones of all
	all  [maxDrafts]room.Draft
}

// spareDrafts are not in use: only a session that is about to post needs any.
var spareDrafts = sync.Pool{New: func() any { return new(drafts) }}

// draft posts a message, at once or with those that arrived with it.
func (s *Session) draft(seq uint64, text string) {
	if s.drafts == nil {
		s.drafts = spareDrafts.Get().(*drafts)
		s.drafts.list = s.drafts.all[:0]
	}
	s.drafts.list = append(s.drafts.list, room.Draft{Seq: seq, Text: text})
	if len(s.drafts.list) == maxDrafts {
		s.postDrafts()
	}
}

// postDrafts posts the session's drafts, and waits while the log has too many uncommitted
// events.
func (s *Session) postDrafts() {
	d := s.drafts
	if d == nil {
		return
	}
	s.drafts = nil // reject calls postDrafts
	for list := d.list; len(list) > 0; {
		posted, err := s.door.Room.PostAll(&s.member, list, clock.Now())
		if posted > 0 {
			s.noteSent(nil)
		}
		if err == nil {
			break
		}
		s.noteSent(err)
		s.reject(list[posted].Seq, err) // before those that follow are posted
		list = list[posted+1:]
	}
	clear(d.list)
	spareDrafts.Put(d)
	s.awaitDisk()
}
