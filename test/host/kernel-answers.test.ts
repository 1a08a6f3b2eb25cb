import { describe, expect, test } from 'vitest';
import { printArchive } from '../../src/formats/text-archive.ts';
import { ArchiveHost } from '../../src/host/archive-host.ts';
import type { Question } from '../../src/host/host.ts';
import { openReadHost } from '../../src/host/node-host.ts';
import { RecordingHost } from '../../src/host/recording-host.ts';
import { hostFolder } from './scratch.ts';

const QUESTIONS: readonly Question[] = [
  'routes',
  'rules',
  'neighbours',
  'addresses',
  'links',
  'drivers',
  'kernelLog',
];

const unbuilt = (answer: object) =>
  'unanswered' in answer &&
  answer.unanswered === 'the kernel_query addon is not built (npm run build:native)';

describe('asking the running kernel', () => {
  test('for links gives the loopback interface, under the number that sysfs knows', (ctx) => {
    const live = openReadHost('/');
    const answer = live.ask('links');
    if (unbuilt(answer)) return ctx.skip('the kernel_query addon is not built');
    const links = 'answer' in answer ? answer.answer : [];
    expect(links.filter((link) => link.name === 'lo')).toEqual([{ index: 1, name: 'lo' }]);
    // Every interface that sysfs shows, and no other.
    const indexes = (live.list('/sys/class/net') ?? []).flatMap((name) => {
      const index = live.readText(`/sys/class/net/${name}/ifindex`);
      return index === undefined ? [] : [`${name} ${index.trim()}`];
    });
    expect(links.map((link) => `${link.name} ${link.index}`).sort()).toEqual(indexes.sort());
  });

  test('gives an answer or its reason to every question', (ctx) => {
    const live = openReadHost('/');
    if (unbuilt(live.ask('links'))) return ctx.skip('the kernel_query addon is not built');
    for (const question of QUESTIONS) {
      const answer = live.ask(question);
      if ('unanswered' in answer)
        expect(answer.unanswered).toMatch(/^(rtnetlink\(7\)|syslog\(2\)) refused: E[A-Z]+$/);
      else expect(typeof answer.answer).toBe(question === 'kernelLog' ? 'string' : 'object');
    }
  });

  test('gives a recorded host the same answers', () => {
    const recording = new RecordingHost(openReadHost('/'));
    const stable: readonly Question[] = ['routes', 'rules', 'addresses', 'links', 'drivers'];
    const given = stable.map((question) => recording.ask(question));
    const recorded = new ArchiveHost('recorded', printArchive(recording.recorded()));
    expect(stable.map((question) => recorded.ask(question))).toEqual(given);
  });
});

describe('asking a recorded host', () => {
  test('that was not asked before says so, and does not ask the running kernel', () => {
    const unanswered = { unanswered: 'the recorded host holds no such answer' };
    const host = openReadHost(hostFolder());
    expect(QUESTIONS.map((question) => host.ask(question))).toEqual(QUESTIONS.map(() => unanswered));
  });

  test.each([
    ['links', '{"answer":[{"index":1,"name":"lo"}]}', { answer: [{ index: 1, name: 'lo' }] }],
    ['links', '{"unanswered":"refused: EPERM"}', { unanswered: 'refused: EPERM' }],
    ['drivers', '{"answer":{}}', { answer: {} }],
    ['kernelLog', '{"answer":"text"}', { answer: 'text' }],
    ['links', '{', { unanswered: '/.kernel/links.json is not JSON' }],
    ['links', '', { unanswered: '/.kernel/links.json is not JSON' }],
    // JSON, but nothing that a probe could walk through.
    ...[
      'null',
      '5',
      '"answer"',
      '[]',
      '{}',
      '{"answer":null}',
      '{"answer":5}',
      '{"answer":{}}',
      '{"unanswered":1}',
    ].map((text) => ['links', text, { unanswered: '/.kernel/links.json holds no answer' }] as const),
    ['drivers', '{"answer":[]}', { unanswered: '/.kernel/drivers.json holds no answer' }],
    ['kernelLog', '{"answer":[]}', { unanswered: '/.kernel/kernelLog.json holds no answer' }],
  ] as const)('for %s with the recording %s', (question, text, answer) => {
    expect(openReadHost(hostFolder({ '.kernel': { [`${question}.json`]: text } })).ask(question)).toEqual(
      answer,
    );
  });

  test('whose recording cannot be read gives the reason', () => {
    expect(openReadHost(hostFolder({ '.kernel': { 'links.json': {} } })).ask('links')).toEqual({
      unanswered: '/.kernel/links.json: cannot read: it is a directory (EISDIR)',
    });
  });
});
