import { BIFURCATED, groupObstacles, SOLARFLARE } from '../formats/nic-drivers.ts';
import type { Facts, IommuGroup, PciFunction } from '../probes/facts.ts';
import { defineCheck, type Judgement } from './define.ts';
import { evidence, hiddenNics, userspaceNics } from './evidence.ts';
import { carriedBy, groupOf } from './nic.ts';

const WHY =
  'a NIC on the wrong driver, or in a group that is not viable, carries no packet of the application';

export const nicDriverCheck = defineCheck('nic-driver', WHY, (facts) => {
  const { networkFunctions } = facts.pci;
  if (networkFunctions.absent === 'missing') {
    const sentence = 'the host shows no PCI device';
    return [{ subject: 'host', result: 'fail', sentence, evidence: [evidence(networkFunctions)] }];
  }
  if (networkFunctions.absent !== undefined) return hiddenNics(networkFunctions);
  const findings = networkFunctions.value.map((nic) => judge(nic, facts));
  const bypass = (nic: PciFunction) => [...BIFURCATED, ...SOLARFLARE].includes(nic.driver.value ?? '');
  if (userspaceNics(networkFunctions).length === 0 && !networkFunctions.value.some(bypass)) {
    findings.unshift({
      subject: 'host',
      result: 'fail',
      sentence: 'no NIC is bound to a user-space driver',
      evidence: networkFunctions.value.map((nic) => evidence(nic.driver, 'vfio-pci')),
      remedy: 'bind one that carries nothing to vfio-pci',
    });
  }
  return findings;
});

function judge(nic: PciFunction, facts: Facts): Judgement {
  const subject = nic.interfaces[0] === undefined ? nic.address : `${nic.address} (${nic.interfaces[0]})`;
  const driver = nic.driver.value;
  const override = nic.driverOverride.value;
  if (nic.maxPayload.absent === 'garbled') {
    return {
      subject,
      result: 'fail',
      sentence: 'the device no longer answers',
      evidence: [evidence(nic.maxPayload), evidence(nic.powerState, 'D0')],
      remedy: 'remove it and rescan the bus, or reboot; vfio-pci.disable_idle_d3=1 keeps it out of D3',
    };
  }
  if (override === 'none' && driver === undefined) {
    return {
      subject,
      result: 'skip',
      sentence: 'kept without a driver',
      evidence: [evidence(nic.driverOverride)],
    };
  }
  if (override !== undefined && override !== driver) {
    return {
      subject,
      result: 'fail',
      sentence: `driver_override names ${override}, but ${driver ?? 'no driver'} is bound`,
      evidence: [evidence(nic.driverOverride), evidence(nic.driver, override)],
      remedy: `write ${nic.address} to /sys/bus/pci/drivers_probe, or a newline to its driver_override to clear it`,
    };
  }
  if (driver === undefined) {
    return {
      subject,
      result: 'warn',
      sentence: 'no driver is bound',
      evidence: [evidence(nic.driver)],
      remedy: `load its driver (modprobe ${nic.modalias.value ?? 'MODALIAS'}) or bind it to vfio-pci`,
    };
  }
  if (BIFURCATED.includes(driver)) {
    const ready = (facts.stacks.mlx5.value?.uverbs.length ?? 0) > 0;
    return {
      subject,
      result: ready ? 'pass' : 'warn',
      sentence: `stays on ${driver}, correctly: its poll-mode driver works beside the kernel`,
      evidence: [
        evidence(nic.driver),
        {
          path: '/dev/infiniband',
          value: ready ? 'uverbs nodes' : 'no uverbs node',
          expected: 'a uverbs node',
        },
      ],
      ...(ready
        ? {}
        : { remedy: 'load the RDMA driver of the card (mlx5_ib, mana_ib) and install rdma-core' }),
    };
  }
  if (SOLARFLARE.includes(driver)) {
    const { onload } = facts.stacks;
    return {
      subject,
      result: onload.absent === undefined ? 'pass' : 'warn',
      sentence: `stays on ${driver}, correctly: Onload and ef_vi work on top of it`,
      evidence: [
        evidence(nic.driver),
        evidence(onload, 'Onload', (found) => found.driver ?? found.library ?? 'found'),
      ],
      ...(onload.absent === undefined
        ? {}
        : { remedy: 'install Onload, or bind the NIC to vfio-pci for DPDK' }),
    };
  }
  if (driver === 'vfio-pci') return judgeVfio(nic, subject, facts);
  if (driver === 'uio_pci_generic' || driver === 'igb_uio') {
    const flaw = uioFlaw(nic, driver, facts);
    if (flaw !== undefined) return { subject, ...flaw };
    return {
      subject,
      result: 'warn',
      sentence: `is bound to ${driver}, which protects no memory from the device`,
      evidence: [evidence(nic.driver, 'vfio-pci')],
      remedy: 'turn on the IOMMU and use vfio-pci',
    };
  }
  return {
    subject,
    result: 'skip',
    sentence: `on the kernel driver ${driver}; ${carriedBy(nic, facts.network).says}`,
    evidence: [evidence(nic.driver)],
  };
}

/** What vfio would have seen to, and uio only fails at. */
function uioFlaw(nic: PciFunction, driver: string, facts: Facts): Omit<Judgement, 'subject'> | undefined {
  const { lockdown } = facts.kernel;
  if (lockdown.value !== undefined && lockdown.value !== 'none') {
    // drivers/pci/pci-sysfs.c, pci_mmap_resource: LOCKDOWN_PCI_ACCESS.
    return {
      result: 'fail',
      sentence: `is bound to ${driver}, and the kernel is locked down: nobody may map its registers`,
      evidence: [evidence(nic.driver, 'vfio-pci'), evidence(lockdown, 'none')],
      remedy: 'turn on the IOMMU and use vfio-pci',
    };
  }
  const type = facts.iommu.groups.value?.find(({ id }) => id === nic.iommuGroup.value)?.type;
  if (type?.value === undefined || type.value === 'identity') return undefined;
  return {
    result: 'fail',
    sentence: `is bound to ${driver} in an IOMMU domain of type ${type.value}: it reaches none of the application's memory`,
    evidence: [evidence(nic.driver, 'vfio-pci'), evidence(type, 'identity')],
    remedy: 'use vfio-pci, or boot with iommu=pt',
  };
}

function judgeVfio(nic: PciFunction, subject: string, facts: Facts): Judgement {
  if (facts.iommu.units.absent === 'missing') {
    return {
      subject,
      result: 'warn',
      sentence: 'is bound to vfio-pci without an IOMMU',
      evidence: [
        evidence(nic.driver),
        evidence(facts.iommu.units),
        evidence(facts.userspaceIo.unsafeNoIommu),
      ],
    };
  }
  const group = groupOf(nic, facts.iommu);
  if (group === undefined) {
    return {
      subject,
      result: 'unknown',
      sentence: 'is bound to vfio-pci; the members of its group cannot be read',
      evidence: [evidence(nic.driver), evidence(nic.iommuGroup)],
    };
  }
  const offenders = groupObstacles(group.members);
  if (offenders.length > 0) {
    return {
      subject,
      result: 'fail',
      sentence: `IOMMU group ${group.id} is not viable: ${offenders.map((m) => `${m.address} is on ${m.driver}`).join(', ')}`,
      evidence: [
        evidence(nic.iommuGroup),
        { path: `/sys/kernel/iommu_groups/${group.id}/devices`, value: members(group) },
      ],
      remedy: 'unbind those functions too, or move the NIC to a slot with a group of its own',
    };
  }
  const missing = missingForVfio(group.id, facts.userspaceIo);
  if (missing !== undefined) return { subject, ...missing };
  return {
    subject,
    result: 'pass',
    sentence: `is bound to vfio-pci in viable IOMMU group ${group.id}`,
    evidence: [evidence(nic.driver), evidence(nic.iommuGroup)],
  };
}

/** What an application opens: the group's node, and a container that knows this kind of IOMMU. */
function missingForVfio(
  group: number,
  { vfioNodes, modules }: Facts['userspaceIo'],
): Omit<Judgement, 'subject'> | undefined {
  const path = `/dev/vfio/${group}`;
  if (vfioNodes.absent !== undefined && vfioNodes.absent !== 'missing') {
    return {
      result: 'unknown',
      sentence: `whether ${path} exists cannot be read`,
      evidence: [evidence(vfioNodes)],
    };
  }
  if (!vfioNodes.value?.some((node) => node.path === path)) {
    return {
      result: 'fail',
      sentence: `is bound to vfio-pci, but ${path} is missing`,
      evidence: [evidence(vfioNodes, path, (nodes) => nodes.map((node) => node.path).join(', '))],
      remedy: 'reload vfio-pci, or let udev make the node',
    };
  }
  const type1 = modules.value?.vfio_iommu_type1;
  if (type1 === 'loaded' || type1 === 'built in') return undefined;
  return {
    result: 'fail',
    sentence: 'is bound to vfio-pci, but vfio_iommu_type1 is not loaded',
    evidence: [{ path: modules.from, value: type1 ?? 'unknown', expected: 'loaded' }],
    remedy: 'modprobe vfio_iommu_type1',
  };
}

const members = (group: IommuGroup) =>
  group.members.map((member) => `${member.address} ${member.driver ?? 'no driver'}`).join(', ');
