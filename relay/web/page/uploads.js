// Files on their way to the host, by tus 1.0.0 (https://tus.io/protocols/resumable-upload): in
// slices, so that a large one takes no more memory, and on from where the host has it.

import { $, make, sizeOf } from './rows.js';

const sliceSize = 8 << 20; // bytes
const firstPause = 500; // ms between attempts
const maxPause = 15_000;
const beginAnew = [404, 410, 460]; // the host has it no longer, or not as it is here
const tryAgain = [409, 429, 500, 502, 503, 504];

const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

let tray = []; // of uploads, in order
let busy = false;

/** Puts files into the tray, where they wait to be sent. */
export function stage(files) {
	for (const file of files) {
		const fate = make('span', 'dim', sizeOf(file.size));
		const cancel = make('button', 'close', '✕');
		const upload = { file, fate, el: make('li', '', make('bdi', '', file.name), fate, cancel), begun: false, over: false, place: '' };
		cancel.type = 'button';
		cancel.ariaLabel = `Do not send ${file.name}`;
		cancel.onclick = () => drop(upload);
		if (file.type.startsWith('image/')) {
			const picture = make('img', '');
			picture.alt = '';
			picture.src = upload.preview = URL.createObjectURL(file);
			upload.el.prepend(picture);
		}
		tray.push(upload);
		$('tray').append(upload.el);
	}
}

function drop(upload) {
	upload.over = true;
	upload.request?.abort();
	if (upload.place && !upload.id) ask(upload, 'DELETE', upload.place).catch(() => {}); // else the host forgets it in time
	tray = tray.filter((u) => u !== upload);
	URL.revokeObjectURL(upload.preview);
	upload.el.remove();
}

/** Sends what is staged, one after the other. Calls finished with the id at the host. */
export async function send(finished) {
	for (const u of tray) u.begun = true;
	if (busy) return;
	busy = true;
	for (let u; (u = tray.find(({ begun, over }) => begun && !over));) {
		await run(u);
		if (!u.id) continue;
		drop(u);
		finished(u.id, u.file.name);
	}
	busy = false;
}

/** Tries at once what waits for the network. */
export const hasten = () => tray.forEach((u) => u.hasten?.());

async function run(u) {
	u.hash = hashOf(u.file);
	for (let pause = firstPause; !u.id && !u.over; pause = Math.min(2 * pause, maxPause)) {
		try {
			await bring(u);
		} catch ({ status, message }) {
			if (beginAnew.includes(status)) u.place = '';
			else if (status && !tryAgain.includes(status)) {
				u.over = true;
				u.fate.textContent = `Not sent: ${message}`;
				u.fate.className = 'over';
				break;
			}
			u.fate.textContent = 'waits for the host';
			await new Promise((resolve) => {
				u.hasten = resolve;
				setTimeout(resolve, pause);
			});
		}
	}
}

async function bring(u) {
	const { size, name } = u.file;
	let offset = 0;
	if (u.place) offset = await offsetAfter(u, 'HEAD');
	else {
		const metadata = `filename ${base64(new TextEncoder().encode(name))}`;
		const made = await ask(u, 'POST', '/files/', { 'Upload-Length': size, 'Upload-Metadata': metadata });
		u.place = new URL(made.getResponseHeader('Location'), location.href).pathname;
	}
	do {
		const end = Math.min(offset + sliceSize, size);
		const headers = { 'Upload-Offset': offset, 'Content-Type': 'application/offset+octet-stream' };
		if (end === size) headers['Upload-Checksum'] = `sha256 ${base64(await u.hash)}`;
		offset = await offsetAfter(u, 'PATCH', headers, u.file.slice(offset, end));
	} while (offset < size);
	u.id = u.place.split('/').pop();
}

async function offsetAfter(u, ...request) {
	return Number((await ask(u, request[0], u.place, ...request.slice(1))).getResponseHeader('Upload-Offset'));
}

// Asks the host. Rejects with its status and words, without a status where it does not answer.
function ask(u, method, url, headers = {}, body = null) {
	return new Promise((resolve, reject) => {
		const x = u.request = new XMLHttpRequest(); // fetch tells nothing of progress
		x.open(method, url);
		for (const [name, value] of Object.entries({ 'Tus-Resumable': '1.0.0', ...headers })) x.setRequestHeader(name, value);
		x.upload.onprogress = ({ loaded }) => show(u, headers['Upload-Offset'] + loaded);
		x.onload = () => (x.status < 300 ? resolve(x) : reject({ status: x.status, message: x.responseText.slice(0, 300) }));
		x.onerror = x.onabort = () => reject({});
		x.send(body);
	});
}

function show({ file, fate }, sent) {
	if (file.size) fate.textContent = `${sizeOf(sent)} of ${sizeOf(file.size)}, ${Math.floor(100 * sent / file.size)} %`;
}

// Computes the SHA-256 beside the page, which goes on.
function hashOf(file) {
	return new Promise((resolve, reject) => {
		const worker = new Worker('/page/sha256.js', { type: 'module' });
		worker.onmessage = ({ data }) => {
			worker.terminate();
			if (data) resolve(data);
			else reject({ status: 400, message: 'this browser cannot read the file' });
		};
		worker.postMessage(file);
	});
}
