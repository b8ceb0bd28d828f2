// @ts-check
// Which client of the room this tab is: a token that no other client has. It outlives the tab,
// so that the host recognizes a returning member. No two open tabs share a token: each
// would close the other's connection for ever.

const answerTime = 150; // ms another tab has to claim a token

/** @typedef {'sessionStorage' | 'localStorage'} StoreName */

// Pages loaded over plain HTTP have no crypto.randomUUID.
export const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

// Null in Firefox if cookies are blocked. Then no storage works either, and each tab has its own token.
const tabs = (() => {
	try {
		return new BroadcastChannel('chat');
	} catch {
		return null;
	}
})();
const tab = random();
/** The store that holds the token. @type {StoreName} */
let store = 'sessionStorage';

export let token = '';
/** The nick to ask for: the last one in this tab, or else in any tab. */
export let nick = read('sessionStorage', 'nick') ?? read('localStorage', 'nick') ?? '';

// Where a store is full or missing (some private windows), nothing is remembered.
/** @type {(from: StoreName, name: string) => string | null} */
export function read(from, name) {
	try {
		return window[from].getItem(name);
	} catch {
		return null;
	}
}

/** @type {(to: StoreName, name: string, value: string | null) => void} */
export function write(to, name, value) {
	try {
		if (value === null) window[to].removeItem(name);
		else window[to].setItem(name, value);
	} catch { /* not remembered */ }
}

/**
 * Returns the names in a store that start with prefix.
 * @type {(from: StoreName, prefix: string) => string[]}
 */
export function namesIn(from, prefix) {
	try {
		return Object.keys(window[from]).filter((name) => name.startsWith(prefix));
	} catch {
		return [];
	}
}

/** @param {string} name */
export const load = (name) => JSON.parse(read(store, name) ?? 'null');
/** @type {(name: string, value: unknown) => void} */
export const save = (name, value) => write(store, name, JSON.stringify(value));

/** @param {string} wanted */
export function saveNick(wanted) {
	nick = wanted;
	write('sessionStorage', 'nick', nick);
	write('localStorage', 'nick', nick);
}

// The tab that uses a token leaves a mark, and removes it when the page goes. A mark may be left
// behind (a crash, a phone that ended the tab), so its tab is asked. Without a mark there is no wait.
const mark = (of = token) => `held.${of}`;

/**
 * Reports whether a tab with that token is open, as far as its mark says.
 * @param {string} token
 */
export const isOpen = (token) => read('localStorage', mark(token)) !== null;

/** @returns {true | Promise<boolean>} */
function isFree() {
	if (read('localStorage', mark()) === null) return true;
	return new Promise((resolve) => {
		tabs?.addEventListener('message', ({ data }) => data.mine === token && data.to === tab && resolve(false));
		tabs?.postMessage({ ask: token, tab });
		setTimeout(resolve, answerTime, true);
	});
}

async function chooseToken() {
	for (store of /** @type {StoreName[]} */ (['sessionStorage', 'localStorage'])) {
		token = read(store, 'token') ?? '';
		if (token && await isFree()) return;
	}
	store = read('localStorage', 'token') ? 'sessionStorage' : 'localStorage';
	for (const name of ['outbox', 'uploads']) write('sessionStorage', name, null); // a duplicated tab has a copy; the original sends it
	token = random();
	write(store, 'token', token);
}

await chooseToken();
write('localStorage', mark(), tab);
tabs?.addEventListener('message', ({ data }) => data.ask === token && tabs.postMessage({ mine: token, to: data.tab }));
addEventListener('pagehide', () => read('localStorage', mark()) === tab && write('localStorage', mark(), null));
// A page that the browser restores has no connection any more, and perhaps not its token.
addEventListener('pageshow', (e) => e.persisted && location.reload());
