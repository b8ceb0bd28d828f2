// @ts-check
// The text of a message: links, marks and blocks of code.

import { make } from './dom.js';
import { linksIn } from './words.js';
import { partsOf } from './marks.js';
import { blockOf } from './code.js';

const maxShown = 64 << 10; // characters of one text: four times the limit of a message
const maxLinks = 500; // in one text
const maxElements = 2000; // of marks and code in one message; what comes after them has neither
const tags = /** @type {const} */ ({ code: 'code', bold: 'strong', italic: 'em' });

/**
 * Appends text, with its web addresses as links.
 * @param {HTMLElement} el
 * @param {string} text
 */
export function appendText(el, text) {
	const shown = cut(text);
	if (hasColumns(shown)) el.classList.add('code');
	appendLinks(el, shown, 0, shown.length, findLinks(shown).slice(0, maxLinks));
}

/**
 * Appends the text of a message: also with its marks and blocks of code.
 * @param {HTMLElement} el
 * @param {string} text
 */
export function appendMessage(el, text) {
	const shown = cut(text);
	const links = findLinks(shown);
	const parts = partsOf(shown, links);
	links.splice(maxLinks);
	let left = maxElements;
	if (!parts.some(({ kind }) => kind === 'block') && hasColumns(shown)) el.classList.add('code');
	let before = 'block';
	let rest = ''; // what comes after the last element, as one text
	for (const { kind, from, to, language = '' } of parts) {
		if (left <= 0) rest += (kind === 'block' || before === 'block' ? '\n' : '') + shown.slice(from, to);
		else if (kind === 'block') {
			const block = blockOf(shown.slice(from, to), language, left);
			el.append(before === 'block' ? '' : '\n', block); // the newline is only copied
			left -= block.querySelectorAll('*').length + 1;
		} else {
			appendLinks(kind === 'text' ? el : el.appendChild(make(tags[kind], '')), shown, from, to, links);
			left--;
		}
		before = kind;
	}
	el.append(rest);
}

/** @param {string} text */
const cut = (text) => (text.length > maxShown ? `${text.slice(0, maxShown)}… (${text.length - maxShown} more)` : text);

/** @param {string} text */
function findLinks(text) {
	try {
		return linksIn(text);
	} catch { // text without links is better than none
		return [];
	}
}

/**
 * Appends text[from:to] with the links that are in it. Removes those from links.
 * @type {(el: HTMLElement, text: string, from: number, to: number, links: [number, number][]) => void}
 */
function appendLinks(el, text, from, to, links) {
	while (links.length && links[0][0] < to) {
		const [[start, end]] = links.splice(0, 1);
		if (start < from) continue; // in a block of code
		const url = text.slice(start, end);
		const a = make('a', '', url);
		a.href = url;
		a.target = '_blank';
		a.rel = 'noopener noreferrer';
		el.append(text.slice(from, start), a);
		from = end;
	}
	el.append(text.slice(from, to));
}

/**
 * Reports whether text has columns that line up in a font whose characters have one width: code, a table.
 * @param {string} text
 */
const hasColumns = (text) => text.includes('\n') && /^[ \t]+\S|\S(\t| {2,})\S/m.test(text);
