import { createMask } from '../../formats/mask.ts';
import { type ArchiveEntry, printArchive } from '../../formats/text-archive.ts';
import { EXIT } from '../../host/errors.ts';
import type { ReadHost } from '../../host/host.ts';
import { openReadHost } from '../../host/node-host.ts';
import { RecordingHost } from '../../host/recording-host.ts';
import { observe } from '../../probes/index.ts';
import type { CommandRunner } from '../context.ts';
import { checkWritable, writeResult } from '../output.ts';

export const runCapture: CommandRunner = ({ values, out, err }) => {
  if (values.output !== undefined) checkWritable(values.output);
  const host = openReadHost(values.root ?? '/');
  const recording = new RecordingHost(host);
  observe(recording, () => 0);
  const entries = recording.recorded();
  const text = printArchive(values.mask === undefined ? entries : masked(entries, host));
  if (values.output === undefined) out(text);
  else {
    writeResult(values.output, text);
    err(`recorded ${entries.length} files and links in ${values.output}\n`);
  }
  return EXIT.ok;
};

/** Binary files that hold a serial number, or strings of the manufacturer: nothing in them can be replaced safely. */
const BINARY_SECRETS = /\/firmware\/dmi\/tables\/|\/vpd$/;
const CONFIG = /\/[0-9a-f]{4,8}:[0-9a-f:.]+\/config$/;
/** The end of what every user may read of a configuration space: before the capability with the serial number. */
const CONFIG_HEADER = 256;

function masked(entries: readonly ArchiveEntry[], host: ReadHost): ArchiveEntry[] {
  const hostname = host.readText('/proc/sys/kernel/hostname')?.trim() ?? '';
  const mask = createMask(hostname === 'localhost' ? [] : [hostname]);
  return entries.flatMap((named): ArchiveEntry[] => {
    // Interfaces can be named after their MAC address.
    const entry = { ...named, path: mask(named.path) };
    if (entry.kind === 'link') return [{ ...entry, target: mask(entry.target) }];
    if (entry.kind !== 'file') return [entry];
    if (BINARY_SECRETS.test(`/${entry.path}`)) return [];
    if (CONFIG.test(`/${entry.path}`)) return [{ ...entry, bytes: entry.bytes.subarray(0, CONFIG_HEADER) }];
    const text = new TextDecoder().decode(entry.bytes);
    // A file that is not text is kept as it is: replacing bytes in it would only break it.
    if (text.includes('\ufffd')) return [entry];
    return [{ ...entry, bytes: new TextEncoder().encode(mask(text)) }];
  });
}
