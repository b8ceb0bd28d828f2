// @ts-check
// The way into the room for browsers and networks that let no WebSocket through: events come by an EventSource, lines
// go by POST. It has what membership.js needs of a WebSocket.

const maxBatch = 16 << 10; // characters in one POST, if there are more lines than one; of at most 3 bytes each

/** @returns {RoomSocket} */
export function openStream() {
	const events = new EventSource('/socket');
	/** @type {string[]} */
	const waiting = [];
	let id = '';
	let posting = false;
	let posts = 0; // by their number the host knows those that the browser has repeated
	const ended = new AbortController(); // else a POST without an answer keeps one of the browser's few connections
	/** @type {RoomSocket} */
	const socket = { readyState: WebSocket.CONNECTING, onopen: null, onmessage: null, onclose: null, send, close };

	events.addEventListener('stream', ({ data }) => {
		id = data;
		socket.readyState = WebSocket.OPEN;
		socket.onopen?.();
	});
	events.onmessage = ({ data }) => socket.onmessage?.({ data });
	events.onerror = fail; // an EventSource would open again, for another session

	/** @param {string} line */
	function send(line) {
		waiting.push(line);
		post();
	}

	async function post() {
		if (posting) return;
		posting = true;
		while (waiting.length && socket.readyState === WebSocket.OPEN) {
			let body = waiting.shift() ?? '';
			while (waiting.length && body.length + waiting[0].length < maxBatch) body += `\n${waiting.shift()}`;
			const headers = { Stream: id, Post: `${++posts}` };
			const { ok } = await fetch('/socket', { method: 'POST', headers, body, signal: ended.signal }).catch(() => ({ ok: false }));
			if (!ok && socket.readyState === WebSocket.OPEN) fail();
		}
		posting = false;
	}

	function close() {
		socket.readyState = WebSocket.CLOSED;
		events.close();
		ended.abort();
	}

	function fail() {
		close();
		socket.onclose?.();
	}

	return socket;
}
