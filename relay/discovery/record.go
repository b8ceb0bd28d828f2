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
	recordVersion = "1" // TXT key v; records of other versions are ignored
	maxLabel      = 63  // bytes of an instance name before escaping; RFC 1035 2.3.4
	maxTXT        = 255 // bytes of one key=value string; RFC 6763 6.1
)

// A Record is an announcement of a room: a hint where to dial.
type Record struct {
	ID         string           // 16 hexadecimal digits in lower case; "": any room
	Title, App string           // cleaned
	Addrs      []netip.AddrPort // best first

	// Of a sealed room. Anyone can announce them: they only say what to try first.
	Sealed bool
	Hint   string // the start of the pin of the host's key, see Pin.Hint of package seal; "" if it is missing or invalid
}

// Escape returns s in the presentation form of RFC 1035 5.1, in which the dns package
// expects names and TXT strings. Without it dots would split a label and backslashes
// would vanish.
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

// unescape reverses Escape. Invalid escapes are read as well as possible.
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

// InstanceName returns the name that mDNS browsers show: the title, and the [Advertisement.Short] ID. It has at most 63
// bytes, the limit of a label, no control characters (RFC 6763 4.1.1), and is not escaped.
func InstanceName(room Advertisement) string {
	short := " " + room.Short()
	return strings.TrimSpace(Cut(text.Title(room.Title), maxLabel-len(short)) + short)
}

// Short returns enough of the room's ID, and of the host's, that no two hosts share a name: queriers would drop one of
// them, and two machines would answer for one name.
func (a Advertisement) Short() string {
	short := Cut(a.ID, 8)
	if a.Relay != "" {
		short += "-" + strings.ToLower(a.Relay[max(len(a.Relay)-8, 0):])
	}
	return short
}

// TXT returns the strings of the TXT record of room at addrs, escaped, each of at most 255
// bytes before that. It includes the addresses, since a querier that uses hashicorp/mdns
// sees only one A and one AAAA record.
func TXT(room Advertisement, addrs []netip.Addr) []string {
	fields := []string{"v=" + recordVersion, "id=" + room.ID, Cut("room="+text.Title(room.Title), maxTXT), Cut("app="+text.Title(room.App), maxTXT)}
	if room.Sealed {
		fields = append(fields, "s=1", Cut("pin="+room.Hint, maxTXT))
	}
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
			continue // only the AAAA record: it is no use without a zone, which is that of the querier
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

// ReadRecord returns the record of one room from the escaped strings of its TXT record, the
// port of its SRV record, and the addresses of its A and AAAA records, link-local ones with
// their zone. Those come after the addresses in the strings. It returns false if the
// strings are not as [TXT] writes them.
func ReadRecord(txt []string, port int, more []netip.Addr) (Record, bool) {
	fields := map[string]string{}
	var addrs []netip.Addr
	for _, f := range txt {
		key, value, _ := strings.Cut(unescape(f), "=")
		key = strings.ToLower(key)
		if _, twice := fields[key]; twice {
			continue // only the first one counts; RFC 6763 6.4
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
	r := Record{ID: strings.ToLower(fields["id"]), Title: text.Title(fields["room"]), App: text.Title(fields["app"])}
	if fields["v"] != recordVersion || !isRoomID(r.ID) || port < 1 || port > 65535 {
		return Record{}, false
	}
	if r.Sealed = fields["s"] == "1"; r.Sealed && isHint(fields["pin"]) {
		r.Hint = fields["pin"]
	}
	for _, a := range append(addrs, more...) {
		r.Addrs = append(r.Addrs, netip.AddrPortFrom(a, uint16(port)))
	}
	return r, true
}

// maxHint is the limit of a pin's start that is believed to be one, in bytes.
const maxHint = 26

// isHint reports whether s can be the start of a pin: base32, RFC 4648, section 6.
func isHint(s string) bool {
	return len(s) <= maxHint && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// isRoomID reports whether s is 16 hexadecimal digits in lower case.
func isRoomID(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}
