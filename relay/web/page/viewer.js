// @ts-check
// Files in messages: their cards, and the dialog that shows pictures large.

import { $, make, sizeOf } from './dom.js';

// Pictures that browsers show without running anything in them. An SVG can have scripts; it is a file like any other.
const pictureTypes = /^image\/(png|jpeg|gif|webp|avif)$/;

/** @typedef {{path: string, name: string}} Picture */

/** What each button on the page shows. @type {WeakMap<Element, Picture>} */
const shownBy = new WeakMap();
/** The pictures that were on the page when the dialog opened. @type {Picture[]} */
let pictures = [];
let current = 0;

/**
 * Makes the card of a file: the picture, if it is one, its name and size. The title has its hash. A picture is
 * fetched when it comes near the visible part.
 * @param {ChatFile} file
 */
export function cardOf({ path, name, size, sha256, type }) {
	const link = make('a', '', make('bdi', '', name || 'file'));
	link.href = path;
	link.download = name;
	const caption = make('figcaption', '', link, ' ', make('span', 'dim', sizeOf(size)));
	caption.title = `SHA-256 ${sha256}`;
	const card = make('figure', 'file', caption);
	if (!pictureTypes.test(type)) return card;
	const picture = make('img', '');
	picture.alt = '';
	picture.loading = 'lazy';
	picture.src = path;
	const show = make('button', '', picture);
	show.type = 'button';
	show.title = show.ariaLabel = `Show ${name}`;
	show.onclick = () => open(show);
	shownBy.set(show, { path, name });
	picture.onerror = async () => show.replaceWith(make('p', 'dim', await whyNoPicture(path)));
	card.prepend(show);
	return card;
}

/** @param {string} path */
async function whyNoPicture(path) {
	try {
		const { status } = await fetch(path, { method: 'HEAD' });
		return status === 404 || status === 410 ? 'The host no longer has the picture.' : 'The browser cannot show the picture.';
	} catch {
		return 'The picture could not be loaded.';
	}
}

const buttons = () => [...document.querySelectorAll('#rows .file button')];

/** @param {Element} button */
function open(button) {
	const shown = buttons().flatMap((each) => shownBy.get(each) ?? []);
	const wanted = shownBy.get(button);
	pictures = shown;
	current = shown.findIndex((each) => each === wanted);
	go(0);
	$('viewer').showModal();
}

/**
 * Goes to a later or earlier picture.
 * @param {number} step
 */
function go(step) {
	current = Math.min(Math.max(current + step, 0), pictures.length - 1);
	const { path, name } = pictures[current];
	$('large').src = $('save').href = path;
	$('large').alt = $('save').download = name;
	const count = pictures.length > 1 ? ` (${current + 1} of ${pictures.length})` : '';
	$('picture').replaceChildren(make('bdi', '', name), count);
	$('earlier').hidden = $('later').hidden = pictures.length < 2;
	for (const [id, isEnd] of /** @type {const} */ ([['earlier', current === 0], ['later', current === pictures.length - 1]])) $(id).ariaDisabled = String(isEnd); // not disabled: it would lose the focus
}

$('earlier').onclick = () => go(-1);
$('later').onclick = () => go(1);
/** @param {KeyboardEvent} e */
$('viewer').onkeydown = (e) => {
	const step = e.key === 'ArrowLeft' ? -1 : e.key === 'ArrowRight' ? 1 : 0;
	if (!step || e.ctrlKey || e.altKey || e.metaKey) return;
	e.preventDefault();
	go(step);
};
$('viewer').onclick = (e) => e.target === $('viewer') && $('viewer').close(); // outside; closedby is new
$('viewer').onclose = () => {
	const last = pictures[current];
	const button = buttons().find((each) => shownBy.get(each) === last);
	button?.scrollIntoView({ block: 'nearest' });
	if (button instanceof HTMLElement) button.focus();
	$('large').removeAttribute('src');
};
