// What was said and is not acknowledged, in order, kept over a reload: "Nothing lost, nothing
// twice" in relay/PROTOCOL.md. In Go: relay/client/outbox.go.

import { load, keep } from './identity.js';

const maxWaiting = 1000; // more than this nobody types while the connection is lost
const retryPause = 1000; // ms that waits what the host could not keep
const stale = 3_600_000; // ms after which it is not said of itself: the talk has gone on

const kept = load('outbox') ?? { next: 1, queue: [], refused: [] };
const isStale = ({ at }) => Date.now() - at > stale;

/** @typedef {{seq: number, at: number, request: Object, reason?: string}} Waiting */
/** @type {Waiting[]} */
export let queue = kept.queue.filter((w) => !isStale(w));
/** @type {Waiting[]} what the host did not want, until the person has seen why */
export const refused = [...kept.refused, ...kept.queue.filter(isStale).map((w) => ({ ...w, reason: 'it waited for too long' }))];

let next = kept.next;
let sent = 0; // queue[:sent] went out on this connection
let trial = false; // the first goes alone: the host could keep none a moment ago
let retryAt = 0;
let onchange = () => {};

export const onChange = (changed) => (onchange = changed);

function change() {
	keep('outbox', { next, queue, refused });
	onchange();
}

/** Takes what is to be said, if there is room for it. */
export function put(request) {
	if (queue.length >= maxWaiting) return false;
	queue.push({ seq: next++, at: Date.now(), request });
	change();
	return true;
}

/** Returns the lines that may go out now. */
export function take() {
	const lines = [];
	for (; sent < queue.length && !waits(); sent++) lines.push(JSON.stringify({ ...queue[sent].request, seq: queue[sent].seq }));
	return lines;
}

// Behind what the host may refuse for what is so just then (nobody is called that, the file
// is gone) its answer comes first. If that is lost with the connection, the host must not
// have taken a higher number, by which it would pass for taken.
function waits() {
	return Date.now() < retryAt || sent > 0 && (trial || ['msg', 'send'].includes(queue[sent - 1].request.type));
}

/** The host has it. */
export function settle(seq) {
	if (!remove(seq)) return;
	trial = false;
	change();
}

/** Says all of it again after a while. Returns whether that is news. */
export function retry() {
	const news = !trial;
	sent = 0;
	trial = true;
	retryAt = Date.now() + retryPause;
	setTimeout(() => onchange(), retryPause + 1);
	return news;
}

/** The host does not want it. */
export function reject(seq, reason) {
	const w = remove(seq);
	if (w) refused.push({ ...w, reason });
	change();
}

/** Puts away the longest that went out: the host dropped a line unread, and cannot say which. */
export function rejectLongest(reason) {
	const size = (w) => JSON.stringify(w.request).length;
	const [longest] = queue.slice(0, sent).sort((a, b) => size(b) - size(a));
	if (longest) reject(longest.seq, reason);
}

export function dismiss(seq) {
	const [w] = refused.splice(refused.findIndex((r) => r.seq === seq), 1);
	change();
	return w.request;
}

/** Begins anew on a connection whose host has everything up to seq. */
export function restart(seq) {
	next = Math.max(next, seq + 1);
	queue = queue.filter((w) => w.seq > seq);
	trial = false;
	retryAt = 0;
	resend();
}

/** Sends all of it again: the host drops what it has, and says so. */
export function resend() {
	sent = 0;
	change();
}

function remove(seq) {
	const i = queue.findIndex((w) => w.seq === seq);
	if (i < 0) return null;
	if (i < sent) sent--;
	return queue.splice(i, 1)[0];
}
