// The whole way of a server, on a real kernel behind a real boot loader: from what was installed to ready, and back.
import { expect, test } from 'vitest';
import type { CheckReport } from '../../src/report/report.ts';
import { NICS } from './hardware.ts';
import { probe, tool, useMachine } from './lab.ts';
import { type Machine, sleep, until } from './machine.ts';
import { arping } from './nics.ts';
import { stateOf } from './state.ts';

const NIC = NICS.virtio;
const ADDRESS = NIC.guestAddress;

const PROFILE = `version: 1
nics:
  - { name: feed, match: { mac: "${NIC.mac}" }, role: data, stack: dpdk }
hugepages: [{ size: 2M, count: 48 }]
cores: auto
power: auto
tunables: auto
boot: { trial: true, arguments: [intel_iommu=on] }
service: { user: trader, unit: feed.service }
`;

/** Polls on the NIC as the service account of the profile would. */
const UNIT = `[Unit]
Description=stands for the application
[Service]
User=trader
ExecStart=/usr/bin/env bypass-setup validate --port ${NIC.pci} --address ${ADDRESS} --duration 20s --json
StandardError=journal
StandardOutput=file:/run/feed.json
`;

const machine = useMachine({ guest: 'grub' }, async (machine) => {
  await machine.must('useradd --system trader');
  await write(machine, '/etc/systemd/system/feed.service', UNIT);
  await write(machine, '/root/profile.yaml', PROFILE);
  await machine.must('systemctl daemon-reload && sync');
});

async function write(machine: Machine, path: string, text: string): Promise<void> {
  await machine.must(`cat > ${path}`, { input: text });
}

async function bootLine(): Promise<string> {
  return (await machine().must('cat /proc/cmdline')).trim();
}

/** This emulator has no invariant TSC, and its host decides the frequency. */
const UNLIKE_A_SERVER = [
  'unknown governor host: the hypervisor decides the frequency',
  'fail clocksource host: the clock source is acpi_pm',
];

const said = ({ result, check, subject, sentence }: CheckReport['findings'][number]) =>
  `${result} ${check} ${subject}: ${sentence}`;

/** The last that the initramfs does, before it hands over to init=. */
const HANDED_OVER = /Running \/scripts\/init-bottom/;

/** The boot that is up; `old` while none answers. */
async function bootOr(old: string): Promise<string> {
  try {
    return (await machine().lives(3000)) ? await machine().bootId() : old;
  } catch {
    return old;
  }
}

/** What became of a trial, once its service has decided. */
async function trial(): Promise<string> {
  const path = '/var/lib/bypass-setup/boot-trial';
  let said = '';
  await until(
    'the trial is decided',
    async () => {
      said = (await machine().run(`cat ${path}`)).stdout.trim();
      return said !== '' && said !== 'trying';
    },
    240,
  );
  return said;
}

test('[J2] [J7] [E18] [D6] [F1] [B21] as installed, applied, rebooted, ready; undone, rebooted, as installed', async () => {
  const before = await stateOf(machine());
  const line = await bootLine();

  const applied = await tool(machine(), 'apply -f /root/profile.yaml --yes', 400_000);
  expect(applied.code, applied.stdout + applied.stderr).toBe(3);
  expect(await machine().must('grub-editenv /boot/grub/grubenv list')).toMatch(/next_entry=\S/);
  await machine().reboot();
  expect(await trial()).toMatch(/passed/);
  expect(await bootLine()).toMatch(/ isolcpus=managed_irq,domain,3 nohz_full=3 rcu_nocbs=3 .*panic=10/);
  await until('the run is verified', async () =>
    /in force/.test((await tool(machine(), 'undo --list')).stdout),
  );
  const plan = await tool(machine(), 'plan -f /root/profile.yaml');
  expect(plan.stdout).toContain('Nothing to do: this host is what the profile asks for.');
  const check = JSON.parse(
    (await tool(machine(), 'check -f /root/profile.yaml --json', 200_000)).stdout,
  ) as CheckReport;
  expect(check.findings.filter(({ result }) => result === 'fail' || result === 'unknown').map(said)).toEqual(
    UNLIKE_A_SERVER,
  );

  // Its account, its memory limit and its device are what the unit waits for.
  await machine().must('systemctl start --no-block feed');
  await until('the service answers', async () => (await arping(machine(), NIC, ADDRESS)) > 0);
  await until(
    'the service ends',
    async () => !/^(activating|active)/.test((await machine().run('systemctl is-active feed')).stdout),
  );
  expect(JSON.parse(await machine().must('cat /run/feed.json'))).toMatchObject({
    port: { pci: NIC.pci, link: { up: true } },
    core: { cpu: 3 },
  });

  const undone = await tool(machine(), 'undo', 400_000);
  expect(undone.code, undone.stdout + undone.stderr).toBe(3);
  await machine().reboot();
  expect(await bootLine()).toBe(line);
  expect(await stateOf(machine())).toBe(before);
  expect((await probe(machine())).isolation.isolated.value ?? '').toBe('');
});

test('[J2] a boot line that panics, and one that hangs: the next boot is the old line, and the tool says so', async () => {
  const line = await bootLine();
  const before = await stateOf(machine());
  for (const [argument, hangs] of [
    ['init=/bin/false', false],
    ['init=/bin/cat', true],
  ] as const) {
    await write(
      machine(),
      '/root/bad.yaml',
      `version: 1\nboot: { trial: true, arguments: ["${argument}"] }\n`,
    );
    const applied = await tool(machine(), 'apply -f /root/bad.yaml --yes', 400_000);
    expect(applied.code, applied.stdout + applied.stderr).toBe(3);
    const said = machine().serialLog().length;
    const old = await machine().bootId();
    await machine().must('(sleep 0.2; systemctl reboot) >/dev/null 2>&1 &');
    if (hangs) {
      await until('its init is started', async () => HANDED_OVER.test(machine().serialLog().slice(said)));
      await sleep(5000);
      expect(await machine().lives(3000)).toBe(false);
      await machine().cutPower();
      await machine().start();
    } else await until('another boot is up', async () => (await bootOr(old)) !== old, 240);
    expect(machine().serialLog().slice(said)).toMatch(hangs ? HANDED_OVER : /Kernel panic/);
    expect(await bootLine()).toBe(line);
    expect((await tool(machine(), 'plan -f /root/bad.yaml')).stdout).toMatch(/tried and not kept/);
    const undone = await tool(machine(), 'undo', 400_000);
    expect([0, 3], undone.stdout + undone.stderr).toContain(undone.code);
    expect(await stateOf(machine()), argument).toBe(before);
  }
});
