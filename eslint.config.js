/** Lint: type-aware rules, and the house's import directions (docs/design.md). */
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Rooms of src/ and what each may import, besides itself. */
const rooms = {
  base: [],
  engine: ['base'],
  models: ['engine', 'base'],
  methods: ['models', 'engine', 'base'],
  data: ['engine', 'base'],
  tasks: ['data', 'base'],
  training: ['methods', 'models', 'tasks', 'data', 'engine', 'base'],
  evaluation: ['methods', 'models', 'tasks', 'data', 'engine', 'base'],
  experiment: ['methods', 'models', 'tasks', 'data', 'base'],
  store: ['base'],
  reports: ['store', 'base'],
  workflows: [
    'base',
    'engine',
    'models',
    'methods',
    'data',
    'tasks',
    'training',
    'evaluation',
    'experiment',
    'store',
    'reports',
  ],
  cli: ['base'],
  commands: ['cli', 'workflows', 'experiment', 'store', 'base'],
};

const zones = Object.entries(rooms).map(([room, allowed]) => ({
  target: `./src/${room}`,
  from: './src',
  except: [room, ...allowed].map((name) => `./${name}`),
  message: `src/${room} may import ${allowed.join(', ') || 'nothing of ours'} (see docs/design.md)`,
}));

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'coverage', 'runs'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { project: './tsconfig.test.json' } },
    settings: {
      'import-x/resolver-next': [
        importX.createNodeResolver({ extensions: ['.ts', '.js'], extensionAlias: { '.js': ['.ts', '.js'] } }),
      ],
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // tfjs returns its widest tensor type; what lint calls unnecessary, tsc wants.
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      // A number or a list in a message reads well enough.
      '@typescript-eslint/restrict-template-expressions': 'off',
      'import-x/no-restricted-paths': ['error', { zones }],
      'import-x/no-cycle': 'error',
      'no-console': 'error',
    },
  },
);
