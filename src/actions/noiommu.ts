import type { ReadHost } from '../host/host.ts';
import { defineAction } from './define.ts';
import { nicsOf, wantedDrivers } from './nics.ts';

const PARAMETER = '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode';

/** vfio without an IOMMU: the device reaches all memory, and the kernel is tainted. Only where the profile says so. */
export const noIommuAction = defineAction({
  name: 'noiommu',

  plan(context, note) {
    const { facts } = context;
    const asking = nicsOf(context).some(({ nic }) => nic.allowNoIommu);
    if (!asking || !wantedDrivers(context).has('vfio-pci') || facts.iommu.units.absent !== 'missing')
      return [];
    note(
      'without an IOMMU a bound NIC can reach all memory of the host; the kernel is tainted until it boots again',
    );
    if (facts.userspaceIo.unsafeNoIommu.value === true) return [];
    return [
      {
        target: PARAMETER,
        before: 'N',
        after: 'Y',
        scope: 'runtime',
        effect: 'none',
        summary: 'let vfio work without an IOMMU (allowNoIommu)',
        commands: [`echo Y > ${PARAMETER}`],
      },
    ];
  },

  async apply(_change, host) {
    if (read(host) !== 'Y') host.writeAttribute(PARAMETER, 'Y');
  },

  verify(_change, host) {
    const value = read(host);
    return value === 'Y'
      ? undefined
      : `${PARAMETER} is ${value ?? 'missing: the kernel is built without it'}`;
  },

  async revert(_change, host) {
    if (read(host) === 'Y') host.writeAttribute(PARAMETER, 'N');
  },

  holdsBefore(_change, host) {
    return read(host) === 'Y' ? `${PARAMETER} is still Y` : undefined;
  },
});

const read = (host: ReadHost) => host.readText(PARAMETER)?.trim();
