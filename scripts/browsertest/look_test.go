//go:build unix

package browsertest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// addEvents defines add on the page, which draws events with chosen times.
const addEvents = `window.at = 1000000; window.add = async (...events) => {
	const transcript = await import("/page/transcript.js"), { blank } = await import("/page/membership.js");
	for (const [time, from, text, more] of events) transcript.add({ ...blank, type: "message", id: ++window.at, time, from, text, ...more }, false, false);
	transcript.flush();
}`

// A member's first message gives a color that no one here has, while there are enough.
func TestNickColors(t *testing.T) {
	h := startHost(t)
	p := newProfile(t, 800, 600)
	p.open(h.url())
	if wrong := eval[string](p, `(async () => {
		const colors = await import("/page/colors.js");
		const here = new Set(), wrong = [];
		const check = (what, isRight) => isRight || wrong.push(what);
		colors.setHere((nick) => here.has(nick));
		colors.setOwn("us");
		here.add("us");
		const hash = colors.colorOf("Erin");
		check("a hash depends on the case", hash === colors.colorOf("erin") && hash < 8);
		check("a stranger got a color", !colors.spoke("erin") && !colors.hasSpoken("erin"));
		const nicks = Array.from({ length: 12 }, (_, n) => "member" + n);
		for (const nick of nicks) { here.add(nick); colors.spoke(nick); }
		check("two of twelve share a color", new Set(nicks.map(colors.colorOf)).size === 12);
		const kept = nicks.map(colors.colorOf).join();
		here.add("late");
		for (const nick of [...nicks, "late", "us"]) check(nick + " changes a color", !colors.spoke(nick));
		check("late has a color of another's", !colors.hasSpoken("late") && kept === nicks.map(colors.colorOf).join());
		check("we have none", colors.hasSpoken("us") && colors.isOwn("us"));
		colors.renamed("member3", "renamed");
		here.delete("member3");
		here.add("renamed");
		check("a new nick has another color", colors.colorOf("renamed") === colors.colorOf("member3"));
		here.delete("member5");
		const left = colors.colorOf("member5");
		check("no color of who left is given", colors.spoke("late") && colors.colorOf("late") === left);
		for (let n = 0; n < 102; n++) for (const nick of nicks) if (nick !== "member7" && nick !== "member5" && nick !== "member3") colors.spoke(nick);
		colors.spoke("renamed");
		colors.spoke("late");
		const silent = colors.colorOf("member7");
		here.add("last");
		check("no color of who is silent is given", colors.spoke("last") && colors.colorOf("last") === silent && !colors.hasSpoken("member7"));
		// Someone who takes over nicks of others takes no colors away.
		const [first, second] = ["member0", "member1"];
		colors.renamed(first, "a");
		here.delete(first);
		here.add("a");
		colors.renamed(second, first);
		here.delete(second);
		here.add(first);
		const taken = colors.colorOf(first);
		for (const nick of ["b", "c", "d", "e", "f"]) {
			colors.renamed(["a", "b", "c", "d", "e"]["bcdef".indexOf(nick)], nick);
			here.add(nick);
		}
		check("a former nick of one member takes the color of another", colors.colorOf(first) === taken && !colors.spoke(first));
		here.delete("member2");
		here.delete("member4");
		colors.renamed("renamed", "member2");
		here.add("member2");
		here.add("g");
		here.add("h");
		colors.spoke("g");
		colors.spoke("h");
		check("the color of who left is kept by who has the nick now", colors.hasSpoken("g") && colors.hasSpoken("h") && new Set(["g", "h", "member2"].map(colors.colorOf)).size === 3);
		return wrong.join("\n");
	})()`); wrong != "" {
		t.Error(wrong)
	}
}

// Every color of the page can be read on each ground that it is used on.
func TestContrasts(t *testing.T) {
	h := startHost(t)
	p := newProfile(t, 800, 600)
	p.open(h.url())
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		if wrong := eval[string](p, `(() => {
			const style = getComputedStyle(document.documentElement);
			const luminance = (name) => {
				const [, ...rgb] = style.getPropertyValue("--" + name).trim().replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3").match(/^#(..)(..)(..)$/);
				const [r, g, b] = rgb.map((hex) => parseInt(hex, 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
				return 0.2126 * r + 0.7152 * g + 0.0722 * b;
			};
			const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
			const nicks = Array.from({ length: 12 }, (_, n) => "n" + n), rows = ["ground", "panel", "mention", "private"];
			const pairs = [
				...["ink", "dim", "accent", "amber", "violet", "red", ...nicks].flatMap((name) => rows.map((ground) => [name, ground])),
				...["ink", "dim", "keyword", "string", "number", "function"].map((name) => [name, "code"]),
				["ink", "sel"], ["ink", "hit"], ["green", "ground"], ["green", "panel"], ["on-accent", "accent"],
			];
			return pairs.filter((pair) => contrast(...pair) < 4.5).map((pair) => pair.join(" on ") + " " + contrast(...pair).toFixed(2)).join("\n");
		})()`); wrong != "" {
			t.Errorf("%s:\n%s", scheme, wrong)
		}
	}
}

// A sender's nick is shown once for messages within five minutes, and a time when its minute changes.
func TestGroups(t *testing.T) {
	h := startHost(t)
	p := h.member("alice", 1280, 800)
	p.run(addEvents)
	p.run(`await add(
		["2024-05-03T10:00:01Z", "bob", "one"], ["2024-05-03T10:00:59Z", "bob", "two"], ["2024-05-03T10:04:00Z", "bob", "three"],
		["2024-05-03T10:04:10Z", "carol", "four"], ["2024-05-03T10:04:20Z", "carol", "", { type: "action", text: "waves" }], ["2024-05-03T10:04:30Z", "carol", "six"],
		["2024-05-03T10:10:00Z", "carol", "seven"], ["2024-05-05T10:10:01Z", "carol", "eight"], ["2024-05-05T10:10:02Z", "carol", "nine", { type: "private", to: "alice" }])`)
	shown := func() string {
		return eval[string](p, `[...document.querySelectorAll("#rows .row:not(.presence)")].map((row) => {
			const isShown = (el) => el && getComputedStyle(el).visibility === "visible" && el.checkVisibility();
			const [time, who] = [row.querySelector("time"), row.querySelector(".who")];
			return (isShown(time) ? time.textContent.slice(3) : "--") + " " + (isShown(who) ? who.textContent : "") + "|" + row.querySelector(".text").innerText.replace("Reply", "").trim();
		}).join("\n")`)
	}
	want := `00 bob|one
-- |two
04 |three
-- carol|four
-- |* carol waves
-- carol|six
10 carol|seven
10 carol|eight
-- carol|→ alice nine`
	want = strings.Replace(want, "→ alice", "→ you", 1)
	if got := shown(); got != want {
		t.Errorf("shown are\n%s\nwant\n%s", got, want)
	}
	if got := eval[string](p, `[...document.querySelectorAll(".day")].map((el) => el.textContent + " above " + el.nextElementSibling.querySelector(".text").textContent).join()`); got != "Friday, 3 May 2024 above one,Sunday, 5 May 2024 above eight" {
		t.Errorf("lines of days: %s", got)
	}
	p.resize(390, 844) // a phone has nick and time above the first of a group
	want = strings.Replace(want, "04 |three", "-- |three", 1)
	if got := shown(); got != want {
		t.Errorf("on a phone are shown\n%s\nwant\n%s", got, want)
	}
	if above := eval[bool](p, `[...document.querySelectorAll(".row.message:not(.same)")].every((row) => row.querySelector(".who").getBoundingClientRect().bottom <= row.querySelector(".text").getBoundingClientRect().top + 1)`); !above {
		t.Error("on a phone a nick is not above its message")
	}
}

// The column of nicks grows with the nicks in it, up to a limit, and texts begin at one place.
func TestNickColumn(t *testing.T) {
	h := startHost(t)
	p := h.member("alice", 1280, 800)
	p.run(addEvents)
	const column = `document.querySelector(".row.message .who").getBoundingClientRect().width`
	p.run(`await add(["", "bo", "one"])`)
	if width := eval[float64](p, column); width != 64 {
		t.Errorf("the column is %v px wide, want 64", width)
	}
	p.run(`await add(["", "nick-of-12-ab", "two"])`)
	wide := eval[float64](p, column)
	p.run(`await add(["", "wwwwwwwwwwwwwwwwwwwwwwww", "three"])`)
	if max := eval[float64](p, column); wide <= 64 || wide >= 132 || max != 132 {
		t.Errorf("the column is %v px wide, then %v", wide, max)
	}
	if places := eval[int](p, `new Set([...document.querySelectorAll("#rows .text")].map((el) => el.getBoundingClientRect().left)).size`); places != 1 {
		t.Errorf("texts begin at %d places", places)
	}
	if cut := eval[string](p, `[...document.querySelectorAll("#rows .who")].filter((el) => el.scrollWidth > el.clientWidth).map((el) => el.textContent + el.title).join()`); cut != strings.Repeat("w", 48) {
		t.Errorf("these nicks are cut: %s", cut)
	}
}

// Messages that name us and private ones have a ground and a bar; our nick is marked, but not in code or links.
func TestTints(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 1280, 800), h.program("bob")
	fmt.Fprintln(bob, `{"type":"say","text":"plain"}`)
	fmt.Fprintln(bob, `{"type":"say","text":"Alice, malice and ALICE: see https://example.com/alice or `+"`alice`"+`"}`)
	fmt.Fprintln(bob, `{"type":"msg","to":"alice","text":"psst"}`)
	alice.waitFor("psst")
	alice.send("/msg bob me too")
	alice.wait(`document.querySelectorAll("#rows .private").length === 2`)
	if marked := eval[string](alice, `[...document.querySelectorAll(".me")].map((el) => el.textContent).join()`); marked != "Alice,ALICE" {
		t.Errorf("marked are %s", marked)
	}
	look := eval[[]string](alice, `[...document.querySelectorAll("#rows .row:not(.presence)")].map((row) => {
		const style = getComputedStyle(row), root = getComputedStyle(document.documentElement);
		const named = (color) => ["mention", "private", "amber", "violet"].find((name) => {
			const probe = document.createElement("p");
			probe.style.color = root.getPropertyValue("--" + name);
			document.body.append(probe);
			const same = getComputedStyle(probe).color === color;
			probe.remove();
			return same;
		}) ?? "none";
		return [style.borderLeftWidth, named(style.borderLeftColor), named(style.backgroundColor), row.querySelector(".who").textContent, row.querySelector(".to")?.textContent ?? ""].join(" ").trim();
	})`)
	want := "3px none none bob;3px amber mention bob;3px violet private bob → you;3px violet private alice → bob"
	if got := strings.Join(look, ";"); got != want {
		t.Errorf("rows look\n%s\nwant\n%s", got, want)
	}
	if reply := `getComputedStyle(document.querySelector(".row [data-to]")).opacity`; eval[string](alice, "%s", reply) != "0" {
		t.Error("Reply is shown without hover or focus")
	} else {
		alice.run(`document.getElementById("log").focus()`)
		alice.press("Tab") // the link
		alice.press("Tab")
		alice.wait(`document.activeElement.dataset.to === "bob" && %s === "1"`, reply)
	}
	// With colors of the system's, the bar is left.
	forced := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}}
	if _, err := chromedp.Call(alice.ctx, emulation.SetEmulatedMedia, forced); err != nil {
		t.Fatal(err)
	}
	if bars := eval[int](alice, `new Set([...document.querySelectorAll(".mention, .message:not(.mention)")].map((row) => getComputedStyle(row).borderLeftColor)).size`); bars != 2 {
		t.Errorf("with forced colors there are %d kinds of bars", bars)
	}
}

// Messages that are not acknowledged are dim with an ellipsis, in the group of the one before.
func TestPendingLook(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 1280, 800)
	alice.send("before")
	alice.wait(`document.querySelectorAll(".row.message").length === 1`)
	h.kill()
	alice.send("one")
	alice.send("two")
	alice.wait(`[...document.querySelectorAll(".outgoing")].map((row) => row.className + ":" + row.querySelector(".text").textContent).join() === "row outgoing same now:one …,row outgoing same now:two …" ||
		[...document.querySelectorAll(".outgoing")].map((row) => row.querySelector(".text").textContent).join() === "one …,two …" && document.querySelectorAll(".outgoing.same").length === 2`)
	alice.wait(`document.getElementById("state").className === "lost" && document.getElementById("connection").textContent.includes("2 messages")`)
	if same := eval[bool](alice, `getComputedStyle(document.querySelector(".outgoing .text")).color === getComputedStyle(document.querySelector("time")).color`); !same {
		t.Error("a pending message is not dim")
	}
}

// A field filters the list of members; hosts come first, with a tag, and so do we.
func TestMemberFilter(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 1280, 800)
	for _, nick := range []string{"bob", "Bobby", "carol"} {
		h.program(nick)
	}
	const list = `[...document.querySelectorAll("#who li")].map((el) => el.innerText.replace("\n", " ")).join()`
	alice.wait(`%s === "alice you,bob,Bobby,carol" && document.getElementById("here-now").textContent === "4 here"`, list)
	alice.run(`document.getElementById("filter").focus()`)
	alice.write("BOB")
	alice.wait(`%s === "bob,Bobby"`, list)
	alice.write("x")
	alice.wait(`%s === "No one by that name."`, list)
	alice.press("Escape")
	alice.wait(`%s === "alice you,bob,Bobby,carol" && document.activeElement.id === "text"`, list)
	if plain := eval[bool](alice, `!document.querySelector("#who li:nth-child(2) .nick") && document.querySelector("#who .own").textContent === "alice"`); !plain {
		t.Error("a member who sent nothing has a color")
	}
}

// The search shows a current hit and how many there are, goes through them, and returns to the end.
func TestSearchHits(t *testing.T) {
	h := startHost(t)
	bob := h.program("bob")
	for n := range 300 {
		text := fmt.Sprintf("line %d.", n)
		if n%60 == 5 {
			text = fmt.Sprintf("_The_ **soup**, souper and Süpp no. %d.", n)
		}
		fmt.Fprintf(bob, `{"type":"say","text":%q}`+"\n", text)
	}
	bob.waitFor("line 299.")
	alice := h.member("alice", 1280, 800)
	alice.waitFor("line 299.")
	alice.click("#show-search")
	alice.wait(`document.activeElement.id === "words"`)
	alice.write("SOUP")
	const hits, current = `document.getElementById("hits").textContent`, `document.querySelector(".found")?.innerText.includes("no. %d.")`
	at := func(count string, n int) {
		t.Helper()
		alice.wait(hits+` === %q && `+current, count, n)
		if out := eval[bool](alice, `(() => {
			const row = document.querySelector(".found").getBoundingClientRect(), log = document.getElementById("log").getBoundingClientRect();
			return row.top < log.top || row.bottom > log.bottom || document.querySelectorAll(".found, [aria-current]").length !== 2;
		})()`); out {
			t.Errorf("%s: the current hit is not visible, or there are two", count)
		}
	}
	at("1 of 5", 245)
	lit := eval[string](alice, `[...new Set([...CSS.highlights.get("hit")].filter((range) => range.startContainer.parentElement.closest("#found")).map(String))].join()`)
	if lit != "soup" {
		t.Errorf("lit are %q", lit)
	}
	if shown := eval[string](alice, `document.querySelector("#found .text").textContent`); shown != "The soup, souper and Süpp no. 245." {
		t.Errorf("the list shows %q", shown)
	}
	alice.press("Enter")
	at("2 of 5", 185)
	alice.press("ArrowDown")
	at("3 of 5", 125)
	alice.press("ArrowUp")
	at("2 of 5", 185)
	alice.run(`document.querySelectorAll("#found button")[4].click()`)
	at("5 of 5", 5)
	alice.click("#newer")
	at("4 of 5", 65)
	alice.run(`document.getElementById("words").focus()`)
	alice.press("Escape")
	alice.wait(`document.getElementById("search").hidden && document.getElementById("below").hidden && !document.querySelector(".found")`)
	alice.waitFor("line 299.")
	alice.send("/search nosuchword")
	alice.wait(hits+` === %q && document.activeElement.id === "words"`, "No messages match “nosuchword”.")
}

// The header holds on a small phone: topic below the name, and a menu with what has no place.
func TestHeader(t *testing.T) {
	h := startHost(t)
	bob := h.program("bob")
	fmt.Fprintln(bob, `{"type":"topic","text":"Lunch at 12:30, deploy freeze on Friday, and more that does not fit on a phone"}`)
	alice := h.member("alice", 1280, 800)
	alice.wait(`document.getElementById("topic").textContent.startsWith("Lunch")`)
	for _, size := range []struct {
		width, height int64
		most          int // px of the header
		isPhone       bool
	}{{1280, 800, 53, false}, {701, 800, 53, false}, {700, 800, 57, true}, {390, 844, 57, true}, {360, 640, 57, true}} {
		alice.resize(size.width, size.height)
		alice.wait(`document.querySelector("#show-menu").checkVisibility() === %v`, size.isPhone)
		alice.fits()
		if got := eval[int](alice, `document.querySelector("header").offsetHeight`); got > size.most {
			t.Errorf("%d px wide: the header is %d px high", size.width, got)
		}
		if below := eval[bool](alice, `document.getElementById("topic").getBoundingClientRect().top >= document.querySelector("header h1").getBoundingClientRect().bottom - 1`); below != size.isPhone {
			t.Errorf("%d px wide: the topic is below the name: %v", size.width, below)
		}
		for _, id := range []string{"show-search", "show-members"} {
			if small := eval[bool](alice, `(({ width, height }) => width < 36 || height < 36)(document.getElementById(%q).getBoundingClientRect())`, id); small {
				t.Errorf("%d px wide: %s is too small to be hit", size.width, id)
			}
		}
		if shown := eval[bool](alice, `document.getElementById("show-invite").checkVisibility()`); shown == size.isPhone {
			t.Errorf("%d px wide: Invite is shown: %v", size.width, shown)
		}
	}
	alice.run(`document.getElementById("show-menu").focus()`)
	alice.press("Enter")
	alice.wait(`document.getElementById("show-invite").checkVisibility() && document.getElementById("show-menu").ariaExpanded === "true"`)
	alice.fits()
	alice.press("Escape")
	alice.wait(`!document.getElementById("show-invite").checkVisibility() && document.activeElement.id === "show-menu"`)
	alice.press("Enter")
	alice.press("Tab")
	alice.wait(`document.activeElement.closest("#menu")`)
	alice.run(`document.getElementById("show-invite").focus()`)
	alice.press("Enter")
	alice.wait(`document.getElementById("invite").open && document.getElementById("show-menu").ariaExpanded === "false"`)
}

// A room without messages says who is here, or how others can join.
func TestEmptyRoom(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 390, 844)
	alice.wait(`document.getElementById("empty").innerText.includes("No one else is here yet.") && document.getElementById("empty").innerText.includes(location.host)`)
	alice.wait(`document.getElementById("seal").textContent === "plain" && document.getElementById("seal").checkVisibility()`)
	alice.click("#seal")
	alice.wait(`document.getElementById("sealing").open && document.getElementById("sealing").innerText.includes("is plain") && document.getElementById("sealing").innerText.includes("Everyone on this network can join")`)
	alice.press("Escape")
	alice.fits()
	alice.click("#empty button")
	alice.wait(`document.getElementById("invite").open`)
	alice.press("Escape")
	bob := h.member("bob", 1280, 800)
	bob.wait(`document.getElementById("empty").innerText.includes("alice is here.\n") && document.getElementById("empty").innerText.includes("Say hello.")`)
	for n := range 7 {
		h.program(fmt.Sprintf("member%d", n))
	}
	bob.wait(`document.getElementById("empty").innerText.includes("alice, member0, member1, member2, member3 and 3 more are here.")`)
	alice.send("hello")
	for _, p := range []*tab{alice, bob} {
		p.wait(`document.getElementById("empty").hidden && document.querySelector(".message")`)
	}
	// Few messages stand at the end, above the composer.
	if gap := eval[float64](bob, `document.getElementById("log").getBoundingClientRect().bottom - document.querySelector(".message").getBoundingClientRect().bottom`); gap > 20 {
		t.Errorf("there are %v px below the last message", gap)
	}
}

// The line of what is new stands above the first message that came while the page was hidden.
func TestUnreadLine(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 1280, 800), h.program("bob")
	say := func(text string) {
		fmt.Fprintf(bob, `{"type":"say","text":%q}`+"\n", text)
		alice.waitFor(text)
	}
	say("seen")
	alice.run(`Object.defineProperty(document, "hidden", { value: true, configurable: true })`)
	say("first")
	say("second")
	alice.run(`delete document.hidden`)
	time.Sleep(10 * time.Millisecond)
	if got := eval[string](alice, `[...document.querySelectorAll(".unread")].map((el) => el.textContent + " above " + el.nextElementSibling.querySelector(".text").textContent).join()`); got != "new above first" {
		t.Errorf("lines: %s", got)
	}
	if !eval[bool](alice, `getComputedStyle(document.querySelector(".unread + .row .who")).visibility === "visible"`) {
		t.Error("the first new message has no nick")
	}
	alice.send("reply")
	alice.wait(`!document.querySelector(".unread")`)
}

// A window whose size changes, such as a phone that is turned, still shows the end.
func TestResizeStaysAtTheEnd(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 1280, 800)
	alice.run(addEvents)
	alice.run(`await add(...Array.from({ length: 200 }, (_, n) => ["", "bob", ("line " + n + ", which is so long that it takes more rows in a narrow window. ").repeat(3)]))`)
	for range 3 {
		for _, size := range [][2]int64{{360, 640}, {640, 360}, {1280, 800}, {390, 400}, {1280, 800}} {
			alice.resize(size[0], size[1])
			alice.run(`for (let n = 0; n < 3; n++) await new Promise(requestAnimationFrame)`)
			if away := eval[float64](alice, `(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)(document.getElementById("log"))`); away > 1 || eval[bool](alice, `!document.getElementById("below").hidden`) {
				t.Fatalf("%v: the end is %v px away", size, away)
			}
		}
	}
}

// In a room with thousands of members, messages do not put all members in order.
func TestMessagesInALargeRoom(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 1280, 800)
	alice.run(addEvents)
	most := eval[int](alice, `(async () => {
		const members = await import("/page/members.js");
		const nicks = Array.from({ length: 9000 }, (_, n) => "member" + n * 7919 %% 9000);
		members.update({ type: "join", members: nicks, hosts: [], count: nicks.length });
		await add(["2026-11-28T12:00:00Z", "member1", "hello"]);
		await new Promise((done) => setTimeout(done, 1000));
		let most = 0;
		const { sort } = Array.prototype;
		Array.prototype.sort = function (by) { most = Math.max(most, this.length); return sort.call(this, by); };
		for (let n = 0; n < 5; n++) await add(["2026-11-28T12:00:0" + n + "Z", "member1", "hello again"]);
		document.getElementById("log").dispatchEvent(new Event("scroll"));
		Array.prototype.sort = sort;
		return most;
	})()`)
	if most > 1000 {
		t.Errorf("a message puts %d members in order", most)
	}
	alice.wait(`document.getElementById("count").textContent === "9001"`)
}
