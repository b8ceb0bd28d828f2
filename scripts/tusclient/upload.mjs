// Uploads a file with tus-js-client (npm, MIT), in each of the ways that it has, and posts it to the
// room. It is a check that the host speaks tus as others understand it.
//
//   npm install --prefix DIR tus-js-client@4.3.1
//   TUS_CLIENT=DIR node upload.mjs http://HOST:PORT
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';

const { Upload } = createRequire(`${process.env.TUS_CLIENT ?? '.'}/node_modules/`)('tus-js-client');
const host = process.argv[2];
assert(host, 'usage: node upload.mjs http://HOST:PORT');

const ways = {
	'in one request': {},
	'in pieces': { chunkSize: 100_000 },
	'with its creation': { uploadDataDuringCreation: true },
	'in pieces, the first with its creation': { uploadDataDuringCreation: true, chunkSize: 100_000 },
	'of a size that is named at the end': { uploadLengthDeferred: true, chunkSize: 100_000 },
	'of a size that is named at the end, with its creation': { uploadLengthDeferred: true, uploadDataDuringCreation: true, chunkSize: 100_000 },
	'in parallel': { parallelUploads: 3 },
	'by POST only': { overridePatchMethod: true, chunkSize: 100_000 },
	'interrupted once': { chunkSize: 100_000, interrupt: true },
};

/** Uploads data, and returns the URL of the upload. */
const upload = (data, { interrupt = false, ...options }) => new Promise((resolve, reject) => {
	let isOver = false;
	const upload = new Upload(options.uploadLengthDeferred ? Readable.from([data]) : data, {
		endpoint: `${host}/files/`,
		metadata: { filename: 'soup.bin', filetype: 'application/octet-stream' },
		retryDelays: [0, 100],
		...options,
		onError: reject,
		onSuccess: () => resolve(upload.url),
		onChunkComplete: (_, sent) => {
			if (!interrupt || isOver || sent < 200_000) return;
			isOver = true;
			upload.abort().then(() => upload.start(), reject);
		},
	});
	upload.start();
});

for (const [way, options] of Object.entries(ways)) {
	const data = randomBytes(350_001);
	const url = await upload(data, options);
	const posted = await fetch(`${host}/messages`, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ nick: 'tus', file: url.split('/').pop() }),
	});
	assert.equal(posted.status, 201, `${way}: ${await posted.clone().text()}`);
	const { file } = await posted.json();
	assert.equal(file.name, 'soup.bin', way);
	const downloaded = Buffer.from(await (await fetch(host + file.path)).arrayBuffer());
	assert(downloaded.equals(data), `${way}: another content`);
	assert.equal(file.sha256, createHash('sha256').update(data).digest('hex'), way);
	console.log(`ok: ${way}`);
}

// An upload can be canceled.
const canceled = new Upload(randomBytes(10), { endpoint: `${host}/files/`, retryDelays: null });
await new Promise((resolve, reject) => {
	canceled.options.onSuccess = resolve;
	canceled.options.onError = reject;
	canceled.start();
});
await Upload.terminate(canceled.url);
assert.equal((await fetch(canceled.url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' } })).status, 404);
console.log('ok: canceled');
