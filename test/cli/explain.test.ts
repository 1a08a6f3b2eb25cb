import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { settingsPage } from '../../scripts/settings-page.ts';
import { SETTINGS } from '../../src/formats/settings.ts';
import { renderSetting } from '../../src/report/explain-text.ts';
import { explainReportSchema } from '../../src/report/report.ts';
import { cli, ROOT } from '../support/cli.ts';

const HOST = ['--root', 'test/fixtures/hosts/two-socket-smt.tree'];

describe('explain', () => {
  it.each(SETTINGS)('[J19] $key: why, cost, source, proof and undo, in 80 columns', (setting) => {
    const text = renderSetting(setting, { color: false, width: 80 });
    for (const word of ['why', 'cost', 'source', 'proof', 'undo'])
      expect(text).toMatch(new RegExp(`^  ${word} `, 'm'));
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('[J19] without a setting lists all', () => {
    const { exitCode, stdout } = cli(['explain']);
    expect(exitCode).toBe(0);
    for (const { key } of SETTINGS) expect(stdout).toContain(`\n  ${key} `);
    for (const line of stdout.split('\n')) expect([...line].length).toBeLessThanOrEqual(80);
  });

  it('[J10] cores draws the map of this host and gives the reasons', async () => {
    const { exitCode, stdout, stderr } = cli(['explain', 'cores', ...HOST]);
    expect([exitCode, stderr]).toEqual([0, '']);
    await expect(stdout).toMatchFileSnapshot('golden-explain/cores.txt');
  });

  it('governor, as people read it', async () => {
    await expect(cli(['explain', 'governor']).stdout).toMatchFileSnapshot('golden-explain/governor.txt');
  });

  it('as JSON keeps its published schema', () => {
    const one = explainReportSchema.parse(JSON.parse(cli(['explain', 'aspm', '--json']).stdout));
    expect(one.settings.map(({ key, value }) => [key, value])).toEqual([['aspm', 'performance']]);
    const all = explainReportSchema.parse(JSON.parse(cli(['explain', '--json']).stdout));
    expect(all.settings).toHaveLength(SETTINGS.length);
    const cores = explainReportSchema.parse(JSON.parse(cli(['explain', 'cores', '--json', ...HOST]).stdout));
    expect(cores.cores?.isolated).toBe('8-15,24-31,40-47,56-63');
  });

  it('does not know everything', () => {
    expect(cli(['explain', 'govenor'])).toEqual({
      exitCode: 64,
      stdout: '',
      stderr: 'error[SETTING_UNKNOWN] "govenor": no such setting\nhint: did you mean "governor"?\n',
    });
    expect(cli(['explain', 'cores', '-f', 'profiles/vm-without-iommu.yaml', ...HOST]).exitCode).toBe(64);
  });
});

describe('docs/settings.md', () => {
  it('[J19] is the table, as npm run schemas writes it', () => {
    expect(readFileSync(`${ROOT}docs/settings.md`, 'utf8')).toBe(settingsPage());
  });
});
