// Package discovery announces a room on the network and finds rooms: an [Advertiser] is the
// host's side, a [Finder] the joining side. It decides when to announce and to ask, on
// which interfaces, the contents of a record and whether to believe it. It does not do mDNS
// itself (RFC 6762, RFC 6763): making, sending and receiving packets are functions in the
// fields of the two types, which discover.go sets.
//
// Two rules apply to the whole package:
//
//   - Records are only hints. Anyone can send them, and they may be stale. A room is
//     offered only after its host has answered over TCP, with the data from that answer.
//   - Discovery never stops the program. A host that cannot announce its room still serves
//     it, and chat join --addr works without discovery.
package discovery
