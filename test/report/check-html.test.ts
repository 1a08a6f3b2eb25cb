import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { largeServer } from '../../bench/large-server.ts';
import { CHECKS } from '../../src/checks/index.ts';
import { ArchiveHost } from '../../src/host/archive-host.ts';
import type { ValidateResult } from '../../src/native/messages.ts';
import { renderHtml } from '../../src/report/check-html.ts';
import type { Finding, FullReport, Measurement } from '../../src/report/report.ts';
import { FIXTURES, fixtureHost } from '../support/hosts.ts';
import { finding, HOSTILE, reportOf } from './formats-support.ts';

const BROWSER = '/usr/bin/chromium';
const MISSING = 'chromium is not installed';
const UNFOLD = "for (const fold of document.querySelectorAll('details')) fold.open = true";

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
  readonly passes: readonly { readonly id: string }[];
}

const RUN: ValidateResult = {
  schema: 'bypass-setup/validate@1',
  mode: 'embedded',
  verdict: 'ready',
  reasons: ['all echo requests came back intact'],
  notes: [],
  startedAt: '2026-01-02T03:04:05.678Z',
  durationSeconds: 3,
  setupSeconds: 0.4,
  dpdkVersion: 'DPDK 22.11.7',
  port: {
    interface: 'dtap',
    driver: 'net_af_packet',
    mac: '',
    address: null,
    pci: null,
    node: null,
    memory: null,
    link: null,
  },
  packets: {
    ...{ received: 1372, octets: 1, answeredArp: 30, answeredIcmp: 1309, sent: 1339, ignored: {} },
    ...{ droppedRx: 0, droppedRxSources: {}, droppedTx: 0, txErrors: 0 },
  },
  judge: null,
  polls: { total: 1, empty: 1, perSecond: 1, stride: 4 },
  clock: { tscHz: 1, resolutionNs: 10 },
  gaps: {
    ...{
      count: 1,
      thresholdNs: 98.6,
      bucketWidth: 0.1,
      p50Ns: 30.8,
      p99Ns: 61.6,
      p999Ns: 151,
      maxNs: 1_060_000,
    },
    ...{ over1us: 1, over10us: 1, over100us: 1 },
    histogram: [
      { fromNs: 0, toNs: 98.6, count: 96412924 },
      { fromNs: 98.6, toNs: 197, count: 0 },
      { fromNs: 808_000, toNs: 1_620_000, count: 1 },
    ],
  },
  batches: { count: 1, p50Ns: 1, p99Ns: 1, maxNs: 1, totalNs: 1 },
  core: {
    ...{ cpu: 20, involuntarySwitches: 0, voluntarySwitches: 0, minorFaults: 0, majorFaults: 0 },
    counters: {},
  },
};
const MEASUREMENT: Measurement = {
  gapLimitNs: 20_000,
  supervisor: { cpus: '0-15', apart: true },
  cores: [
    {
      ...{ startedAt: RUN.startedAt, durationSeconds: 2, polls: RUN.polls, clock: RUN.clock },
      ...{ gaps: RUN.gaps, core: { ...RUN.core, cpu: 21 } },
      attribution: {
        ...{ interrupts: 251, softirqs: 3, threads: 0, nmis: 0, machineChecks: 0, stolenTicks: 0 },
        ...{ smis: null, unexplainedGaps: 1 },
      },
    },
  ],
  ports: [],
};
const SMT = fixtureHost('two-socket-smt');
const PAGES: Readonly<Record<string, FullReport>> = {
  ...Object.fromEntries(FIXTURES.map((name) => [name, reportOf(fixtureHost(name))])),
  measured: reportOf(SMT, { validation: RUN, measurement: MEASUREMENT }),
  changed: reportOf(SMT, { findings: [driftFinding()] }),
  large: reportOf(new ArchiveHost('large', largeServer())),
  hostile: hostileReport(),
};

describe('the page', () => {
  it.each(Object.keys(PAGES))('of %s needs nothing from elsewhere and has no script', (name) => {
    const page = html(name);
    expect(page).not.toMatch(/<script|<link|<iframe|<img|@import|url\(|https?:|javascript:/i);
    expect(page).not.toMatch(/<[^>]* on[a-z]+=/i);
    expect(page).toContain(
      `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
    );
    expect(page).not.toMatch(/undefined|NaN|\[object/);
  });

  it('begins with the verdict and what stands in its way, worst first', () => {
    const findings = [
      finding('pass'),
      finding('warn'),
      finding('unknown', { check: 'a' }),
      finding('fail', { check: 'b' }),
    ];
    const page = renderHtml(reportOf(SMT, { findings }));
    const order = [
      '<h1>Not ready</h1>',
      '>b</a>',
      '>a</a>',
      'Host</h2>',
      'it is fail</span>',
      'it is unknown</span>',
    ];
    const places = [...order, 'it is warn</span>', '1 passed'].map((text) => page.indexOf(text));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('draws sockets, nodes, caches, cores by role with their siblings, NICs and hugepages by node', () => {
    const page = html('two-socket-smt');
    const [, first = '', second = ''] = page.split('<section class="socket">');
    expect(first).toContain(
      '<span class="core"><span class="cpu house">0</span><span class="cpu house">32</span></span>',
    );
    expect(first).toContain('0000:3b:00.0');
    expect(second).toContain(
      '<span class="core"><span class="cpu isolated">17</span><span class="cpu isolated">49</span></span>',
    );
    expect(second).toContain('L3 24 MiB');
    expect(second).toContain('12 free of 16');
    expect(second).toContain('aria-label="16 cores, CPUs 16-31,48-63; isolated: 17-31,49-63"');
    expect(html('measured')).toContain('<span class="cpu poll">20</span>');
  });

  it('shows an isolated CPU on which the tick runs as what it is', () => {
    const report = structuredClone(reportOf(SMT));
    report.probe.facts.isolation.nohzFull = { value: '17-30,49-63', from: '' };
    expect(renderHtml(report)).toContain(
      '<span class="cpu ticking">31</span><span class="cpu isolated">63</span>',
    );
  });

  it('shows where the tick is hidden, and does not draw what nobody knows', () => {
    const report = structuredClone(reportOf(SMT));
    report.probe.facts.isolation.nohzFull = { absent: 'denied', reason: 'EACCES', from: '/sys/nohz' };
    expect(renderHtml(report)).toContain('Not known: /sys/nohz (EACCES)');
    expect(renderHtml(report)).not.toContain('class="cpu ticking"');
    report.probe.facts.isolation.nohzFull = { absent: 'missing', reason: 'no such file', from: '/sys/nohz' };
    expect(renderHtml(report)).toContain('<span class="cpu ticking">31</span>');
  });

  it('folds a hundred findings of one kind into one, with the evidence of each', () => {
    const page = html('large');
    expect(page).toContain('136 fail');
    expect(page.match(/class="finding"/g)?.length).toBeLessThan(2 * CHECKS.length);
    expect(page).toContain('<code>/dev/vfio/128</code>');
  });

  it('draws the gaps of a measurement, and none where nothing was measured', () => {
    expect(html('measured')).toMatch(/808 µs – 1.62 ms<\/th>.*class="gap-worst"/);
    expect(html('measured')).not.toContain('98.6 ns – 197 ns');
    expect(html('measured')).toMatch(
      /<h3>CPU 21<\/h3>.*<dt>interrupts<\/dt><dd>251<.*<dt>SMIs<\/dt><dd>not known</s,
    );
    expect(html('two-socket-smt')).not.toContain('Measurement');
  });

  it('shows before and now where an earlier report differs', () => {
    expect(html('changed')).toMatch(
      /data-name="before"><code>performance<.*data-name="now"><code>powersave</,
    );
    expect(html('two-socket-smt')).not.toContain('Before and now');
  });

  it('shows a hostile host as text', () => {
    expect(html('hostile')).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });
});

describe('the page in a browser', () => {
  const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-page-`);
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (!existsSync(BROWSER)) return;
    browser = await chromium.launch({
      executablePath: BROWSER,
      args: [
        ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
        ...['--disable-background-networking', '--disable-component-update'],
      ],
    });
  });
  beforeEach((ctx) => {
    if (browser === undefined) ctx.skip(MISSING);
  });
  afterEach(async () => {
    await Promise.all(browser?.contexts().map((context) => context.close()) ?? []);
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(scratch, { recursive: true });
  });

  /** Opens a page in a context of its own; whatever it asks the network for, or runs, is an error. */
  async function open(name: string, options: BrowserContextOptions = {}): Promise<Page> {
    const file = `${scratch}/${name}.html`;
    writeFileSync(file, html(name));
    if (browser === undefined) throw new Error(MISSING);
    const page = await browser.newPage(options);
    const wrong: string[] = [];
    page.on('request', (request) => request.url() === `file://${file}` || wrong.push(request.url()));
    page.on('console', (message) => wrong.push(message.text()));
    page.on('dialog', (dialog) => wrong.push(dialog.message()));
    await page.goto(`file://${file}`);
    expect(wrong).toEqual([]);
    return page;
  }

  it.each([
    ['two-socket-smt', 'light'],
    ['measured', 'light'],
    ['measured', 'dark'],
    ['changed', 'dark'],
    ['large', 'light'],
    ['hostile', 'dark'],
  ] as const)('%s breaks no rule of accessibility (%s)', async (name, colorScheme) => {
    const page = await open(name, { colorScheme });
    await page.evaluate(axe.source);
    await page.evaluate(UNFOLD);
    const { violations, passes } = await page.evaluate<AxeResult>('axe.run()');
    expect(
      violations.flatMap(({ id, nodes }) => nodes.slice(0, 2).map((node) => `${id}: ${node.html}`)),
    ).toEqual([]);
    expect(passes.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['color-contrast', 'document-title', 'region']),
    );
  });

  it.each(['measured', 'changed', 'large', 'hostile'])('%s fits a telephone', async (name) => {
    const page = await open(name, { viewport: { width: 380, height: 800 } });
    await page.evaluate(UNFOLD);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(380);
  });

  it('on paper everything is unfolded', async () => {
    const page = await open('two-socket-smt');
    const folded = page.getByText('the performance governor holds the frequency up', { exact: true });
    expect(await folded.isVisible()).toBe(false);
    await page.emulateMedia({ media: 'print' });
    expect(await folded.isVisible()).toBe(true);
  });
});

function html(name: string): string {
  const report = PAGES[name];
  if (report === undefined) throw new Error(`no page ${name}`);
  return renderHtml(report);
}

function driftFinding(): Finding {
  return finding('fail', {
    check: 'drift',
    sentence: 'the governor differs from the baseline',
    evidence: [{ path: 'governor', value: 'powersave', expected: 'performance' }],
  });
}

/** Every text that the documents hold, made hostile. */
function hostileReport(): FullReport {
  const report = reportOf(SMT, {
    validation: RUN,
    findings: [driftFinding(), ...reportOf(SMT).check.findings],
  });
  const keep = /^(result|verdict|schema|takenAt|cpus|isolated|nohzFull|online|present|cgroup)$/;
  const spoil = (value: unknown, key: string): unknown => {
    if (Array.isArray(value)) return value.map((entry) => spoil(entry, key));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([name, entry]) => [name, spoil(entry, name === 'value' ? key : name)]),
      );
    return typeof value === 'string' && !keep.test(key) ? `${value}${HOSTILE}` : value;
  };
  return spoil(report, '') as FullReport;
}
