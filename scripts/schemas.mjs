// Publishes the JSON Schema of every document, from the same zod schemas that give the code its types, the table of
// docs/profile.md, and docs/settings.md from the table of settings. With --check it only says whether the published files are up to date.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const bundle = `${tmpdir()}/bypass-setup-schemas-${process.pid}.mjs`;
await build({
  entryPoints: [`${ROOT}scripts/documents.ts`],
  outfile: bundle,
  bundle: true,
  format: 'esm',
  platform: 'node',
});
const { schemas, settingsPage, withTable } = await import(bundle);
rmSync(bundle);
mkdirSync(`${ROOT}schemas`, { recursive: true });
for (const [name, schema] of schemas) {
  const text = `${JSON.stringify({ $id: `bypass-setup/${name}@1`, title: `bypass-setup ${name}`, ...schema }, null, 2)}\n`;
  publish(`schemas/${name}.schema.json`, text);
  if (name === 'profile') {
    publish('docs/profile.md', withTable(readFileSync(`${ROOT}docs/profile.md`, 'utf8'), schema));
  }
}
publish('docs/settings.md', settingsPage());

function publish(file, text) {
  if (!process.argv.includes('--check')) writeFileSync(`${ROOT}${file}`, text);
  else if (readFileSync(`${ROOT}${file}`, 'utf8') !== text) {
    process.stderr.write(`${file} is out of date: npm run schemas\n`);
    process.exitCode = 1;
  }
}
