// Package seal has what host and clients of a sealed room share: the pin by which a client
// recognizes the host's key, the secrets that let a client in, and the invite that holds both.
package seal
