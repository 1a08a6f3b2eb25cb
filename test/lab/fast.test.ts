// The fast guest as this tool finds a server that somebody prepared by hand: what it sees, and packets through its NICs.
import { expect, test } from 'vitest';
import { arpReply, arpRequest } from './frames.ts';
import { MANAGEMENT, NICS, type Nic } from './hardware.ts';
import { probe, tool, useMachine } from './lab.ts';
import { sleep, until } from './machine.ts';
import { arping, bind, drive, nicsOf } from './nics.ts';

const machine = useMachine({
  guest: 'fast',
  kernelArguments:
    'intel_iommu=on iommu=pt isolcpus=managed_irq,domain,1,3 nohz_full=1,3 rcu_nocbs=1,3 irqaffinity=0,2 hugepagesz=2M hugepages=0:40,1:48',
});

/** Until the validator answers for the address of this NIC. */
const answering = (nic: Nic) =>
  until(`${nic.name} answers`, async () => (await arping(machine(), nic, nic.guestAddress)) > 0);

test('[A1] [A2] [A9] [A11] [A12] probe tells what the test has built: NICs, nodes, groups, CPUs, hugepages, isolation', async () => {
  const found = await probe(machine());
  const functions = found.pci.networkFunctions.value ?? [];
  const seen = functions.map(({ address, driver, node }) => [address, driver.value, node.value ?? -1]);
  const expected = [
    ...nicsOf(machine()).map(({ pci, driver, node }) => [pci, driver, node]),
    [MANAGEMENT.pci, 'virtio-pci', -1],
  ];
  expect(seen.sort()).toEqual(expected.sort());

  const groupOf = (pci: string) => functions.find(({ address }) => address === pci)?.iommuGroup.value;
  const group = found.iommu.groups.value?.find(({ id }) => id === groupOf(NICS.shared0.pci));
  expect(group?.members.map(({ address }) => address)).toEqual([
    '0000:00:0a.0',
    NICS.shared0.pci,
    NICS.shared1.pci,
  ]);
  const alone = found.iommu.groups.value?.find(({ id }) => id === groupOf(NICS.virtio.pci));
  expect(alone?.members.map(({ address }) => address)).toEqual([NICS.virtio.pci]);
  expect(found.iommu.units.value).toEqual(['dmar0']);
  expect(found.iommu.interruptRemapping.value).toBe(true);

  expect(found.numa.nodes.value?.map(({ id, cpus }) => [id, cpus])).toEqual([
    [0, '0-1'],
    [1, '2-3'],
  ]);
  expect(found.numa.nodes.value?.[0]?.distances.value).toEqual({ '0': 10, '1': 21 });
  expect(found.isolation.isolated.value).toBe('1,3');
  expect(found.isolation.nohzFull.value).toBe('1,3');
  expect(found.isolation.rcuNocbs.value).toBe('1,3');
  const pools = found.hugepages.pools.value?.filter(({ size }) => size === 2 << 20);
  expect(pools?.map(({ node, total, free }) => [node, total, free])).toEqual([
    [0, 40, 40],
    [1, 48, 48],
  ]);
  const management = functions.find(({ address }) => address === MANAGEMENT.pci);
  expect(found.network.routes.value).toContainEqual(
    expect.objectContaining({
      destination: 'default',
      gateway: '10.0.2.2',
      interfaces: management?.interfaces,
    }),
  );
  expect(found.network.carried.value?.filter(({ what }) => what === 'default route')).toEqual([
    expect.objectContaining({ pci: MANAGEMENT.pci }),
  ]);
});

test('[A1] validate refuses a NIC that its kernel driver has', async () => {
  const { code, stdout, stderr } = await tool(machine(), `validate --port ${NICS.e1000e.pci}`);
  expect(stderr).toMatch(/error\[KERNEL_DRIVER\] 0000:00:05\.0[^\n]*e1000e/);
  expect(stdout).toBe('');
  expect(code).toBe(4);
});

test('[A12] [J9] validate refuses a NIC in a group that is not viable, and names the others', async () => {
  await bind(machine(), NICS.shared0.pci, 'vfio-pci');
  const { code, stderr } = await tool(machine(), `validate --port ${NICS.shared0.pci}`);
  expect(stderr).toMatch(/error\[GROUP_NOT_VIABLE\] 0000:02:01\.0[^\n]*0000:02:02\.0[^\n]*e1000/);
  expect(code).toBe(4);
  await bind(machine(), NICS.shared0.pci, 'e1000');
});

for (const nic of [NICS.e1000e, NICS.virtio, NICS.igb]) {
  test(`[H4] [H5] [S1] the validator answers ARP and ping on ${nic.name}, bound to vfio-pci`, async (context) => {
    context.skip(nic.name === 'igb' && !machine().hasIgb, 'this QEMU has no igb (it came with QEMU 8)');
    await bind(machine(), nic.pci, 'vfio-pci');
    const { outcome, result, echoed, asked } = await drive(machine(), nic);
    expect(result.reasons.join('\n')).toMatch(/ARP and \d+ ICMP echo requests for/);
    expect(result.verdict).toBe('ready');
    expect(outcome.code).toBe(0);
    expect(echoed).toBe(asked);
    expect(result.packets.answeredIcmp).toBeGreaterThanOrEqual(asked);
    expect(result.packets.answeredArp).toBeGreaterThanOrEqual(1);
    expect(result.port.mac).toBe(nic.mac);
    expect(result.port.node).toBe(nic.node === -1 ? null : nic.node);
    // CPUs 1 and 3 are isolated; 3 is of node 1, and the last one where the firmware names no node.
    expect(result.core.cpu).toBe(3);
    expect(new Set(result.port.memory?.map(({ node, pageSize }) => `${node} ${pageSize}`))).toEqual(
      new Set(['1 2097152']),
    );
  });
}

test('[S6] another address of the network gets no answer, a raw request gets one with the right addresses', async () => {
  const nic = NICS.virtio;
  await bind(machine(), nic.pci, 'vfio-pci');
  const frames = await machine().frames(nic);
  const running = tool(
    machine(),
    `validate --port ${nic.pci} --address ${nic.guestAddress} --duration 8s --json`,
  );
  const peer = { mac: '02:00:00:00:00:77', address: '198.18.3.77' };
  let answer: Buffer | undefined;
  for (let tries = 0; answer === undefined && tries < 60; tries++) {
    frames.send(arpRequest(peer.mac, peer.address, nic.guestAddress));
    answer = await frames.next((frame) => arpReply(frame) !== undefined, 1000);
  }
  expect(answer && arpReply(answer)).toEqual({ mac: nic.mac, address: nic.guestAddress });
  expect(answer?.subarray(0, 6).toString('hex')).toBe(peer.mac.replaceAll(':', ''));
  frames.send(arpRequest(peer.mac, peer.address, '198.18.3.99'));
  expect(await frames.next((frame) => arpReply(frame)?.address === '198.18.3.99', 1500)).toBeUndefined();
  frames.close();
  const { packets } = JSON.parse((await running).stdout);
  expect(packets.ignored['arp-other-address']).toBeGreaterThanOrEqual(1);
});

test('[H4] after a kill -9 of the tool nothing is left of the run, and the NIC can be opened again', async () => {
  const nic = NICS.virtio;
  await bind(machine(), nic.pci, 'vfio-pci');
  const left = 'cat /sys/bus/pci/devices/*/driver_override; ls /run /tmp /dev/shm';
  const before = await machine().must(left);
  const started = await machine().must(
    `setsid bypass-setup validate --port ${nic.pci} --address ${nic.guestAddress} --duration 100s >/dev/null 2>&1 & echo $!`,
  );
  await answering(nic);
  const holders = 'ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c "/dev/vfio/[0-9]" || true';
  expect(Number(await machine().must(holders))).toBeGreaterThan(0);
  await machine().must(`kill -9 ${started}`);
  await until('nobody holds the NIC', async () => Number(await machine().must(holders)) === 0, 20);
  expect(await machine().must(left)).toBe(before);
  expect((await drive(machine(), nic)).result.verdict).toBe('ready');
});

test('[J9] a NIC that a process holds is not touched, and the process is named', async () => {
  const nic = NICS.virtio;
  await bind(machine(), nic.pci, 'vfio-pci');
  const holding = tool(
    machine(),
    `validate --port ${nic.pci} --address ${nic.guestAddress} --duration 20s --json`,
  );
  await answering(nic);
  const { code, stderr } = await tool(machine(), `validate --port ${nic.pci} --duration 1s`);
  expect(stderr).toMatch(/error\[NIC_IN_USE\] 0000:81:00\.0[^\n]*node\[\d+\]/);
  expect(code).toBe(4);
  expect(JSON.parse((await holding).stdout).port.link).toMatchObject({ up: true, losses: 0 });
});

test('[H4] no link is not ready, and so is a link that was lost during the run', async () => {
  const nic = NICS.e1000e;
  await bind(machine(), nic.pci, 'vfio-pci');
  await machine().link(nic, false);
  const dark = await tool(machine(), `validate --port ${nic.pci} --duration 1s --json`);
  expect(JSON.parse(dark.stdout).verdict).toBe('not-ready');
  expect(JSON.parse(dark.stdout).reasons[0]).toMatch(/^no link after 10 s/);
  expect(dark.code).toBe(2);
  await machine().link(nic, true);

  const running = tool(
    machine(),
    `validate --port ${nic.pci} --address ${nic.guestAddress} --duration 15s --json`,
  );
  await answering(nic);
  await machine().link(nic, false);
  await sleep(1000);
  await machine().link(nic, true);
  const lost = JSON.parse((await running).stdout);
  expect(lost.port.link.losses).toBeGreaterThanOrEqual(1);
  expect(lost.verdict).toBe('not-ready');
});

test('[D6] validate refuses when hugepages are short on the node of the NIC, and its remedy is one', async () => {
  const nic = NICS.virtio;
  await bind(machine(), nic.pci, 'vfio-pci');
  const pool = '/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages';
  await machine().must(`echo 8 > ${pool}`);
  const { code, stderr } = await tool(machine(), `validate --port ${nic.pci} --duration 1s`);
  expect(stderr).toMatch(/error\[HUGEPAGES_SHORT\][^\n]*node 1/);
  expect(code).toBe(2);
  const remedy = /echo \d+ > \S+/.exec(stderr)?.[0] ?? 'false';
  await machine().must(remedy);
  const cured = await tool(machine(), `validate --port ${nic.pci} --duration 1s --json`, 180_000);
  expect(JSON.parse(cured.stdout).port.memory).toEqual([expect.objectContaining({ node: 1 })]);
  await machine().must(`echo 48 > ${pool}`);
});

test('[G5] [H10] undo turns a watchdog on again, also when somebody has looked at the switch of both meanwhile', async () => {
  const soft = '/proc/sys/kernel/soft_watchdog';
  expect(await machine().must(`cat ${soft}`)).toBe('1\n');
  const profile = 'version: 1\npersistent: false\ntunables: auto\n';
  await machine().must('cat > /tmp/tunables.yaml', { input: profile });
  const applied = await tool(machine(), 'apply -f /tmp/tunables.yaml --yes');
  expect(applied.code, applied.stdout + applied.stderr).toBe(0);
  expect(await machine().must(`cat ${soft} /proc/sys/kernel/watchdog`)).toBe('0\n0\n');
  const undone = await tool(machine(), 'undo');
  expect(undone.code, undone.stdout + undone.stderr).toBe(0);
  expect(await machine().must(`cat ${soft}`)).toBe('1\n');
});

test('[A1] virtual functions are seen with their groups, and a bound one is opened by its driver', async (context) => {
  context.skip(!machine().hasIgb, 'this QEMU has no igb (it came with QEMU 8)');
  const { pci } = NICS.igb;
  await bind(machine(), pci, 'igb');
  await machine().must(
    `cd /sys/bus/pci/devices/${pci} && echo 0 > sriov_drivers_autoprobe && echo 2 > sriov_numvfs`,
  );
  const found = await probe(machine());
  const functions = found.pci.networkFunctions.value ?? [];
  const physical = functions.find(({ address }) => address === pci);
  expect(physical?.sriov.value).toEqual({ total: 7, enabled: 2, autoprobe: false });
  expect(physical?.virtualFunctions).toEqual(['0000:01:10.0', '0000:01:10.2']);
  const virtual = functions.filter(({ physicalFunction }) => physicalFunction.value === pci);
  expect(new Set(virtual.map(({ iommuGroup }) => iommuGroup.value)).size).toBe(2);

  // This emulator's PF sees the first "other" interrupt after a reset and no further one, so it never reads what a VF
  // asks of it, with or without an IOMMU; the kernel's igbvf says "PF still in reset state". Hence no link, which has
  // to be said, and no packets.
  await machine().must(`ip link set "$(ls /sys/bus/pci/devices/${pci}/net)" up`);
  await bind(machine(), '0000:01:10.0', 'vfio-pci');
  const { code, stdout } = await tool(
    machine(),
    'validate --port 0000:01:10.0 --duration 1s --json',
    180_000,
  );
  expect(JSON.parse(stdout)).toMatchObject({
    verdict: 'not-ready',
    port: { driver: 'net_e1000_igb_vf', pci: '0000:01:10.0', link: { up: false } },
  });
  expect(code).toBe(2);
});

test('[B2] [B3] the guard follows every kind of link that its live tests ask for: bond, VRF, WireGuard too', async () => {
  // The guest sees this repository below its memory overlay; its kernel has what the machine of a developer may lack.
  const report = '/tmp/guard.json';
  const words = `--project unit --testTimeout 300000 --hookTimeout 300000 --reporter json --outputFile ${report}`;
  await machine().run(
    `cd '${process.cwd()}' && node node_modules/vitest/vitest.mjs run ${words} test/engine/guard.live.test.ts`,
    { timeout: 800_000 },
  );
  const found = JSON.parse(await machine().must(`cat ${report}`));
  const told = found.testResults[0].assertionResults.map((test: { title: string; status: string }) => [
    test.title,
    test.status,
  ]);
  expect(told.filter(([, status]: string[]) => status !== 'passed')).toEqual([]);
  expect(told.length).toBeGreaterThan(7);
});
