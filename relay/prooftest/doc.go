// Package prooftest checks what PROTOCOL.md promises under "Nothing lost, nothing twice":
// the real host and real clients on a network, a disk and a clock that the test makes,
// through any number of random schedules.
//
// It has three parts: a network that fails (network_test.go), a disk that fails
// (disk_test.go), and a room whose record is compared at the end (room_test.go,
// record_test.go). What is drawn is in prove_test.go.
package prooftest
