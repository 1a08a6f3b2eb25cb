import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getSystemErrorName } from 'node:util';
import {
  decodeAddresses,
  decodeLinks,
  decodeNeighbours,
  decodeRoutes,
  decodeRules,
  dumpRequest,
  RTM_GET,
} from '../formats/netlink.ts';
import { HostError } from './errors.ts';
import type { Answer, DriverInfo, KernelAnswers, Question, ReadHost } from './host.ts';

/** src/native/kernel_query.cc: bytes for an answer, a negative errno for a refusal. */
interface KernelQuery {
  netlink(request: Uint8Array): Uint8Array | number;
  ethtool(name: string, command: Uint8Array): number;
  kernelLog(): Uint8Array | number;
}

const ETHTOOL_GDRVINFO = 3;

/** Where `capture` puts the answers in a recorded host. */
export const ANSWERS_FOLDER = '/.kernel';

/** The answer that a recorded host holds. */
export function recordedAnswer<Q extends Question>(host: ReadHost, question: Q): Answer<KernelAnswers[Q]> {
  const path = `${ANSWERS_FOLDER}/${question}.json`;
  try {
    const text = host.readText(path);
    if (text === undefined) return { unanswered: 'the recorded host holds no such answer' };
    const recorded: unknown = JSON.parse(text);
    return isAnswer(question, recorded) ? recorded : { unanswered: `${path} holds no answer` };
  } catch (error) {
    return { unanswered: error instanceof HostError ? `${path}: ${error.message}` : `${path} is not JSON` };
  }
}

/** Whether a recording has the outline of an answer: somebody may have written it by hand. */
function isAnswer<Q extends Question>(question: Q, recorded: unknown): recorded is Answer<KernelAnswers[Q]> {
  if (typeof recorded !== 'object' || recorded === null) return false;
  if ('unanswered' in recorded) return typeof recorded.unanswered === 'string';
  if (!('answer' in recorded)) return false;
  const { answer } = recorded;
  if (question === 'kernelLog') return typeof answer === 'string';
  return typeof answer === 'object' && answer !== null && Array.isArray(answer) === (question !== 'drivers');
}

let loaded: Answer<KernelQuery> | undefined;

/** Asks the running kernel. Never throws: what it refuses is an answer too. */
export function askKernel<Q extends Question>(
  question: Q,
  interfaces: () => readonly string[],
): Answer<KernelAnswers[Q]> {
  loaded ??= load();
  if ('unanswered' in loaded) return loaded;
  return ANSWERS[question](loaded.answer, interfaces);
}

const ANSWERS: {
  [Q in Question]: (query: KernelQuery, interfaces: () => readonly string[]) => Answer<KernelAnswers[Q]>;
} = {
  routes: (query) => dump(query, RTM_GET.route, decodeRoutes),
  rules: (query) => dump(query, RTM_GET.rule, decodeRules),
  neighbours: (query) => dump(query, RTM_GET.neighbour, decodeNeighbours),
  addresses: (query) => dump(query, RTM_GET.address, decodeAddresses),
  links: (query) => dump(query, RTM_GET.link, decodeLinks),
  drivers: (query, interfaces) => ({ answer: driverInfo(query, interfaces()) }),
  kernelLog: (query) => {
    const log = query.kernelLog();
    return typeof log === 'number' ? refused('syslog(2)', log) : { answer: new TextDecoder().decode(log) };
  },
};

function dump<T>(query: KernelQuery, type: number, decode: (bytes: Uint8Array) => T): Answer<T> {
  const bytes = query.netlink(dumpRequest(type));
  return typeof bytes === 'number' ? refused('rtnetlink(7)', bytes) : { answer: decode(bytes) };
}

/** struct ethtool_drvinfo: cmd, then driver, version, fw_version and bus_info of 32 bytes each. */
function driverInfo(query: KernelQuery, interfaces: readonly string[]): Record<string, DriverInfo> {
  const found: Record<string, DriverInfo> = {};
  for (const name of interfaces) {
    const command = new Uint8Array(196);
    new DataView(command.buffer).setUint32(0, ETHTOOL_GDRVINFO, true);
    if (query.ethtool(name, command) !== 0) continue;
    const text = (index: number) =>
      new TextDecoder().decode(command.subarray(4 + 32 * index, 36 + 32 * index)).replace(/\0.*$/s, '');
    found[name] = { driver: text(0), version: text(1), firmware: text(2), busInfo: text(3) };
  }
  return found;
}

function refused(call: string, negativeErrno: number): { unanswered: string } {
  return { unanswered: `${call} refused: ${getSystemErrorName(negativeErrno)}` };
}

function load(): Answer<KernelQuery> {
  // From dist/ the addon is one folder up, from src/host/ two.
  const path = ['../build/Release/kernel_query.node', '../../build/Release/kernel_query.node']
    .map((relative) => fileURLToPath(new URL(relative, import.meta.url)))
    .find((candidate) => existsSync(candidate));
  if (path === undefined) return { unanswered: 'the kernel_query addon is not built (npm run build:native)' };
  try {
    const addon = { exports: {} };
    process.dlopen(addon, path);
    return { answer: addon.exports as KernelQuery };
  } catch (error) {
    return { unanswered: `the kernel_query addon does not load: ${String(error)}` };
  }
}
