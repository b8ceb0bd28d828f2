// Package doctor finds out why people on one network cannot find or join each other's
// rooms, as far as one machine can see. [Examine] runs a list of checks and
// reports a [Finding] for each: a plain sentence, and if something is wrong the command
// that fixes it.
//
// The checks look, listen and send a few packets on the local network. They change nothing,
// and report only measured facts. Some causes cannot be seen from one machine: the
// network may isolate it from others although it hears itself. That is why the last check
// looks for other people's rooms.
//
// The package does not know mDNS. What it needs is done by functions in the fields of
// [System]; tests make up all of them.
package doctor
