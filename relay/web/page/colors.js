// @ts-check
// Who has which color, by the rules of relay/screen/nickcolors.go: a member gets one with the first message, so
// that no two who are here have the same one while there are enough. All other nicks, such as those in old history,
// have the color that their hash chooses.

const count = 12; // --n0 to --n11 in style.css
const core = 8; // the first ones, which differ most
const maxFormer = 4; // nicks that a member had before and that keep the color
const offScreen = 100; // messages of others after which a member's last one is probably not on the screen

/**
 * Who was given each color: the nick, those before it, and the clock at the last message.
 * @type {{nick: string, former: string[], last: number}[]}
 */
const owners = Array.from({ length: count }, () => ({ nick: '', former: [], last: 0 }));
/** The colors of nicks that were given one. @type {Map<string, number>} */
const given = new Map();
let own = ''; // our nick, which has no color
let clock = 0; // how many messages were noted
/** @type {(nick: string) => boolean} */
let isHere = () => false;

/** @param {(nick: string) => boolean} here reports whether a member has this nick */
export const setHere = (here) => (isHere = here);

/** @param {string} nick */
export const setOwn = (nick) => (own = nick);

/** @param {string} nick */
export const isOwn = (nick) => nick === own;

/** @param {string} nick */
export const hasSpoken = (nick) => isOwn(nick) || given.has(nick);

/** @param {string} nick */
export const colorOf = (nick) => given.get(nick) ?? firstChoice(nick);

/**
 * Returns the color that an FNV-1a hash of a nick chooses, whatever its case.
 * @param {string} nick
 */
function firstChoice(nick) {
	let hash = 0x811c9dc5;
	for (const byte of new TextEncoder().encode(nick.toLowerCase())) hash = Math.imul(hash ^ byte, 0x01000193);
	return (hash >>> 0) % core;
}

/**
 * Notes a message of a member, and gives the member a color. Returns whether a nick has another color now.
 * @param {string} nick
 */
export function spoke(nick) {
	if (isOwn(nick) || !isHere(nick)) return false;
	clock++;
	const held = given.get(nick);
	if (held !== undefined && owners[held].nick === nick) {
		owners[held].last = clock;
		return false;
	}
	const color = choose(nick);
	if (color < 0) return false;
	const changed = owners[color].nick !== '' || colorOf(nick) !== color;
	release(color);
	owners[color] = { nick, former: [], last: clock };
	given.set(nick, color);
	return changed;
}

/**
 * Takes a color away from its owner.
 * @param {number} color
 */
function release(color) {
	const { nick, former } = owners[color];
	owners[color] = { nick: '', former: [], last: 0 };
	for (const name of [nick, ...former]) take(color, name);
}

/**
 * Takes a color away from a nick, if another member does not have the nick now.
 * @type {(color: number, nick: string) => void}
 */
function take(color, nick) {
	if (given.get(nick) === color) given.delete(nick);
}

/** @param {number} color */
const isSilent = (color) => clock - owners[color].last > offScreen;

/**
 * Reports whether no one has a color, or one who left and whose messages are probably not on the screen.
 * @param {number} color
 */
const isFree = (color) => !owners[color].nick || isSilent(color) && !isHere(owners[color].nick);

/**
 * Returns the color for a member who has none; -1: none can be spared.
 * @param {string} nick
 */
function choose(nick) {
	const first = firstChoice(nick);
	if (isFree(first)) return first;
	const colors = [...owners.keys()];
	const free = colors.find(isFree);
	if (free !== undefined) return free;
	const bySilence = colors.sort((a, b) => owners[a].last - owners[b].last);
	const gone = bySilence.find((color) => !isHere(owners[color].nick));
	if (gone !== undefined) return gone;
	return isSilent(bySilence[0]) ? bySilence[0] : -1; // else colors would change with each message
}

/**
 * Notes that a member has another nick. The former one keeps the color, too.
 * @type {(from: string, to: string) => void}
 */
export function renamed(from, to) {
	const color = given.get(from);
	if (color === undefined || owners[color].nick !== from || from === to) return;
	const other = given.get(to);
	if (other !== undefined && owners[other].nick === to) release(other); // of a member who left
	const owner = owners[color];
	owner.former.push(from);
	if (owner.former.length > maxFormer) take(color, owner.former.shift() ?? '');
	owner.nick = to;
	given.set(to, color);
}
