/** What `plan --out` keeps and `apply --plan` reads again, as a zod schema; published as JSON Schema. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { ResolvedProfile } from '../profile/resolved.ts';
import type { Change, Json, Plan } from './change.ts';

const text = z.string();
/** An array that nobody changes; `.readonly()` would say so in the JSON Schema, where it means something else. */
export function list<S extends z.ZodType>(schema: S): z.ZodType<readonly z.infer<S>[]> {
  return z.array(schema);
}

const json = z.json() as unknown as z.ZodType<Json>;

export const changeSchema: z.ZodType<Change> = z.strictObject({
  id: text.describe('action:target, unique in a plan'),
  action: text,
  target: text.describe('a PCI address, a path, a module'),
  before: json.describe("the action's own; all that its undo needs"),
  after: json,
  scope: z.enum(['runtime', 'persistent']).describe('runtime is gone after a reboot'),
  effect: z.enum(['none', 'link-down', 'reboot']),
  summary: text,
  commands: list(text).describe('what an administrator would type for the same'),
});

export const refusalSchema = z.strictObject({
  target: text.describe('PCI address; typing it with --allow-active overrides'),
  code: text,
  sentence: text,
  hint: text.optional(),
  reasons: list(text).describe('what it carries, one sentence for each use'),
});

/** Also what `explain cores --json` gives. */
export const coresSchema = z.strictObject({
  isolated: text.describe('CPU list'),
  housekeeping: text.describe('CPU list'),
  map: list(
    z.strictObject({
      node: z.int(),
      nics: list(text).describe('NICs of the profile that are there'),
      cores: list(
        z.strictObject({
          cpus: text.describe('its SMT siblings'),
          use: z
            .enum(['isolated', 'housekeeping', 'boot', 'split', 'unused'])
            .describe('split: isolated in part; unused: neither isolated nor for housekeeping'),
          cache: z.int().describe('which last level cache it uses; −1 where none is described'),
        }),
      ),
    }),
  ),
  reasons: list(text).describe('one sentence for each decision'),
});

export const planDocumentSchema = z.strictObject({
  schema: z.literal('bypass-setup/plan@1'),
  tool: text.describe('version of bypass-setup'),
  takenAt: text.describe('ISO 8601, UTC'),
  root: text.describe('`/`, or what --root named'),
  bootId: text.optional().describe('/proc/sys/kernel/random/boot_id'),
  machineId: text.optional().describe('/etc/machine-id'),
  factsDigest: text.describe('sha256 of what the plan rests on: each `before`, each NIC and what it is'),
  profile: z.strictObject({ name: text, text, digest: text.describe('sha256 of the text') }),
  nics: z
    .array(z.strictObject({ name: text, address: text, identity: z.record(text, text) }))
    .describe('the NICs of the profile, where they are and what they are'),
  cores: coresSchema.optional(),
  changes: list(changeSchema),
  notes: list(text),
  refusals: list(refusalSchema).describe(
    'what the guard says; none of the changes is made while there is one',
  ),
});

export type Refusal = z.infer<typeof refusalSchema>;
export type PlanDocument = z.infer<typeof planDocumentSchema>;

export interface PlanSource {
  readonly tool: string;
  readonly takenAt: string;
  readonly root: string;
  readonly bootId: string | undefined;
  readonly machineId: string | undefined;
  readonly profile: { readonly name: string; readonly text: string };
}

export function planDocument(
  source: PlanSource,
  resolved: ResolvedProfile,
  plan: Plan,
  refusals: readonly Refusal[],
): PlanDocument {
  const { bootId, machineId, profile, ...heading } = source;
  const nics = resolved.nics.map(({ name, address, identity }) => ({
    name,
    address,
    identity: { ...identity } as Record<string, string>,
  }));
  const rests = { changes: plan.changes.map(({ id, before }) => [id, before]), nics };
  return {
    schema: 'bypass-setup/plan@1',
    ...heading,
    ...(bootId === undefined ? {} : { bootId }),
    ...(machineId === undefined ? {} : { machineId }),
    factsDigest: sha256(JSON.stringify(rests)),
    profile: { ...profile, digest: sha256(profile.text) },
    nics,
    ...coresOf(resolved),
    ...plan,
    refusals,
  };
}

function coresOf({ cores, corePlan }: ResolvedProfile): Pick<PlanDocument, 'cores'> {
  if (cores === undefined || corePlan === undefined) return {};
  const { isolated, housekeeping } = cores;
  return { cores: { isolated, housekeeping, ...corePlan } };
}

/**
 * Why a kept plan is not the plan of today, one sentence each. Compared are the machine, the NICs and the changes with
 * their `before`: counters, notes and the boot may differ, since nothing that is done rests on them.
 */
export function staleness(kept: PlanDocument, today: PlanDocument): string[] {
  if (kept.machineId !== today.machineId) {
    return [
      `the plan is for the machine ${kept.machineId ?? '(unknown)'}, this is ${today.machineId ?? '(unknown)'}`,
    ];
  }
  if (sha256(kept.profile.text) !== kept.profile.digest) return ['the profile in the plan was edited'];
  return [
    ...differences(kept.nics, today.nics, (nic) => nic.name).map(
      ([name, now, was]) => `NIC ${name}: planned for ${nicText(was)}, now ${nicText(now)}`,
    ),
    ...differences(kept.changes, today.changes, (change) => change.id).map(([id, now, was]) => {
      if (now === undefined) return `${id}: is no longer to be done`;
      if (was === undefined) return `${id}: is to be done too (${now.summary})`;
      return `${id}: planned from ${JSON.stringify(was.before)} to ${JSON.stringify(was.after)}, now it would be from ${JSON.stringify(now.before)} to ${JSON.stringify(now.after)}`;
    }),
    ...(kept.changes.map(({ id }) => id).join('\n') === today.changes.map(({ id }) => id).join('\n')
      ? []
      : ['the order of the changes differs']),
  ];
}

function nicText(nic: PlanDocument['nics'][number] | undefined): string {
  return nic === undefined ? 'nothing' : `${nic.address} ${JSON.stringify(nic.identity)}`;
}

/** What is not the same in both lists: its key, its form now, its form then. */
function differences<T>(
  then: readonly T[],
  now: readonly T[],
  key: (entry: T) => string,
): [string, T | undefined, T | undefined][] {
  const was = new Map(then.map((entry) => [key(entry), entry]));
  const is = new Map(now.map((entry) => [key(entry), entry]));
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((name) => JSON.stringify(was.get(name)) !== JSON.stringify(is.get(name)))
    .map((name) => [name, is.get(name), was.get(name)]);
}

function sha256(value: string): string {
  return createHash('sha256').update(value).digest('hex');
}
