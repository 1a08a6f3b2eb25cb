import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { DefaultReporter } from 'vitest/node';

/** The default report, then every skipped test with its reason, then one plain line that counts. */
export default class extends DefaultReporter implements Reporter {
  /** The lab's tests take long enough for each to be named when it is through. */
  override onTestCaseResult(test: TestCase): void {
    super.onTestCaseResult(test);
    if (test.project.name !== 'lab') return;
    const { state, errors = [] } = test.result();
    const seconds = ((test.diagnostic()?.duration ?? 0) / 1000).toFixed(1);
    const tries = (test.diagnostic()?.retryCount ?? 0) > 0 ? ', tried again' : '';
    this.log(`${state.padEnd(8)}${`${seconds} s`.padStart(8)}  ${test.fullName}${tries}`);
    // Said at once: the end of the run may be half an hour away.
    for (const { message, diff } of errors) this.log(diff === undefined ? message : `${message}\n${diff}`);
  }

  override onTestRunEnd(...args: Parameters<DefaultReporter['onTestRunEnd']>): void {
    super.onTestRunEnd(...args);
    const tests = [...args[0]].flatMap((module: TestModule) => [...module.children.allTests()]);
    const skipped = tests.filter((test) => test.result().state === 'skipped');
    if (skipped.length > 0) this.log('Skipped:');
    for (const test of skipped) this.log(`  ${test.fullName}: ${reason(test)}`);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const broken = args[1].length + args[0].filter((module) => module.errors().length > 0).length;
    this.log(`\n${count('passed')} passed, ${count('failed') + broken} failed, ${skipped.length} skipped`);
  }
}

function reason(test: TestCase): string {
  const result = test.result();
  return result.state === 'skipped' && result.note !== undefined ? result.note : 'no reason given';
}
