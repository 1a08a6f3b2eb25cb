import { defineCheck } from './define.ts';
import { evidence } from './evidence.ts';

const WHY =
  'after an unattended kernel update the next boot is another host: other drivers, other defaults, and nothing of it measured';
/** A path that tells a version at all: `/boot/vmlinuz-6.1.0-28-amd64`, `/0123/6.1.0-28-amd64/linux`, not `/vmlinuz`. */
const VERSION = /\d+\.\d+/;

/** Whether the next boot starts the kernel that runs now. */
export const kernelCheck = defineCheck('kernel', WHY, ({ kernel, bootLoader }) => {
  const next = bootLoader.entries.value?.find(({ isDefault }) => isDefault);
  const release = kernel.release.value;
  if (next === undefined || release === undefined || !VERSION.test(next.kernel)) {
    const sentence = 'which kernel the next boot starts is not told';
    return [{ subject: 'host', result: 'skip', sentence, evidence: [evidence(kernel.release)] }];
  }
  const seen = [evidence(kernel.release), { path: next.path, value: next.kernel, expected: release }];
  if (next.kernel.includes(release)) {
    return [
      { subject: 'host', result: 'pass', sentence: `the next boot starts ${release} too`, evidence: seen },
    ];
  }
  return [
    {
      subject: 'host',
      result: 'warn',
      sentence: `${release} is running, and the next boot starts ${next.kernel}`,
      evidence: seen,
      remedy: 'reboot when it may fail, and check again; hold the kernel package back until then',
    },
  ];
});
