// @ts-check
// A block of code in a message: its colors, its language, and a button that copies it.

import { make } from './dom.js';
import { tokensOf } from './highlight.js';

const copiedTime = 2000; // ms that the button says so

/**
 * Makes a block of code. Its text is only ever set as text.
 * @param {string} code
 * @param {string} language the word after the fence; ''
 * @param {number} most how many tokens have a color
 */
export function blockOf(code, language, most) {
	const text = make('code', '');
	for (const [kind, token] of tokensOf(code, language, most)) text.append(kind ? make('span', `t-${kind}`, token) : token);
	const pre = make('pre', '', text, '\n'); // the newline is only copied
	pre.tabIndex = 0; // the keyboard scrolls it
	pre.role = 'group';
	pre.ariaLabel = `Code${language && `, ${language}`}`;
	const copy = make('button', 'copy');
	copy.type = 'button';
	copy.title = copy.ariaLabel = 'Copy this code';
	copy.onclick = async () => {
		const done = await copyText(code, text);
		copy.classList.toggle('done', done);
		copy.title = copy.ariaLabel = done ? 'Copied' : 'Press Ctrl-C to copy';
		setTimeout(() => {
			copy.classList.remove('done');
			copy.title = copy.ariaLabel = 'Copy this code';
		}, copiedTime);
	};
	const block = make('div', 'fence', pre, copy);
	block.dataset.language = language; // shown by the style sheet, so that it is not copied with a row
	return block;
}

/**
 * Copies text, which el shows. Pages that came over plain HTTP have no navigator.clipboard; there the text is selected and
 * copied by the older command. If that fails too it stays selected.
 * @type {(text: string, el: HTMLElement) => Promise<boolean>}
 */
export async function copyText(text, el) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch { /* not here */ }
	const selection = getSelection();
	selection?.selectAllChildren(el);
	/** @param {ClipboardEvent} e */
	const give = (e) => {
		e.clipboardData?.setData('text/plain', text);
		e.preventDefault();
		e.stopPropagation();
	};
	addEventListener('copy', give, { capture: true, once: true });
	const done = document.execCommand('copy');
	removeEventListener('copy', give, { capture: true });
	if (done) selection?.removeAllRanges();
	return done;
}
