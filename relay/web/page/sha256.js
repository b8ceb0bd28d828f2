// @ts-check
// A worker that computes the SHA-256 of a file (FIPS 180-4). Pages loaded over plain HTTP have no
// crypto.subtle, which also needs the whole file in memory.

const pieceSize = 1 << 20; // bytes in memory: whole blocks of 64

/** @type {number[]} */
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
/** @param {number} x */
const fraction = (x) => x % 1 * 2 ** 32 | 0;
const K = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));
const w = new Int32Array(64);

/** @type {(s: Int32Array, bytes: Uint8Array, at: number) => void} */
function compress(s, bytes, at) {
	for (let i = 0; i < 16; i++, at += 4) w[i] = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
	for (let i = 16; i < 64; i++) {
		const x = w[i - 15], y = w[i - 2];
		w[i] = w[i - 16] + w[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) +
			((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10);
	}
	let a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
	for (let i = 0; i < 64; i++) {
		const t = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + K[i] + w[i] | 0;
		const u = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
		h = g; g = f; f = e; e = d + t | 0;
		d = c; c = b; b = a; a = t + u | 0;
	}
	s[0] += a; s[1] += b; s[2] += c; s[3] += d; s[4] += e; s[5] += f; s[6] += g; s[7] += h;
}

/**
 * Returns the last piece, padded: a 1 bit, zeros, and the length of the file in bits.
 * @type {(piece: Uint8Array, size: number) => Uint8Array}
 */
function padded(piece, size) {
	const end = new Uint8Array(Math.ceil((piece.length + 9) / 64) * 64);
	end.set(piece);
	end[piece.length] = 0x80;
	const view = new DataView(end.buffer, end.length - 8);
	view.setUint32(0, size / 2 ** 29);
	view.setUint32(4, size << 3);
	return end;
}

/** @param {File} file */
async function hash(file) {
	const state = Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p)));
	for (let at = 0; at <= file.size; at += pieceSize) {
		/** @type {Uint8Array} */
		let piece = new Uint8Array(await file.slice(at, at + pieceSize).arrayBuffer());
		if (piece.length < pieceSize) piece = padded(piece, file.size);
		for (let i = 0; i < piece.length; i += 64) compress(state, piece, i);
	}
	const view = new DataView(new ArrayBuffer(32));
	state.forEach((v, i) => view.setInt32(4 * i, v));
	return new Uint8Array(view.buffer);
}

// Answers with null if the file can no longer be read.
onmessage = ({ data }) => hash(data).catch(() => null).then((sum) => postMessage(sum));
