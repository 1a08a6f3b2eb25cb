import { SETTINGS } from '../src/formats/settings.ts';
import { describe } from '../src/report/explain-text.ts';

const HEAD = `# Settings

What the tool sets besides drivers, hugepages and files of its own: what each is for, what it costs, and how one sees that
it is in force. \`bypass-setup explain SETTING\` prints the same. Written by \`npm run schemas\` from
[src/formats/settings.ts](../src/formats/settings.ts).

Those of \`cores\`, \`interrupts\` and \`boot\` come with isolated CPUs. Of \`power\` and \`tunables\` a profile names the section:
\`auto\` takes every value below, a key changes one of them, \`leave\` leaves it alone. What a host does not have is passed
over, unless the profile names it; then it is an error.
`;

/** docs/settings.md */
export function settingsPage(): string {
  const sections = [...new Set(SETTINGS.map(({ section }) => section))];
  const parts = sections.flatMap((section) => [
    `\n## ${section}\n`,
    ...SETTINGS.filter((setting) => setting.section === section).map((setting) => {
      const rows = describe(setting).map(([name, text]) => `- **${name}** — ${escaped(text)}\n`);
      return `\n### ${setting.key}\n\n${setting.summary[0]?.toUpperCase()}${setting.summary.slice(1)}.\n\n${rows.join('')}`;
    }),
  ]);
  return `${HEAD}${parts.join('')}`;
}

/** Paths with stars and braces in them are no emphasis. */
function escaped(text: string): string {
  return text.replaceAll('*', '\\*').replaceAll('_', '\\_');
}
