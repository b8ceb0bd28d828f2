// @ts-check
// The text that is being written, one for each room and tab, kept in localStorage: a reload, a crash or a closed
// browser does not lose it. Each tab writes only its own. A draft whose tab was closed goes to the
// next tab that opens the room with an empty text field.

import { token, read, write, namesIn, isOpen } from './identity.js';

const maxDrafts = 20; // of all rooms; the oldest go
const maxText = 64 << 10; // characters: four times the limit of a message

/** @typedef {{text: string, to: string, at: number}} Draft */

/** ID of the room whose draft this is; '': not known yet. */
export let room = '';

/** @type {(of: string, by: string) => string} */
const nameOf = (of, by) => `draft.${of}.${by}`;

/**
 * @param {string} name
 * @returns {Draft | null}
 */
function draftAt(name) {
	try {
		const { text, to, at } = JSON.parse(read('localStorage', name) ?? '');
		return typeof text === 'string' && typeof to === 'string' ? { text, to, at: Number(at) || 0 } : null;
	} catch {
		return null;
	}
}

/**
 * Enters a room. Returns its draft, if there is one: this tab's own, or the newest of a closed tab.
 * @param {string} id
 */
export function enter(id) {
	room = id;
	const own = nameOf(room, token);
	const found = draftAt(own);
	if (found) return found;
	const left = namesIn('localStorage', nameOf(room, '')).filter((name) => !isOpen(name.slice(nameOf(room, '').length)));
	const [newest] = newestFirst(left);
	const draft = newest ? draftAt(newest) : null;
	if (draft) {
		write('localStorage', newest, null);
		keep(draft.text, draft.to);
	}
	return draft;
}

/**
 * Continues in another room, which follows this one: the draft is for that one now.
 * @param {string} id
 */
export function move(id) {
	if (room) write('localStorage', nameOf(room, token), null);
	room = id;
}

/** @param {string[]} names */
const newestFirst = (names) => names.map((name) => ({ name, at: draftAt(name)?.at ?? 0 })).sort((a, b) => b.at - a.at).map(({ name }) => name);

/**
 * Keeps the text in the text field, and its recipient; an empty one is forgotten.
 * @type {(text: string, to: string) => void}
 */
export function keep(text, to) {
	if (!room) return;
	const own = nameOf(room, token);
	const draft = JSON.stringify({ text: text.slice(0, maxText), to, at: Date.now() });
	const isNew = read('localStorage', own) === null;
	write('localStorage', own, text || to ? draft : null);
	if (isNew) for (const name of newestFirst(namesIn('localStorage', 'draft.')).slice(maxDrafts)) write('localStorage', name, null);
}
