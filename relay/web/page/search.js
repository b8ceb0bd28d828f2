// @ts-check
// The search panel: messages that contain all of the given words.

import { $, make } from './dom.js';
import { nickOf, clockOf, timeOf, counted } from './rows.js';
import { readBack } from './membership.js';

const hitsAtOnce = 50;
const maxShown = 500; // characters of one hit

let words = '';
let before = 0; // the ID of the oldest hit; 0: none yet

/** @param {string} wanted */
export function search(wanted) {
	words = $('words').value = wanted.trim();
	before = 0;
	$('found').replaceChildren();
	$('more').hidden = true;
	$('hits').textContent = '';
	if (words) find();
}

async function find() {
	const wanted = words;
	$('hits').textContent = 'Searching…';
	const answer = await readBack({ type: 'search', text: words, before, count: hitsAtOnce });
	if (words !== wanted) return; // another search has started
	const hits = answer?.events.reverse() ?? [];
	$('found').append(...hits.map(hit));
	before = hits.at(-1)?.id ?? 1;
	const none = answer ? answer.code && answer.text || `No messages match ${words}` : 'Not connected. Try again in a moment.';
	const { length } = $('found').children;
	$('hits').textContent = length ? counted(length, 'message') : none;
	const older = hits.length ? await readBack({ type: 'search', text: words, before, count: 1 }) : null;
	if (words === wanted) $('more').hidden = !older?.events.length;
}

/** @param {ChatEvent} e */
function hit(e) {
	const at = timeOf(e);
	const text = make('span', 'text', e.text.slice(0, maxShown));
	text.dir = 'auto';
	const button = make('button', '', nickOf(e.from), make('time', '', `${new Date(at).toLocaleDateString()} ${clockOf(at)}`), text);
	button.dataset.id = String(e.id);
	return make('li', '', button);
}

$('more').onclick = find;
