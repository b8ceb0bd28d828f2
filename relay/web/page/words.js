// @ts-check
// Links and mentions in a text, by the rules of relay/screen/words.go. A test holds
// both to the same table.
//
// There is no lookbehind: Safari before 16.4 has none, and would not even load the file.

const spaceless = /[\p{sc=Hani}\p{sc=Hira}\p{sc=Kana}\p{sc=Bopo}\p{sc=Hang}\p{sc=Yiii}\p{sc=Tibt}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Java}\p{sc=Bali}\p{sc=Lana}\p{sc=Tale}\p{sc=Talu}\u30fc\uff70]/u;
const maxNick = 100; // characters, with marks: more than any nick has
const inWord = /[\p{L}\p{M}\p{N}_]/u;
const ascii = /^[\0-\x7f]*$/;
const link = /https?:\/\/[!#-;=?-_a-~\p{L}\p{M}\p{N}]+/giu;
const brackets = ['()', '[]', '{}'];

/**
 * Reports whether a character is part of a word; in scripts without spaces that cannot be known.
 * @param {string} char
 */
export const isWord = (char) => inWord.test(char) && !spaceless.test(char);

/**
 * Reports whether a and b, two neighbouring characters, are in one word. Beside a script without spaces a word may end.
 * @param {string} a
 * @param {string} b
 */
const goesOn = (a, b) => isWord(a) && isWord(b);

/**
 * Reports whether a nick is part of the word beside it, whatever sign the nick has at that end.
 * @param {string} outside
 * @param {string} edge of the nick
 */
const continues = (outside, edge) => isWord(outside) && !spaceless.test(edge);

/**
 * Returns word, and the words that it may end with: beside a script without spaces one may begin.
 * @param {string} word
 */
export function wordsAtEnd(word) {
	const chars = [...word];
	const starts = [...chars.keys()].filter((i) => !i || i > chars.length - maxNick && spaceless.test(chars[i - 1] + chars[i]));
	return starts.map((i) => chars.slice(i).join(''));
}

/** @param {string} text */
const firstOf = (text) => [...text.slice(0, 2)][0] ?? '';
/** @param {string} text */
const lastOf = (text) => [...text.slice(-2)].pop() ?? '';

/**
 * Reports whether text mentions nick as a word: "alice" is neither in "malice" nor in "alice-2".
 * @param {string} text
 * @param {string} nick
 */
export const mentions = (text, nick) => composedMentions(text.normalize(), nick).length > 0;

/**
 * Returns where text mentions nick, each from one index to another; nowhere if its characters are not composed.
 * @param {string} text
 * @param {string} nick
 */
export const mentionsIn = (text, nick) => (text === text.normalize() ? composedMentions(text, nick) : []);

/**
 * @param {string} text
 * @param {string} nick
 */
function composedMentions(text, nick) {
	/** @type {[number, number][]} */
	const found = [];
	if (!nick) return found;
	const name = nick.normalize().replace(/[$()*+.?[\\\]^{|}/]/g, '\\$&');
	for (const { 0: match, index = 0 } of text.matchAll(new RegExp(name, 'giu'))) {
		const end = index + match.length;
		const rest = text.slice(end);
		const before = lastOf(text.slice(0, index));
		if (!continues(before, firstOf(match)) && !continues(firstOf(rest), lastOf(match)) && !/^-\d/.test(rest)) found.push([index, end]);
	}
	return found;
}

/**
 * Returns where text has web addresses, each from one index to another.
 * @param {string} text
 */
export function linksIn(text) {
	/** @type {[number, number][]} */
	const found = [];
	link.lastIndex = 0;
	for (let match; (match = link.exec(text));) {
		const { 0: whole, index } = match;
		const start = whole.indexOf('://') + 3;
		const end = endOf(whole);
		const isLink = end > start && !goesOn(lastOf(text.slice(0, index)), 'h');
		if (isLink) found.push([index, index + end]);
		link.lastIndex = index + (isLink ? end : start);
	}
	return found;
}

/**
 * Returns where a web address ends: before the punctuation that ends a sentence, and before closing
 * brackets that it did not open.
 * @param {string} url
 */
function endOf(url) {
	/** @param {string} char */
	const count = (char) => url.split(char).length;
	const open = brackets.map(([opening, closing]) => count(opening) - count(closing));
	let end = url.length;
	for (; end > 0; end--) {
		const i = brackets.findIndex(([, closing]) => closing === url[end - 1]);
		if (i >= 0 && open[i] < 0) open[i]++;
		else if (!".,;:!?'*_".includes(url[end - 1])) break;
	}
	return end;
}

/**
 * Makes text comparable: lower case, without accents. Returns it and what gives the index in text of one of its characters.
 * @param {string} text
 * @returns {[string, (at: number) => number]}
 */
function fold(text) {
	if (ascii.test(text)) return [text.toLowerCase(), (at) => at]; // a hundred times as fast
	let folded = '';
	/** @type {number[]} */
	const from = [];
	let at = 0;
	for (const char of text) {
		const plain = char.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
		folded += plain;
		for (let i = 0; i < plain.length; i++) from.push(at);
		at += char.length;
	}
	from.push(at);
	return [folded, (i) => from[i]];
}

/**
 * Returns where text has the words of a search, each from one index to another, in order: at the beginning of its
 * words, or for short ones the whole word.
 * @param {string} text
 * @param {string} words
 */
export function placesOf(text, words) {
	const [folded, indexOf] = fold(text);
	/** @type {[number, number][]} */
	const places = [];
	for (const word of new Set(fold(words)[0].split(/\s+/).filter(Boolean))) {
		const isShort = new TextEncoder().encode(word).length < 3;
		for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length)) {
			const end = at + word.length;
			const isInWord = goesOn(lastOf(folded.slice(Math.max(at - 2, 0), at)), firstOf(word));
			const isCut = isShort && goesOn(lastOf(word), firstOf(folded.slice(end, end + 2)));
			if (!isInWord && !isCut) places.push([indexOf(at), indexOf(end)]);
		}
	}
	return places.sort(([a], [b]) => a - b);
}
