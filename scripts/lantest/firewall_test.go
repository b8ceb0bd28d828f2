package lantest

import (
	"chat/scripts/chattest"
)

// needNft skips the test where nft or the kernel's part of it is missing.
func (l *lab) needNft() {
	l.t.Helper()
	chattest.NeedTools(l.t, "nft")
	if _, stderr, code := l.run(1, "nft", "list ruleset"); code != 0 {
		chattest.Missing(l.t, "nft does not work here: "+stderr)
	}
}

// nft gives node rules of a firewall.
func (l *lab) nft(node int, rules string) {
	l.t.Helper()
	if _, stderr, code := l.run(node, "nft", rules); code != 0 {
		l.t.Fatalf("nft %s: %s", rules, stderr)
	}
}
