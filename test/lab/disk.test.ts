// The guest that boots its own disk through its own GRUB: what outlives a reboot and a cut of the power, and what the
// tool sees of it. Later tests of this file work on what earlier ones have left.
import { expect, test } from 'vitest';
import { openReadHost } from '../../src/host/node-host.ts';
import type { Facts } from '../../src/probes/facts.ts';
import { observe } from '../../src/probes/index.ts';
import { MANAGEMENT, NICS } from './hardware.ts';
import { probe, useMachine } from './lab.ts';
import { drive, interfaceOf, overVlan, stackVlanOverBond, unstackVlanOverBond } from './nics.ts';
import { prepareByHand } from './record.ts';

const machine = useMachine({ guest: 'grub', hardware: { sharedWire: true } });

test('[A1] [J4] the packed tool runs in the guest as it was installed, over ssh as well', async () => {
  const version = await machine().ssh('bypass-setup --version');
  expect(version.stdout).toMatch(/^bypass-setup \d+\.\d+\.\d+ /);
  const found = await probe(machine());
  expect(found.bootLoader.kinds.value?.map(({ kind }) => kind)).toEqual(['grub-debian']);
  const { code, stdout } = await machine().ssh('bypass-setup check');
  expect(stdout).toMatch(/NOT READY/);
  expect(code).toBe(2);
});

test('[H4] a guest keeps what was synced when its power is cut, and only that is sure', async () => {
  await machine().must('echo synced > /root/synced && sync /root/synced && sync');
  await machine().must('echo late > /root/late');
  const before = await machine().bootId();
  await machine().cutPower();
  await machine().start();
  expect(await machine().bootId()).not.toBe(before);
  expect(await machine().must('cat /root/synced')).toBe('synced\n');
  expect((await machine().run('cat /root/late')).stdout).toBe('');
});

test('a snapshot brings back memory and disk', async () => {
  await machine().must('touch /root/before && echo one > /run/state');
  await machine().snapshot('state');
  const boot = await machine().bootId();
  await machine().must('rm /root/before && echo two > /run/state && sync');
  await machine().restore('state');
  expect(await machine().must('cat /run/state; ls /root/before')).toBe('one\n/root/before\n');
  expect(await machine().bootId()).toBe(boot);
});

test('the management link goes down and comes back; the guest is reached beside it all the while', async () => {
  const name = await interfaceOf(machine(), MANAGEMENT.pci);
  await machine().link('management', false);
  expect((await machine().must(`cat /sys/class/net/${name}/carrier`)).trim()).toBe('0');
  expect((await machine().onHost(['timeout', '3', ...machine().sshArguments('true')])).code).not.toBe(0);
  await machine().link('management', true);
  expect((await machine().ssh('echo back')).stdout).toBe('back\n');
});

test('[B3] an ssh connection over a VLAN over a bond is seen down to the physical function', async () => {
  const { e1000e } = NICS;
  const name = await interfaceOf(machine(), e1000e.pci);
  await stackVlanOverBond(machine());
  const stdout = await machine().must(overVlan('echo $SSH_CONNECTION; bypass-setup probe --json'));
  expect(stdout).toMatch(/^198\.19\.10\.1 \d+ 198\.19\.10\.2 22\n/);
  const found: Facts = JSON.parse(stdout.slice(stdout.indexOf('\n'))).facts;
  expect(found.network.carried.value).toContainEqual(
    expect.objectContaining({
      pci: e1000e.pci,
      chain: [name, 'bond0', 'bond0.10'],
      what: 'ssh connection from 198.19.10.1',
    }),
  );
  await unstackVlanOverBond(machine());
});

test('[A1] boot arguments written to GRUB are in force after a reboot, and a bound NIC answers', async () => {
  await prepareByHand(machine());
  const found = await probe(machine());
  expect(found.isolation.isolated.value).toBe('1,3');
  expect(found.isolation.nohzFull.value).toBe('1,3');
  expect(found.iommu.interruptRemapping.value).toBe(true);
  const { result, echoed, asked } = await drive(machine(), NICS.virtio);
  expect(result.verdict).toBe('ready');
  expect(echoed).toBe(asked);
  expect(result.port.memory).toEqual([expect.objectContaining({ node: 1 })]);
});

test('[A1] the recorded lab hosts say what the lab says', async () => {
  // test/fixtures/hosts/lab-*.tree are captures of this guest, before and after it was prepared.
  const kept = observe(openReadHost('test/fixtures/hosts/lab-prepared.tree'), () => 0).facts;
  const now = await probe(machine());
  const view = ({ pci, isolation, iommu }: Facts) => ({
    nics: pci.networkFunctions.value?.map(({ address, driver, iommuGroup }) => [
      address,
      driver.value,
      iommuGroup.value,
    ]),
    isolation: [isolation.isolated.value, isolation.nohzFull.value],
    groups: iommu.groups.value?.length,
  });
  expect(view(kept)).toEqual(view(now));
});
