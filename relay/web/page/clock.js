// @ts-check
// Times as the page shows them, by the clock of the host.

/** @type {Intl.DateTimeFormatOptions} */
const day = { weekday: 'long', day: 'numeric', month: 'long' };
/** @type {Intl.DateTimeFormatOptions[]} */
const formats = [day, { ...day, year: 'numeric' }, { timeStyle: 'short' }, { dateStyle: 'full', timeStyle: 'medium' }];
const [dayInYear, dayAndYear, clockOf, fullTimeOf] = formats.map((f) => new Intl.DateTimeFormat('en-GB', f).format);
export { clockOf, fullTimeOf };

/**
 * Names the day of a time: "Saturday, 28 November", with the year if it is not this one.
 * @param {number} at
 */
export const dayOf = (at) => (new Date(at).getFullYear() === new Date(now()).getFullYear() ? dayInYear : dayAndYear)(at).replace(/,? /, ', ');

/**
 * Returns an event's time in ms, or the current time if the host did not send one.
 * @param {{time: string}} e
 */
export const timeOf = (e) => Date.parse(e.time) || now();

// How many milliseconds the host's clock is ahead of ours, which may be wrong: rows of our
// own would be under another date.
let skew = 0;
export const now = () => Date.now() + skew;

/** @param {{ time: string }} welcome */
export function setClock(welcome) {
	skew = Date.parse(welcome.time) - Date.now() || 0;
}
