// Package admin lets the user who hosts a room administer it from the same machine, without being a member: the
// host's end is an HTTP server on a Unix socket that only this user can reach, the other end is chat admin, or curl.
//
// On Windows, the server listens on a port of the loopback interface, and requests need a token from a file.
//
// This file's neighbors: server.go and api.go are the host's end, place.go decides where its socket is, socket_*.go create
// it, and peer_*.go ask for the user at the other end. client.go and find.go are that end. Package commands has what chat admin
// prints.
package admin
