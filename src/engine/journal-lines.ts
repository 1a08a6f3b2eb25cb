/**
 * The lines of a journal, /var/lib/bypass-setup/runs/<run>/journal.ndjson. Published as JSON Schema: another version of
 * this program, or an administrator with jq, must be able to undo a run from its journal alone.
 */
import * as z from 'zod';
import { changeSchema, list } from '../plan/document.ts';

const text = z.string();
const who = z.strictObject({
  uid: z.int(),
  sudoUser: text.optional().describe('SUDO_USER'),
  ssh: text.optional().describe('SSH_CONNECTION'),
});

const at = { at: text.describe('ISO 8601, UTC; for people, nothing is decided by it') };
const change = { change: text.describe('its id') };
const by = {
  pid: z.int(),
  bootId: text.optional().describe('/proc/sys/kernel/random/boot_id of the host that is changed'),
  who,
};

export const journalLineSchema = z.discriminatedUnion('line', [
  z.strictObject({
    line: z.literal('run'),
    ...at,
    schema: z.literal('bypass-setup/journal@1'),
    tool: text,
    run: text,
    command: text,
    ...by,
    allowActive: list(text).describe('PCI addresses typed to override the guard'),
    plan: z.strictObject({ changes: list(changeSchema), notes: list(text) }),
  }),
  z.strictObject({
    line: z.literal('confirm-by'),
    ...at,
    deadline: text.describe('ISO 8601, for people'),
    uptime: z.number().describe('the deadline in seconds since boot'),
    bootId: text.describe('the boot in which that counts; with the next one the time is over'),
  }),
  z.strictObject({ line: z.literal('begin'), ...at, ...change }),
  z.strictObject({ line: z.literal('write'), ...at, command: text }),
  z.strictObject({ line: z.literal('done'), ...at, ...change }),
  z.strictObject({ line: z.literal('failed'), ...at, ...change, error: text }),
  z.strictObject({
    line: z.literal('undo'),
    ...at,
    ...by,
    tool: text,
    why: z.enum(['asked', 'failed', 'interrupted', 'not confirmed']),
  }),
  z.strictObject({ line: z.literal('revert'), ...at, ...change }),
  z.strictObject({ line: z.literal('reverted'), ...at, ...change }),
  z.strictObject({ line: z.literal('left'), ...at, ...change, sentence: text }),
  z.strictObject({ line: z.literal('end'), ...at, outcome: z.enum(['applied', 'undone', 'left']) }),
  z.strictObject({ line: z.literal('confirmed'), ...at, who }),
  z.strictObject({
    line: z.literal('resumed'),
    ...at,
    bootId: by.bootId.describe('the boot in which it was looked whether what needs a reboot is in force'),
    wrong: list(text).describe('what is not, one sentence each'),
  }),
]);

export type JournalLine = z.infer<typeof journalLineSchema>;
export type Outcome = Extract<JournalLine, { line: 'end' }>['outcome'];
export type UndoReason = Extract<JournalLine, { line: 'undo' }>['why'];
