package front

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// handshakes are what clients of other protocols send first, and the start of the answer.
var handshakes = []struct{ name, sent, answer string }{
	{"IRC of weechat", "CAP LS 302\r\nNICK me\r\nUSER me 0 * :me\r\n", "ERROR :this room does not speak IRC\r\n"},
	{"IRC of irssi", "CAP LS 302\r\nJOIN :\r\n", "ERROR :"},
	{"IRC of ii", "NICK me\r\nUSER me localhost 127.0.0.1 :me\r\n", "ERROR :"},
	{"IRC of tinyirc", "USER me host server :me\nNICK :me\n", "ERROR :"},
	{"IRC with a password", "PASS hunter2\r\nCAP LS 302\r\nNICK me\r\nUSER root 0 * :root\r\n", "ERROR :"},
	{"IRC with only a password", "PASS hunter2\r\n", "ERROR :"},
	{"IRC with a long password", "PASS hunter2 and more\r\nNICK me\r\n", "ERROR :"},
	{"IRC, REQ first", "CAP REQ :sasl\r\n", "ERROR :"},
	{"IRC, without a colon", "USER bot 8 * bot\r\n", "ERROR :"},
	{"TLS 1.2", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x15\x03\x03\x00\x02\x02\x46"},
	{"TLS with a newline in it", "\x16\x03\x01\x02\x00\x01\n\x01\xfc\n", "\x15\x03\x03\x00\x02\x02\x46"},
	{"SSH", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", ""},
	{"old SSH", "SSH-1.99-OpenSSH\r\n", ""},
	{"SOCKS5", "\x05\x01\x00", "\x05\xff"},
	{"SOCKS5 with a password", "\x05\x02\x00\x02", "\x05\xff"},
	{"SOCKS4", "\x04\x01\x00\x50\x0a\x00\x00\x01root\x00", "\x00\x5b"},
	{"SOCKS4a", "\x04\x01\x00\x50\x00\x00\x00\x01\x00example.org\x00", "\x00\x5b"},
	{"SMTP", "EHLO mail.example.org\r\n", "554 "},
	{"SMTP of a scanner", "EHLO\r\n", "554 "},
	{"SMTP, literal", "EHLO [192.0.2.1]\r\n", "554 "},
	{"old SMTP", "HELO mail.example.org\r\n", "554 "},
	{"old SMTP with a short name", "HELO mailhost\r\nMAIL FROM:<a@b>\r\n", "554 "},
	{"LMTP", "LHLO localhost\r\n", "554 "},
	{"Redis", "*1\r\n$4\r\nPING\r\n", "-ERR "},
	{"Redis with a password", "*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n", "-ERR "},
	{"Redis, inline", "AUTH hunter2\r\n", "-ERR "},
	{"POP3", "USER bob\r\nPASS hunter2\r\n", "-ERR "},
	{"POP3, CAPA", "CAPA\r\n", "-ERR "},
	{"FTP", "USER anonymous\r\nPASS guest@\r\n", "-ERR "},
	{"FTP with TLS", "AUTH TLS\r\n", "-ERR "},
	{"IMAP", "a001 CAPABILITY\r\n", "* BYE "},
	{"IMAP with a password", "A1 LOGIN bob hunter2\r\n", "* BYE "},
	{"IMAP of Thunderbird", "1 capability\r\n", "* BYE "},
	{"IMAP, quoted", "2 login \"bob\" \"hunter2\"\r\n", "* BYE "},
	{"NNTP", "MODE READER\r\n", "502 "},
	{"XMPP", "<?xml version='1.0'?><stream:stream to='x' xmlns='jabber:client'>", "<stream:error>"},
	{"XMPP without a declaration", "<stream:stream to='x'>", "<stream:error>"},
	{"XMPP in two lines", "<?xml version='1.0'?>\n<stream:stream to='x'>\n", "<stream:error>"},
	{"PROXY 1", "PROXY TCP4 192.0.2.1 192.0.2.2 4711 24280\r\nhello\r\n", "this room does not speak the PROXY protocol\r\n"},
	{"PROXY 1, unknown", "PROXY UNKNOWN\r\n", "this room"},
	{"PROXY 2", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x67\x5e\xd8hello\n", ""},
	{"memcached", "set key 0 60 5\r\nhello\r\n", "SERVER_ERROR "},
	{"memcached, get", "get a\r\nget b\r\n", "SERVER_ERROR "},
	{"memcached, binary", "\x80\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ""},
	{"PostgreSQL", "\x00\x00\x00\x20\x00\x03\x00\x00user\x00root\x00database\x00x\x00\x00", "E\x00\x00\x00"},
	{"PostgreSQL with TLS", "\x00\x00\x00\x08\x04\xd2\x16\x2f", "E\x00\x00\x00"},
	{"SMB", "\x00\x00\x00\x54\xffSMB\x72\x00\x00\x00\x00", ""},
	{"SMB 2", "\x00\x00\x00\x54\xfeSMB\x40\x00\x00\x00\x00", ""},
	{"RDP", "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", ""},
	{"MQTT", "\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05hello", "\x20\x02\x00\x01"},
	{"AMQP", "AMQP\x00\x00\x09\x01", "AMQP"},
	{"LDAP", "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", ""},
	{"MongoDB", "\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00\x00\x00", ""},
	{"BitTorrent", "\x13BitTorrent protocol\x00\x00", ""},
	{"NATS", "CONNECT {\"verbose\":false,\"pass\":\"hunter2\"}\r\nPING\r\n", "-ERR "},
	{"STOMP", "CONNECT\naccept-version:1.2\npasscode:hunter2\n\n\x00", "ERROR\n"},
	{"RTSP", "DESCRIBE rtsp://192.0.2.1/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n", "RTSP/1.0 501 "},
	{"RTSP options", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", "RTSP/1.0 501 "},
	{"SIP", "REGISTER sip:example.org SIP/2.0\r\nVia: x\r\n\r\n", "SIP/2.0 501 "},
	{"ICAP", "OPTIONS icap://example.org/x ICAP/1.0\r\n\r\n", "ICAP/1.0 501 "},
	{"VNC", "RFB 003.008\n", "RFB 003.003\n"},
	{"rsync", "@RSYNCD: 31.0\n", "@ERROR"},
	{"git", "0032git-upload-pack /project.git\x00host=example.org\x00", "0028ERR"},
	{"IRC in lower case", "pass hunter2\r\nnick me\r\nuser root 0 * :root\r\n", "ERROR :"},
	{"IRC in lower case without a password", "nick me\r\nuser root 0 * :root\r\n", "ERROR :"},
	{"Redis 6", "HELLO 3 AUTH default hunter2\r\n", "-ERR "},
	{"HTTP in lower case", "post /messages http/1.1\r\nAuthorization: Bearer hunter2\r\n\r\n", "HTTP/1.1 400 "},
	{"HTTP in mixed case", "Get / HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 400 "},
	{"HTTP of no version", "GET / HTTP/x\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
	{"HTTP with a blank too much", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
	{"HTTP, version in lower case", "GET / http/1.1\r\nHost : x\r\n\r\n", "HTTP/1.1 400 "},
	{"ManageSieve", "AUTHENTICATE \"PLAIN\" \"AHRvbQBodW50ZXIy\"\r\n", "BYE "},
	{"Asterisk", "Action: Login\r\nUsername: admin\r\nSecret: hunter2\r\n\r\n", "Response: Error"},
	{"FreeSWITCH", "auth hunter2\n\n", "Content-Type: text/disconnect-notice"},
	{"MPD", "password hunter2\nstatus\n", "ACK "},
	{"syslog", "<34>1 2026-10-11T22:14:15.003Z host su - ID47 - failed\n", ""},
	{"syslog with a length", "82 <34>1 - host su - - - failed\n", ""},
	{"old syslog", "<34>Oct 11 22:14:15 host su: failed\n", ""},
	{"Zabbix", "ZBXD\x01\x0d\x00\x00\x00\x00\x00\x00\x00agent.version", ""},
	{"JDWP", "JDWP-Handshake", ""},
	{"AJP", "\x12\x34\x00\x01\x0a", ""},
	{"ClickHouse", "\x00\x11ClickHouse client\x15\x03\x07default\x07hunter2", ""},
	{"MySQL", "\x3a\x00\x00\x01\x85\xa6\x3f\x20\x00\x00\x00\x01!root\x00hunter2", "! binary data"},
	{"SQL Server", "\x12\x01\x00\x34\x00\x00\x00\x00\x00\x00\x15\x00\x06\x01\x00\x1b\x00\x01", "! binary data"},
	{"Kafka", "\x00\x00\x00\x23\x00\x12\x00\x03\x00\x00\x00\x01\x00\x07console", "! binary data"},
	{"DNS", "\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example", "! binary data"},
	{"X11", "l\x00\x0b\x00\x00\x00\x12\x00\x10\x00\x00\x00MIT-MAGIC-COOKIE-1\x00\x00hunter2", "! binary data"},
	{"rlogin", "\x00root\x00root\x00xterm/38400\x00", "! binary data"},
	{"UTF-16 with a mark", "\xff\xfeh\x00i\x00\r\x00\n\x00", "! binary data"},
	{"UTF-16", "h\x00i\x00\r\x00\n\x00", "! binary data"},
	{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n"}, // the handler of the test echoes
	{"HTTP 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\n"},
	{"HTTP to a proxy", "GET http://example.org/ HTTP/1.1\r\n\r\n", "GET http"},
	{"HTTP, CONNECT", "CONNECT example.org:443 HTTP/1.1\r\n\r\n", "CONNECT"},
	{"HTTP without a slash", "GET example.org HTTP/1.0\r\n\r\n", "GET "},
	{"HTTP 0.9", "GET /index.html\r\n", "GET "},
	{"SSDP", "M-SEARCH * HTTP/1.1\r\n\r\n", "M-SEARCH"},
}

// Nothing of another protocol's handshake reaches the room, however its bytes arrive. Its client
// gets an answer that it understands, at once.
func TestHandshakes(t *testing.T) {
	for _, test := range handshakes {
		t.Run(test.name, func(t *testing.T) {
			for split := range len(test.sent) {
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(Options{})
					c := h.connect(context.Background(), "10.0.0.2", false)
					began := time.Now()
					h.send(c, test.sent[:split])
					synctest.Wait()
					h.send(c, test.sent[split:])
					time.Sleep(time.Millisecond)
					synctest.Wait()
					if took := time.Since(began); !c.isClosed() && h.http.Load() == 0 {
						t.Errorf("split at %d: open after %v", split, took)
					}
					if got := c.received(); !strings.HasPrefix(got, test.answer) || test.answer == "" && got != "" {
						t.Errorf("split at %d: it got %q, want %q", split, got, test.answer)
					}
					if members, messages := h.room.Count(); members > 0 || messages > 0 {
						t.Errorf("split at %d: %d members, %d messages", split, members, messages)
					}
					h.Close()
					c.Close()
					h.served.Wait()
				})
			}
		})
	}
}

// A client that waits for the other side to begin, as those of mail protocols do, is greeted as
// a person. Its first line does not reach the room either.
func TestLateHandshakes(t *testing.T) {
	for _, test := range handshakes {
		if !strings.Contains(test.sent, "\n") {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(Options{})
				c := h.connect(context.Background(), "10.0.0.2", false)
				time.Sleep(2 * Silence)
				h.send(c, test.sent)
				time.Sleep(time.Minute)
				synctest.Wait()
				if _, messages := h.room.Count(); messages > 0 || !c.isClosed() {
					t.Errorf("%d messages; closed: %v; it got %q", messages, c.isClosed(), c.received())
				}
				h.Close()
				c.Close()
				h.served.Wait()
			})
		})
	}
}

// What a person types first gets through, even if it resembles a handshake.
func TestResemblingLines(t *testing.T) {
	for _, line := range []string{
		"PASS me the salt", "PASS", "pass hunter2", "NICK is late today", "NICK", "NICK bob", "HELO everyone", "HELO", "helo, world", "EHLO my friends",
		"USER accounts are not working", "USER names are back, everyone", "CAP is on my head", "CAP LS is a command of IRC", "JOIN us", "JOIN us later",
		"CONNECT the cable", "CONNECT", "CONNECT 4 tonight?", "GET that soup!", "GET /etc/hosts please", "POST it", "I LIKE HTTP/1.1", "THIS ROOM SPEAKS HTTP/1.1", "AUTH is broken again today",
		"*1", "*2 bananas*", "* bob waves", "$4", "PING", "QUIT it", "HELP", "INFO", "version", "stats", "get soup", "get milk and bread", "set the table", "set a 1", "2 login attempts failed",
		"1 capability less", "a1 sauce", "STARTTLS is what I need", "FEAT of strength", "PROXY is down", "PROXY UNKNOWNS", "SSH-2.0 is old", "RFB is VNC", "OPTIONS: a, b", "DESCRIBE it", "<?xml version='1.0'?>",
		"<b>hi</b>", "MAIL FROM bob came", "004 is a number", "0 apples", "\x05", "\x04 hm", "\x00", "é", "AMQP", "\t indented", "mode reader?",
		"nick me", "user accounts are not working again", "cap it", "HELLO 3 times", "HELLO 3x", "get /etc/hosts http/1.1", "Get / HTTP/1.1", "GET / HTTP/x", "AUTHENTICATE yourself", "Action: run away", "auth hunter2",
		"password hunter2", "<34> is a number", "<3>", "82 <34>", "a\x00b", "ZBXD", "JDWP",
	} {
		t.Run(line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(Options{})
				for _, pause := range []time.Duration{0, 2 * Silence} {
					c := h.connect(context.Background(), "10.0.0.2", false)
					time.Sleep(pause)
					h.send(c, line+"\n")
					time.Sleep(2 * Silence)
					h.send(c, "and a second line\n")
					time.Sleep(time.Second)
					synctest.Wait()
					if got := c.received(); !strings.HasPrefix(got, "* Welcome") || strings.Contains(got, "! ") || c.isClosed() {
						t.Errorf("after %v: %q got %q, closed: %v", pause, line, got, c.isClosed())
					}
					c.Close()
				}
				synctest.Wait()
				if _, messages := h.room.Count(); messages != 4 {
					t.Errorf("%q: %d messages, want 4", line, messages)
				}
				h.Close()
				h.served.Wait()
			})
		})
	}
}
