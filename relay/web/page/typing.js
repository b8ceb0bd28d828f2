// @ts-check
// What becomes of a text that is typed or pasted: emoji for their names, and fences around code. The rules are those
// of relay/screen.

import { linksIn, isWord } from './words.js';
import { partsOf, isFence } from './marks.js';
import { emoji } from './emoji.js';
import { guess } from './guess.js';

const minCodeRows = 3;
const name = /:([a-z0-9_+-]+)(?=:)/iy;

/**
 * Reports whether a key is for an input method, such as the Enter that confirms a Chinese word. In Safari
 * the composition has ended by then, and only the key code shows it.
 * @param {KeyboardEvent} e
 */
export const isInputMethod = (e) => e.isComposing || e.keyCode === 229;

/**
 * Replaces the names of emoji, such as ":tada:", but not in code, in web addresses or within words.
 * @param {string} text
 */
export function withEmoji(text) {
	if (!text.includes(':')) return text;
	const links = linksIn(text);
	const codes = partsOf(text, links).filter(({ kind }) => kind === 'code' || kind === 'block').map(({ from, to }) => [from, to]);
	const kept = [...links, ...codes].sort(([a], [b]) => a - b);
	let out = '';
	let from = 0; // text[from:] is not in out yet
	for (let at = text.indexOf(':'); at >= 0;) {
		while (kept.length && kept[0][1] <= at) kept.shift();
		let end = at + 1;
		if (kept.length && kept[0][0] <= at) [[, end]] = kept;
		else {
			const found = emojiAt(text, at);
			({ end } = found);
			if (found.chars) {
				out += text.slice(from, at) + found.chars;
				from = end;
			}
		}
		at = text.indexOf(':', end);
	}
	return out + text.slice(from);
}

/**
 * Returns the emoji whose names stand side by side at a colon, and where they end; '' if one has none, or if they
 * are part of a word, like the colons of 10:100:20 and std::x.
 * @type {(text: string, at: number) => {chars: string, end: number}}
 */
function emojiAt(text, at) {
	let chars = '';
	let end = at;
	while (text[end] === ':') {
		name.lastIndex = end;
		const [whole = '', word = ''] = name.exec(text) ?? [];
		const char = emoji.get(word);
		if (!char) return { chars: '', end: end + (whole.length || 1) };
		chars += char;
		end += whole.length + 1;
	}
	const before = [...text.slice(Math.max(0, at - 2), at)].pop() ?? '';
	const [after = ''] = text.slice(end, end + 2);
	return { chars: before === ':' || isWord(before) || isWord(after) ? '' : chars, end };
}

/**
 * Reports whether a pasted text looks like code without fences: half of its rows are indented or end as code does.
 * @param {string} text
 */
function isCode(text) {
	const rows = text.split('\n').filter((row) => row.trim());
	if (rows.some(isFence)) return false;
	return rows.length >= minCodeRows && 2 * rows.filter((row) => /^[ \t]|[{};),]\s*$/.test(row)).length >= rows.length;
}

/**
 * Returns a text that is pasted after another one between fences; '' if it gets none: it is no code, or in a block already.
 * @type {(text: string, before: string) => string}
 */
export function fenced(text, before) {
	const start = before.lastIndexOf('\n') + 1;
	const above = `${before.slice(0, start)}x`;
	const isInside = isFence(before.slice(start)) || partsOf(above, []).pop()?.kind === 'block';
	if (isInside || !isCode(text)) return '';
	return `${before.slice(start) && '\n'}\`\`\`${guess(text)}\n${text.replace(/\n+$/, '')}\n\`\`\`\n`;
}
