/** Lint: type-aware rules, and the house's import directions (docs/design.md). */
import tseslint from 'typescript-eslint';

/** Rooms of src/ and what each may import, besides itself. */
const rooms = {
  base: [],
  engine: ['base'],
  hub: ['base'],
  models: ['engine', 'base'],
  methods: ['models', 'engine', 'base'],
  contexts: ['methods', 'models', 'engine', 'base'],
  server: ['contexts', 'methods', 'models', 'engine', 'base'],
  data: ['hub', 'engine', 'base'],
  tasks: ['data', 'base'],
  training: ['methods', 'models', 'tasks', 'data', 'engine', 'base'],
  evaluation: ['methods', 'models', 'tasks', 'data', 'engine', 'base'],
  experiment: ['methods', 'models', 'training', 'tasks', 'data', 'hub', 'base'],
  store: ['base'],
  trackers: ['base'],
  reports: ['store', 'base'],
  workflows: [
    'base',
    'hub',
    'engine',
    'models',
    'methods',
    'contexts',
    'server',
    'data',
    'tasks',
    'training',
    'evaluation',
    'experiment',
    'store',
    'trackers',
    'reports',
  ],
  cli: ['base'],
  commands: ['cli', 'workflows', 'experiment', 'store', 'base'],
};

const directions = Object.entries(rooms).map(([room, allowed]) => {
  const forbidden = Object.keys(rooms).filter((name) => name !== room && !allowed.includes(name));
  const message = `src/${room} may import ${allowed.join(', ') || 'nothing of ours'} (docs/design.md)`;
  // Paths into another room climb out of this one: ../store/store.js, ../../store/store.js.
  const regex = `^(\\.\\./)+(${forbidden.join('|')})/`;
  return {
    files: [`src/${room}/**/*.ts`],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ regex, message }] }] },
  };
});

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'coverage', 'runs'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.test.json' } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // tfjs returns its widest tensor type; what lint calls unnecessary, tsc wants.
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      // A number or a list in a message reads well enough.
      '@typescript-eslint/restrict-template-expressions': 'off',
      'no-console': 'error',
    },
  },
  { files: ['test/examples/**'], rules: { 'no-console': 'off' } },
  ...directions,
);
