//go:build unix

package browsertest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// attacks is a script by which a page of another site tries to send and read messages. Its value is
// everything it could read.
const attacks = `(async () => {
	const host = %q, read = [];
	const report = (what) => (v) => read.push(what + ": " + v);
	const waits = [];
	const ask = (what, path, how) => waits.push(fetch(host + path, how).then((r) => r.text()).then((t) => t && report(what)(t)).catch(() => {}));
	ask("GET", "/messages");
	ask("GET of the room", "/room");
	ask("opaque GET", "/messages", { mode: "no-cors" });
	ask("simple POST", "/messages?nick=mallory", { method: "POST", mode: "no-cors", body: "foreign words" });
	ask("JSON POST", "/messages", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"text":"foreign words"}' });
	ask("file", "/files/x", { method: "PUT", body: "foreign words" });
	ask("tus", "/files/", { method: "POST", mode: "no-cors", headers: { "Upload-Length": "3" } });
	waits.push(new Promise((done) => {
		const ws = new WebSocket(host.replace("http", "ws") + "/socket");
		ws.onopen = () => { ws.send('{"type":"hello","nick":"mallory"}'); ws.send('{"type":"say","text":"foreign words"}'); };
		ws.onmessage = (e) => { report("WebSocket")(e.data); done(); };
		ws.onclose = done;
	}));
	waits.push(new Promise((done) => {
		const events = new EventSource(host + "/events");
		events.onmessage = (e) => { report("stream")(e.data); done(); };
		events.onerror = () => { events.close(); done(); };
	}));
	for (const [tag, path] of [["img", "/files/1/x"], ["script", "/messages"], ["iframe", "/"]]) {
		waits.push(new Promise((done) => {
			const el = document.createElement(tag);
			el.onload = () => { if (tag !== "iframe") report(tag)("loaded"); else try { report(tag)(el.contentDocument.body.innerHTML.slice(0, 50)); } catch {} done(); };
			el.onerror = done;
			el.src = host + path;
			document.body.append(el);
			setTimeout(done, 3000);
		}));
	}
	const form = document.createElement("form"), frame = document.createElement("iframe");
	frame.name = "answer";
	Object.assign(form, { action: host + "/messages?nick=mallory", method: "post", enctype: "text/plain", target: "answer" });
	form.append(Object.assign(document.createElement("input"), { name: "foreign words", value: "x" }));
	document.body.append(frame, form);
	waits.push(new Promise((done) => { frame.onload = done; setTimeout(done, 3000); }));
	form.submit();
	await Promise.all(waits);
	return read.join("\n");
})()`

// A page of another site can neither send nor read messages.
func TestForeignPage(t *testing.T) {
	h := startHost(t)
	bob := h.program("bob")
	fmt.Fprintln(bob, `{"type":"say","text":"a secret of this network"}`)
	bob.waitFor("a secret")
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<!doctype html><title>another site</title><body>")
	}))
	defer other.Close()
	mallory := newProfile(t, 800, 600)
	mallory.open(other.URL)
	if read := eval[string](mallory, attacks, strings.TrimSuffix(h.url(), "/")); read != "" {
		t.Errorf("it could read\n%s", read)
	}
	fmt.Fprintln(bob, `{"type":"say","text":"the end"}`)
	bob.waitFor("the end")
	if got := bob.received(); strings.Contains(got, "foreign") || strings.Contains(got, "mallory") || strings.Contains(got, "guest") {
		t.Errorf("the room received\n%s", got)
	}
}

// An uploaded file runs nothing when a member opens it in the browser.
func TestFilesDoNotRun(t *testing.T) {
	h := startHost(t)
	for _, f := range []struct{ name, content string }{
		{"page.html", `<script>document.title = "hit"</script>`},
		{"picture.svg", `<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "hit"</script></svg>`},
		{"picture.png", `<html><script>document.title = "hit"</script></html>`},
		{"main.js", `document.title = "hit"`},
	} {
		req, err := http.NewRequest("PUT", h.url()+"files/"+f.name+"?nick=eve", strings.NewReader(f.content))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %s", f.name, res.Status)
		}
	}
	alice := h.member("alice", 800, 600)
	alice.waitFor("main.js")
	alice.run(`for (const n of [1, 2, 3, 4]) {
		for (const tag of ["iframe", "img", "script", "embed", "object"]) {
			const el = document.createElement(tag);
			el[tag === "object" ? "data" : "src"] = "/files/" + n + "/x";
			if (tag === "script") el.type = "module";
			const over = new Promise((done) => { el.onload = el.onerror = done; setTimeout(done, 300); });
			document.body.append(el);
			await over;
			el.remove();
		}
	}`)
	if title := eval[string](alice, "document.title"); strings.Contains(title, "hit") {
		t.Error("a file ran")
	}
}
