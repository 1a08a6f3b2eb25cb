// Plan, apply and undo on a real kernel: a server that boots its own disk is changed, killed, cut off, rebooted, and must
// be what it was, or what was asked for.
import { expect, test } from 'vitest';
import { MANAGEMENT, NICS } from './hardware.ts';
import { tool, useMachine } from './lab.ts';
import { type Machine, sleep, until } from './machine.ts';
import { drive, interfaceOf, overVlan, stackVlanOverBond, unstackVlanOverBond } from './nics.ts';
import { setBootArguments } from './record.ts';
import { stateOf } from './state.ts';

const NIC = NICS.virtio;

function profile(nics: readonly string[], rest = ''): string {
  const list = nics.map(
    (match, i) => `  - { name: nic${i}, match: { ${match} }, role: data, stack: dpdk }\n`,
  );
  return `version: 1\nnics:\n${list.join('')}${rest}`;
}

const RUNTIME = profile([`mac: "${NIC.mac}"`], 'persistent: false\n');
const PERSISTENT = profile([`mac: "${NIC.mac}"`, `mac: "${NICS.e1000e.mac}"`], 'persistent: true\n');

async function write(machine: Machine, path: string, text: string): Promise<void> {
  await machine.must(`cat > ${path}`, { input: text });
}

async function driverOf(pci: string): Promise<string> {
  return (await machine().must(`basename "$(readlink /sys/bus/pci/devices/${pci}/driver)"`)).trim();
}

const machine = useMachine({ guest: 'grub', hardware: { sharedWire: true } }, async (machine) => {
  // Hugepages and an isolated CPU for the validator; nothing of it is this tool's doing yet.
  await setBootArguments(
    machine,
    'intel_iommu=on iommu=pt isolcpus=managed_irq,domain,1,3 nohz_full=1,3 rcu_nocbs=1,3 hugepagesz=2M hugepages=96',
  );
  await machine.reboot();
  await write(machine, '/root/runtime.yaml', RUNTIME);
  await write(machine, '/root/persistent.yaml', PERSISTENT);
  await write(
    machine,
    '/root/management.yaml',
    profile([`address: "${MANAGEMENT.pci}"`], 'persistent: false\n'),
  );
  await machine.must('sync');
});

test('[H16] [B1] suggest writes a profile that this host can have, and leaves the management NIC alone', async () => {
  await machine().must('bypass-setup suggest --output /root/suggested.yaml');
  const plan = await tool(machine(), 'plan -f /root/suggested.yaml');
  expect(plan.stderr).toBe('');
  expect(plan.code).toBe(2);
  expect(plan.stdout).toMatch(/0000:81:00\.0:? +bind to vfio-pci \(from virtio-pci\)/);
  expect(plan.stdout).not.toContain(MANAGEMENT.pci);
});

test('[B10] [B14] [B18] [B28] [H10] apply binds, a second one changes nothing, undo brings everything back', async () => {
  const before = await stateOf(machine());
  const applied = await tool(machine(), 'apply -f /root/runtime.yaml --yes');
  expect(applied.code).toBe(0);
  expect(await driverOf(NIC.pci)).toBe('vfio-pci');
  expect((await drive(machine(), NIC)).result.verdict).toBe('ready');
  const bound = await stateOf(machine());
  const again = await tool(machine(), 'apply -f /root/runtime.yaml --yes');
  expect(again.stdout).toContain('Nothing to do: this host is what the profile asks for.');
  expect(again.code).toBe(0);
  expect(await stateOf(machine())).toBe(bound);
  const undone = await tool(machine(), 'undo');
  expect(undone.code).toBe(0);
  expect(await stateOf(machine())).toBe(before);
});

test('[B5] [B18] a NIC that the validator holds is neither unbound by an undo nor disturbed by an apply', async () => {
  expect((await tool(machine(), 'apply -f /root/runtime.yaml --yes')).code).toBe(0);
  const running = drive(machine(), NIC);
  await until('the validator holds the NIC', async () => {
    return (await machine().run('ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q "/dev/vfio/[0-9]"')).code === 0;
  });
  expect((await tool(machine(), 'apply -f /root/runtime.yaml --yes')).code).toBe(0);
  const undo = await tool(machine(), 'undo');
  expect(undo.code).toBe(6);
  expect(undo.stdout + undo.stderr).toMatch(/\(node\) holds \/dev\/vfio\/12/);
  // What the bound NIC still needs is left with it.
  expect(undo.stdout).toMatch(/nics\.json\s+stays[\s\S]*stays\s+loaded/);
  expect((await running).result).toMatchObject({ verdict: 'ready', port: { link: { losses: 0 } } });
  expect((await tool(machine(), 'undo')).code).toBe(0);
  expect(await driverOf(NIC.pci)).toBe('virtio-pci');
});

test('[B1] [B17] the NIC that carries the ssh session is refused, with the peer and the way to override', async () => {
  const before = await stateOf(machine());
  const { code, stderr } = await machine().ssh('bypass-setup apply -f /root/management.yaml --yes');
  expect(stderr).toMatch(
    /error\[NIC_CARRIES_SSH\] 0000:00:02\.0 \([^)]+\): [^\n]*ssh connection from 10\.0\.2\.2/,
  );
  expect(stderr).toContain(`--allow-active ${MANAGEMENT.pci}`);
  expect(code).toBe(4);
  expect(await stateOf(machine())).toBe(before);
});

test('[B3] an ssh session over a bond and a VLAN survives the attempt to bind the slave below', async () => {
  const { e1000e } = NICS;
  await write(machine(), '/root/slave.yaml', profile([`address: "${e1000e.pci}"`], 'persistent: false\n'));
  const name = await interfaceOf(machine(), e1000e.pci);
  await stackVlanOverBond(machine());
  const { code, stdout, stderr } = await machine().run(
    overVlan('bypass-setup apply -f /root/slave.yaml --yes; echo "exit $?"; ip -o link show bond0.10'),
  );
  expect(stderr).toContain(`${name} ← bond0 ← bond0.10: carries the ssh connection from 198.19.10.1`);
  expect(stdout).toMatch(/exit 4\n.*bond0\.10.*state UP/);
  expect(code).toBe(0);
  await unstackVlanOverBond(machine());
});

test('[J1] a deliberate cut of the management NIC is undone by itself when nobody confirms', async () => {
  const before = await stateOf(machine());
  const words = `apply -f /root/management.yaml --yes --allow-active ${MANAGEMENT.pci} --confirm-within 30s`;
  // The session dies with its NIC; what it started must not.
  const session = machine()
    .ssh(`bypass-setup ${words}`, 120_000)
    .catch(() => undefined);
  const on = (driver: string) =>
    until(`the management NIC is on ${driver}`, async () => (await driverOf(MANAGEMENT.pci)) === driver);
  await on('vfio-pci');
  expect(await machine().must('systemctl list-timers --all --no-legend')).toMatch(/bypass-setup-undo/);
  await on('virtio-pci');
  const back = () =>
    machine()
      .ssh('true', 40_000)
      .then(
        ({ code }) => code === 0,
        () => false,
      );
  await until('ssh is back', back);
  await session;
  expect(await machine().must('bypass-setup undo --list')).toMatch(/undone/);
  expect(await stateOf(machine())).toBe(before);
});

test('[J1] a confirmed run stays when the time is over', async () => {
  expect((await tool(machine(), 'apply -f /root/runtime.yaml --yes --confirm-within 25s')).code).toBe(0);
  expect((await tool(machine(), 'confirm')).code).toBe(0);
  await sleep(30_000);
  expect(await driverOf(NIC.pci)).toBe('vfio-pci');
  expect((await tool(machine(), 'undo')).code).toBe(0);
});

test('[C1] [C2] [H10] what is persistent outlives a reboot: the NIC never gets an interface; undo leaves no file', async () => {
  const before = await stateOf(machine());
  const applied = await tool(machine(), 'apply -f /root/persistent.yaml --yes', 400_000);
  expect(applied.stderr).not.toMatch(/error/);
  expect(applied.code).toBe(0);
  await machine().reboot();
  expect(await driverOf(NIC.pci)).toBe('vfio-pci');
  expect(await driverOf(NICS.e1000e.pci)).toBe('vfio-pci');
  // The kernel names each interface that a driver makes.
  const log = await machine().must('dmesg');
  expect(log).not.toMatch(/e1000e 0000:00:05\.0/);
  expect(log).not.toMatch(/virtio_net virtio\d+ (enp129s0|ens\w+): renamed/);
  expect((await tool(machine(), 'plan -f /root/persistent.yaml')).stdout).toContain(
    'Nothing to do: this host is what the profile asks for.',
  );
  expect((await drive(machine(), NIC)).result.verdict).toBe('ready');
  const undone = await tool(machine(), 'undo', 400_000);
  expect([0, 3]).toContain(undone.code);
  expect(await stateOf(machine())).toBe(before);
});

test('[C3] [J15] a NIC that moved to another slot is not mistaken, and the profile finds it there', async () => {
  expect((await tool(machine(), 'apply -f /root/persistent.yaml --yes', 400_000)).code).toBe(0);
  await machine().must('sync');
  await machine().cutPower();
  await machine().start({ sharedWire: true, e1000eSlot: 0xb });
  expect(await driverOf('0000:00:0b.0')).toBe('e1000e');
  expect(await driverOf(NIC.pci)).toBe('vfio-pci');
  const plan = await tool(machine(), 'plan -f /root/persistent.yaml');
  expect(plan.stdout).toMatch(/0000:00:0b\.0:? +bind to vfio-pci \(from e1000e\)/);
  await machine().must('sync');
  await machine().cutPower();
  await machine().start({ sharedWire: true });
  expect([0, 3]).toContain((await tool(machine(), 'undo', 400_000)).code);
});

test('[B15] [C2] an initramfs that cannot be made is noticed, and everything is taken back', async () => {
  const hook = '/etc/initramfs-tools/hooks/zz-broken';
  await write(
    machine(),
    hook,
    '#!/bin/sh\n[ "$1" = prereqs ] && exit 0\necho broken on purpose >&2\nexit 1\n',
  );
  await machine().must(`chmod 755 ${hook}`);
  const before = await stateOf(machine());
  const { code, stderr } = await tool(machine(), 'apply -f /root/persistent.yaml --yes', 400_000);
  expect(code).toBe(5);
  expect(stderr).toMatch(/error\[PROGRAM_FAILED\] mkinitramfs [^\n]*zz-broken failed/);
  expect(await stateOf(machine())).toBe(before);
  await machine().must(`rm ${hook}`);
});
