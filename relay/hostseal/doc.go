// Package hostseal has what a host seals its rooms with, and keeps it in files that only the user may read: the host's
// key (key.pem), its certificate (certificate.pem), and the secrets of each room (rooms/*.json).
package hostseal
