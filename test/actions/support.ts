import { ToolError } from '../../src/host/errors.ts';
import type { Change, Plan } from '../../src/plan/change.ts';
import type { ResolvedNic, ResolvedProfile } from '../../src/profile/resolved.ts';
import type { KernelSimulator } from '../support/kernel-simulator.ts';
import { planFor } from '../support/little-engine.ts';
import { noPages, profileOf, type RandomHost, simulate } from '../support/random-hosts.ts';

type RandomNic = RandomHost['nics'][number];

/** A port on its kernel driver, up, that the profile wants on vfio-pci. */
export const PORT: RandomNic = {
  driver: 'e1000e',
  serial: true,
  override: 'nothing',
  up: true,
  mtu: 1500,
  addresses: false,
  bond: false,
  wanted: 'vfio-pci',
  sriov: false,
  vfs: [],
};

/** With an IOMMU, and nothing loaded. */
export const HOST: RandomHost = {
  nics: [PORT],
  iommu: true,
  loaded: [],
  managers: [],
  initramfs: 'none',
  service: false,
  persistent: false,
  foreign: false,
  kernelNames: false,
  sharedGroup: false,
  remapping: true,
  lockdown: false,
  held: false,
  pages: noPages,
  systemd: false,
};

export interface Case {
  readonly host: KernelSimulator;
  readonly profile: ResolvedProfile;
}

export function hostWith(random: Partial<RandomHost>, nic: Partial<ResolvedNic> = {}): Case {
  const whole = { ...HOST, ...random };
  const profile = profileOf(whole);
  const [first, ...others] = profile.nics;
  return {
    host: simulate(whole),
    profile: { ...profile, nics: first === undefined ? [] : [{ ...first, ...nic }, ...others] },
  };
}

export function plan({ host, profile }: Case): Plan {
  return planFor(host, profile);
}

export function changesOf(found: Case, action: string): readonly Change[] {
  return plan(found).changes.filter((change) => change.action === action);
}

/** The refusal of a plan: code, exit code, and the lines that an operator reads. */
export function refusal(found: Case): { code: string; exitCode: number; text: string } {
  try {
    plan(found);
  } catch (error) {
    if (error instanceof ToolError)
      return { code: error.code, exitCode: error.exitCode, text: error.format() };
    throw error;
  }
  throw new Error('the plan was not refused');
}

export const ADDRESS = '0000:01:00.0';
export const DEVICE = `/sys/bus/pci/devices/${ADDRESS}`;

export function driverOf(host: KernelSimulator, address = ADDRESS): string | undefined {
  return host.readLink(`/sys/bus/pci/devices/${address}/driver`)?.split('/').pop();
}
