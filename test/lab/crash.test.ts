// A run that dies in the middle, on a real kernel and a real disk.
import { expect, test } from 'vitest';
import { NICS } from './hardware.ts';
import { tool, useMachine } from './lab.ts';
import { until } from './machine.ts';
import { say } from './programs.ts';
import { stateOf } from './state.ts';

const PROFILE = (persistent: boolean) =>
  `version: 1\nnics:\n  - { name: feed, match: { mac: "${NICS.virtio.mac}" }, role: data, stack: dpdk }\npersistent: ${persistent}\n`;

const machine = useMachine({ guest: 'grub' }, async (machine) => {
  await machine.must('cat > /root/runtime.yaml', { input: PROFILE(false) });
  await machine.must('cat > /root/persistent.yaml', { input: PROFILE(true) });
  await machine.must('sync');
});

/** Every one takes ten minutes; each run of the tests takes every fourth. */
const STEP = process.env.BYPASS_SETUP_LAB_WHOLE === undefined ? 4 : 1;

test('[H11] kill -9 at the lines of the journal, then the next start: x or applied, and it says which', async () => {
  const before = await stateOf(machine());
  await machine().snapshot('whole');
  let points = 0;
  for (let line = 1; ; line += STEP) {
    if (line > 1) await machine().restore('whole');
    const killed = await machine().run(
      `strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:signal=KILL:when=${line} bypass-setup apply -f /root/runtime.yaml --yes`,
    );
    // Past the last one it ends by itself.
    if (killed.code === 0) break;
    expect(killed.code, killed.stdout + killed.stderr).toBe(137);
    points++;
    say(`killed at fsync ${line}`);
    const undo = await tool(machine(), 'undo');
    expect(undo.code, undo.stdout + undo.stderr).toBe(0);
    expect(await stateOf(machine()), `killed at fsync ${line}: ${undo.stdout}${undo.stderr}`).toBe(before);
  }
  expect(points).toBeGreaterThan(32 / STEP);
  console.log(`${points} crash points by kill -9, each recovered`);
  await machine().restore('whole');
});

test('[H11] a power cut in the middle of a persistent apply, then the next start: what was there before', async () => {
  const before = await stateOf(machine());
  for (const line of [6, 14, 22, 30]) {
    await machine().must(
      `setsid strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:signal=STOP:when=${line} bypass-setup apply -f /root/persistent.yaml --yes >/dev/null 2>&1 &`,
    );
    await until(`the apply has stopped at fsync ${line}`, async () => {
      const states = await machine().must(
        'ps -eo stat,args | grep "[b]ypass-setup apply" | grep -v strace; true',
      );
      return /^[Tt]/m.test(states);
    });
    await machine().cutPower();
    await machine().start();
    const recovered = await tool(machine(), 'undo', 400_000);
    expect([0, 3], recovered.stdout + recovered.stderr).toContain(recovered.code);
    expect(await stateOf(machine()), `cut at fsync ${line}`).toBe(before);
  }
});
