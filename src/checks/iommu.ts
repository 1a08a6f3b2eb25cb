import { interruptsUnderVfio } from '../formats/nic-drivers.ts';
import { defineCheck } from './define.ts';
import { evidence } from './evidence.ts';

const WHY =
  'without an IOMMU vfio-pci cannot bind, and a NIC driven from user space can write to any memory of the host';

export const iommuCheck = defineCheck('iommu', WHY, ({ iommu, userspaceIo, machine }) => {
  const { units, groups, interruptRemapping } = iommu;
  if (userspaceIo.unsafeNoIommu.value === true && units.absent === undefined) {
    return [
      {
        subject: 'host',
        result: 'warn',
        sentence: 'vfio runs in its unsafe no-IOMMU mode',
        evidence: [evidence(userspaceIo.unsafeNoIommu, 'N'), evidence(units, 'at least one unit')],
        remedy:
          'turn the IOMMU on and clear enable_unsafe_noiommu_mode; the kernel is tainted until the next boot',
      },
    ];
  }
  if (units.absent === 'missing' || groups.absent === 'missing') {
    const virtual = machine.hypervisor.value !== undefined;
    return [
      {
        subject: 'host',
        result: 'fail',
        sentence: 'the IOMMU is off',
        evidence: [evidence(units, 'at least one unit', list), evidence(groups, 'at least one group', count)],
        remedy: virtual
          ? 'give this virtual machine a virtual IOMMU'
          : 'turn on VT-d or AMD-Vi in the firmware; on Intel boot with intel_iommu=on',
      },
    ];
  }
  if (units.absent !== undefined || groups.absent !== undefined) {
    return [
      {
        subject: 'host',
        result: 'unknown',
        sentence: 'whether the IOMMU is on cannot be read',
        evidence: [evidence(units), evidence(groups)],
        remedy: 'run as root',
      },
    ];
  }
  const sentence = `the IOMMU is on: ${units.value.join(', ')}, ${groups.value.length} groups`;
  const seen = [evidence(units, undefined, list), evidence(interruptRemapping, 'true')];
  const { allowUnsafeInterrupts } = userspaceIo;
  const interrupts = interruptsUnderVfio(interruptRemapping.value, allowUnsafeInterrupts.value);
  const unread = interruptRemapping.absent !== undefined;
  if (interrupts === 'refused' || interrupts === 'allowed') {
    const what = unread ? 'whether interrupts are remapped cannot be read' : 'interrupts are not remapped';
    const then = interrupts === 'refused' ? 'so vfio hands out no NIC' : 'and vfio was told to do without';
    return [
      {
        subject: 'host',
        result: interrupts === 'refused' ? 'fail' : 'warn',
        sentence: `${sentence}; ${what}, ${then}`,
        evidence: [...seen, evidence(allowUnsafeInterrupts)],
        remedy:
          'turn on interrupt remapping (x2APIC) in the firmware and drop intremap=off from the boot line',
      },
    ];
  }
  if (interrupts === 'unknown') {
    const why = `${sentence}; whether interrupts are remapped cannot be read`;
    return [{ subject: 'host', result: 'unknown', sentence: why, evidence: seen, remedy: 'run as root' }];
  }
  return [{ subject: 'host', result: 'pass', sentence, evidence: seen }];
});

const list = (names: readonly string[]) => names.join(', ');
const count = (all: readonly unknown[]) => `${all.length}`;
