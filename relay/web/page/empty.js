// @ts-check
// What the transcript shows while the room has no messages: its members, and how others can join.

import { $, make } from './dom.js';
import * as members from './members.js';

const maxNamed = 6; // nicks

let shown = ''; // its content, so that it is drawn only when that changes

/** The ways are addresses that are enough to join; none: the room is sealed. @type {(isEmpty: boolean, title: string, ways: string[]) => void} */
export function showEmpty(isEmpty, title, ways) {
	const others = isEmpty ? members.others() : []; // they are put in order, which takes long with thousands
	const key = isEmpty ? JSON.stringify([title, ways, others.slice(0, maxNamed + 1), others.length]) : '';
	if (shown === key) return;
	shown = key;
	$('empty').hidden = !isEmpty;
	$('empty').replaceChildren(...(isEmpty ? [make('h2', '', make('bdi', '', title)), ...(others.length ? company(others) : alone(ways))] : []));
}

/** @param {{nick: string, role: string}[]} others */
function company(others) {
	const count = others.length > maxNamed ? maxNamed - 1 : others.length;
	const named = others.slice(0, count).map(({ nick, role }) => [make('b', '', make('bdi', '', nick)), role && ` (${role})`]);
	if (others.length > count) named.push([`${others.length - count} more`]);
	const list = named.flatMap((name, i) => [i === 0 ? '' : i === named.length - 1 ? ' and ' : ', ', ...name]);
	return [make('p', '', ...list, named.length > 1 ? ' are here.' : ' is here.'), make('p', 'hello', 'Say hello.')];
}

/** @param {string[]} ways */
function alone(ways) {
	const invite = make('button', '', 'Show the QR code');
	invite.type = 'button';
	invite.onclick = () => $('show-invite').click();
	return [
		make('p', '', 'No one else is here yet.'),
		ways[0] ? make('p', '', 'Others can join with a browser at ', make('b', '', ways[0])) : make('p', '', 'Others can join with the invite.'),
		make('p', '', invite),
		make('p', 'hello', 'They will see what you send now.'),
	];
}
