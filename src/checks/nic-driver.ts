import type { Facts, IommuGroup, PciFunction } from '../probes/facts.ts';
import type { Finding } from '../report/report.ts';
import { defineCheck } from './define.ts';
import { evidence, userspaceNics } from './evidence.ts';

const WHY =
  'a NIC on the wrong driver, or in a group that is not viable, carries no packet of the application';

type Judgement = Omit<Finding, 'check' | 'why'>;

/** Their poll-mode drivers work on top of the kernel driver; binding them to vfio-pci breaks them. */
const BIFURCATED = ['mlx4_core', 'mlx5_core', 'mana'];
const SOLARFLARE = ['sfc', 'xilinx_efct'];

export const nicDriverCheck = defineCheck('nic-driver', WHY, (facts) => {
  const { networkFunctions } = facts.pci;
  if (networkFunctions.absent !== undefined) {
    return [
      {
        subject: 'host',
        result: networkFunctions.absent === 'missing' ? 'fail' : 'unknown',
        sentence: 'the host shows no PCI device',
        evidence: [evidence(networkFunctions)],
      },
    ];
  }
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
    const ready = facts.stacks.mlx5.value?.uverbs.length ?? 0;
    return {
      subject,
      result: driver === 'mlx5_core' && ready === 0 ? 'warn' : 'pass',
      sentence: `stays on ${driver}, correctly: its poll-mode driver works beside the kernel`,
      evidence: [
        evidence(nic.driver),
        evidence(facts.stacks.mlx5, 'a uverbs node', (mlx5) => mlx5.uverbs.join(', ')),
      ],
      ...(driver === 'mlx5_core' && ready === 0 ? { remedy: 'load mlx5_ib and install rdma-core' } : {}),
    };
  }
  if (SOLARFLARE.includes(driver)) {
    return {
      subject,
      result: 'pass',
      sentence: `stays on ${driver}, correctly: Onload and ef_vi work on top of it`,
      evidence: [evidence(nic.driver)],
    };
  }
  if (driver === 'vfio-pci') return judgeVfio(nic, subject, facts);
  if (driver === 'uio_pci_generic' || driver === 'igb_uio') {
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
    sentence: `on the kernel driver ${driver}${carries(nic, facts)}`,
    evidence: [evidence(nic.driver)],
  };
}

function carries(nic: PciFunction, facts: Facts): string {
  const { carried } = facts.network;
  if (carried.absent !== undefined) return '; what it carries cannot be read';
  const uses = carried.value.filter((entry) => entry.pci === nic.address).map((entry) => entry.what);
  return uses.length === 0 ? ', carries nothing' : `, carries ${[...new Set(uses)].join(', ')}`;
}

/**
 * A group is viable when every member is on vfio-pci, on no driver, on pci-stub, or is a bridge
 * (drivers/iommu/iommu.c, iommu_group_claim_dma_owner; drivers/pci/pcie/portdrv.c sets driver_managed_dma).
 */
function judgeVfio(nic: PciFunction, subject: string, facts: Facts): Judgement {
  const group = facts.iommu.groups.value?.find((candidate) => candidate.id === nic.iommuGroup.value);
  if (group === undefined) {
    const noIommu = facts.userspaceIo.unsafeNoIommu.value === true;
    return {
      subject,
      result: noIommu ? 'warn' : 'unknown',
      sentence: noIommu
        ? 'is bound to vfio-pci without an IOMMU'
        : 'is bound to vfio-pci; its group cannot be read',
      evidence: [evidence(nic.driver), evidence(nic.iommuGroup)],
    };
  }
  const offenders = unviable(group);
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
  return {
    subject,
    result: 'pass',
    sentence: `is bound to vfio-pci in viable IOMMU group ${group.id}`,
    evidence: [evidence(nic.driver), evidence(nic.iommuGroup)],
  };
}

function unviable(group: IommuGroup) {
  const bridge = /^0x0604/;
  return group.members.filter(
    (member) =>
      member.driver !== null &&
      !['vfio-pci', 'pci-stub', 'pcieport'].includes(member.driver) &&
      !bridge.test(member.class),
  );
}

const members = (group: IommuGroup) =>
  group.members.map((member) => `${member.address} ${member.driver ?? 'no driver'}`).join(', ');
