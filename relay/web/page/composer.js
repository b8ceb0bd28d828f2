// Where one writes.

import { $ } from './rows.js';
import { clean } from './membership.js';
import { recent } from './members.js';

// So that every host with the usual limits takes it: wire.MessageBytes, wire.MessageLines.
const maxBytes = 16256;
const maxLines = 100;
const maxRecalled = 100;

const field = $('text');
const said = []; // what was written before, the last one last
let back = 0; // how far one has gone back in it
let fits = null; // what Tab goes through
let enter = () => {};

export const onEnter = (entered) => (enter = entered);

export const typed = () => clean(field.value).trimEnd();

export function write(text) {
	field.value = text;
	changed();
	field.focus();
}

export function sent() {
	const { value } = field;
	if (value !== said.at(-1)) said.push(value);
	said.splice(0, said.length - maxRecalled);
	write('');
}

/** Tells a command's name and the rest, or what is to be said: a slash that is doubled is one. */
export function parse(text) {
	const [, name = '', rest] = text.match(/^\/([^/\s]\S*)\s*([^]*)$/) ?? [null, '', text.replace(/^\/\//, '/')];
	return { name: name.toLowerCase(), rest };
}

/** Tells how a request was typed. */
export const typedOf = ({ type, to, text }) => ({ me: `/me ${text}`, msg: `/msg ${to} ${text}` })[type] ?? text?.replace(/^\//, '//') ?? '';

/** Tells what is wrong with the length of a text; '' where nothing is. */
export function fault(text) {
	const bytes = new TextEncoder().encode(text).length;
	const lines = text.split('\n').length;
	if (bytes > maxBytes) return `${bytes} bytes, ${maxBytes} at most`;
	return lines > maxLines ? `${lines} lines, ${maxLines} at most` : '';
}

function changed() {
	const { value, style } = field;
	fits = null;
	if (value !== said.at(-back)) back = 0;
	style.height = 'auto';
	style.height = `${field.scrollHeight + 2}px`; // with its border
	const near = fault(value + ' '.repeat(500)) || fault(value + '\n'.repeat(9));
	$('flash').textContent = fault(value) || near && 'A message can hardly be longer';
}

// Goes back to what was written before, or forth.
function recall(step) {
	const to = back + step;
	if (field.value && !back || to < 0 || to > said.length) return false;
	write(to ? said.at(-to) : '');
	back = to;
	return true;
}

// Completes the nick before the cursor, or takes the next that fits. Where none does, Tab
// goes on to the next control; Shift-Tab does so always.
function complete() {
	const at = field.selectionStart;
	if (!fits) {
		const word = field.value.slice(0, at).match(/[^\s<>[\]()*!:,@#"/]*$/)[0];
		const from = at - word.length;
		const found = recent().filter((nick) => word && nick.toLowerCase().startsWith(word.toLowerCase()));
		if (!found.length) return false;
		fits = { from, end: from ? ' ' : ': ', found };
	}
	const { from, end, found: [nick, ...more] } = fits;
	field.setRangeText(nick + end, from, at, 'end');
	changed();
	fits = { from, end, found: [...more, nick] };
	return true;
}

field.oninput = changed;
field.onkeydown = (e) => {
	if (e.isComposing || e.shiftKey || e.ctrlKey || e.altKey || e.metaKey) return;
	if (e.key === 'Enter') enter();
	else if (e.key === 'Escape' && fits) fits = null;
	else if (!(e.key === 'Tab' && complete() || e.key === 'ArrowUp' && recall(1) || e.key === 'ArrowDown' && recall(-1))) return;
	e.preventDefault();
	e.stopPropagation();
};
