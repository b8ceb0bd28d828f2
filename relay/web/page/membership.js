// @ts-check
// Membership of the room across connections, by relay/PROTOCOL.md. In Go:
// relay/client/membership.go.

import { token, saveNick, random } from './identity.js';
import * as outbox from './outbox.js';
import { hmac } from './digest.js';

const firstPause = 250; // ms before the first attempt to reconnect
const maxPause = 15_000; // reached after a dozen attempts
const pauseGrowth = 1.6;
const pauseJitter = 0.3; // ±, so that a whole room does not reconnect at one instant
const maxRestart = 5_000; // ms within which the page reconnects to a host that restarts
const steady = 10_000; // ms a connection must last before the pauses start over
const idle = 10_000; // ms of silence before a ping, and again before the host counts as gone
const idleIfOwed = 3_000; // the same while the host owes an answer
const maxListed = 1000; // items of a list in an event

// After these codes another attempt would end the same way.
const finalCodes = ['bad_version', 'wrong_room', 'banned', 'quit', 'kicked', 'replaced', 'sealed', 'not_a_member'];
// After these the host needs its secret.
const secretCodes = ['secret_needed', 'auth_failed'];

/** An event with every field, empty. @type {ChatEvent} */
export const blank = {
	type: '', time: '', from: '', client: '', to: '', text: '', nick: '', wanted: '', code: '', room: '', title: '', key: '', instance: '', proof: '', topic: '', access: '', data: '',
	id: 0, seq: 0, count: 0, missed: 0, restart: 0, next: 0, members: [], hosts: [], tags: [], relays: [], events: [], file: null, sealed: false,
};

/** @type {ConnectionState} */
export let state = { is: 'over' };
export let client = ''; // our ID in the room

/** @type {MembershipListener} */
let listener;
let nick = ''; // the one to ask for
/** @type {RoomSocket | null} */
let socket = null;
let opened = false; // socket was open
let useStream = false; // no WebSocket gets through
let nextAttempt = 0; // a timer
let silenceCheck = 0; // a timer
let pause = 0;
let room = ''; // its ID
let title = '';
let key = ''; // by which its host proves itself
let nonce = ''; // of the question that the host has not answered yet
let closed = false; // the host has said that it closes the room
let follows = false; // the host proved that its room follows ours, after a restart
let joined = false;
let last = 0; // ID of the last event received
let since = 0; // value of last when the connection started
let next = 0; // ID of the first event that is not backlog
let welcomed = 0; // when; 0: not yet on this connection
let received = 0; // when something last came
let pinged = 0; // when, if nothing came since; else 0
/** Waiting readBack calls, in the order of their answers. @type {((answer: ChatEvent | null) => void)[]} */
const questions = [];

// Control characters and bidirectional controls, which a hostile host does not remove.
const unclean = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/**
 * Makes text harmless to show anywhere.
 * @param {unknown} text
 */
export const clean = (text) => (typeof text === 'string' ? text.replace(unclean, '\ufffd') : '');

/** @type {(n: unknown) => number} */
const natural = (n) => (typeof n === 'number' && Number.isSafeInteger(n) && n > 0 ? n : 0);

/**
 * Makes an event with every field, each of its type, from whatever the host sent.
 * @param {any} raw
 * @returns {ChatEvent}
 */
function eventOf(raw) {
	/** @type {Record<string, unknown>} */
	const e = {};
	for (const [name, empty] of Object.entries(blank)) {
		const value = raw?.[name];
		if (empty === '') e[name] = clean(value);
		else if (empty === 0) e[name] = natural(value);
		else if (empty === false) e[name] = value === true;
		else if (empty === null) e[name] = fileOf(value);
		else e[name] = Array.isArray(value) ? value.slice(0, maxListed).map((item) => (name === 'events' ? eventOf(item) : clean(item))) : [];
	}
	return /** @type {any} */ (e);
}

/**
 * @param {any} raw
 * @returns {ChatFile | null}
 */
function fileOf(raw) {
	const path = clean(raw?.path);
	if (!/^\/files\/[^\s?#\\]+$/.test(path)) return null; // not a file of this host
	return { path, name: clean(raw.name), sha256: clean(raw.sha256), type: clean(raw.type), size: natural(raw.size) };
}

/** @param {string} line */
function parse(line) {
	try {
		return eventOf(JSON.parse(line));
	} catch {
		return blank; // a later version of the host may send other lines
	}
}

export function join(wanted = nick, reportTo = listener) {
	nick = wanted;
	listener = reportTo;
	pause = 0;
	connect();
}

// Ends a quit that the host does not answer; 0: we stay.
let leaving = 0;
const leaveWithin = 2000; // ms

/**
 * Leaves once the host has answered: before, it acknowledges what was sent.
 * @param {string} text
 */
export function leave(text) {
	if (!request({ type: 'quit', text })) left();
	else leaving ||= setTimeout(left, leaveWithin);
}

const left = () => end('quit', 'You left the room');

/** Reconnects now, or checks at once whether the host still answers. */
export function hasten() {
	if (state.is === 'lost') join();
	else if (welcomed && Date.now() - received > idleIfOwed) ping(); // the machine may have slept
}

/**
 * Sends a request that is not a message. Returns false if not connected.
 * @param {ChatRequest} r
 */
export const request = (r) => welcomed > 0 && write(r);

/**
 * Resolves to the answer to a `history` or `search` request; null if none will come.
 * @type {(r: ChatRequest) => Promise<ChatEvent | null>}
 */
export const readBack = (r) => new Promise((resolve) => (request(r) ? questions.push(resolve) : resolve(null)));

/** Sends pending messages. */
export function flush() {
	if (!welcomed) return;
	for (const line of outbox.takeLines()) socket?.send(line);
	checkSilence();
}

/** @param {ChatRequest} r */
function write(r) {
	if (socket?.readyState !== WebSocket.OPEN) return false;
	socket.send(JSON.stringify(r));
	return true;
}

/** @param {ConnectionState} now */
function setState(now) {
	state = now;
	listener.changed();
}

function connect() {
	disconnect();
	setState({ is: 'connecting' });
	attach(useStream && openStream ? openStream() : relays ? relays.open() : /** @type {any} */ (new WebSocket(`${location.origin.replace('http', 'ws')}/socket`)));
}

/** @param {RoomSocket} current */
function attach(current) {
	socket = current;
	received = Date.now();
	socket.onopen = () => {
		opened = true;
		if (key) ask();
		else hello();
	};
	socket.onmessage = ({ data }) => {
		received = Date.now();
		pinged = 0;
		for (const line of data.split('\n')) if (socket === current) tryToHandle(line); // a bye ends it
	};
	socket.onclose = () => (leaving ? left() : opened ? lost() : findOtherWay(current));
	checkSilence();
}

/** The other hosts of the room; null: there are none. @type {typeof import('./relays.js') | null} */
let relays = null;

/** @param {ChatEvent} e */
async function noteRelays(e) {
	if (relays || e.relays[0]) (relays ??= await import('./relays.js')).note(e.relays);
}

/** Opens a stream; null: its module is not loaded. @type {(() => RoomSocket) | null} */
let openStream = null;

const heldBack = 'Something between this page and the host, such as a proxy, holds back what the host sends';

// If a WebSocket does not open but the host answers requests, the browser or a proxy refuses WebSockets: a stream comes
// next. If a stream does not open, a WebSocket comes next. In a sealed room, the secret may be missing.
/** @type {(failed: RoomSocket, isLate?: boolean) => Promise<void>} */
async function findOtherWay(failed, isLate) {
	failed.onclose = null;
	const wasStream = useStream;
	useStream = false;
	const asked = fetch('/room').then(async (answer) => {
		const info = await answer.json();
		({ openStream } = await import('./stream.js'));
		return info;
	});
	const late = new Promise((resolve) => setTimeout(resolve, idleIfOwed));
	const info = await Promise.race([asked, late]).catch(() => null); // null: the host does not answer
	if (socket !== failed) return; // the person has joined again, or left
	if (info?.sealed && !info.access) lock('');
	else if (info && !wasStream) {
		useStream = true;
		connect();
	} else lost('', info && isLate && heldBack || '');
}

/**
 * Ends the connection until the person, or the invite of an operator, lets us in again.
 * @param {string} why
 */
function lock(why) {
	end('secret_needed', why || 'This room is sealed');
	listener.locked(why);
}

const hello = () => write({ type: 'hello', version: 1, nick, token, connection: Date.now(), ...(room && { room, since: Math.max(last, 1) }) });

// Another host may be at this address now. It must not get the token or pending messages: "Proof" in
// relay/PROTOCOL.md. This protects only an open page: one that is loaded now comes from that host.
function ask() {
	nonce = random();
	write({ type: 'hello', version: 1, probe: true, nonce, room, client });
}

/** @param {ChatEvent} answer */
function handleAnswer(answer) {
	const proven = nonce && answer.proof === hmac(key, ['chat proof', room, answer.room, client, nonce].join('\n'));
	nonce = '';
	if (!proven) return relays?.strike() ? lost() : end('other_room', otherRoom(answer));
	if (answer.room !== room) { // the host was restarted without a history
		room = '';
		follows = true;
	}
	hello();
}

/** @param {ChatEvent} answer */
function otherRoom(answer) {
	if (answer.room === room) return `${title} is gone; the host at this address cannot prove that it has the same room`;
	return `${title} is gone; another room, ${answer.title === title ? 'also called ' : ''}${answer.title}, is at this address`;
}

// Browsers delay the timers of hidden tabs, but not past data that has arrived: a host that
// answers is never taken for lost.
function checkSilence() {
	clearTimeout(silenceCheck);
	if (!socket) return;
	const owed = welcomed && outbox.pending.length + questions.length > 0;
	const due = Math.max(received, pinged) + (owed ? idleIfOwed : idle);
	if (Date.now() < due) silenceCheck = setTimeout(checkSilence, due - Date.now() + 10);
	else if (welcomed && !pinged) ping();
	else if (opened) lost();
	else findOtherWay(socket, true);
}

function ping() {
	pinged = Date.now();
	write({ type: 'ping' });
	checkSilence();
}

function disconnect() {
	clearTimeout(nextAttempt);
	clearTimeout(silenceCheck);
	const old = socket;
	socket = null;
	welcomed = pinged = 0;
	opened = false;
	if (old) {
		old.onopen = old.onmessage = old.onclose = null;
		old.close();
	}
	for (const resolve of questions.splice(0)) resolve(null);
}

/** @type {(code?: string, text?: string, restart?: number) => void} */
function lost(code, text, restart = 0) {
	if (welcomed && Date.now() - welcomed > steady) pause = 0;
	disconnect();
	pause = restart ? 0 : Math.min(Math.max(pause * pauseGrowth, firstPause), maxPause);
	const wait = restart ? Math.min(restart, maxRestart) * Math.random() : pause * (1 + pauseJitter * (2 * Math.random() - 1));
	nextAttempt = setTimeout(connect, wait);
	setState({ is: 'lost', code, text, retryAt: Date.now() + wait });
}

/** @type {(code: string, text: string) => void} */
function end(code, text) {
	clearTimeout(leaving);
	leaving = 0;
	disconnect();
	setState({ is: 'over', code, text });
}

/**
 * Handles a line. An error does not keep the next ones from being handled.
 * @param {string} line
 */
function tryToHandle(line) {
	try {
		handle(parse(line));
	} catch (fault) {
		reportError(fault);
	}
}

/** @param {ChatEvent} e */
function handle(e) {
	const isError = e.type === 'error';
	if (e.type === 'room' && nonce) handleAnswer(e);
	else if (e.type === 'welcome') startSession(e);
	else if (e.type === 'bye' || isError && (!welcomed || finalCodes.includes(e.code))) handleRefusal(e);
	else if (e.type === 'relays') noteRelays(e);
	else if (e.type === 'invite') listener.invited(e.data);
	else if (e.type === 'history') questions.shift()?.(e);
	else if (welcomed && e.type && e.type !== 'pong' && !(isError && handleError(e))) show(e);
}

/** @param {ChatEvent} e */
function handleRefusal({ code, text, restart }) {
	closed ||= code === 'shutdown';
	if (leaving) left();
	else if (secretCodes.includes(code)) lock(text);
	else if (finalCodes.includes(code)) end(code, text);
	else if (code === 'shutdown' && restart && !relays?.isChoice()) lost(code, 'The host restarts', restart);
	else lost(code, text);
}

/** @param {ChatEvent} e */
function show(e) {
	if (e.type === 'gap') outbox.resend(); // acknowledgements may be among the missed events
	const own = e.client !== '' && e.client === client;
	if (e.id === 0 || e.id > since) {
		if (e.id) last = e.id;
		listener.received(e, own, e.id > 0 && e.id < next);
	}
	if (own && e.seq) outbox.acknowledge(e.seq);
	if (own && e.type === 'nick') want(e.wanted || e.nick);
}

/**
 * Handles the error of a request. Returns true if there is nothing left to show.
 * @param {ChatEvent} e
 */
function handleError({ code, seq, text }) {
	if (code === 'not_read') questions.shift()?.({ ...blank, code, text });
	if (!seq && code === 'too_long') outbox.rejectLongest(text);
	if (!seq) return code === 'not_read';
	if (code === 'not_stored') return !outbox.retry();
	if (code === 'duplicate') outbox.acknowledge(seq); // we sent it again to be sure
	else if (code !== 'shutdown') outbox.reject(seq, text); // else it waits for the next connection
	return true;
}

/** @param {ChatEvent} welcome */
function startSession(welcome) {
	const resumed = joined;
	const newRoom = room !== welcome.room;
	outbox.enterRoom(welcome.room, follows && !closed);
	({ room, title, key, next, client } = welcome);
	closed = follows = false;
	since = newRoom ? 0 : Math.min(last, next - 1); // a higher last is not of this log
	last = newRoom ? next - 1 : since; // more may be sent meanwhile than a backlog holds
	joined = true;
	welcomed = Date.now();
	if (nick && !welcome.nick.startsWith('guest-')) saveNick(nick); // and not welcome.nick: it may have a suffix
	listener.connected(welcome, resumed, resumed && newRoom);
	const text = relays?.moved();
	if (text) listener.received({ ...blank, type: 'notice', text }, false, false);
	noteRelays(welcome);
	setState({ is: 'connected' });
	outbox.restart(welcome.seq);
}

// Remembers the nick that the person chose. A suffix that the host added is not remembered.
// Guest nicks cannot be asked for.
/** @param {string} chosen */
function want(chosen) {
	if (chosen.startsWith('guest-')) return;
	nick = chosen;
	saveNick(nick);
}
