// @ts-check
// What becomes of a text that is typed or pasted: emoji for their names, and fences around code.

import { linksIn } from './words.js';
import { partsOf } from './marks.js';
import { emoji } from './emoji.js';

const name = /:([a-z0-9_+-]+):/gi;

/**
 * Replaces the names of emoji, such as ":tada:", but not in code, in web addresses or within words.
 * @param {string} text
 */
export function withEmoji(text) {
	if (!text.includes(':')) return text;
	const links = linksIn(text);
	const codes = partsOf(text, links).filter(({ kind }) => kind === 'code' || kind === 'block').map(({ from, to }) => [from, to]);
	const kept = [...links, ...codes].sort(([a], [b]) => a - b);
	let next = 0; // kept[next] is the first that does not end before the match
	let out = '';
	let from = 0;
	name.lastIndex = 0;
	for (let match; (match = name.exec(text));) {
		const { 0: whole, 1: word, index } = match;
		const end = index + whole.length;
		while (next < kept.length && kept[next][1] <= index) next++;
		const isKept = next < kept.length && kept[next][0] < end;
		const char = isKept || isWord(text[index - 1]) || isWord(text[end]) ? undefined : emoji.get(word);
		if (!char) {
			name.lastIndex = end - 1; // the colon may begin another
			continue;
		}
		out += text.slice(from, index) + char;
		from = end;
	}
	return out + text.slice(from);
}

/** @param {string | undefined} char */
const isWord = (char) => char !== undefined && /[\p{L}\p{N}:]/u.test(char);

/**
 * Reports whether a pasted text looks like code: three rows or more, of which half are indented or end as code does.
 * @param {string} text
 */
export function looksLikeCode(text) {
	const rows = text.split('\n').filter((row) => row.trim());
	return rows.length >= 3 && 2 * rows.filter((row) => /^[ \t]|[{};),][ \t]*$/.test(row)).length >= rows.length;
}

/**
 * Puts a text between fences that are longer than any in it.
 * @param {string} code
 */
export function fenced(code) {
	const longest = Math.max(2, ...(code.match(/^`{3,}/gm) ?? []).map((ticks) => ticks.length));
	const ticks = '`'.repeat(longest + 1);
	return `${ticks}\n${code.replace(/\n+$/, '')}\n${ticks}`;
}
