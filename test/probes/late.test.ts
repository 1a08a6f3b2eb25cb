import { describe, expect, it } from 'vitest';
import { judge, verdictOf } from '../../src/checks/index.ts';
import { SilentHost, WatchedHost } from '../../src/host/watched-host.ts';
import { factsSchema } from '../../src/probes/facts.ts';
import { collect, observations, observe, PROBES } from '../../src/probes/index.ts';
import { readServiceAccount } from '../../src/probes/service-account.ts';
import type { Finding } from '../../src/report/report.ts';
import { factsOf, fixtureHost } from '../support/hosts.ts';

const NAMES = PROBES.map(({ name }) => name);
const ready = judge(factsOf(fixtureHost('two-socket-smt')));

/** The ready host, of which some probes were late. */
function withLate(late: readonly (typeof NAMES)[number][]) {
  const host = fixtureHost('two-socket-smt');
  const seen = observations(
    host,
    () => 0,
    {},
    NAMES.filter((name) => !late.includes(name)),
  );
  return collect([...observations(new SilentHost('/'), () => 0, {}, late), ...seen]).facts;
}

describe('a host that does not answer in time', () => {
  it('without any one path a ready host gets no word of praise or blame that it had not', () => {
    const paths = new Set<string>();
    const judged = (refused: readonly string[]) => {
      const host = new WatchedHost(fixtureHost('ready-server'), refused, (what) => paths.add(what));
      return judge(observe(host, () => 0, { quick: true }).facts);
    };
    const word = ({ result, check, subject }: Finding) => `${result} ${check} ${subject}`;
    const had = new Set(judged([]).map(word));
    expect(paths.size).toBeGreaterThan(500);
    for (const path of [...paths]) {
      const words = judged([path]).filter(({ result }) => result === 'pass' || result === 'fail');
      expect(
        words.map(word).filter((one) => !had.has(one)),
        path,
      ).toEqual([]);
    }
  });

  it.each(NAMES)('without probe %s nothing is greener, and nothing is said to be wrong', (name) => {
    const facts = withLate([name]);
    expect(factsSchema.safeParse(facts).error?.issues ?? []).toEqual([]);
    const findings = judge(facts);
    const of = (all: typeof ready, result: string) =>
      all.filter((entry) => entry.result === result).map(({ check }) => check);
    expect(of(ready, 'pass')).toEqual(expect.arrayContaining(of(findings, 'pass')));
    expect(of(ready, 'fail')).toEqual(expect.arrayContaining(of(findings, 'fail')));
  });

  it('of which nothing was read nothing is known', () => {
    const facts = withLate(NAMES);
    const findings = judge(facts);
    expect(findings.filter(({ result }) => result === 'pass' || result === 'fail')).toEqual([]);
    expect(verdictOf(findings)).toBe('cannot-know');
    expect(() => readServiceAccount(new SilentHost('/'), facts, 'trader', 'trader.service')).not.toThrow();
  });

  it('is told what is about to be read, and refuses what hung with all below it', () => {
    const told: string[] = [];
    const host = new WatchedHost(
      fixtureHost('two-socket-smt'),
      ['/proc/irq', 'the kernel, asked for its links'],
      (what) => told.push(what),
    );
    expect(host.readText('/proc/cmdline')).toContain('isolcpus');
    expect(() => host.readText('/proc/irq/140/effective_affinity_list')).toThrow('ETIMEDOUT');
    expect(host.readText('/proc/irqbalance')).toBeUndefined();
    expect(host.ask('links')).toEqual({ unanswered: 'it did not answer in time' });
    host.ask('routes');
    expect(told).toEqual(['/proc/cmdline', '/proc/irqbalance', 'the kernel, asked for its routes']);
  });
});
