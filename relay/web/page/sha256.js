// The SHA-256 of a file (FIPS 180-4), in a worker of its own. The browser's crypto.subtle
// is not there over plain http, and would want all of the file at once.

const firstPrimes = [];
for (let n = 2; firstPrimes.length < 64; n++) if (firstPrimes.every((p) => n % p)) firstPrimes.push(n);
const fraction = (x) => (x - Math.floor(x)) * 2 ** 32 | 0;
const K = Int32Array.from(firstPrimes, (p) => fraction(Math.cbrt(p)));
const start = firstPrimes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));

/** A hash that takes bytes as they come. */
export class SHA256 {
	#state = Int32Array.from(start);
	#w = new Int32Array(64);
	#block = new Uint8Array(64);
	#length = 0;

	/** @param {Uint8Array} bytes */
	update(bytes) {
		let filled = this.#length % 64;
		this.#length += bytes.length;
		for (let i = 0; i < bytes.length;) {
			if (!filled && bytes.length - i >= 64) {
				this.#compress(bytes, i);
				i += 64;
				continue;
			}
			const n = Math.min(64 - filled, bytes.length - i);
			this.#block.set(bytes.subarray(i, i + n), filled);
			i += n;
			filled = (filled + n) % 64;
			if (!filled) this.#compress(this.#block, 0);
		}
		return this;
	}

	/** Returns the 32 bytes; nothing may come behind it. */
	digest() {
		const length = this.#length;
		const end = new Uint8Array((length % 64 < 56 ? 64 : 128) - length % 64);
		end[0] = 0x80;
		const view = new DataView(end.buffer);
		view.setUint32(end.length - 8, length / 2 ** 29);
		view.setUint32(end.length - 4, length << 3);
		this.update(end);
		const out = new DataView(new ArrayBuffer(32));
		this.#state.forEach((v, i) => out.setInt32(4 * i, v));
		return new Uint8Array(out.buffer);
	}

	#compress(bytes, at) {
		const w = this.#w;
		for (let i = 0; i < 16; i++, at += 4) {
			w[i] = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
		}
		for (let i = 16; i < 64; i++) {
			const x = w[i - 15], y = w[i - 2];
			w[i] = w[i - 16] + w[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) +
				((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10);
		}
		const s = this.#state;
		let a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
		for (let i = 0; i < 64; i++) {
			const t = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + K[i] + w[i] | 0;
			const u = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
			h = g; g = f; f = e; e = d + t | 0;
			d = c; c = b; b = a; a = t + u | 0;
		}
		s[0] += a; s[1] += b; s[2] += c; s[3] += d; s[4] += e; s[5] += f; s[6] += g; s[7] += h;
	}
}

const pieceSize = 1 << 20; // bytes in memory at once

// Only a worker has this: a page that imports the hash is told nothing.
if (typeof WorkerGlobalScope !== 'undefined') {
	onmessage = async ({ data: file }) => {
		const hash = new SHA256();
		try {
			for (let at = 0; at < file.size; at += pieceSize) hash.update(new Uint8Array(await file.slice(at, at + pieceSize).arrayBuffer()));
			postMessage(hash.digest());
		} catch {
			postMessage(null); // it was changed or taken away
		}
	};
}
