package access

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/seal"
	"chat/relay/sshkey"
)

// keyNamed returns a key with a hash of its own.
func keyNamed(name string) *Key {
	hash := sha256.Sum256([]byte(name))
	fingerprint := "SHA256:" + base64.RawStdEncoding.EncodeToString(hash[:])
	return &Key{fingerprint, sshkey.Tag(fingerprint)}
}

func TestCookie(t *testing.T) {
	g := newGate()
	for _, level := range []Level{None, Listen, Member, Operator} {
		for _, key := range []*Key{nil, keyNamed("alice")} {
			cookie := g.Cookie(level, key)
			got, k, ok := g.ReadCookie(cookie)
			if !ok || got != level || (k == nil) != (key == nil) || k != nil && *k != *key {
				t.Errorf("the cookie for %v and %v reads %v, %v, %v", level, key, got, k, ok)
			}
			if cookie == g.Cookie(level, key) {
				t.Error("two cookies are alike")
			}
			other := newGate(func(o *Options) { o.Key = "another" })
			if _, _, ok := other.ReadCookie(cookie); ok || other.CookieName() == g.CookieName() {
				t.Error("a cookie is valid in another room, or has its name")
			}
			restarted := newGate()
			if _, _, ok := restarted.ReadCookie(cookie); !ok || restarted.CookieName() != g.CookieName() {
				t.Error("a restart of the host revokes a cookie")
			}
			raw, err := base64.RawURLEncoding.DecodeString(cookie)
			if err != nil {
				t.Fatal(err)
			}
			for i := range raw {
				for bit := range 8 { // of the level, too: 129 is none
					raw[i] ^= 1 << bit
					if _, _, ok := g.ReadCookie(base64.RawURLEncoding.EncodeToString(raw)); ok {
						t.Errorf("a cookie whose byte %d was changed is valid", i)
					}
					raw[i] ^= 1 << bit
				}
			}
			for n := range cookie {
				if _, _, ok := g.ReadCookie(cookie[:n]); ok {
					t.Errorf("%d characters of a cookie are valid", n)
				}
			}
		}
	}
}

// A new secret revokes the cookies that were made from the one before, and no others.
func TestNewSecretRevokesCookies(t *testing.T) {
	g := newGate()
	cookies := map[Level]string{None: g.Cookie(None, keyNamed("alice")), Listen: g.Cookie(Listen, nil), Member: g.Cookie(Member, nil), Operator: g.Cookie(Operator, nil)}
	g.SetSecrets(seal.RoomSecrets{Member: renewed, Operator: operator}) // no secret for listening
	for level, want := range map[Level]bool{None: true, Listen: false, Member: false, Operator: true} {
		if _, _, ok := g.ReadCookie(cookies[level]); ok != want {
			t.Errorf("the cookie of %v is valid: %v, want %v", level, ok, want)
		}
	}
	if _, _, ok := g.ReadCookie(g.Cookie(Listen, nil)); ok {
		t.Error("a cookie of a secret that there is not is valid")
	}
}

func TestCookiesAndChallengesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		cookie, challenge := g.Cookie(Member, nil), g.Challenge()
		time.Sleep(challengeTime - time.Second)
		if !g.IsChallenge(challenge) {
			t.Error("a challenge expires early")
		}
		time.Sleep(time.Second)
		if g.IsChallenge(challenge) {
			t.Error("a challenge is valid after a minute")
		}
		time.Sleep(CookieTime - challengeTime - time.Second)
		if _, _, ok := g.ReadCookie(cookie); !ok {
			t.Error("a cookie expires early")
		}
		time.Sleep(time.Second)
		if _, _, ok := g.ReadCookie(cookie); ok {
			t.Error("a cookie does not expire")
		}
	})
}

func TestChallenge(t *testing.T) {
	g := newGate()
	challenge := g.Challenge()
	if len(challenge) != seal.BindingLength || challenge == g.Challenge() {
		t.Errorf("the challenge %q has %d bytes, or is like another one", challenge, len(challenge))
	}
	if newGate(func(o *Options) { o.Key = "another" }).IsChallenge(challenge) {
		t.Error("it is valid at another host")
	}
	for i := range challenge {
		for _, c := range []string{"A", "B"} {
			if changed := challenge[:i] + c + challenge[i+1:]; changed != challenge && g.IsChallenge(changed) {
				t.Errorf("%s instead of %s is valid", changed, challenge)
			}
		}
	}
	for _, s := range []string{"", challenge + "A", challenge[1:], strings.Repeat("=", seal.BindingLength), g.Cookie(Member, nil)} {
		if g.IsChallenge(s) {
			t.Errorf("%q is valid", s)
		}
	}
}

// What is signed for one purpose, or with one secret, is worth nothing for another.
func TestMACsHaveOnePurpose(t *testing.T) {
	g, payload, sums := newGate(), []byte("soup"), []sum{{}, sumOf(member), sumOf(renewed)}
	seen := make(map[string]bool)
	for _, purpose := range []string{"cookie", "cookie name", "challenge"} {
		for _, secret := range sums {
			seen[string(g.mac(purpose, secret, payload))] = true
		}
	}
	if len(seen) != 9 {
		t.Errorf("of 9 MACs, %d differ", len(seen))
	}
}

// No text but that of a cookie is a cookie.
func FuzzCookie(f *testing.F) {
	g := newGate()
	f.Add(g.Cookie(Member, nil)[1:])
	f.Add(newGate(func(o *Options) { o.Key = "another" }).Cookie(Operator, keyNamed("alice")))
	f.Add(g.Challenge())
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if level, key, ok := g.ReadCookie(s); ok || level != None || key != nil {
			t.Errorf("%q is a cookie of %v", s, level)
		}
	})
}
