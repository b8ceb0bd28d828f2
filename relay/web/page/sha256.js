// @ts-check
// A worker that computes the SHA-256 of a file.

import { begin, compress, end, padded } from './digest.js';

const pieceSize = 1 << 20; // bytes in memory: whole blocks of 64

/** @param {File} file */
async function hash(file) {
	const state = begin();
	for (let at = 0; at <= file.size; at += pieceSize) {
		/** @type {Uint8Array} */
		let piece = new Uint8Array(await file.slice(at, at + pieceSize).arrayBuffer());
		if (piece.length < pieceSize) piece = padded(piece, file.size);
		for (let i = 0; i < piece.length; i += 64) compress(state, piece, i);
	}
	return end(state);
}

// Answers with null if the file can no longer be read.
onmessage = ({ data }) => hash(data).catch(() => null).then((sum) => postMessage(sum));
