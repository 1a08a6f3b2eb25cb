import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTIONS } from '../../src/actions/index.ts';
import { judgePromises } from '../../src/checks/promises.ts';
import { OWN } from '../../src/formats/own-files.ts';
import { ToolError } from '../../src/host/errors.ts';
import { factsOf } from '../support/hosts.ts';
import type { KernelSimulator } from '../support/kernel-simulator.ts';
import { crashesAndFullDisk, sameTree, undoneAfterCrashInUndo, undoneAfterFaults } from '../support/laws.ts';
import { applyAll, type Begun, planFor, revertAll } from '../support/little-engine.ts';
import { profileOf, type RandomHost, randomHost, simulate } from '../support/random-hosts.ts';
import { bindAtBoot, rebooted } from '../support/reboot.ts';
import { ADDRESS, type Case, changesOf, driverOf, HOST, hostWith, PORT, plan, refusal } from './support.ts';

type Boot = NonNullable<RandomHost['boot']>;

const INTEL: Boot = { loader: 'grub-debian', line: 'quiet', vendor: 'GenuineIntel', table: 'DMAR' };
const AMD: Boot = { ...INTEL, vendor: 'AuthenticAMD', table: 'IVRS' };

/** The IOMMU is off, the profile wants vfio-pci, and allows no NIC without one. */
function randomOff(boot: Partial<Boot> = {}): RandomHost {
  return { ...HOST, iommu: false, persistent: true, boot: { ...INTEL, ...boot } };
}

function off(boot: Partial<Boot> = {}, random: Partial<RandomHost> = {}): Case {
  return hostWith({ ...randomOff(boot), ...random });
}

const lineOf = (host: KernelSimulator) =>
  factsOf(host).bootLoader.entries.value?.find(({ isDefault }) => isDefault)?.line;

async function applied(found: Case): Promise<Begun> {
  const begun: Begun = [];
  await applyAll(plan(found).changes, found.host, begun);
  return begun;
}

describe('an IOMMU that is off now', () => {
  it('[A11] [E18] is turned on by the boot line, and the NIC is bound by the boot that has it', async () => {
    const random = { managers: ['NetworkManager'], initramfs: 'mkinitramfs', service: true } as const;
    const found = off({}, random);
    const { changes, notes } = plan(found);
    expect(notes).toContain(
      `${ADDRESS}: waits for the next boot, which turns the IOMMU on; its group and interrupt remapping can be judged only then`,
    );
    const waiting = changes.filter(({ effect }) => effect === 'reboot');
    expect(waiting.map(({ summary }) => summary)).toEqual([
      'bind to vfio-pci with the next boot (e1000e until then)',
      'boot with intel_iommu=on iommu=pt',
    ]);
    expect(changes.filter(({ action }) => ['release', 'node'].includes(action))).toEqual([]);
    await applied(found);
    expect(driverOf(found.host)).toBe('e1000e');
    expect(found.host.readText('/sys/class/net/enp1s0/operstate')?.trim()).toBe('up');
    expect(plan(found).changes).toEqual([]);
    const promised = { resolved: found.profile, problems: [], file: 'host.yaml' };
    const promises = judgePromises(factsOf(found.host), promised, ACTIONS);
    expect(promises.filter(({ result }) => result === 'pass')).toEqual([]);
    expect(promises.map(({ sentence }) => sentence).join()).toMatch(
      /on e1000e and not on vfio-pci; .*waits for the next boot.*,in the boot line, and in force from the next boot on: intel_iommu=on iommu=pt/,
    );

    const up = rebooted(found.host, { ...randomOff(), ...random, iommu: true });
    expect(up.readText('/proc/cmdline')).toContain('intel_iommu=on iommu=pt');
    bindAtBoot(up);
    expect(driverOf(up)).toBe('vfio-pci');
    const after = { host: up, profile: found.profile };
    // The group of the node is udev's work, by the rule that is there.
    expect(plan(after).changes.filter(({ action }) => action !== 'node')).toEqual([]);
    expect(JSON.parse(up.readText(OWN.memory) ?? '')[ADDRESS]).toMatchObject({
      driver: 'e1000e',
      address: '02:00:5e:00:00:01',
    });
  });

  it('[A11] is bound by the next apply where no boot did', async () => {
    const found = off();
    await applied(found);
    const up = rebooted(found.host, { ...randomOff(), iommu: true });
    const after = { host: up, profile: found.profile };
    expect(changesOf(after, 'driver')).toMatchObject([
      { target: ADDRESS, summary: 'bind to vfio-pci (from e1000e)' },
    ]);
    await applied(after);
    expect(driverOf(up)).toBe('vfio-pci');
    expect(plan(after).changes).toEqual([]);
  });

  it('[A11] also where the entries have the argument already, and only the reboot is missing', () => {
    const found = off({ line: 'quiet intel_iommu=on iommu=pt' });
    found.host.replaceFile('/proc/cmdline', 'quiet\n');
    expect(plan(found).changes.filter(({ effect }) => effect === 'reboot')).toMatchObject([
      { action: 'driver', target: ADDRESS },
    ]);
  });

  it('[A11] what init gets behind -- turns nothing on', () => {
    expect(refusal(off({ line: 'quiet -- intel_iommu=on' }, { persistent: false })).text).toContain(
      'boot with intel_iommu=on iommu=pt',
    );
  });

  it('[E14] entries that somebody rewrites in the same boot get it again', async () => {
    const found = off();
    const old = found.host.readText('/boot/grub/grub.cfg') ?? '';
    await applied(found);
    found.host.replaceFile('/boot/grub/grub.cfg', old);
    expect(changesOf(found, 'boot-arguments')).toHaveLength(1);
  });

  it.each<[string, Partial<Boot>, string]>([
    ['Intel', {}, 'intel_iommu=on iommu=pt'],
    ['Intel, switched off by hand', { line: 'quiet intel_iommu=off' }, 'intel_iommu=on iommu=pt'],
    ['Intel, with all of them off', { line: 'intel_iommu=on iommu=off quiet' }, 'intel_iommu=on iommu=pt'],
    ['where nobody can tell of a table', { table: 'none' }, 'intel_iommu=on iommu=pt'],
    ['AMD, switched off by hand', { ...AMD, line: 'amd_iommu=off quiet' }, 'amd_iommu=on iommu=pt'],
    ['AMD, with all of them off', { ...AMD, line: 'iommu=off quiet' }, 'iommu=pt'],
  ])('[A11] [E10] %s: the line that turns it on', async (_, boot, expected) => {
    const found = off(boot);
    expect(plan(found).changes.at(-1)?.summary).toMatch(new RegExp(`^boot with ${expected}( instead|$)`));
    await applied(found);
    expect(lineOf(found.host)).toMatch(new RegExp(`${expected}$`));
    expect(lineOf(found.host)).not.toContain('off');
    expect(plan(found).changes).toEqual([]);
    const up = rebooted(found.host, { ...randomOff(boot), iommu: true });
    bindAtBoot(up);
    expect(planFor(up, found.profile).changes, 'and it stays').toEqual([]);
  });

  const refused: readonly [string, Case, string, string][] = [
    [
      'no table in the firmware',
      off({ table: 'FACP' }),
      'the IOMMU is off, and the firmware describes none (no table DMAR or IVRS)',
      'turn on VT-d or AMD-Vi in the firmware;',
    ],
    [
      'a line that has it on already',
      off({ line: 'quiet intel_iommu=on' }),
      'the IOMMU is off, although the boot line leaves it on',
      'turn on VT-d or AMD-Vi in the firmware;',
    ],
    [
      'AMD, whose line has nothing against it',
      off(AMD),
      'the IOMMU is off, although the boot line leaves it on',
      'turn on VT-d or AMD-Vi in the firmware;',
    ],
    [
      'a profile that leaves the boot line alone',
      off({}, { persistent: false }),
      'the IOMMU is off, so vfio-pci',
      'boot with intel_iommu=on iommu=pt, which a profile with "persistent: true" writes;',
    ],
    [
      'a processor of another kind',
      off({ vendor: 'ARM' }),
      'the IOMMU is off, so vfio-pci',
      'turn it on in the firmware;',
    ],
  ];

  it.each(refused)('[A11] [B20] is refused with its remedy: %s', (_, found, why, remedy) => {
    const { code, exitCode, text } = refusal(found);
    expect([code, exitCode]).toEqual(['IOMMU_OFF', 4]);
    expect(text).toContain(why);
    expect(text).toContain(
      `hint: ${remedy} or accept that the NIC can write to all memory, with "allow-no-iommu: true"`,
    );
    expect(found.host.operations).toEqual([]);
  });

  it('[A11] is refused where the profile or the kernel keeps the argument from the line', () => {
    const found = off();
    const profile = { ...found.profile, boot: { arguments: ['intel_iommu=off'], trial: false } };
    expect(refusal({ ...found, profile }).text).toContain('the boot line of this profile leaves it off');
    found.host.replaceFile('/boot/config-6.1.0-28-amd64', 'CONFIG_SMP=y\n');
    expect(refusal(found).text).toContain('the running kernel is built without CONFIG_INTEL_IOMMU');
    const noLoader = hostWith({ iommu: false, persistent: true }, { allowNoIommu: false });
    noLoader.host.replaceFile('/proc/cpuinfo', 'vendor_id\t: GenuineIntel\n');
    expect(refusal(noLoader).text).toContain('the IOMMU is off, and no boot loader is known here');
    expect(refusal(noLoader).text).toContain('hint: boot with intel_iommu=on iommu=pt;');
  });

  it('[E14] is refused after a boot that came up without what was written, and not after another entry', async () => {
    const found = off();
    await applied(found);
    const up = rebooted(found.host, randomOff());
    expect(refusal({ ...found, host: up }).text).toContain('although the boot line leaves it on');
    up.replaceFile('/proc/cmdline', 'quiet\n');
    expect(
      plan({ ...found, host: up }).changes.map(({ action }) => action),
      'another entry was chosen',
    ).toEqual(['module']);
    const old = simulate(randomOff()).readText('/boot/grub/grub.cfg') ?? '';
    up.replaceFile('/boot/grub/grub.cfg', old);
    expect(refusal({ ...found, host: up }).text).toContain(
      'this boot came up without intel_iommu=on iommu=pt, which was written to the boot line before it',
    );
  });

  it('[A11] virtual functions wait for the apply after the boot', async () => {
    const VFS = {
      ...PORT,
      wanted: null,
      sriov: true,
      vfs: [{ settings: false, driver: 'vfio-pci' }],
    } as const;
    expect(refusal(off({ table: 'FACP' }, { nics: [VFS] })).code).toBe('IOMMU_OFF');
    const found = off({}, { nics: [VFS] });
    const { changes, notes } = plan(found);
    expect(changes.filter(({ action }) => action.startsWith('vf-'))).toEqual([]);
    expect(notes.join()).toContain(
      'its virtual functions are made by "bypass-setup apply" after the next boot',
    );
    await applied(found);
    expect(plan(found).changes).toEqual([]);
    const up = rebooted(found.host, { ...randomOff(), nics: [VFS], iommu: true });
    await applyAll(planFor(up, found.profile).changes, up, []);
    expect(driverOf(up, up.readLink(`/sys/bus/pci/devices/${ADDRESS}/virtfn0`)?.split('/').pop())).toBe(
      'vfio-pci',
    );
  });
});

describe('the laws where the IOMMU is off and the boot line can be written', () => {
  const boot: fc.Arbitrary<Boot> = fc.record({
    loader: fc.constantFrom('grub-debian', 'systemd-boot', 'grub-bls', 'raspberry-pi'),
    line: fc.constantFrom('quiet', 'quiet iommu=off', 'ro intel_iommu=off', 'ro amd_iommu=off iommu=off'),
    vendor: fc.constantFrom('GenuineIntel', 'AuthenticAMD'),
    table: fc.constantFrom('DMAR', 'IVRS', 'none', 'FACP'),
  });
  const random: fc.Arbitrary<RandomHost> = fc
    .tuple(randomHost, boot)
    .map(([host, line]) => ({ ...host, iommu: false, boot: line }));

  const onVfio = (host: KernelSimulator) =>
    (host.list('/sys/bus/pci/devices') ?? []).filter((address) => driverOf(host, address) === 'vfio-pci');

  /** Undefined where it is refused; then nothing was touched. */
  function planned(host: KernelSimulator, entry: RandomHost) {
    try {
      return planFor(host, profileOf(entry)).changes;
    } catch (error) {
      if (!(error instanceof ToolError) || error.exitCode !== 4) throw error;
      expect(host.operations).toEqual([]);
      return undefined;
    }
  }

  it('law 1, law 2, and none is bound before the boot that turns it on', async () => {
    let waited = 0;
    await fc.assert(
      fc.asyncProperty(random, async (entry) => {
        const host = simulate(entry);
        const changes = planned(host, entry);
        if (changes === undefined) return;
        const used = host.clone();
        const begun: Begun = [];
        const before = onVfio(host);
        await applyAll(changes, used, begun);
        expect(planFor(used, profileOf(entry)).changes).toEqual([]);
        for (const address of onVfio(used)) expect(before).toContain(address);
        const up = rebooted(used, { ...entry, iommu: true, remapping: true, sharedGroup: false });
        if (changes.some(({ target }) => target === OWN.script)) {
          bindAtBoot(up);
          waited++;
          const { changes: late } = planFor(up, profileOf(entry));
          expect(late.filter(({ summary }) => summary.startsWith('bind to vfio-pci (from e'))).toEqual([]);
        }
        expect(await revertAll(begun, used)).toEqual([]);
        sameTree(used, host);
      }),
      { numRuns: 150 },
    );
    expect(waited).toBeGreaterThan(15);
  }, 60_000);

  it('law 3: after a crash or an error at any operation, and in undo, undo leaves the host as it was', async () => {
    await fc.assert(
      fc.asyncProperty(random, async (entry) => {
        const host = simulate(entry);
        const changes = planned(host, entry);
        if (changes === undefined) return;
        await undoneAfterFaults(host, changes, crashesAndFullDisk, sameTree);
        await undoneAfterCrashInUndo(host, changes, sameTree);
      }),
      { numRuns: 25 },
    );
  }, 60_000);
});
