// @ts-check
// Elements of the page, and numbers in them. Text is only ever set as text; no string on this page contains markup.

/** @type {<K extends keyof PageElements>(id: K) => PageElements[K]} */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} className
 * @param {...(Node | string)} children
 */
export function make(tag, className, ...children) {
	const el = document.createElement(tag);
	el.className = className;
	el.append(...children);
	return el;
}

/** @param {number} bytes */
export function sizeOf(bytes) {
	let unit = 0;
	for (; bytes >= 999.5 && unit < 4; unit++) bytes /= 1000;
	return `${bytes < 9.95 && unit ? bytes.toFixed(1) : Math.round(bytes)} ${['B', 'KB', 'MB', 'GB', 'TB'][unit]}`;
}

/** @type {(n: number, one: string, more?: string) => string} */
export const counted = (n, one, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;
