import { describe, expect, it } from 'vitest';
import { applyProfile } from '../../src/engine/apply.ts';
import { resumeRuns } from '../../src/engine/resume.ts';
import { undoRun } from '../../src/engine/undo.ts';
import type { ResolvedProfile } from '../../src/profile/resolved.ts';
import { driverOf, HOST } from '../actions/support.ts';
import type { KernelSimulator } from '../support/kernel-simulator.ts';
import { ACTIONS } from '../support/little-engine.ts';
import { profileOf, type RandomHost, simulate } from '../support/random-hosts.ts';
import { bindAtBoot, rebooted } from '../support/reboot.ts';
import { engineOn, REQUEST } from './support.ts';

const OFF: RandomHost = {
  ...HOST,
  iommu: false,
  persistent: true,
  systemd: true,
  boot: { loader: 'grub-debian', line: 'quiet', vendor: 'GenuineIntel', table: 'DMAR' },
};

const engine = (host: KernelSimulator) => engineOn(host, ACTIONS);
const request = { ...REQUEST, resolve: (): ResolvedProfile => profileOf(OFF) };

async function applied(): Promise<KernelSimulator> {
  const host = simulate(OFF);
  expect(await applyProfile(engine(host), request)).toMatchObject({ outcome: 'applied', rebootNeeded: true });
  expect(driverOf(host)).toBe('e1000e');
  return host;
}

describe('a run that turns the IOMMU on', () => {
  it('[E18] is in force when the boot has bound the NIC', async () => {
    const down = await applied();
    const again = await applyProfile(engine(down), request);
    expect(again, 'the reboot is still needed').toMatchObject({ outcome: 'nothing', rebootNeeded: true });
    expect(again.found.plan.notes).toContain(
      'in the boot line, and in force from the next boot on: intel_iommu=on iommu=pt',
    );
    const up = rebooted(down, { ...OFF, iommu: true });
    bindAtBoot(up);
    const early = await applyProfile(engine(up), request);
    expect(early, 'nobody has looked yet').toMatchObject({ outcome: 'nothing', rebootNeeded: false });
    expect(await resumeRuns(engine(up))).toMatchObject({ outcome: 'verified', runs: [{ wrong: [] }] });
    const done = await applyProfile(engine(up), request);
    expect(done).toMatchObject({ outcome: 'nothing', rebootNeeded: false });
    expect(done.found.plan.notes).toEqual([]);
    expect(await undoRun(engine(up), undefined)).toMatchObject({
      outcome: 'undone',
      left: [],
      rebootNeeded: true,
    });
  });

  it('[E18] is not where it could not, or where the IOMMU stayed off, and is taken back by undo all the same', async () => {
    for (const iommu of [true, false]) {
      const up = rebooted(await applied(), { ...OFF, iommu });
      const { outcome, sentence } = await resumeRuns(engine(up));
      expect(outcome).toBe('not-in-force');
      expect(sentence).toContain('0000:01:00.0 is on e1000e, not on vfio-pci');
      expect(await undoRun(engine(up), undefined)).toMatchObject({ outcome: 'undone', rebootNeeded: true });
    }
  });

  it('[A11] before the reboot undo leaves nothing', async () => {
    const host = await applied();
    // It has not left, so what others do to its interface stays.
    await host.run(['ip', 'link', 'set', 'dev', 'enp1s0', 'mtu', '9000'], { timeout: 1 });
    expect(await undoRun(engine(host), undefined)).toMatchObject({
      outcome: 'undone',
      left: [],
      rebootNeeded: false,
    });
    expect(host.readText('/boot/grub/grub.cfg')).toBe(simulate(OFF).readText('/boot/grub/grub.cfg'));
    expect(host.list('/etc/bypass-setup')).toBeUndefined();
    expect(host.readText('/sys/class/net/enp1s0/mtu')?.trim()).toBe('9000');
  });
});
