// Package discovery announces a room on the network and looks for rooms: an
// [Advertiser] is the host's side, a [Finder] the joiner's. It is all of mDNS
// (RFC 6762, RFC 6763) but mDNS itself: when to announce and to ask, on which
// interfaces, what a record says and whether to believe it. Making packets,
// sending and hearing them are seams, functions in the fields of the two; outside
// tests discover.go fills them in.
//
// Two rules hold for the whole package:
//
//   - It is a hint, never the truth. Records are unauthenticated, can be stale
//     and can be made by anybody; a room is offered only after its host answered
//     over TCP, and what that host says of itself replaces what the record said.
//   - It never stops the program. Hosting goes on where nothing can be announced,
//     joining goes on with --addr.
package discovery
