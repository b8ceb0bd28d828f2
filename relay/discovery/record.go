package discovery

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"chat/relay/text"
)

const (
	recordVersion = "1" // TXT key v; records of another version are not ours to read
	maxLabel      = 63  // bytes of an instance name before escaping; RFC 1035 2.3.4
	maxTXT        = 255 // bytes of one key=value string; RFC 6763 6.1
)

// A Record is what was heard of a room: a hint where to dial.
type Record struct {
	ID         string           // 16 hexadecimal digits in lower case; "": whichever room is there
	Title, App string           // cleaned
	Addrs      []netip.AddrPort // in the order to be tried
}

// Escape writes s so that the dns package reads it as these very bytes: names
// and TXT strings go through it in presentation form (RFC 1035 5.1), where raw
// dots would split a label and backslashes vanish. Every byte can be written so.
func Escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case strings.IndexByte(`\. '@;()"`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		case c <= 0x20 || c > 0x7e:
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape undoes Escape, and reads anything else as well as it can.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 10, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

// Cut shortens s to at most n bytes without splitting a character.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// InstanceName is what browsers show: the title, and enough of the id that no
// two rooms share a name; of two with one name every querier drops one. It has at
// most 63 bytes, as a label may, and is not escaped yet.
func InstanceName(title, id string) string {
	short := " " + Cut(id, 8)
	return strings.TrimSpace(Cut(title, maxLabel-len(short)) + short)
}

// TXT are the strings of the TXT record of room at addrs, each of at most 255 bytes
// before it is escaped. Addresses go here too, because a querier that uses
// hashicorp/mdns sees only one A and one AAAA record.
func TXT(room Advertisement, addrs []netip.Addr) []string {
	fields := []string{"v=" + recordVersion, "id=" + room.ID, Cut("room="+room.Title, maxTXT), Cut("app="+room.App, maxTXT)}
	line, n := "", 0
	flush := func() {
		if line == "" {
			return
		}
		key := "addrs"
		if n++; n > 1 {
			key += strconv.Itoa(n)
		}
		fields, line = append(fields, key+"="+line), ""
	}
	for _, a := range addrs {
		if a.Is6() && a.IsLinkLocalUnicast() {
			continue // its zone does not travel; the AAAA record carries it
		}
		if len("addrsNN=")+len(line)+1+len(a.String()) > maxTXT {
			flush()
		}
		if line != "" {
			line += ","
		}
		line += a.String()
	}
	flush()
	for i, f := range fields {
		fields[i] = Escape(f)
	}
	return fields
}

// ReadRecord makes a record of what was heard of one room: the strings of its TXT
// record, escaped; the port of its SRV record; the addresses of its A and AAAA
// records, link-local ones of IPv6 with their zone, which are tried after those in
// the strings. It is false for everything that is not as [TXT] writes it.
func ReadRecord(txt []string, port int, more []netip.Addr) (Record, bool) {
	fields := map[string]string{}
	var addrs []netip.Addr
	for _, f := range txt {
		key, value, _ := strings.Cut(unescape(f), "=")
		key = strings.ToLower(key)
		if _, twice := fields[key]; twice {
			continue // the first one counts; RFC 6763 6.4
		}
		fields[key] = value
		if strings.HasPrefix(key, "addrs") {
			for text := range strings.SplitSeq(value, ",") {
				if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
					addrs = append(addrs, a.Unmap())
				}
			}
		}
	}
	r := Record{ID: strings.ToLower(fields["id"]), Title: text.Clean(fields["room"]), App: text.Clean(fields["app"])}
	if fields["v"] != recordVersion || !isRoomID(r.ID) || port < 1 || port > 65535 {
		return Record{}, false
	}
	for _, a := range append(addrs, more...) {
		r.Addrs = append(r.Addrs, netip.AddrPortFrom(a, uint16(port)))
	}
	return r, true
}

// isRoomID tells whether s is 16 hexadecimal digits in lower case.
func isRoomID(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}
