// @ts-check
// Uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload): in slices, so that a large
// file needs no more memory, and resumed from the bytes that the host has.

import { load, save } from './identity.js';
import * as membership from './membership.js';
import { $, make, sizeOf } from './dom.js';

const sliceSize = 8 << 20; // bytes
const firstPause = 500; // ms between attempts
const maxPause = 15_000;
const startOver = [404, 410, 460]; // the host no longer has the upload, or it differs from the file
const tryAgain = [401, 409, 429, 500, 502, 503, 504];
const maxStarts = 5;

/** @param {Uint8Array} bytes */
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

/** A request that failed; without a status the host did not answer. */
class RequestError extends Error {
	/**
	 * @param {number} status
	 * @param {string} message
	 */
	constructor(status = 0, message = '') {
		super(message);
		this.status = status;
	}
}

/** Uploads in order. @type {Upload[]} */
let tray = [];
let busy = false;
/** Names of files that were not sent when the page was left. @type {string[]} */
const interrupted = load('uploads') ?? [];

// The names of the files in the tray are kept, so that the page can say later which were not sent.
const saveNames = () => save('uploads', [...interrupted, ...unsent().map(({ file }) => file.name)]);
const unsent = () => tray.filter(({ over }) => !over);

export const areUnsent = () => unsent().length > 0;

export function takeInterrupted() {
	const names = interrupted.splice(0);
	saveNames();
	return names;
}

/**
 * Puts files into the tray, to be sent with the next message.
 * @param {Iterable<File>} files
 */
export function stage(files) {
	for (const file of files) {
		const status = make('span', 'dim', sizeOf(file.size));
		const bar = make('progress', '');
		bar.hidden = true; // until it starts
		bar.value = 0;
		bar.ariaLabel = `Upload of ${file.name}`;
		const remove = make('button', 'close', '✕');
		const el = make('li', '', make('bdi', '', file.name), bar, status, remove);
		/** @type {Upload} */
		const upload = { file, status, el, started: false, over: false, url: '', id: '', preview: '', bar, hash: null, request: null, retryNow: null, starts: 0 };
		remove.type = 'button';
		remove.ariaLabel = `Remove ${file.name}`;
		remove.onclick = () => drop(upload);
		if (file.type.startsWith('image/')) {
			const picture = make('img', '');
			picture.alt = '';
			picture.src = upload.preview = URL.createObjectURL(file);
			upload.el.prepend(picture);
		}
		tray.push(upload);
		$('tray').append(upload.el);
	}
	saveNames();
}

/** @param {Upload} u */
function drop(u) {
	u.over = true;
	u.request?.abort();
	if (u.url && !u.id) send(u, 'DELETE', u.url).catch(() => {}); // else the host deletes it later
	tray = tray.filter((other) => other !== u);
	URL.revokeObjectURL(u.preview);
	u.el.remove();
	saveNames();
}

/**
 * Uploads the staged files one by one. Calls finished with each one's ID at the host.
 * @param {(id: string, name: string) => void} finished
 */
export async function sendStaged(finished) {
	for (const u of tray.filter(({ started, over }) => !started && !over)) {
		u.started = true;
		u.bar.hidden = false;
	}
	if (busy) return;
	busy = true;
	for (let u; (u = tray.find(({ started, over }) => started && !over));) {
		await upload(u);
		if (!u.id) continue;
		drop(u);
		finished(u.id, u.file.name);
	}
	busy = false;
}

/** Retries at once what waits for the network. */
export const hasten = () => tray.forEach((u) => u.retryNow?.());

/** @param {Upload} u */
async function upload(u) {
	for (let pause = firstPause; !u.id && !u.over; pause = Math.min(2 * pause, maxPause)) {
		try {
			await sendSlices(u);
		} catch (e) {
			const { status, message } = await failureOf(u, e);
			if (startOver.includes(status) && u.starts < maxStarts) u.url = '';
			else if (status && !tryAgain.includes(status)) {
				u.over = true;
				u.status.textContent = `Not sent: ${message}`;
				u.status.className = 'over';
				u.bar.hidden = true;
				u.el.classList.remove('paused');
				saveNames();
				if (u.url) send(u, 'DELETE', u.url).catch(() => {}); // else the host deletes it later
				u.url = '';
				break;
			}
			u.status.textContent = membership.state.is === 'connected' ? 'Waiting for the host' : 'Paused until the page is connected';
			u.el.classList.add('paused');
			await new Promise((resolve) => {
				u.retryNow = () => resolve(true);
				setTimeout(resolve, pause);
			});
		}
	}
}

/**
 * Returns why an attempt failed. Browsers report a file that has changed or is gone like a lost
 * network; such a file must not wait for the host, and hold up the files after it.
 * @param {Upload} u
 * @param {unknown} e
 */
async function failureOf(u, e) {
	const failure = e instanceof RequestError ? e : new RequestError();
	if (failure.status) return failure;
	try {
		await u.file.slice(0, 1).arrayBuffer();
	} catch {
		return new RequestError(400, 'the file changed or cannot be read');
	}
	return failure;
}

/** @param {Upload} u */
async function sendSlices(u) {
	const { size, name } = u.file;
	const hash = u.hash ??= hashOf(u.file);
	hash.catch(() => (u.hash = null)); // the last slice reports it
	let offset = 0;
	if (u.url) offset = offsetIn(await send(u, 'HEAD', u.url));
	else {
		u.starts++;
		const metadata = `filename ${base64(new TextEncoder().encode(name))}`;
		const created = await send(u, 'POST', '/files/', { 'Upload-Length': String(size), 'Upload-Metadata': metadata });
		u.url = new URL(created.getResponseHeader('Location') ?? '', location.href).pathname;
	}
	do {
		const end = Math.min(offset + sliceSize, size);
		/** @type {Record<string, string>} */
		const headers = { 'Upload-Offset': String(offset), 'Content-Type': 'application/offset+octet-stream' };
		if (end === size) headers['Repr-Digest'] = `sha-256=:${base64(await hash)}:`; // RFC 9530
		offset = offsetIn(await send(u, 'PATCH', u.url, headers, u.file.slice(offset, end)));
	} while (offset < size);
	u.id = u.url.split('/').pop() ?? '';
}

/** @param {XMLHttpRequest} answer */
const offsetIn = (answer) => Number(answer.getResponseHeader('Upload-Offset'));

/**
 * Sends a request for an upload. Rejects with a RequestError.
 * @param {Upload} u
 * @param {string} method
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {Blob | null} body
 * @returns {Promise<XMLHttpRequest>}
 */
function send(u, method, url, headers = {}, body = null) {
	return new Promise((resolve, reject) => {
		if (membership.state.is !== 'connected') return reject(new RequestError()); // another host may be there now
		const x = u.request = new XMLHttpRequest(); // fetch does not report progress
		x.open(method, url);
		for (const [name, value] of Object.entries({ 'Tus-Resumable': '1.0.0', ...headers })) x.setRequestHeader(name, value);
		x.upload.onprogress = ({ loaded }) => showProgress(u, Number(headers['Upload-Offset']) + loaded);
		x.onload = () => (x.status < 300 ? resolve(x) : reject(new RequestError(x.status, x.responseText.slice(0, 300))));
		x.onerror = x.onabort = () => reject(new RequestError());
		x.send(body);
	});
}

/** @type {(u: Upload, sent: number) => void} */
function showProgress({ file: { size }, status, bar, el }, sent) {
	el.classList.remove('paused');
	if (!size) return;
	bar.value = sent / size;
	status.textContent = `${Math.floor(100 * sent / size)} % · ${sizeOf(sent)} of ${sizeOf(size)}`;
}

/**
 * Computes a file's SHA-256 in a worker, so that the page stays responsive.
 * @param {File} file
 * @returns {Promise<Uint8Array>}
 */
function hashOf(file) {
	return new Promise((resolve, reject) => {
		const worker = new Worker(new URL('sha256.js', import.meta.url), { type: 'module' });
		worker.onmessage = ({ data }) => {
			worker.terminate();
			if (data) resolve(data);
			else reject(new RequestError(400, 'the file changed or cannot be read'));
		};
		worker.onerror = () => reject(new RequestError()); // it was not loaded: the host is away
		worker.postMessage(file);
	});
}
