import { formatCpuList, parseCpuList, union } from '../formats/cpu-list.ts';
import { parseCpuMask } from '../formats/cpu-mask.ts';
import { parseAssignments } from '../formats/key-value.ts';
import { IRQBALANCE } from '../formats/own-files.ts';
import type { PlanContext } from './define.ts';
import { defineFileAction, HEADER } from './file.ts';

const UNIT = 'irqbalance.service';
const KEY = 'IRQBALANCE_BANNED_CPULIST';
const OURS = new RegExp(`${HEADER.replace(/[.*+?^$()|[\]\\]/g, '\\$&')}${KEY}=.*\\n`, 'g');

/**
 * irqbalance would move the interrupts back. It is told to leave the isolated CPUs alone, and not switched off: the others
 * want balancing. Without a list it bans isolated and nohz_full CPUs by itself (procinterrupts.c, setup_banned_cpus), and
 * that ends with the first list it is given; so the list is always whole.
 */
export const irqbalanceAction = defineFileAction({
  name: 'irqbalance',

  wanted(context, note) {
    const found = fileOf(context);
    if (found === undefined) return [];
    const { path, text, mode } = found;
    const foreign = text.replace(OURS, '');
    const { cores, moveInterrupts, persistent } = context.profile;
    const wanted = cores !== undefined && moveInterrupts === true;
    if (wanted && !persistent && runs(context)) {
      note(
        'irqbalance is running and is not configured, as nothing shall persist: it may move interrupts back',
      );
    }
    if (!wanted || !persistent) {
      return foreign === text || foreign === ''
        ? []
        : [{ path, text: foreign, mode, summary: `${path}: without the CPUs of an earlier profile` }];
    }
    const banned = union(parseCpuList(cores.isolated), bannedIn(foreign));
    const line = `${HEADER}${KEY}="${formatCpuList(banned)}"\n`;
    const start = foreign === '' || foreign.endsWith('\n') ? foreign : `${foreign}\n`;
    return [
      {
        path,
        text: start + line,
        mode,
        summary: `${path}: irqbalance leaves CPUs ${formatCpuList(banned)} alone`,
      },
    ];
  },

  /** One with nothing of others in it was made by us. */
  owned: ({ facts }) =>
    IRQBALANCE.filter((path) => facts.ownFiles.files[path]?.value?.text.replace(OURS, '') === ''),

  refresh: (context) => (runs(context) ? [['systemctl', 'try-restart', UNIT]] : []),
});

function fileOf({ facts }: PlanContext): { path: string; text: string; mode: number } | undefined {
  const { files, folders } = facts.ownFiles;
  const path = IRQBALANCE.find((name) => files[name]?.absent !== 'missing');
  if (path !== undefined) {
    const { text = '', mode = 0o644 } = files[path]?.value ?? {};
    return { path, text, mode };
  }
  const installed = facts.services.units.value?.some(({ name }) => name === UNIT) === true;
  if (!installed) return undefined;
  const [debian, redHat] = IRQBALANCE;
  return { path: folders.includes('/etc/sysconfig') ? redHat : debian, text: '', mode: 0o644 };
}

/** What the operator has banned stays banned. */
function bannedIn(text: string): readonly number[] {
  const values = parseAssignments(text);
  try {
    const list = values.get(KEY);
    if (list !== undefined) return parseCpuList(list);
    return parseCpuMask(values.get('IRQBALANCE_BANNED_CPUS') || '0');
  } catch {
    return [];
  }
}

function runs({ facts }: PlanContext): boolean {
  return facts.services.units.value?.some(({ name, running }) => name === UNIT && running !== false) === true;
}
