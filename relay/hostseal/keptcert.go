package hostseal

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"chat/relay/privatefile"
	"chat/relay/seal"
)

// certificateType is the type of the PEM block of a certificate.
const certificateType = "CERTIFICATE"

// KeptCertificatePath returns the path of the kept certificate in the folder dir.
func KeptCertificatePath(dir string) string { return filepath.Join(dir, "certificate.pem") }

// KeptCertificate returns a source of certificates that key signs itself, for the names and IP addresses by which others
// know the machine now. It begins with the certificate of the last host on this machine, kept in dir: to a browser whose
// user accepted it, a host that starts again is the same one, and its open pages reconnect without a question. The file
// holds no secret, and a host can do without it, so its faults are only logged.
func KeptCertificate(dir string, key *Key, names func() []string, log *slog.Logger) (*CertificateSource, error) {
	kept, err := readKept(KeptCertificatePath(dir), key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("browsers warn of this host again: it needs a new certificate", "error", err)
	}
	return selfSignedSource(kept, key, names, func(cert *tls.Certificate) {
		if err := keepCertificate(dir, cert); err != nil {
			log.Warn("browsers will warn again when the host restarts: its certificate cannot be kept", "error", err)
		}
	})
}

// readKept reads a certificate that key signed for itself; others are not valid.
func readKept(path string, key *Key) (*tls.Certificate, error) {
	b, err := privatefile.Read(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the host's certificate: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != certificateType {
		return nil, fmt.Errorf("the host's certificate %s is damaged: it has no %s in PEM", path, certificateType)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the host's certificate %s is damaged: %w", path, err)
	}
	if seal.PinOf(leaf) != key.pin {
		return nil, fmt.Errorf("the host's certificate %s is for another key: %w", path, fs.ErrNotExist) // key.pem is new
	}
	if err := leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
		return nil, fmt.Errorf("the host's certificate %s is damaged: %w", path, err)
	}
	return &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key.private, Leaf: leaf}, nil
}

// keepCertificate writes the certificate for the next host. Of several at once, the last one wins.
func keepCertificate(dir string, cert *tls.Certificate) error {
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: certificateType, Bytes: cert.Leaf.Raw}); err != nil {
		return err
	}
	unlock, err := privatefile.Enter(dir)
	if err != nil {
		return err
	}
	defer unlock()
	return privatefile.Replace(KeptCertificatePath(dir), b.Bytes())
}
