// @ts-check
// Marks in a message: `code`, **bold**, _italic_ and fences around code, by the rules of relay/screen. A test holds
// both to the same table.

const fence = /^(`{3,})([\w+#.-]{0,20})[ \t]*$/;
const kinds = /** @type {const} */ ([['`', 'code'], ['**', 'bold'], ['_', 'italic']]);
const before = /^[\s(]?$/; // an opening mark
const after = /^[\s\p{P}]?$/u; // a closing mark
const joins = /^[\s\p{M}\u200d]?$/u; // never after an opening mark: spaces, and characters that change the mark itself

/**
 * Reports whether a row is the fence of a block of code.
 * @param {string} row
 */
export const isFence = (row) => fence.test(row);

/**
 * A part of a text, without its marks.
 * @typedef {{kind: 'text' | 'code' | 'bold' | 'italic' | 'block', from: number, to: number, language?: string}} Part
 */

/**
 * A mark: its text is from one index to another, with a sign on both sides.
 * @typedef {{sign: string, kind: 'code' | 'bold' | 'italic', from: number, to: number}} Mark
 */

/** @typedef {{text: string, start: number, end: number, inLink: Uint8Array}} RowOfText */

/**
 * Splits text into parts, in order. The newlines before and after a block belong to no part.
 * @param {string} text
 * @param {[number, number][]} links where text has web addresses, in which there are no marks
 */
export function partsOf(text, links) {
	/** @type {Part[]} */
	const parts = [];
	const inLink = new Uint8Array(text.length);
	for (const [start, end] of links) inLink.fill(1, start, end);
	let from = 0;
	for (const block of text.includes('```') ? blocksIn(text) : []) {
		addMarks(parts, text, from, block.start - 1, inLink);
		parts.push({ kind: 'block', from: block.from, to: block.to, language: block.language });
		from = block.end + 1;
	}
	addMarks(parts, text, from, text.length, inLink);
	return parts;
}

/** @param {string} text */
function blocksIn(text) {
	const blocks = [];
	const rows = text.split('\n');
	let at = 0; // index in text of row i
	for (let i = 0; i < rows.length; i++) {
		const start = at;
		at += rows[i].length + 1;
		const [, ticks = '', language = ''] = rows[i].match(fence) ?? [];
		if (!ticks) continue;
		const from = at;
		let closed = false;
		for (i++; i < rows.length && !closed; i++) {
			const [, closing = '', word = ''] = rows[i].match(fence) ?? [];
			closed = closing.length >= ticks.length && !word;
			at += rows[i].length + 1;
		}
		i--;
		const end = at - 1;
		const to = closed ? end - rows[i].length - 1 : end;
		if (to >= from && from < text.length) blocks.push({ start, from, to, end, language });
	}
	return blocks;
}

/**
 * Adds the parts of text[from:to], which has no blocks, row by row.
 * @type {(parts: Part[], text: string, from: number, to: number, inLink: Uint8Array) => void}
 */
function addMarks(parts, text, from, to, inLink) {
	let plain = from; // text[plain:] is in no part yet
	/** @param {Mark} mark */
	const add = ({ sign, kind, from: start, to: end }) => {
		if (start - sign.length > plain) parts.push({ kind: 'text', from: plain, to: start - sign.length });
		parts.push({ kind, from: start, to: end });
		plain = end + sign.length;
	};
	for (let start = from; start < to;) {
		const newline = text.indexOf('\n', start);
		const row = { text, start, end: newline < 0 || newline > to ? to : newline, inLink };
		let at = start;
		for (const code of marksIn(row, start, row.end, kinds.slice(0, 1))) {
			marksIn(row, at, code.from - 1, kinds.slice(1)).forEach(add);
			add(code);
			at = code.to + 1;
		}
		marksIn(row, at, row.end, kinds.slice(1)).forEach(add);
		start = row.end + 1;
	}
	if (to > plain) parts.push({ kind: 'text', from: plain, to });
}

/**
 * Finds the marks of some kinds in a part of a row, from left to right; none is in another.
 * @type {(row: RowOfText, from: number, to: number, wanted: typeof kinds[number][]) => Mark[]}
 */
function marksIn(row, from, to, wanted) {
	/** @type {Mark[]} */
	const found = [];
	for (let i = from; i < to; i++) {
		const opened = wanted.find(([sign]) => row.text.startsWith(sign, i));
		if (!opened || !opens(row, i, opened[0])) continue;
		const [sign, kind] = opened;
		const end = closing(row, i + sign.length, to, sign);
		if (end < 0) continue;
		found.push({ sign, kind, from: i + sign.length, to: end });
		i = end + sign.length - 1;
	}
	return found;
}

/** @type {(row: RowOfText, i: number) => string} */
const charAt = ({ text, end }, i) => (i < end ? String.fromCodePoint(text.codePointAt(i) ?? 0) : '');

/** @type {(row: RowOfText, i: number, sign: string) => boolean} */
function opens(row, i, sign) {
	const next = charAt(row, i + sign.length);
	return !row.inLink[i] && (i === row.start || before.test(row.text[i - 1])) && !joins.test(next) && next !== sign[0];
}

/**
 * Returns where a mark ends that begins before from; -1 if it does not, or if another one of its kind opens
 * before. As no search goes beyond the next mark of its kind, the time is linear.
 * @type {(row: RowOfText, from: number, to: number, sign: string) => number}
 */
function closing(row, from, to, sign) {
	const { text, inLink } = row;
	for (let i = text.indexOf(sign, from + 1); i >= 0 && i + sign.length <= to; i = text.indexOf(sign, i + 1)) {
		if (opens(row, i, sign)) return -1;
		const next = charAt(row, i + sign.length);
		if (!inLink[i] && !/[\s(]/.test(text[i - 1]) && text[i - 1] !== sign[0] && after.test(next) && next !== sign[0]) return i;
	}
	return -1;
}
