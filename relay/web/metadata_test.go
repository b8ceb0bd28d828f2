package web

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"
)

// A name survives a round trip through Upload-Metadata.
func FuzzMetadata(f *testing.F) {
	for _, s := range []string{"", "filename c291cA==", "filename c291cA==,sha256 AAAA", "filename", ",", "filename c291cA==, is_private", "filename ?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		about, err := parseMetadata(s)
		if err != nil || about.sum != nil && len(about.sum) != sha256.Size {
			return
		}
		again, err := parseMetadata("filename " + base64.StdEncoding.EncodeToString([]byte(about.name)))
		if len(about.name) < maxMetadata/2 && (err != nil || again.name != about.name) {
			t.Errorf("%q: %q becomes %q, %v", s, about.name, again.name, err)
		}
	})
}
