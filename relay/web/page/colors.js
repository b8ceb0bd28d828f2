// @ts-check
// Who has which color, by the rules of relay/screen: a nick gets one when it first speaks, so that no two
// who are here share one while they last.

const count = 12; // --n0 to --n11 in style.css; the first eight differ most

/** Our nick, which has none. */
let own = '';
/** Who has each color. @type {(string | undefined)[]} */
const holders = Array(count).fill(undefined);
/** The colors that are held, the one that was silent longest first. @type {number[]} */
let silent = [];

/**
 * Returns the color of a nick that holds none, always the same: by an FNV-1a hash of it in lower case.
 * @param {string} nick
 */
function hashOf(nick) {
	let hash = 0x811c9dc5;
	for (const byte of new TextEncoder().encode(nick.toLowerCase())) hash = Math.imul(hash ^ byte, 0x01000193);
	return (hash >>> 0) % count;
}

/** @param {string} nick */
export const setOwn = (nick) => (own = nick);

/** @param {string} nick */
export const isOwn = (nick) => nick === own;

/** @param {string} nick */
export const hasSpoken = (nick) => isOwn(nick) || holders.includes(nick);

/** @param {string} nick */
export function colorOf(nick) {
	const held = holders.indexOf(nick);
	return held < 0 ? hashOf(nick) : held;
}

/**
 * Gives nick, who is here and speaks, a color to hold. Returns whether that is another one than before.
 * @type {(nick: string, isHere: (nick: string) => boolean) => boolean}
 */
export function speak(nick, isHere) {
	if (isOwn(nick)) return false;
	const held = holders.indexOf(nick);
	const color = held < 0 ? choose(nick, isHere) : held;
	holders[color] = nick;
	silent = [...silent.filter((other) => other !== color), color];
	return held < 0 && color !== hashOf(nick);
}

/** @type {(nick: string, isHere: (nick: string) => boolean) => number} */
function choose(nick, isHere) {
	/** @param {number} color */
	const isFree = (color) => {
		const holder = holders[color];
		return holder === undefined || !isHere(holder);
	};
	const first = hashOf(nick);
	if (isFree(first)) return first;
	const unused = holders.indexOf(undefined);
	if (unused >= 0) return unused;
	return silent.find(isFree) ?? silent[0];
}

/**
 * Lets a member who changes nick keep the color.
 * @type {(from: string, to: string) => void}
 */
export function rename(from, to) {
	const held = holders.indexOf(from);
	if (held >= 0) holders[held] = to;
}

/** Takes all colors back. */
export function reset() {
	holders.fill(undefined);
	silent = [];
}
