package seal

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// An Invite is a link that lets a client into a sealed room: https://ADDR/#PIN.SECRET. A browser
// opens it too, and does not send what follows the #.
type Invite struct {
	Addr   string // "host:port"
	Pin    Pin    // of the host's key
	Secret Secret // "": the room is entered by key
}

// errInvite is the error of text that looks like an invite and is none.
var errInvite = errors.New("the invite is incomplete: it has the form https://HOST:PORT/#PIN.SECRET")

// maxInvite is the limit of an invite in bytes.
const maxInvite = 1 << 10

// IsInvite reports whether s is meant as an invite: a URL with https.
func IsInvite(s string) bool {
	return len(s) >= len("https://") && strings.EqualFold(s[:len("https://")], "https://")
}

// LooksLikeInvite reports whether s may be an invite that a person shortened or retyped: a URL with a fragment, of any scheme,
// or text with a pin after its #. It may have a secret. [ParseInvite] says what is wrong with it.
func LooksLikeInvite(s string) bool {
	before, fragment, ok := strings.Cut(s, "#")
	return ok && (strings.Contains(before, "://") || startsWithPin(fragment))
}

// startsWithPin reports whether a fragment is that of an invite.
func startsWithPin(fragment string) bool {
	pin, _, _ := strings.Cut(strings.TrimSpace(fragment), ".")
	_, err := ParsePin(pin)
	return err == nil
}

// ParseInvite parses an invite. The error does not repeat it, because of its secret.
func ParseInvite(s string) (Invite, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxInvite {
		return Invite{}, errInvite
	}
	u, err := url.Parse(s)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.User != nil || !isHost(u) {
		return Invite{}, errInvite
	}
	pin, secret, hasSecret := strings.Cut(u.Fragment, ".")
	i := Invite{Addr: u.Host}
	if u.Port() == "" {
		i.Addr = net.JoinHostPort(u.Hostname(), "443")
	}
	if i.Pin, err = ParsePin(pin); err != nil {
		return Invite{}, errInvite
	}
	if hasSecret {
		if i.Secret, err = ParseSecret(secret); err != nil {
			return Invite{}, errInvite
		}
	}
	return i, nil
}

// SecretIn returns the secret that a person typed or pasted: alone, or in an invite, which must be for the host
// with that pin; "": any host. "" is the secret of an invite without one. The error does not repeat the text.
func SecretIn(typed string, pin Pin) (Secret, error) {
	typed = strings.TrimSpace(typed)
	if _, fragment, _ := strings.Cut(typed, "#"); !IsInvite(typed) && !startsWithPin(fragment) {
		return ParseSecret(typed)
	}
	i, err := ParseInvite(typed)
	if err == nil && pin != "" && i.Pin != pin {
		err = errors.New("this invite is for another host: its pin is " + i.Pin.Groups() + ", and the pin here is " + pin.Groups())
	}
	if err != nil {
		return "", err
	}
	return i.Secret, nil
}

// secretsOfInvites matches an invite in a message, up to the quote or line break after it. A secret may have spaces.
var secretsOfInvites = regexp.MustCompile(`(?i)(https://[^\s"#]*#[a-z2-7]{26}\.)[^"\n]*`)

// HideSecrets returns a message without the secrets of the invites in it. Errors repeat arguments, and often end up in logs.
func HideSecrets(message string) string { return secretsOfInvites.ReplaceAllString(message, "${1}…") }

// isHost reports whether the URL has a host, and a port that is a number if it has one.
func isHost(u *url.URL) bool {
	host := u.Hostname()
	if host == "" || strings.ContainsAny(host, "/@ []\t") {
		return false
	}
	if strings.Contains(host, ":") {
		if _, err := netip.ParseAddr(host); err != nil {
			return false
		}
	}
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}

// URL returns the invite as a link. It holds the secret.
func (i Invite) URL() string {
	u := url.URL{Scheme: "https", Host: i.Addr, Path: "/", Fragment: string(i.Pin)}
	if i.Secret != "" {
		u.Fragment += "." + string(i.Secret)
	}
	return u.String()
}
