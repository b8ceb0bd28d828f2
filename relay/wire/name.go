package wire

import "strings"

// TokenRule says in words which tokens [IsToken] accepts.
const TokenRule = "a token has 8 to 64 letters, digits, - and _"

// IsToken reports whether s can be a client's token: 8 to 64 letters, digits, - and _.
func IsToken(s string) bool { return len(s) >= 8 && IsName(s) }

// IsNonce reports whether s can be a nonce: 16 to 64 letters, digits, - and _.
func IsNonce(s string) bool { return len(s) >= 16 && IsName(s) }

// IsName reports whether s can be a room's or a client's ID: 1 to 64 letters, digits, - and _.
func IsName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, isNotInName)
}

func isNotInName(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
}
