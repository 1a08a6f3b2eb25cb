import type { Change, Json } from '../plan/change.ts';
import type { PlanDocument } from '../plan/document.ts';
import { cut, paint, plain, plural, type Style, wrap } from './terminal.ts';

/** After the mark. */
const COLUMN = 2;
const COLOR = { '+': 'green', '-': 'red', '~': 'yellow' } as const;
const EFFECT = { none: '', 'link-down': ', its link goes down', reboot: ', works after a reboot' } as const;

type Shown = Pick<PlanDocument, 'changes' | 'notes' | 'refusals'>;

/** What would be changed, from what to what; what the guard refuses stands last, above the sum. */
export function renderPlan(plan: Shown, style: Style): string {
  const lines = plan.changes.flatMap((change) => [...renderChange(change, style), '']);
  for (const note of plan.notes) lines.push(...entry('note', note, style, 'dim'), '');
  for (const { target, sentence } of plan.refusals) {
    lines.push(...entry('REFUSED', `${target}: ${sentence}`, style, 'red'), '');
  }
  return `${[...lines, paint(style, 'bold', sum(plan))].join('\n')}\n`;
}

/** The same as a shell script. It is for reading and for by hand; it takes nothing back. */
export function renderCommands({ changes }: Shown, profile: string): string {
  const head = [
    '#!/bin/sh',
    `# What "bypass-setup apply -f ${plain(profile)}" would do on this host now.`,
    'set -eu',
  ];
  const parts = changes.map((change) => [
    '',
    `# ${plain(`${change.target}: ${change.summary}`)} (${change.scope}${EFFECT[change.effect]})`,
    ...change.commands,
  ]);
  return `${[...head, ...parts.flat()].join('\n')}\n`;
}

function renderChange(change: Change, style: Style): string[] {
  const mark = change.before === null ? '+' : change.after === null ? '-' : '~';
  const indent = ' '.repeat(COLUMN);
  const width = style.width - COLUMN;
  const title = wrap(plain(`${change.target}  ${change.summary}`), width, indent);
  return [
    `${paint(style, COLOR[mark], mark)} ${title}`,
    ...differences(change.before, change.after).map(
      ([name, before, after]) => indent + cut(plain(`  ${name}${before} → ${after}`), width),
    ),
    paint(style, 'dim', `${indent}  ${change.scope}${EFFECT[change.effect]}`),
  ];
}

/** The parts that differ: of two objects the fields, of all else the whole. */
function differences(before: Json, after: Json): [string, string, string][] {
  if (!isObject(before) || !isObject(after)) return [['', show(before), show(after)]];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => [`${key}: `, show(before[key]), show(after[key])]);
}

function show(value: Json | undefined): string {
  if (value === null || value === undefined || value === '') return 'nothing';
  if (typeof value === 'string') {
    const lines = value.replace(/\n$/, '').split('\n');
    return lines.length === 1 ? cut(lines[0] ?? '', 32) : plural(lines.length, 'line');
  }
  return cut(JSON.stringify(value), 32);
}

function isObject(value: Json): value is { readonly [key: string]: Json | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function entry(mark: string, text: string, style: Style, color: 'dim' | 'red'): string[] {
  const indent = ' '.repeat(mark.length + 2);
  return [`${paint(style, color, mark)}  ${wrap(plain(text), style.width - indent.length, indent)}`];
}

function sum({ changes, refusals }: Shown): string {
  if (changes.length === 0) return 'Nothing to do: this host is what the profile asks for.';
  const count = (wanted: (change: Change) => boolean) => changes.filter(wanted).length;
  const parts = [
    [count(({ scope }) => scope === 'runtime'), 'runtime'],
    [count(({ scope }) => scope === 'persistent'), 'persistent'],
    [count(({ effect }) => effect === 'link-down'), 'link down'],
    [count(({ effect }) => effect === 'reboot'), 'after a reboot'],
    [refusals.length, 'refused'],
  ] as const;
  const list = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  return `${plural(changes.length, 'change')}: ${list.join(', ')}`;
}
