// @ts-check
// The invite with which this page was opened: https://HOST/#PIN.SECRET. Before anything else runs, it is taken out of the
// address bar and of the entry in the tab's history. The secret is kept nowhere; the host gives a cookie for it.

const { hash, pathname, search } = location;
if (hash) history.replaceState(null, '', pathname + search);

// A link that was opened in this tab loads nothing if only the fragment differs.
addEventListener('hashchange', () => location.reload());

/** The secret; '': the page was opened without one. */
export const secret = secretOf(hash.slice(1));

/** @param {string} fragment */
function secretOf(fragment) {
	try {
		return decodeURIComponent(fragment).match(/^[a-z2-7]{26}\.(.+)$/i)?.[1] ?? '';
	} catch { // not from an invite
		return '';
	}
}
