import * as z from 'zod';
import { validateResult } from '../src/native/messages.ts';
import { checkReportSchema, fullReportSchema, probeReportSchema } from '../src/report/report.ts';

/** Every document that `--json` prints, by the name its schema is published under. */
const documents = {
  probe: probeReportSchema,
  check: checkReportSchema,
  report: fullReportSchema,
  validate: validateResult,
};

export const schemas = Object.entries(documents).map(
  ([name, schema]) => [name, z.toJSONSchema(schema, { reused: 'ref' })] as const,
);
