/** What tests do with a NIC of a guest, by hand and as an administrator would. */
import type { ValidateResult } from '../../src/native/messages.ts';
import { NICS, type Nic } from './hardware.ts';
import { type Machine, sleep } from './machine.ts';
import type { Outcome } from './programs.ts';

/** Binds a function to a driver by driver_override and drivers_probe, without the tool, unless it is bound to it. */
export async function bind(machine: Machine, pci: string, driver: string): Promise<void> {
  const device = `/sys/bus/pci/devices/${pci}`;
  const bound = `[ "$(basename "$(readlink ${device}/driver)")" = ${driver} ]`;
  if ((await machine.run(bound)).code === 0) return;
  await machine.must(
    [
      `modprobe ${driver}`,
      `echo ${driver} > ${device}/driver_override`,
      `{ [ ! -e ${device}/driver ] || echo ${pci} > ${device}/driver/unbind; }`,
      `echo ${pci} > /sys/bus/pci/drivers_probe`,
      `echo > ${device}/driver_override`,
      bound,
    ].join(' && '),
  );
}

export interface Drive {
  readonly outcome: Outcome;
  readonly result: ValidateResult;
  /** Of ping, on this side of the wire. */
  readonly echoed: number;
  readonly asked: number;
}

/** Runs the validator on a NIC while the kernel at the other end of its wire asks for its address and pings it. */
export async function drive(machine: Machine, nic: Nic, words = ''): Promise<Drive> {
  const running = machine.run(
    `bypass-setup validate --port ${nic.pci} --address ${nic.guestAddress} --duration 12s --json ${words}`,
    { timeout: 180_000 },
  );
  let over = false;
  void running.finally(() => {
    over = true;
  });
  while (!over && (await arping(machine, nic, nic.guestAddress)) === 0) await sleep(200);
  const asked = 30;
  // Small and few: a polling core and the kernel that answers share the two cores of an emulator.
  const { stdout } = await machine.onHost(
    ['ping', '-n', '-c', String(asked), '-i', '0.1', '-W', '2', '-s', '1000', nic.guestAddress],
    60_000,
  );
  const echoed = Number(/(\d+) received/.exec(stdout)?.[1] ?? 0);
  const outcome = await running;
  if (outcome.stdout === '') throw new Error(`validate says nothing: ${outcome.code} ${outcome.stderr}`);
  return { outcome, result: JSON.parse(outcome.stdout), echoed, asked };
}

/** How many of one ARP request came back. */
export async function arping(machine: Machine, nic: Nic, address: string): Promise<number> {
  const { stdout } = await machine.onHost(['arping', '-c', '1', '-w', '1', '-I', nic.tap, address]);
  return Number(/Received (\d+) response/.exec(stdout)?.[1] ?? 0);
}

/** The interface of a NIC in the guest, while a kernel driver has it. */
export async function interfaceOf(machine: Machine, pci: string): Promise<string> {
  const path = `/sys/bus/pci/devices/${pci}`;
  return (await machine.must(`ls ${path}/net 2>/dev/null || ls ${path}/virtio*/net`)).trim();
}

/** The NICs that this QEMU has. */
export function nicsOf(machine: Machine): Nic[] {
  return Object.values(NICS).filter(({ name }) => name !== 'igb' || machine.hasIgb);
}

/**
 * Puts bond0.10 over bond0 over the e1000e, and a second host of that network into a namespace of the guest: shared1 at the
 * other end of the same wire. The machine needs `sharedWire`.
 */
export async function stackVlanOverBond(machine: Machine): Promise<void> {
  const [slave, other] = [
    await interfaceOf(machine, NICS.e1000e.pci),
    await interfaceOf(machine, NICS.shared1.pci),
  ];
  await machine.must(
    [
      'modprobe bonding && modprobe 8021q && ip netns add peer',
      'ip link add bond0 type bond mode active-backup miimon 100',
      `ip link set ${slave} down && ip link set ${slave} master bond0`,
      'ip link set bond0 up && ip link add link bond0 name bond0.10 type vlan id 10',
      'ip address add 198.19.10.2/24 dev bond0.10 && ip link set bond0.10 up',
      `ip link set ${other} netns peer && ip -n peer link set ${other} up`,
      `ip -n peer link add link ${other} name vlan10 type vlan id 10`,
      'ip -n peer address add 198.19.10.1/24 dev vlan10 && ip -n peer link set vlan10 up',
      '[ -e /root/.ssh/id_ed25519 ] || { ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519 && cat /root/.ssh/id_ed25519.pub >> /root/.ssh/authorized_keys; }',
    ].join(' && '),
  );
}

/** A command as it runs in an ssh session over bond0.10. */
export function overVlan(command: string): string {
  return `ip netns exec peer ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=60 root@198.19.10.2 '${command}'`;
}

export async function unstackVlanOverBond(machine: Machine): Promise<void> {
  const slave = await interfaceOf(machine, NICS.e1000e.pci);
  await machine.must(
    `ip link del bond0.10; ip link del bond0; ip link set ${slave} down; ip netns del peer; sleep 1; modprobe -r bonding 8021q; rm -f /root/.ssh/id_ed25519*`,
  );
}
