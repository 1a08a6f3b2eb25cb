import type { ProfileNic } from './schema.ts';
import type { Suggestion } from './suggest.ts';

const WIDTH = 80;

/** The suggestion as YAML for people: each choice with its reason, what is not chosen as a comment to uncomment. */
export function printSuggestion({ profile, nics, omitted, hugepages, cores, settings }: Suggestion): string {
  return [
    ...comment(
      'A starting profile for this host, written by `bypass-setup suggest`. Read it and change it: what a NIC is ' +
        'for, only you know. docs/profile.md explains every key.',
    ),
    'version: 1',
    '',
    ...(nics.length === 0 ? ['# No NIC was found.', 'nics: []'] : ['nics:']),
    ...nics.flatMap(({ nic, why }) => [...why.flatMap((line) => comment(line, '  ')), ...nicLines(nic), '']),
    ...omitted.flatMap((line) => comment(`Not listed: ${line}`, '  ')),
    ...(omitted.length === 0 ? [] : ['']),
    ...hugepages.flatMap((line) => comment(`Hugepages: ${line}`)),
    profile.hugepages === undefined ? '# hugepages: auto' : 'hugepages: auto',
    '',
    ...cores.flatMap((line) => comment(`Cores: ${line}`)),
    profile.cores === undefined ? '# cores: auto' : 'cores: auto',
    '',
    ...comment(
      'Frequencies and idle states; memory, watchdogs and the clock. docs/settings.md says what each costs.',
    ),
    ...settings.flatMap((line) => comment(`Not set: ${line}`)),
    profile.power === undefined ? '# power: auto' : 'power: auto',
    profile.tunables === undefined ? '# tunables: auto' : 'tunables: auto',
    '',
    '# Whether the settings shall survive a reboot.',
    `persistent: ${profile.persistent}`,
    '',
    ...comment('The account that runs the application, and its systemd unit:'),
    '# service:',
    '#   user: trader',
    '#   unit: feed.service',
    '',
  ].join('\n');
}

function nicLines(nic: ProfileNic): string[] {
  const match = Object.entries(nic.match).map(([field, value]) => `      ${field}: ${value}`);
  return [
    `  - name: ${label(nic.name)}`,
    '    match:',
    ...match,
    `    role: ${nic.role}`,
    `    stack: ${nic.stack}`,
    ...(nic.driver === 'auto' ? [] : [`    driver: ${nic.driver}`]),
    ...(nic['allow-no-iommu'] ? ['    allow-no-iommu: true'] : []),
  ];
}

/** The only value that comes from the host and could be something else than a text to YAML. */
function label(name: string): string {
  return /^(null|true|false)$/i.test(name) ? JSON.stringify(name) : name;
}

/** What a host says of itself must not end a comment. */
function comment(text: string, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').split(' ')) {
    if (line !== '' && indent.length + 2 + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line].map((part) => `${indent}# ${part}`);
}
