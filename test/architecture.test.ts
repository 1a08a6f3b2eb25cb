import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './support/cli.ts';

interface Rule {
  readonly place: string;
  readonly allowed: readonly { readonly target: string; readonly typesOnly: boolean }[];
}

const RULES = layerTable(readFileSync(`${ROOT}ARCHITECTURE.md`, 'utf8'));
const SOURCES = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `src/${name}`);

describe('the layer table of ARCHITECTURE.md', () => {
  it('has a row for every folder of src', () => {
    const folders = readdirSync(`${ROOT}src`).map((name) => `src/${name}/`);
    expect(RULES.map((rule) => rule.place).filter((place) => place.endsWith('/'))).toEqual(
      expect.arrayContaining(folders),
    );
  });

  it.each(SOURCES)('%s imports only what its row allows', (file) => {
    const rule = RULES.find(({ place }) => (place.endsWith('/') ? file.startsWith(place) : file === place));
    expect(rule, 'a row for it').toBeDefined();
    const forbidden = importsOf(file).filter(
      ({ target, typesOnly }) => !allows(rule, file, target, typesOnly),
    );
    expect(forbidden).toEqual([]);
  });

  it('is held against import lines of every form', () => {
    const text = [
      "import a from 'x';",
      "import type { B } from './b.ts';",
      "import { type C, d } from './c.ts';",
      "export { e } from 'y';",
      "const f = await import('z');",
      "import {\n  type G,\n  h,\n} from 'node:w';",
      "import { type I, type J } from './i.ts';",
      "let k: typeof import('v');",
    ].join('\n');
    expect(parseImports(text)).toEqual([
      { specifier: 'x', typesOnly: false },
      { specifier: './b.ts', typesOnly: true },
      { specifier: './c.ts', typesOnly: false },
      { specifier: 'y', typesOnly: false },
      { specifier: 'node:w', typesOnly: false },
      { specifier: './i.ts', typesOnly: true },
      { specifier: 'z', typesOnly: false },
    ]);
  });
});

describe('lists that a reader must be able to trust', () => {
  it.each([
    [
      'src/probes',
      'src/probes/index.ts',
      [
        'define',
        'facts',
        'index',
        'read',
        'identity',
        'answers',
        'once',
        'isolated',
        // Parts of the network probe.
        'carried',
        'connections',
        'routing',
        'storage',
        // Asked for by name.
        'service-account',
      ],
    ],
    [
      'src/checks',
      'src/checks/index.ts',
      [
        ...['define', 'evidence', 'index', 'isolated', 'measured', 'nic', 'nic-firmware', 'promises'],
        ...['service-account', 'setting'],
        // A host beside itself at another time, and beside others.
        ...['record', 'drift', 'adoption', 'fleet'],
      ],
    ],
    [
      'src/actions',
      'src/actions/index.ts',
      [
        ...['define', 'index', 'nics', 'vf', 'judge', 'binding', 'interface', 'file', 'boot-script'],
        ...['vfio-node', 'hugepage-room', 'kernel-write', 'run', 'sleep', 'refused', 'isolation-script'],
        ...['boot-trial', 'boot-effect', 'loaders'],
      ],
    ],
  ])('every file of %s is in its index', (folder, index, helpers) => {
    const listed = importsOf(index).map(({ target }) => target);
    const files = readdirSync(`${ROOT}${folder}`).map((name) => name.replace('.ts', ''));
    const missing = files.filter(
      (name) => !helpers.includes(name) && !listed.includes(`${folder}/${name}.ts`),
    );
    expect(missing).toEqual([]);
  });
});

function layerTable(text: string): Rule[] {
  const rows = text.split('\n').filter((line) => /^\| `src\//.test(line));
  return rows.map((row) => {
    const [, place = '', , imports = ''] = row.split('|').map((cell) => cell.trim());
    const allowed = [...imports.matchAll(/`([^`]+)`( \(types\))?/g)].map((match) => ({
      target: match[1] ?? '',
      typesOnly: match[2] !== undefined,
    }));
    return { place: place.replaceAll('`', ''), allowed };
  });
}

function allows(rule: Rule | undefined, file: string, target: string, typesOnly: boolean): boolean {
  // Files of one folder belong together, and types cost nothing inside it.
  if (posix.dirname(target).startsWith(file.split('/').slice(0, 2).join('/'))) return true;
  return (rule?.allowed ?? []).some((entry) => {
    const matches = /[/:]$/.test(entry.target) ? target.startsWith(entry.target) : target === entry.target;
    return matches && (typesOnly || !entry.typesOnly);
  });
}

function importsOf(file: string): { target: string; typesOnly: boolean }[] {
  return parseImports(readFileSync(`${ROOT}${file}`, 'utf8')).map(({ specifier, typesOnly }) => ({
    target: specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : specifier,
    typesOnly,
  }));
}

function parseImports(text: string): { specifier: string; typesOnly: boolean }[] {
  const found = [...text.matchAll(/^(?:import|export)\s+(?:([^;'"]*?)\s+from\s+)?'([^']+)'/gm)].map(
    (match) => ({
      specifier: match[2] ?? '',
      typesOnly: onlyTypes(match[1] ?? ''),
    }),
  );
  const dynamic = [...text.matchAll(/(?<!typeof )\bimport\('([^']+)'\)/g)].map((match) => ({
    specifier: match[1] ?? '',
    typesOnly: false,
  }));
  return [...found, ...dynamic];
}

function onlyTypes(clause: string): boolean {
  if (/^type\s/.test(clause)) return true;
  const names = /^\{([^}]*)\}$/s
    .exec(clause)?.[1]
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  return names !== undefined && names.length > 0 && names.every((name) => name.startsWith('type '));
}
