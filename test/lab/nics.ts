/** What tests do with a NIC of a guest, by hand and as an administrator would. */
import type { ValidateResult } from '../../src/native/messages.ts';
import { NICS, type Nic } from './hardware.ts';
import { type Machine, sleep } from './machine.ts';
import type { Outcome } from './programs.ts';

/** Binds a function to a driver by driver_override and drivers_probe, without the tool. */
export function bind(machine: Machine, pci: string, driver: string): Promise<string> {
  const device = `/sys/bus/pci/devices/${pci}`;
  return machine.must(
    [
      `modprobe ${driver}`,
      `echo ${driver} > ${device}/driver_override`,
      `{ [ ! -e ${device}/driver ] || echo ${pci} > ${device}/driver/unbind; }`,
      `echo ${pci} > /sys/bus/pci/drivers_probe`,
      `echo > ${device}/driver_override`,
      `[ "$(basename "$(readlink ${device}/driver)")" = ${driver} ]`,
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
