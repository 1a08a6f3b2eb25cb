import { judge, verdictOf } from '../../src/checks/index.ts';
import type { ReadHost } from '../../src/host/host.ts';
import type { Finding, FullReport } from '../../src/report/report.ts';
import { factsOf } from '../support/hosts.ts';

/** What a host must not be able to do to a page, a document or a terminal. */
export const HOSTILE = `</title><script>alert(1)</script><img src=x onerror='alert(2)'>"&\u0007\u202e]]>\\ \n{}`;

export function reportOf(host: ReadHost, extra: Partial<FullReport['check']> = {}): FullReport {
  const facts = factsOf(host);
  const findings = extra.findings ?? judge(facts);
  const heading = { tool: '0.0.0', takenAt: '2026-01-02T03:04:05.678Z', root: '/' };
  return {
    schema: 'bypass-setup/report@1',
    probe: { schema: 'bypass-setup/probe@1', ...heading, facts, times: { kernel: 1.5, cpu: 0.25 } },
    check: { schema: 'bypass-setup/check@1', ...heading, verdict: verdictOf(findings), findings, ...extra },
  };
}

export function finding(result: Finding['result'], extra: Partial<Finding> = {}): Finding {
  return {
    check: 'clocksource',
    subject: 'host',
    result,
    sentence: `it is ${result}`,
    evidence: [],
    why: 'because',
    ...extra,
  };
}
