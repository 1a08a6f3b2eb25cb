import { OWN } from '../../src/formats/own-files.ts';
import { factsOf } from './hosts.ts';
import type { KernelSimulator } from './kernel-simulator.ts';
import { type RandomHost, simulate } from './random-hosts.ts';

/** What a disk keeps. */
const KEPT = ['/etc', '/var', '/boot'];
const PCI = '/sys/bus/pci';

/** The host as it comes up again, with what is on its disk, the line of its default entry, and this hardware. */
export function rebooted(down: KernelSimulator, random: RandomHost): KernelSimulator {
  const host = simulate(random);
  for (const folder of KEPT) copy(down, host, folder);
  const line = factsOf(down).bootLoader.entries.value?.find(({ isDefault }) => isDefault)?.line ?? '';
  host.replaceFile('/proc/cmdline', `${line}\n`);
  host.replaceFile('/proc/sys/kernel/random/boot_id', 'another-boot\n');
  host.restart(down.faults);
  return host;
}

function copy(from: KernelSimulator, to: KernelSimulator, path: string): void {
  const kept = from.list(path);
  if (kept === undefined) {
    to.replaceFile(path, from.readText(path) ?? '', from.stat(path)?.mode);
    return;
  }
  for (const name of to.list(path) ?? []) if (!kept.includes(name)) to.delete(`${path}/${name}`);
  for (const name of kept) copy(from, to, `${path}/${name}`);
}

/** What the script of `persist` does in this boot, where each NIC is what it was (boot-script.test.ts runs the script itself). */
export function bindAtBoot(host: KernelSimulator): void {
  const lines = (host.readText(OWN.script) ?? '').matchAll(/^nic (\S+) (\S+) /gm);
  for (const [, address = '', driver = ''] of lines) {
    host.modprobe(driver === 'vfio-pci' ? ['vfio_pci', 'vfio_iommu_type1'] : [driver]);
    const now = host.readLink(`${PCI}/devices/${address}/driver`)?.split('/').pop();
    if (now === driver) continue;
    host.write(`${PCI}/devices/${address}/driver_override`, driver);
    if (now !== undefined) host.write(`${PCI}/drivers/${now}/unbind`, address);
    host.write(`${PCI}/drivers_probe`, address);
    host.write(`${PCI}/devices/${address}/driver_override`, '\n');
  }
}
