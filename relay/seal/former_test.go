package seal

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// Of former secrets the last ones are kept, and a file that someone else wrote does not have the host keep more.
func TestFormerSecretsAreBounded(t *testing.T) {
	var f FormerSecrets
	for i := range 2 * maxFormer {
		f = f.with(Secret(fmt.Sprint("a secret of one's own ", i)))
	}
	if n := len(strings.Fields(string(f))); n != maxFormer {
		t.Errorf("%d are kept, want %d", n, maxFormer)
	}
	more := FormerSecrets(strings.Repeat(strings.Repeat("0", 2*sha256.Size)+" ", 2*maxFormer)) + f
	sums, last := more.Sums(), sha256.Sum256(fmt.Appendf(nil, "a secret of one's own %d", 2*maxFormer-1))
	if len(sums) != maxFormer || sums[maxFormer-1] != last {
		t.Errorf("%d sums, want %d, with that of the last one at the end", len(sums), maxFormer)
	}
}

// What is no SHA-256 is skipped.
func TestDamagedFormerSecrets(t *testing.T) {
	whole := strings.Repeat("ab", sha256.Size)
	if sums := FormerSecrets("x ab " + whole + " " + whole + "ab " + whole[1:]).Sums(); len(sums) != 1 || sums[0][0] != 0xab {
		t.Errorf("got %x", sums)
	}
}
