// Prints the feature table with the tests that prove each row, and what is still open.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const rows = [...readFileSync(`${ROOT}docs/features.md`, 'utf8').matchAll(/^\| ([A-Z]\d+) \| ([^|]+) \|/gm)];
const titles = new Map();
for (const file of readdirSync(`${ROOT}test`, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.test.ts')) continue;
  // A title may start with several IDs: '[H4] [H5] …'.
  for (const [, title] of readFileSync(`${ROOT}test/${file}`, 'utf8').matchAll(
    /\b(?:it|test|describe)[^'"`]*['"`]((?:\[[A-Z]\d+\] ?)+[^'"`]*)/g,
  )) {
    for (const [, id] of title.matchAll(/\[([A-Z]\d+)\]/g)) {
      titles.set(id, [...(titles.get(id) ?? []), `test/${file}: ${title.replace(/^(\[[A-Z]\d+\] ?)+/, '')}`]);
    }
  }
}
for (const [, id, feature] of rows) {
  const tests = titles.get(id) ?? [];
  console.log(`${tests.length > 0 ? 'done' : 'open'}  ${id.padEnd(4)} ${feature.trim()}`);
  for (const test of tests) console.log(`            ${test}`);
}
const done = rows.filter(([, id]) => titles.has(id)).length;
const unknown = [...titles.keys()].filter((id) => !rows.some((row) => row[1] === id));
console.log(`\n${done} of ${rows.length} rows have a test`);
if (unknown.length > 0) {
  console.log(`tests name rows that do not exist: ${unknown.join(', ')}`);
  process.exitCode = 1;
}
