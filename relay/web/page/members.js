// Who is here, as far as the host told.

import { $, make, nickOf } from './rows.js';

const maxKnown = 10_000; // by nick; beyond it they are counted
const maxListed = 500;
const maxSpoken = 50; // offered first by Tab

/** Nicks, and whether they host. @type {Map<string, boolean>} */
const nicks = new Map();
let others = 0; // how many more there are
let spoken = []; // nicks, who spoke last comes first
let us = '';
let drawing = 0;

export function reset(welcome) {
	nicks.clear();
	others = 0;
	us = welcome.nick;
	enter({ ...welcome, members: [us, ...welcome.members] });
}

/** Takes what an event says of who is here. */
export function take(e) {
	const { type, members, from, nick } = e;
	if (type === 'join') return enter(e);
	if (type === 'leave') {
		others -= members.filter((gone) => !nicks.delete(gone)).length;
		others = Math.max(others, 0);
	} else if (type === 'nick') {
		nicks.set(nick, nicks.get(from) ?? false);
		nicks.delete(from);
		if (from === us) us = nick;
	} else return undefined;
	return draw();
}

function enter({ members, hosts, count }) {
	others += Math.max(count - members.length, 0); // a list names the first 1,000
	for (const nick of members) {
		if (nicks.size < maxKnown) nicks.set(nick, hosts.includes(nick));
		else others++;
	}
	draw();
}

export function spoke(nick) {
	if (spoken[0] !== nick) spoken = [nick, ...spoken.filter((n) => n !== nick)].slice(0, maxSpoken);
}

/** Lists who is here but us, those who spoke last first. */
export function recent() {
	const list = new Set([...spoken.filter((nick) => nicks.has(nick)), ...sorted()]);
	list.delete(us);
	return [...list];
}

const sorted = () => [...nicks.keys()].sort((a, b) => a.localeCompare(b));

function draw() {
	drawing ||= setTimeout(() => {
		drawing = 0;
		const shown = sorted().slice(0, maxListed).map((nick) => {
			const button = make('button', '', nickOf(nick), nicks.get(nick) ? ' (host)' : '', nick === us ? ' (you)' : '');
			button.disabled = nick === us;
			button.title = 'Say something to them alone';
			button.dataset.to = nick;
			return make('li', '', button);
		});
		const count = nicks.size + others;
		if (count > shown.length) shown.push(make('li', 'dim', `and ${count - shown.length} more`));
		$('who').replaceChildren(...shown);
		$('count').textContent = count;
	}, 50);
}
