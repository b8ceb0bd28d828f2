package room

import "chat/relay/wire"

// Prove adds to e, the room's description, the answer to a client's question: the instance,
// and a proof that this host knows the key in the client's welcome. It is also the host of
// clients of an earlier room if that had the same secret: a room in memory, before a restart.
func (r *Room) Prove(e *wire.Event, question *wire.Request) {
	e.Instance = wire.MAC(r.instance, "chat instance", question.Nonce)
	if wire.IsName(question.Room) && wire.IsName(question.Client) {
		e.Proof = wire.ProofOf(r.key(question.Room, question.Client), question.Room, r.opts.ID, question.Client, question.Nonce)
	}
}

// key returns the secret by which this host proves itself to a client of a room. It depends
// only on the room's secret, so that it outlives the client's record: a host that crashes may
// lose that.
func (r *Room) key(room, client string) string {
	return wire.MAC(r.opts.Secret, "chat key", room, client)[:32]
}

// KeyOf returns the secret by which this host proves itself to the client with an ID.
func (r *Room) KeyOf(client string) string { return r.key(r.opts.ID, client) }

// keyFor returns the key for m's welcome; "" for a person.
func (r *Room) keyFor(m *Member) string {
	if !m.Program {
		return ""
	}
	return r.key(r.opts.ID, m.identity.id)
}
