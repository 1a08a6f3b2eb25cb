/** What `npm run lab` and `npm run test:lab` do outside of the tests themselves. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { artefact, install } from './artefact.ts';
import { fastGuest } from './guests.ts';
import { MANAGEMENT, NICS } from './hardware.ts';
import { Machine, type MachineOptions } from './machine.ts';
import { provideTools, say } from './programs.ts';
import { FOLDER_PREFIX, kvmWorks } from './qemu.ts';
import { record } from './record.ts';

/** Every guest, by the name that --sit takes. */
const GUESTS: Readonly<Record<string, MachineOptions & { readonly about: string }>> = {
  fast: { guest: 'fast', about: "this host's files below a memory overlay; forgets everything" },
  grub: { guest: 'grub', about: 'Debian 12 on a disk of its own, through its own GRUB' },
  'systemd-boot': { guest: 'systemd-boot', about: 'Debian 12 on UEFI, through systemd-boot' },
  trixie: { guest: 'grub', suite: 'trixie', about: 'Debian 13 through its own GRUB' },
};

/**
 * Makes what every machine needs; a disk is made when the first machine boots from it. Gives the reason when there can
 * be no lab here.
 */
export async function prepare(): Promise<string | undefined> {
  removeStale();
  const reason = await provideTools();
  if (reason !== undefined) return reason;
  await artefact();
  await kvmWorks(await fastGuest());
  return undefined;
}

/** Folders of machines whose process was killed before it could remove them. */
function removeStale(): void {
  const folder = dirname(FOLDER_PREFIX);
  for (const name of readdirSync(folder)) {
    const pid = `${folder}/${name}`.startsWith(FOLDER_PREFIX) && /-(\d+)-[^-]*$/.exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) rmSync(`${folder}/${name}`, { recursive: true, force: true });
  }
}

export async function lab(words: readonly string[]): Promise<number> {
  const [word, name = 'fast', ...more] = words;
  if (word === '--list' && words.length === 1) {
    list();
    return 0;
  }
  const options = GUESTS[name];
  if (word === '--record' && words.length === 1) {
    await prepare();
    await record();
    return 0;
  }
  if (word !== '--sit' || options === undefined || more.length > 0) {
    process.stderr.write(
      `Usage: npm run lab -- --list\n       npm run lab -- --record\n       npm run lab -- --sit [${Object.keys(GUESTS).join('|')}]\n`,
    );
    return 64;
  }
  const reason = await prepare();
  if (reason !== undefined) {
    process.stderr.write(`error[NO_LAB] ${reason}\n`);
    return 1;
  }
  say(`booting ${name}`);
  const machine = await Machine.boot(options);
  try {
    await install(machine);
    say(`a shell on the serial line of ${name}; press Enter; Ctrl-] ends it and the machine`);
    for (const { name: nic, pci, tap, hostAddress } of Object.values(NICS)) {
      say(`  ${nic.padEnd(7)} ${pci}, ${tap} on this side has ${hostAddress}: ${machine.enter} ping …`);
    }
    await terminal(machine.serial);
  } finally {
    await machine.stop();
  }
  return 0;
}

function list(): void {
  const line = (words: readonly string[]) =>
    `  ${words
      .map((word) => word.padEnd(13))
      .join(' ')
      .trimEnd()}\n`;
  let text = 'Guests:\n';
  for (const [name, { about }] of Object.entries(GUESTS)) text += line([name, about]);
  text += 'NICs:\n';
  text += line(['management', MANAGEMENT.pci, MANAGEMENT.mac, 'carries ssh and the default route']);
  for (const { name, pci, mac, tap, hostAddress, guestAddress } of Object.values(NICS)) {
    text += line([name, pci, mac, `${tap} has ${hostAddress}; ${guestAddress} is for the guest`]);
  }
  text += 'Test files:\n';
  for (const file of readdirSync('test/lab').filter((each) => each.endsWith('.test.ts'))) {
    text += `  test/lab/${file}\n`;
    const titles = readFileSync(`test/lab/${file}`, 'utf8').matchAll(/^\s*(?:test|it)\(\s*'([^']+)'/gm);
    for (const [, title] of titles) text += `    ${title}\n`;
  }
  process.stdout.write(text);
}

const GROUP_SEPARATOR = 0x1d;

/** Joins this terminal and the guest's serial line until Ctrl-], the end of the input, or the end of the guest. */
function terminal(path: string): Promise<void> {
  return new Promise((resolve) => {
    const { stdin, stdout } = process;
    const socket = connect(path);
    const end = () => {
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.pause();
      socket.destroy();
      resolve();
    };
    if (stdin.isTTY) stdin.setRawMode(true);
    stdin.on('data', (octets: Buffer) => {
      if (octets.includes(GROUP_SEPARATOR)) end();
      else socket.write(octets);
    });
    stdin.on('end', end);
    socket.on('data', (octets) => stdout.write(octets));
    socket.on('close', end);
    socket.on('error', end);
  });
}
