// What was said and what happened, oldest first: a window on the room's log. At either end
// more is fetched from the host, and dropped at the other.

import { $, make, rowOf, rowOfOwn, dayOf, clockOf, counted, appendText, nickOf } from './rows.js';
import { client, readBack } from './membership.js';
import * as outbox from './outbox.js';

const maxRows = 2000; // on the page at once
const olderAtOnce = 100; // messages
const idsAtOnce = 200; // an answer has at most as many messages
const nearEnd = 40; // px from the end that still are the end
const foldWithin = 600_000; // ms in which those who come and go are told in one row
const maxFolded = 8; // of them
const groupWithin = 300_000; // ms in which a speaker is named once
const maxOutgoing = 50; // shown of what waits for the host
const earTime = 1000; // ms between what is told to the ear

const log = $('log');
const list = $('rows');

export let below = 0; // messages that came below what is seen
export let following = true; // the end is seen

let us = ''; // our nick
let onchange = () => {};
let rows = []; // on the page
const waiting = []; // what is not drawn yet: events, or rows
let drawing = 0;
let outgoingChanged = true;
let newest = 0; // id of the last event there is
let complete = true; // it is on the page
let foreign = false; // there are rows of a room that ended: nothing is put before them
let noOlder = false;
let fetching = null; // the work of it
let mark = null; // the line above what is unread
const spoken = []; // what the ear was not told yet

/** Calls changed, when something came or the view moved, with the rows that call us. */
export const onChange = (changed) => (onchange = changed);

export const callUs = (nick) => (us = nick);

export function clear() {
	rows = [];
	list.replaceChildren();
	complete = true;
	noOlder = foreign = false;
	forgetUnread();
}

/** Takes where the log goes on; anew: in another room. */
export function begin(next, anew) {
	if (anew) {
		flush();
		foreign = rows.length > 0;
		for (const row of rows) row.id = 0;
		complete = true;
	}
	newest = next - 1;
}

export function add(e, own, past) {
	newest = Math.max(newest, e.id);
	if (complete || !e.id) waiting.push({ e, own, past });
	else if (!own && ['message', 'action', 'private'].includes(e.type)) below++; // it is fetched when somebody goes there
	draw();
}

/** Shows something that nobody said. */
export function tell(text) {
	waiting.push({ row: rowOfOwn(text) });
	draw();
}

export function showOutgoing() {
	outgoingChanged = true;
	draw();
}

export function forgetUnread() {
	mark?.remove();
	mark = null;
}

// However much comes, it is drawn once a frame. A hidden tab has no frames.
function draw() {
	drawing ||= document.hidden ? setTimeout(flush, 200) : requestAnimationFrame(flush);
}

export function flush() {
	drawing = 0;
	let calls = [];
	keepPlace(() => {
		if (complete) calls = append(waiting.splice(0).slice(-maxRows));
		if (outgoingChanged) drawOutgoing();
	});
	if (log.scrollHeight <= log.clientHeight) older();
	onchange(calls);
}

// Puts rows at the end. Returns those that call us.
function append(came) {
	const block = document.createDocumentFragment();
	const calls = [];
	const last = lastId();
	for (const { e, own, past, row = rowOf(e, own, us) } of came) {
		if (!row || row.id && row.id <= last) continue; // it was fetched meanwhile
		const prev = rows.at(-1);
		if (fold(prev, row)) continue;
		if (row.said && !own && !past) {
			speak(row.words);
			if (row.calls) calls.push(row);
			if (!following) below++;
			if (!mark && (document.hidden || !following)) row.el.prepend((mark = make('div', 'unread', 'new')));
		}
		follow(prev, row);
		rows.push(row);
		block.append(row.el);
	}
	list.append(block);
	trim(following);
	return calls;
}

function trim(top) {
	const many = rows.length - maxRows;
	if (many <= 0) return;
	for (const { el } of rows.splice(top ? 0 : maxRows, many)) el.remove();
	if (top) follow(undefined, rows[0]);
	if (top) noOlder = false;
	else complete = false;
	if (!mark?.isConnected) mark = null;
}

// Who comes and goes, one behind the other, is told in one row.
function fold(prev, row) {
	if (prev?.kind !== 'moved' || row.kind !== 'moved' || row.at - prev.at > foldWithin || prev.folded > maxFolded) return false;
	prev.folded = (prev.folded ?? 1) + 1;
	prev.id = row.id;
	prev.el.querySelector('.text').append(' · ', ...row.el.querySelector('.text').childNodes);
	return true;
}

// Says of a row how it goes on from the one above: the same speaker, another day.
function follow(prev, row) {
	row.el.querySelector('.day')?.remove();
	const day = dayOf(row.at);
	const another = day !== dayOf(prev?.at ?? Date.now());
	if (another) row.el.prepend(make('div', 'day', day));
	const same = !another && row.kind === 'said' && prev?.kind === 'said' && prev.from === row.from && row.at - prev.at < groupWithin;
	row.el.classList.toggle('same', same && !row.el.querySelector('.unread'));
}

// Tells the ear what is said, not all of a flood. The log itself is silent, or it would read
// the backlog, and what is fetched.
function speak(words) {
	if (spoken.push(words) > 1) return;
	setTimeout(() => {
		const more = spoken.length - 3;
		$('ear').textContent = spoken.splice(0).slice(-3).join('\n') + (more > 0 ? `\nand ${counted(more, 'message')} before` : '');
	}, earTime);
}

function drawOutgoing() {
	outgoingChanged = false;
	const { queue, refused } = outbox;
	const shown = [...refused.slice(-maxOutgoing), ...queue.slice(0, maxOutgoing)].map(outgoingRow);
	const more = queue.length - maxOutgoing;
	if (more > 0) shown.push(make('div', 'row', make('div', 'text dim', `and ${counted(more, 'message')} more`)));
	$('outgoing').replaceChildren(...shown);
}

function outgoingRow({ seq, at, request: { type, to, text: said, name }, reason }) {
	const text = make('div', 'text');
	text.dir = 'auto';
	if (type === 'msg') text.append(make('b', 'to', '[you → ', nickOf(to), ']'), ' ');
	if (type === 'me') text.append('* ', nickOf(us), ' ');
	appendText(text, said ?? `sent ${name}`);
	const fate = make('div', 'fate', reason ? `Not sent: ${reason} ` : 'sending…');
	const who = make('span', 'who', type === 'say' ? nickOf(us) : '');
	const row = make('div', `row outgoing${reason ? ' refused' : ''}`, make('time', '', clockOf(at)), who, text, fate);
	for (const does of reason ? ['edit', 'dismiss'] : []) {
		const button = make('button', '', does);
		button.dataset[does] = seq;
		fate.append(button, ' ');
	}
	return row;
}

// --- the window ---

function toBottom() {
	log.scrollTop = log.scrollHeight;
}

// Changes rows without moving what somebody reads.
function keepPlace(change) {
	const top = log.getBoundingClientRect().top;
	const seen = following ? null : rows.find(({ el }) => el.getBoundingClientRect().bottom > top)?.el;
	const before = seen?.getBoundingClientRect().bottom;
	change();
	if (following) toBottom();
	else if (seen?.isConnected) log.scrollTop += seen.getBoundingClientRect().bottom - before;
}

function scrolled() {
	const { scrollTop, scrollHeight, clientHeight } = log;
	const left = scrollHeight - scrollTop - clientHeight;
	following = complete && left < nearEnd;
	if (following) below = 0;
	if (scrollTop < clientHeight) older();
	else if (!complete && left < clientHeight) newer();
	onchange([]);
}

export function scrollBy(pages) {
	log.scrollBy(0, pages * log.clientHeight * 0.9);
}

/** Goes to the end, whatever lies between. */
export async function toEnd() {
	await fetching;
	below = 0;
	following = true;
	if (!complete) {
		clear();
		draw();
		await older();
	}
	toBottom();
	onchange([]);
}

const firstId = () => rows.find((row) => row.id)?.id ?? newest + 1;
const lastId = () => rows.findLast((row) => row.id)?.id ?? 0;

async function once(work) {
	if (fetching) return;
	await (fetching = work());
	fetching = null;
}

async function read(before, many) {
	const answer = await readBack({ type: 'history', before, count: many });
	return answer && !answer.code ? answer.events : null;
}

const rowsOf = (events) => events.map((e) => rowOf(e, e.client === client, us)).filter((row) => row?.said && row.id);

const older = () => !noOlder && !foreign && client && once(async () => {
	const events = await read(firstId(), olderAtOnce);
	if (!events) return;
	noOlder = !events.length;
	$('beginning').hidden = !noOlder;
	const first = firstId();
	keepPlace(() => prepend(rowsOf(events.filter((e) => e.id < first))));
});

function prepend(before) {
	before.forEach((row, i) => follow(before[i - 1], row));
	if (before.length && rows.length) follow(before.at(-1), rows[0]);
	rows.unshift(...before);
	list.prepend(...before.map(({ el }) => el));
	if (!following) trim(false);
}

const newer = () => once(async () => {
	const last = lastId();
	let floor = last;
	let found = [];
	for (let step = idsAtOnce; floor < newest && !found.length;) {
		const events = await read(floor + step + 1, idsAtOnce);
		if (!events) return;
		found = events.filter((e) => e.id > last);
		if (step > 1 && found.length && found.length === events.length) { // as long as an answer may be: older ones may be missing
			step >>= 1;
			found = [];
		} else floor += step;
	}
	keepPlace(() => {
		for (const row of rowsOf(found)) {
			follow(rows.at(-1), row);
			rows.push(row);
			list.append(row.el);
		}
		trim(true);
		complete = floor >= newest;
	});
	draw();
});

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
	following = false;
	el.scrollIntoView({ block: 'center' });
	el.classList.add('found');
	setTimeout(() => el.classList.remove('found'), 3000);
}

log.addEventListener('scroll', scrolled, { passive: true });
const resized = new ResizeObserver(() => following && toBottom());
for (const el of [log, list, $('outgoing')]) resized.observe(el);
