package web_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/crypto/ssh"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/hostseal"
	"chat/relay/internal/access"
	"chat/relay/seal"
	"chat/relay/web"
	"chat/relay/wire"
)

const (
	memberSecret   = "MEMBER2222222222"
	listenSecret   = "LISTEN2222222222"
	operatorSecret = "OPERATOR22222222"
	newSecret      = "NEWMEMBER2222222"
)

// A sealedRoom is a sealed host for a test.
type sealedRoom struct {
	*room
	client *http.Client // by TLS; it keeps no cookies
}

// openSealed opens a sealed room after the changes to its seal.
func openSealed(t *testing.T, change ...func(*relay.Seal)) *sealedRoom {
	t.Helper()
	key, err := hostseal.LoadKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	source, err := hostseal.KeptCertificate(t.TempDir(), key, func() []string { return []string{"127.0.0.1"} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	store, err := files.Open("", files.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	invite := seal.Invite{Addr: "192.168.1.5:24280", Pin: source.Pin()}
	sealed := &relay.Seal{
		TLS:     source.Config(),
		Secrets: seal.RoomSecrets{Member: memberSecret, Listen: listenSecret, Operator: operatorSecret},
		Renew: func() (seal.RoomSecrets, error) {
			return seal.RoomSecrets{Member: newSecret, Listen: "NEWLISTEN2222222", Operator: operatorSecret}, nil
		},
		Invite: func(s seal.Secret) seal.Invite { i := invite; i.Secret = s; return i },
	}
	for _, f := range change {
		f(sealed)
	}
	r := open(t, relay.Options{App: "chat 1.0", Room: "01f3c5a7092b4d6e", Seal: sealed}, web.Options{Files: store, MetricsForAll: true})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &sealedRoom{r, &http.Client{Transport: transport}}
}

// ask sends a request by TLS.
func (r *sealedRoom) ask(method, path, body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "https://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(b)
}

// enter exchanges what values say for a cookie, and returns it as a header.
func (r *sealedRoom) enter(values url.Values, header ...string) (cookie string, answer string) {
	r.t.Helper()
	res, answer := r.ask("POST", "/enter", values.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
	if res.StatusCode != http.StatusOK {
		r.t.Fatalf("%v gets %d %s", values, res.StatusCode, answer)
	}
	cookies := res.Cookies()
	if len(cookies) != 1 {
		r.t.Fatalf("%v", res.Header)
	}
	c := cookies[0]
	if !regexp.MustCompile(`^chat-[0-9a-f]{8}$`).MatchString(c.Name) || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != int(access.CookieTime.Seconds()) {
		r.t.Errorf("the cookie is %s", res.Header.Get("Set-Cookie"))
	}
	return c.Name + "=" + c.Value, answer
}

func bearer(secret string) []string { return []string{"Authorization", "Bearer " + secret} }

// paths are requests of every kind, with the status that they get from a member.
var paths = []struct {
	method, path, body string
	member             int
	free, changes      bool
}{
	{method: "GET", path: "/", member: 200, free: true},
	{method: "GET", path: "/page/main.js", member: 200, free: true},
	{method: "GET", path: "/page/manifest.webmanifest", member: 200, free: true},
	{method: "GET", path: "/enter", member: 200, free: true},
	{method: "GET", path: "/room", member: 200, free: true},
	{method: "HEAD", path: "/room", member: 200, free: true},
	{method: "GET", path: "/commands", member: 200, free: true},
	{method: "GET", path: "/healthz", member: 200, free: true},
	{method: "GET", path: "/nick?nick=alice", member: 200},
	{method: "GET", path: "/qr.svg", member: 200},
	{method: "GET", path: "/messages", member: 200},
	{method: "HEAD", path: "/events", member: 200},
	{method: "GET", path: "/files/", member: 200},
	{method: "GET", path: "/files/1/x", member: 404},
	{method: "OPTIONS", path: "/files/", member: 204},
	{method: "GET", path: "/metrics", member: 200},
	{method: "GET", path: "/socket", member: 426},
	{method: "POST", path: "/socket", body: "{}", member: 404}, // there is no such stream; its session rejects messages
	{method: "GET", path: "/nosuch", member: 404},
	{method: "POST", path: "/messages", body: "soup", member: 201, changes: true},
	{method: "PUT", path: "/files/soup.txt", body: "soup", member: 201, changes: true},
	{method: "PUT", path: "/soup.txt", body: "soup", member: 201, changes: true},
	{method: "PUT", path: "/", body: "soup", member: 400, changes: true},
	{method: "PUT", path: "/page/main.js", body: "soup", member: 405, changes: true},
	{method: "POST", path: "/files/", body: "soup", member: 412, changes: true},
	{method: "PATCH", path: "/files/upload/x", body: "soup", member: 405, changes: true},
	{method: "DELETE", path: "/room", member: 405, changes: true},
}

// Without the secret there is only the page, and what a probe gets. With one for listening, nothing can be changed.
func TestSealedPaths(t *testing.T) {
	r := openSealed(t)
	memberCookie, _ := r.enter(url.Values{"secret": {memberSecret}})
	listenCookie, _ := r.enter(url.Values{"secret": {listenSecret}})
	forged := memberCookie[:len(memberCookie)-4] + "AAAA"
	for _, test := range paths {
		listen := test.member
		if test.changes {
			listen = 403
		}
		none := 401
		if test.free {
			none = test.member
		}
		for _, way := range []struct {
			name   string
			header []string
			want   int
		}{
			{"nothing", nil, none},
			{"a forged cookie", []string{"Cookie", forged}, none},
			{"Basic", []string{"Authorization", "Basic eDp5"}, none},
			{"the member secret", bearer(memberSecret), test.member},
			{"a member's cookie", []string{"Cookie", "other=1; " + forged + "; " + memberCookie}, test.member},
			{"the secret for listening", bearer(listenSecret), listen},
			{"a listener's cookie", []string{"Cookie", listenCookie}, listen},
		} {
			res, body := r.ask(test.method, test.path, test.body, way.header...)
			if isAllowed := res.StatusCode == way.want || way.want != 401 && way.want != 403 && test.path == "/files/upload/x" && res.StatusCode >= 400; !isAllowed {
				t.Errorf("%s %s with %s: %d %.80s, want %d", test.method, test.path, way.name, res.StatusCode, body, way.want)
			}
			if res.StatusCode == 401 && (res.Header.Get("WWW-Authenticate") == "" || test.method != "HEAD" && !strings.Contains(body, "Authorization: Bearer")) {
				t.Errorf("%s %s is rejected without a word how to do it: %v %s", test.method, test.path, res.Header, body)
			}
			if res.Header.Get("Strict-Transport-Security") != "" {
				t.Error("a browser would refuse the host's own certificate, without a way around, for all services of its address")
			}
		}
	}
	if res, body := r.ask("POST", "/files/", "", append(bearer(listenSecret), "X-HTTP-Method-Override", "HEAD")...); res.StatusCode == 201 || strings.Contains(body, "soup") {
		t.Errorf("an overridden method gets %d", res.StatusCode)
	}
}

// What is free has nothing of the room but its title.
func TestSealedDescriptions(t *testing.T) {
	r := openSealed(t)
	alice := r.sealedPerson(t)
	alice.send("soup is ready")
	type description struct {
		Room, Title, Access, Challenge string
		Sealed, Files                  bool
		Members                        int
		Ways                           []string
	}
	describe := func(path string, header ...string) (d description) {
		_, body := r.ask("GET", path, "", header...)
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			t.Fatal(body, err)
		}
		return d
	}
	if d := describe("/room"); !d.Sealed || d.Room == "" || d.Title != "kitchen" || d.Members != 0 || len(d.Ways) > 0 || d.Access != "" || d.Files {
		t.Errorf("a stranger learns %+v", d)
	}
	if d := describe("/room", bearer(listenSecret)...); d.Members != 1 || d.Access != "listen" || len(d.Ways) != 1 || d.Ways[0] != "https://"+r.addr+"/" {
		t.Errorf("a listener learns %+v", d)
	}
	if d := describe("/enter"); d.Title != "kitchen" || len(d.Challenge) != seal.BindingLength || d.Challenge == describe("/enter").Challenge {
		t.Errorf("the way in is %+v", d)
	}
	member, listen := "", ""
	_, member = r.ask("GET", "/qr.svg", "", bearer(memberSecret)...)
	_, listen = r.ask("GET", "/qr.svg", "", bearer(listenSecret)...)
	if _, operator := r.ask("GET", "/qr.svg", "", bearer(operatorSecret)...); member == listen || member != operator {
		t.Error("the QR codes are not those of the invites that each may pass on")
	}
	if invite, ok := r.srv.Invite(access.None); ok {
		t.Errorf("without any secret there is an invite, to %s", invite.Addr)
	}
	plain := open(t, relay.Options{}, web.Options{})
	for _, method := range []string{"GET", "POST"} {
		if status, _ := plain.do(method, "/enter", ""); status != 404 {
			t.Errorf("%s /enter of a plain room: %d", method, status)
		}
	}
}

// sealedPerson joins as a person, by TLS.
func (r *sealedRoom) sealedPerson(t *testing.T) *person {
	t.Helper()
	conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	p := &person{t, conn, bufio.NewScanner(conn)}
	p.send(memberSecret)
	p.expect("Welcome")
	return p
}

func TestEnter(t *testing.T) {
	r := openSealed(t)
	for body, want := range map[string]struct {
		kind   string
		status int
		access string
	}{
		`{"secret":"` + memberSecret + `"}`:                     {"application/json", 200, "member"},
		`{"secret":" oper-ator-2222 2222 "}`:                    {"application/json; charset=utf-8", 200, "operator"},
		"secret=" + listenSecret:                                {"application/x-www-form-urlencoded", 200, "listen"},
		url.Values{"secret": {r.invite(memberSecret)}}.Encode(): {"application/x-www-form-urlencoded", 200, "member"},
		`{"secret":`: {"application/json", 400, ""},
		`{"secret":"` + strings.Repeat("a", 9<<10) + `"}`: {"application/json", 400, ""},
		"secret=" + strings.Repeat("a", 9<<10):            {"application/x-www-form-urlencoded", 400, ""},
		"secret=WRONG22222222222":                         {"application/x-www-form-urlencoded", 401, ""},
		"":                                                {"application/x-www-form-urlencoded", 401, ""},
		"key=ssh-ed25519+AAAA&signature=AAAA&challenge=" + "A":                   {"application/x-www-form-urlencoded", 401, ""},
		"challenge=" + strings.Repeat("A", 32) + "&key=x&secret=" + listenSecret: {"application/x-www-form-urlencoded", 401, ""},
	} {
		res, answer := r.ask("POST", "/enter", body, "Content-Type", want.kind)
		var got struct{ Access string }
		json.Unmarshal([]byte(answer), &got)
		if res.StatusCode != want.status || got.Access != want.access || (len(res.Cookies()) == 1) != (want.status == 200) {
			t.Errorf("%.60s: %d %.80s, want %d %s", body, res.StatusCode, answer, want.status, want.access)
		}
	}
	if res, _ := r.ask("POST", "/enter?secret="+memberSecret, ""); res.StatusCode != 401 {
		t.Errorf("a secret in the address gets %d", res.StatusCode)
	}
	for origin, want := range map[string]int{"https://" + r.addr: 200, "http://" + r.addr: 403, "https://evil.example": 403, "null": 403} {
		res, _ := r.ask("POST", "/enter", "secret="+memberSecret, "Content-Type", "application/x-www-form-urlencoded", "Origin", origin)
		if res.StatusCode != want {
			t.Errorf("from a page of %s: %d, want %d", origin, res.StatusCode, want)
		}
	}
	var form bytes.Buffer
	fields := multipart.NewWriter(&form)
	fields.WriteField("secret", memberSecret)
	fields.Close()
	if res, _ := r.ask("POST", "/enter", form.String(), "Content-Type", fields.FormDataContentType()); res.StatusCode != 401 {
		t.Errorf("a form with files: %d", res.StatusCode)
	}
}

// invite returns an invite to the room.
func (r *sealedRoom) invite(secret seal.Secret) string {
	invite, _ := r.srv.Invite(access.Member)
	invite.Secret = secret
	return invite.URL()
}

// A browser shows that it has a key by signing a challenge, with the secret or later. A challenge of another host is worth
// nothing.
func TestEnterWithKey(t *testing.T) {
	r := openSealed(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	challenge := func() string {
		_, body := r.ask("GET", "/enter", "")
		var d struct{ Challenge string }
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			t.Fatal(err)
		}
		return d.Challenge
	}
	signed := func(challenge string) url.Values {
		signature, err := signer.Sign(rand.Reader, seal.SignedData("01f3c5a7092b4d6e", []byte(challenge)))
		if err != nil {
			t.Fatal(err)
		}
		return url.Values{
			"key": {strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}, "challenge": {challenge},
			"signature": {base64.StdEncoding.EncodeToString(ssh.Marshal(signature))},
		}
	}
	values := signed(challenge())
	values.Set("secret", memberSecret)
	cookie, answer := r.enter(values)
	var both struct{ Access, Tag string }
	if err := json.Unmarshal([]byte(answer), &both); err != nil || both.Access != "member" || len(both.Tag) != 4 {
		t.Errorf("secret and key get %s, %v", answer, err)
	}
	plain, _ := r.enter(url.Values{"secret": {listenSecret}})
	later, answer := r.enter(signed(challenge()), "Cookie", plain)
	var after struct{ Access, Tag string }
	if err := json.Unmarshal([]byte(answer), &after); err != nil || after.Access != "listen" || after.Tag != both.Tag || later == plain {
		t.Errorf("a key after the secret gets %s, %v", answer, err)
	}
	post := func(values url.Values, header ...string) int {
		res, _ := r.ask("POST", "/enter", values.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
		return res.StatusCode
	}
	if status := post(signed(challenge())); status != 401 { // it is in no list
		t.Errorf("a key alone gets %d", status)
	}
	forged := signed(challenge())
	forged.Set("challenge", challenge())
	if status := post(forged, "Cookie", cookie); status != 401 {
		t.Errorf("the signature of another challenge gets %d", status)
	}
	if status := post(signed(strings.Repeat("A", seal.BindingLength)), "Cookie", cookie); status != 401 {
		t.Errorf("a challenge that the host did not make gets %d", status)
	}
	b := r.socket(t, "Cookie", cookie)
	b.send(`{"type":"hello","nick":"alice"}`)
	if e, err := b.next(); err != nil || e.Type != wire.TypeWelcome || e.Access != "" {
		t.Errorf("the socket of a member with a key: %+v, %v", e, err)
	}
	b.send(`{"type":"who"}`)
	for {
		e, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == wire.TypeWho {
			if len(e.Tags) != 1 || e.Tags[0] != both.Tag {
				t.Errorf("the room knows the tags %q, want %s", e.Tags, both.Tag)
			}
			return
		}
	}
}

// A program shows that it has a key by signing its connection. On another one the signature is worth nothing.
func TestEnterWithSignedConnection(t *testing.T) {
	r := openSealed(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	var entry url.Values
	for i, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i == 0 {
			state := conn.ConnectionState()
			binding, err := state.ExportKeyingMaterial(seal.ExporterLabel, nil, seal.BindingLength)
			if err != nil {
				t.Fatal(err)
			}
			signature, err := signer.Sign(rand.Reader, seal.SignedData("01f3c5a7092b4d6e", binding))
			if err != nil {
				t.Fatal(err)
			}
			entry = url.Values{
				"secret": {memberSecret}, "key": {strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))},
				"signature": {base64.StdEncoding.EncodeToString(ssh.Marshal(signature))},
			}
		}
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+r.addr+"/enter", strings.NewReader(entry.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := req.Write(conn); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want || want == http.StatusOK && !strings.Contains(string(body), `"tag"`) {
			t.Errorf("connection %d gets %d %s, %v, want %d", i, res.StatusCode, body, err, want)
		}
		res.Body.Close()
	}
}

// socket opens a WebSocket by TLS.
func (r *sealedRoom) socket(t *testing.T, header ...string) *browser {
	t.Helper()
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	ws, res, err := websocket.Dial(t.Context(), "wss://"+r.addr+"/socket", &websocket.DialOptions{HTTPHeader: h, HTTPClient: r.client})
	if err != nil {
		t.Fatal(res, err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return &browser{t: t, ws: ws}
}

func TestSealedSocket(t *testing.T) {
	r := openSealed(t)
	cookie, _ := r.enter(url.Values{"secret": {listenSecret}})
	if _, res, err := websocket.Dial(t.Context(), "wss://"+r.addr+"/socket", &websocket.DialOptions{HTTPClient: r.client}); err == nil || res.StatusCode != 401 {
		t.Errorf("a socket without the secret: %v", err)
	}
	if _, res, err := websocket.Dial(t.Context(), "wss://"+r.addr+"/socket", &websocket.DialOptions{
		HTTPClient: r.client, HTTPHeader: http.Header{"Cookie": {cookie}, "Origin": {"https://evil.example"}},
	}); err == nil || res.StatusCode != 403 {
		t.Errorf("a socket of another site's page: %v", err)
	}
	for name, header := range map[string][]string{"cookie": {"Cookie", cookie, "Origin", "https://" + r.addr}, "secret": bearer(listenSecret)} {
		b := r.socket(t, header...)
		b.send(`{"type":"hello","nick":"bob"}`)
		if e, err := b.next(); err != nil || e.Type != wire.TypeWelcome || e.Access != "listen" || !e.Sealed {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		b.send(`{"type":"say","seq":1,"text":"soup"}`)
		for {
			e, err := b.next()
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == wire.TypeError {
				if e.Code != wire.CodeListenOnly {
					t.Errorf("%s: %+v", name, e)
				}
				break
			}
		}
	}
}

// A stream ends when the secret that it was opened with is replaced, without the new one: its reader is no member, so no one
// could see that a leaked invite is still in use.
func TestStreamOfAReplacedSecret(t *testing.T) {
	r := openSealed(t)
	cookie, _ := r.enter(url.Values{"secret": {memberSecret}})
	operators, _ := r.enter(url.Values{"secret": {operatorSecret}})
	streams := make(map[string]*bufio.Scanner)
	for name, header := range map[string][]string{"page": {"Cookie", cookie}, "page of an operator": {"Cookie", operators}, "script": bearer(memberSecret)} {
		streams[name] = bufio.NewScanner(r.events(t, header[0], header[1]).Body)
	}
	if res, body := r.ask("POST", "/messages", "soup is ready", bearer(memberSecret+".token-of-ci")...); res.StatusCode != 201 {
		t.Fatal(body)
	}
	for name, s := range streams {
		for s.Scan() && !strings.Contains(s.Text(), "soup is ready") {
		}
		if s.Err() != nil {
			t.Fatal(name, s.Err())
		}
	}
	op := r.socket(t, bearer(operatorSecret)...)
	op.send(`{"type":"hello","nick":"op"}`)
	op.send(`{"type":"invite","text":"new"}`)
	for name, s := range streams {
		var rest strings.Builder
		for s.Scan() { // to its end
			rest.WriteString(s.Text())
		}
		if strings.Contains(rest.String(), newSecret) || strings.Contains(rest.String(), `"type":"invite"`) {
			t.Errorf("the stream of the %s ends with %s", name, rest.String())
		}
	}
	for _, header := range [][]string{{"Cookie", cookie}, bearer(memberSecret)} {
		if res, _ := r.ask("GET", "/events", "", header...); res.StatusCode != 401 {
			t.Errorf("%s gets %d after that", header[0], res.StatusCode)
		}
	}
	if res, _ := r.ask("GET", "/messages", "", bearer(newSecret)...); res.StatusCode != 200 {
		t.Errorf("the new secret gets %d", res.StatusCode)
	}
}

// A script is a client of its own by the token after its secret, which the room never gets.
func TestSealedScripts(t *testing.T) {
	r := openSealed(t)
	clients := make(map[string]string)
	for _, token := range []string{"", ".token-of-one", ".token-of-two", "."} {
		res, body := r.ask("POST", "/messages", "soup", bearer(memberSecret+token)...)
		e, err := wire.ParseEvent([]byte(body))
		if res.StatusCode != 201 || err != nil {
			t.Fatalf("%s: %d %s %v", token, res.StatusCode, body, err)
		}
		clients[token] = e.Client
	}
	if clients[""] != clients["."] || clients[""] == clients[".token-of-one"] || clients[".token-of-one"] == clients[".token-of-two"] {
		t.Errorf("the clients are %v", clients)
	}
	if res, _ := r.ask("POST", "/messages", "soup", bearer(memberSecret+".short")...); res.StatusCode != 400 {
		t.Errorf("a token that is too short gets %d", res.StatusCode)
	}
}

// A message by HTTP has the key of its cookie: its nick belongs to that key, and is taken for others.
func TestMessageByKey(t *testing.T) {
	r := openSealed(t)
	entry := signedEntry(t, r, newSigner(t))
	entry.Set("secret", memberSecret)
	cookie, _ := r.enter(entry)
	for _, test := range []struct {
		header []string
		own    bool
	}{{[]string{"Cookie", cookie}, true}, {bearer(memberSecret + ".token-of-eve"), false}, {[]string{"Cookie", cookie}, true}} {
		res, body := r.ask("POST", "/messages?nick=alice", "soup", test.header...)
		e, err := wire.ParseEvent([]byte(body))
		if res.StatusCode != 201 || err != nil || (e.From == "alice") != test.own {
			t.Errorf("with %s: %d %s %v", test.header[0], res.StatusCode, body, err)
		}
	}
}
