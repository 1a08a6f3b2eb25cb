import * as z from 'zod';
import { journalLineSchema } from '../src/engine/journal-lines.ts';
import { validateResult } from '../src/native/messages.ts';
import { planDocumentSchema } from '../src/plan/document.ts';
import { profileSchema } from '../src/profile/schema.ts';
import {
  applyReportSchema,
  baselineSchema,
  checkReportSchema,
  explainReportSchema,
  fleetReportSchema,
  fullReportSchema,
  probeReportSchema,
  resumeReportSchema,
  runsReportSchema,
  undoReportSchema,
} from '../src/report/report.ts';

export { withTable } from './profile-table.ts';
export { settingsPage } from './settings-page.ts';

/** Every document that a command prints or keeps, by the name its schema is published under. */
const documents = {
  probe: probeReportSchema,
  check: checkReportSchema,
  report: fullReportSchema,
  baseline: baselineSchema,
  fleet: fleetReportSchema,
  validate: validateResult,
  plan: planDocumentSchema,
  apply: applyReportSchema,
  resume: resumeReportSchema,
  undo: undoReportSchema,
  runs: runsReportSchema,
  explain: explainReportSchema,
  journal: journalLineSchema,
};

export const schemas = [
  ...Object.entries(documents).map(
    ([name, schema]) => [name, z.toJSONSchema(schema, { reused: 'ref' })] as const,
  ),
  // A profile is read, not printed: what has a default may be left out.
  ['profile', z.toJSONSchema(profileSchema, { io: 'input' })] as const,
];
