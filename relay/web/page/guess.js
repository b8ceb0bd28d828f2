// @ts-check
// The language of pasted code, by the rules of relay/screen/syntax. Only the sender guesses; a message looks the same for
// everyone.

/**
 * For each language: beginnings of rows, and parts of its code, that are rare in others.
 * @type {[language: string, starts: string[], parts: string[]][]}
 */
const cues = [
	['go', ['func ', 'package ', 'import (', 'type ', 'defer ', 'for _, '], [' := ', 'err != nil', 'fmt.']],
	['python', ['def ', 'elif ', 'from ', 'import ', 'except', 'class ', 'with ', '@'], ['self.', '):\n', '__', 'print(']],
	['rust', ['fn ', 'pub ', 'let mut ', 'impl ', 'use ', '#['], ['::', ' -> ', '&str', 'println!', '.unwrap()', ' => ']],
	['c', ['#include ', '#define ', 'static ', 'struct ', 'int ', 'void '], ['->', 'NULL', 'printf(', 'sizeof']],
	['javascript', ['const ', 'let ', 'function ', 'export ', 'import {', 'var '], [' => ', '===', 'console.', 'await ']],
	['java', ['public ', 'private ', 'import java', '@Override', 'protected '], ['new ', 'System.out', 'extends ']],
	['sh', ['export ', 'echo ', 'fi', 'done', 'esac', 'sudo ', '$ ', 'if ['], ['$(', '${', '; then', '; do', ' | grep']],
	['sql', ['SELECT ', 'INSERT INTO ', 'CREATE TABLE ', 'UPDATE ', 'FROM ', 'WHERE ', 'ORDER BY ', 'JOIN '], []],
	['html', ['<!DOCTYPE', '<!doctype', '<html', '<head', '<body', '<div', '<p', '<script'], ['</']],
];
const interpreters = ['python', 'node', 'sh', 'bash', 'zsh'];

/**
 * Returns the language of code, as a fence has it; '': it is not clear.
 * @param {string} code
 */
export function guess(code) {
	const text = code.trim();
	const [line] = text.split('\n', 1);
	if (line.startsWith('#!')) return line.split(/[/ !]/).map((word) => word.replace(/[\d.]+$/, '')).findLast((word) => interpreters.includes(word)) ?? '';
	if (line.startsWith('diff --git ') || line.startsWith('--- ') && text.includes('\n+++ ')) return 'diff';
	if (/^[[{]/.test(text) && isJSON(text)) return 'json';
	const rows = text.split('\n').map((row) => row.trimStart());
	const counts = cues.map(([language, starts, parts]) => {
		const begun = starts.filter((start) => rows.some((row) => row.startsWith(start)));
		return { language, count: begun.length + parts.filter((part) => text.includes(part)).length };
	});
	const [first, second] = counts.sort((a, b) => b.count - a.count);
	return first.count > 1 && first.count > second.count ? first.language : ''; // one cue is too few
}

/** @param {string} text */
function isJSON(text) {
	try {
		JSON.parse(text);
		return true;
	} catch {
		return false;
	}
}
