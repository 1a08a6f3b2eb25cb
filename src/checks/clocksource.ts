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
