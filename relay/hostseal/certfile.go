package hostseal

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"time"

	"chat/relay/seal"
)

// certificateFiles returns a source with the certificate in certFile, in PEM with those that vouch for
// it, and its key in keyFile. Both are read again when one of them changes: if that fails, it is
// logged, and the old certificate stays. replaced is called for each certificate after the first, by
// the goroutine of a handshake, and must not use the source. log gets warnings.
func certificateFiles(certFile, keyFile string, log *slog.Logger, replaced func(*x509.Certificate)) (*CertificateSource, error) {
	state := stateOf(certFile, keyFile) // first: a change while they are read is seen later
	first, err := readCertificate(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	warnOf(first.Leaf, certFile, log)
	warnOfReaders(keyFile, log)
	var unusable error // of the files in this state
	return &CertificateSource{current: first, checked: time.Now(), next: func(old *tls.Certificate) (*tls.Certificate, error) {
		now := stateOf(certFile, keyFile)
		if now == state {
			return old, unusable
		}
		state = now
		var changed *tls.Certificate
		if changed, unusable = readCertificate(certFile, keyFile); unusable != nil {
			log.Error("the changed certificate is not used; the host keeps the old one", "error", unusable)
			return old, unusable
		}
		warnOf(changed.Leaf, certFile, log)
		warnOfReaders(keyFile, log)
		log.Info("the certificate was read again", "file", certFile, "until", changed.Leaf.NotAfter.Format(time.DateOnly))
		if seal.PinOf(changed.Leaf) != seal.PinOf(old.Leaf) {
			log.Warn("the certificate has another key: old invites are no longer valid, and members have to trust the new pin", "file", certFile)
		}
		replaced(changed.Leaf)
		return changed, nil
	}}, nil
}

// A fileState changes when a file does. The size is in it for clocks that are coarse.
type fileState struct {
	modified time.Time
	size     int64
}

func stateOf(certFile, keyFile string) (states [2]fileState) {
	for i, path := range []string{certFile, keyFile} {
		if info, err := os.Stat(path); err == nil {
			states[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return states
}

// readCertificate reads a certificate and its key, which must match.
func readCertificate(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	_, isPath := errors.AsType[*fs.PathError](err)
	switch {
	case isPath: // it names the file
		return nil, fmt.Errorf("read the certificate: %w\nhint: check the files of --cert and --key", err)
	case err != nil:
		return nil, fmt.Errorf("the certificate %s and the key %s cannot be used: %w\nhint: both must be in PEM, and belong together", certFile, keyFile, err)
	}
	return &cert, nil
}

// warnOf warns of a certificate that clients will refuse. A wrong clock of this machine is no
// reason to refuse it here, and clients with the pin ignore the dates.
func warnOf(leaf *x509.Certificate, certFile string, log *slog.Logger) {
	now := time.Now()
	switch {
	case now.After(leaf.NotAfter):
		log.Warn("the certificate has expired: browsers warn of it", "file", certFile, "expired", leaf.NotAfter.Format(time.DateTime), "now", now.Format(time.DateTime))
	case now.Before(leaf.NotBefore):
		log.Warn("the certificate is not valid yet: browsers warn of it", "file", certFile, "from", leaf.NotBefore.Format(time.DateTime), "now", now.Format(time.DateTime))
	}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		log.Warn("the certificate has no names: browsers refuse it", "file", certFile)
	}
	if _, ok := leaf.PublicKey.(ed25519.PublicKey); ok {
		log.Warn("the certificate has an Ed25519 key, which browsers do not accept: use ECDSA P-256 or RSA", "file", certFile)
	}
}

// warnOfReaders warns of a key that all users can read. It is used: in a container the mode of a mounted secret may not be
// ours to change. A group such as ssl-cert may read it.
func warnOfReaders(keyFile string, log *slog.Logger) {
	info, err := os.Stat(keyFile)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
		log.Warn("other users can read the key of the certificate, and pose as this host with it: chmod 600 "+keyFile, "file", keyFile)
	}
}
