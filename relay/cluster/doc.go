// Package cluster keeps the journal that the relays of a room share in NATS JetStream (nats-server, which the user
// runs): a [journal.Journal] that survives the end of any relay and, with three servers, of any server.
//
// For the room "kitchen" it makes, if they do not exist:
//
//	stream CHAT_kitchen                    the records; a relay appends on the subject chat.kitchen.log.RELAY
//	key-value bucket CHAT_kitchen_shared   decisions of the first relay for all of them: [Common], [Cluster.Shared]
//	key-value bucket CHAT_kitchen_relays   who lives: each relay renews its key
//	stream CHATFILES_kitchen               files, and the last two snapshots, in parts
//
// A stream of that name that was not made by chat, or by a newer version of it, is left as it is.
//
// # Once and in order
//
// A relay has one record on its way at a time, and names the sequence of the last one on its subject, which no other
// relay uses: JetStream stores the record only if that is still the last. If the answer is lost, the relay reads the last
// message of its subject back from the stream's leader before it sends the record again. Readers check that each
// sequence follows the one before.
//
// Files are stored in the same way, part by part. The object store of nats.go v1.55.0 is not used: it reuses its buffer while a part may
// have to be sent again. When the stream's leader stepped down meanwhile, an object that was reported as stored had the wrong bytes.
package cluster
