// Being in the room, over one connection after the other, by relay/PROTOCOL.md. In Go:
// relay/client/membership.go.

import { token, keepNick } from './identity.js';
import * as outbox from './outbox.js';

const firstPause = 250; // ms before the first attempt to come back
const maxPause = 15_000; // grown to after a dozen
const pauseGrow = 1.6;
const pauseSway = 0.3; // ±, so that a whole room does not come back in one instant
const steady = 10_000; // ms that a connection lasts before the pauses start afresh
const idle = 10_000; // ms of silence before a ping, and again before the host counts as gone
const hurried = 3_000; // the same while it owes an answer
const maxListed = 1000; // of a list in an event

// After these the same attempt would end the same way.
const stayAway = ['bad_version', 'wrong_room', 'banned', 'quit', 'kicked', 'replaced'];

const blank = {
	type: '', time: '', from: '', client: '', to: '', text: '', nick: '', code: '', room: '', title: '', topic: '',
	id: 0, seq: 0, count: 0, missed: 0, next: 0, members: [], hosts: [], events: [],
};

/** @type {{is: 'connecting'|'connected'|'lost'|'over', code?: string, text?: string, retryAt?: number}} */
export let state = { is: 'over' };
export let client = ''; // our id in the room

let hears; // {connected, received, changed}
let nick = ''; // to ask for
let socket = null;
let timer = 0; // of the next attempt
let watch = 0; // of the silence
let pause = 0;
let room = ''; // its id
let joined = false;
let last = 0; // id of the last event seen
let since = 0; // what last was when the connection began
let next = 0; // id of the first event that is not past
let welcomed = 0; // when; 0: not yet on this connection
let heard = 0; // when something came last
let pinged = 0; // when, if nothing came since; else 0
const questions = []; // who waits for what is read back, in the order of the answers

// Control characters and bidirectional controls, which a hostile host has not taken out.
const unclean = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Makes text harmless wherever it is shown. */
export const clean = (text) => (typeof text === 'string' ? text.replace(unclean, '\ufffd') : '');

const natural = (n) => (Number.isSafeInteger(n) && n > 0 ? n : 0);

// Makes an event with all its fields, each of its kind, of whatever the host sent.
function eventOf(raw) {
	const e = { file: fileOf(raw?.file) };
	for (const [name, none] of Object.entries(blank)) {
		const value = raw?.[name];
		if (none === '') e[name] = clean(value);
		else if (none === 0) e[name] = natural(value);
		else e[name] = Array.isArray(value) ? value.slice(0, maxListed).map(name === 'events' ? eventOf : clean) : [];
	}
	return e;
}

function fileOf(raw) {
	const path = clean(raw?.path);
	if (!/^\/files\/[^\s?#\\]+$/.test(path)) return null; // it leads nowhere else
	return { path, name: clean(raw.name), sha256: clean(raw.sha256), type: clean(raw.type), size: natural(raw.size) };
}

function parse(line) {
	try {
		return eventOf(JSON.parse(line));
	} catch {
		return blank; // a later host may send what is none
	}
}

export function join(wanted = nick, listener = hears) {
	nick = wanted;
	hears = listener;
	pause = 0;
	connect();
}

export function leave(text) {
	ask({ type: 'quit', text });
	end('quit', 'You left');
}

export function hasten() {
	if (state.is === 'lost') join();
	else if (welcomed && Date.now() - heard > hurried) ping(); // this machine may have slept
}

/** Asks what is not said to anybody. Returns false without a connection. */
export const ask = (request) => welcomed > 0 && write(request);

/** Resolves to the answer to a `history` or `search`, null where none will come. */
export const readBack = (request) => new Promise((resolve) => (ask(request) ? questions.push(resolve) : resolve(null)));

export function flush() {
	if (!welcomed) return;
	for (const line of outbox.take()) socket.send(line);
	listen();
}

function write(request) {
	if (socket?.readyState !== WebSocket.OPEN) return false;
	socket.send(JSON.stringify(request));
	return true;
}

function tell(now) {
	state = now;
	hears.changed();
}

function connect() {
	drop();
	tell({ is: 'connecting' });
	const opened = socket = new WebSocket(`${location.origin.replace('http', 'ws')}/socket`);
	heard = Date.now();
	socket.onopen = () => write({ type: 'hello', version: 1, nick, token, ...(room && { room, since: Math.max(last, 1) }) });
	socket.onmessage = ({ data }) => {
		heard = Date.now();
		pinged = 0;
		for (const line of data.split('\n')) if (socket === opened) take(parse(line)); // a bye ends it
	};
	socket.onclose = () => lost();
	listen();
}

// Looks at the silence. In a tab that nobody sees timers come late, but never before what
// was received: no living host is given up.
function listen() {
	clearTimeout(watch);
	if (!socket) return;
	const owed = welcomed && outbox.queue.length + questions.length > 0;
	const due = Math.max(heard, pinged) + (owed ? hurried : idle);
	if (Date.now() < due) watch = setTimeout(listen, due - Date.now() + 10);
	else if (welcomed && !pinged) ping();
	else lost();
}

function ping() {
	pinged = Date.now();
	write({ type: 'ping' });
	listen();
}

function drop() {
	clearTimeout(timer);
	clearTimeout(watch);
	const gone = socket;
	socket = null;
	welcomed = pinged = 0;
	if (gone) {
		gone.onopen = gone.onmessage = gone.onclose = null;
		gone.close();
	}
	for (const resolve of questions.splice(0)) resolve(null);
}

function lost(code, text) {
	if (welcomed && Date.now() - welcomed > steady) pause = 0;
	drop();
	pause = Math.min(Math.max(pause * pauseGrow, firstPause), maxPause);
	const wait = pause * (1 + pauseSway * (2 * Math.random() - 1));
	timer = setTimeout(connect, wait);
	tell({ is: 'lost', code, text, retryAt: Date.now() + wait });
}

function end(code, text) {
	drop();
	tell({ is: 'over', code, text });
}

function refused({ code, text }) {
	if (code === 'wrong_room' && room) { // the host was restarted
		room = '';
		connect();
	} else if (stayAway.includes(code)) end(code, text);
	else lost(code, text);
}

function take(e) {
	const error = e.type === 'error';
	if (e.type === 'welcome') adopt(e);
	else if (e.type === 'bye' || error && (!welcomed || stayAway.includes(e.code))) refused(e);
	else if (e.type === 'history') questions.shift()?.(e);
	else if (welcomed && e.type && e.type !== 'pong' && !(error && fault(e))) see(e);
}

function see(e) {
	if (e.type === 'gap') outbox.resend(); // the acknowledgements may be among what is missing
	const own = e.client !== '' && e.client === client;
	if (e.id === 0 || e.id > since) {
		if (e.id) last = e.id;
		hears.received(e, own, e.id > 0 && e.id < next);
	}
	if (own && e.seq) outbox.settle(e.seq);
	if (own && e.type === 'nick') callOurselves(e.nick);
}

// Takes what a request met with. Returns whether there is nothing left to tell.
function fault({ code, seq, text }) {
	if (code === 'not_read') questions.shift()?.({ code, text, events: [] });
	if (!seq && code === 'too_long') outbox.rejectLongest(text);
	if (!seq) return code === 'not_read';
	if (code === 'not_stored') return !outbox.retry();
	if (code === 'duplicate') outbox.settle(seq); // we sent it twice, to be sure
	else if (code !== 'shutdown') outbox.reject(seq, text); // else it waits for the next connection
	return true;
}

function adopt(welcome) {
	const resumed = joined;
	const fresh = room !== welcome.room;
	({ room, next, client } = welcome);
	since = fresh ? 0 : Math.min(last, next - 1); // a higher one was none of this log
	last = fresh ? next - 1 : since; // more may be said meanwhile than a backlog has
	joined = true;
	welcomed = Date.now();
	callOurselves(welcome.nick);
	hears.connected(welcome, resumed, resumed && fresh);
	tell({ is: 'connected' });
	outbox.restart(welcome.seq);
}

// A guest's name only the host gives.
function callOurselves(called) {
	if (called.startsWith('guest-')) return;
	nick = called;
	keepNick(nick);
}
