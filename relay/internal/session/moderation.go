package session

import (
	"time"

	"chat/relay/internal/clock"
	"chat/relay/internal/room"
	"chat/relay/wire"
)

// A moderator carries out a request of an operator. It returns a notice for the operator; the error is a [*wire.Fault].
type moderator func(r *room.Room, by *room.Member, req *wire.Request, now time.Time) (string, error)

// moderation are the requests of operators that need nothing but the room.
var moderation = map[string]moderator{
	"kick": func(r *room.Room, by *room.Member, req *wire.Request, now time.Time) (string, error) {
		return r.Kick(by, req.Nick, oneLine(req.Text), now)
	},
	"ban": func(r *room.Room, by *room.Member, req *wire.Request, now time.Time) (string, error) {
		return r.Ban(by, req.Nick, oneLine(req.Text), now)
	},
	"unban": func(r *room.Room, by *room.Member, req *wire.Request, now time.Time) (string, error) {
		return r.Unban(by, req.Nick, now)
	},
	"mute": func(r *room.Room, by *room.Member, req *wire.Request, now time.Time) (string, error) {
		return r.Mute(by, req.Nick, oneLine(req.Text), now)
	},
	"unmute": func(r *room.Room, by *room.Member, req *wire.Request, now time.Time) (string, error) {
		return r.Unmute(by, req.Nick, now)
	},
	"release": func(r *room.Room, by *room.Member, req *wire.Request, now time.Time) (string, error) {
		return r.Release(by, req.Nick, now)
	},
	"op": func(r *room.Room, by *room.Member, req *wire.Request, now time.Time) (string, error) {
		return r.Op(by, req.Nick, oneLine(req.Text), now)
	},
	"deop": func(r *room.Room, by *room.Member, req *wire.Request, now time.Time) (string, error) {
		return r.Deop(by, req.Nick, oneLine(req.Text), now)
	},
	"bans": func(r *room.Room, by *room.Member, _ *wire.Request, _ time.Time) (string, error) { return r.Bans(by) },
}

// Operate carries out a request in the name of by, an operator without a session. It returns a notice for by, which
// may be ""; the error is a [*wire.Fault].
func (d *Door) Operate(by *room.Member, req *wire.Request) (string, error) {
	c := wire.CommandNamed(req.Type)
	if c == nil || c.Local != 0 {
		return "", wire.Faultf(wire.CodeUnknown, "unknown command %s", req.Type)
	}
	if err := c.Check(req); err != nil {
		return "", err
	}
	switch do := moderation[req.Type]; {
	case do != nil:
		return do(d.Room, by, req, clock.Now())
	case req.Type == wire.TypeFiles:
		return d.uploads(by, req)
	case req.Type == wire.TypeInvite && isNew(req):
		return "the invite was replaced", d.RenewInvite(by)
	}
	return "", wire.Faultf(wire.CodeBadRequest, "%s is for members only", c.Usage())
}
