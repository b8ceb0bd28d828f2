// @ts-check
// The transcript, oldest first: a window on the room's log. Near either end more is fetched from
// the host, and rows at the other end are dropped.

import { $, make, counted } from './dom.js';
import { rowOf, nickOf, recipientOf } from './rows.js';
import { dayOf, clockOf, now } from './clock.js';
import { appendMessage } from './content.js';
import { blank, client, readBack } from './membership.js';
import { mentions as mentionsNick } from './words.js';
import * as outbox from './outbox.js';

const maxRows = 2000; // on the page at once
const olderAtOnce = 100; // messages
const idsAtOnce = 200; // the host's limit of messages in an answer
const nearEnd = 40; // px from the end that count as the end
const foldWithin = 600_000; // ms in which joins and leaves share a row
const maxFolded = 8; // events in such a row
const groupWithin = 300_000; // ms in which a sender's nick is shown once
const maxOutgoing = 50; // pending messages shown
const backlogTime = 1000; // ms in which a backlog starts to come
const announceDelay = 1000; // ms between announcements to a screen reader
const minNick = 64; // px of the column of nicks, which grows with the nicks in it
const maxNick = 132;
const maxMeasured = 1000; // nicks

const log = $('log');
const list = $('rows');

export let below = 0; // new messages below the visible part
export let belowMentions = 0; // of those, the ones that mention us
export let following = true; // the end is visible

let us = ''; // our nick
/** @type {(mentions: Row[]) => void} */
let onchange = () => {};
/** Rows on the page. @type {Row[]} */
let rows = [];
/** Received and not drawn yet. @type {{e: ChatEvent, own: boolean, past: boolean}[]} */
const undrawn = [];
let drawing = 0; // a timer or a frame; 0: none
let outgoingChanged = true;
let backlogEnd = 0; // ID of the last event of a backlog that is still to come; 0: it is here
let backlogTimer = 0;
/** Notices about now, until the backlog is here. @type {typeof undrawn} */
const held = [];
let newest = 0; // ID of the last event there is
let complete = true; // the newest event is on the page
let foreign = false; // some rows are of a room that ended: nothing is put before them
let noOlder = false;
/** The fetch in progress. @type {Promise<void> | null} */
let fetching = null;
/** The line above the first unread message. @type {HTMLElement | null} */
let unreadLine = null;
/** Summaries not announced yet. @type {string[]} */
const unannounced = [];

/**
 * Sets the function to call when rows came or the view moved, with the new rows that mention us.
 * @param {(mentions: Row[]) => void} changed
 */
export const onChange = (changed) => (onchange = changed);

/** @param {string} nick */
export const setNick = (nick) => (us = nick);

export function clear() {
	rows = [];
	list.replaceChildren();
	complete = true;
	noOlder = foreign = false;
	clearUnread();
}

/**
 * Starts a connection whose next new event has the ID next.
 * @param {number} next
 * @param {boolean} newRoom
 */
export function begin(next, newRoom) {
	if (newRoom) {
		flush();
		foreign = rows.length > 0;
		for (const row of rows) row.id = 0;
		complete = true;
	}
	newest = backlogEnd = next - 1;
	clearTimeout(backlogTimer);
	backlogTimer = setTimeout(release, backlogTime);
}

// The backlog is here: notices about now come below it.
function release() {
	backlogEnd = 0;
	undrawn.push(...held.splice(0));
	draw();
}

/** @type {(e: ChatEvent, own: boolean, past: boolean) => void} */
export function add(e, own, past) {
	newest = Math.max(newest, e.id);
	if (!e.id && backlogEnd) return void held.push({ e, own, past });
	if (backlogEnd && e.id > backlogEnd) release();
	if (complete || !e.id) undrawn.push({ e, own, past });
	else if (!own && ['message', 'action', 'private'].includes(e.type)) { // fetched when the member scrolls there
		below++;
		if (e.type === 'private' || us && mentionsNick(e.text, us)) belowMentions++;
	}
	if (e.id === backlogEnd) release();
	else draw();
}

/**
 * Adds a line of the page's own.
 * @param {'notice' | 'error'} type
 * @param {string} text
 */
export const addLine = (type, text) => add({ ...blank, type, text }, false, false);

export function showOutgoing() {
	outgoingChanged = true;
	draw();
}

export function clearUnread() {
	unreadLine?.remove();
	unreadLine = null;
}

// However much comes in, it is drawn once a frame. A hidden tab has no frames.
function draw() {
	drawing ||= document.hidden ? setTimeout(flush, 200) : requestAnimationFrame(flush);
}

export function flush() {
	drawing = 0;
	/** @type {Row[]} */
	let mentions = [];
	keepPlace(() => {
		if (complete) mentions = append(undrawn.splice(0).slice(-maxRows));
		if (outgoingChanged) drawOutgoing();
	});
	if (log.scrollHeight <= log.clientHeight) fetchOlder();
	onchange(mentions);
}

/**
 * Appends rows for events. Returns those that mention us.
 * @param {typeof undrawn} events
 */
function append(events) {
	const block = document.createDocumentFragment();
	/** @type {Row[]} */
	const mentions = [];
	const last = lastId();
	for (const { e, own, past } of events) {
		const row = rowOf(e, own, us);
		if (!row || row.id && row.id <= last) continue; // fetched meanwhile
		const prev = rows.at(-1);
		if (fold(prev, row)) continue;
		if (row.isMessage && !own && !past) {
			announce(row.summary);
			if (row.mentionsUs) mentions.push(row);
			if (!following) below++;
			if (!following && row.mentionsUs) belowMentions++;
			if (!unreadLine && (document.hidden || !following)) block.append((unreadLine = make('div', 'unread', 'new')));
		}
		block.append(row.el);
		attach(prev, row);
		rows.push(row);
	}
	outgoingChanged ||= block.hasChildNodes() && outbox.pending.length > 0; // they may follow another sender now
	list.append(block);
	trim(following);
	return mentions;
}

/** @param {boolean} atTop */
function trim(atTop) {
	const excess = rows.length - maxRows;
	if (excess <= 0) return;
	rows.splice(atTop ? 0 : maxRows, excess);
	if (atTop) {
		while (list.firstChild !== rows[0].el) list.firstChild?.remove();
		attach(undefined, rows[0]);
		noOlder = false;
	} else {
		while (list.lastChild !== rows.at(-1)?.el) list.lastChild?.remove();
		complete = false;
	}
	if (!unreadLine?.isConnected) unreadLine = null;
}

/**
 * Adds a join or leave to the row of the one before it. Returns false if it needs its own row.
 * @type {(prev: Row | undefined, row: Row) => boolean}
 */
function fold(prev, row) {
	if (prev?.kind !== 'presence' || row.kind !== 'presence' || row.at - prev.at > foldWithin) return false;
	const folded = prev.folded ?? 1;
	if (folded > maxFolded) return false;
	prev.folded = folded + 1;
	prev.id = row.id;
	prev.el.querySelector('.text')?.append(' · ', ...(row.el.querySelector('.text')?.childNodes ?? []));
	return true;
}

/** @type {(a: number, b: number) => boolean} */
const inSameMinute = (a, b) => Math.floor(a / 60_000) === Math.floor(b / 60_000);

/**
 * Reports whether a row shows no nick, because the one above is of the same sender.
 * @type {(prev: {kind: string, from: string, at: number} | undefined, kind: string, from: string, at: number) => boolean}
 */
const isGrouped = (prev, kind, from, at) => kind === 'message' && prev?.kind === kind && prev.from === from && at - prev.at < groupWithin;

/**
 * Styles a row, which is in its place, by the one above it: the same sender again, the same minute, or another day.
 * @type {(prev: Row | undefined, row: Row) => void}
 */
function attach(prev, row) {
	const { el, at, kind, from } = row;
	row.day?.remove();
	row.day = undefined;
	const isUnread = Boolean(unreadLine) && el.previousElementSibling === unreadLine;
	const sameMinute = prev !== undefined && inSameMinute(prev.at, at);
	if (!sameMinute && new Date(at).toDateString() !== new Date(prev?.at ?? now()).toDateString()) {
		row.day = make('div', 'day', dayOf(at));
		(isUnread && unreadLine || el).before(row.day);
	}
	const apart = !prev || isUnread || row.day !== undefined;
	el.classList.toggle('same', !apart && isGrouped(prev, kind, from, at));
	el.classList.toggle('now', !apart && sameMinute);
	if (kind === 'message' || kind === 'private') widen(from);
}

let nickWidth = minNick;
/** Nicks that are known to fit into the column. @type {Set<string>} */
const measured = new Set();
const pen = document.createElement('canvas').getContext('2d');

/**
 * Makes the column of nicks wide enough for one. It never becomes narrower: rows would move. A canvas measures
 * without a layout of the page.
 * @param {string} nick
 */
function widen(nick) {
	if (nickWidth >= maxNick || measured.has(nick) || !pen) return;
	if (measured.size >= maxMeasured) measured.clear();
	measured.add(nick);
	pen.font = `600 ${getComputedStyle(log).font.replace(/^.*?(?=\d+(\.\d+)?px)/, '')}`;
	const width = Math.min(Math.ceil(pen.measureText(nick).width) + 1, maxNick);
	if (width > nickWidth) log.style.setProperty('--nick', `${(nickWidth = width)}px`);
}

/**
 * Announces a message to screen readers, but not all of a flood. The log itself is not live:
 * it would also read the backlog and fetched rows.
 * @param {string} summary
 */
function announce(summary) {
	if (unannounced.push(summary) > 1) return;
	setTimeout(() => {
		const more = unannounced.length - 3;
		$('announcer').textContent = unannounced.splice(0).slice(-3).join('\n') + (more > 0 ? `\nand ${counted(more, 'earlier message')}` : '');
	}, announceDelay);
}

function drawOutgoing() {
	outgoingChanged = false;
	const { pending, rejected } = outbox;
	const messages = [...rejected.slice(-maxOutgoing), ...pending.slice(0, maxOutgoing)];
	const shown = messages.map(outgoingRow);
	/** @type {{kind: string, from: string, at: number} | undefined} */
	let prev = rows.at(-1);
	messages.forEach(({ at, request: { type }, reason }, i) => {
		const kind = type === 'say' && !reason ? 'message' : '';
		shown[i].classList.toggle('same', kind !== '' && isGrouped(prev, kind, us, at));
		shown[i].classList.toggle('now', prev !== undefined && inSameMinute(prev.at, at));
		prev = { kind, from: us, at };
	});
	const more = pending.length - maxOutgoing;
	if (more > 0) shown.push(make('div', 'row', make('time', ''), make('span', 'who'), make('div', 'text dim', `and ${counted(more, 'message')} more`)));
	$('outgoing').replaceChildren(...shown);
}

/** @param {OutgoingMessage} m */
function outgoingRow({ seq, at, request: { type, to = '', text: content, name }, reason }) {
	const text = make('div', 'text');
	text.dir = 'auto';
	if (type === 'msg') text.append(recipientOf(to), ' ');
	if (type === 'me') text.append(make('span', 'mark', '* '), nickOf(us), ' ');
	appendMessage(text, content ?? `${name}`);
	const time = make('time', '', clockOf(at));
	const who = make('span', 'who', type === 'me' ? '' : nickOf(us));
	const el = make('div', `row outgoing${reason ? ' rejected' : ''}${type === 'msg' ? ' private' : ''}`, time, who, text);
	if (reason) el.append(statusOf(seq, reason));
	else text.append(make('span', 'pending', ' …'));
	return el;
}

/**
 * Says why a message was rejected, with buttons for what to do.
 * @type {(seq: number, reason: string) => HTMLElement}
 */
function statusOf(seq, reason) {
	const status = make('div', 'status', `Not sent: ${reason} `);
	for (const action of ['Edit', 'Dismiss']) {
		const button = make('button', '', action);
		button.dataset[action.toLowerCase()] = String(seq);
		status.append(button, ' ');
	}
	return status;
}

// --- the window ---

function toBottom() {
	log.scrollTop = log.scrollHeight;
}

/**
 * Returns the first row that ends below a height of the window. A few steps of halving find it: their places are read, not every row's.
 * @param {number} top
 */
function firstBelow(top) {
	let [from, to] = [0, rows.length];
	while (from < to) {
		const middle = (from + to) >> 1;
		if (rows[middle].el.getBoundingClientRect().bottom > top) to = middle;
		else from = middle + 1;
	}
	return rows[from];
}

/**
 * Changes rows without moving the visible ones.
 * @param {() => void} change
 */
function keepPlace(change) {
	const top = log.getBoundingClientRect().top;
	const seen = following ? null : firstBelow(top)?.el;
	const before = seen?.getBoundingClientRect().bottom ?? 0;
	change();
	if (following) toBottom();
	else if (seen?.isConnected) log.scrollTop += seen.getBoundingClientRect().bottom - before;
}

let size = ''; // of the window, when its rows were last laid out for it
const currentSize = () => `${log.clientWidth} ${log.clientHeight}`;

function scrolled() {
	if (following && size !== currentSize()) return toBottom(); // the browser moved rows because the size changed
	const { scrollTop, scrollHeight, clientHeight } = log;
	const left = scrollHeight - scrollTop - clientHeight;
	following = complete && left < nearEnd;
	if (following) below = belowMentions = 0;
	if (scrollTop < clientHeight) fetchOlder();
	else if (!complete && left < clientHeight) fetchNewer();
	onchange([]);
}

/** @param {number} pages */
export function scrollBy(pages) {
	log.scrollBy(0, pages * log.clientHeight * 0.9);
}

/** Goes to the end, however far away it is. */
export async function toEnd() {
	await fetching;
	below = belowMentions = 0;
	following = true;
	if (!complete) {
		clear();
		draw();
		await fetchOlder();
	}
	toBottom();
	onchange([]);
}

const firstId = () => rows.find((row) => row.id)?.id ?? newest + 1;
const lastId = () => rows.findLast((row) => row.id)?.id ?? 0;

/**
 * Runs a fetch unless one is in progress.
 * @param {() => Promise<void>} fetch
 */
async function once(fetch) {
	if (fetching) return;
	await (fetching = fetch());
	fetching = null;
}

/** @type {(before: number, count: number) => Promise<ChatEvent[] | null>} */
async function read(before, count) {
	const answer = await readBack({ type: 'history', before, count });
	return answer && !answer.code ? answer.events : null;
}

/** @param {ChatEvent[]} events */
const rowsOf = (events) => events.flatMap((e) => {
	const row = rowOf(e, e.client === client, us);
	return row?.isMessage && row.id ? [row] : [];
});

async function fetchOlder() {
	if (noOlder || foreign || !client) return;
	await once(async () => {
		const events = await read(firstId(), olderAtOnce);
		if (!events) return;
		noOlder = !events.length;
		const first = firstId();
		keepPlace(() => {
			$('beginning').hidden = !noOlder;
			prepend(rowsOf(events.filter((e) => e.id < first)));
		});
	});
}

/** @param {Row[]} older */
function prepend(older) {
	const block = document.createDocumentFragment();
	older.forEach((row, i) => {
		block.append(row.el);
		attach(older[i - 1], row);
	});
	list.prepend(block);
	const last = older.at(-1);
	if (last && rows.length) attach(last, rows[0]);
	rows.unshift(...older);
	if (!following) trim(false);
}

const fetchNewer = () => once(async () => {
	const last = lastId();
	let floor = last;
	/** @type {ChatEvent[]} */
	let found = [];
	for (let step = idsAtOnce; floor < newest && !found.length;) {
		const events = await read(floor + step + 1, idsAtOnce);
		if (!events) return;
		found = events.filter((e) => e.id > last);
		if (step > 1 && found.length && found.length === events.length) { // a full answer: older messages may be missing
			step >>= 1;
			found = [];
		} else floor += step;
	}
	keepPlace(() => {
		for (const row of rowsOf(found)) {
			list.append(row.el);
			attach(rows.at(-1), row);
			rows.push(row);
		}
		trim(true);
		complete = floor >= newest;
	});
	draw();
});

/**
 * Shows the message with an ID, fetching it if needed.
 * @param {number} id
 */
export async function goTo(id) {
	const find = () => rows.find((row) => row.id === id)?.el;
	await fetching;
	if (!find()) {
		await once(async () => {
			const events = await read(id + 50, 150);
			if (!events?.length) return;
			following = false;
			clear();
			complete = false;
			prepend(rowsOf(events));
		});
	}
	const el = find();
	if (!el) return;
	following = complete && log.scrollHeight <= log.clientHeight; // else new messages would move it away
	el.scrollIntoView({ block: 'center' });
	onchange([]);
}

/**
 * Marks the row of the event with an ID, and no other; 0: none.
 * @param {number} id
 */
export function markFound(id) {
	for (const el of list.querySelectorAll('.found')) el.classList.remove('found');
	if (id) rows.find((row) => row.id === id)?.el.classList.add('found');
}

/** Reports whether the room has no messages, as far as we know by now. */
export const isEmpty = () => noOlder && !foreign && !outbox.pending.length && !outbox.rejected.length && !rows.some(({ isMessage }) => isMessage);

log.addEventListener('scroll', scrolled, { passive: true });
// A picture has its size only once it is loaded.
list.addEventListener('load', ({ target }) => keepPlace(() => target instanceof Element && target.classList.add('loaded')), true);
const resized = new ResizeObserver(() => {
	size = currentSize();
	if (following) toBottom();
});
for (const el of [log, list, $('outgoing')]) resized.observe(el);
