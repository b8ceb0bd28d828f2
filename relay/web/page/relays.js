// @ts-check
// The other hosts of a room that has several; see "Relays" in relay/PROTOCOL.md. Loaded when the host lists them.
// A page stays one of the host that it came from: only its socket goes to another one.

const lastWait = 500; // ms that the last relay has until others are tried beside it
const otherWait = 250; // ms that each of the others has
const maxTried = 8; // others at a time

let at = location.host; // of the relay that the socket goes to
let shown = at; // the last one that the person knows of
/** @type {string[]} */
let others = [];
/** Addresses whose host did not prove that it has the room. @type {Set<string>} */
const strangers = new Set();

/** @param {string} addr */
const isOwnMachine = (addr) => /^(127\.|localhost:|\[::1\])/.test(addr);

/**
 * Notes the addresses that the host lists. None helps in a sealed room: browsers do not know the certificates of other
 * hosts, and send them no cookie of this one.
 * @param {string[]} list
 */
export function note(list) {
	const usable = location.protocol === 'http:' ? list.slice(0, 32) : [];
	others = usable.filter((addr) => /^[\w.-]+:\d+$/.test(addr) && (isOwnMachine(location.host) || !isOwnMachine(addr)));
	for (const addr of others) strangers.delete(addr);
}

const candidates = () => {
	const shuffled = others.map((addr) => ({ addr, place: Math.random() })).sort((a, b) => a.place - b.place).map(({ addr }) => addr);
	return [at, ...shuffled.filter((addr) => addr !== at).slice(0, maxTried)].filter((addr) => !strangers.has(addr));
};

/** Whether there are others to go to. */
export const isChoice = () => others.some((addr) => addr !== at);

/** Notes that the host at the last address is another one. Returns whether there are others. */
export function strike() {
	strangers.add(at);
	return candidates().length > 0;
}

/** Returns the words for the person once there is a connection; '': nothing. */
export function moved() {
	if (at === shown) return '';
	shown = at;
	return `moved to another relay (${at})`;
}

/**
 * Opens a socket to the first relay that answers.
 * @returns {RoomSocket}
 */
export function open() {
	/** @type {RoomSocket} */
	const socket = { readyState: WebSocket.CONNECTING, onopen: null, onmessage: null, onclose: null, send: (lines) => chosen?.send(lines), close };
	const waiting = candidates();
	/** @type {Set<WebSocket>} */
	const trying = new Set();
	/** @type {WebSocket | null} */
	let chosen = null;
	let timer = setTimeout(next); // membership.js sets the handlers first

	function next() {
		clearTimeout(timer);
		const addr = waiting.shift();
		if (!addr) {
			if (!trying.size) ended();
			return;
		}
		const ws = new WebSocket(`ws://${addr}/socket`);
		trying.add(ws);
		ws.onopen = () => {
			drop(ws);
			[chosen, at, socket.readyState] = [ws, addr, WebSocket.OPEN];
			ws.onmessage = ({ data }) => socket.onmessage?.({ data });
			socket.onopen?.();
		};
		ws.onclose = () => {
			trying.delete(ws);
			if (ws === chosen) ended();
			else next();
		};
		timer = setTimeout(next, addr === at ? lastWait : otherWait);
	}

	/** @param {WebSocket} [except] */
	function drop(except) {
		clearTimeout(timer);
		for (const ws of trying) {
			if (ws === except) continue;
			ws.onopen = ws.onclose = null;
			ws.close();
		}
		trying.clear();
	}

	function close() {
		drop();
		socket.readyState = WebSocket.CLOSED;
		if (chosen) chosen.onclose = chosen.onmessage = null;
		chosen?.close();
	}

	function ended() {
		close();
		socket.onclose?.();
	}

	return socket;
}
