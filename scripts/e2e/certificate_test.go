//go:build unix

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdCertificate: certificate NAME FROM UNTIL writes a certificate for the host NAME to cert.pem, valid
// for those durations from now, and its key to cert-key.pem. A key that is there is used again.
func cmdCertificate(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) == 3, "certificate NAME FROM UNTIL")
	from, err := time.ParseDuration(args[1])
	ts.Check(err)
	until, err := time.ParseDuration(args[2])
	ts.Check(err)
	key := certificateKey(ts, ts.MkAbs("cert-key.pem"))
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: args[0]}, NotBefore: now.Add(from), NotAfter: now.Add(until), DNSNames: args[:1]}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
}

// certificateKey returns the key in a file, or a new one that it writes to it.
func certificateKey(ts *testscript.TestScript, path string) *ecdsa.PrivateKey {
	if b, err := os.ReadFile(path); err == nil {
		block, _ := pem.Decode(b)
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		ts.Check(err)
		return key.(*ecdsa.PrivateKey)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return key
}
