import * as z from 'zod';
import { validateResult } from '../src/native/messages.ts';
import { profileSchema } from '../src/profile/schema.ts';
import { checkReportSchema, fullReportSchema, probeReportSchema } from '../src/report/report.ts';

export { withTable } from './profile-table.ts';

/** Every document that `--json` prints, by the name its schema is published under. */
const documents = {
  probe: probeReportSchema,
  check: checkReportSchema,
  report: fullReportSchema,
  validate: validateResult,
};

export const schemas = [
  ...Object.entries(documents).map(
    ([name, schema]) => [name, z.toJSONSchema(schema, { reused: 'ref' })] as const,
  ),
  // A profile is read, not printed: what has a default may be left out.
  ['profile', z.toJSONSchema(profileSchema, { io: 'input' })] as const,
];
