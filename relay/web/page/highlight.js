// @ts-check
// Splits code into tokens, to color it. It knows comments, strings, numbers and keywords, nothing else of a
// language. It takes linear time: each pattern consumes what it has looked at.

export const maxColored = 16 << 10; // characters of a block; a longer one stays plain

const cLike = String.raw`\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)`;
const hash = String.raw`#[^\n]*`;
const quoted = String.raw`"(?:[^"\\\n]|\\[^])*"?`;
const single = String.raw`'(?:[^'\\\n]|\\[^])*'?`;
const template = '`(?:[^`\\\\]|\\\\[^])*`?';
const number = String.raw`0[xXbBoO][\da-fA-F_]+\w*|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?\w*`;
const word = String.raw`[\p{L}_$][\p{L}\p{M}\p{N}_$]*`;

/**
 * Each language: the names after ``` that mean it, its comments, its strings, its keywords and built-in types; its numbers and
 * words, if they are unusual.
 * @type {[names: string, comment: string, string: string, keywords: string, numbers?: string, words?: string][]}
 */
const languages = [
	['go golang', cLike, `${quoted}|\`[^\`]*\`?|${single}`, 'break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var any bool byte complex128 error float32 float64 int int8 int16 int32 int64 rune string uint uint8 uint16 uint32 uint64 uintptr true false nil iota'],
	['python py', hash, String.raw`"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|${quoted}|${single}`, 'False None True and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return self try while with yield'],
	['javascript js mjs jsx typescript ts tsx', cLike, `${quoted}|${single}|${template}`, 'abstract any as async await boolean break case catch class const continue debugger declare default delete do else enum export extends false finally for from function if implements import in instanceof interface keyof let namespace never new null number of private protected public readonly return static string super switch this throw true try type typeof undefined unknown var void while with yield'],
	['rust rs', cLike, String.raw`r#"[^]*?(?:"#|$)|"(?:[^"\\]|\\[^])*"?|b?'(?:[^'\\\n]|\\[^\n]{1,8}?)'`, 'as async await bool break char const continue crate dyn else enum extern f32 f64 false fn for i8 i16 i32 i64 i128 if impl in isize let loop match mod move mut pub ref return self Self static str struct super trait true type u8 u16 u32 u64 u128 unsafe use usize where while'],
	['c h cpp c++ cc hpp', String.raw`${cLike}|#[ \t]*(?:define|elif|else|endif|error|if|ifdef|ifndef|include|pragma|undef)\b`, `${quoted}|${single}`, 'auto bool break case catch char class const constexpr continue default delete do double else enum extern false float for goto if inline int long namespace new nullptr NULL operator override private protected public register restrict return short signed sizeof static struct switch template this throw true try typedef typename union unsigned using virtual void volatile while'],
	['shell sh bash zsh console', hash, String.raw`"(?:[^"\\]|\\[^])*"?|'[^']*'?|\$\{[^}\n]*\}?|\$(?:\w+|[#?@*!$-])`, 'break case continue declare do done echo elif else esac eval exec exit export fi for function if in local read readonly return select set shift source then trap unset until while'],
	['json jsonc', cLike, quoted, 'true false null'],
	['diff patch udiff', String.raw`@@[^\n]*`, String.raw`\+[^\n]*`, '', String.raw`-[^\n]*`, String.raw`[^\n]+`], // whole lines: added ones look like strings, deleted ones like numbers
	['sql', String.raw`--[^\n]*|\/\*[^]*?(?:\*\/|$)`, `'[^']*'?|${quoted}`, 'add all alter and as asc between by case check column constraint create default delete desc distinct drop else end exists false foreign from full group having if in index inner insert into is join key left like limit not null offset on or order outer primary references returning right select set table then true union unique update using values view when where with'],
];

/**
 * The pattern and the keywords of a language; made when first needed.
 * @type {Map<string, {pattern: RegExp, keywords: Set<string>, ignoreCase: boolean}>}
 */
const made = new Map();

/** @param {string} name */
function languageOf(name) {
	const language = languages.find(([names]) => names.split(' ').includes(name));
	if (!language) return undefined;
	const [names, comment, string, keywords, numbers = number, words = word] = language;
	let known = made.get(names);
	if (!known) {
		const pattern = new RegExp(`(${comment})|(${string})|(${numbers})|(${words})`, 'gu');
		made.set(names, known = { pattern, keywords: new Set(keywords.split(' ')), ignoreCase: names === 'sql' });
	}
	return known;
}

/**
 * Splits code into [class, text] pairs that joined are code again. The classes: c comment, s string, n number,
 * k keyword, f the name of a function that is called or defined; '': anything else. Without a language that is
 * known, or if code is too long, it is one pair.
 * @param {string} code
 * @param {string} language the word after ```
 * @param {number} most how many tokens have a class; the code after them has none
 */
export function tokensOf(code, language, most = code.length) {
	const known = code.length > maxColored ? undefined : languageOf(language.toLowerCase());
	if (!known) return [['', code]];
	const { pattern, keywords, ignoreCase } = known;
	/** @type {[string, string][]} */
	const tokens = [];
	let from = 0;
	pattern.lastIndex = 0;
	for (let match; most > 0 && (match = pattern.exec(code));) {
		const { 0: text, 1: comment, 2: string, 3: number, index } = match;
		const end = index + text.length;
		const name = ignoreCase ? text.toLowerCase() : text;
		const kind = comment ? 'c' : string ? 's' : number ? 'n' : keywords.has(name) ? 'k' : code[end] === '(' ? 'f' : '';
		if (!kind) continue;
		if (index > from) tokens.push(['', code.slice(from, index)]);
		tokens.push([kind, text]);
		most--;
		from = end;
	}
	if (from < code.length) tokens.push(['', code.slice(from)]);
	return tokens;
}
