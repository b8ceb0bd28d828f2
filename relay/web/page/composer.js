// @ts-check
// The text field.

import { $ } from './dom.js';
import { clean } from './membership.js';
import { recent } from './members.js';
import * as commands from './commands.js';
import { parse as parseTyped } from './typed.js';
import { wordsAtEnd } from './words.js';
import { emoji } from './emoji.js';
import { fenced, isInputMethod } from './typing.js';

// Limits that every host with default settings accepts: wire.MessageBytes, wire.MessageLines.
const maxBytes = 16256;
const maxLines = 100;
const maxRecalled = 100;

const field = $('text');
/** Earlier inputs, the last one last. @type {string[]} */
const inputs = [];
let back = 0; // how many inputs the member has gone back
/** What Tab goes through. @type {{from: number, end: string, candidates: string[]} | null} */
let completion = null;
let enter = () => {};
let draft = () => {};

/** @param {() => void} entered */
export const onEnter = (entered) => (enter = entered);

/** @param {() => void} changed what to call when the text has changed */
export const onDraft = (changed) => (draft = changed);

export const typed = () => clean(field.value).trimEnd();

/** @param {string} text */
export function write(text) {
	field.value = text;
	changed();
	field.focus();
}

/** Empties the field, and remembers its text for the arrow keys. */
export function sent() {
	const { value } = field;
	if (value !== inputs.at(-1)) inputs.push(value);
	inputs.splice(0, inputs.length - maxRecalled);
	write('');
}

/**
 * Returns what text is: a message or a command.
 * @param {string} text
 */
export const parse = (text) => parseTyped(text, commands.has);

/**
 * Returns a request as the member typed it.
 * @param {ChatRequest} r
 */
export function typedOf({ type, to, text = '' }) {
	if (type === 'me') return `/me ${text}`;
	if (type === 'msg') return `/msg ${to} ${text}`;
	return parse(text).message === text ? text : `/${text}`;
}

/** Puts the cursor before a text that looks like a command, where a slash more makes it a message; or selects a mistyped name. */
export function offer() {
	field.setSelectionRange(0, /^\/\w*$/.test(field.value) ? field.value.length : 0);
	field.focus();
}

/**
 * Says why text is too long; '' if it is not.
 * @param {string} text
 */
export function tooLong(text) {
	const bytes = new TextEncoder().encode(text).length;
	const lines = text.split('\n').length;
	if (bytes > maxBytes) return `${bytes} bytes, the limit is ${maxBytes}`;
	return lines > maxLines ? `${lines} lines, the limit is ${maxLines}` : '';
}

function changed() {
	const { value, style } = field;
	completion = null;
	if (value !== inputs.at(-back)) back = 0;
	style.height = 'auto';
	style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`; // with its border
	const near = tooLong(value + ' '.repeat(500)) || tooLong(value + '\n'.repeat(9));
	$('flash').textContent = tooLong(value) || near && 'This message is near the length limit';
	showHint();
	draft();
}

function showHint() {
	const { value } = field;
	const { unknown } = parse(value);
	const isWhole = /^\/\S*[\s/]/.test(value); // not the beginning of a name
	$('hint').textContent = commands.hint(value) || (unknown && isWhole ? `unknown command ${unknown}; put // in front to send it` : '');
}

/**
 * Goes to an earlier or later input.
 * @param {number} step
 */
function recall(step) {
	const to = back + step;
	if (field.value && !back || to < 0 || to > inputs.length) return false;
	write(to ? inputs[inputs.length - to] : '');
	back = to;
	return true;
}

// Finds how to complete the command or the nick that ends the text before the cursor.
/** @param {string} text */
function completionOf(text) {
	const names = commands.completions(text);
	if (names.length) return { from: 0, end: ' ', candidates: names };
	const [, before = '', start = ''] = text.match(/^([^]*(?:^|[\s(])):([a-z0-9_+-]{2,})$/i) ?? [];
	const chars = start ? [...emoji].filter(([name]) => name.startsWith(start)).map(([, char]) => char) : [];
	if (chars.length) return { from: before.length, end: '', candidates: [...new Set(chars)] };
	const known = recent();
	const last = text.match(/[^\s<>[\]()*!:,@#"/]*$/)?.[0] ?? '';
	for (const word of wordsAtEnd(last)) {
		const nicks = known.filter((nick) => nick.toLowerCase().startsWith(word.toLowerCase()));
		const from = text.length - word.length;
		if (nicks.length) return { from, end: from ? ' ' : ': ', candidates: nicks };
	}
	return null;
}

// Completes the command or nick before the cursor, or switches to the next candidate. If there is
// none, Tab goes to the next control; Shift-Tab always goes to the previous one.
function complete() {
	const at = field.selectionStart;
	completion ??= completionOf(field.value.slice(0, at));
	if (!completion) return false;
	const { from, end, candidates: [first, ...more] } = completion;
	field.setRangeText(first + end, from, at, 'end');
	changed();
	completion = { from, end, candidates: [...more, first] };
	return true;
}

/**
 * Replaces the selection, so that the browser's undo takes it back.
 * @param {string} text
 */
function insert(text) {
	if (!document.execCommand('insertText', false, text)) field.setRangeText(text, field.selectionStart, field.selectionEnd, 'end');
}

/**
 * Pastes code, and then puts it between fences: undo takes back the fences, and then the code. If it does not fit with them,
 * it has none.
 * @param {ClipboardEvent} e
 */
field.onpaste = (e) => {
	const pasted = clean((e.clipboardData?.getData('text/plain') ?? '').replace(/\r\n?/g, '\n'));
	const { value, selectionStart: start, selectionEnd: end } = field;
	const before = value.slice(0, start);
	const code = fenced(pasted, before);
	if (!code || tooLong(before + code + value.slice(end))) return;
	e.preventDefault();
	insert(pasted);
	field.setSelectionRange(start, start + pasted.length);
	insert(code);
	changed();
	$('hint').textContent = 'Pasted as code. Ctrl-Z removes the fences.';
};

field.oninput = changed;
/** @param {KeyboardEvent} e */
field.onkeydown = (e) => {
	if (isInputMethod(e) || e.shiftKey || e.ctrlKey || e.altKey || e.metaKey) return;
	if (e.key === 'Enter') enter();
	else if (e.key === 'Escape' && completion) completion = null;
	else if (!(e.key === 'Tab' && complete() || e.key === 'ArrowUp' && recall(1) || e.key === 'ArrowDown' && recall(-1))) return;
	e.preventDefault();
	e.stopPropagation();
};
