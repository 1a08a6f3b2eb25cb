import type { Action } from '../actions/define.ts';
import { changeDifferences } from '../formats/change-differences.ts';
import { available, poolFolder } from '../formats/hugepage-pool.ts';
import { OWN } from '../formats/own-files.ts';
import { formatSize } from '../formats/size.ts';
import { ToolError } from '../host/errors.ts';
import type { Change, Json } from '../plan/change.ts';
import { planChanges } from '../plan/planner.ts';
import type { Facts, PciFunction } from '../probes/facts.ts';
import { nameOf } from '../profile/identity.ts';
import type { Unresolved } from '../profile/problem.ts';
import type { Resolution } from '../profile/resolve.ts';
import type { ResolvedHugepages, ResolvedNic, ResolvedProfile } from '../profile/resolved.ts';
import type { Evidence, Finding } from '../report/report.ts';
import { defineCheck, type Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { judgeFirmware } from './nic-firmware.ts';

const WHY =
  'what was promised and is not so anymore was changed by somebody, an update or a reboot, unnoticed';
/** Of texts, which may be whole scripts. */
const LONGEST = 120;

/** What a profile says and how to ask for it again. */
export interface Promised extends Resolution {
  /** As it was named: `-f` of the remedies. */
  readonly file: string;
}

/** What the planner says of one kind of change. */
interface Planned {
  readonly changes: readonly Change[];
  readonly unmet: readonly string[];
  readonly refused?: ToolError;
}

/**
 * Whether a profile is kept: what `apply` would still change on this host is a promise that is not. It stands beside the
 * checks that look at effects, which judge without a profile, so it is none of CHECKS. Nothing is written: plans are
 * made of facts.
 */
export function judgePromises(facts: Facts, promised: Promised, actions: readonly Action[]): Finding[] {
  return defineCheck('profile', WHY, () => judge(facts, promised, actions)).judge(facts);
}

function judge(facts: Facts, promised: Promised, actions: readonly Action[]): Judgement[] {
  const { problems, file } = promised;
  if (problems.length > 0) {
    return [
      ...problems.map((problem) => unresolved(problem, facts, file)),
      {
        subject: 'host',
        result: 'unknown',
        sentence: 'what else it promises is not judged: a plan needs all that it names',
        evidence: problems.map(({ subject, sentence }) => ({ path: file, value: `${subject}: ${sentence}` })),
        remedy: 'see to that first',
      },
    ];
  }
  const planned = new Map(actions.map((action) => [action.name, plan(action, facts, promised)]));
  const changes = [...planned.values()].flatMap((part) => part.changes);
  const nics = promised.resolved.nics.flatMap((nic) => {
    const found = facts.pci.networkFunctions.value?.find(({ address }) => address === nic.address);
    return [
      judgeNic(nic, facts, planned, file),
      ...(found === undefined ? [] : judgeFirmware(nic, found, facts)),
    ];
  });
  const pages = promised.resolved.hugepages.flatMap((page) => judgePages(page, promised, facts, changes));
  const known = new Set([...nics, ...pages].map(({ sentence }) => sentence));
  const refusals = new Map(
    [...planned.values()].flatMap(({ refused }) =>
      refused === undefined ? [] : [[refused.format(), refused]],
    ),
  );
  const others = [
    ...changes.filter((change) => change.action !== 'driver').map((change) => broken(change, file)),
    ...[...refusals.values()]
      .filter(({ message }) => ![...known].some((sentence) => sentence.includes(message)))
      .map((error) => notPlanned(error, file)),
    ...[...planned.values()]
      .flatMap(({ unmet }) => unmet)
      .filter((sentence) => ![...known].some((said) => said.includes(sentence)))
      .map((sentence) => unmetWish(sentence, file)),
  ];
  return [
    ...nics,
    ...pages,
    ...others,
    ...(others.length > 0
      ? []
      : [
          {
            subject: 'host',
            result: 'pass' as const,
            sentence: 'is as the profile wants it: nothing is left to change',
            evidence: [{ path: file, value: `${actions.length} kinds of change planned, none needed` }],
          },
        ]),
  ];
}

function plan(action: Action, facts: Facts, { resolved }: Promised): Planned {
  try {
    const unmet: string[] = [];
    const { changes } = planChanges(facts, resolved, [action], (sentence) => unmet.push(sentence));
    return { changes, unmet };
  } catch (error) {
    if (error instanceof ToolError) return { changes: [], unmet: [], refused: error };
    throw error;
  }
}

const applied = (file: string) => `bypass-setup apply -f ${file}`;

function unresolved({ subject, sentence, unknown }: Unresolved, facts: Facts, file: string): Judgement {
  return {
    subject,
    result: unknown ? 'unknown' : 'fail',
    sentence,
    evidence: [
      evidence(facts.pci.networkFunctions, undefined, (functions) =>
        functions.map((nic) => nameOf(nic)).join(', '),
      ),
    ],
    remedy: unknown
      ? `run as root; what the host does not tell has to stand in ${file}`
      : `see to that on the host ("bypass-setup probe" shows it), or correct ${file}`,
  };
}

/** Where it is and what drives it, in its own words. */
function judgeNic(
  nic: ResolvedNic,
  facts: Facts,
  planned: ReadonlyMap<string, Planned>,
  file: string,
): Judgement {
  const found = facts.pci.networkFunctions.value?.find(({ address }) => address === nic.address);
  const driver = found?.driver.value;
  const { changes = [], unmet = [], refused } = planned.get('driver') ?? {};
  const waits = unmet.find((sentence) => sentence.startsWith(`${nic.address}: `));
  const change = changes.find(({ target }) => target === nic.address);
  const subject = nic.name;
  const here = found === undefined ? nic.address : nameOf(found);
  const moved = found === undefined ? undefined : boundBefore(found, nic, facts);
  const wanted = nic.driver ?? "the kernel's driver";
  const seen = found === undefined ? [] : [evidence(found.driver, wanted)];
  const kept = refused === undefined || nic.driver === null || driver === nic.driver;
  if (change === undefined && waits === undefined && kept) {
    return { subject, result: 'pass', sentence: `is ${here}, on ${driver ?? 'no driver'}`, evidence: seen };
  }
  const why =
    waits !== undefined
      ? `; ${waits}`
      : change === undefined && refused !== undefined
        ? `; it cannot be bound now: ${refused.message}`
        : '';
  return {
    subject,
    result: 'fail',
    sentence: `is ${here}, on ${driver ?? 'no driver'} and not on ${wanted}${moved === undefined ? '' : `; it was in slot ${moved}`}${why}`,
    evidence: [
      ...seen,
      ...(moved === undefined
        ? []
        : [{ path: facts.pci.networkFunctions.from, value: here, expected: moved }]),
    ],
    remedy: change === undefined ? (refused?.hint ?? applied(file)) : applied(file),
  };
}

/** The slot that the boot script knows it in (src/actions/boot-script.ts): it binds nothing in another. */
function boundBefore(found: PciFunction, { identity }: ResolvedNic, { ownFiles }: Facts): string | undefined {
  const lines = (ownFiles.files[OWN.script]?.value?.text ?? '').split('\n');
  const nics = lines.filter((line) => line.startsWith('nic ')).map((line) => line.split(' '));
  const mine = nics.find(([, , , , , , serial, mac]) =>
    mac !== '-' && identity.mac !== undefined
      ? mac === identity.mac
      : serial !== '-' && serial === identity.serial,
  );
  return mine?.[1] === found.address ? undefined : mine?.[1];
}

function broken(change: Change, file: string): Judgement {
  const { target, effect } = change;
  return {
    subject: target,
    result: 'fail',
    sentence: sentenceOf(change),
    evidence: differences(change),
    remedy: `${applied(file)}${effect === 'reboot' ? ', and reboot' : ''}`,
  };
}

/** The target stands before the sentence already. */
function sentenceOf({ target, summary, before, after }: Change): string {
  const at = summary.indexOf(`${target}: `);
  const said = at < 0 ? summary : summary.slice(at + target.length + 2);
  if (!isFile(after)) return `to do: ${said}`;
  if (after.text === null) return 'is there, and the profile does not ask for it';
  return `${isFile(before) && before.text !== null ? 'is not as it was written' : 'is not there'}: ${said}`;
}

/** As src/actions/file.ts keeps it. */
function isFile(state: Json): state is { readonly text: string | null } {
  return typeof state === 'object' && state !== null && 'text' in state && 'mode' in state;
}

function differences({ action, target, before, after }: Change): Evidence[] {
  const path = target.startsWith('/') ? target : `${action} ${target}`;
  const parts = changeDifferences(before, after);
  if (parts.length === 0) {
    return [{ path, value: cut(JSON.stringify(before)), expected: cut(JSON.stringify(after)) }];
  }
  return parts.flatMap(({ name, from, to }): Evidence[] => {
    if (name === 'text') {
      const [value, expected] = firstDifference(from ?? null, to ?? null);
      return [{ path, value, expected }];
    }
    // Of a file that is not there the text says enough.
    if (name === 'mode' && (from ?? null) === null) return [];
    const shown = (value: unknown) =>
      cut(typeof value === 'number' && name === 'mode' ? value.toString(8) : String(value ?? 'nothing'));
    return [{ path: name === '' ? path : `${path} (${name})`, value: shown(from), expected: shown(to) }];
  });
}

/** Of two texts the first line in which they differ. */
function firstDifference(from: unknown, to: unknown): [value: string, expected: string] {
  const lines = (text: unknown) => (text === null ? [] : String(text).replace(/\n$/, '').split('\n'));
  const was = lines(from);
  const is = lines(to);
  const at = Array.from({ length: Math.max(was.length, is.length) }).findIndex(
    (_, line) => was[line] !== is[line],
  );
  return [from === null ? '(no such file)' : cut(was[at]), to === null ? '(no such file)' : cut(is[at])];
}

function cut(text: string | undefined): string {
  if (text === undefined) return '(no such line)';
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text || '(empty)';
}

/** What the planner can only note: nothing that apply does now brings it. */
function unmetWish(sentence: string, file: string): Judgement {
  return {
    subject: 'host',
    result: 'fail',
    sentence,
    evidence: [{ path: file, value: sentence }],
    remedy: 'as it says: apply alone does not bring it',
  };
}

/** Refused is what apply would have to change and cannot; or what nobody can know. */
function notPlanned({ code, subject = 'host', message, hint }: ToolError, file: string): Judgement {
  const unknown = /UNKNOWN|UNREADABLE/.test(code);
  return {
    subject,
    result: unknown ? 'unknown' : 'fail',
    sentence: unknown
      ? `whether it is as promised cannot be planned: ${message}`
      : `is not as promised, and apply would refuse it: ${message}`,
    evidence: [{ path: file, value: `${code}: ${message}` }],
    remedy: hint ?? (unknown ? 'run as root' : applied(file)),
  };
}

/** [D6] Pages count when they are free, or when it is the application itself that has them. */
function judgePages(
  page: ResolvedHugepages,
  { resolved, file }: Promised,
  facts: Facts,
  changes: readonly Change[],
): Judgement[] {
  const pool = facts.hugepages.pools.value?.find(
    ({ node, size }) => (node ?? 0) === page.node && size === page.size,
  );
  const subject = `${formatSize(page.size)} on node ${page.node}`;
  const folder = poolFolder(pool ?? page);
  // The planner says it in its own words.
  if (changes.some(({ target }) => target.startsWith(`${folder}/`))) return [];
  if (pool === undefined || pool.total === null || pool.free === null) {
    const sentence =
      pool === undefined ? 'this kernel has no such pool' : 'how many of its pages are free cannot be read';
    const seen = [{ path: folder, value: '(nothing)', expected: `${page.count}` }];
    return [
      {
        subject,
        result: pool === undefined ? 'fail' : 'unknown',
        sentence,
        evidence: seen,
        remedy: pool === undefined ? applied(file) : 'run as root',
      },
    ];
  }
  const free = available(pool);
  const seen = [
    { path: `${folder}/nr_hugepages`, value: `${pool.total}`, expected: `${page.count}` },
    { path: `${folder}/free_hugepages`, value: `${free}`, expected: `${page.count}` },
  ];
  const judged = { subject, evidence: seen };
  if (pool.total < page.count) {
    const sentence = `only ${pool.total} of ${page.count} pages are there`;
    return [
      {
        ...judged,
        result: 'fail',
        sentence,
        remedy: `${applied(file)}, and reboot${page.atBoot ? ': the boot line reserves them' : ''}`,
      },
    ];
  }
  const lasting = pool.total - pool.surplus;
  if (lasting < page.count) {
    // mm/hugetlb.c, free_huge_folio: a surplus page goes back to the kernel when its user is done with it.
    const sentence = `only ${lasting} of ${page.count} pages last: ${pool.surplus} are surplus, and gone with who uses them`;
    const also = { path: `${folder}/surplus_hugepages`, value: `${pool.surplus}`, expected: '0' };
    return [{ ...judged, evidence: [...seen, also], result: 'fail', sentence, remedy: applied(file) }];
  }
  if (free >= page.count)
    return [{ ...judged, result: 'pass', sentence: `${free} pages are free, ${page.count} promised` }];
  const { holders } = facts.userspaceIo;
  const groups = groupsOf(resolved, facts);
  const holder = holders.value?.find(({ path }) => groups.includes(path));
  if (holder !== undefined) {
    const sentence = `${free} of ${page.count} pages are free, while ${holder.program}[${holder.pid}] drives a NIC of the profile`;
    return [
      {
        ...judged,
        result: 'pass',
        sentence,
        evidence: [...seen, { path: `/proc/${holder.pid}/fd`, value: holder.path }],
      },
    ];
  }
  if (holders.absent !== undefined || groups.length === 0) {
    const sentence = `only ${free} of ${page.count} pages are free; whether the application has the others cannot be seen`;
    return [
      {
        ...judged,
        result: 'unknown',
        sentence,
        evidence: [...seen, evidence(holders, undefined, () => 'none')],
        remedy: 'run as root',
      },
    ];
  }
  return [
    {
      ...judged,
      result: 'fail',
      sentence: `only ${free} of ${page.count} pages are free, although no process drives a NIC of the profile`,
      remedy: `see who has mapped them: grep -l huge /proc/[0-9]*/maps; stop it`,
    },
  ];
}

/** The vfio nodes of what the profile binds. */
function groupsOf({ nics }: ResolvedProfile, { pci }: Facts): string[] {
  const functions = pci.networkFunctions.value ?? [];
  return functions
    .filter(({ address, physicalFunction }) =>
      nics.some((nic) => nic.address === address || nic.address === physicalFunction.value),
    )
    .flatMap(({ driver, iommuGroup }) =>
      driver.value === 'vfio-pci' ? [`/dev/vfio/${iommuGroup.value}`] : [],
    );
}
