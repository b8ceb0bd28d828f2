// The page: who meets whom, and what keys, buttons and commands do.

import * as identity from './identity.js';
import * as outbox from './outbox.js';
import * as membership from './membership.js';
import * as transcript from './transcript.js';
import * as composer from './composer.js';
import * as members from './members.js';
import * as uploads from './uploads.js';
import { search } from './search.js';
import { $, make, nickOf, counted, sizeOf } from './rows.js';

const flashTime = 6000; // ms that a word of ours stays
const narrow = matchMedia('(max-width: 700px)');

let us = ''; // our nick
let title = 'chat';
let to = ''; // whom alone all is said that is typed
let calls = 0; // that came while nobody looked
let about = {}; // what the host told of the room
let flashing = 0;
let counting = 0;

function flash(text) {
	$('flash').textContent = text;
	clearTimeout(flashing);
	flashing = setTimeout(flash, flashTime, '');
}

// --- the room ---

outbox.onChange(() => {
	membership.flush();
	transcript.showOutgoing();
	showState();
});

const listener = {
	changed: showState,
	connected(welcome, resumed, anew) {
		({ title } = welcome);
		if (!resumed) transcript.clear();
		transcript.begin(welcome.next, anew);
		if (anew) transcript.tell('The host was restarted, and begins with an empty room.');
		members.reset(welcome);
		showTopic(welcome.topic);
		callUs(welcome.nick);
		if (!resumed && !narrow.matches) panel('members');
		readRoom();
	},
	received(e, own, past) {
		if (!past) {
			members.take(e);
			if (e.type === 'topic') showTopic(e.text);
			if (own && e.type === 'nick') callUs(e.nick);
		}
		if (['message', 'action', 'private'].includes(e.type)) members.spoke(e.from);
		transcript.add(e, own, past);
	},
};

function callUs(nick) {
	us = nick;
	transcript.callUs(us);
	$('rename').replaceChildren(nickOf(us));
	showTitle();
}

function showTitle() {
	for (const h of document.querySelectorAll('h1')) h.textContent = title;
	document.title = calls ? `(${calls}) ${title}` : title;
	$('icon').href = `/page/favicon${calls ? '-called' : ''}.svg`;
}

const showTopic = (topic) => ($('topic').textContent = $('topic').title = topic);

async function readRoom() {
	try {
		about = await (await fetch('/room')).json();
	} catch { /* it is as it was */ }
	$('attach').hidden = about.files === false;
}

// Shows what there is to say of the connection, and of what waits for it.
function showState() {
	const { is, code, text, retryAt } = membership.state;
	const left = Math.ceil((retryAt - Date.now()) / 1000);
	const { length } = outbox.queue;
	let words = { connecting: 'Connecting…', connected: 'Connected', lost: text || 'The connection is lost', over: text }[is];
	if (is === 'over' && code === 'replaced') words = 'You are here in another tab or window';
	if (is === 'lost' && left > 1) words += ` – trying again in ${left} s`;
	if (is !== 'connected' && length) words += ` – ${counted(length, 'message waits', 'messages wait')} for it`;
	if ($('connection').textContent !== words) $('connection').textContent = words;
	$('state').className = is;
	$('again').hidden = is !== 'lost' && is !== 'over';
	$('again').textContent = is === 'lost' ? 'Try now' : 'Come back';
	clearTimeout(counting);
	if (is === 'lost') counting = setTimeout(showState, 1000);
}

$('again').onclick = () => membership.join();

$('join').onsubmit = (e) => {
	e.preventDefault();
	enter($('name').value.trim());
};

function enter(nick) {
	$('arrival').hidden = true;
	$('room').hidden = false;
	membership.join(nick, listener);
	$('text').focus();
}

async function arrive() {
	$('arrival').hidden = false;
	$('name').focus();
	await readRoom();
	title = about.title ?? title;
	showTitle();
	if (about.members) $('here').textContent = `${counted(about.members, 'person is', 'people are')} here`;
}

// --- what we say ---

function say(request) {
	return outbox.put(request) || flash('Too much waits for the connection.');
}

function ask(request) {
	return membership.ask(request) || flash('Not connected just now; try again in a moment.');
}

function talkTo(nick) {
	to = nick;
	$('recipient').hidden = !to;
	$('to').replaceChildren(nickOf(to));
	if (narrow.matches) panel('');
	$('text').focus();
}

// What this page carries out itself. The host has the rest.
const locals = {
	me: (text) => text && say({ type: 'me', text }),
	msg(rest) {
		const [, nick, text] = rest.match(/^(\S*)\s*([^]*)$/);
		if (!text) talkTo(nick);
		return !text || say({ type: 'msg', to: nick, text });
	},
	search(words) {
		panel('search');
		search(words);
		return true;
	},
	quit(text) {
		membership.leave(text);
		return true;
	},
};

function submit() {
	const text = composer.typed();
	const { name, rest } = composer.parse(text);
	const fault = composer.fault(text);
	let said = true;
	if (fault) said = flash(`Too long: ${fault}`);
	else if (Object.hasOwn(locals, name)) said = locals[name](rest);
	else if (name) said = ask({ type: 'command', text: text.replace(/\s/g, ' ') });
	else if (rest) said = say(to ? { type: 'msg', to, text: rest } : { type: 'say', text: rest });
	if (!said) return;
	if (text) composer.sent();
	transcript.forgetUnread();
	transcript.toEnd();
	uploads.send((file, of) => say({ type: 'send', file, name: of }));
}

composer.onEnter(submit);
$('composer').onsubmit = (e) => {
	e.preventDefault();
	submit();
};
$('rename').onclick = () => composer.write('/nick ');
$('to-all').onclick = () => talkTo('');

// --- files ---

function stage(files) {
	const large = [...files].find(({ size }) => size > about.max_file);
	if (about.files === false) flash('This host takes no files.');
	else if (large) flash(`${large.name} is larger than the ${sizeOf(about.max_file)} that this host takes.`);
	else uploads.stage(files);
	$('text').focus();
}

$('attach').onclick = () => $('files').click();
$('files').onchange = () => {
	stage($('files').files);
	$('files').value = '';
};
addEventListener('paste', (e) => {
	const { files, types } = e.clipboardData;
	if (!files.length || types.includes('text/plain')) return; // a table is pasted as its words, not as its picture
	e.preventDefault();
	stage(files);
});
for (const type of ['dragover', 'dragleave', 'drop']) {
	addEventListener(type, (e) => {
		if (!e.dataTransfer.types.includes('Files')) return;
		e.preventDefault(); // else the browser leaves the room for the file
		document.body.classList.toggle('dropping', type === 'dragover');
		if (type === 'drop') stage(e.dataTransfer.files);
	});
}

// --- what is beside the talk ---

function panel(id) {
	for (const name of ['members', 'search']) {
		$(name).hidden = name !== id;
		$(`show-${name}`).ariaExpanded = name === id;
	}
	if (id === 'search') $('words').focus();
	else if (id && narrow.matches) $(id).querySelector('button').focus();
}

for (const name of ['members', 'search']) $(`show-${name}`).onclick = () => panel($(name).hidden ? name : '');
$('search').onsubmit = (e) => {
	e.preventDefault();
	search($('words').value);
};
$('show-invite').onclick = async () => {
	await readRoom();
	$('ways').replaceChildren(...(about.ways ?? [location.origin]).map((way) => make('li', '', way)));
	$('qr').src = '/qr.svg';
	$('invite').showModal();
};
$('below').onclick = () => {
	transcript.toEnd();
	$('text').focus();
};

addEventListener('click', ({ target }) => {
	const button = target.closest('button');
	const { to: nick, edit, dismiss, id } = button?.dataset ?? {};
	if (nick) talkTo(nick);
	if (dismiss) outbox.dismiss(Number(dismiss));
	if (edit) composer.write(composer.typedOf(outbox.dismiss(Number(edit))));
	if (button?.matches('aside .close') || id && narrow.matches) panel('');
	if (id) transcript.goTo(Number(id));
});

addEventListener('keydown', (e) => {
	if ($('room').hidden || $('invite').open) return;
	const page = { PageUp: -1, PageDown: 1 }[e.key];
	if (page) {
		e.preventDefault();
		transcript.scrollBy(page);
	} else if (e.key === 'End' && e.ctrlKey) transcript.toEnd();
	else if (e.key === 'Escape') {
		if (!$('search').hidden || narrow.matches && !$('members').hidden) panel('');
		else talkTo('');
		$('text').focus();
	}
});

// --- who looks, and what calls ---

const notifies = isSecureContext && 'Notification' in window;

const showNotify = () => ($('notify').hidden = !notifies || Notification.permission !== 'default');

transcript.onChange((called) => {
	$('below').hidden = transcript.following;
	$('below').textContent = transcript.below ? `${transcript.below} new below ↓` : 'To the end ↓';
	if (!called.length || !document.hidden) return;
	calls += called.length;
	showTitle();
	try {
		if (notifies && Notification.permission === 'granted') new Notification(title, { body: called.at(-1).words, tag: title });
	} catch { /* Chrome on Android has it for service workers alone */ }
});

$('notify').onclick = () => Notification.requestPermission().then(showNotify);
document.addEventListener('visibilitychange', () => {
	transcript.flush();
	if (document.hidden && transcript.following) transcript.forgetUnread();
	if (document.hidden) return;
	calls = 0;
	showTitle();
	membership.hasten();
});
addEventListener('online', () => {
	membership.hasten();
	uploads.hasten();
});

showNotify();
if (identity.nick) enter(identity.nick);
else arrive();
