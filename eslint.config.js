import tseslint from 'typescript-eslint';

const limits = {
  complexity: ['error', 10],
  'max-depth': ['error', 3],
  'max-params': ['error', 5],
  'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
  'max-lines-per-function': ['error', { max: 40, skipBlankLines: true, skipComments: true }],
};

/** Biome formats and lints fast; ESLint keeps the three rules that need types, and the size limits. */
export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '**/generated/**'] },
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    // tap itself waits for subtests and reports them.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: ['@tapjs/test', '@tapjs/core', 'tap'].map((name) => ({
            from: 'package',
            package: name,
            name: 'test',
          })),
        },
      ],
    },
  },
  { files: ['src/**/*.ts', 'webhooks/**/*.ts', 'extender/**/*.ts', 'router/**/*.ts'], rules: limits },
);
