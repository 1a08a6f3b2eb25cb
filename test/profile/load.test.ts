import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXIT, ToolError } from '../../src/host/errors.ts';
import { LARGEST_PROFILE, loadProfile } from '../../src/profile/load.ts';
import { anyText } from '../formats/properties.ts';

const HINT = 'docs/profile.md lists every key; `bypass-setup suggest` writes a profile';

async function errorOf(input: string | Uint8Array): Promise<ToolError> {
  try {
    await loadProfile('p.yaml', input);
  } catch (error) {
    if (error instanceof ToolError) return error;
    throw error;
  }
  throw new Error('it was loaded');
}

/** `place: sentence` of every complaint, in order. */
async function complaints(input: string | Uint8Array): Promise<string[]> {
  const error = await errorOf(input);
  expect(error.code).toBe('PROFILE_INVALID');
  expect(error.exitCode).toBe(EXIT.usage);
  expect(error.hint).toBe(HINT);
  const [, ...lines] = error.message.split('\n  ');
  return lines.length > 0 ? lines : [`${error.subject}: ${error.message}`];
}

const nic = (text: string) =>
  `version: 1\nnics:\n  - name: a\n    match: { mac: 02:00:5e:00:00:01 }\n${text}`;

describe('a profile that is in order', () => {
  it('[H16] is the same as YAML and as JSON, with the defaults filled in', async () => {
    const value = {
      version: 1,
      nics: [{ name: 'a', match: { address: '3b:00.0' }, role: 'data', stack: 'dpdk', vfs: [{ vlan: 7 }] }],
      hugepages: [{ size: '2M', count: 8 }],
      cores: { isolated: '2-3' },
    };
    const yaml = [
      '# comment',
      'version: 1',
      'nics:',
      '  - name: a',
      '    match: { address: 3b:00.0 }',
      '    role: data',
      '    stack: dpdk',
      '    vfs: [{ vlan: 7 }]',
      'hugepages:',
      '  - { size: 2M, count: 8 }',
      'cores: { isolated: 2-3 }',
      '',
    ].join('\n');
    const expected = {
      version: 1,
      nics: [
        {
          name: 'a',
          match: { address: '3b:00.0' },
          role: 'data',
          stack: 'dpdk',
          driver: 'auto',
          'allow-no-iommu': false,
          vfs: [{ vlan: 7, driver: 'auto' }],
        },
      ],
      hugepages: [{ size: '2M', count: 8, node: 'auto', when: 'auto', mount: false }],
      cores: { isolated: '2-3', housekeeping: 'auto', isolation: 'boot' },
      persistent: true,
    };
    expect(await loadProfile('p.yaml', yaml)).toEqual(expected);
    expect(await loadProfile('p.json', JSON.stringify(value))).toEqual(expected);
    expect(await loadProfile('-', new TextEncoder().encode(`\ufeff${yaml}`))).toEqual(expected);
  });

  it('keeps texts that other YAML versions take for numbers or truth values', async () => {
    const { nics, cores } = await loadProfile(
      'p.yaml',
      'version: 1\nnics:\n  - { name: no, match: { mac: 12:34:56:12:34:56, interface: off }, role: control }\ncores: { isolated: 8 }\n',
    );
    expect(nics[0]).toMatchObject({ name: 'no', match: { mac: '12:34:56:12:34:56', interface: 'off' } });
    expect(cores).toEqual({ isolated: 8, housekeeping: 'auto', isolation: 'boot' });
  });

  it('may say a thing once for several NICs', async () => {
    const { nics } = await loadProfile(
      'p.yaml',
      'version: 1\nnics:\n  - { name: a, match: { mac: 02:00:5e:00:00:01 }, role: data, vfs: &v [{ vlan: 1 }] }\n' +
        '  - { name: b, match: { mac: 02:00:5e:00:00:02 }, role: data, vfs: *v }\n',
    );
    expect(nics[1]?.vfs).toEqual([{ vlan: 1, driver: 'auto' }]);
  });
});

describe('[H16] what is wrong is told with line, column and the nearest valid spelling', () => {
  it.each<[string, string[]]>([
    ['', ['p.yaml: is empty; a profile begins with "version: 1"']],
    ['# nothing\n', ['p.yaml: is empty; a profile begins with "version: 1"']],
    ['{}', ['p.yaml:1:1: version: is missing; it is 1']],
    ['version: 2', ['p.yaml:1:1: version: 2 is not allowed; it is 1']],
    ['version: "1"', ['p.yaml:1:1: version: "1" is not allowed; did you mean 1?']],
    ['hello', ['p.yaml:1:1: profile: "hello" is not a group of keys']],
    ['- version: 1', ['p.yaml:1:1: profile: a list is not a group of keys']],
    ['version: 1\nnics: []\nversion: 1\n', ['p.yaml:3:1: this key is there already; each may stand once']],
    [
      '{"version": 1,\n "nics": [],\n "nics": []}',
      ['p.yaml:3:2: this key is there already; each may stand once'],
    ],
    [
      '{"version": 1,\n "nics": [}',
      [
        'p.yaml:2:11: Flow sequence in block collection must be sufficiently indented and end with a ]',
        'p.yaml:2:11: Flow map must end with a }',
      ],
    ],
    ['version: 1\nnics:\n\t- name: a\n', ['p.yaml:3:1: a tab indents this line; YAML wants spaces']],
    ['version: 1\n---\nversion: 1\n', ['p.yaml:2:1: a second document begins; a profile is one']],
    ['version: 1\nnics: [*a]', ['p.yaml:2:8: no anchor &a stands before this alias']],
    ['version: 1\nnics: !list []', ['p.yaml:2:7: Unresolved tag: !list']],
    ['version: 1\n\0\0\0', ['p.yaml:2:1: holds binary data']],
    [
      nic('    role: data\n    rolle: data\n'),
      ['p.yaml:6:5: nics[0].rolle: unknown key; did you mean "role"?'],
    ],
    [
      nic('    role: data\n    speed: 10G\n'),
      [
        'p.yaml:6:5: nics[0].speed: unknown key; the keys here are name, match, role, stack, driver, allow-no-iommu, firmware, vfs',
      ],
    ],
    [nic('    role: date\n'), ['p.yaml:5:5: nics[0].role: "date" is not allowed; did you mean data?']],
    [
      nic('    role: 1\n'),
      ['p.yaml:5:5: nics[0].role: 1 is not allowed; it is control, data or order-entry'],
    ],
    [nic('    stack: dpdk\n'), ['p.yaml:3:5: nics[0].role: is missing; it is control, data or order-entry']],
    [
      nic('    role: data\n    vfs: many\n'),
      ['p.yaml:6:5: nics[0].vfs: "many" is not allowed; it is a number or a list'],
    ],
    [nic('    role: data\n    vfs: -1\n'), ['p.yaml:6:5: nics[0].vfs: -1 is too small; at least 0']],
    [
      nic('    role: data\n    vfs: [{ vlan: 4095 }]\n'),
      ['p.yaml:6:13: nics[0].vfs[0].vlan: 4095 is too large; at most 4094'],
    ],
    [
      nic('    role: data\n    vfs: [{}, { drivr: auto }]\n'),
      ['p.yaml:6:17: nics[0].vfs[1].drivr: unknown key; did you mean "driver"?'],
    ],
    [
      nic('    role: data\n    vfs: [{ driver: uio_pci_generic }]\n'),
      [
        'p.yaml:6:13: nics[0].vfs[0].driver: "uio_pci_generic" is not allowed; it is auto, kernel, vfio-pci or igb_uio',
      ],
    ],
    [
      nic('    role: data\n    allow-no-iommu: yes\n'),
      ['p.yaml:6:5: nics[0].allow-no-iommu: "yes" is not true or false'],
    ],
    ['version: 1\nhugepages: atuo', ['p.yaml:2:1: hugepages: "atuo" is not allowed; did you mean auto?']],
    ['version: 1\nhugepages: 1G', ['p.yaml:2:1: hugepages: "1G" is not allowed; it is auto or a list']],
    [
      'version: 1\nhugepages: [{ size: 2, count: 1 }]',
      ['p.yaml:2:15: hugepages[0].size: 2 is not a text; put it in quotes: "2"'],
    ],
    [
      'version: 1\ncores: { isolated: 2-x }',
      ['p.yaml:2:10: cores.isolated: expected a CPU list such as 2-5,8, not "2-x"'],
    ],
    [
      'version: 1\ncores: { isolated: [2] }',
      ['p.yaml:2:10: cores.isolated: a list is not allowed; it is auto, a text or a number'],
    ],
    [
      'version: 1\nservice: { user: "x;y" }',
      ['p.yaml:2:12: service.user: expected the name of an account, not "x;y"'],
    ],
    [
      'version: 1\nservice: { user: a, unit: feed }',
      ['p.yaml:2:21: service.unit: expected the name of a unit that ends in .service, not "feed"'],
    ],
    [
      'version: 1\nvalidate: { address: 192.0.2 }',
      ['p.yaml:2:13: validate.address: expected an IPv4 address such as 192.0.2.10, not "192.0.2"'],
    ],
    [
      'version: 1\n"a\\u0007b": 1',
      [
        'p.yaml:2:1: "a\\u0007b": unknown key; the keys here are version, role, nics, hugepages, cores, interrupts, power, tunables, tuner, boot, service, persistent, validate',
      ],
    ],
  ])('%j', async (text, expected) => {
    expect(await complaints(text)).toEqual(expected);
  });

  it('all that is wrong at once, in the order of the file', async () => {
    const error = await errorOf(nic('    role: data\n    stak: dpdk\nhugepages: 7\npersistant: true\n'));
    expect(error.format()).toBe(
      [
        'error[PROFILE_INVALID] p.yaml: 3 errors',
        '  p.yaml:6:5: nics[0].stak: unknown key; did you mean "stack"?',
        '  p.yaml:7:1: hugepages: 7 is not allowed; it is auto or a list',
        '  p.yaml:8:1: persistant: unknown key; did you mean "persistent"?',
        `hint: ${HINT}`,
      ].join('\n'),
    );
  });

  it('JSON has lines and columns too', async () => {
    const text =
      '{\n  "version": 1,\n  "nics": [\n    {"name": "a", "match": {}, "role": "data", "stack": "dpkd"}\n  ]\n}\n';
    expect(await complaints(text)).toEqual([
      'p.yaml:4:48: nics[0].stack: "dpkd" is not allowed; did you mean dpdk?',
    ]);
  });

  it('many errors do not push the first off the screen', async () => {
    const lines = await complaints(
      `version: 1\n${Array.from({ length: 50 }, (_, n) => `key${n}: 1\n`).join('')}`,
    );
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe('and 30 more');
  });

  it('what an alias stands for is complained about where it stands', async () => {
    const text = 'version: 1\nvalidate: { nic: &a [b] }\nservice: { user: *a }\n';
    expect(await complaints(text)).toEqual([
      'p.yaml:2:13: validate.nic: a list is not a text',
      'p.yaml:3:12: service.user: a list is not a text',
    ]);
  });
});

describe('what contradicts itself on every host', () => {
  it.each<[string, string, string]>([
    [
      'no match field',
      'nics: [{ name: a, match: {}, role: data }]',
      '2:19: nics[0].match: needs at least one of address, mac, serial, interface',
    ],
    [
      'two NICs of one name',
      'nics: [{ name: a, match: { mac: 02:00:5e:00:00:01 }, role: data }, { name: a, match: { mac: 02:00:5e:00:00:02 }, role: data }]',
      '2:70: nics[1].name: is the name of nics[0] already',
    ],
    [
      'a control NIC for user space',
      'nics: [{ name: a, match: { mac: 02:00:5e:00:00:01 }, role: control, stack: dpdk }]',
      '2:69: nics[0].stack: dpdk would take it away from the host that is reached through it; control allows kernel, busy-poll',
    ],
    [
      'a control NIC on vfio-pci',
      'nics: [{ name: a, match: { mac: 02:00:5e:00:00:01 }, role: control, driver: vfio-pci }]',
      '2:69: nics[0].driver: vfio-pci is for the stack dpdk; kernel works on the kernel driver',
    ],
    [
      '[B19] UIO without saying what it gives up',
      'nics: [{ name: a, match: { mac: 02:00:5e:00:00:01 }, role: data, stack: dpdk, driver: uio_pci_generic }]',
      '2:79: nics[0].driver: uio_pci_generic works without the IOMMU\'s protection; to accept that, add "allow-no-iommu: true"',
    ],
    [
      '[B19] UIO for a virtual function, likewise',
      'nics: [{ name: a, match: { mac: 02:00:5e:00:00:01 }, role: data, stack: dpdk, vfs: [{ driver: igb_uio }] }]',
      '2:87: nics[0].vfs[0].driver: igb_uio works without the IOMMU\'s protection; to accept that, add "allow-no-iommu: true" to the NIC',
    ],
    [
      'settings of a VF whose PF is not on its kernel driver',
      'nics: [{ name: a, match: { mac: 02:00:5e:00:00:01 }, role: data, stack: dpdk, driver: vfio-pci, vfs: [{ vlan: 3 }] }]',
      '2:105: nics[0].vfs[0].vlan: only the kernel driver of the physical function can set it, and that is on vfio-pci',
    ],
    [
      'a group address for a VF',
      'nics: [{ name: a, match: { mac: 02:00:5e:00:00:01 }, role: data, vfs: [{ mac: 01:00:5e:00:00:09 }] }]',
      '2:74: nics[0].vfs[0].mac: is a group address or all zeros; the kernel refuses it',
    ],
    [
      'one address for two VFs',
      'nics: [{ name: a, match: { mac: 02:00:5e:00:00:01 }, role: data, vfs: [{ mac: 02:00:5e:00:00:0a }, { mac: 02:00:5E:00:00:0A }] }]',
      '2:102: nics[0].vfs[1].mac: is given to another virtual function already',
    ],
    [
      'pages of the next boot that shall not outlast this one',
      'persistent: false\nhugepages: [{ size: 1G, count: 1, when: boot }]',
      '3:35: hugepages[0].when: boot arguments outlast a reboot, which "persistent: false" rules out',
    ],
    [
      'pages without a number',
      'hugepages: [{ size: 2M }]',
      '2:13: hugepages[0]: needs either count or total',
    ],
    [
      'pages with two numbers',
      'hugepages: [{ size: 2M, count: 1, total: 2M }]',
      '2:13: hugepages[0]: needs either count or total',
    ],
    [
      'half a page',
      'hugepages: [{ size: 1G, total: 1536M }]',
      '2:25: hugepages[0].total: is not a whole number of pages of 1G',
    ],
    [
      'CPUs on both sides',
      'cores: { isolated: 2-5, housekeeping: 0-2 }',
      '2:25: cores.housekeeping: CPUs 2 are isolated as well',
    ],
    [
      'a range that runs backwards',
      'cores: { isolated: 5-2 }',
      '2:10: cores.isolated: not a CPU list: "5-2" (the range 5-2 runs backwards)',
    ],
    [
      'a NIC that is not there',
      'validate: { nic: b }',
      '2:13: validate.nic: no NIC of this profile is named "b"',
    ],
  ])('%s', async (_, text, expected) => {
    expect(await complaints(`version: 1\n${text}\n`)).toEqual([`p.yaml:${expected}`]);
  });
});

describe('nothing but a ToolError comes out, and soon', () => {
  const BOMB = `a0: &a0 [${'x,'.repeat(9)}x]\n${Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(9)}*a${n}]\n`).join('')}`;
  const half = LARGEST_PROFILE >> 1;

  it.each<[string, string | Uint8Array, RegExp]>([
    ['an anchor bomb', BOMB, /its aliases stand for more than 1000 copies/],
    ['an anchor that holds itself', 'version: 1\nnics: &a [*a]\n', /nics\[0]: a list is not a group of keys/],
    ['a huge file', 'x'.repeat(LARGEST_PROFILE + 1), /is larger than 256 KiB/],
    ['an executable', new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 0x02, 0xff, 0xfe]), /is not UTF-8 text/],
    ['UTF-16', new Uint8Array([0xff, 0xfe, 0x76, 0x00]), /is not UTF-8 text/],
    ['lists in lists', '['.repeat(half), /is nested more than 32 levels deep/],
    [
      'lists in lists, as JSON',
      `{"version": ${'['.repeat(half)}${']'.repeat(half - 100)}}`,
      /is nested more than 32 levels deep/,
    ],
    ['dashes', '- '.repeat(half >> 1), /is nested more than 32 levels deep/],
    ['keys of keys', '? '.repeat(half >> 1), /is nested more than 32 levels deep/],
    ['maps in one line', 'a: '.repeat(half / 3), /is nested more than 32 levels deep/],
    [
      'ever deeper lines',
      Array.from({ length: 300 }, (_, n) => `${' '.repeat(n)}a:\n`).join(''),
      /is nested more than 32 levels deep/,
    ],
    ['many anchors', '&a '.repeat(half / 3), /./],
    ['many tags', '!a '.repeat(half / 3), /./],
    [
      'many keys',
      `version: 1\n${Array.from({ length: 20_000 }, (_, n) => `k${n}: 1\n`).join('')}`,
      /20000 errors/,
    ],
    ['many documents', '---\n'.repeat(half / 4), /a second document begins/],
    ['a prototype', '{"version": 1, "__proto__": {"persistent": false}}', /__proto__: unknown key/],
    ['a prototype in YAML', 'version: 1\n__proto__: { persistent: false }\n', /__proto__: unknown key/],
    ['a merge key', 'version: 1\n<<: { persistent: false }\n', /"<<": unknown key/],
  ])('%s', async (_, input, message) => {
    const start = performance.now();
    expect((await errorOf(input)).message).toMatch(message);
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  const line = fc.stringMatching(/^ {0,6}(- )?[a-z]{1,6}: ?([0-9a-z:.,{}[\]&*!|>'"#-]{0,12})$/);
  const key = fc.constantFrom(
    'version',
    'nics',
    'hugepages',
    'cores',
    'match',
    'name',
    'vfs',
    'role',
    '__proto__',
  );
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom('auto', 'data', 1, '2M'),
      tie('object'),
      fc.array(tie('any')),
    ),
    object: fc.dictionary(key, tie('any'), { maxKeys: 4 }),
  })).object;

  it.each<[string, fc.Arbitrary<string>]>([
    ['any text', anyText],
    ['lines that look like YAML', fc.array(line).map((lines) => lines.join('\n'))],
    ['JSON with keys of a profile', value.map((object) => JSON.stringify(object))],
    ['JSON that begins well', value.map((object) => JSON.stringify({ version: 1, ...(object as object) }))],
  ])('for %s', async (_, texts) => {
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        try {
          await loadProfile('p.yaml', text);
        } catch (error) {
          expect(error).toBeInstanceOf(ToolError);
          const printed = (error as ToolError).format();
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
          expect(printed).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
        }
      }),
      { numRuns: 200 },
    );
  });
});
