import type { CorePlan, ResolvedProfile } from '../profile/resolved.ts';
import { paint, plain, type Style, wrap } from './terminal.ts';

type Cores = Pick<NonNullable<ResolvedProfile['cores']>, 'isolated' | 'housekeeping'>;
type Use = CorePlan['map'][number]['cores'][number]['use'];

const MARK: Readonly<Record<Use, string>> = {
  isolated: '*',
  housekeeping: '',
  boot: 'b',
  split: '!',
  unused: '-',
};
const LEGEND: Readonly<Record<Use, string>> = {
  isolated: '* isolated',
  housekeeping: 'no mark: housekeeping',
  boot: 'b boot CPU, housekeeping',
  split: '! isolated in part',
  unused: '- neither',
};

/** One line for each node, or as many as it needs: [its SMT siblings] for each core, | between last level caches. */
export function renderCoreMap(cores: Cores, map: CorePlan['map'], style: Style): string[] {
  const titles = map.map(({ node, nics }) => `node ${node}${nics.length > 0 ? ` (${nics.join(', ')})` : ''}`);
  const margin = Math.min(24, Math.max(...titles.map((title) => title.length))) + 4;
  const rows = map.flatMap(({ cores: list }, index) => {
    const words = list.map((core, at) => {
      const next = list[at + 1];
      const border = next !== undefined && next.cache !== core.cache ? ' |' : '';
      return `[${plain(core.cpus)}]${MARK[core.use]}${border}`.replaceAll(' ', '\u00a0');
    });
    const lines = wrap(words.join(' '), Math.max(20, style.width - margin)).split('\n');
    const title = plain(titles[index] ?? '');
    const first = title.length + 4 > margin ? [`  ${title}`] : [];
    return [
      ...first,
      ...lines.map((line, number) => {
        const head = number === 0 && first.length === 0 ? `  ${title}` : '';
        return `${head.padEnd(margin)}${line.replaceAll('\u00a0', ' ')}`;
      }),
    ];
  });
  const uses = (Object.keys(MARK) as Use[]).filter((use) =>
    map.some(({ cores: list }) => list.some((core) => core.use === use)),
  );
  const title = `Cores: ${cores.isolated || 'none'} isolated, ${cores.housekeeping} housekeeping`;
  return [
    paint(style, 'bold', wrap(title, style.width)),
    ...rows,
    paint(style, 'dim', `  ${wrap(uses.map((use) => LEGEND[use]).join('; '), style.width - 2, '  ')}`),
  ];
}

export function renderReasons(reasons: readonly string[], style: Style): string[] {
  return reasons.map((reason) => `  ${wrap(plain(reason), style.width - 2, '    ')}`);
}
