// What comparing many hosts costs: time and memory of `fleet` for 100 and for 1000 reports of a large server.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUDGET_S = 5;
/** Reports are not kept: ten times as many may not take twice the memory. */
const BUDGET_MEMORY = 2;

const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-bench-`);
process.on('exit', () => rmSync(scratch, { recursive: true }));
const command = [`${ROOT}bin/bypass-setup`];
const host = `${ROOT}test/fixtures/hosts/two-socket-smt.tree`;
const { stdout } = spawnSync(process.execPath, [...command, 'check', '--json', '--root', host], {
  encoding: 'utf8',
});
const report = JSON.parse(stdout);
const files = Array.from({ length: 1000 }, (_, n) => {
  const file = `${scratch}/${n}.json`;
  const record = { ...report.record, 'nic/0000:3b:00.0/mac': `02:00:5e:00:${n >> 8}:${n & 255}` };
  if (n % 50 === 0) record['machine/microcode'] = `0x${n}`;
  writeFileSync(file, JSON.stringify({ ...report, host: `host-${n}`, record }, null, 2));
  return file;
});

const PEAK =
  'data:text/javascript,process.on("exit",()=>process.stderr.write(String(process.resourceUsage().maxRSS)))';
function measure(count) {
  const start = process.hrtime.bigint();
  const { stderr, status } = spawnSync(
    process.execPath,
    ['--import', PEAK, ...command, 'fleet', ...files.slice(0, count)],
    { encoding: 'utf8', maxBuffer: 64 << 20 },
  );
  if (status !== 2) throw new Error(`fleet ended with ${status}: ${stderr}`);
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, megabytes: Number(stderr) / 1024 };
}

const few = measure(100);
const many = measure(1000);
console.log(
  `report of a host: ${Math.round(stdout.length / 1024)} KiB, ${Object.keys(report.record).length} keys`,
);
for (const [count, { seconds, megabytes }] of [
  [100, few],
  [1000, many],
]) {
  console.log(
    `${`${count}`.padStart(4)} reports: ${seconds.toFixed(2)} s, ${megabytes.toFixed(0)} MiB at most`,
  );
}
const kept = many.seconds <= BUDGET_S && many.megabytes <= BUDGET_MEMORY * few.megabytes;
console.log(`budget ${BUDGET_S} s and ${BUDGET_MEMORY} × the memory of 100: ${kept ? 'kept' : 'OVER'}`);
