// @ts-check
// How one event looks in the transcript.

import { make, counted } from './dom.js';
import { clockOf, fullTimeOf, timeOf } from './clock.js';
import { colorOf, isOwn } from './colors.js';
import { mentions, mentionsIn } from './words.js';
import { appendText, appendMessage } from './content.js';
import { cardOf } from './viewer.js';

const namesShown = 12; // before "and N more"
const longText = 1200; // characters
const longLines = 12;
const maxMarked = 500; // mentions of us in one message

/**
 * Makes a nick in its color; our own has none.
 * @param {string} nick
 */
export const nickOf = (nick) => make('bdi', isOwn(nick) ? 'nick own' : `nick n${colorOf(nick)}`, nick);

/** Colors the nicks in the transcript again: one has another color than before. */
export function recolor() {
	for (const el of document.querySelectorAll('#log .nick:not(.own)')) {
		const name = `nick n${colorOf(el.textContent ?? '')}`;
		if (el.className !== name) el.className = name;
	}
}

/** @param {ChatEvent} e */
function names({ type, members, count, hosts, from }) {
	const shown = members.slice(0, members.length > namesShown + 1 ? namesShown : undefined);
	const more = Math.max(count, members.length) - shown.length;
	const list = shown.flatMap((nick, i) => [i ? ', ' : '', make('bdi', '', nick), type !== 'who' || !hosts.includes(nick) ? '' : nick === from ? ' (host)' : ' (operator)']);
	return more > 0 ? [...list, ` and ${more} more`] : list;
}

/**
 * Describes an event that is not a message, as parts of a line; undefined if there is nothing to show.
 * @param {ChatEvent} e
 */
function describe(e) {
	const [from, text, nick] = [e.from, e.text, e.nick].map((word) => make('bdi', '', word));
	const why = e.text ? [': ', text] : [];
	switch (e.type) {
		case 'join':
			return [...names(e), ' joined'];
		case 'leave':
			if (e.code) return [...names(e), ` was ${e.code} by `, from, ...why];
			return [...names(e), ' left', ...(e.text ? [' (', text, ')'] : [])];
		case 'nick':
			return [from, ' is now ', nick];
		case 'operator':
			return [from, ' ', text];
		case 'topic':
			if (e.from) return [from, e.text ? ' set the topic' : ' cleared the topic', ...why];
			return [e.text ? 'The topic' : 'No topic is set; /topic TEXT sets one', ...why];
		case 'who':
			return [`${e.count} here: `, ...names(e)];
		case 'gap':
			if (!e.missed) return ['Events may be missing: the host has another log than before'];
			return [`You missed ${counted(e.missed, 'event')} that the host no longer keeps`];
	}
	return undefined;
}

/** @type {Record<string, string | undefined>} */
const kinds = { message: 'message', action: 'action', private: 'private', join: 'presence', leave: 'presence', notice: 'notice', error: 'error' };

/**
 * Makes the row of an event; null if there is nothing to show.
 * @param {ChatEvent} e
 * @param {boolean} own
 * @param {string} us our nick
 * @returns {Row | null}
 */
export function rowOf(e, own, us) {
	try {
		return fullRow(e, own, us);
	} catch (fault) { // such as a feature that this browser does not have
		console.error(fault);
		return plainRow(e);
	}
}

/**
 * Marks a private message: "→ bob".
 * @param {string} nick
 */
export const recipientOf = (nick) => make('b', 'to', '→ ', make('bdi', '', nick));

/**
 * Returns the kind of an event's row. A file looks like a message: its sender and its name.
 * @param {ChatEvent} e
 */
const kindOf = (e) => (e.type === 'action' && e.file ? 'message' : Object.hasOwn(kinds, e.type) && kinds[e.type] || 'change');

/** @param {string} kind */
const isMessageKind = (kind) => ['message', 'action', 'private'].includes(kind);

/**
 * Makes a row with the text and nothing else.
 * @param {ChatEvent} e
 * @returns {Row}
 */
function plainRow(e) {
	const kind = kindOf(e);
	const at = timeOf(e);
	const el = make('div', `row ${kind}`, make('time', '', clockOf(at)), make('span', 'who', e.from), make('div', 'text', e.text));
	if (e.id) el.dataset.id = String(e.id);
	return { id: e.id, at, kind, from: e.from, isMessage: isMessageKind(kind), mentionsUs: false, summary: `${e.from}: ${e.text}`, el };
}

/** @type {typeof rowOf} */
function fullRow(e, own, us) {
	const kind = kindOf(e);
	const isMessage = isMessageKind(kind);
	const who = make('span', 'who');
	const text = make('div', 'text');
	text.dir = 'auto';
	if (kind === 'message' || kind === 'private') who.append(nickOf(e.from));
	if (kind === 'action') text.append(make('span', 'mark', '* '), nickOf(e.from), ' ');
	if (kind === 'private') text.append(recipientOf(own ? e.to : 'you'), ' ');
	if (isMessage && e.file) text.append(cardOf(e.file));
	else if (isMessage) appendMessage(text, e.text);
	else if (kind === 'notice' || kind === 'error') appendText(text, e.text);
	else {
		const parts = describe(e);
		if (!parts) return null;
		text.append(...parts);
	}
	if (kind === 'private' && !own) {
		const reply = make('button', '', 'Reply');
		reply.dataset.to = e.from;
		text.append(' ', reply);
	}
	const at = timeOf(e);
	const time = make('time', '', clockOf(at));
	time.title = fullTimeOf(at);
	const mentionsUs = isMessage && !own && us !== '' && (kind === 'private' || mentions(e.text, us));
	if (mentionsUs) markMentions(text, us);
	const el = make('div', `row ${kind}${mentionsUs ? ' mention' : ''}`, time, who, text);
	if (isMessage && (e.text.length > longText || e.text.split('\n', longLines).length === longLines)) el.classList.add('long');
	if (e.from.length > 12) who.title = e.from; // it may be cut
	if (e.id) el.dataset.id = String(e.id);
	const summary = `${e.from}${kind === 'private' ? ', in private' : ''}: ${e.file?.name ?? e.text.slice(0, 500)}`;
	return { id: e.id, at, kind, from: e.from, isMessage, mentionsUs, summary, el };
}

/**
 * Marks our nick in a text, outside of links and code.
 * @param {HTMLElement} text
 * @param {string} us
 */
function markMentions(text, us) {
	const walk = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
	/** @type {Text[]} */
	const nodes = [];
	while (walk.nextNode()) nodes.push(/** @type {Text} */ (walk.currentNode));
	let left = maxMarked;
	for (const node of nodes) {
		if (left <= 0 || node.parentElement?.closest('a, code, pre, button, .to')) continue;
		const found = mentionsIn(node.data, us).slice(0, left);
		if (!found.length) continue;
		left -= found.length;
		let at = 0; // node.data[at:] is in no part yet
		const parts = found.flatMap(([from, to]) => {
			const before = node.data.slice(at, from);
			at = to;
			return [before, make('b', 'me', node.data.slice(from, to))];
		});
		node.replaceWith(...parts, node.data.slice(at));
	}
}
