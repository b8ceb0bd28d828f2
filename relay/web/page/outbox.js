// @ts-check
// Messages that are not acknowledged, in order, kept across a reload: "Nothing lost, nothing
// twice" in relay/PROTOCOL.md. In Go: relay/client/outbox.go.

import { load, save } from './identity.js';

const maxPending = 1000;
const retryPause = 1000; // ms before messages that the host could not store are sent again
const maxAge = 3_600_000; // ms; older messages are not sent by themselves: the conversation has moved on

const saved = load('outbox') ?? { next: 1, queue: [], refused: [] };
/** @param {OutgoingMessage} m */
const isOld = ({ at }) => Date.now() - at > maxAge;

/** @type {OutgoingMessage[]} */
export let pending = saved.queue.filter((/** @type {OutgoingMessage} */ m) => !isOld(m));
/** Messages that the host rejected, until the member dismisses them. @type {OutgoingMessage[]} */
export const rejected = [
	...saved.refused,
	...saved.queue.filter(isOld).map((/** @type {OutgoingMessage} */ m) => ({ ...m, reason: 'it was pending for too long' })),
];

let next = /** @type {number} */ (saved.next); // seq of the next message
let sent = 0; // pending[:sent] went out on this connection
let oneByOne = false; // the host could not store the last message: send one and wait
let retryAt = 0;
let onchange = () => {};
/** ID of the room that they are for; '': none yet. */
export let room = /** @type {string} */ (saved.room ?? '');

/** @param {() => void} changed */
export const onChange = (changed) => (onchange = changed);

function change() {
	save('outbox', { next, room, queue: pending, refused: rejected });
	onchange();
}

/**
 * Adds a message. Returns false if too many are pending.
 * @param {ChatRequest} request
 */
export function add(request) {
	if (pending.length >= maxPending) return false;
	pending.push({ seq: next++, at: Date.now(), request });
	change();
	return true;
}

/** Returns the lines that may be sent now, and counts them as sent. */
export function takeLines() {
	const lines = [];
	for (; sent < pending.length && !mustWait(); sent++) lines.push(JSON.stringify({ ...pending[sent].request, seq: pending[sent].seq }));
	return lines;
}

// The host may reject a private message or a file for a passing reason (no such nick, the file is
// gone). Its answer must come before the next message is sent: if the answer is lost and the host
// took a higher seq, the rejected message would count as delivered.
function mustWait() {
	return Date.now() < retryAt || sent > 0 && (oneByOne || ['msg', 'send'].includes(pending[sent - 1].request.type));
}

/**
 * Removes a message that the host acknowledged.
 * @param {number} seq
 */
export function acknowledge(seq) {
	if (!remove(seq)) return;
	oneByOne = false;
	change();
}

/** Sends all pending messages again after a pause. Returns whether this is the first failure in a row. */
export function retry() {
	const first = !oneByOne;
	sent = 0;
	oneByOne = true;
	retryAt = Date.now() + retryPause;
	setTimeout(() => onchange(), retryPause + 1);
	return first;
}

/**
 * Keeps a message that the host rejected for the member to see.
 * @param {number} seq
 * @param {string} reason
 */
export function reject(seq, reason) {
	const m = remove(seq);
	if (m) rejected.push({ ...m, reason });
	change();
}

/**
 * Rejects the longest message sent: the host dropped a line unread, and cannot say which.
 * @param {string} reason
 */
export function rejectLongest(reason) {
	/** @param {OutgoingMessage} m */
	const size = (m) => JSON.stringify(m.request).length;
	const [longest] = pending.slice(0, sent).sort((a, b) => size(b) - size(a));
	if (longest) reject(longest.seq, reason);
}

/**
 * Removes a rejected message and returns its request.
 * @param {number} seq
 */
export function dismiss(seq) {
	const [m] = rejected.splice(rejected.findIndex((r) => r.seq === seq), 1);
	change();
	return m.request;
}

/**
 * Enters a room. Messages that were written for another one are rejected, unless this one follows it.
 * @type {(id: string, follows: boolean) => void}
 */
export function enterRoom(id, follows) {
	if (room && id !== room && !follows) for (const { seq } of [...pending]) reject(seq, 'it was written for another room');
	room = id;
	change();
}

/**
 * Starts on a new connection, to a host that has every message up to seq.
 * @param {number} seq
 */
export function restart(seq) {
	next = Math.max(next, seq + 1);
	pending = pending.filter((m) => m.seq > seq);
	oneByOne = false;
	retryAt = 0;
	resend();
}

/** Sends all pending messages again: the host drops duplicates, and says so. */
export function resend() {
	sent = 0;
	change();
}

/** @param {number} seq */
function remove(seq) {
	const i = pending.findIndex((m) => m.seq === seq);
	if (i < 0) return null;
	if (i < sent) sent--;
	return pending.splice(i, 1)[0];
}
