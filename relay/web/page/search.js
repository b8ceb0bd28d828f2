// @ts-check
// The search: messages that contain all of the given words, the newest first. One of them is the current
// one, which the transcript shows.

import { $, make } from './dom.js';
import { nickOf } from './rows.js';
import { clockOf, timeOf, now } from './clock.js';
import { readBack } from './membership.js';
import * as transcript from './transcript.js';
import { placesOf } from './words.js';
import { partsOf } from './marks.js';

const hitsAtOnce = 50;
const maxShown = 300; // characters of one hit
const contextShown = 40; // characters before the first word
const typingPause = 250; // ms after the last key
const maxLit = 2000; // words that are lit in the hits

let words = '';
/** @type {ChatEvent[]} */
let hits = [];
let complete = true; // hits has all there are
let current = -1;
let asking = false;
let typing = 0; // a timer
let returnToEnd = false; // the end was visible when the search was opened

/** @param {string} text */
function show(text) {
	$('hits').textContent = text;
	$('older').disabled = $('newer').disabled = !hits.length;
	$('more').hidden = complete;
}

/** Opens the panel. */
export function open() {
	if ($('search').hidden) returnToEnd = transcript.following;
	$('search').hidden = false;
	$('show-search').ariaExpanded = 'true';
	$('words').select();
	if (hits.length) go(current);
}

/** @param {boolean} back whether to return to the end, if it was visible before */
export function close(back) {
	if ($('search').hidden) return;
	$('search').hidden = true;
	$('show-search').ariaExpanded = 'false';
	transcript.markFound(0);
	light();
	if (back && returnToEnd && current >= 0) transcript.toEnd();
}

/**
 * Searches for words, and shows the newest message that contains them all.
 * @param {string} wanted
 */
export async function search(wanted) {
	clearTimeout(typing);
	if (wanted.trim() !== $('words').value.trim()) $('words').value = wanted;
	words = wanted.trim();
	hits = [];
	complete = true;
	current = -1;
	$('found').replaceChildren();
	transcript.markFound(0);
	show(words && 'Searching…');
	light();
	if (words && await find()) go(0);
}

/** Finds more messages. Resolves to whether there are any for the words that are wanted now. */
async function find() {
	if (asking) return false; // the running one continues with the new words
	asking = true;
	/** @type {ChatEvent | null} */
	let answer = null;
	for (let wanted = ''; words !== wanted;) {
		wanted = words;
		answer = await readBack({ type: 'search', text: wanted, before: hits.at(-1)?.id ?? 0, count: hitsAtOnce + 1 });
	}
	asking = false;
	if (!words) return false;
	const more = answer?.events.reverse() ?? [];
	complete = more.length <= hitsAtOnce;
	const shown = more.slice(0, hitsAtOnce);
	hits.push(...shown);
	$('found').append(...shown.map(itemOf));
	if (!hits.length) show(answer ? answer.code && answer.text || `No messages match “${words}”.` : 'Not connected. Try again in a moment.');
	return shown.length > 0;
}

const { format: dateOf } = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
/** @param {number} at */
const isToday = (at) => new Date(at).toDateString() === new Date(now()).toDateString();

/**
 * Returns the text of a message as it is shown, without its marks and fences.
 * @param {string} text
 */
const withoutMarks = (text) => partsOf(text, []).map(({ kind, from, to }) => (kind === 'block' ? `\n${text.slice(from, to)}\n` : text.slice(from, to))).join('').trim();

/** @param {ChatEvent} e */
function itemOf(e) {
	const at = timeOf(e);
	const whole = e.file?.name ?? withoutMarks(e.text);
	const from = Math.max((placesOf(whole, words)[0]?.[0] ?? 0) - contextShown, 0);
	const text = make('span', 'text', (from ? '…' : '') + whole.slice(from, from + maxShown));
	text.dir = 'auto';
	const button = make('button', '', nickOf(e.from), make('time', '', `${isToday(at) ? '' : `${dateOf(at)}, `}${clockOf(at)}`), text);
	button.type = 'button';
	button.onclick = () => go(hits.indexOf(e));
	return make('li', '', button);
}

/**
 * Makes a hit the current one, and shows it.
 * @param {number} to
 */
async function go(to) {
	const wanted = words;
	if (to >= hits.length && !complete) await find();
	if (!hits.length || words !== wanted) return;
	current = Math.min(Math.max(to, 0), hits.length - 1);
	show(`${current + 1} of ${hits.length}${complete ? '' : '+'}`);
	const buttons = $('found').querySelectorAll('button');
	buttons.forEach((button, i) => (button.ariaCurrent = i === current ? 'true' : null));
	buttons[current].scrollIntoView({ block: 'nearest' });
	const { id } = hits[current];
	await transcript.goTo(id);
	if (hits[current]?.id !== id || $('search').hidden) return; // another one meanwhile
	transcript.markFound(id);
	light();
}

// Lights the words in the hits. Ranges do it, so that nothing in the transcript changes. Browsers without them only mark the row.
function light() {
	if (!CSS.highlights) return;
	/** @type {Range[]} */
	const ranges = [];
	const isShown = !$('search').hidden && words !== '';
	const rows = isShown ? hits.flatMap(({ id }) => [...document.querySelectorAll(`#rows [data-id="${id}"] .text`)]) : [];
	for (const el of isShown ? [...rows, ...$('found').querySelectorAll('.text')] : []) {
		const walk = document.createTreeWalker(el, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) {
			const node = /** @type {Text} */ (walk.currentNode);
			if (ranges.length >= maxLit) break;
			for (const [from, to] of placesOf(node.data, words).slice(0, maxLit)) {
				const range = new Range();
				range.setStart(node, from);
				range.setEnd(node, to);
				ranges.push(range);
			}
		}
	}
	CSS.highlights.set('hit', new Highlight(...ranges));
}

$('words').oninput = () => {
	clearTimeout(typing);
	$('search').classList.remove('chosen');
	typing = setTimeout(() => search($('words').value), typingPause);
};

/** @param {number} by */
function step(by) {
	$('search').classList.add('chosen');
	go(current + by);
}

$('search').onsubmit = (e) => {
	e.preventDefault();
	if ($('words').value.trim() !== words) search($('words').value);
	else step(1);
};
$('search').onkeydown = ({ key, target }) => {
	if (target === $('words') && (key === 'ArrowDown' || key === 'ArrowUp')) step(key === 'ArrowDown' ? 1 : -1);
};
$('older').onclick = () => step(1);
$('newer').onclick = () => step(-1);
$('found').addEventListener('click', () => $('search').classList.add('chosen'));
$('more').onclick = async () => {
	await find();
	go(current);
};
