// @ts-check
// What is pasted, dropped and copied.

import { $ } from './dom.js';

/** @param {DataTransfer} data */
const entriesIn = (data) => [...data.items].filter(({ kind }) => kind === 'file').map((item) => ({ file: item.getAsFile(), entry: item.webkitGetAsEntry?.() }));

/**
 * Returns the names of the folders in data. A browser gives them as files that cannot be read.
 * @param {DataTransfer} data
 */
export const foldersIn = (data) => entriesIn(data).flatMap(({ entry }) => (entry?.isDirectory ? [entry.name] : []));

/**
 * Returns the files in data.
 * @param {DataTransfer} data
 */
export const filesIn = (data) => entriesIn(data).flatMap(({ file, entry }) => (file && !entry?.isDirectory ? [file] : []));

/**
 * Reports whether the text in data is only the names of the files in it, as file managers copy them. The text of a table or
 * a document, which comes with a picture of it, is not.
 * @param {DataTransfer} data
 */
export function areOnlyNames(data) {
	if (data.types.some((type) => type === 'text/html' || type === 'text/rtf')) return false;
	const names = new Set([...data.files].map(({ name }) => name.normalize()));
	const lines = data.getData('text/plain').split(/[\r\n]+/).filter(Boolean);
	return lines.every((line) => names.has(nameIn(line)));
}

/** @param {string} path a path, an address, or only a name */
function nameIn(path) {
	const name = path.trim().split(/[/\\]/).pop() ?? '';
	try {
		return (path.startsWith('file:') ? decodeURIComponent(name) : name).normalize();
	} catch {
		return name;
	}
}

/**
 * Returns the text of the selected rows of the transcript as lines: "10:02 <alice> soup is ready". '': the selection is
 * within one row.
 * @param {Selection | null} selection
 */
function linesIn(selection) {
	if (!selection?.rangeCount) return '';
	const selected = selection.getRangeAt(0);
	const rows = [...document.querySelectorAll('#log .row')].filter((row) => selected.intersectsNode(row));
	return rows.length < 2 ? '' : rows.map((row) => lineOf(row, selected)).filter(Boolean).join('\n');
}

/** @type {(row: Element, selected: Range) => string} */
function lineOf(row, selected) {
	/** @param {string} selector */
	const read = (selector) => {
		const el = row.querySelector(selector);
		return el && selected.intersectsNode(el) ? selectedText(el, selected) : '';
	};
	const [time, who, text] = [read('time'), read('.who'), read('.text')];
	const line = [time, who && `<${who}>`, text].filter(Boolean).join(' ');
	return [...daysAbove(row).filter((day) => selected.intersectsNode(day)).map((day) => day.textContent), line].filter(Boolean).join('\n');
}

/**
 * Returns the line with the day above a row, if there is one.
 * @param {Element} row
 */
function daysAbove(row) {
	const line = row.previousElementSibling;
	const day = line?.matches('.unread') ? line.previousElementSibling : line;
	return day?.matches('.day') ? [day] : [];
}

/** @type {(el: Element, selected: Range) => string} */
function selectedText(el, selected) {
	const range = document.createRange();
	range.selectNodeContents(el);
	if (selected.compareBoundaryPoints(Range.START_TO_START, range) > 0) range.setStart(selected.startContainer, selected.startOffset);
	if (selected.compareBoundaryPoints(Range.END_TO_END, range) < 0) range.setEnd(selected.endContainer, selected.endOffset);
	return range.toString().trim();
}

$('log').addEventListener('copy', (e) => {
	const lines = linesIn(getSelection());
	if (!lines) return;
	e.preventDefault();
	e.clipboardData?.setData('text/plain', lines);
});
