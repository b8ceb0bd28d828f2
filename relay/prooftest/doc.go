// Package prooftest checks the promises of PROTOCOL.md under "Nothing lost, nothing twice"
// with random schedules of faults. The host and the clients are the real ones; network,
// disk and clock are simulated.
//
// It has three parts: a network that fails (network_test.go), a disk that fails
// (disk_test.go), and a room whose members' views are compared with its log at the end
// (room_test.go, record_test.go). prove_test.go draws the schedules.
package prooftest
