// @ts-check
// Whether a text is a message or a command: the rule of relay/wire/typed.go. A test holds both to
// the same table.

/** Commands that send the text that follows them, which can have several lines. */
const withLines = ['me', 'msg'];

/**
 * Returns what text is: a command has a name, a message has none. unknown is the first word of a text
 * that looks like a command and is none; it must not be sent.
 * @param {string} text
 * @param {(name: string) => boolean} isCommand
 */
export function parse(text, isCommand) {
	const [, slashes = '', word = '', args = ''] = text.match(/^(\/+)([^/\s]\S*)\s*([^]*)$/) ?? [];
	const name = word.toLowerCase();
	const known = isCommand(name);
	const message = { name: '', args: '', message: text, unknown: '' };
	if (!slashes || /\n/.test(text.trimEnd()) && !(known && withLines.includes(name))) return message;
	if (slashes.length > 1) return { ...message, message: text.slice(1) };
	return known ? { ...message, name, args, message: '' } : { ...message, message: '', unknown: `/${word}` };
}
