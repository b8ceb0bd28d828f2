package relay

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"chat/relay/text"
	"chat/relay/wire"
)

// marksLocked returns the keys by which s is known again: its client, its token,
// and its address unless that is this machine's own.
func (r *room) marksLocked(s *session) []string {
	marks := []string{"client " + s.identity.id}
	if s.identity.token != "" {
		marks = append(marks, "token "+s.identity.token)
	}
	if s.address != "" {
		marks = append(marks, s.address)
	}
	return marks
}

func (r *room) isMarkedLocked(list map[string]string, s *session) bool {
	return slices.ContainsFunc(r.marksLocked(s), func(key string) bool { return list[key] != "" })
}

// isBanned reports whether nobody from address may come in.
func (r *room) isBanned(address string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.banned[address] != ""
}

// targetLocked returns the member whom the hosting person means.
func (r *room) targetLocked(req *wire.Request) (*session, *wire.Event) {
	target := r.findLocked(req.Nick)
	switch {
	case target == nil:
		return nil, noSuchNick(req.Nick)
	case target.host:
		return nil, faultf(wire.CodeBadRequest, "%s is the hosting person", target.nick)
	}
	return target, nil
}

// kick ends the session of a member.
func (r *room) kick(by *session, req *wire.Request) (string, *wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	target, fault := r.targetLocked(req)
	if fault != nil {
		return "", fault
	}
	r.expelLocked(target, by, wire.CodeKicked, req.Text)
	return target.nick + " is out", nil
}

// expelLocked ends target's session and tells everybody, with the reason if there is one.
func (r *room) expelLocked(target, by *session, code wire.Code, reason string) {
	how := wire.Event{Code: code, From: by.nick, Text: cutWord(reason)}
	r.goLocked(target, how)
	target.end(byeEvent(code, "you were "+how.Expulsion()))
}

// ban ends the session of a member and keeps it, its token and its address out;
// or keeps an address out.
func (r *room) ban(by *session, req *wire.Request) (string, *wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ip, err := netip.ParseAddr(req.Nick); err == nil && r.findLocked(req.Nick) == nil {
		return r.banAddressLocked(by, ip, req)
	}
	target, fault := r.targetLocked(req)
	if fault != nil {
		return "", fault
	}
	for _, key := range r.marksLocked(target) {
		r.banned[key] = target.nick
	}
	words := target.nick + " is out and stays out"
	if target.address == "" {
		words = target.nick + " is out; its address is this machine's own and stays open"
	}
	r.expelLocked(target, by, wire.CodeBanned, req.Text)
	return words, nil
}

func (r *room) banAddressLocked(by *session, ip netip.Addr, req *wire.Request) (string, *wire.Event) {
	address := addressKey(ip)
	if address == "" {
		return "", faultf(wire.CodeBadRequest, "%s is this machine itself", ip)
	}
	r.banned[address] = address
	for _, m := range slices.Clone(r.members) {
		if m.address == address && !m.host {
			r.expelLocked(m, by, wire.CodeBanned, req.Text)
		}
	}
	return address + " is banned", nil
}

// mute lets a member listen only.
func (r *room) mute(by *session, req *wire.Request) (string, *wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	target, fault := r.targetLocked(req)
	if fault != nil {
		return "", fault
	}
	for _, key := range r.marksLocked(target) {
		r.muted[key] = target.nick
	}
	notice := wire.Event{Type: wire.TypeNotice, Text: by.nick + " muted you: what you say is not sent"}
	target.deliver(&notice, target.nick)
	return target.nick + " is muted", nil
}

// lift takes back a ban or a mute by the nick it was given to, or by address.
func (r *room) lift(list map[string]string, req *wire.Request) (string, *wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(req.Nick) > text.MaxNickBytes {
		return "", noSuchNick(req.Nick)
	}
	fold, address, lifted := text.NickFold(req.Nick), req.Nick, 0
	if ip, err := netip.ParseAddr(req.Nick); err == nil {
		address = addressKey(ip)
	}
	maps.DeleteFunc(list, func(key, nick string) bool {
		if key != address && text.NickFold(nick) != fold {
			return false
		}
		lifted++
		return true
	})
	if lifted == 0 {
		return "", faultf(wire.CodeNoSuchNick, "no ban or mute stands against %s; /bans lists them", text.Clean(req.Nick))
	}
	return text.Clean(req.Nick) + " is free again", nil
}

// bans tells in words who is banned and who is muted.
func (r *room) bans() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return "banned: " + inWords(r.banned) + "\nmuted: " + inWords(r.muted)
}

// inWords lists the nicks in a list of marks, with their addresses.
func inWords(list map[string]string) string {
	byNick := make(map[string][]string)
	for key, nick := range list {
		addresses := byNick[nick]
		if !strings.Contains(key, " ") && key != nick {
			addresses = append(addresses, key)
		}
		byNick[nick] = addresses
	}
	var words []string
	for _, nick := range slices.Sorted(maps.Keys(byNick)) {
		if addresses := byNick[nick]; len(addresses) > 0 {
			slices.Sort(addresses)
			nick += " (" + strings.Join(addresses, ", ") + ")"
		}
		words = append(words, nick)
	}
	if len(words) == 0 {
		return "nobody"
	}
	return strings.Join(words, ", ")
}
