import type { Reporter, TestModule } from 'vitest/node';

declare module 'vitest' {
  interface TaskMeta {
    sabotage?: { why: string; findings: string[] };
  }
}

/** `npm run sabotage`: what was broken, and what `check` says of it. */
export default class implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    for (const test of tests) {
      const { sabotage } = test.meta();
      const { state, errors = [] } = test.result();
      if (sabotage !== undefined) {
        console.log(`${test.name}\n    broken  ${sabotage.why}`);
        for (const finding of sabotage.findings) console.log(`    check   ${finding}`);
      }
      if (state === 'failed') console.log(`${test.name}: NOT FOUND as expected: ${errors[0]?.message}`);
    }
    const spoiled = tests.filter((test) => test.meta().sabotage !== undefined).length;
    console.log(`\n${spoiled} ways to spoil a ready host`);
  }
}
