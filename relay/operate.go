package relay

import (
	"chat/relay/internal/clock"
	"chat/relay/wire"
)

// This file is how the host itself moderates its room, without a member: "host (admin)".

// Operate carries out what an operator may request (kick, ban, unban, mute, unmute, release, op, deop, bans,
// files, and invite with "new") in the name of "host (admin)". The room's log records it, with its reason, as if an operator had typed the
// command. It returns a notice for the one who asked, perhaps of several lines; the error is a [*wire.Fault].
func (s *Server) Operate(req *wire.Request) (notice string, err error) {
	return s.door.Operate(s.room.Admin(), req)
}

// Operators returns the nicks of the operators made by /op, present or away.
func (s *Server) Operators() []string { return s.room.Operators() }

// ProofKey returns the key by which the host proves itself to the client with an ID, which need not exist: see
// [wire.ProofOf].
func (s *Server) ProofKey(client string) string { return s.room.KeyOf(client) }

// Record adds to the room's log that "host (admin)" did something that is no request, such as changing a limit or
// stopping the host. did is what, in words that follow that name: "changed the limit rate to 5", at most
// 300 bytes. code names it for programs: "limits", "backup", "stop". The error is a [*wire.Fault].
func (s *Server) Record(code wire.Code, did string) error {
	return s.room.Record(s.room.Admin(), code, did, clock.Now())
}
