import { stage } from '../checks/adoption.ts';
import { judgeDrift } from '../checks/drift.ts';
import { CHECKS } from '../checks/index.ts';
import { type HostRecord, KEY_NAMES, readRecord } from '../checks/record.ts';
import { recommendations } from '../formats/settings.ts';
import { EXIT, ToolError } from '../host/errors.ts';
import type { ReadHost } from '../host/host.ts';
import { openReadHost } from '../host/node-host.ts';
import type { Facts } from '../probes/facts.ts';
import type { Baseline, Finding } from '../report/report.ts';
import { VERSION } from './version.ts';

/** Of the host itself, also when that is a directory. */
export const BASELINE = '/var/lib/bypass-setup/baseline.json';

const SCHEMA = 'bypass-setup/baseline@1';
const HINT = 'save one while the host is ready: bypass-setup baseline save';
/** Some hundred times what a large host has. */
const LARGEST = 8 << 20;

/** Where it was looked for, and what was there. */
export interface GivenBaseline {
  readonly from: string;
  readonly document: Baseline | undefined;
}

/** The baseline in `file`; without a name that of the host, which may have none. */
export async function loadBaseline(host: ReadHost, file: string): Promise<GivenBaseline> {
  if (file !== '') {
    // On the machine this program runs on, whatever --root says.
    const document = await parse(
      file,
      openReadHost('/').readBytes((await import('node:path')).resolve(file), LARGEST),
    );
    if (document === undefined) throw refused(file, 'BASELINE_UNREADABLE', 'there is no such file', HINT);
    return { from: file, document };
  }
  return { from: BASELINE, document: await parse(BASELINE, host.readBytes(BASELINE, LARGEST)) };
}

/** The findings as they count beside a baseline: with the drift, and with what is new to it held back. */
export function compare(
  host: ReadHost,
  facts: Facts,
  findings: readonly Finding[],
  { from, document }: GivenBaseline,
): Finding[] {
  const doubt = document === undefined ? 'there is no baseline to compare with' : foreign(host, document);
  if (document === undefined || doubt !== undefined) {
    return [
      ...findings,
      {
        check: 'drift',
        subject: 'host',
        result: 'unknown',
        sentence: doubt ?? '',
        evidence: [
          { path: from, value: document === undefined ? '(not there)' : (document.host ?? '(unnamed)') },
        ],
        why: 'what has changed since the host was accepted was not measured',
        remedy: HINT,
      },
    ];
  }
  const names = CHECKS.map(({ name }) => name);
  return [
    ...stage(
      findings,
      { tool: VERSION, checks: names, keys: KEY_NAMES, recommended: recommendations() },
      document,
    ),
    ...judgeDrift(readRecord(facts), document, from),
  ];
}

function foreign(host: ReadHost, { machineId }: Baseline): string | undefined {
  const own = machineIdOf(host);
  if (machineId === undefined || own === undefined || machineId === own) return undefined;
  return 'the baseline is that of another machine, or of what was installed here before';
}

/** machine-id(5): one for each installation. */
export function machineIdOf(host: ReadHost): string | undefined {
  try {
    return host.readText('/etc/machine-id')?.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** As it is printed and kept. */
export async function sealed(document: Omit<Baseline, 'digest'>): Promise<string> {
  return `${JSON.stringify({ ...document, digest: await digestOf(document) }, null, 2)}\n`;
}

async function digestOf(document: object): Promise<string> {
  const { createHash } = await import('node:crypto');
  return createHash('sha256').update(canonical(document)).digest('hex');
}

/** The same text whoever has written the file anew, in whatever order. */
function canonical(document: object): string {
  return JSON.stringify(document, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** Not by its zod schema, which takes longer to load than a host to judge: what the digest fits, this tool has written. */
async function parse(file: string, bytes: Uint8Array | undefined): Promise<Baseline | undefined> {
  if (bytes === undefined) return undefined;
  const damaged = (what: string) =>
    refused(
      file,
      'BASELINE_DAMAGED',
      what,
      'restore it from a copy; or judge the host anew, and save another one',
    );
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw damaged(bytes.length >= LARGEST ? 'is too large for a baseline' : 'is not JSON, or was cut off');
  }
  const { digest, ...rest } = (document ?? {}) as Partial<Baseline>;
  if (rest.schema !== SCHEMA) {
    const what = typeof rest.schema === 'string' ? `a ${rest.schema}` : 'another document';
    throw refused(file, 'BASELINE_FOREIGN', `is ${what}, not a ${SCHEMA}`, HINT);
  }
  if (digest !== (await digestOf(rest))) throw damaged('was edited or damaged: its digest does not fit');
  if (!isBaseline(rest)) throw damaged('is no baseline, although its digest fits');
  return { ...rest, digest };
}

function isBaseline(rest: Partial<Baseline>): rest is Omit<Baseline, 'digest'> {
  const isText = (value: unknown) => typeof value === 'string';
  const isTable = (value: unknown, fits: (each: unknown) => boolean): value is HostRecord =>
    typeof value === 'object' && value !== null && Object.values(value).every(fits);
  return (
    isText(rest.tool) &&
    isText(rest.takenAt) &&
    Array.isArray(rest.checks) &&
    rest.checks.every(isText) &&
    Array.isArray(rest.keys) &&
    rest.keys.every(isText) &&
    isTable(rest.recommended, isText) &&
    isTable(rest.record, (value) => value === null || isText(value))
  );
}

function refused(file: string, code: string, message: string, hint: string): ToolError {
  return new ToolError(code, message, { subject: file, exitCode: EXIT.usage, hint });
}
