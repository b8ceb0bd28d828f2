// The types that the page's scripts share. Only tsc reads this file; the host does not serve it.

/** An event as in relay/PROTOCOL.md, cleaned: every field is there and has its type. */
interface ChatEvent {
	type: string;
	time: string;
	from: string;
	client: string;
	to: string;
	text: string;
	nick: string;
	wanted: string;
	code: string;
	room: string;
	title: string;
	key: string;
	instance: string;
	proof: string;
	topic: string;
	/** In a welcome: 'listen' if we may only read. */
	access: string;
	data: string;
	id: number;
	seq: number;
	count: number;
	missed: number;
	restart: number; // of a bye: ms within which to reconnect
	next: number;
	members: string[];
	hosts: string[];
	/** Those of the keys of members, in their order; empty if none has one. */
	tags: string[];
	/** The addresses of all hosts of the room, if it has several. */
	relays: string[];
	events: ChatEvent[];
	file: ChatFile | null;
	sealed: boolean;
}

/** What membership.js needs of a WebSocket. */
interface RoomSocket {
	readyState: number;
	onopen: (() => void) | null;
	onmessage: ((e: { data: string }) => void) | null;
	onclose: (() => void) | null;
	send(lines: string): void;
	close(): void;
}

interface ChatFile {
	path: string;
	name: string;
	sha256: string;
	type: string;
	size: number;
}

interface ChatRequest {
	type: string;
	text?: string;
	to?: string;
	file?: string;
	name?: string;
	before?: number;
	count?: number;
	[other: string]: unknown;
}

interface ConnectionState {
	is: 'connecting' | 'connected' | 'lost' | 'over';
	code?: string;
	text?: string;
	/** When the next attempt starts, in ms since the epoch; only while lost. */
	retryAt?: number;
}

/** What membership.js reports to the rest of the page. */
interface MembershipListener {
	changed(): void;
	connected(welcome: ChatEvent, resumed: boolean, newRoom: boolean): void;
	received(e: ChatEvent, own: boolean, past: boolean): void;
	/** The host wants its secret. */
	locked(why: string): void;
	/** The host has a new secret. */
	invited(secret: string): void;
}

/** A message that is not acknowledged, or rejected with a reason. */
interface OutgoingMessage {
	seq: number;
	at: number;
	request: ChatRequest;
	reason?: string;
}

/** A row of the transcript. */
interface Row {
	/** The event's ID; 0: it is not in the room's log. */
	id: number;
	at: number;
	kind: string;
	from: string;
	isMessage: boolean;
	mentionsUs: boolean;
	/** What a screen reader and a notification say. */
	summary: string;
	el: HTMLElement;
	/** The line above it that names the day. */
	day?: HTMLElement;
	/** How many events the row shows, if more than one. */
	folded?: number;
}

interface Upload {
	file: File;
	status: HTMLElement;
	el: HTMLElement;
	/** The member pressed Send. */
	started: boolean;
	/** It was cancelled or rejected. */
	over: boolean;
	/** Its URL at the host; '': not created yet. */
	url: string;
	/** Its ID once all of it is uploaded; '': not yet. */
	id: string;
	preview: string;
	bar: HTMLProgressElement;
	hash: Promise<Uint8Array> | null;
	request: XMLHttpRequest | null;
	retryNow: (() => void) | null;
	starts: number; // how often it was created on the host
}

/** The answer to GET /room. */
interface RoomInfo {
	title?: string;
	members?: number;
	ways?: string[];
	/** Only for those who have shown its secret. */
	access?: string;
	sealed?: boolean;
	/** A link with a secret. */
	invite?: string;
	pin?: string;
	files?: boolean;
	max_file?: number;
	program?: { system: string; size: number; sha256?: string };
}

/** A command in the answer to GET /commands. */
interface ChatCommand {
	name: string;
	usage: string;
	help: string;
	/** Only operators may use it. */
	operator: boolean;
}

/** Every element of index.html that has an ID. A test compares the two. */
interface PageElements {
	'announcer': HTMLParagraphElement;
	'arrival': HTMLElement;
	'attach': HTMLButtonElement;
	'beginning': HTMLParagraphElement;
	'below': HTMLButtonElement;
	'composer': HTMLFormElement;
	'connection': HTMLSpanElement;
	'conversation': HTMLElement;
	'copy-invite': HTMLButtonElement;
	'count': HTMLSpanElement;
	'earlier': HTMLButtonElement;
	'empty': HTMLDivElement;
	'files': HTMLInputElement;
	'filter': HTMLInputElement;
	'flash': HTMLParagraphElement;
	'found': HTMLOListElement;
	'here': HTMLParagraphElement;
	'here-now': HTMLSpanElement;
	'hint': HTMLParagraphElement;
	'hits': HTMLSpanElement;
	'icon': HTMLLinkElement;
	'invite': HTMLDialogElement;
	'invite-title': HTMLHeadingElement;
	'join': HTMLFormElement;
	'keys': HTMLSpanElement;
	'large': HTMLImageElement;
	'later': HTMLButtonElement;
	'line': HTMLDivElement;
	'listening': HTMLParagraphElement;
	'log': HTMLDivElement;
	'members': HTMLElement;
	'menu': HTMLDivElement;
	'more': HTMLButtonElement;
	'name': HTMLInputElement;
	'newer': HTMLButtonElement;
	'notify': HTMLButtonElement;
	'older': HTMLButtonElement;
	'outgoing': HTMLDivElement;
	'picture': HTMLParagraphElement;
	'qr': HTMLImageElement;
	'get': HTMLAnchorElement;
	'recipient': HTMLParagraphElement;
	'reconnect': HTMLButtonElement;
	'refusal': HTMLParagraphElement;
	'rename': HTMLButtonElement;
	'room': HTMLDivElement;
	'rows': HTMLDivElement;
	'save': HTMLAnchorElement;
	'search': HTMLElement;
	'seal': HTMLButtonElement;
	'sealing': HTMLDialogElement;
	'sealing-title': HTMLHeadingElement;
	'sealing-words': HTMLDivElement;
	'show-invite': HTMLButtonElement;
	'show-members': HTMLButtonElement;
	'show-menu': HTMLButtonElement;
	'show-search': HTMLButtonElement;
	'show-texts': HTMLElement;
	'stage': HTMLDivElement;
	'state': HTMLDivElement;
	'text': HTMLTextAreaElement;
	'texts': HTMLInputElement;
	'to': HTMLElement;
	'to-everyone': HTMLButtonElement;
	'topic': HTMLParagraphElement;
	'tray': HTMLUListElement;
	'viewer': HTMLDialogElement;
	'ways': HTMLUListElement;
	'who': HTMLUListElement;
	'words': HTMLInputElement;
}
