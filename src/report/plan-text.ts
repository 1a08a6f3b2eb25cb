import { changeDifferences } from '../formats/change-differences.ts';
import { changeTitle } from '../formats/change-title.ts';
import type { Change, Json } from '../plan/change.ts';
import type { PlanDocument } from '../plan/document.ts';
import { renderCoreMap } from './cores-text.ts';
import { cut, paint, plain, plural, type Style, wrap } from './terminal.ts';

/** After the mark. */
const COLUMN = 2;
const NOTHING = 'nothing';
const COLOR = { '+': 'green', '-': 'red', '~': 'yellow' } as const;
const EFFECT = { none: '', 'link-down': ', its link goes down', reboot: ', works after a reboot' } as const;

type Shown = Pick<PlanDocument, 'changes' | 'notes' | 'refusals'> & Partial<Pick<PlanDocument, 'cores'>>;

/**
 * What would be changed, from what to what; what the guard refuses stands last, above the sum. `verbose` adds what an
 * administrator would type.
 */
export function renderPlan(plan: Shown, style: Style, verbose = false): string {
  const { cores } = plan;
  const lines = [
    ...(cores === undefined ? [] : [...renderCoreMap(cores, cores.map, style), '']),
    ...plan.changes.flatMap((change) => [...renderChange(change, style, verbose), '']),
  ];
  for (const note of plan.notes) lines.push(...entry('note', note, style, 'dim'), '');
  for (const { target, sentence } of plan.refusals) {
    lines.push(...entry('REFUSED', `${target}: ${sentence}`, style, 'red'), '');
  }
  return `${[...lines, paint(style, 'bold', sum(plan))].join('\n')}\n`;
}

/** The same as a shell script, to read or to do by hand; it takes nothing back, and keeps to what the guard says. */
export function renderCommands({ changes, refusals }: Shown, profile: string): string {
  const head = [
    '#!/bin/sh',
    `# What "bypass-setup apply -f ${plain(profile)}" would do on this host now.`,
    'set -eu',
  ];
  const parts = changes.map((change) => [
    '',
    `# ${plain(changeTitle(change))} (${change.scope}${EFFECT[change.effect]})`,
    ...change.commands,
  ]);
  const refused = refusals.map(({ target, sentence }) => `# REFUSED ${plain(`${target}: ${sentence}`)}`);
  const stop = refused.length === 0 ? [] : ['', ...refused, 'exit 4'];
  return `${[...head, ...stop, ...parts.flat()].join('\n')}\n`;
}

function renderChange(change: Change, style: Style, verbose: boolean): string[] {
  const { before, after } = change;
  const parts = differences(before, after);
  const mark = markOf(parts);
  const indent = ' '.repeat(COLUMN);
  const width = style.width - COLUMN;
  return [
    `${paint(style, COLOR[mark], mark)} ${wrap(plain(changeTitle(change)), width, indent)}`,
    ...parts.map(
      ({ name, from, to }) => indent + cut(plain(`  ${name}${from ?? NOTHING} → ${to ?? NOTHING}`), width),
    ),
    paint(style, 'dim', `${indent}  ${change.scope}${EFFECT[change.effect]}`),
    ...(verbose ? change.commands.flatMap((command) => command.split('\n')) : []).map((line) =>
      paint(style, 'dim', plain(`${indent}  $ ${line}`)),
    ),
  ];
}

interface Part {
  readonly name: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Each field that differs; of a file that was not there all that it will be. */
function differences(before: Json, after: Json): Part[] {
  const parts = changeDifferences(before, after).map(({ name, from, to }) => ({
    name: name === '' ? '' : `${name}: `,
    from: show(name, from),
    to: show(name, to),
  }));
  return fileIsNew(before, after) ? [newFile(parts)] : parts;
}

function fileIsNew(before: Json, after: Json): boolean {
  const text = (value: Json) =>
    typeof value === 'object' && value !== null && 'text' in value ? value.text : undefined;
  return text(after) !== undefined && (text(before) ?? null) === null;
}

/** A file that was not there needs one line for all that it will be. */
function newFile(parts: readonly Part[]): Part {
  const texts = parts.map(({ name, to }) => (name === 'text: ' ? to : name.replace(':', '') + to));
  return { name: '', from: undefined, to: texts.join(', ') };
}

function show(name: string, value: null | boolean | number | string | undefined): string | undefined {
  if (value === null || value === undefined || value === '') return undefined;
  if (typeof value === 'number') return name === 'mode' ? `0${value.toString(8)}` : String(value);
  if (typeof value !== 'string') return JSON.stringify(value);
  const lines = value.replace(/\n$/, '').split('\n');
  return lines.length === 1 ? cut(lines[0] ?? '', 32) : plural(lines.length, 'line');
}

function markOf(parts: readonly Part[]): '+' | '-' | '~' {
  if (parts.length === 0) return '~';
  if (parts.every(({ from }) => from === undefined)) return '+';
  return parts.every(({ to }) => to === undefined) ? '-' : '~';
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
