#!/usr/bin/env node
// The validator's poll loop against `dpdk-testpmd --forward-mode=icmpecho`, the nearest thing that DPDK ships.
//
// Two measures. Empty polls per second, in interleaved windows on one CPU: ours also measures every gap, testpmd does
// not (it counts its bursts, without which it would report nothing). And instructions, as a slope between two run
// lengths under callgrind, which repeat to a fraction of a percent where wall clocks do not: testpmd checks no length,
// no checksum, no fragment and no address, ours does.
//
//   node bench/poll-loop.mjs [--rounds 7] [--window-ms 800] [--cpu N] [--json]
//
// Exit code 0 when ours polls at least as fast on every device, 1 when not, 77 when nothing could be measured.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    'window-ms': { type: 'string', default: '800' },
    cpu: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const windowMs = Number(values['window-ms']);

const root = fileURLToPath(new URL('..', import.meta.url));
const native = join(root, 'src', 'native');
const work = join(root, 'build', 'bench');
const ourBinary = join(work, 'poll_loop');

const say = (line) => (values.json ? console.error(line) : console.log(line));

function skip(reason) {
  say(`skipped: ${reason}`);
  process.exit(77);
}

const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

function allowedCpus() {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** A network namespace of its own; as root without a user namespace. */
const isolate = process.getuid() === 0 ? ['unshare', '-nm'] : ['unshare', '-Urnm'];

const eal = (cpus, prefix) => [
  ...['--lcores', cpus.map((cpu, lcore) => `${lcore}@${cpu}`).join(',')],
  ...['--no-pci', '--no-huge', '-m', '64', '--no-shconf', '--no-telemetry', '--iova-mode=va'],
  ...[`--file-prefix=${prefix}`, '--log-level=lib.eal:warning'],
];

const devices = {
  net_ring: { vdev: 'net_ring0', prepare: ':' },
  net_af_packet: {
    vdev: 'net_af_packet0,iface=bench0',
    prepare:
      'ip link add bench0 type veth peer name bench1 && for i in bench0 bench1; do ip link set $i addrgenmode none; ip link set $i up; done',
  },
};

/** A shell line that prepares the device in a namespace with an empty /run, where EAL's run directory disappears again. */
function inNamespace(prepare, command) {
  const script = `mount -t tmpfs none /run && ${prepare} && exec "$@"`;
  return [...isolate, 'sh', '-c', script, 'sh', ...command];
}

function build() {
  const flags = execFileSync('pkg-config', ['--cflags', 'libdpdk'], { encoding: 'utf8' }).trim().split(/\s+/);
  const libraries = execFileSync('pkg-config', ['--libs', 'libdpdk'], { encoding: 'utf8' })
    .trim()
    .split(/\s+/);
  const sources = ['clock.cc', 'loop.cc', 'packet.cc', 'port.cc'].map((name) => join(native, name));
  mkdirSync(work, { recursive: true });
  const ours = join(root, 'bench', 'poll_loop_main.cc');
  // The flags of binding.gyp.
  const options = [
    '-std=c++17',
    '-O3',
    '-Wall',
    '-Wextra',
    '-fno-exceptions',
    '-fno-rtti',
    '-fPIC',
    ...flags,
  ];
  execFileSync('g++', [...options, `-I${native}`, ours, ...sources, '-o', ourBinary, ...libraries], {
    stdio: 'inherit',
  });
}

function ourRun({ prepare, vdev, cpu, ms = 1e6, blocks = 1e15, stride = 4, wrapper = [] }) {
  const command = [
    ...wrapper,
    ourBinary,
    String(ms),
    String(blocks),
    String(stride),
    ...eal([cpu], 'bench-a'),
    '--vdev',
    vdev,
  ];
  const [program, ...rest] = inNamespace(prepare, command);
  const run = spawnSync(program, rest, { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`our loop failed: ${run.stderr}`);
  return { ...JSON.parse(run.stdout.trim().split('\n').at(-1)), stderr: run.stderr };
}

/** testpmd, kept at its prompt between windows; its poll thread sleeps there. */
async function startTestpmd({ prepare, vdev, cpus, wrapper = [], extra = [] }) {
  const command = [
    // It would keep its lines until they fill a block.
    ...['stdbuf', '-oL', ...wrapper, 'dpdk-testpmd', ...eal(cpus, 'bench-b'), '--vdev', vdev],
    ...['--', '-i', '--forward-mode=icmpecho'],
    ...['--total-num-mbufs=8192', '--no-mlockall', '--record-burst-stats', ...extra],
  ];
  const [program, ...rest] = inNamespace(prepare, command);
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    log = (log + chunk).slice(-20_000);
  });
  const closed = new Promise((resolve) => child.on('close', resolve));
  const until = async (pattern) => {
    for (let waited = 0; !pattern.test(output); waited += 20) {
      if (child.exitCode !== null || waited > 60_000) {
        child.kill();
        throw new Error(`testpmd: no ${pattern} in ${output}${log}`);
      }
      await sleep(20);
    }
  };
  const tell = (line) => {
    output = '';
    child.stdin.write(`${line}\n`);
  };
  await until(/testpmd> $/);
  return {
    /** One window of forwarding: its bursts and packets. */
    async window(ms) {
      tell('start');
      const from = performance.now();
      await sleep(ms);
      tell('stop');
      const seconds = (performance.now() - from) / 1000;
      await until(/^Done\.$/m);
      const received = Number(/RX-packets: (\d+)/.exec(output)[1]);
      // "RX-bursts : 176275069 [100% of 0 pkts]", or "[97% of 32 pkts + 3% of 0 pkts ...]"
      const bursts = Number(/RX-bursts : (\d+)/.exec(output)?.[1] ?? 0);
      return { seconds, received, bursts };
    },
    async quit() {
      child.stdin.end('quit\n');
      await closed;
      return log;
    },
  };
}

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const median = (numbers) => sorted(numbers)[Math.floor(numbers.length / 2)];
const millions = (number) => `${(number / 1e6).toFixed(1)} M/s`;

async function emptyPolls(cpus, cpu) {
  const results = {};
  for (const [name, { vdev, prepare }] of Object.entries(devices)) {
    const testpmd = await startTestpmd({ prepare, vdev, cpus });
    const pairs = [];
    let resolutionNs = 0;
    for (let round = 0; round < rounds; ++round) {
      const theirs = await testpmd.window(windowMs);
      const ours = ourRun({ prepare, vdev, cpu, ms: windowMs });
      resolutionNs = ours.resolutionNs;
      pairs.push({ ours: ours.empty / ours.seconds, theirs: theirs.bursts / theirs.seconds });
    }
    await testpmd.quit();
    const ratios = pairs.map(({ ours, theirs }) => ours / theirs);
    results[name] = {
      oursPerSecond: median(pairs.map(({ ours }) => ours)),
      testpmdPerSecond: median(pairs.map(({ theirs }) => theirs)),
      ratioMedian: median(ratios),
      ratioMin: sorted(ratios)[0],
      resolutionNs,
    };
    const result = results[name];
    say(
      `empty polls, ${name.padEnd(13)} ours ${millions(result.oursPerSecond)} with gaps at ${resolutionNs} ns, testpmd ${millions(result.testpmdPerSecond)}: ` +
        `ratio ${result.ratioMedian.toFixed(2)} (min ${result.ratioMin.toFixed(2)}, ${rounds} rounds)`,
    );
  }
  return results;
}

const collected = (log) => Number(/Collected : (\d+)/.exec(log)?.[1] ?? Number.NaN);
// Valgrind runs one thread at a time; without fairness the polling one never lets the prompt's thread read its input.
const callgrind = ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', '--fair-sched=yes'];

function ourSlope({ vdev, cpu, blocks, count }) {
  const [short, long] = blocks.map((number) =>
    ourRun({ prepare: ':', vdev, cpu, blocks: number, wrapper: callgrind }),
  );
  return (collected(long.stderr) - collected(short.stderr)) / (long[count] - short[count]);
}

async function testpmdSlope({ vdev, cpus, count }) {
  const runs = [];
  for (const ms of [1500, 5000]) {
    const extra = ['--no-flush-rx'];
    const testpmd = await startTestpmd({ prepare: ':', vdev, cpus, wrapper: callgrind, extra });
    const window = await testpmd.window(ms);
    runs.push({ ...window, instructions: collected(await testpmd.quit()) });
  }
  const [short, long] = runs;
  return (long.instructions - short.instructions) / (long[count] - short[count]);
}

function checksum(data) {
  let sum = 0;
  for (let i = 0; i < data.length; ++i) sum += i % 2 === 0 ? data[i] << 8 : data[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** One request for the responder of poll_loop_main.cc, as a pcap file that net_pcap replays for ever. */
function requestFile(name) {
  const hex = (text) => Buffer.from(text, 'hex');
  let frame = Buffer.concat([
    hex('ffffffffffff0200000000010806'),
    hex('0001080006040001020000000001c6120001000000000000c6120002'),
  ]);
  if (name === 'ICMP 98 B') {
    const ip = hex('4500005412344000400100 00c6120001c6120002'.replaceAll(' ', ''));
    ip.writeUInt16BE(checksum(ip), 10);
    const icmp = Buffer.concat([hex('08000000b95e0001'), Buffer.alloc(56, 0x5a)]);
    icmp.writeUInt16BE(checksum(icmp), 2);
    frame = Buffer.concat([hex('0200000000020200000000010800'), ip, icmp]);
  }
  const header = Buffer.alloc(24 + 16);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(frame.length, 32);
  header.writeUInt32LE(frame.length, 36);
  const path = join(work, `${name.replaceAll(' ', '-')}.pcap`);
  writeFileSync(path, Buffer.concat([header, frame]));
  return path;
}

async function instructions(cpus, cpu) {
  const results = {};
  const measure = async (what, vdev, blocks, ourCount, theirCount) => {
    const ours = ourSlope({ vdev, cpu, blocks, count: ourCount });
    const theirs = await testpmdSlope({ vdev, cpus, count: theirCount });
    results[what] = { ours, testpmd: theirs, ratio: ours / theirs };
    say(
      `instructions, ${what.padEnd(22)} ours ${ours.toFixed(1)}, testpmd ${theirs.toFixed(1)}: ratio ${(ours / theirs).toFixed(3)}`,
    );
  };
  await measure('per empty poll, ring', 'net_ring0', [200, 1200], 'empty', 'bursts');
  for (const name of ['ARP', 'ICMP 98 B']) {
    const vdev = `net_pcap0,rx_pcap=${requestFile(name)},infinite_rx=1`;
    await measure(`per packet, ${name}`, vdev, [4, 20], 'received', 'received');
  }
  return results;
}

if (!has('dpdk-testpmd')) skip('dpdk-testpmd is not installed (Debian: apt-get install dpdk-dev)');
if (!has('g++') || spawnSync('pkg-config', ['--exists', 'libdpdk']).status !== 0)
  skip('no g++ or no DPDK headers');
if (!has('ip')) skip('ip is not installed (Debian: apt-get install iproute2)');
if (spawnSync(isolate[0], [...isolate.slice(1), 'true']).status !== 0)
  skip('namespaces are not permitted here');
const cpus = allowedCpus();
if (cpus.length < 2) skip('dpdk-testpmd needs two CPUs');
const cpu = values.cpu === undefined ? cpus.at(-1) : Number(values.cpu);
if (!cpus.includes(cpu)) skip(`CPU ${cpu} is not among ${cpus.join(',')}`);
const both = [cpus.find((other) => other !== cpu), cpu];

build();
if (!existsSync(ourBinary)) skip('the loop was not built');
const polls = await emptyPolls(both, cpu);
let counts = null;
if (has('valgrind')) counts = await instructions(both, cpu);
else say('instructions: skipped, valgrind is not installed');
if (values.json) console.log(JSON.stringify({ emptyPolls: polls, instructions: counts }));
process.exitCode = Object.values(polls).every(({ ratioMedian }) => ratioMedian >= 1) ? 0 : 1;
