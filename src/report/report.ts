/**
 * What the commands give: the documents that `--json` prints and every renderer sees. As in facts.ts the schemas are
 * published by `npm run schemas`; all other code imports the types alone.
 */
import * as z from 'zod';
import { validateResult } from '../native/messages.ts';
import { changeSchema, coresSchema, list, refusalSchema } from '../plan/document.ts';
import { factsSchema, serviceAccountSchema } from '../probes/facts.ts';

const text = z.string();

const heading = {
  tool: text.describe('version of bypass-setup'),
  takenAt: text.describe('ISO 8601, UTC'),
  root: text.describe('`/`, or what --root named'),
};

export const probeReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/probe@1'),
  ...heading,
  facts: factsSchema,
  times: z.record(text, z.number()).describe('milliseconds of each probe'),
});

const evidence = z.strictObject({
  path: text.describe('where it was read'),
  value: text.describe('what was found there'),
  expected: text.optional().describe('what would have passed'),
});

const finding = z.strictObject({
  check: text,
  subject: text.describe('`host`, a PCI address, a CPU list …'),
  result: z.enum(['pass', 'warn', 'fail', 'unknown', 'skip']),
  sentence: text,
  evidence: z.array(evidence),
  why: text.describe('what it costs in time or risk'),
  remedy: text.optional(),
});

const verdict = z.enum(['ready', 'not-ready', 'cannot-know']);

const measuredCore = validateResult
  .pick({ startedAt: true, durationSeconds: true, polls: true, clock: true, gaps: true, core: true })
  .extend({
    attribution: z
      .strictObject({
        interrupts: z.int().nullable().describe('of devices, timers and other CPUs; null: cannot be read'),
        softirqs: z.int().nullable(),
        threads: z.int().describe('times another thread took the CPU'),
        nmis: z.int().nullable(),
        machineChecks: z.int().nullable().describe('machine checks, thermal and threshold interrupts'),
        stolenTicks: z.int().nullable().describe('ticks in which the hypervisor ran something else'),
        smis: z.int().nullable().describe('system management interrupts; null: cannot be known'),
        unexplainedGaps: z
          .int()
          .nullable()
          .describe('gaps over the limit beyond all of these: firmware, hardware or the hypervisor'),
      })
      .describe('What disturbed the loop, by kind'),
  });

const measurement = z.strictObject({
  gapLimitNs: z.number().describe('longest gap that passes: `validate.max-gap` of the profile, else 20 µs'),
  supervisor: z
    .strictObject({ cpus: text, apart: z.boolean().describe('whether it kept off all measured CPUs') })
    .describe('where this program itself could run while it measured'),
  cores: list(measuredCore).describe('the poll loop alone, on each measured CPU'),
  ports: list(validateResult).describe('packets on the NICs of the profile'),
});
const record = z
  .record(text, text.nullable())
  .describe('what the host is, key by key (docs/baseline.md); null is what could not be read');

export const checkReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/check@1'),
  ...heading,
  host: text.optional().describe('/proc/sys/kernel/hostname'),
  role: text.optional().describe('what the profile calls hosts of this kind'),
  verdict,
  findings: z.array(finding),
  validation: validateResult.optional().describe('with --measure: the run on the veth pair'),
  measurement: measurement.optional().describe('with --measure, where there are CPUs or NICs to measure'),
  record: record.optional(),
});

export const baselineSchema = z.strictObject({
  schema: z.literal('bypass-setup/baseline@1'),
  ...heading,
  host: text.optional(),
  machineId: text.optional().describe('/etc/machine-id'),
  verdict: verdict.describe('that of check when it was saved'),
  checks: list(text).describe(
    'what this version judges; what a later one judges too is new to this baseline',
  ),
  keys: list(text).describe('what this version records; a later one may record more'),
  recommended: z.record(text, text).describe('what `auto` meant, by key of docs/settings.md'),
  record,
  digest: text.describe('sha256 of the document without this field, its keys sorted, without white space'),
});

export const fullReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/report@1'),
  identity: z
    .strictObject({ hostname: text, distribution: text, processor: text, system: text })
    .optional()
    .describe('what the machine calls itself; for the reader, judged by nothing'),
  probe: probeReportSchema,
  account: serviceAccountSchema.optional().describe('with --user or a profile that names a service account'),
  check: checkReportSchema,
});

/** What `fleet` reads of a report: fields that a later version has added are no reason to refuse it. */
export const fleetInputSchema = z.object({
  tool: text,
  takenAt: text,
  host: text.optional(),
  role: text.optional(),
  verdict,
  findings: z.array(z.object({ check: text, result: finding.shape.result, sentence: text })),
  record: record.optional(),
});

export const fleetReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/fleet@1'),
  tool: heading.tool,
  takenAt: heading.takenAt,
  alike: z
    .boolean()
    .describe('whether all hosts of each role are ready and the same, and all files were compared'),
  roles: list(
    z.strictObject({
      role: text.nullable().describe('null: those whose profile names none'),
      hosts: list(
        z.strictObject({
          host: text.describe('its name; with the file where two have the same, the file where it has none'),
          file: text,
          verdict,
          takenAt: text,
          tool: text,
          problems: list(text).describe('what fails or is unknown, as `check: sentence`'),
          differs: z.int().min(0).describe('keys in which it is not like the majority'),
        }),
      ),
      differences: list(
        z.strictObject({
          key: text,
          severity: z.enum(['fail', 'warn', 'info']),
          why: text,
          values: list(
            z.strictObject({
              value: text.nullable().describe('null: the host has no such thing'),
              count: z.int().min(1),
              hosts: list(text).optional().describe('left out for the value that the majority has'),
            }),
          ).describe('the most frequent first'),
          unread: list(text).describe('hosts that could not read it'),
        }),
      ),
    }),
  ),
  refused: list(z.strictObject({ file: text, reason: text })).describe('files that were not compared'),
});

const takenBack = {
  left: list(text).describe('what could not be taken back, one sentence each'),
  rebootNeeded: z.boolean(),
};

const recovered = list(
  z.strictObject({
    run: text,
    outcome: z.enum(['applied', 'undone', 'left']),
    sentence: text,
    ...takenBack,
  }),
).describe('earlier runs that were interrupted or not confirmed, and are ended now');

export const applyReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/apply@1'),
  ...heading,
  outcome: z
    .enum(['nothing', 'pending', 'refused', 'declined', 'applied', 'undone', 'left'])
    .describe('pending: --check found changes; undone, left: it failed and is taken back, or not whole'),
  run: text.optional().describe('the name that undo and confirm take'),
  ...takenBack,
  confirmBy: text.optional().describe('when it is undone unless it is confirmed; ISO 8601, UTC'),
  changes: list(changeSchema),
  notes: list(text),
  refusals: list(refusalSchema),
  error: z
    .strictObject({
      code: text,
      subject: text.optional(),
      message: text,
      hint: text.optional(),
    })
    .optional()
    .describe('why it failed'),
  recovered,
});

export const undoReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/undo@1'),
  ...heading,
  outcome: z.enum(['nothing', 'undone', 'left', 'confirmed']),
  sentence: text,
  run: text.optional(),
  ...takenBack,
  recovered,
});

export const resumeReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/resume@1'),
  ...heading,
  outcome: z
    .enum(['nothing', 'verified', 'not-in-force', 'recovered', 'left'])
    .describe(
      'verified: what needed the reboot is in force; recovered: a run was ended that the reboot interrupted',
    ),
  sentence: text,
  runs: list(
    z.strictObject({ run: text, wrong: list(text).describe('what is not in force, one sentence each') }),
  ),
  ...takenBack,
  recovered,
});

export const runsReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/runs@1'),
  ...heading,
  runs: list(
    z.strictObject({
      run: text,
      at: text.describe('ISO 8601, UTC'),
      command: text,
      by: text.describe('SUDO_USER, else the uid'),
      state: z.enum(['applied', 'waiting', 'undone', 'left', 'unfinished']),
      confirmBy: text.optional(),
      afterReboot: z
        .strictObject({ at: text.describe('ISO 8601, UTC'), wrong: list(text) })
        .optional()
        .describe('what a later boot showed: what of it is not in force, one sentence each'),
      changes: list(
        z.strictObject({
          id: text,
          summary: text,
          standing: z.enum(['planned', 'begun', 'done', 'left', 'reverted']),
        }),
      ),
    }),
  ),
});

export const explainReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/explain@1'),
  tool: text.describe('version of bypass-setup'),
  settings: list(
    z.strictObject({
      key: text,
      summary: text,
      profile: text.describe('how a profile asks for it'),
      where: text,
      why: text,
      cost: text,
      source: text,
      proof: text,
      undo: text,
      value: text.optional().describe('what auto means'),
      danger: text.optional(),
    }),
  ),
  cores: coresSchema.optional().describe('with explain cores: the plan for this host'),
});

export type ApplyReport = z.infer<typeof applyReportSchema>;
export type UndoReport = z.infer<typeof undoReportSchema>;
export type ResumeReport = z.infer<typeof resumeReportSchema>;
export type RunsReport = z.infer<typeof runsReportSchema>;
export type ExplainReport = z.infer<typeof explainReportSchema>;
export type FullReport = z.infer<typeof fullReportSchema>;
export type ProbeReport = z.infer<typeof probeReportSchema>;
export type Baseline = z.infer<typeof baselineSchema>;
export type FleetInput = z.infer<typeof fleetInputSchema>;
export type FleetReport = z.infer<typeof fleetReportSchema>;
export type CheckReport = z.infer<typeof checkReportSchema>;
export type Finding = z.infer<typeof finding>;
export type Evidence = z.infer<typeof evidence>;
export type Verdict = z.infer<typeof verdict>;
export type Measurement = z.infer<typeof measurement>;
export type Attribution = z.infer<typeof measuredCore>['attribution'];
