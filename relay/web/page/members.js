// @ts-check
// The member list, as far as the host sends it.

import * as colors from './colors.js';
import { $, make } from './dom.js';
import { nickOf, recolor } from './rows.js';

const maxKnown = 10_000; // nicks; more members are only counted
const maxListed = 500;
const maxSpeakers = 50; // whom Tab offers first
const drawDelay = 50; // ms in which several changes become one
const perMember = 0.05; // ms more for each member, whom drawing puts in order

const roles = ['', 'operator', 'host'];
/** Nicks, and the role of each. @type {Map<string, number>} */
const nicks = new Map();
/** The tags of members' keys, by nick. @type {Map<string, string>} */
const tags = new Map();
let unnamed = 0; // members beyond those in nicks
/** Nicks, the last speaker first. @type {string[]} */
let speakers = [];
let us = '';
let drawing = 0; // the timer; 0: none runs

/** @param {ChatEvent} welcome */
export function reset(welcome) {
	nicks.clear();
	tags.clear();
	unnamed = 0;
	us = welcome.nick;
	colors.setOwn(us);
	const hosts = welcome.access === 'operator' ? [us, ...welcome.hosts] : welcome.hosts;
	addMembers({ ...welcome, hosts, members: [us, ...welcome.members], tags: welcome.tags.length ? ['', ...welcome.tags] : [] });
}

/**
 * Updates the list by an event.
 * @param {ChatEvent} e
 */
export function update(e) {
	const { type, members, from, nick, code } = e;
	if (type === 'join') addMembers(e);
	else if (type === 'leave') {
		unnamed -= members.filter((gone) => !nicks.delete(gone)).length;
		for (const gone of members) tags.delete(gone);
		unnamed = Math.max(unnamed, 0);
		draw();
	} else if (type === 'nick') {
		nicks.set(nick, nicks.get(from) ?? 0);
		nicks.delete(from);
		tags.set(nick, tags.get(from) ?? '');
		tags.delete(from);
		colors.renamed(from, nick);
		if (from === us) colors.setOwn((us = nick));
		draw();
	} else if (type === 'operator' && /^(de)?op$/.test(code) && nicks.has(nick)) {
		nicks.set(nick, Number(code === 'op'));
		draw();
	}
}

/** @param {ChatEvent} e */
function addMembers({ members, hosts, from, tags: ofKeys = [], count }) {
	unnamed += Math.max(count - members.length, 0); // an event names at most 1,000
	for (const [i, nick] of members.entries()) {
		if (ofKeys[i]) tags.set(nick, ofKeys[i]);
		if (nicks.size < maxKnown) nicks.set(nick, nick === from ? 2 : Number(hosts.includes(nick)));
		else unnamed++;
	}
	draw();
}

colors.setHere((nick) => nicks.has(nick));

/** @param {string} nick */
export function noteSpeaker(nick) {
	const hadColor = colors.hasSpoken(nick);
	if (colors.spoke(nick)) recolorSoon();
	if (hadColor !== colors.hasSpoken(nick)) draw();
	if (speakers[0] !== nick) speakers = [nick, ...speakers.filter((n) => n !== nick)].slice(0, maxSpeakers);
}

/** Lists the nicks of the others, the last speakers first. */
export function recent() {
	const list = new Set([...speakers.filter((nick) => nicks.has(nick)), ...sorted()]);
	list.delete(us);
	return [...list];
}

/** Returns the other members, the host and operators first. */
export const others = () => sorted().filter((nick) => nick !== us).map((nick) => ({ nick, role: roleOf(nick) }));

let onchange = () => {};
/** @param {() => void} changed what to call when the list has changed */
export const onChange = (changed) => (onchange = changed);

/** Reports whether we may use the operators' commands. */
export const isOperator = () => roleOf(us) !== '';

/** @param {string} nick */
const roleOf = (nick) => roles[nicks.get(nick) ?? 0];

const { compare } = new Intl.Collator();
/** The host and operators first, then by name. */
const sorted = () => [...nicks.keys()].sort((a, b) => Number(nicks.get(b)) - Number(nicks.get(a)) || compare(a, b));

let recoloring = 0; // the timer; 0: none runs

function recolorSoon() {
	recoloring ||= setTimeout(() => {
		recoloring = 0;
		recolor();
		draw();
	}, drawDelay);
}

function draw() {
	drawing ||= setTimeout(drawNow, drawDelay + nicks.size * perMember);
}

function drawNow() {
	clearTimeout(drawing);
	drawing = 0;
	const wanted = $('filter').value.trim().toLowerCase();
	const matching = sorted().filter((nick) => nick.toLowerCase().includes(wanted));
	const shown = matching.slice(0, maxListed).map(itemOf);
	const count = nicks.size + unnamed;
	const more = (wanted ? matching.length : count) - shown.length;
	if (more > 0) shown.push(make('li', 'dim', `and ${more} more`));
	if (wanted && !matching.length) shown.push(make('li', 'dim', 'No one by that name.'));
	$('who').replaceChildren(...shown);
	$('count').textContent = String(count);
	$('here-now').textContent = `${count} here`;
	onchange();
}

/** @param {string} nick */
function itemOf(nick) {
	const notes = [roleOf(nick), nick === us ? 'you' : '', tags.get(nick) ?? ''].filter(Boolean).join(', ');
	const name = colors.hasSpoken(nick) ? nickOf(nick) : make('bdi', '', nick);
	const button = make('button', '', name, ...(notes ? [' ', make('span', 'dim', notes)] : []));
	button.disabled = nick === us;
	button.title = 'Send a private message';
	button.dataset.to = nick;
	return make('li', '', button);
}

$('filter').oninput = drawNow;
$('filter').onkeydown = ({ key }) => {
	if (key !== 'Escape') return;
	$('filter').value = '';
	drawNow();
};
