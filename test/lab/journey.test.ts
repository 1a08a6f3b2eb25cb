// The whole way of a server, on a real kernel behind a real boot loader: from what was installed to ready, and back.
import { expect, test } from 'vitest';
import { NICS } from './hardware.ts';
import { probe, tool, useMachine } from './lab.ts';
import { type Machine, until } from './machine.ts';
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

test('[J2] [J7] [E18] [D6] [F1] as installed, applied, rebooted, ready; undone, rebooted, as installed', async () => {
  const before = await stateOf(machine());
  const line = await bootLine();

  const applied = await tool(machine(), 'apply -f /root/profile.yaml --yes', 400_000);
  console.log(applied.stdout, applied.stderr);
  expect(applied.code).toBe(3);
  expect(await machine().must('grub-editenv /boot/grub/grubenv list')).toMatch(/next_entry=\S/);
  await machine().reboot();
  expect(await trial()).toMatch(/passed/);
  console.log(await bootLine());
  console.log((await tool(machine(), 'resume')).stdout, (await tool(machine(), 'undo --list')).stdout);
  const check = await tool(machine(), 'check -f /root/profile.yaml --verbose', 200_000);
  console.log(check.stdout, check.stderr);
  const plan = await tool(machine(), 'plan -f /root/profile.yaml');
  console.log(plan.stdout, plan.stderr);

  await machine().must('systemctl start --no-block feed');
  await until('the service answers', async () => (await arping(machine(), NIC, ADDRESS)) > 0);
  await until('the service ends', async () => (await machine().run('systemctl is-active feed')).code !== 0);
  console.log(await machine().must('cat /run/feed.json; journalctl -u feed --no-pager | tail -20'));

  const undone = await tool(machine(), 'undo', 400_000);
  console.log(undone.stdout, undone.stderr);
  expect(undone.code).toBe(3);
  await machine().reboot();
  expect(await bootLine()).toBe(line);
  expect(await stateOf(machine())).toBe(before);
  expect((await probe(machine())).isolation.isolated.value).toBe('');
});
