// @ts-check
// SHA-256 (FIPS 180-4) and HMAC (RFC 2104). Pages loaded over plain HTTP have no crypto.subtle.

/** @type {number[]} */
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
/** @param {number} x */
const fraction = (x) => x % 1 * 2 ** 32 | 0;
const K = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));
const w = new Int32Array(64);

/**
 * Adds a block of 64 bytes to the state.
 * @type {(s: Int32Array, bytes: Uint8Array, at: number) => void}
 */
export function compress(s, bytes, at) {
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
 * Returns the last piece, padded: a 1 bit, zeros, and the length of the input in bits.
 * @type {(piece: Uint8Array, size: number) => Uint8Array}
 */
export function padded(piece, size) {
	const end = new Uint8Array(Math.ceil((piece.length + 9) / 64) * 64);
	end.set(piece);
	end[piece.length] = 0x80;
	const view = new DataView(end.buffer, end.length - 8);
	view.setUint32(0, size / 2 ** 29);
	view.setUint32(4, size << 3);
	return end;
}

/** Returns the state before the first block. */
export const begin = () => Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p)));

/**
 * Returns the digest after the last block.
 * @param {Int32Array} state
 */
export function end(state) {
	const view = new DataView(new ArrayBuffer(32));
	state.forEach((v, i) => view.setInt32(4 * i, v));
	return new Uint8Array(view.buffer);
}

/** @param {Uint8Array} bytes */
function sha256(bytes) {
	const state = begin(), all = padded(bytes.subarray(bytes.length - bytes.length % 64), bytes.length);
	for (let i = 0; i + 64 <= bytes.length; i += 64) compress(state, bytes, i);
	for (let i = 0; i < all.length; i += 64) compress(state, all, i);
	return end(state);
}

/**
 * Returns the HMAC-SHA-256 of text, in hexadecimal.
 * @type {(key: string, text: string) => string}
 */
export function hmac(key, text) {
	const encoder = new TextEncoder();
	let k = encoder.encode(key);
	if (k.length > 64) k = sha256(k);
	/** @type {(pad: number, message: Uint8Array) => Uint8Array} */
	const keyed = (pad, message) => sha256(Uint8Array.from([...Array.from({ length: 64 }, (_, i) => (k[i] ?? 0) ^ pad), ...message]));
	return Array.from(keyed(0x5c, keyed(0x36, encoder.encode(text))), (b) => b.toString(16).padStart(2, '0')).join('');
}
