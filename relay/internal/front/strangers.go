package front

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A stranger is another protocol whose clients connect to the room's port by mistake, or
// because they scan the network. Its first bytes must not reach the room as messages: they may hold
// a password.
//
// People type first lines that resemble some of them, such as "PASS me the salt" or "NICK is
// late today". A line that could be either counts as a stranger's only with the next
// line, which a program sends at the same time: see pair.
type stranger struct {
	protocol string
	answer   string // sent before the connection is closed; "": nothing fits

	// binary recognizes the first bytes, without a line. nil: the protocol is one of lines.
	binary func(start []byte) bool
	// line matches a whole first line that no person types; nil: there is none.
	line *regexp.Regexp
	// pair matches a first line that a person could type, if next matches the line after it.
	pair, next *regexp.Regexp
}

// strangers returns the protocols in the order in which they are tried. They are made when the first line of a
// connection needs them: most runs of the program host no room.
var strangers = sync.OnceValue(allStrangers)

func allStrangers() []stranger {
	return []stranger{
		{protocol: "TLS", answer: "\x15\x03\x03\x00\x02\x02\x46", binary: isTLS}, // the alert protocol_version (RFC 8446, section 6)
		{protocol: "SOCKS5", answer: "\x05\xff", binary: isSOCKS5},               // no acceptable methods (RFC 1928)
		{protocol: "SOCKS4", answer: "\x00\x5b\x00\x00\x00\x00\x00\x00", binary: isSOCKS4},
		{protocol: "PostgreSQL", answer: "E\x00\x00\x00\x31SFATAL\x00C08P01\x00Mthis room does not speak SQL\x00\x00", binary: isPostgreSQL},
		{protocol: "SMB", binary: isSMB},
		{protocol: "RDP", binary: prefixes("\x03\x00\x00")},
		{protocol: "MQTT", answer: "\x20\x02\x00\x01", binary: isMQTT}, // CONNACK: unacceptable protocol version
		{protocol: "AMQP", answer: "AMQP\x00\x00\x09\x01", binary: prefixes("AMQP\x00", "AMQP\x02", "AMQP\x03")},
		{protocol: "LDAP", binary: isLDAP},
		{protocol: "MongoDB", binary: isMongoDB},
		{protocol: "memcached", binary: prefixes("\x80\x00\x00", "\x80\x0b\x00", "\x80\x20\x00", "\x80\x07\x00")},
		{protocol: "BitTorrent", binary: prefixes("\x13BitTorrent protocol")},
		{protocol: "PROXY", binary: prefixes(proxySignature)},
		{protocol: "PROXY", answer: "this room does not speak the PROXY protocol\r\n", line: regexp.MustCompile(`^PROXY (TCP[46] [0-9a-fA-F.:]+ [0-9a-fA-F.:]+ \d+ \d+|UNKNOWN( .*)?)$`)},
		{
			protocol: "XMPP", answer: "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
			binary: isXMPP, pair: regexp.MustCompile(`^<\?xml [^>]*\?>$`), next: regexp.MustCompile(`^<stream:stream`),
		},
		{protocol: "SSH", line: regexp.MustCompile(`^SSH-\d\.\d+-`)},
		{
			protocol: "POP3 or FTP", answer: "-ERR this room does not speak POP3 or FTP\r\n",
			line: regexp.MustCompile(`^(USER \S+|APOP \S+ [0-9a-f]{32}|CAPA|STLS|AUTH TLS|AUTH SSL|FEAT|SYST)$`),
		},
		{
			protocol: "IRC", answer: "ERROR :this room does not speak IRC\r\n",
			line: regexp.MustCompile(`^(CAP (LS( \d+)?|LIST|END|REQ :?\S.*)|PASS :?\S+|PASS :.*|USER \S+ \S+ \S+ :.*|USER \S+ (\d+|\*|localhost|\S+\.\S+) (\*|\S*\d\S*|localhost|\S+\.\S+) \S.*|JOIN :?|NICK :\S+)$`),
			pair: regexp.MustCompile(`^(PASS|USER|NICK|JOIN|PING|SERVICE|PONG) `),
			next: regexp.MustCompile(`^:?(CAP (LS|LIST|END|REQ)|PASS |USER \S+ \S+ \S+ |NICK |JOIN |MODE |PING |PONG |SERVER )`),
		},
		{ // commands in lower case, as RFC 1459 allows
			protocol: "IRC", answer: "ERROR :this room does not speak IRC\r\n",
			pair: regexp.MustCompile(`(?i:^(pass :?\S+|nick :?\S+|cap (ls.*|req .*|end)|user \S+ \S+ \S+ .*)$)`),
			next: regexp.MustCompile(`(?i:^(cap (ls|req|end)\b|nick \S+$|user \S+ \S+ \S+ :))`),
		},
		{
			protocol: "SMTP", answer: "554 this room does not speak SMTP\r\n",
			line: regexp.MustCompile(`(?i:^(EHLO|LHLO)( \[?[\w.:-]+\]?)?$|^HELO (localhost|\[\S+\]|\S+\.\S*\w)$|^(MAIL FROM|RCPT TO): ?<)|^STARTTLS$`),
			pair: regexp.MustCompile(`(?i:^HELO \S+$)`),
			next: regexp.MustCompile(`(?i:^(MAIL FROM:|RCPT TO:|VRFY |EXPN |RSET|NOOP|QUIT|AUTH ))`),
		},
		{
			protocol: "IMAP", answer: "* BYE this room does not speak IMAP\r\n",
			line: regexp.MustCompile(`^[A-Za-z]{0,8}\d{1,8} ((?i:CAPABILITY|STARTTLS|NOOP|LOGOUT|AUTHENTICATE [A-Z0-9-]+( \S+)?|ID (NIL|\(.*\))|LOGIN "[^"]*" "[^"]*")|LOGIN \S+ \S+)$`),
		},
		{
			protocol: "NNTP", answer: "502 this room does not speak NNTP\r\n",
			line: regexp.MustCompile(`^(CAPABILITIES|MODE READER|AUTHINFO (USER|PASS) \S+)$`),
		},
		{
			protocol: "Redis", answer: "-ERR this room does not speak Redis\r\n",
			line: regexp.MustCompile(`^(AUTH( \S+)? \S+|HELLO [23]( AUTH \S+ \S+)?( SETNAME \S+)?)$`),
			pair: regexp.MustCompile(`^\*\d+$`), next: regexp.MustCompile(`^\$\d+$`),
		},
		{
			protocol: "memcached", answer: "SERVER_ERROR this room does not speak memcached\r\n",
			line: regexp.MustCompile(`^((set|add|replace|append|prepend) \S+ \d+ -?\d+ \d+( noreply)?|cas \S+ \d+ -?\d+ \d+ \d+( noreply)?|stats (items|slabs|settings|sizes))$`),
			pair: regexp.MustCompile(`^(gets? \S+|version|stats)$`),
			next: regexp.MustCompile(`^(gets? \S+|version|stats|quit|set \S+ \d+ \d+ \d+)$`),
		},
		{
			protocol: "NATS", answer: "-ERR 'this room does not speak NATS'\r\n",
			line: regexp.MustCompile(`^(CONNECT|INFO) ?\{`),
		},
		{
			protocol: "STOMP", answer: "ERROR\nmessage:this room does not speak STOMP\n\n\x00",
			pair: regexp.MustCompile(`^(CONNECT|STOMP)$`), next: regexp.MustCompile(`^[a-z-]+:`),
		},
		{ // a request that is not quite one: a method in lower case, or no version
			protocol: "HTTP", answer: "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
			pair: regexp.MustCompile(`^([A-Za-z-]*[a-z][A-Za-z-]* (/\S*|\*|\S+:\S*) (?i:http)/\S*\s*|[A-Z-]+ (/\S*|\*|\S+:\S*) (HTTP/(\S*[^0-9.\s]\S*|\S*\s+)?|[Hh]ttp/\S*))$`),
			next: regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*\s?:`),
		},
		{protocol: "ManageSieve", answer: "BYE \"this room does not speak ManageSieve\"\r\n", line: regexp.MustCompile(`^AUTHENTICATE "[A-Z0-9-]+"`)},
		{
			protocol: "Asterisk", answer: "Response: Error\r\nMessage: this room does not speak AMI\r\n\r\n",
			pair: regexp.MustCompile(`(?i:^Action: \S+$)`), next: regexp.MustCompile(`(?i:^(ActionID|AuthType|Username|Secret|Key|Events): ?\S)`),
		},
		{protocol: "FreeSWITCH", answer: "Content-Type: text/disconnect-notice\n\n", pair: regexp.MustCompile(`^(user)?auth \S+$`), next: regexp.MustCompile(`^$`)},
		{
			protocol: "MPD", answer: "ACK [5@0] {} this room does not speak MPD\n",
			pair: regexp.MustCompile(`^(password \S+|command_list_(ok_)?begin)$`), next: regexp.MustCompile(`^(password \S+|command_list_(ok_)?begin|status|currentsong|stats|idle( \w+)*|ping|play|pause.*|next|previous|playlistinfo|outputs|commands|close)$`),
		},
		{protocol: "syslog", line: regexp.MustCompile(`^(\d{1,5} )?<\d{1,3}>(1 (-|\d{4}-\d\d-\d\dT\S+) |[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )`)},
		{protocol: "Zabbix", binary: prefixes("ZBXD\x01", "ZBXD\x03")},
		{protocol: "JDWP", binary: prefixes("JDWP-Handshake")},
		{protocol: "AJP", binary: prefixes("\x124\x00")},
		{protocol: "ClickHouse", binary: prefixes("\x00\x11ClickHouse")},
		{protocol: "RTSP", answer: "RTSP/1.0 501 Not Implemented\r\n\r\n", line: regexp.MustCompile(`^[A-Z_]{3,20} (rtspu?:|\*).* RTSP/\d\.\d$`)},
		{protocol: "SIP", answer: "SIP/2.0 501 Not Implemented\r\n\r\n", line: regexp.MustCompile(`^[A-Z]{3,20} (sips?|tel):.* SIP/\d\.\d$`)},
		{protocol: "ICAP", answer: "ICAP/1.0 501 Not Implemented\r\n\r\n", line: regexp.MustCompile(`^[A-Z]{3,20} icaps?:.* ICAP/\d\.\d$`)},
		{protocol: "VNC", answer: "RFB 003.003\n\x00\x00\x00\x00", line: regexp.MustCompile(`^RFB \d{3}\.\d{3}$`)},
		{protocol: "rsync", answer: "@ERROR: this room does not speak rsync\n", line: regexp.MustCompile(`^@RSYNCD: \d`)},
		{protocol: "git", answer: "0028ERR this room does not speak git\n", binary: regexp.MustCompile(`^[0-9a-f]{4}git-(upload|receive)-(pack|archive) /`).Match},
		{protocol: "binary", answer: "! binary data on the chat port; text has to be UTF-8\r\n", binary: isBinary}, // the last: any other
	}
}

// strangerOf returns the protocol of a first line, or nil. rest is the input after the line.
func strangerOf(line, rest []byte) *stranger {
	all := strangers()
	for i := range all {
		if s := &all[i]; s.isLine(line, rest) {
			return s
		}
	}
	return nil
}

// strangerBy returns the binary protocol whose first bytes start is, or nil.
func strangerBy(start []byte) *stranger {
	all := strangers()
	for i := range all {
		if s := &all[i]; s.binary != nil && s.binary(start) {
			return s
		}
	}
	return nil
}

// isLine reports whether a first line is one of the protocol.
func (s *stranger) isLine(line, rest []byte) bool {
	switch {
	case s.binary != nil && (s.binary(line) || s.binary(joined(line, "\n", rest)) || s.binary(joined(line, "\r\n", rest))):
		return true
	case s.line != nil && s.line.Match(line):
		return true
	case s.pair == nil || !s.pair.Match(line):
		return false
	}
	next, _, isWhole := bytes.Cut(rest, []byte("\n"))
	return isWhole && s.next.Match(bytes.TrimSuffix(next, []byte("\r")))
}

// joined returns the input: a line, its newline and the rest.
func joined(line []byte, newline string, rest []byte) []byte {
	return slices.Concat(line, []byte(newline), rest[:min(len(rest), 256)])
}

// proxySignature begins version 2 of the PROXY protocol.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// awaitsNext reports whether a first line can be recognized only by the bytes after it: it may be the
// first line of a pair, or bytes of a binary protocol with a newline among them.
func awaitsNext(line, rest []byte) bool {
	switch {
	case strangerOf(line, rest) != nil:
		return false
	case len(line) == 0:
		return strings.HasPrefix(proxySignature, "\r\n"+string(rest[:min(len(rest), 10)]))
	case line[0] < ' ' && line[0] != '\t' && line[0] != '\x1b':
		return len(rest) < 64
	case bytes.IndexByte(rest, '\n') >= 0:
		return false
	}
	all := strangers()
	for i := range all {
		if s := &all[i]; s.pair != nil && s.pair.Match(line) {
			return true
		}
	}
	return false
}

func prefixes(starts ...string) func([]byte) bool {
	return func(start []byte) bool {
		for _, prefix := range starts {
			if bytes.HasPrefix(start, []byte(prefix)) {
				return true
			}
		}
		return false
	}
}

// isTLS reports whether start is that of a handshake record (RFC 8446, section 5.1).
func isTLS(start []byte) bool { return len(start) >= 2 && start[0] == 0x16 && start[1] == 0x03 }

// isSOCKS5 recognizes the offered methods of RFC 1928.
func isSOCKS5(start []byte) bool {
	return len(start) >= 3 && start[0] == 5 && start[1] > 0 && len(start) >= 2+int(start[1])
}

// isSOCKS4 recognizes a CONNECT or BIND request, which ends with a user name and a zero.
func isSOCKS4(start []byte) bool {
	return len(start) >= 9 && start[0] == 4 && (start[1] == 1 || start[1] == 2) && bytes.IndexByte(start[8:], 0) >= 0
}

// isPostgreSQL recognizes a startup message of version 3, and the requests for encryption and for canceling.
func isPostgreSQL(start []byte) bool {
	return len(start) >= 8 && start[0] == 0 && start[1] == 0 &&
		(bytes.HasPrefix(start[4:], []byte{0, 3, 0}) || bytes.HasPrefix(start[4:], []byte{0x04, 0xd2, 0x16}))
}

// isSMB recognizes SMB 1 and 2 in a NetBIOS session message.
func isSMB(start []byte) bool {
	return len(start) >= 8 && start[0] == 0 && (start[4] == 0xff || start[4] == 0xfe) && string(start[5:8]) == "SMB"
}

// isMQTT recognizes a CONNECT packet.
func isMQTT(start []byte) bool {
	return len(start) >= 8 && start[0] == 0x10 && (bytes.Contains(start[:min(len(start), 12)], []byte("\x00\x04MQTT")) || bytes.Contains(start[:min(len(start), 12)], []byte("\x00\x06MQIs")))
}

// isLDAP recognizes a bind, search or extended request in BER.
func isLDAP(start []byte) bool {
	return len(start) >= 6 && start[0] == 0x30 && start[1] < 0x80 && start[2] == 2 && start[3] == 1 && bytes.IndexByte([]byte{0x60, 0x63, 0x77}, start[5]) >= 0
}

// isMongoDB recognizes OP_MSG and OP_QUERY by the opcode in the header.
func isMongoDB(start []byte) bool {
	return len(start) >= 16 && (string(start[12:16]) == "\xdd\x07\x00\x00" || string(start[12:16]) == "\xd4\x07\x00\x00")
}

// binaryStart is how many of the first bytes isBinary looks at.
const binaryStart = 16

// isBinary recognizes text in UTF-16, and protocols that have no row of their own, such as those of MySQL, SQL
// Server, Kafka, X11 and DNS: two zero bytes near the start, which no one types. Except for text it waits for as
// many bytes as the other rows need. A telnet option may have zeros, too.
func isBinary(start []byte) bool {
	switch text := isUTF16(start); {
	case !text && (len(start) < binaryStart || start[0] == 0xff):
		return false
	case text && len(start) < binaryStart && bytes.IndexByte(start, '\n') < 0:
		return false
	}
	return bytes.Count(start[:min(len(start), binaryStart)], []byte{0}) >= 2
}

// isUTF16 reports whether start is a printable character of ASCII in UTF-16, with or without a byte order mark.
func isUTF16(start []byte) bool {
	start = bytes.TrimPrefix(bytes.TrimPrefix(start, []byte("\xff\xfe")), []byte("\xfe\xff"))
	return len(start) >= 2 && (start[0] == 0 && start[1] >= ' ' && start[1] <= '~' || start[1] == 0 && start[0] >= ' ' && start[0] <= '~')
}

// isXMPP recognizes a stream header, which has no newline. Only an XML declaration may also begin a
// file that a person sends.
func isXMPP(start []byte) bool {
	return bytes.HasPrefix(start, []byte("<stream:stream")) || bytes.HasPrefix(start, []byte("<?xml")) && bytes.Contains(start, []byte("<stream:stream"))
}
