package wire

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Linked returns the event with the links to uploads at home, the start of a URL without its
// path: "http://192.168.1.5:24280", as the reader reaches the host. With "" they are paths, as
// programs get them: a host may change its address. It returns e itself if nothing changes.
func (e *Event) Linked(home string) *Event {
	linked := e
	change := func() *Event {
		if linked == e {
			copied := *e
			linked = &copied
		}
		return linked
	}
	if text, ok := e.linkedText(home); ok {
		change().Text = text
	}
	for i := range e.Events {
		if old := e.Events[i].Linked(home); old != &e.Events[i] {
			if linked == e {
				change().Events = slices.Clone(e.Events)
			}
			linked.Events[i] = *old
		}
	}
	return linked
}

// linkedText returns the text of an event that announces an upload, with its link at home.
// It returns false if that is the text already, or there is no link. Hosts before 1.1 sent an
// absolute link.
func (e *Event) linkedText(home string) (string, bool) {
	if e.File == nil || !strings.HasPrefix(e.File.Path, "/files/") {
		return "", false
	}
	before, ok := strings.CutSuffix(e.Text, e.File.Path)
	if !ok {
		return "", false
	}
	words := before[:strings.LastIndexByte(before, ' ')+1]
	old := before[len(words):]
	if host, absolute := strings.CutPrefix(old, "http://"); old == home || old != "" && (!absolute || strings.ContainsAny(host, "/?#@")) {
		return "", false
	}
	return words + home + e.File.Path, true
}

// Home returns the start of a URL at addr, "host:port", for Linked. It is empty if addr is not
// that of a host, or works on one machine only.
func Home(addr string, sealed bool) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return ""
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() != "" {
		return ""
	}
	return Scheme(sealed) + addr
}

// Scheme returns the beginning of the URLs of a room's page.
func Scheme(sealed bool) string {
	if sealed {
		return "https://"
	}
	return "http://"
}
