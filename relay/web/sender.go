package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"

	"chat/relay/wire"
)

// ownTokens are the tokens that a script may choose, as in PROTOCOL.md.
var ownTokens = regexp.MustCompile(`^[0-9A-Za-z_-]{8,64}$`)

// tokenOf returns the token of the client that sent r. A script with a token of its own is a client
// of its own; an address and a nick make one of all others, which behind NAT or a proxy may be
// several scripts. The error is a *rejection.
//
// The room never gets the script's token itself: a message by HTTP must not end the session of a
// member with the same token.
func (v *visitors) tokenOf(r *http.Request, nick string) (string, error) {
	scheme, own, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") { // others are for a proxy in front of the host
		return v.token(r.RemoteAddr, nick), nil
	}
	if own = strings.TrimSpace(own); !ownTokens.MatchString(own) {
		fault := wire.Faultf(wire.CodeBadRequest, "a token has 8 to 64 letters, digits, - and _")
		return "", &rejection{fault.Event(0)}
	}
	mac := hmac.New(sha256.New, v.secret)
	mac.Write([]byte("own\n" + own))
	return hex.EncodeToString(mac.Sum(nil)[:16]), nil
}
