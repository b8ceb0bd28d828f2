// @ts-check
// The way into the room for browsers and networks that let no WebSocket through: events come by an EventSource, lines
// go by POST. It has what membership.js needs of a WebSocket.

const maxBatch = 32 << 10; // characters in one POST, if there are more lines than one

/** @returns {RoomSocket} */
export function openStream() {
	const events = new EventSource('/socket');
	/** @type {string[]} */
	const waiting = [];
	let id = '';
	let posting = false;
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
			const { ok } = await fetch('/socket', { method: 'POST', headers: { Stream: id }, body }).catch(() => ({ ok: false }));
			if (!ok) fail();
		}
		posting = false;
	}

	function close() {
		socket.readyState = WebSocket.CLOSED;
		events.close();
	}

	function fail() {
		close();
		socket.onclose?.();
	}

	return socket;
}
