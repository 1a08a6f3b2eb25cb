import { expect, it } from 'vitest';
import { PassingHost } from '../../src/host/passing-host.ts';
import { observe } from '../../src/probes/index.ts';
import { fixtureHost } from '../support/hosts.ts';

class CountingHost extends PassingHost {
  readonly texts: string[] = [];

  override readText(path: string): string | undefined {
    this.texts.push(path);
    return super.readText(path);
  }
}

it('an observation reads nothing twice of which a large host has hundreds', () => {
  const host = new CountingHost(fixtureHost('two-socket-smt'));
  observe(host, () => 0);
  for (const many of [
    /^\/proc\/[^0-9]+$/,
    /^\/proc\/irq\/\d+\/effective_affinity_list$/,
    /^\/sys\/bus\/pci\/devices\/[^/]+\/class$/,
    /^\/sys\/class\/net\/[^/]+\/queues\/.+_cpus$/,
    /^\/sys\/devices\/system\/cpu\/cpufreq\/.+\/scaling_governor$/,
  ]) {
    const read = host.texts.filter((path) => many.test(path));
    expect(read.length, `${many}`).toBeGreaterThan(1);
    expect(read.length, `${many}`).toBe(new Set(read).size);
  }
});
