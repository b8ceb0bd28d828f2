// @ts-check
// The host's commands, which the text field completes and explains.

import { clean } from './membership.js';
import { isOperator } from './members.js';

const maxCommands = 200; // a hostile host may list more

/** @type {ChatCommand[]} */
let commands = [];

/** Reads the commands from the host. If that fails, the old ones stay. */
export async function load() {
	try {
		/** @type {any[]} */
		const list = await (await fetch('/commands')).json();
		commands = list.slice(0, maxCommands).map(({ name, usage, help, operator }) => (
			{ name: clean(name), usage: clean(usage), help: clean(help), operator: operator === true }
		));
	} catch { /* an older host has none */ }
}

/**
 * Reports whether the host or the page has a command called name. If the host did not list its
 * commands, it decides about words that could be one.
 * @param {string} name
 */
export const has = (name) => (commands.length ? commands.some((c) => c.name === name) : /^[a-z]+$/.test(name));

/**
 * Returns the commands whose name starts with prefix and that this member may use.
 * @param {string} prefix
 */
const matching = (prefix) => commands.filter(({ name, operator }) => name.startsWith(prefix.toLowerCase()) && (!operator || isOperator()));

/**
 * Returns the completions of text, the beginning of a command: "/wh" has "/who".
 * @param {string} text
 */
export const completions = (text) => (/^\/[^/\s]*$/.test(text) ? matching(text.slice(1)).map(({ name }) => `/${name}`) : []);

/**
 * Explains the command in text: its usage and help once its name is complete, else the names
 * that fit; '' if text is no command.
 * @param {string} text
 */
export function hint(text) {
	const [, name = '', space] = text.match(/^\/([^/\s]*)(\s?)/) ?? [];
	const found = text.startsWith('/') && !text.startsWith('//') ? matching(name) : [];
	const exact = found.find((c) => c.name === name.toLowerCase());
	if (exact && (space || found.length === 1)) return `${exact.usage} – ${exact.help}`;
	return space ? '' : found.map((c) => `/${c.name}`).join(' ');
}
