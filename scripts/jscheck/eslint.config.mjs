// What eslint looks for in the page's scripts. tsc knows which globals there are.
import js from '@eslint/js';

export default [
	js.configs.recommended,
	{
		linterOptions: { reportUnusedDisableDirectives: 'error' },
		rules: {
			'no-undef': 'off', // tsc's
			'no-control-regex': 'off', // the page takes control characters out of what a host sends
			'no-empty': ['error', { allowEmptyCatch: true }],
			'no-var': 'error',
			'prefer-const': ['error', { destructuring: 'all' }],
			eqeqeq: 'error',
			'no-eval': 'error',
			'no-implied-eval': 'error',
			'no-new-func': 'error',
			'no-script-url': 'error',
			'no-return-assign': 'off',
			'no-self-compare': 'error',
			'no-template-curly-in-string': 'error',
			'no-unmodified-loop-condition': 'error',
			'no-use-before-define': ['error', { functions: false, variables: false }],
			'array-callback-return': 'error',
			'default-case-last': 'error',
		},
	},
];
