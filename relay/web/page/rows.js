// What one thing that was said or happened looks like. Texts of others are only ever set as
// text: there is no markup in any string on this page.

const maxShown = 64 << 10; // letters of one text: four times what a message has
const namesShown = 12; // before "and N more"

export const $ = (id) => document.getElementById(id);

export function make(tag, className, ...children) {
	const el = document.createElement(tag);
	el.className = className;
	el.append(...children);
	return el;
}

/** Makes a nick. It has the same colour everywhere, however its case is: a hash (FNV-1a) turns the hue. */
export function nickOf(nick) {
	let hash = 0x811c9dc5;
	for (const byte of new TextEncoder().encode(nick.toLowerCase())) hash = Math.imul(hash ^ byte, 0x01000193);
	const el = make('bdi', 'nick', nick);
	el.style.setProperty('--hue', (hash >>> 8) % 24 * 15);
	return el;
}

export function sizeOf(bytes) {
	let unit = 0;
	for (; bytes >= 999.5 && unit < 4; unit++) bytes /= 1000;
	return `${bytes < 9.95 && unit ? bytes.toFixed(1) : Math.round(bytes)} ${['B', 'KB', 'MB', 'GB', 'TB'][unit]}`;
}

export const counted = (n, one, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;

const formats = [{ dateStyle: 'full' }, { timeStyle: 'short' }, { dateStyle: 'full', timeStyle: 'medium' }];
export const [dayOf, clockOf, fullOf] = formats.map((f) => new Intl.DateTimeFormat('en-GB', f).format);

/** When an event was, in ms; now, where the host does not say. */
export const timeOf = (e) => Date.parse(e.time) || Date.now();

/** Appends text, with what is an address in it as a link. */
export function appendText(el, text) {
	if (text.length > maxShown) text = `${text.slice(0, maxShown)}… (${text.length - maxShown} more)`;
	let from = 0;
	for (const { 0: found, index } of text.matchAll(/\bhttps?:\/\/[^\s<>"'`]+/gi)) {
		const url = found.replace(found.includes('(') ? /[.,;:!?]+$/ : /[.,;:!?)]+$/, ''); // that ends the sentence
		const a = make('a', '', url);
		a.href = url;
		a.target = '_blank';
		a.rel = 'noopener noreferrer';
		el.append(text.slice(from, index), a);
		from = index + url.length;
	}
	el.append(text.slice(from));
}

/** Reports whether text names a nick: "alice" is not in "malice", nor in "alice-2". */
function mentions(text, nick) {
	const name = nick.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&');
	return new RegExp(`(?<![\\p{L}\\p{N}\\p{M}_])${name}(?![\\p{L}\\p{N}\\p{M}_]|-\\d)`, 'iu').test(text);
}

function names({ members, count }) {
	const shown = members.slice(0, members.length > namesShown + 1 ? namesShown : undefined);
	const more = Math.max(count, members.length) - shown.length;
	const list = shown.flatMap((nick, i) => [i ? ', ' : '', make('bdi', '', nick)]);
	return more > 0 ? [...list, ` and ${more} more`] : list;
}

// Tells what happened, as parts of a line; undefined where there is nothing to tell.
function happened(e) {
	const [from, text, nick] = [e.from, e.text, e.nick].map((word) => make('bdi', '', word));
	const why = e.text ? [': ', text] : [];
	switch (e.type) {
		case 'join':
			return [...names(e), ' joined'];
		case 'leave':
			if (e.code) return [...names(e), ` was ${e.code} by `, from, ...why];
			return [...names(e), ' left', ...(e.text ? [' (', text, ')'] : [])];
		case 'nick':
			return [from, ' is now ', nick];
		case 'topic':
			if (e.from) return [from, e.text ? ' set the topic' : ' cleared the topic', ...why];
			return [e.text ? 'The topic' : 'No topic is set; /topic TEXT sets one', ...why];
		case 'who':
			return [`${e.count} here: `, ...names(e)];
		case 'gap':
			return [`${counted(e.missed, 'event')} passed that the host no longer keeps`];
	}
	return undefined;
}

const kinds = { message: 'said', action: 'done', private: 'private', join: 'moved', leave: 'moved', notice: 'told', error: 'complaint' };

/**
 * Makes the row of an event, null where there is nothing to show. It has the event's id (0: not
 * in the room's log), when it was (at, in ms), and whether it was said, and calls us.
 */
export function rowOf(e, own, us) {
	const kind = kinds[e.type] ?? 'happened';
	const said = ['said', 'done', 'private'].includes(kind);
	const who = make('span', 'who');
	const text = make('div', 'text');
	text.dir = 'auto';
	if (kind === 'said') who.append(nickOf(e.from));
	if (kind === 'done') text.append('* ', nickOf(e.from), ' ');
	if (kind === 'private') text.append(make('b', 'to', '[', own ? 'you' : nickOf(e.from), ' → ', own ? nickOf(e.to) : 'you', ']'), ' ');
	if (said && e.file) text.append('sent ', fileOf(e.file));
	else if (said || kind === 'told' || kind === 'complaint') appendText(text, e.text);
	else {
		const parts = happened(e);
		if (!parts) return null;
		text.append(...parts);
	}
	if (kind === 'private' && !own) {
		const reply = make('button', '', 'Reply');
		reply.dataset.to = e.from;
		text.append(' ', reply);
	}
	const at = timeOf(e);
	const time = make('time', '', clockOf(at));
	time.title = fullOf(at);
	const calls = said && !own && us !== '' && (kind === 'private' || mentions(e.text, us));
	const el = make('div', `row ${kind}${calls ? ' calls' : ''}`, time, who, text);
	if (e.id) el.dataset.id = e.id;
	const words = `${e.from}${kind === 'private' ? ', to you alone' : ''}: ${e.file?.name ?? e.text.slice(0, 500)}`;
	return { id: e.id, at, kind, from: e.from, said, calls, words, el };
}

export const rowOfOwn = (text) => rowOf({ type: 'notice', id: 0, text }, false, '');

// Shows a file: its name, how to get it, and a picture where it is one.
function fileOf({ path, name, size, sha256, type }) {
	const get = make('a', '', make('bdi', '', name || 'file'));
	const hash = make('span', 'hash', sha256.slice(0, 8));
	hash.title = `SHA-256 ${sha256}`;
	const card = make('span', 'file', make('span', '', get, ' ', make('span', 'dim', `${sizeOf(size)} · `, hash)));
	if (/^image\/(png|jpeg|gif|webp|avif)$/.test(type)) {
		const picture = make('img', '');
		picture.alt = name;
		picture.loading = 'lazy';
		picture.src = path;
		const look = make('a', '', picture);
		picture.onerror = () => look.replaceWith(make('span', 'dim', 'The host no longer has the picture.'));
		card.append(look);
	}
	for (const a of card.querySelectorAll('a')) {
		a.href = path;
		a.download = name;
	}
	return card;
}
