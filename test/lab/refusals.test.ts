// Hosts on which vfio does not work, and what the tool says about each before anything is tried.
import { describe, expect, test } from 'vitest';
import { NICS } from './hardware.ts';
import { probe, tool, useMachine } from './lab.ts';
import { bind, drive } from './nics.ts';

const HUGEPAGES = 'hugepagesz=2M hugepages=0:40,1:40';

describe('without interrupt remapping', () => {
  const machine = useMachine({
    guest: 'fast',
    hardware: { interruptRemapping: false },
    kernelArguments: `intel_iommu=on iommu=pt ${HUGEPAGES}`,
  });

  test('[J9] [A11] probe and check see it, validate refuses with both remedies', async () => {
    const { iommu } = await probe(machine());
    expect(iommu.units.value).toEqual(['dmar0']);
    expect(iommu.interruptRemapping.value).toBe(false);
    const check = JSON.parse((await tool(machine(), 'check --json')).stdout);
    expect(check.findings).toContainEqual(expect.objectContaining({ check: 'iommu', result: 'fail' }));

    await bind(machine(), NICS.virtio.pci, 'vfio-pci');
    await machine().must('modprobe vfio_iommu_type1');
    const { code, stderr } = await tool(machine(), `validate --port ${NICS.virtio.pci} --duration 1s`);
    expect(stderr).toMatch(/error\[NO_INTERRUPT_REMAPPING\] 0000:81:00\.0/);
    expect(stderr).toMatch(/allow_unsafe_interrupts/);
    expect(code).toBe(2);
  });

  test('[J9] with the unsafe parameter that the remedy names the NIC answers', async () => {
    await machine().must('echo Y > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts');
    expect((await drive(machine(), NICS.virtio)).result.verdict).toBe('ready');
  });
});

describe('without an IOMMU', () => {
  const machine = useMachine({ guest: 'fast', hardware: { iommu: false }, kernelArguments: HUGEPAGES });

  test('[A11] [J9] probe and check say so, and vfio-pci takes no NIC', async () => {
    const { iommu } = await probe(machine());
    expect(iommu.units.absent).toBe('missing');
    const { stdout, code } = await tool(machine(), 'check');
    expect(stdout).toMatch(/FAIL +iommu +the IOMMU is off/);
    expect(code).toBe(2);
    await expect(bind(machine(), NICS.virtio.pci, 'vfio-pci')).rejects.toThrow();
    const refused = await tool(machine(), `validate --port ${NICS.virtio.pci}`);
    expect(refused.stderr).toMatch(/error\[NO_DRIVER\]/);
    expect(refused.code).toBe(4);
  });
});
