import { FormatError } from '../formats/format-error.ts';
import { isPciAddress } from '../formats/pci-address.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts, IommuGroup } from './facts.ts';
import { absent, attribute, guarded, known, listing, numbered, textOrNothing, word } from './read.ts';

const UNITS = '/sys/class/iommu';
const TABLES = '/sys/firmware/acpi/tables';
const GROUPS = '/sys/kernel/iommu_groups';
const DEVICES = '/sys/bus/pci/devices';

export const iommuProbe = defineProbe('iommu', (host): Facts['iommu'] => ({
  units: listing(host, UNITS, 'no IOMMU is in use'),
  table: table(host),
  groups: groups(host),
  interruptRemapping: interruptRemapping(host),
}));

/** Missing only where the tables are listed, and none of these is among them; in a container or without ACPI nobody can tell. */
function table(host: ReadHost): Facts['iommu']['table'] {
  return guarded(TABLES, () => {
    const names = host.list(TABLES) ?? [];
    if (names.length === 0) return absent('unsupported', 'the kernel shows no ACPI tables', TABLES);
    const found = (['DMAR', 'IVRS'] as const).find((name) => names.includes(name));
    return found === undefined ? absent('missing', 'no table DMAR or IVRS', TABLES) : known(found, TABLES);
  });
}

function groups(host: ReadHost): Fact<IommuGroup[]> {
  const found = listing(host, GROUPS, 'no IOMMU groups');
  if (found.absent !== undefined) return found;
  return known(
    numbered(found.value, '').map((id) => readGroup(host, id)),
    GROUPS,
  );
}

function readGroup(host: ReadHost, id: number): IommuGroup {
  const folder = `${GROUPS}/${id}/devices`;
  const devices = listing(host, folder, 'no member');
  let complete = devices.absent === undefined;
  const members = (devices.value ?? []).map((address) => {
    // On ARM members are also platform devices, which only the group leads to.
    const path = `${isPciAddress(address) ? DEVICES : folder}/${address}/driver`;
    const driver = guarded(path, () => {
      const target = host.readLink(path);
      return target === undefined ? absent('missing', 'no driver is bound', path) : known(target, path);
    });
    if (driver.absent !== undefined && driver.absent !== 'missing') complete = false;
    return {
      address,
      class: textOrNothing(host, `${DEVICES}/${address}/class`) ?? 'unknown',
      driver: driver.value?.split('/').pop() ?? null,
    };
  });
  return { id, type: attribute(host, `${GROUPS}/${id}/type`, word), members, complete };
}

/**
 * Remapped interrupts have chips named IR-PCI-MSI, IR-IO-APIC (drivers/iommu/{intel,amd}). On ARM the interrupt
 * translation service of a GICv3 tells devices apart by itself (drivers/irqchip/irq-gic-v3-its*.c): ITS-PCI-MSI.
 */
function interruptRemapping(host: ReadHost): Fact<boolean> {
  return attribute(host, '/proc/interrupts', (text) => {
    if (!/^ *\d+:[ \d]* \S/m.test(word(text)))
      throw new FormatError('interrupt table', text, 'no interrupt in it');
    return /^ *\d+:[ \d]* (?:\S+-)?(?:IR|ITS)-/m.test(text);
  });
}
