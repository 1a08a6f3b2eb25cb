// Other boot loaders and other generations of the distribution.
import { describe, expect, test } from 'vitest';
import { NICS } from './hardware.ts';
import { probe, useMachine } from './lab.ts';
import { bind } from './nics.ts';
import { setBootArguments } from './record.ts';

describe('Debian 12 on UEFI with systemd-boot', () => {
  const machine = useMachine({ guest: 'systemd-boot' });

  test('[A1] it boots its own entry, reboots, and the tool sees firmware and loader', async () => {
    await machine().reboot();
    expect(await machine().must('bootctl status --no-pager 2>/dev/null || true')).toMatch(/systemd-boot/);
    const facts = await probe(machine());
    expect(facts.bootLoader.firmware.value).toBe('uefi');
    expect(facts.kernel.secureBoot.value).toBe(false);
  });
});

describe('Debian 13', () => {
  const machine = useMachine({ guest: 'grub', suite: 'trixie' });

  test('[A1] the tool tells what its kernel does: per-node hugepages, nohz_full, the fair server', async () => {
    await setBootArguments(
      machine(),
      'intel_iommu=on iommu=pt isolcpus=managed_irq,domain,1,3 nohz_full=1,3 rcu_nocbs=1,3 hugepagesz=2M hugepages=0:20,1:40',
    );
    await machine().reboot();
    const facts = await probe(machine());
    expect(facts.kernel.release.value).toMatch(/^6\.12\./);
    const pools = facts.hugepages.pools.value?.filter(({ size }) => size === 2 << 20);
    expect(pools?.map(({ node, total }) => [node, total])).toEqual([
      [0, 20],
      [1, 40],
    ]);
    expect(facts.isolation.nohzFull.value).toBe('1,3');
    expect(Object.values(facts.tunables.fairServer.value ?? {})).toEqual([
      50_000_000, 50_000_000, 50_000_000, 50_000_000,
    ]);
    await bind(machine(), NICS.virtio.pci, 'vfio-pci');
    expect(await machine().must('bypass-setup probe')).toMatch(/0000:81:00\.0 +vfio-pci/);
  });
});
