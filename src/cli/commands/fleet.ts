import { readFileSync, statSync } from 'node:fs';
import { Fleet, isAlike } from '../../checks/fleet.ts';
import { EXIT, errnoText } from '../../host/errors.ts';
import { renderFleetPage } from '../../report/fleet-html.ts';
import { renderFleet } from '../../report/fleet-text.ts';
import type { FleetInput, FleetReport } from '../../report/report.ts';
import { usageError } from '../arguments.ts';
import type { CommandRunner } from '../context.ts';
import { checkWritable, writeResult } from '../output.ts';
import { VERSION } from '../version.ts';

/** Some ten times the full report of a large server. */
const LARGEST = 64 << 20;

export const runFleet: CommandRunner = async ({ argument, others, values, out, style, now }) => {
  if (argument === undefined) {
    throw usageError(
      'fleet',
      'needs the reports to compare',
      'write one on each host: bypass-setup check --json > HOST.json',
    );
  }
  if (values.output !== undefined) checkWritable(values.output);
  const read = await reader();
  const fleet = new Fleet();
  const refused: FleetReport['refused'][number][] = [];
  // One at a time, and none is kept: a thousand full reports would not fit into memory.
  for (const file of [argument, ...others]) {
    const report = read(file);
    const reason = typeof report === 'string' ? report : fleet.add(file, report);
    if (reason !== undefined) refused.push({ file, reason });
  }
  const roles = fleet.compare();
  const document: FleetReport = {
    schema: 'bypass-setup/fleet@1',
    tool: VERSION,
    takenAt: now().toISOString(),
    alike: refused.length === 0 && isAlike(roles),
    roles,
    refused,
  };
  if (values.output?.endsWith('.html')) writeResult(values.output, renderFleetPage(document));
  else {
    const text =
      values.json === undefined ? renderFleet(document, style) : `${JSON.stringify(document, null, 2)}\n`;
    if (values.output === undefined) out(text);
    else writeResult(values.output, text);
  }
  return document.alike ? EXIT.ok : EXIT.differs;
};

/** Gives what `fleet` needs of a report, or why the file is none. */
async function reader(): Promise<(file: string) => FleetInput | string> {
  const { fleetInputSchema } = await import('../../report/report.ts');
  return (file) => {
    const document = readJson(file);
    if (typeof document === 'string') return document;
    const { schema } = document;
    const [, kind, version] = /^bypass-setup\/(check|report)@(\d+)$/.exec(`${schema}`) ?? [];
    if (kind === undefined)
      return `is ${typeof schema === 'string' ? `a ${schema}` : 'another document'}, not a report of check`;
    if (version !== '1') return `is a ${schema}, which a newer version of this tool has written`;
    const parsed = fleetInputSchema.safeParse(kind === 'report' ? document.check : document);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    return `is damaged: ${issue?.path.join('.') || 'its check'}: ${issue?.message}`;
  };
}

function readJson(file: string): string | { schema?: unknown; check?: unknown } {
  let text: string;
  try {
    const status = statSync(file);
    if (!status.isFile()) return 'is no file';
    if (status.size > LARGEST) return `is larger than ${LARGEST >> 20} MiB`;
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return `cannot be read: ${errnoText(error)}`;
  }
  try {
    const document: unknown = JSON.parse(text);
    return typeof document === 'object' && document !== null
      ? document
      : 'is another document, not a report of check';
  } catch {
    return 'is not JSON, or was cut off';
  }
}
