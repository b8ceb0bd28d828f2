package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"chat/relay/seal"
	"chat/relay/sshkey"
)

// This file has what browsers show instead of a secret: cookies, and challenges that their keys sign. The host
// keeps none of them: each is signed by its own key.

const (
	// CookieTime is how long a cookie is valid, if its secret is not replaced before.
	CookieTime = 30 * 24 * time.Hour

	// challengeTime is how long a challenge can be answered.
	challengeTime = time.Minute

	// A challenge has a time in seconds, random bytes and a part of a MAC: in base64 they are as long as the
	// keying material that a key signs on a connection.
	challengeSalt, challengeMAC = 8, 12

	version   = 1
	saltBytes = 16
	hasKey    = 1 // a flag
)

var encoding = base64.RawURLEncoding.Strict()

// Cookie returns a cookie that replaces the secret of a level, None for none, and a key, which may be nil. A new
// secret revokes it. The level of a key is looked up each time.
func (g *Gate) Cookie(bySecret Level, k *Key) string {
	payload := []byte{version, byte(bySecret), 0}
	payload = binary.BigEndian.AppendUint64(payload, uint64(time.Now().Add(CookieTime).Unix()))
	payload = appendSalt(payload, saltBytes)
	if k != nil {
		payload[2] = hasKey
		payload = append(payload, sshkey.Hash(k.Fingerprint)...)
	}
	return encoding.EncodeToString(append(payload, g.mac("cookie", g.sumFor(bySecret), payload)...))
}

// ReadCookie returns the level and the key of a cookie. ok is false if it is not valid, or no longer.
func (g *Gate) ReadCookie(cookie string) (bySecret Level, k *Key, ok bool) {
	payload, mac := split(cookie)
	const fixed = 3 + 8 + saltBytes
	if len(payload) < fixed || payload[0] != version || Level(payload[1]) > Operator {
		return None, nil, false
	}
	bySecret = Level(payload[1])
	secret := g.sumFor(bySecret)
	isWhole := hmac.Equal(mac, g.mac("cookie", secret, payload))
	isFresh := time.Now().Unix() < int64(binary.BigEndian.Uint64(payload[3:]))
	if !isWhole || !isFresh || bySecret != None && secret == (sum{}) {
		return None, nil, false
	}
	switch rest := payload[fixed:]; {
	case payload[2] == 0 && len(rest) == 0:
		return bySecret, nil, true
	case payload[2] == hasKey && len(rest) == sha256.Size:
		return bySecret, keyOf(sshkey.FingerprintOf(rest)), true
	}
	return None, nil, false
}

// CookieName returns the name of the room's cookie. Browsers send the cookies of all rooms on one machine to each of them,
// because they ignore ports. It stays the same while the key does.
func (g *Gate) CookieName() string {
	return fmt.Sprintf("chat-%x", g.mac("cookie name", sum{}, nil)[:4])
}

// Challenge returns a random text of [seal.BindingLength] bytes, which a client signs to prove that it has a key: see
// [VerifyKey].
func (g *Gate) Challenge() string {
	payload := binary.BigEndian.AppendUint32(nil, uint32(time.Now().Add(challengeTime).Unix())) // until 2106
	payload = appendSalt(payload, challengeSalt)
	return encoding.EncodeToString(append(payload, g.mac("challenge", sum{}, payload)[:challengeMAC]...))
}

// IsChallenge reports whether the gate made a challenge, which can still be answered.
func (g *Gate) IsChallenge(challenge string) bool {
	if len(challenge) != seal.BindingLength {
		return false
	}
	b, err := encoding.DecodeString(challenge)
	if err != nil {
		return false
	}
	payload, mac := b[:len(b)-challengeMAC], b[len(b)-challengeMAC:]
	return hmac.Equal(mac, g.mac("challenge", sum{}, payload)[:challengeMAC]) && time.Now().Unix() < int64(binary.BigEndian.Uint32(payload))
}

// mac signs a payload for one purpose, with the sum of the secret that it depends on.
func (g *Gate) mac(purpose string, secret sum, payload []byte) []byte {
	h := hmac.New(sha256.New, []byte(g.key))
	h.Write([]byte("chat " + purpose + "\x00"))
	h.Write(secret[:])
	h.Write(payload)
	return h.Sum(nil)
}

// sumFor returns the sum of the secret of a level.
func (g *Gate) sumFor(level Level) sum {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sums[level]
}

// split decodes a cookie into its payload and the MAC; nil if it is none. The limit of a request's header bounds it.
func split(s string) (payload, mac []byte) {
	b, err := encoding.DecodeString(s)
	if n := len(b) - sha256.Size; err == nil && n > 0 {
		return b[:n], b[n:]
	}
	return nil, nil
}

func appendSalt(b []byte, n int) []byte {
	salt := make([]byte, n)
	rand.Read(salt)
	return append(b, salt...)
}
