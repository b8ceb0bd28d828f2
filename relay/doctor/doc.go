// Package doctor finds out why people on one network cannot find or reach each
// other's rooms, as far as the machine it runs on can tell. [Examine] goes
// through a list of checks and hands out a [Finding] for each: a plain sentence,
// and where something is wrong the one command that mends it.
//
// It only reports what it has measured: it looks, listens and sends a few
// packets on the local network, and changes nothing. What it cannot see is said
// to be so: a machine that hears itself can still be kept apart from others by
// the network, which is why the rooms of others are looked for at the end.
//
// The package knows nothing of mDNS records; the few things it needs to be done
// with them are fields of [System]. In tests all of System is made up.
package doctor
