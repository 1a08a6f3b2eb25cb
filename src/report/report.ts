/**
 * What the commands give: the documents that `--json` prints and every renderer sees. As in facts.ts the schemas are
 * published by `npm run schemas`; all other code imports the types alone.
 */
import * as z from 'zod';
import { validateResult } from '../native/messages.ts';
import { factsSchema } from '../probes/facts.ts';

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

export const checkReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/check@1'),
  ...heading,
  verdict,
  findings: z.array(finding),
  validation: validateResult.optional().describe('with --measure: the run of the validator'),
});

export const fullReportSchema = z.strictObject({
  schema: z.literal('bypass-setup/report@1'),
  identity: z
    .strictObject({ hostname: text, distribution: text, processor: text, system: text })
    .optional()
    .describe('what the machine calls itself; for the reader, judged by nothing'),
  probe: probeReportSchema,
  check: checkReportSchema,
});

export type FullReport = z.infer<typeof fullReportSchema>;
export type ProbeReport = z.infer<typeof probeReportSchema>;
export type CheckReport = z.infer<typeof checkReportSchema>;
export type Finding = z.infer<typeof finding>;
export type Evidence = z.infer<typeof evidence>;
export type Verdict = z.infer<typeof verdict>;
