// A broadcaster on the npm package ws, as fast as one gets it by hand: it sends what came in
// one turn of the event loop as one message, to everyone, and parses nothing.
//
// usage: node broadcast.js WS-PACKAGE HOST PORT
'use strict';

const [path, host, port] = process.argv.slice(2);
const { WebSocketServer } = require(path);

const server = new WebSocketServer({ host, port: Number(port), backlog: 4096 });
let batch = [];

function flush() {
	const message = Buffer.concat(batch);
	batch = [];
	for (const client of server.clients) client.send(message, { binary: false });
}

server.on('connection', (client) => {
	client.on('error', () => {});
	client.on('message', (line) => {
		if (batch.push(line) === 1) setImmediate(flush);
	});
	client.send('welcome\n');
});
