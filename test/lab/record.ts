/** Records the lab's own guest as hosts for the other tests: `npm run lab -- --record`. */
import { writeFileSync } from 'node:fs';
import { parseArchive, printArchive } from '../../src/formats/text-archive.ts';
import { ArchiveHost } from '../../src/host/archive-host.ts';
import { observe } from '../../src/probes/index.ts';
import { install } from './artefact.ts';
import { NICS } from './hardware.ts';
import { Machine } from './machine.ts';
import { bind } from './nics.ts';
import { say } from './programs.ts';

const FOLDER = 'test/fixtures/hosts';
const PREPARED =
  'intel_iommu=on iommu=pt isolcpus=managed_irq,domain,1,3 nohz_full=1,3 rcu_nocbs=1,3 irqaffinity=0,2 hugepagesz=2M hugepages=96';

/** Boots Debian's GRUB with other arguments the next time. */
export async function setBootArguments(machine: Machine, words: string): Promise<void> {
  await machine.must(
    `sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT="${words}"/' /etc/default/grub && update-grub`,
  );
}

/** The guest as installed, then with boot arguments in force and a NIC on vfio-pci. */
export async function prepareByHand(machine: Machine): Promise<void> {
  await setBootArguments(machine, PREPARED);
  await machine.reboot();
  await bind(machine, NICS.virtio.pci, 'vfio-pci');
}

/** Nearly all of a capture of Debian is lists of modules and build options that nothing here asks about. */
const LISTS = /^(boot\/config-|(usr\/)?lib\/modules\/[^/]+\/modules\.(dep|builtin)$)/;

function shortened(capture: string): string {
  const factsOf = (text: string) => observe(new ArchiveHost('capture', text), () => 0).facts;
  const facts = factsOf(capture);
  const options = Object.keys(facts.kernel.buildOptions.value ?? {}).map((name) => `CONFIG_${name}`);
  const asked = (line: string) =>
    /vfio|uio/.test(line) || options.some((name) => line.startsWith(`${name}=`));
  const entries = parseArchive(capture).map((entry) => {
    if (entry.kind !== 'file' || !LISTS.test(entry.path)) return entry;
    const kept = new TextDecoder().decode(entry.bytes).split('\n').filter(asked);
    return { ...entry, bytes: new TextEncoder().encode(`${kept.join('\n')}\n`) };
  });
  const short = printArchive(entries);
  if (JSON.stringify(factsOf(short)) !== JSON.stringify(facts))
    throw new Error('the shortening changes the facts');
  return short;
}

export async function record(): Promise<void> {
  const machine = await Machine.boot({ guest: 'grub' });
  try {
    await install(machine);
    const keep = async (name: string) => {
      const text = shortened(await machine.must('bypass-setup capture'));
      writeFileSync(`${FOLDER}/${name}.tree`, text);
      say(`recorded ${FOLDER}/${name}.tree`);
    };
    await keep('lab-installed');
    await prepareByHand(machine);
    await keep('lab-prepared');
  } finally {
    await machine.stop();
  }
}
