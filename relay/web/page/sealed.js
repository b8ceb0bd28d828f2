// @ts-check
// What only a sealed room needs: entering it with a secret and a key, and what its sheet says. Loaded when it is needed.

import { $, make } from './dom.js';
import { clean } from './membership.js';
import { copyText } from './code.js';

const keyType = 'ecdsa-sha2-nistp256';
const keyTime = 3000; // ms that the browser may take to get the key; Safari's storage has been known not to answer

/** The key of this browser, once the host has said that only certain keys are members; '': it has none. */
let missingKey = /** @type {string | null} */ (null);

/**
 * Exchanges a secret and the browser's key for a cookie. Returns why that failed; '': it worked, or the room is plain.
 * @param {string} secret it, or a whole invite; '': the key alone
 */
export async function enter(secret) {
	try {
		const question = await fetch('/enter');
		if (question.status === 404) return '';
		if (!question.ok) return wordsOf(question);
		const proof = await sign(await question.json());
		const headers = { 'Content-Type': 'application/json' };
		const answer = await fetch('/enter', { method: 'POST', headers, body: JSON.stringify({ secret, ...proof }) });
		if (!answer.ok) {
			const words = await wordsOf(answer);
			if (answer.status === 403 && !words.includes('banned')) missingKey = proof.key ?? '';
			return words;
		}
		const { access } = await (await fetch('/room')).json();
		return access ? '' : 'Your browser kept no cookie, and this room needs one. Allow cookies for this page, then open the invite again.';
	} catch {
		return 'The host does not answer.';
	}
}

/** @param {Response} answer */
const wordsOf = async (answer) => capitalized(clean(await answer.text()).trim());

/** @param {string} text */
const capitalized = (text) => text && text[0].toUpperCase() + text.slice(1);

/**
 * Asks the person for the secret until the host accepts one. It may let the key in without. why is the reason to show;
 * '': none, unless the person was a member before.
 * @type {(why: string, title: string, wasHere: boolean) => Promise<void>}
 */
export async function ask(why, title, wasHere) {
	const refused = await enter('');
	if (!refused) return;
	if (wasHere) why ||= missingKey === null ? 'The secret has changed, or you entered more than 30 days ago. Ask for the current invite.' : refused;
	const field = make('input', '');
	Object.assign(field, { id: 'secret', type: 'password', required: missingKey === null, autocomplete: 'current-password', maxLength: 1000 });
	field.setAttribute('aria-describedby', 'why');
	const label = make('label', '', missingKey === null ? 'Secret, or the whole invite' : 'Listen-only secret, if you have one');
	label.htmlFor = field.id;
	const fault = make('p', 'over', capitalized(why));
	fault.id = 'why';
	fault.role = 'alert';
	const button = make('button', 'main', 'Enter');
	const form = make('form', '', make('h1', '', title), ...(missingKey === null ? [make('p', '', 'This room is sealed. Whoever invited you has its secret.')] : describeKey(missingKey)), label, field, fault, button);
	$('join').hidden = $('room').hidden = true;
	$('arrival').hidden = false;
	$('arrival').append(form);
	field.focus();
	await new Promise((resolve) => {
		form.onsubmit = async (e) => {
			e.preventDefault();
			button.disabled = true;
			fault.textContent = await enter(field.value);
			button.disabled = false;
			if (fault.textContent) field.select();
			else resolve(true);
		};
	});
	form.remove();
	$('join').hidden = false;
}

/**
 * Says which key the host has to add before we get in without a secret.
 * @param {string} key
 */
function describeKey(key) {
	const words = make('p', '', 'This room is sealed, and only certain keys are members.');
	if (!key) return [words, make('p', '', 'This browser keeps no key. A private window may be the reason.')];
	const shown = make('p', 'pin', key);
	shown.id = 'key';
	const copy = make('button', '', 'Copy');
	copy.type = 'button';
	copy.onclick = async () => (copy.textContent = await copyText(key, shown) ? 'Copied' : 'Press Ctrl-C to copy');
	return [words, make('p', '', 'Send the key of this browser to the host, for its --members file. Then press Enter.'), shown, copy];
}

// --- the key of this browser ------------------------------------------------------------

// A nick belongs to the key that took it. The browser keeps the private key where no script can read it, one for each
// address: a host without a history has another room after a restart, where the nick must belong to the same key.
// Without WebCrypto (plain HTTP) or IndexedDB (some private windows) there is none, and the nick belongs to no one.

/** @param {{ room: string, challenge: string }} question */
async function sign({ room, challenge }) {
	try {
		const { privateKey, publicKey } = await Promise.race([ownKey(), late()]);
		const data = new TextEncoder().encode(`chat-v1\0${room}\0${challenge}`);
		const both = new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, data));
		const point = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey));
		const signature = strings(keyType, strings(integer(both.slice(0, 32)), integer(both.slice(32))));
		return { challenge, key: `${keyType} ${base64(strings(keyType, 'nistp256', point))}`, signature: base64(signature) };
	} catch {
		return {};
	}
}

/**
 * Encodes strings as SSH does (RFC 4251, section 5); none has more than 255 bytes.
 * @param {...(string | Uint8Array)} parts
 */
const strings = (...parts) => Uint8Array.from(parts.flatMap((part) => {
	const bytes = typeof part === 'string' ? new TextEncoder().encode(part) : part;
	return [0, 0, 0, bytes.length, ...bytes];
}));

/**
 * Encodes a positive number as SSH does: without zeros in front, unless the first bit would be that of a negative one.
 * @param {Uint8Array} bytes
 */
function integer(bytes) {
	const digits = [...bytes.slice(Math.max(bytes.findIndex(Boolean), 0))];
	return Uint8Array.from(digits[0] > 127 ? [0, ...digits] : digits);
}

/** @param {Uint8Array} bytes */
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const result = (request) => new Promise((resolve, reject) => {
	request.onsuccess = () => resolve(request.result);
	request.onerror = () => reject(request.error);
});

/** @returns {Promise<never>} */
const late = () => new Promise((_, reject) => setTimeout(reject, keyTime));

/** @returns {Promise<CryptoKeyPair>} */
async function ownKey() {
	const opening = indexedDB.open('chat', 1);
	opening.onupgradeneeded = () => opening.result.createObjectStore('keys');
	const db = await result(opening);
	const read = () => result(db.transaction('keys').objectStore('keys').get('own'));
	try {
		const kept = await read();
		if (kept) return kept;
		const made = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
		await result(db.transaction('keys', 'readwrite').objectStore('keys').add(made, 'own')).catch(() => {}); // another tab was faster
		return await read();
	} finally {
		db.close();
	}
}

// --- the sheet --------------------------------------------------------------------------

const plainWords = [
	'Everyone on this network can join this room, and read along.',
	'chat host --secure opens a sealed room: encrypted, and only for those with its invite.',
];

const sealedWords = [
	'Connections to this room are encrypted, and only those with its invite get in. No one who listens on the network can read along.',
	'Did your browser warn you about the certificate? Then it cannot tell the host from someone in between, who could have sent you a false page. To check, '
		+ 'open the certificate in your browser, by the sign beside the address: Chrome and Edge show the SHA-256 of its public key, other browsers do not. From this host, it begins with',
];
const pinWords = 'That is the pin on the host’s screen, in other digits:';
const certWords = 'Compare it there: a false page can show anything here. With chat join, or a certificate that your browser trusts (chat host --cert), there is nothing to compare.';

/**
 * Describes the seal of the room.
 * @type {(sealed: boolean, pin: string) => HTMLElement[]}
 */
export function describe(sealed, pin) {
	const lines = (sealed ? sealedWords : plainWords).map((text) => make('p', '', text));
	if (sealed) lines.push(make('p', 'pin', groups(hexOf(pin))), make('p', '', pinWords), make('p', 'pin', groups(pin)), make('p', '', certWords));
	return lines;
}

/** @param {string} text */
const groups = (text) => text.replace(/.{4}(?=.)/g, '$& ');

/**
 * Returns the 16 bytes with which the hash begins that a pin begins.
 * @param {string} pin base32
 */
function hexOf(pin) {
	const bits = [...pin].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
	return (bits.slice(0, 128).match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2).toString(16).padStart(2, '0')).join('');
}
