// Who this tab is to the host: a token that nobody else has. It outlives the tab, so that
// who comes back is the same person. Two live tabs never share one: they would throw each
// other out of the room for ever.

const answerTime = 150; // ms that another tab has to say that a token is its own

// There is no crypto.randomUUID where a page came over plain http.
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

const tabs = new BroadcastChannel('chat');
const tab = random();
let place = ''; // the store that keeps the token

export let token = '';
/** What to be called: as last time, in this tab or else in any. */
export let nick = read('sessionStorage', 'nick') ?? read('localStorage', 'nick') ?? '';

// A store that is full, or not there (some private windows), forgets.
function read(store, name) {
	try {
		return window[store].getItem(name);
	} catch {
		return null;
	}
}

function write(store, name, value) {
	try {
		if (value === null) window[store].removeItem(name);
		else window[store].setItem(name, value);
	} catch { /* forgotten */ }
}

export const load = (name) => JSON.parse(read(place, name));
export const keep = (name, value) => write(place, name, JSON.stringify(value));

export function keepNick(wanted) {
	nick = wanted;
	for (const store of ['sessionStorage', 'localStorage']) write(store, 'nick', nick);
}

// Who holds a token leaves a mark, and takes it away when the page goes. One that was left
// behind (a crash, a phone that ended the tab) is asked about; else nobody has to wait.
const mark = () => `held.${token}`;

function isFree() {
	if (read('localStorage', mark()) === null) return true;
	return new Promise((resolve) => {
		tabs.addEventListener('message', ({ data }) => data.mine === token && data.to === tab && resolve(false));
		tabs.postMessage({ ask: token, tab });
		setTimeout(resolve, answerTime, true);
	});
}

// Finds out who this tab is.
async function take() {
	for (place of ['sessionStorage', 'localStorage']) {
		token = read(place, 'token');
		if (token && await isFree()) return;
	}
	place = read('localStorage', 'token') ? 'sessionStorage' : 'localStorage';
	write('sessionStorage', 'outbox', null); // a tab that was duplicated has a copy: the other one says it
	token = random();
	write(place, 'token', token);
}

await take();
write('localStorage', mark(), tab);
tabs.addEventListener('message', ({ data }) => data.ask === token && tabs.postMessage({ mine: token, to: data.tab }));
addEventListener('pagehide', () => read('localStorage', mark()) === tab && write('localStorage', mark(), null));
// A page that the browser shows again has no connection any more, and perhaps not its token.
addEventListener('pageshow', (e) => e.persisted && location.reload());
