// Package encrypted has the host's end of a TLS connection, for rooms with thousands of connections of which most are
// idle.
//
// crypto/tls alone would do, but its connections block: a write waits for the peer, and a read holds a buffer while it
// waits. A [Conn] runs crypto/tls on a connection in memory, the [Conn.link], and moves the ciphertext itself. So a
// worker of package fanout can encrypt and write without waiting, and a connection that waits for input holds no
// buffer.
//
// TLS numbers its records, so none can be left out once it is encrypted. What the connection below does not accept
// stays with the Conn as ciphertext, and goes first. Bytes that might never be sent are not encrypted.
package encrypted
