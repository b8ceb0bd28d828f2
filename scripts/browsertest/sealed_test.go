//go:build unix

package browsertest_test

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// sealedHost starts a host of a sealed room, whose key and secrets are in a directory of their own.
func sealedHost(t *testing.T, flags ...string) *host {
	t.Helper()
	return startHostIn(t, t.TempDir(), append([]string{"--secure"}, flags...)...)
}

// invite returns the room's current invite; flags choose another than that of members.
func (h *host) invite(flags ...string) string {
	h.t.Helper()
	var out []byte
	await(h.t, "the room to be open", func() (ok bool) { // the host listens a moment before
		var err error
		out, err = h.command(append([]string{"invite"}, flags...)...).Output()
		return err == nil
	})
	return strings.TrimSpace(string(out))
}

// secretIn returns the secret of an invite.
func secretIn(invite string) string { return invite[strings.LastIndexByte(invite, '.')+1:] }

// operator joins the sealed room as a program that may renew its secrets.
func (h *host) operator(nick string) *peer {
	h.t.Helper()
	p := h.dial(fmt.Sprintf(`{"type":"hello","nick":%q,"backlog":0,"secret":%q}`, nick, secretIn(h.invite("--operator"))))
	p.waitFor(`"welcome"`)
	return p
}

// renew replaces the secrets of members and listeners.
func (p *peer) renew() {
	p.t.Helper()
	before := strings.Count(p.received(), "replaced the invite")
	fmt.Fprintln(p, `{"type":"command","text":"/invite new"}`)
	await(p.t, "new secrets", func() bool { return strings.Count(p.received(), "replaced the invite") > before })
}

// openSealed opens a sealed room as a person does who clicks through the browser's warning.
func (p *tab) openSealed(url string) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, page.Navigate, page.NavigateParams{URL: url}); err != nil {
		p.t.Fatal(err)
	}
	p.wait(`document.getElementById("proceed-link") && document.body.innerText.includes("Your connection is not private")`)
	p.run(`document.getElementById("proceed-link").click()`)
	p.wait(`document.getElementById("arrival")`)
}

// before has a script run before those of the page.
func (p *tab) before(script string) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) enterName(nick string) {
	p.t.Helper()
	p.wait(`!document.getElementById("join").hidden && document.activeElement.id === "name"`)
	p.write(nick)
	p.press("Enter")
	p.connected()
}

// keyOfBrowser is the public key that the page keeps, and what is wrong with how it keeps the private one.
const keyOfBrowser = `(async () => {
	const result = (request) => new Promise((resolve, reject) => { request.onsuccess = () => resolve(request.result); request.onerror = reject; });
	const db = await result(indexedDB.open("chat"));
	const keys = await result(db.transaction("keys").objectStore("keys").getAll());
	if (keys.length !== 1) return keys.length + " keys";
	const { privateKey, publicKey } = keys[0];
	for (const form of ["pkcs8", "jwk"]) {
		if (privateKey.extractable || await crypto.subtle.exportKey(form, privateKey).then(() => true, () => false)) return "the key can be exported as " + form;
	}
	return (await crypto.subtle.exportKey("jwk", publicKey)).x;
})()`

// A person opens an invite, clicks through the warning and talks. The secret is nowhere in the browser afterwards.
func TestInviteOpensPage(t *testing.T) {
	h := sealedHost(t)
	bob := h.operator("bob")
	alice := newProfile(t, 1280, 800)
	alice.before(noteSecrets)
	secret := secretIn(h.invite())
	alice.openSealed(h.invite())
	alice.wait(`document.getElementById("here").textContent === "1 person is here · sealed"`)
	alice.enterName("alice")
	bob.waitFor(`"members":["alice"]`)
	alice.send("soup is ready")
	bob.waitFor(`"text":"soup is ready"`)
	fmt.Fprintln(bob, `{"type":"say","text":"coming"}`)
	alice.waitFor("coming")
	alice.wait(`document.getElementById("seal").textContent === "sealed" && document.getElementById("seal").checkVisibility()`)

	alice.keepsNo(secret)
	if sent := eval[string](alice, `sent.filter(([, , body]) => body.includes(%q)).map(([url, method]) => method + " " + url).join()`, secret); sent != "POST /enter" {
		t.Errorf("the secret was sent by %q, want once by POST /enter", sent)
	}
	history, err := chromedp.Call(alice.ctx, page.GetNavigationHistory, cdp.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(history); err != nil || strings.Contains(string(b), secret) || !strings.Contains(string(b), h.addr) {
		t.Errorf("the tab's history is %s, %v", b, err)
	}

	// The key stays the same, and cannot be taken away.
	key := eval[string](alice, keyOfBrowser)
	if len(key) != 43 {
		t.Errorf("the browser's key: %s", key)
	}
	fmt.Fprintln(bob, `{"type":"who"}`)
	bob.waitFor(`"tags":["`)
	alice.showsTags(bob)
	if eval[bool](alice, `import("/page/relays.js").then(({ note, isChoice }) => { note(["10.0.0.1:24280"]); return isChoice(); })`) {
		t.Error("the page of a sealed room goes to other hosts, whose certificates it does not know")
	}
	alice.copiesInvite(h)
	alice.do(chromedp.Reload())
	alice.connected()
	if again := eval[string](alice, keyOfBrowser); again != key {
		t.Errorf("after a reload the key is %s, was %s", again, key)
	}

	// New secrets come to those present; nothing asks them, and an upload goes on.
	alice.holdEntry()
	bob.renew()
	alice.wait(`window.enterNow`)
	alice.run(`const { stage } = await import("/page/uploads.js"); stage([new File(["soup"], "soup.txt")])`)
	alice.send("")
	alice.wait(`document.getElementById("tray").innerText.includes("Waiting for the host")`)
	alice.run(`enterNow()`)
	bob.waitFor(`"name":"soup.txt"`)
	alice.hasEntered(h)
	alice.keepsNo(secretIn(h.invite()))
	alice.do(chromedp.Reload())
	alice.connected()
	if name := eval[string](alice, `document.getElementById("rename").textContent`); name != "alice" {
		t.Errorf("after new secrets and a reload alice is %s", name)
	}
}

// noteSecrets records the requests of a page, each as address, method and body, and the texts that it copies.
const noteSecrets = `window.sent = [];
window.copied = [];
const send = window.fetch;
window.fetch = (url, options) => {
	sent.push([String(url), options?.method ?? "GET", String(options?.body ?? "")]);
	return send(url, options);
};
navigator.clipboard && (navigator.clipboard.writeText = async (text) => void copied.push(text));`

// keepsNo checks that a secret is nowhere in the browser.
func (p *tab) keepsNo(secret string) {
	p.t.Helper()
	for what, kept := range map[string]string{
		"the address": `location.href`, "the stores": `JSON.stringify([{ ...localStorage }, { ...sessionStorage }])`, "readable cookies": `document.cookie`,
		"the page": `document.documentElement.outerHTML`, "the addresses of requests": `JSON.stringify(performance.getEntriesByType("resource").map(({ name }) => name))`,
	} {
		if text := eval[string](p, "%s", kept); strings.Contains(text, secret) || strings.Contains(text, "#") && what == "the address" {
			p.t.Errorf("the secret is in %s: %s", what, text)
		}
	}
}

var tagOf = regexp.MustCompile(`"tags":\["([a-z2-7]{4})"`)

// showsTags checks the tags of keys in the list of members: alice's own, and that no one inherits one.
func (p *tab) showsTags(other *peer) {
	p.t.Helper()
	p.wait(`document.getElementById("who").innerText.replace(/\s+/g, " ").includes("alice you, %s")`, tagOf.FindStringSubmatch(other.received())[1])
	shown := eval[string](p, `import("/page/members.js").then(async ({ update }) => {
		const event = (type, fields) => update({ type, members: [], hosts: [], tags: [], from: "", nick: "", code: "", count: 0, ...fields });
		const ofZoe = () => new Promise((resolve) => setTimeout(() => resolve([...document.querySelectorAll("#who li")].at(-1).innerText.replace(/\s+/g, " ").trim()), 100));
		const seen = [];
		event("join", { members: ["zed"], tags: ["zzzz"] });
		event("nick", { from: "zed", nick: "zoe" });
		seen.push(await ofZoe());
		event("leave", { members: ["zoe"] });
		event("join", { members: ["zoe"] });
		seen.push(await ofZoe());
		event("leave", { members: ["zoe"] });
		return seen.join("; ");
	})`)
	if shown != "zoe zzzz; zoe" {
		p.t.Errorf("the list has %q", shown)
	}
}

// copiesInvite checks that the invite is copied when the button says so, and only then.
func (p *tab) copiesInvite(h *host) {
	p.t.Helper()
	p.click("#show-invite")
	p.wait(`document.getElementById("invite").open && document.getElementById("ways").innerText === %q`, h.invite())
	if copied := eval[string](p, `copied.join()`); copied != "" {
		p.t.Errorf("unasked, the page copied %q", copied)
	}
	p.click("#copy-invite")
	p.wait(`copied.join() === %q && document.getElementById("copy-invite").textContent === "Copied"`, h.invite())
	p.click("#invite form button")
	p.click("#show-invite")
	p.wait(`document.getElementById("invite").open && document.getElementById("copy-invite").textContent === "Copy"`)
	p.click("#invite form button")
	p.run(`document.getElementById("ways").replaceChildren()`)
}

// holdEntry holds the next exchange of a secret back, until the script calls enterNow.
func (p *tab) holdEntry() {
	p.t.Helper()
	p.run(`const real = fetch;
		let isFirst = true;
		window.fetch = async (url, options) => {
			if (url === "/enter" && options && isFirst) {
				isFirst = false;
				await new Promise((resolve) => (window.enterNow = resolve));
			}
			return real(url, options);
		};`)
}

// Without a valid secret the page asks for it. What was written stays.
func TestSecretForm(t *testing.T) {
	h := sealedHost(t)
	alice := newProfile(t, 390, 844)
	alice.before(`window.WebSocket = class extends WebSocket { constructor(url) { super(url); window.socket = this; } }`)
	script := axe(t)
	alice.openSealed(strings.ReplaceAll(h.invite(), secretIn(h.invite()), "WRONGWRONGWRONGW"))
	alice.wait(`document.getElementById("why")?.textContent.includes("wrong")`)
	eval[any](alice, "%s", script+"; 1")
	checkAxe(alice, "the secret form")
	if kind := eval[string](alice, `document.getElementById("secret").type + " " + document.getElementById("secret").autocomplete`); kind != "password current-password" {
		t.Errorf("the field is a %s", kind)
	}
	submit := func(text string) {
		t.Helper()
		alice.wait(`document.activeElement.id === "secret"`)
		alice.run(`document.getElementById("secret").value = ""`)
		alice.write(text)
		alice.press("Enter")
	}
	alice.isRefused(secretIn(h.invite()))
	submit(strings.ToLower(secretIn(h.invite())))
	alice.enterName("alice")
	alice.run(`document.getElementById("text").focus()`)
	alice.write("half a sentence")
	alice.open("about:blank")

	h.operator("bob").renew()
	alice.open("https://" + h.addr + "/")
	alice.wait(`document.getElementById("why")?.textContent.includes("changed")`)
	submit(h.invite()) // all of it
	alice.connected()
	alice.wait(`document.getElementById("text").value === "half a sentence"`)

	// The link itself in the same tab, which changes only the fragment, works too.
	alice.open("about:blank")
	carol := h.operator("carol")
	carol.renew()
	alice.open("https://" + h.addr + "/")
	alice.wait(`document.getElementById("why")`)
	alice.run(`location.href = %q`, h.invite())
	alice.connected()
	if address := eval[string](alice, `location.href`); strings.Contains(address, "#") {
		t.Errorf("the address is %s", address)
	}

	// The host cannot be reached when the secret is replaced. The page exchanges it later; nothing asks.
	alice.run(`const real = fetch;
		window.fetch = async (url, options) => {
			if (url !== "/enter" || !options || window.failed) return real(url, options);
			window.failed = socket;
			throw new TypeError();
		}`)
	carol.renew()
	alice.wait(`window.failed`)
	alice.run(`socket.close()`)
	alice.wait(`socket !== failed && document.getElementById("connection").textContent === "Connected"`)

	// The secret is replaced while the browser is asleep. Then too many wrong ones.
	alice.run(`socket.onmessage = null`)
	carol.renew()
	alice.run(`socket.close()`)
	alice.wait(`document.getElementById("why")?.textContent.includes("changed")`)
	alice.run(`await Promise.all([1, 2, 3, 4, 5].map(() => fetch("/enter", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"secret":"nononononono"}' })))`)
	submit(secretIn(h.invite()))
	alice.wait(`/^Too many .* again in \d+ s$/.test(document.getElementById("why").textContent)`)
	alice.keepsNo(secretIn(h.invite()))
}

// isRefused checks the page's words for an exchange that fails for other reasons than a wrong secret.
func (p *tab) isRefused(secret string) {
	p.t.Helper()
	enter := func(how string) string {
		p.t.Helper()
		return eval[string](p, `import("/page/sealed.js").then(async ({ enter }) => {
			const real = window.fetch, later = window.setTimeout, open = IDBFactory.prototype.open;
			try {
				%s;
				return await enter(%q);
			} finally {
				delete crypto.subtle;
				[window.fetch, window.setTimeout, IDBFactory.prototype.open] = [real, later, open];
			}
		})`, how, secret)
	}
	for how, want := range map[string]string{
		`window.fetch = (url, options) => real(url, { ...options, credentials: "omit" })`:// as if cookies were blocked
		"Your browser kept no cookie, and this room needs one. Allow cookies for this page, then open the invite again.",
		`window.fetch = async () => new Response("you are banned\u202e from this room\n", { status: 403 })`:                               "You are banned\ufffd from this room",
		`window.fetch = async (url, options) => (options ? new Response("you are banned from this room\n", { status: 403 }) : real(url))`: "You are banned from this room",
		`window.fetch = async () => { throw new TypeError() }`:                                                                            "The host does not answer.",
		`Object.defineProperty(crypto, "subtle", { value: undefined, configurable: true })`:                                               "", // as by plain HTTP: it enters without a key
		`IDBFactory.prototype.open = () => ({}); window.setTimeout = (f, ms) => later(f, Math.min(ms, 10))`:                               "", // the same
	} {
		if got := enter(how); got != want {
			p.t.Errorf("with %s the page says %q, want %q", how, got, want)
		}
	}
	label := eval[string](p, `import("/page/sealed.js").then(async ({ ask }) => {
		const real = window.fetch, forms = document.querySelectorAll("#arrival form").length;
		window.fetch = async (url, options) => (options ? new Response("you are banned from this room\n", { status: 403 }) : real(url));
		ask("", "", false);
		while (document.querySelectorAll("#arrival form").length === forms) await new Promise((resolve) => setTimeout(resolve, 10));
		window.fetch = real;
		const form = [...document.querySelectorAll("#arrival form")].at(-1);
		form.remove();
		document.getElementById("secret").focus();
		return form.querySelector("label").textContent;
	})`)
	if label != "Secret, or the whole invite" { // not that the room is for certain keys
		p.t.Errorf("one who is banned is asked for %q", label)
	}
}

// checkAxe reports the problems that axe-core, which is loaded, finds in both color schemes.
func checkAxe(p *tab, what string) {
	p.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		if found := eval[string](p, violations); found != "" {
			p.t.Errorf("%s, %s:\n%s", what, scheme, found)
		}
	}
}

// In a room that only certain keys may join, the page shows the key of the browser. It needs no secret once the host has it.
func TestMemberByKey(t *testing.T) {
	members := tempFile(t, "members", []byte("# no one yet\n"))
	h := sealedHost(t, "--members", members)
	alice := newProfile(t, 1280, 800)
	alice.openSealed(h.invite())
	alice.wait(`document.getElementById("key")?.textContent.startsWith("ecdsa-sha2-nistp256 ")`)
	alice.fits()
	key := eval[string](alice, `document.getElementById("key").textContent`)
	alice.press("Enter") // not yet
	alice.wait(`document.getElementById("why").textContent.includes("certain keys")`)
	if err := os.WriteFile(members, []byte(key+" alice\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "the host to read the file again", func() bool {
		return eval[string](alice, `import("/page/sealed.js").then(({ enter }) => enter(""))`) == ""
	})
	alice.press("Enter")
	alice.enterName("alice")
	alice.wait(`document.getElementById("empty").innerText.includes("Others can join with the invite.")`)
	alice.open("about:blank")
	alice.open("https://" + h.addr + "/")
	alice.connected() // nothing asks

	// The host removes the key. There is no secret that could have changed.
	if err := os.WriteFile(members, []byte("# no one any more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	alice.wait(`document.getElementById("connection").textContent !== "Connected"`)
	alice.click("#reconnect")
	alice.wait(`document.getElementById("key")?.textContent === %q && document.getElementById("why").textContent.includes("certain keys")`, key)
}

// noStorage keeps a page from keeping anything, as Firefox does where it blocks cookies, but for those of the host.
const noStorage = `const blocked = () => { throw new DOMException("The operation is insecure.", "SecurityError"); };
for (const name of ["localStorage", "sessionStorage", "indexedDB"]) Object.defineProperty(window, name, { get: blocked });
window.BroadcastChannel = class { constructor() { blocked(); } };`

// A listen-only guest reads, and has nothing to send with. The sheet of the seal has the pin.
func TestListenOnly(t *testing.T) {
	h := sealedHost(t)
	bob := h.operator("bob")
	alice := newProfile(t, 390, 844)
	alice.before(noStorage)
	alice.openSealed(h.invite("--listen"))
	alice.enterName("ann")
	alice.wait(`document.getElementById("empty").innerText.includes("bob")`)
	if text := eval[string](alice, `document.getElementById("empty").innerText`); strings.Contains(text, "Say hello") {
		t.Errorf("the empty room asks a listener to send: %s", text)
	}
	fmt.Fprintln(bob, `{"type":"say","text":"hello alice"}`)
	alice.waitFor("hello alice")
	alice.do(chromedp.Reload())
	alice.enterName("alice") // the browser could not keep the other
	alice.waitFor("hello alice")
	alice.wait(`document.getElementById("listening").checkVisibility() && !document.getElementById("text").checkVisibility() && !document.getElementById("attach").checkVisibility()`)
	if eval[bool](alice, `document.getElementById("rename").disabled`) == false {
		t.Error("a listener can be renamed")
	}
	alice.run(`const data = new DataTransfer();
		data.items.add(new File(["soup"], "soup.txt"));
		document.dispatchEvent(Object.assign(new Event("paste", { bubbles: true }), { clipboardData: data }))`)
	if tray := eval[string](alice, `document.getElementById("tray").innerText`); tray != "" {
		t.Errorf("pasted is %s, which cannot be sent", tray)
	}
	alice.wait(`document.querySelector('#who button[data-to="bob"]')`)
	alice.click(`#who button[data-to="bob"]`)
	if kept := eval[string](alice, `document.getElementById("to").textContent`); kept != "" {
		t.Errorf("the next message, which cannot be sent, is a private one to %s", kept)
	}
	fmt.Fprintln(bob, `{"type":"msg","to":"alice","text":"psst"}`)
	alice.waitFor("psst")
	if shown := eval[bool](alice, `document.querySelector(".row [data-to]").checkVisibility()`); shown {
		t.Error("there is a button to reply")
	}
	alice.fits()
	eval[any](alice, "%s", axe(t)+"; 1")
	checkAxe(alice, "listen-only")
	alice.click("#seal")
	pin := strings.SplitN(h.invite(), "#", 2)[1][:26]
	hash, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(pin)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"kitchenissealed", pin, fmt.Sprintf("%x", hash), "onlythosewithitsinvite", "cannottellthehostfromsomeoneinbetween"} {
		alice.wait(`document.getElementById("sealing").open && document.getElementById("sealing").innerText.replace(/\s/g, "").includes(%q)`, words)
	}
	if shown := eval[string](alice, `import("/page/sealed.js").then(({ describe }) => describe(true, "AAAQ2".padEnd(26, "A")).map((line) => line.innerText).join("\\n"))`); !strings.Contains(shown, "0001 0d00 0000") {
		t.Errorf("zeros are missing in the hash:\n%s", shown)
	}
	alice.fits()
	checkAxe(alice, "the sheet")
}

// noSockets keeps a page from opening WebSockets, as Safari does with a certificate that the person accepted.
const noSockets = `window.WebSocket = class {
	static CONNECTING = 0;
	static OPEN = 1;
	static CLOSED = 3;
	constructor() { setTimeout(() => this.onclose?.()); }
	close() {}
}`

// notePosts records the numbers of the requests that have lines for the room. By them the host knows those that the browser repeats.
const notePosts = `window.posts = [];
const send = window.fetch;
window.fetch = (url, options) => {
	if (url === "/socket") posts.push(options.headers.Post);
	return send(url, options);
};`

// A page whose WebSockets are blocked works as others do, in a plain room and in a sealed one.
func TestBlockedSocket(t *testing.T) {
	for _, isSealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed=%v", isSealed), func(t *testing.T) {
			var h *host
			if isSealed {
				h = sealedHost(t)
			} else {
				h = startHost(t)
			}
			alice := newProfile(t, 1280, 800)
			alice.before(noSockets)
			alice.before(notePosts)
			var bob *peer
			if isSealed {
				bob = h.operator("bob")
				alice.openSealed(h.invite())
			} else {
				bob = h.program("bob")
				alice.open(h.url())
			}
			alice.enterName("alice")
			bob.waitFor(`"members":["alice"]`)
			alice.wait(`document.getElementById("count").textContent === "2"`)
			alice.send("soup is ready")
			alice.send("really")
			bob.waitFor(`"text":"really"`)
			fmt.Fprintln(bob, `{"type":"msg","to":"alice","text":"psst"}`)
			alice.waitFor("psst")
			alice.send("/msg bob psst yourself")
			bob.waitFor(`"to":"bob"`)
			alice.send("/nick anna")
			alice.wait(`document.getElementById("rename").textContent === "anna"`)
			alice.send("/search soup")
			alice.wait(`document.querySelector("#found button")`)
			alice.wait(`document.querySelectorAll(".outgoing").length === 0`)
			if posts := eval[string](alice, `posts.join(" ")`); !strings.HasPrefix(posts, "1 2 3 4 5 ") || eval[bool](alice, `posts.some((post, i) => post !== String(i + 1))`) {
				t.Errorf("the page numbered its requests %s", posts)
			}
			alice.do(chromedp.Reload())
			alice.connected()
			alice.wait(`document.getElementById("rename").textContent === "anna"`)
			if isSealed {
				alice.renewedLate(bob)
			}
			alice.outlives(h)
			if isSealed { // the nick still belongs to the key of the browser, which enters again
				h.operator("bob").renew()
				alice.hasEntered(h)
				alice.do(chromedp.Reload())
				alice.connected()
				alice.wait(`document.getElementById("rename").textContent === "anna"`)
			}
		})
	}
}

// outlives has the page come back after a restart of the host, without a history and with the same certificate.
func (p *tab) outlives(h *host) {
	p.t.Helper()
	h.kill()
	p.wait(`document.getElementById("connection").textContent !== "Connected"`)
	h.start()
	p.connected()
	p.send("back again")
	p.wait(`[...document.querySelectorAll("#rows .text")].some((text) => text.textContent === "back again")`)
}

// hasEntered waits until the page has exchanged the current secret.
func (p *tab) hasEntered(h *host) {
	p.t.Helper()
	current := secretIn(h.invite())
	await(p.t, "the page to enter again", func() bool {
		return eval[bool](p, `fetch("/room").then((answer) => answer.json()).then((info) => info.access === "member" && info.invite.includes(%q))`, current)
	})
}

// renewedLate has a message sent after the secret was replaced, and before the page has exchanged the new one. Nothing asks
// for it meanwhile.
func (p *tab) renewedLate(operator *peer) {
	p.t.Helper()
	p.holdEntry()
	p.run(`new MutationObserver(() => document.getElementById("secret") && (window.asked = true)).observe(document.body, { childList: true, subtree: true });`)
	operator.renew()
	p.wait(`window.enterNow`)
	p.send("in between")
	p.wait(`document.getElementById("connection").textContent.includes("sealed")`)
	p.run(`enterNow()`)
	p.connected()
	operator.waitFor(`"text":"in between"`)
	p.wait(`document.querySelectorAll(".outgoing").length === 0`)
	if eval[bool](p, `window.asked === true`) {
		p.t.Error("the page asked for the secret")
	}
}

// tourSealed lets a person into a sealed room who goes on after the browser's warning.
func tourSealed(t *testing.T, alice visitor) {
	h := sealedHost(t)
	bob := h.operator("bob")
	alice.openSealed(h.invite())
	alice.wait(`document.activeElement.id === "name"`)
	alice.write("alice")
	alice.press("Enter")
	alice.connected()
	alice.write("soup is ready")
	alice.press("Enter")
	bob.waitFor(`"text":"soup is ready"`)
	fmt.Fprintln(bob, `{"type":"say","text":"coming"}`)
	alice.waitFor("coming")
	alice.wait(`document.getElementById("seal").textContent === "sealed" && !location.href.includes("#")`)
	alice.wait(keyOfBrowser + `.then((key) => key.length === 43)`)
}

// fakeNotifications notes the notifications of a page that is looked at only while away is not set.
const fakeNotifications = `window.shown = [];
window.Notification = class {
	static permission = "default";
	static async requestPermission() { this.permission = "granted"; }
	constructor(title, { body }) { shown.push(body); }
};
Object.defineProperty(document, "hidden", { get: () => window.away === true });`

// The bell turns notifications on and off. In a sealed room they have no text, unless the member wants it.
func TestNotifications(t *testing.T) {
	h := sealedHost(t)
	bob := h.operator("bob")
	alice := newProfile(t, 1280, 800)
	alice.before(fakeNotifications)
	alice.openSealed(h.invite())
	alice.enterName("alice")
	mention := func(text string) {
		t.Helper()
		fmt.Fprintf(bob, `{"type":"say","text":%q}`+"\n", "alice: "+text)
		alice.waitFor(text)
	}
	alice.run(`window.away = true`)
	mention("one")
	alice.click("#notify")
	alice.wait(`document.getElementById("notify").ariaPressed === "true"`)
	mention("two")
	fmt.Fprintln(bob, `{"type":"msg","to":"alice","text":"three"}`)
	alice.waitFor("three")
	alice.click("#seal")
	alice.wait(`document.getElementById("sealing").open`)
	alice.click("#texts")
	mention("four")
	alice.click("#notify")
	alice.wait(`document.getElementById("notify").ariaPressed === "false"`)
	mention("five")
	if got, want := eval[string](alice, `shown.join("; ")`), "bob mentions you; bob sent you a private message; bob: alice: four"; got != want {
		t.Errorf("shown is %q, want %q", got, want)
	}
}
