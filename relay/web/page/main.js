// @ts-check
// The page: connects its parts, and defines what keys, buttons and commands do.

import * as invite from './invite.js'; // first: see there
import * as identity from './identity.js';
import * as outbox from './outbox.js';
import * as membership from './membership.js';
import * as transcript from './transcript.js';
import * as composer from './composer.js';
import * as members from './members.js';
import * as uploads from './uploads.js';
import * as commands from './commands.js';
import * as draft from './draft.js';
import { withEmoji, isInputMethod } from './typing.js';
import * as search from './search.js';
import { showEmpty } from './empty.js';
import { $, make, sizeOf, counted } from './dom.js';
import { nickOf } from './rows.js';
import { setClock } from './clock.js';
import { copyText } from './code.js';
import { filesIn, areOnlyNames, foldersIn } from './clipboard.js';

const nickCheckTime = 2000; // ms the host may take to check a nick
const flashTime = 6000; // ms a notice under the text field stays
const narrow = matchMedia('(max-width: 700px)');

let us = ''; // our nick
let title = 'chat';
let recipient = ''; // whose private messages the text field sends; '': everyone's
let shownDraft = ''; // as it was shown; the text field has another one once the member writes
let missedMentions = 0; // that came while the page was hidden
/** @type {RoomInfo} */
let info = {};
let sealed = false; // the room is
let listening = false; // the host lets us read only
let flashing = 0; // a timer
let counting = 0; // a timer

/**
 * Shows a notice for a while. Returns false, so that a caller that failed can return it.
 * @param {string} text
 */
function flash(text) {
	$('flash').textContent = text;
	clearTimeout(flashing);
	flashing = setTimeout(flash, flashTime, '');
	return false;
}

// --- the room ---

outbox.onChange(() => {
	membership.flush();
	transcript.showOutgoing();
	showState();
});

/** @type {MembershipListener} */
const listener = {
	changed: showState,
	connected(welcome, resumed, newRoom) {
		({ title } = welcome);
		openDraft(welcome.room, newRoom);
		setClock(welcome);
		if (!resumed) transcript.clear();
		if (newRoom) transcript.addLine('notice', 'The host restarted with an empty room.');
		transcript.begin(welcome.next, newRoom);
		for (const name of resumed ? [] : uploads.takeInterrupted()) transcript.addLine('error', `${name} was not sent: the page was left before its upload ended`);
		members.reset(welcome);
		showSeal(welcome.sealed);
		setListening(welcome.access === 'listen');
		showTopic(welcome.topic);
		setNick(welcome.nick);
		if (!resumed && !narrow.matches) showMembers(true);
		readInfo();
		commands.load();
		uploads.hasten();
	},
	received(e, own, past) {
		if (!past) {
			members.update(e);
			if (e.type === 'topic') showTopic(e.text);
			if (own && e.type === 'nick') setNick(e.nick);
		}
		if (['message', 'action', 'private'].includes(e.type)) members.noteSpeaker(e.from);
		if (own && e.type === 'nick' && !past) return; // a notice reports it
		transcript.add(e, own, past);
	},
	async locked(why) {
		await askForSecret(why);
		showRoom();
		membership.join();
	},
	invited(secret) {
		renewed = secret;
		exchange().then(readInfo);
	},
};

/** @param {string} nick */
function setNick(nick) {
	us = nick;
	transcript.setNick(us);
	$('rename').replaceChildren(nickOf(us));
	showTitle();
}

function showTitle() {
	for (const h of document.querySelectorAll('h1')) h.textContent = title;
	$('text').placeholder = `Message ${title}`;
	document.title = missedMentions ? `(${missedMentions}) ${title}` : title;
	$('icon').href = `/page/favicon${missedMentions ? '-mention' : ''}.svg`;
}

/** @param {string} topic */
const showTopic = (topic) => ($('topic').textContent = $('topic').title = topic);

/** @param {boolean} isSealed */
function showSeal(isSealed) {
	sealed = isSealed;
	$('seal').hidden = false;
	$('seal').textContent = sealed ? 'sealed' : 'plain';
	$('seal').title = sealed ? 'Encrypted, and only for those with the invite' : 'Not encrypted';
}

$('seal').onclick = async () => {
	const [{ describe }] = await Promise.all([import('./sealed.js'), readInfo()]);
	$('sealing-title').textContent = `${title} is ${sealed ? 'sealed' : 'plain'}`;
	$('sealing-words').replaceChildren(...describe(sealed, info.pin ?? ''));
	$('show-texts').hidden = !sealed || !canNotify;
	$('texts').checked = showsTexts();
	$('sealing').showModal();
};

/** @param {boolean} only */
function setListening(only) {
	listening = only;
	document.body.classList.toggle('listening', only);
	$('listening').hidden = !only;
	$('rename').disabled = only;
}

async function readInfo() {
	try {
		info = await (await fetch('/room')).json();
		if (!us) title = membership.clean(info.title) || title;
	} catch { /* the last answer stays */ }
	$('attach').hidden = info.files === false;
	showWhetherEmpty();
}

// Shows the state of the connection, and how many messages are pending.
function showState() {
	const { is, code, text = '', retryAt = 0 } = membership.state;
	const left = Math.ceil((retryAt - Date.now()) / 1000);
	const { length } = outbox.pending;
	let words = { connecting: 'Connecting…', connected: 'Connected', lost: text || 'Connection lost', over: text }[is];
	if (is === 'over' && code === 'replaced') words = 'This room is open in another tab or window';
	if (is === 'lost' && left > 1) words += ` · reconnecting in ${left}\u00a0s`;
	if (is === 'lost' && left > 3 && sealed) words += ' · if the host is back, reload this page: its certificate may be new';
	if (is !== 'connected' && length) words += ` · ${counted(length, 'message')} pending`;
	if ($('connection').textContent !== words) $('connection').textContent = words;
	$('state').className = is;
	$('reconnect').hidden = is !== 'lost' && is !== 'over';
	$('reconnect').textContent = is === 'lost' ? 'Reconnect' : code === 'other_room' ? 'Join it' : 'Rejoin';
	clearTimeout(counting);
	if (is === 'lost') counting = setTimeout(showState, 1000);
}

// Another room has a page of its own, which may be of another version.
$('reconnect').onclick = () => (membership.state.code === 'other_room' ? location.reload() : membership.join());

$('join').onsubmit = async (e) => {
	e.preventDefault();
	const { nick, reason } = await checkNick($('name').value);
	$('refusal').textContent = reason && `${reason[0].toUpperCase()}${reason.slice(1)}.${nick && ' How about this one?'}`;
	if (!reason) return enterRoom(nick);
	$('name').value = nick || $('name').value;
	$('name').select();
};

/**
 * Asks the host whether nick is valid. If not, there is a reason, and perhaps another nick to propose. A host
 * that does not answer, or an older one, decides when the page joins.
 * @param {string} nick
 */
async function checkNick(nick) {
	try {
		const asked = fetch(`/nick?nick=${encodeURIComponent(nick)}`).then((answer) => answer.json());
		const answer = await Promise.race([asked, new Promise((_, reject) => setTimeout(reject, nickCheckTime))]);
		return { nick: membership.clean(answer.nick), reason: membership.clean(answer.reason) };
	} catch {
		return { nick: nick.trim(), reason: '' };
	}
}

/** @param {string} nick */
function enterRoom(nick) {
	showRoom();
	membership.join(nick, listener);
	openDraft(outbox.room, false); // probably this one
}

function showRoom() {
	$('arrival').hidden = true;
	$('room').hidden = false;
	$('text').focus();
}

/** While the page asks for the secret. @type {Promise<void> | null} */
let asking = null;
/** The secret of a renewed invite, until it is exchanged. */
let renewed = '';

async function exchange() {
	const secret = renewed;
	try {
		const { enter } = await import('./sealed.js');
		if (!await enter(secret) && renewed === secret) renewed = '';
	} catch { /* the host is away: later */ }
}

/** @param {string} why */
const askForSecret = (why) => (asking ??= enterAgain(why).finally(() => (asking = null)));

/** @param {string} why */
async function enterAgain(why) {
	if (renewed) await exchange(); // the first time may have failed: a phone sleeps
	renewed = '';
	const [{ ask }] = await Promise.all([import('./sealed.js'), readInfo()]);
	showTitle();
	await ask(why, title, outbox.room !== '');
}

async function askForNick() {
	$('arrival').hidden = false;
	$('name').focus();
	await readInfo();
	showTitle();
	if (info.sealed && !info.access) await askForSecret('');
	$('name').focus();
	const here = info.members ? `${counted(info.members, 'person is', 'people are')} here · ` : '';
	$('here').textContent = here + (info.sealed ? 'sealed' : 'plain');
}

// --- sending ---

/** @param {ChatRequest} r */
function send(r) {
	return outbox.add(r) || flash('Too many messages are pending.');
}

/** @param {ChatRequest} r */
function request(r) {
	return membership.request(r) || flash('Not connected. Try again in a moment.');
}

/**
 * Makes the text field send private messages to nick; '': messages to everyone.
 * @param {string} nick
 */
function setRecipient(nick) {
	recipient = listening ? '' : nick;
	$('recipient').hidden = !recipient;
	$('to').replaceChildren(nickOf(recipient));
	if (narrow.matches) showMembers(false);
	saveDraft();
	$('text').focus();
}

const saveDraft = () => draft.keep($('text').value, recipient);

/**
 * Shows the draft for a room. What was written since the page was loaded stays, as does all of it in a room that
 * follows the one before.
 * @type {(room: string, follows: boolean) => void}
 */
function openDraft(room, follows) {
	if (!room || room === draft.room) return;
	if (follows || $('text').value !== shownDraft) {
		draft.move(room);
		saveDraft();
		return;
	}
	const { text = '', to = '' } = draft.enter(room) ?? {};
	shownDraft = membership.clean(text);
	recipient = membership.clean(to);
	composer.write(shownDraft);
	setRecipient(recipient);
}

/**
 * Returns a text with the emoji that are named in it, unless that makes it too long.
 * @param {string} text
 */
function expand(text) {
	const expanded = withEmoji(text);
	return composer.tooLong(expanded) ? text : expanded;
}

/**
 * The commands that the page carries out itself. They return whether the text field is done with.
 * @type {Record<string, (rest: string) => boolean>}
 */
const local = {
	me: (text) => (text ? send({ type: 'me', text: expand(text) }) : flash('Usage: /me TEXT')),
	msg(rest) {
		const [, nick = '', text = ''] = rest.match(/^(\S*)\s*([^]*)$/) ?? [];
		if (!text) setRecipient(nick);
		return !text || send({ type: 'msg', to: nick, text: expand(text) });
	},
	search(words) {
		openSearch();
		search.search(words);
		setTimeout(() => $('words').focus()); // after the text field was emptied
		return true;
	},
	quit(text) {
		membership.leave(text);
		return true;
	},
};

/**
 * Carries out or sends the text of the composer. Returns whether that worked.
 * @param {string} text
 */
function submitText(text) {
	const { name, args, message, unknown } = composer.parse(text);
	const fault = composer.tooLong(text);
	if (fault) return flash(`Too long: ${fault}`);
	if (unknown) return refuse(unknown);
	if (Object.hasOwn(local, name)) return local[name](args);
	if (name) return request({ type: 'command', text: text.replace(/\s/g, ' ') });
	if (!message) return true;
	const said = expand(message);
	return send(recipient ? { type: 'msg', to: recipient, text: said } : { type: 'say', text: said });
}

/**
 * Leaves in the text field what looks like a command and is none.
 * @param {string} word
 */
function refuse(word) {
	transcript.addLine('error', `unknown command ${word}; put // in front to send it`);
	transcript.toEnd();
	composer.offer();
	return false;
}

function submit() {
	const text = composer.typed();
	if (!submitText(text)) return;
	if (text) composer.sent();
	transcript.clearUnread();
	transcript.toEnd();
	uploads.sendStaged((file, name) => send({ type: 'send', file, name }));
}

composer.onEnter(submit);
composer.onDraft(saveDraft);
$('composer').onsubmit = (e) => {
	e.preventDefault();
	submit();
};
$('rename').onclick = () => composer.write('/nick ');
$('to-everyone').onclick = () => setRecipient('');

// --- files ---

/** @param {Iterable<File>} files */
function stage(files) {
	const limit = info.max_file ?? Infinity;
	const large = [...files].find(({ size }) => size > limit);
	if (listening) return;
	if (info.files === false) flash('This host does not accept files.');
	else if (large) flash(`${large.name} is larger than this host’s limit of ${sizeOf(limit)}.`);
	else uploads.stage(files);
	$('text').focus();
}

addEventListener('beforeunload', (e) => {
	if (!uploads.areUnsent()) return;
	e.preventDefault(); // the browser asks
	e.returnValue = ''; // for older ones
});

/** @param {DataTransfer} data */
function stageFrom(data) {
	const files = filesIn(data); // before the browser takes them back
	const [folder] = foldersIn(data);
	if (files.length) stage(files);
	if (folder) flash(`${folder} is a folder. Send its files, or an archive of it.`);
}

$('attach').onclick = () => $('files').click();
$('files').onchange = () => {
	stage($('files').files ?? []);
	$('files').value = '';
};
addEventListener('paste', (e) => {
	const data = e.clipboardData;
	if ($('room').hidden || !data?.files.length || data.types.includes('text/plain') && !areOnlyNames(data)) return; // a table is pasted as text, not as its picture
	e.preventDefault();
	stageFrom(data);
});
for (const type of /** @type {const} */ (['dragover', 'dragleave', 'drop'])) {
	addEventListener(type, (e) => {
		if (!e.dataTransfer?.types.includes('Files')) return;
		e.preventDefault(); // else the browser leaves the page to open the file
		document.body.classList.toggle('dropping', type === 'dragover');
		if (type === 'drop' && !$('room').hidden) stageFrom(e.dataTransfer);
	});
}

// --- panels and dialogs ---

/** @param {boolean} shown */
function showMembers(shown) {
	$('members').hidden = !shown;
	$('show-members').ariaExpanded = String(shown);
	if (shown && narrow.matches) $('members').querySelector('button')?.focus(); // not the field: a keyboard would cover the list
}

function openSearch() {
	if (narrow.matches) showMembers(false);
	search.open();
}

$('show-members').onclick = () => showMembers($('members').hidden);
$('show-search').onclick = () => ($('search').hidden ? openSearch() : search.close(false));

/** @param {boolean} open */
function openMenu(open) {
	$('menu').classList.toggle('open', open);
	$('show-menu').ariaExpanded = String(open);
}

$('show-menu').onclick = () => openMenu($('show-menu').ariaExpanded !== 'true');
// On a phone the menu comes after its button, also for the Tab key.
const placeMenu = () => (narrow.matches ? $('show-menu').after($('menu')) : $('show-members').before($('menu')));
narrow.addEventListener('change', () => {
	placeMenu();
	if (narrow.matches) showMembers(false); // they would cover the conversation
});
placeMenu();

$('show-invite').onclick = async () => {
	await readInfo();
	const ways = info.invite ? [info.invite] : info.ways ?? [location.origin];
	$('ways').replaceChildren(...ways.map((way) => make('li', '', way)));
	$('get').hidden = !info.program;
	$('copy-invite').hidden = !info.invite;
	$('copy-invite').textContent = 'Copy';
	$('qr').src = `/qr.svg?${Date.now()}`; // not the picture of an address that the host had before
	$('invite').showModal();
};
$('copy-invite').onclick = async () => {
	const done = await copyText(info.invite ?? '', $('ways'));
	$('copy-invite').textContent = done ? 'Copied' : 'Press Ctrl-C to copy';
};
$('below').onclick = () => {
	transcript.toEnd();
	$('text').focus();
};

addEventListener('click', ({ target }) => {
	const button = target instanceof Element ? target.closest('button') : null;
	if (button?.id !== 'show-menu') openMenu(false);
	const { to: nick, edit, dismiss } = button?.dataset ?? {};
	if (nick) setRecipient(nick);
	if (dismiss) outbox.dismiss(Number(dismiss));
	if (edit) composer.write(composer.typedOf(outbox.dismiss(Number(edit))));
	if (button?.matches('#search .close')) search.close(false);
	const isBeside = target instanceof Element && !target.closest('#members, #show-members');
	if (button?.matches('#members .close') || narrow.matches && isBeside) showMembers(false);
});

addEventListener('keydown', (e) => {
	if ($('room').hidden || document.querySelector('dialog[open]') || isInputMethod(e)) return;
	const pages = e.key === 'PageUp' ? -1 : e.key === 'PageDown' ? 1 : 0;
	if (pages) {
		e.preventDefault();
		transcript.scrollBy(pages);
	} else if (e.key === 'End' && e.ctrlKey) transcript.toEnd();
	else if (e.key === 'Escape') {
		if ($('show-menu').ariaExpanded === 'true') {
			openMenu(false);
			return $('show-menu').focus();
		}
		if (narrow.matches && !$('members').hidden) showMembers(false);
		else if (!$('search').hidden) search.close(true);
		else setRecipient('');
		$('text').focus();
	}
});

// --- mentions ---

const canNotify = isSecureContext && 'Notification' in window;
const notifies = () => canNotify && Notification.permission === 'granted' && identity.read('localStorage', 'notify') !== 'off';
// Others may see a notification, also on a locked phone: that of a sealed room has no text unless the member wants it.
const showsTexts = () => !sealed || identity.read('localStorage', 'notify-texts') === 'on';

function showNotifyButton() {
	$('notify').hidden = !canNotify || Notification.permission === 'denied';
	$('notify').ariaPressed = String(notifies());
}

const showWhetherEmpty = () => showEmpty(transcript.isEmpty(), title, sealed ? [] : info.ways ?? [location.origin]);
members.onChange(showWhetherEmpty);

transcript.onChange((mentions) => {
	showWhetherEmpty();
	$('below').hidden = transcript.following;
	const { below, belowMentions } = transcript;
	$('below').replaceChildren(below ? `↓ ${below} new` : '↓ Newest', ...(belowMentions ? [' · ', make('b', '', `${belowMentions} mention${belowMentions === 1 ? 's' : ''} you`)] : []));
	const last = mentions.at(-1);
	if (!last || !document.hidden) return;
	missedMentions += mentions.length;
	showTitle();
	try {
		const body = showsTexts() ? last.summary : `${last.from} ${last.kind === 'private' ? 'sent you a private message' : 'mentions you'}`;
		if (notifies()) new Notification(title, { body, tag: title });
	} catch { /* Chrome on Android allows it only in service workers */ }
});

$('notify').onclick = async () => {
	identity.write('localStorage', 'notify', notifies() ? 'off' : null);
	await Notification.requestPermission();
	showNotifyButton();
};
$('texts').onchange = () => identity.write('localStorage', 'notify-texts', $('texts').checked ? 'on' : null);
document.addEventListener('visibilitychange', () => {
	transcript.flush();
	if (document.hidden && transcript.following) transcript.clearUnread();
	if (document.hidden) return;
	missedMentions = 0;
	showTitle();
	membership.hasten();
});
addEventListener('online', () => {
	membership.hasten();
	uploads.hasten();
});

showNotifyButton();
const refusal = invite.secret && await import('./sealed.js').then(({ enter }) => enter(invite.secret));
if (refusal) await askForSecret(refusal);
if (identity.nick) enterRoom(identity.nick);
else askForNick();
