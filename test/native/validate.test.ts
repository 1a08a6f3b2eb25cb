import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { EXIT, ToolError } from '../../src/host/errors.ts';
import { type ValidateOptions, validate } from '../../src/native/client.ts';
import { MAGIC, VERSION, WORDS } from '../../src/native/figures.ts';
import { addonError } from '../../src/native/installation.ts';
import { type ValidateResult, validateResult } from '../../src/native/messages.ts';
import { namespaceCommand } from '../../src/native/namespaces.ts';
import {
  allNamespaces,
  children,
  commandOf,
  eventually,
  isAlive,
  isRoot,
  type Lab,
  leftBehind,
  namespacesOf,
  noAddon,
  openLab,
  traces,
  works,
} from './support.ts';

let lab: Lab & { close: () => void };
let namespaces = false;
beforeAll(async () => {
  if (noAddon === undefined) lab = openLab();
  namespaces = 'argv' in (await namespaceCommand());
});
afterAll(() => lab?.close());

/** How long anything may take on a busy machine: tells a run that hangs, not a slow one. */
const AGES_MS = 20_000;

interface Needs {
  root?: boolean;
  namespaces?: boolean;
}

/** A test that skips, with the reason, where this machine cannot run it. */
const test = (title: string, needs: Needs, body: (ctx: TestContext) => Promise<void> | void) =>
  it(title, async (ctx) => {
    if (noAddon !== undefined) return ctx.skip(noAddon);
    if (needs.root === true && !isRoot) return ctx.skip('needs root');
    if (needs.namespaces === true && !namespaces) return ctx.skip('namespaces are not permitted here');
    await body(ctx);
  });

const embedded = (seconds: number): ValidateOptions => ({ target: { mode: 'embedded' }, seconds });

type Said =
  | { result: ValidateResult; error?: undefined }
  | { result?: undefined; error: { code: string; exitCode: number; text: string } };

/** Runs driver.ts behind these words, for instance `setpriv --reuid=65534`. */
function drive(prefix: readonly string[], options: ValidateOptions, env: NodeJS.ProcessEnv = {}): Said {
  const [command = '', ...rest] = [...prefix, process.execPath, lab.driver, JSON.stringify(options)];
  const run = spawnSync(command, rest, { encoding: 'utf8', env: { ...process.env, ...env } });
  try {
    return JSON.parse(run.stdout.trim().split('\n').at(-1) ?? '') as Said;
  } catch {
    throw new Error(`the driver said: ${run.stdout}${run.stderr} (${run.status ?? run.signal})`);
  }
}

async function errorOf(run: Promise<unknown>): Promise<ToolError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof ToolError) return error;
    throw error;
  }
  throw new Error('it succeeded');
}

function expectKernelJudged(result: ValidateResult): void {
  expect(validateResult.parse(result)).toEqual(result);
  expect(result.reasons.join('\n')).toContain('resolved 198.18.0.2 by ARP');
  expect(result).toMatchObject({
    mode: 'embedded',
    verdict: 'ready',
    notes: [],
    schema: 'bypass-setup/validate@1',
  });
  const { judge, packets } = result;
  if (judge?.kind !== 'kernel') throw new Error('no kernel judged');
  expect(judge.problems).toEqual([]);
  expect(judge.neighbour).toEqual({ state: 'REACHABLE', mac: result.port.mac });
  expect(judge.echo).toMatchObject({ received: judge.echo.sent, corrupt: 0, largest: 1472 });
  expect(judge.arpResolutions).toBeGreaterThan(1);
  // Two accounts of the same packets, one from each end of the wire.
  expect(packets.answeredIcmp).toBe(judge.echo.sent);
  expect(packets.answeredArp).toBeGreaterThanOrEqual(judge.arpResolutions);
  expect(packets.ignored['ip-other-address']).toBe(judge.misdirected.sent);
  expect(packets).toMatchObject({ droppedRx: 0, droppedTx: 0, txErrors: 0 });
  const ignored = Object.values(packets.ignored).reduce((sum, count) => sum + count, 0);
  expect(packets.received).toBe(packets.answeredArp + packets.answeredIcmp + ignored);
  expect(packets.sent).toBe(packets.answeredArp + packets.answeredIcmp);
}

describe('validate --embedded', () => {
  test('[H5] the kernel resolves the validator by ARP and pings it', {
    namespaces: true,
  }, async () => {
    const before = traces(lab);
    const started = Date.now();
    const progress: number[] = [];
    const result = await validate(embedded(1), {
      installation: lab,
      onProgress: ({ polls }) => progress.push(polls),
    });
    expect(Date.now() - started).toBeLessThan(AGES_MS);
    expectKernelJudged(result);
    expect(progress.length).toBeGreaterThan(0);
    expect([...progress].sort((a, b) => a - b)).toEqual(progress);
    expect(await leftBehind(lab, before)).toEqual([]);
  });

  test('[S6] requests for other addresses stay unanswered', { namespaces: true }, async () => {
    const { judge, packets } = await validate(embedded(0.6), { installation: lab });
    if (judge?.kind !== 'kernel') throw new Error('no kernel judged');
    expect(['FAILED', 'INCOMPLETE', 'none']).toContain(judge.otherAddress.neighbourState);
    expect(judge.otherAddress.replies).toBe(0);
    expect(packets.ignored['arp-other-address']).toBeGreaterThan(0);
    expect(judge.misdirected.sent).toBeGreaterThan(0);
    expect(judge.misdirected.replies).toBe(0);
  });

  test('[S7] [H1] gaps are measured and attributed', { namespaces: true }, async () => {
    const { gaps, polls, clock, core, batches, durationSeconds } = await validate(embedded(0.6), {
      installation: lab,
    });
    expect(durationSeconds).toBeGreaterThan(0.59);
    expect(durationSeconds).toBeLessThan(AGES_MS / 1000);
    expect(clock.resolutionNs).toBeGreaterThan(0);
    expect(clock.resolutionNs).toBeLessThan(1000);
    expect(gaps.p50Ns).toBeGreaterThan(0);
    expect(gaps.p50Ns).toBeLessThanOrEqual(gaps.p99Ns);
    expect(gaps.p99Ns).toBeLessThanOrEqual(gaps.p999Ns);
    expect(gaps.p999Ns).toBeLessThanOrEqual(gaps.maxNs);
    expect(gaps.histogram.reduce((sum, { count }) => sum + count, 0)).toBe(gaps.count);
    expect(polls.total).toBe(polls.empty + batches.count);
    // Every gap holds at most `stride` empty polls.
    expect(polls.empty).toBeLessThanOrEqual(gaps.count * polls.stride);
    expect(core.interrupts?.length).toBeGreaterThan(0);
  });

  test('every stride gives the same packets', { namespaces: true }, async () => {
    for (const stride of [1, 2, 8] as const) {
      const result = await validate({ ...embedded(0.4), stride }, { installation: lab });
      expect(result.polls.stride).toBe(stride);
      expect(result.verdict, result.reasons.join()).toBe('ready');
    }
  });

  test('[H5] works for an ordinary user', { root: true }, (ctx) => {
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    if (!works(...(nobody as [string]), 'unshare', '-Urn', 'true'))
      ctx.skip('user namespaces are not permitted here');
    const { result, error } = drive(nobody, embedded(0.6), { HOME: '/' });
    expect(error).toBeUndefined();
    if (result !== undefined) expectKernelJudged(result);
  });

  test('falls back to the self-test where namespaces are forbidden, and does not call that ready', {}, (ctx) => {
    // The limit holds for this user namespace and those below it only, user_namespaces(7).
    const forbid = [
      'unshare',
      '-Ur',
      'sh',
      '-c',
      'echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"',
      'sh',
    ];
    if (!works(...(forbid as [string]), 'true')) ctx.skip('user namespaces are not permitted here');
    const { result } = drive(forbid, embedded(0.3));
    expect(result).toMatchObject({ mode: 'ring', verdict: 'cannot-know' });
    expect(result?.notes.join()).toContain('user.max_net_namespaces = 0');
    expect(result?.reasons.join()).toContain('no kernel and no interface took part');
  });
});

describe('the self-test', () => {
  test('[H5] counts and answers exactly, for any user', {}, async () => {
    const before = traces(lab);
    const result = await validate({ target: { mode: 'ring' }, seconds: 0.4 }, { installation: lab });
    expect(result).toMatchObject({ mode: 'ring', verdict: 'ready' });
    expect(result.judge).toMatchObject({ kind: 'self-test', problems: [], wrongReplies: 0 });
    expect(result.packets.received).toBeGreaterThan(1000);
    expect(await leftBehind(lab, before)).toEqual([]);
  });

  test('leaves nothing behind as an ordinary user either', { root: true }, async () => {
    const before = traces(lab);
    const { result } = drive(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'], {
      target: { mode: 'ring' },
      seconds: 0.3,
    });
    expect(result?.verdict).toBe('ready');
    expect(await leftBehind(lab, before)).toEqual([]);
  });
});

// A wire of this test's own: two namespaces, the interface in the first, the asker in the second. Everything in them ends
// with the script. $1 is the folder for notes, $2 what the asker runs; the rest is the validator's command.
const WIRE = `
set -eu
notes=$1 ask=$2
shift 2
unshare -n sleep 60 & peer=$!
trap 'kill $peer' EXIT
while [ "$(readlink /proc/$peer/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
mount -t sysfs none /sys
ip link add bt0 type veth peer name bt1 netns $peer
ip link set bt0 addrgenmode none
in_peer() { nsenter -t $peer -n "$@"; }
in_peer ip link set bt1 addrgenmode none
in_peer ip link set bt1 up
in_peer ip addr add 198.18.7.1/24 dev bt1
ip link set bt0 up
ip link set bt0 promisc on
state() { cat /sys/class/net/bt0/flags /sys/class/net/bt0/address /sys/class/net/bt0/addr_assign_type; }
state > "$notes/before"
rm -f "$notes/ready"
READY="$notes/ready" "$@" > "$notes/said" & driver=$!
while [ ! -e "$notes/ready" ] && kill -0 $driver 2> /dev/null; do sleep 0.02; done
eval "$ask"
wait $driver
state > "$notes/after"
cat "$notes/said"
`;

const PING = `
in_peer ping -n -q -c 20 -i 0.02 -W 0.5 -s 1000 198.18.7.2 > "$notes/ping" 2>&1 || true
in_peer ping -n -q -c 1 -W 0.5 198.18.7.3 > "$notes/other" 2>&1 || true
`;
// Two programs have that name: Thomas Habets' takes -i, that of iputils -I.
const ARPING = `
if arping --help 2>&1 | grep -q Habets; then flag=-i; else flag=-I; fi
in_peer arping -c 2 -w 3 $flag bt1 198.18.7.2 > "$notes/arping" 2>&1 || true
`;
// More than the 512 frames that the PMD's ring holds, while the loop stands still.
const FLOOD = `
worker=$(cat /proc/$driver/task/*/children)
in_peer ping -n -q -c 1 -W 1 198.18.7.2 > /dev/null
kill -STOP $worker
in_peer ping -n -q -f -l 3000 -c 3000 -W 1 198.18.7.2 > "$notes/flood" 2>&1 || true
kill -CONT $worker
`;

// This end's own kernel asks and sends; nobody answers.
const OWN_PINGS = `
ip addr add 198.18.7.9/24 dev bt0
ip neigh add 198.18.7.77 lladdr 02:00:00:00:00:77 dev bt0
ping -n -q -c 10 -i 0.02 -W 0.2 198.18.7.77 > "$notes/own" 2>&1 || true
ping -n -q -c 1 -W 0.2 198.18.7.78 >> "$notes/own" 2>&1 || true
`;
// ARP requests in VLAN 5 from a raw socket; the kernel takes the reply's tag out and tells it beside (packet(7)).
const TAGGED = `
command -v python3 > /dev/null && in_peer python3 - > "$notes/tagged" 2>&1 <<'END' || true
import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("bt1", 0))
s.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA
s.settimeout(5)
mac = s.getsockname()[4]
own, asked = socket.inet_aton("198.18.7.1"), socket.inet_aton("198.18.7.2")
frame = bytes([255] * 6) + mac + bytes.fromhex("8100000508060001080006040001") + mac + own + bytes(6) + asked
replies = 0
for _ in range(3):
    s.send(frame + bytes(64 - len(frame)))
while replies < 3:
    data, beside, _, sender = s.recvmsg(2048, 256)
    if sender[2] == 4 or data[12:14] != bytes.fromhex("0806") or data[20:22] != bytes([0, 2]):  # PACKET_OUTGOING
        continue
    print("tag", *[struct.unpack("IIIHHHH", aux)[5] for _, _, aux in beside])
    replies += 1
END
`;

describe('validate --iface', () => {
  const onWire = (ctx: TestContext, target: ValidateOptions['target'], seconds: number, ask: string) => {
    for (const program of ['ip', 'ping', 'nsenter']) {
      if (!works('sh', '-c', `command -v ${program}`)) ctx.skip(`${program} is not installed`);
    }
    const script = join(lab.folder, 'wire.sh');
    writeFileSync(script, WIRE);
    const said = drive(['unshare', '-nm', 'sh', script, lab.folder, ask], { target, seconds });
    const read = (name: string) =>
      existsSync(join(lab.folder, name)) ? readFileSync(join(lab.folder, name), 'utf8') : '';
    return { ...said, read };
  };

  test('[H5] ping and arping from another namespace are answered', {
    root: true,
    namespaces: true,
  }, (ctx) => {
    const { result, read } = onWire(
      ctx,
      { mode: 'interface', iface: 'bt0', address: '198.18.7.2' },
      6,
      PING + ARPING,
    );
    expect(read('ping')).toContain('20 packets transmitted, 20 received');
    if (works('sh', '-c', 'command -v arping'))
      expect(read('arping')).toMatch(/2 packets received|Received 2 response/);
    expect(read('other')).toContain('0 received');
    expect(result?.verdict, result?.reasons.join()).toBe('ready');
    expect(result?.packets.answeredIcmp).toBe(20);
    expect(result?.packets.droppedRxSources).toHaveProperty('PACKET_STATISTICS.tp_drops', 0);
    // IFF_PROMISC was set by the operator and stays; neither the MAC address nor its origin changed.
    expect(read('after')).toBe(read('before'));
    expect(Number(read('before').split('\n')[0]) & 0x100).toBe(0x100);
  });

  test('[S6] without an address it counts and answers nothing', { root: true, namespaces: true }, (ctx) => {
    const { result, read } = onWire(ctx, { mode: 'interface', iface: 'bt0' }, 4, PING);
    expect(read('ping')).toContain(' 0 received');
    expect(result).toMatchObject({
      verdict: 'cannot-know',
      packets: { answeredArp: 0, answeredIcmp: 0, sent: 0 },
    });
    expect(result?.packets.ignored['arp-other-address']).toBeGreaterThan(0);
    expect(read('after')).toBe(read('before'));
  });

  test('an interface that goes down during the run is not ready', { root: true, namespaces: true }, (ctx) => {
    const target = { mode: 'interface', iface: 'bt0', address: '198.18.7.2' } as const;
    const { result } = onWire(ctx, target, 3, `${PING}ip link set bt0 down\n`);
    expect(result?.packets.answeredIcmp).toBe(20);
    expect(result?.verdict).toBe('not-ready');
    expect(result?.reasons[0]).toBe('the interface went away, went down or lost its link during the run');
  });

  test('echo requests of a peer that never asked by ARP prove no reply', {
    root: true,
    namespaces: true,
  }, (ctx) => {
    const target = { mode: 'interface', iface: 'bt0', address: '198.18.7.2' } as const;
    const known =
      'in_peer ip neigh add 198.18.7.2 lladdr $(cat /sys/class/net/bt0/address) dev bt1 nud permanent\n';
    const { result, read } = onWire(ctx, target, 3, known + PING);
    expect(read('ping')).toContain('20 received');
    expect(result).toMatchObject({ verdict: 'cannot-know', packets: { answeredArp: 0, answeredIcmp: 20 } });
  });

  for (const address of ['0.0.0.0', '127.0.0.2', '224.0.0.1', '255.255.255.255']) {
    test(`refuses ${address}, which no host can have`, { root: true, namespaces: true }, (ctx) => {
      const { error } = onWire(ctx, { mode: 'interface', iface: 'bt0', address }, 1, '');
      expect(error).toMatchObject({ code: 'USAGE', exitCode: 64 });
    });
  }

  test("refuses the kernel's own address, and a network's own and broadcast ones", {
    root: true,
    namespaces: true,
  }, (ctx) => {
    if (!works('sh', '-c', 'command -v ip')) ctx.skip('ip is not installed');
    const script =
      'ip link add t0 type veth peer name t1; ip addr add 198.18.9.5/24 dev t0; ip link set t0 up; ip link set t1 up; exec "$@"';
    const refusal = (address: string) =>
      drive(['unshare', '-nm', 'sh', '-c', `mount -t sysfs none /sys; ${script}`, 'sh'], {
        target: { mode: 'interface', iface: 't1', address },
        seconds: 1,
      }).error?.code;
    expect(['198.18.9.5', '198.18.9.0', '198.18.9.255'].map(refusal)).toEqual([
      'ADDRESS_IN_USE',
      'USAGE',
      'USAGE',
    ]);
  });

  test('a tagged request gets a tagged reply', { root: true, namespaces: true }, (ctx) => {
    if (!works('python3', '--version')) ctx.skip('python3 is not installed');
    const target = { mode: 'interface', iface: 'bt0', address: '198.18.7.2' } as const;
    const { result, read } = onWire(ctx, target, 4, TAGGED);
    expect(read('tagged')).toBe('tag 5\ntag 5\ntag 5\n');
    expect(result?.packets).toMatchObject({ answeredArp: 3, sent: 3, droppedTx: 0 });
  });

  test("what the interface's own kernel sends is not received", { root: true, namespaces: true }, (ctx) => {
    const { result, read } = onWire(ctx, { mode: 'interface', iface: 'bt0' }, 3, OWN_PINGS);
    expect(read('own')).toContain('10 packets transmitted');
    expect(result?.packets).toMatchObject({ received: 0, droppedRx: 0 });
  });

  test('[H4] what the kernel dropped before the loop saw it is counted', {
    root: true,
    namespaces: true,
  }, (ctx) => {
    const { result } = onWire(ctx, { mode: 'interface', iface: 'bt0', address: '198.18.7.2' }, 5, FLOOD);
    const packets = result?.packets;
    expect(result?.verdict).toBe('not-ready');
    expect(result?.reasons.join()).toContain('lost before the loop saw them');
    expect(packets?.droppedRx).toBe(packets?.droppedRxSources['PACKET_STATISTICS.tp_drops']);
    // One ping, 3000 of the flood, and the ARP requests: nearly every one received or dropped here (the kernel may lose a
    // few on the way).
    const seen = (packets?.received ?? 0) + (packets?.droppedRx ?? 0) - (packets?.answeredArp ?? 0);
    expect(seen).toBeGreaterThan(2900);
    expect(seen).toBeLessThanOrEqual(3001);
    expect(packets?.droppedRx).toBeGreaterThan(2000);
  });

  const ethernet = existsSync('/sys/class/net')
    ? readdirSync('/sys/class/net').find((name) => {
        const read = (file: string) => readFileSync(`/sys/class/net/${name}/${file}`, 'utf8').trim();
        return (
          existsSync(`/sys/class/net/${name}/type`) && read('type') === '1' && Number(read('flags')) % 2 === 1
        );
      })
    : undefined;

  test('refuses an interface that does not exist, is no Ethernet, or has an impossible name', {}, async () => {
    const refused = async (iface: string) =>
      errorOf(validate({ target: { mode: 'interface', iface }, seconds: 1 }, { installation: lab }));
    expect(await refused('nosuch0')).toMatchObject({
      code: 'NO_SUCH_INTERFACE',
      subject: 'nosuch0',
      exitCode: EXIT.usage,
    });
    expect(await refused('lo')).toMatchObject({ code: 'NOT_ETHERNET', exitCode: EXIT.usage });
    expect(await refused('eth0,qpairs=2')).toMatchObject({ code: 'USAGE', exitCode: EXIT.usage });
  });

  test('says which privilege is missing', { root: true }, (ctx) => {
    if (ethernet === undefined) ctx.skip('no Ethernet interface is up');
    const { error } = drive(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'], {
      target: { mode: 'interface', iface: ethernet ?? '' },
      seconds: 1,
    });
    expect(error).toMatchObject({ code: 'NOT_PRIVILEGED', exitCode: EXIT.noPrivilege });
    expect(error?.text).toContain('CAP_NET_RAW');
  });

  test('says when DPDK starts without a port', { root: true, namespaces: true }, (ctx) => {
    if (ethernet === undefined) ctx.skip('no Ethernet interface is up');
    // /sys still shows the host's interfaces, but the new namespace does not have them.
    const { error } = drive(['unshare', '-n'], {
      target: { mode: 'interface', iface: ethernet ?? '' },
      seconds: 1,
    });
    expect(error?.code, error?.text).toMatch(/^(PORT_NOT_OPENED|EAL_INIT)$/);
    expect(error?.text).toContain(ethernet);
  });
});

describe('what can go wrong', () => {
  const childOf = async (): Promise<number> => {
    let found: number[] = [];
    await eventually(() => {
      found = children(process.pid).filter((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker.mjs'),
      );
      return found.length > 0;
    });
    return found[0] ?? 0;
  };

  for (const signal of ['SIGSEGV', 'SIGABRT', 'SIGKILL'] as const) {
    test(`a child ended by ${signal} is an error with that name, and nothing is left`, {
      namespaces: true,
    }, async () => {
      const before = traces(lab);
      let killed = false;
      const error = await errorOf(
        validate(embedded(10), {
          installation: lab,
          onProgress: () => {
            if (killed) return;
            killed = true;
            void childOf().then((pid) => process.kill(pid, signal));
          },
        }),
      );
      expect(error.code).toBe('VALIDATOR_CRASHED');
      expect(error.message).toContain(signal);
      expect(await leftBehind(lab, before)).toEqual([]);
      expect(existsSync('core') || existsSync('vgcore')).toBe(false);
    });
  }

  test('a parent killed with -9 leaves no process, namespace, interface or file', {
    namespaces: true,
  }, async () => {
    const before = traces(lab);
    const parent = spawn(process.execPath, [lab.driver, JSON.stringify(embedded(30))], { stdio: 'ignore' });
    const pid = parent.pid ?? 0;
    const workers = () => children(pid).filter((child) => commandOf(child).includes('worker.mjs'));
    // Polling, with a peer: the child lives in two namespaces by then.
    const polls = (child: number | undefined) =>
      child !== undefined && new Set(namespacesOf(child)).size === 2;
    expect(await eventually(() => polls(workers()[0]))).toBe(true);
    const [child = 0] = workers();
    const namespacesThen = namespacesOf(child).filter(
      (namespace) => !namespacesOf(process.pid).includes(namespace),
    );
    expect(new Set(namespacesThen).size).toBe(2);
    expect(isAlive(child)).toBe(true);
    process.kill(pid, 'SIGKILL');
    expect(await eventually(() => !isAlive(child))).toBe(true);
    const namespacesLeft = () => namespacesThen.filter((namespace) => allNamespaces().has(namespace));
    await eventually(() => namespacesLeft().length === 0);
    expect(namespacesLeft()).toEqual([]);
    expect(await leftBehind(lab, before)).toEqual([]);
  });

  test('an interruption ends the run at once', { namespaces: true }, async () => {
    const before = traces(lab);
    const abort = new AbortController();
    let interruptedAt = 0;
    const error = await errorOf(
      validate(embedded(30), {
        installation: lab,
        signal: abort.signal,
        onProgress: () => {
          interruptedAt ||= Date.now();
          abort.abort();
        },
      }),
    );
    expect(error.code).toBe('INTERRUPTED');
    expect(Date.now() - interruptedAt).toBeLessThan(AGES_MS);
    expect(await leftBehind(lab, before)).toEqual([]);
  });

  test('a full disk is an error, not a SIGBUS', {}, (ctx) => {
    const full =
      'mount -t tmpfs -o size=16k none /dev/shm && mkdir -p "$TMPDIR" && mount -t tmpfs -o size=16k none "$TMPDIR" && exec "$@"';
    const prefix = ['unshare', ...(isRoot ? ['-m'] : ['-Urm']), 'sh', '-c', full, 'sh'];
    const TMPDIR = join(lab.folder, 'full');
    if (
      spawnSync(prefix[0] ?? '', [...prefix.slice(1), 'true'], { env: { ...process.env, TMPDIR } }).status !==
      0
    ) {
      ctx.skip('mounting is not permitted here');
    }
    const { error } = drive(prefix, { target: { mode: 'ring' }, seconds: 0.3 }, { TMPDIR });
    expect(error?.code, error?.text).toBe('DISK_FULL');
    expect(error?.text).toContain('/dev/shm');
    expect(error?.text).toContain('hint: ');
  });

  test('a CPU that this process may not use', {}, async () => {
    const error = await errorOf(validate({ ...embedded(1), cpu: 4095 }, { installation: lab }));
    expect(error).toMatchObject({ code: 'CPU_NOT_ALLOWED', subject: 'CPU 4095', exitCode: EXIT.usage });
  });

  /** Runs on CPU 0 only, with these CPUs isolated as far as sysfs says. */
  const isolating = (ctx: TestContext, isolated: string): string[] => {
    const prefix = [
      'unshare',
      '-m',
      'sh',
      '-c',
      'mount --bind "$0" /sys/devices/system/cpu/isolated && exec taskset -c 0 "$@"',
      join(lab.folder, 'isolated'),
    ];
    writeFileSync(join(lab.folder, 'isolated'), isolated);
    if (!works(...(prefix as [string]), 'true')) ctx.skip('mounting is not permitted here, or CPU 0 is not');
    return prefix;
  };

  test('an isolated CPU outside the inherited affinity', { root: true }, (ctx) => {
    if (!works('taskset', '-c', '1', 'true')) ctx.skip('there is no CPU 1 for this process');
    const ring: ValidateOptions = { target: { mode: 'ring' }, seconds: 0.3, cpu: 1 };
    const { result, error } = drive(isolating(ctx, '1\n'), ring);
    expect(error).toBeUndefined();
    expect(result?.core.cpu).toBe(1);
    expect(drive(isolating(ctx, '\n'), ring).error).toMatchObject({ code: 'CPU_NOT_ALLOWED' });
  });

  test('an isolated CPU that the kernel refuses', { root: true }, (ctx) => {
    const ring: ValidateOptions = { target: { mode: 'ring' }, seconds: 0.3, cpu: 4095 };
    const { error } = drive(isolating(ctx, '4095\n'), ring);
    expect(error).toMatchObject({ code: 'CPU_NOT_ALLOWED', exitCode: EXIT.usage });
    expect(error?.text).toContain('CPU 4095: the kernel refused it');
  });

  test('an addon of another version', {}, async () => {
    const before = traces(lab);
    // What such an addon does: another version in the page (figures.h), then it polls.
    const addonPath = join(lab.folder, 'stale.cjs');
    writeFileSync(
      addonPath,
      `exports.run = (_config, fd) => {
        const words = Buffer.alloc(16);
        words.writeBigUInt64LE(${MAGIC}n, 0);
        words.writeBigUInt64LE(${VERSION + 1}n, 8);
        require('node:fs').writeSync(fd, words, 0, 16, ${WORDS.indexOf('magic') * 8});
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
      };`,
    );
    const error = await errorOf(
      validate({ target: { mode: 'ring' }, seconds: 0.3 }, { installation: { ...lab, addonPath } }),
    );
    expect(error).toMatchObject({ code: 'ADDON_STALE', message: 'was built from another version' });
    expect(error.hint).toContain('npm run build:native');
    expect(await leftBehind(lab, before)).toEqual([]);
  });

  test('a duration out of range', {}, async () => {
    for (const seconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 0.1]) {
      expect(await errorOf(validate(embedded(seconds), { installation: lab }))).toMatchObject({
        exitCode: EXIT.usage,
      });
    }
  });

  test('an addon that was not built, or that is none', {}, async () => {
    const missing = { ...lab, addonPath: join(lab.folder, 'nothing.node') };
    const notBuilt = await errorOf(
      validate({ target: { mode: 'ring' }, seconds: 0.3 }, { installation: missing }),
    );
    expect(['ADDON_NOT_BUILT', 'DPDK_MISSING']).toContain(notBuilt.code);
    expect(notBuilt.hint).toContain('npm run build:native');

    const garbage = join(lab.folder, 'garbage.node');
    writeFileSync(garbage, 'not an ELF file');
    const broken = await errorOf(
      validate({ target: { mode: 'ring' }, seconds: 0.3 }, { installation: { ...lab, addonPath: garbage } }),
    );
    expect(broken.code).toBe('ADDON_LOAD');
    expect(broken.subject).toBe(garbage);
  });

  it('a DPDK library that is gone is named', () => {
    const paths = { workerPath: '/w', addonPath: '/a/validator.node' };
    const said = 'librte_ethdev.so.23: cannot open shared object file: No such file or directory';
    const error = addonError(paths, said);
    expect(error.code).toBe('DPDK_MISSING');
    expect(error.message).toContain('librte_ethdev.so.23');
    expect(error.hint).toContain('npm run build:native');
  });
});
