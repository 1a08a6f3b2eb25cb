import { defineCheck } from './define.ts';
import { evidence } from './evidence.ts';

const WHY = 'a clock that is not read from the processor costs about a microsecond for every timestamp';

/** Read without leaving the processor: the TSC, its paravirtual forms, and the ARM architected timer. */
const FAST = ['tsc', 'arch_sys_counter'];
const PARAVIRTUAL = ['kvm-clock', 'hyperv_clocksource_tsc_page'];

export const clocksourceCheck = defineCheck('clocksource', WHY, ({ clock, cpu }) => {
  const { source, available } = clock;
  if (source.absent !== undefined) {
    return [
      {
        subject: 'host',
        result: 'unknown',
        sentence: 'the clock source cannot be read',
        evidence: [evidence(source)],
      },
    ];
  }
  const seen = [evidence(source, 'tsc'), evidence(available, undefined, (names) => names.join(' '))];
  const [complaint] = clock.complaints.value ?? [];
  if (FAST.includes(source.value) && complaint !== undefined) {
    const gaveUp = /unstable|turning off/.test(complaint);
    return [
      {
        subject: 'host',
        result: gaveUp ? 'fail' : 'warn',
        sentence: `the clock source is ${source.value}, and the kernel complains of it: ${complaint}`,
        evidence: [...seen, { path: clock.complaints.from, value: complaint, expected: 'no complaint' }],
        remedy: gaveUp
          ? 'let the kernel have the clock it chose, and ask the maker of the firmware: the TSCs of the CPUs differ'
          : 'update the firmware: it writes to the TSC behind the kernel',
      },
    ];
  }
  if (source.value === 'tsc' && cpu.flags.value?.includes('nonstop_tsc') === false) {
    return [
      {
        subject: 'host',
        result: 'warn',
        sentence: 'the clock source is tsc, which this processor may stop in deep idle states',
        evidence: [...seen, evidence(cpu.flags, 'nonstop_tsc', (flags) => flags.join(' '))],
        remedy: 'keep deep idle states off, or give this virtual machine an invariant TSC (CPU flag invtsc)',
      },
    ];
  }
  if (FAST.includes(source.value)) {
    return [
      { subject: 'host', result: 'pass', sentence: `the clock source is ${source.value}`, evidence: seen },
    ];
  }
  const offered = available.value?.includes('tsc') === true;
  if (PARAVIRTUAL.includes(source.value)) {
    return [
      {
        subject: 'host',
        result: 'warn',
        sentence: `the clock source is ${source.value}, which the hypervisor steers`,
        evidence: seen,
        ...(offered ? { remedy: `echo tsc > ${source.from}` } : {}),
      },
    ];
  }
  if (complaint !== undefined) seen.push({ path: clock.complaints.from, value: complaint });
  const invariant = cpu.flags.value?.includes('nonstop_tsc') === true;
  return [
    {
      subject: 'host',
      result: 'fail',
      sentence: `the clock source is ${source.value}`,
      evidence: seen,
      remedy: offered
        ? `echo tsc > ${source.from}, and find "Marking TSC unstable" in the kernel log`
        : invariant
          ? 'the kernel gave the TSC up: look for "Marking TSC unstable" in its log; boot with tsc=reliable'
          : 'this processor or machine type has no invariant TSC',
    },
  ];
});
