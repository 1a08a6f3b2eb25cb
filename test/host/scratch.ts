import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterAll } from 'vitest';

/** A link is `{ link: target }`, a directory is nested, a file is its text. */
export interface Tree {
  readonly [name: string]: string | Uint8Array | { readonly link: string } | Tree;
}

const made: string[] = [];

// For the test file that imports this one; inside a test it would be too late to say so.
afterAll(() => {
  for (const folder of made) fs.rmSync(folder, { recursive: true, force: true });
});

/** A directory that is removed after the file's tests. Others may enter it, as the unprivileged child must. */
export function scratch(): string {
  const folder = fs.mkdtempSync(join(tmpdir(), 'bypass-setup-test-'));
  fs.chmodSync(folder, 0o755);
  made.push(folder);
  return folder;
}

/** A directory that stands for a host: it has proc/ and sys/, and what the tree says. */
export function hostFolder(tree: Tree = {}): string {
  const root = scratch();
  plant(root, { proc: {}, sys: {} });
  plant(root, tree);
  return root;
}

export function plant(folder: string, tree: Tree): void {
  for (const [name, what] of Object.entries(tree)) {
    const path = join(folder, name);
    if (typeof what === 'string' || what instanceof Uint8Array) fs.writeFileSync(path, what);
    else if (isLink(what)) fs.symlinkSync(what.link, path);
    else {
      fs.mkdirSync(path, { recursive: true });
      plant(path, what);
    }
  }
}

function isLink(what: Tree | { readonly link: string }): what is { readonly link: string } {
  return typeof what.link === 'string';
}

export function fifo(path: string): void {
  execFileSync('mkfifo', [path]);
}

/** Everything below a folder with content and modes, to see that nothing else was touched. Links are not followed. */
export function snapshot(folder: string, below = ''): Record<string, string> {
  const seen: Record<string, string> = {};
  for (const name of fs.readdirSync(join(folder, below))) {
    const here = join(below, name);
    const path = join(folder, here);
    const status = fs.lstatSync(path);
    const mode = (status.mode & 0o7777).toString(8);
    if (status.isSymbolicLink()) seen[here] = `${mode} -> ${fs.readlinkSync(path)}`;
    else if (status.isDirectory()) Object.assign(seen, { [here]: `${mode} /` }, snapshot(folder, here));
    else seen[here] = `${mode} ${JSON.stringify(fs.readFileSync(path, 'utf8'))}`;
  }
  return seen;
}

/** A program for a child of its own, with `openHost` and `openReadHost` in reach: Node 20 runs no TypeScript. */
export function childProgram(body: string): string {
  const folder = scratch();
  buildSync({
    stdin: {
      contents: `import { openHost, openReadHost } from './node-host.ts';\n${body}`,
      resolveDir: fileURLToPath(new URL('../../src/host', import.meta.url)),
      loader: 'ts',
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['execa'],
    outfile: join(folder, 'child.mjs'),
  });
  return join(folder, 'child.mjs');
}
