/**
 * What a profile may say, and its documentation: `npm run schemas` publishes this as JSON Schema and as the table in
 * docs/profile.md. All other code imports the types alone; load.ts loads this file, and zod with it, when needed.
 * What fields forbid each other stands in contradictions.ts.
 */
import * as z from 'zod';
import { ATTRIBUTES } from '../formats/settings.ts';

/** Ends up in udev rules and unit files, so nothing that these could take for their own syntax. */
const ACCOUNT = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;
/** drivers and tools take IFNAMSIZ − 1 characters; net/core/dev.c, dev_valid_name. */
const INTERFACE = /^(?!\.{1,2}$)[^\s/:]{1,15}$/;
const MAC = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/;
const PCI_ADDRESS = /^([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]$/;
const SERIAL = /^[0-9a-fA-F]{2}(-[0-9a-fA-F]{2}){7}$/;
const CPU_LIST = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;
const SIZE = /^[1-9]\d{0,5}[KMGT]$/;

function text(pattern: RegExp, expected: string) {
  return z.string().regex(pattern, { error: `expected ${expected}` });
}

const mac = text(MAC, 'a MAC address such as 02:00:5e:10:00:01');
/** YAML reads a list of one CPU as a number. */
const cpuList = z.union([text(CPU_LIST, 'a CPU list such as 2-5,8'), z.int().min(0)]);

const match = z
  .strictObject({
    address: text(PCI_ADDRESS, 'a PCI address such as 0000:3b:00.0')
      .optional()
      .describe('PCI address; it changes when the card is moved to another slot'),
    mac: mac.optional().describe('permanent MAC address, also known after the NIC has left the kernel'),
    serial: text(SERIAL, 'a device serial number such as 3c-fd-fe-ff-ff-00-10-20')
      .optional()
      .describe('PCI device serial number, as `probe --json` prints it; ports of one card share it'),
    interface: text(INTERFACE, 'the name of a network interface')
      .optional()
      .describe('name of its interface, now or before the NIC left the kernel'),
  })
  .meta({ minProperties: 1 });

const vf = z.strictObject({
  mac: mac.optional().describe('MAC address that the physical function assigns; else the driver chooses'),
  vlan: z
    .int()
    .min(0)
    .max(4094)
    .optional()
    .describe('VLAN that the NIC adds and removes; 0 for none; else unchanged'),
  trust: z
    .boolean()
    .optional()
    .describe('whether it may change its MAC address and go promiscuous; else unchanged'),
  'spoof-check': z
    .boolean()
    .optional()
    .describe('whether the NIC drops frames from a foreign MAC address; else unchanged'),
  driver: z
    .enum(['auto', 'kernel', 'vfio-pci', 'igb_uio'])
    .default('auto')
    .describe(
      'driver of the virtual function; `auto` is vfio-pci when the stack of the NIC is dpdk and it is not bifurcated. ' +
        'uio_pci_generic is not offered: it needs a legacy interrupt, which a virtual function has not',
    ),
});

const nic = z.strictObject({
  name: text(
    /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,31}$/,
    'a name of letters, digits and . _ : -, at most 32',
  ).describe('what you call it; messages and `validate.nic` use it'),
  match: match.describe('which NIC it is; at least one field, and all that are given must agree'),
  role: z
    .enum(['control', 'data', 'order-entry'])
    .describe('what it carries: `control` NICs are how the host is reached, and never leave the kernel'),
  stack: z
    .enum(['kernel', 'busy-poll', 'dpdk', 'af-xdp', 'onload', 'ef-vi', 'tcpdirect'])
    .default('kernel')
    .describe('what drives it; all but `dpdk` keep the kernel driver'),
  driver: z
    .enum(['auto', 'kernel', 'vfio-pci', 'uio_pci_generic', 'igb_uio'])
    .default('auto')
    .describe(
      'driver it shall be on; `auto` is vfio-pci for the stack dpdk, but the kernel driver for mlx4, mlx5, mana and ' +
        'Solarflare NICs and for a NIC with `vfs`, whose virtual functions are bound instead',
    ),
  'allow-no-iommu': z
    .boolean()
    .default(false)
    .describe(
      'lets it be driven from user space without an IOMMU: the NIC can then write to all memory of the host',
    ),
  firmware: text(/^\d{1,6}(\.\d{1,6}){0,4}$/, 'a version in quotes, such as "4.40"')
    .optional()
    .describe('oldest firmware that will do, as `probe --json` prints its version; `check` compares'),
  vfs: z
    .union([z.int().min(0).max(65535), z.array(vf).max(65535)])
    .optional()
    .describe(
      'virtual functions: how many, or a list with the settings of each; left out, they stay as they are',
    ),
});

const hugepage = z.strictObject({
  node: z
    .union([z.literal('auto'), z.int().min(0)])
    .default('auto')
    .describe('NUMA node; `auto` is every node with a NIC that needs them, with `count` or `total` on each'),
  size: text(SIZE, 'a page size such as 2M or 1G').describe(
    'size of one page, as the kernel offers it: 2M, 1G',
  ),
  count: z.int().min(0).max(1e9).optional().describe('number of pages; this or `total`'),
  total: text(SIZE, 'an amount of memory such as 4G')
    .optional()
    .describe('amount of memory; this or `count`'),
  when: z
    .enum(['auto', 'boot', 'runtime'])
    .default('auto')
    .describe(
      'whether they are reserved now or by the next boot; `auto` is boot for pages of 1G or more, which fragmented ' +
        'memory no longer has, unless the profile is not `persistent`',
    ),
  mount: z
    .boolean()
    .default(false)
    .describe(
      'whether pages of this size get a hugetlbfs of their own, such as /dev/hugepages1G, for the group of `service`; ' +
        'DPDK with --in-memory needs none',
    ),
});

const cores = z.strictObject({
  isolated: z
    .union([z.literal('auto'), cpuList])
    .default('auto')
    .describe('CPU list of the poll loops, never the boot CPU; `auto` takes whole cores near the NICs'),
  housekeeping: z
    .union([z.literal('auto'), cpuList])
    .default('auto')
    .describe('CPU list of everything else; `auto` is every other online CPU'),
  isolation: z
    .enum(['boot', 'cpuset'])
    .default('boot')
    .describe(
      'what keeps the scheduler off them: `boot` is isolcpus=, `cpuset` a cgroup partition named bypass.slice, ' +
        'in which the application then has to run',
    ),
});

const settingValue = z.union([
  text(/^-?[A-Za-z0-9][A-Za-z0-9_.,/-]{0,63}$/, 'a value, auto or leave'),
  z.int().min(-1),
]);

/** One key for each attribute of the table; docs/settings.md says what it means. */
function settingsOf(section: 'power' | 'tunables') {
  const keys = ATTRIBUTES.filter((setting) => setting.section === section);
  return z.strictObject(
    Object.fromEntries(keys.map(({ key, summary }) => [key, settingValue.optional().describe(summary)])),
  );
}

/**
 * Goes through a shell, through GRUB's own language and through BLS files: nothing that any of them takes for syntax.
 * Hugepages have a key of their own, because their arguments count in pairs.
 */
const KERNEL_ARGUMENT = /^(?!(default_)?hugepages)[A-Za-z][A-Za-z0-9_.-]*(=[A-Za-z0-9_.,:/@+%=-]*)?$/;

const boot = z.strictObject({
  arguments: z
    .array(
      text(
        KERNEL_ARGUMENT,
        'a kernel argument such as nosoftlockup or skew_tick=1, without blanks or quotes; hugepages have their own key',
      ),
    )
    .default([])
    .describe('further kernel arguments; each replaces other values of its key, and what `auto` would write'),
  trial: z
    .boolean()
    .default(false)
    .describe(
      'whether a new boot line is tried once: it becomes the default only when the host came up well with it',
    ),
});

const service = z.strictObject({
  user: text(ACCOUNT, 'the name of an account').describe('account that runs the application'),
  group: text(ACCOUNT, 'the name of a group')
    .optional()
    .describe('group that may open the devices; else named as the user'),
  unit: text(/^[A-Za-z0-9_.@\\:-]{1,240}\.service$/, 'the name of a unit that ends in .service')
    .optional()
    .describe('systemd unit that gets the memlock limit and waits for the devices'),
});

const validation = z.strictObject({
  nic: z
    .string()
    .optional()
    .describe('name of the NIC to drive packets through; else the only one that is not control'),
  address: z
    .ipv4({ error: 'expected an IPv4 address such as 192.0.2.10' })
    .optional()
    .describe('IPv4 address to answer for; it must be nobody else’s'),
  duration: text(/^\d{1,6}(\.\d{1,3})?(ms|s|m|h)$/, 'a time such as 500ms or 10s')
    .optional()
    .describe('how long to drive packets; else what the command takes by default'),
  cpu: z.int().min(0).max(65535).optional().describe('CPU of the poll loop; else the last one allowed'),
  'max-gap': text(/^\d{1,6}(us|ms)$/, 'a time such as 20us or 1ms')
    .optional()
    .describe('longest gap of a poll loop that `check --measure` lets pass; else 20us'),
});

export const profileSchema = z.strictObject({
  version: z.literal(1).describe('version of this format'),
  role: text(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/, 'a word of letters, digits, ., _ and -')
    .optional()
    .describe('what hosts of this kind are called; `fleet` compares those of one role'),
  nics: z.array(nic).default([]).describe('the NICs this profile is about; others are left alone'),
  hugepages: z
    .union([z.literal('auto'), z.array(hugepage)])
    .optional()
    .describe('pages to reserve; `auto` is 1 GiB in pages of 2M for each NIC that needs them, on its node'),
  cores: z
    .union([z.literal('auto'), cores])
    .optional()
    .describe('which CPUs are isolated; `auto` takes whole cores near the NICs, at most half of the host'),
  interrupts: z
    .enum(['auto', 'leave'])
    .optional()
    .describe('`leave` leaves interrupts where they are; else they are kept off the isolated CPUs'),
  power: z
    .union([z.literal('auto'), settingsOf('power')])
    .optional()
    .describe(
      'frequencies and idle states; `auto` and each key that is left out is what docs/settings.md says',
    ),
  tunables: z
    .union([z.literal('auto'), settingsOf('tunables')])
    .optional()
    .describe('memory, watchdogs, clock; `auto` and each key that is left out is what docs/settings.md says'),
  tuner: z
    .enum(['refuse', 'leave'])
    .optional()
    .describe(
      '`leave` leaves to a running tuned, and the like, what it sets itself; else such a host is refused',
    ),
  boot: boot.optional().describe('the boot line'),
  service: service.optional().describe('who runs the application'),
  persistent: z.boolean().default(true).describe('whether the settings shall survive a reboot'),
  validate: validation.optional().describe('how `validate` proves the data path'),
});

export type Profile = z.infer<typeof profileSchema>;
export type ProfileNic = z.infer<typeof nic>;
export type ProfileVf = z.infer<typeof vf>;
export type ProfileHugepage = z.infer<typeof hugepage>;
export type Match = z.infer<typeof match>;

/** The keys that an object at this path may have. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  let here: z.core.$ZodType[] = [profileSchema];
  for (const step of path) here = here.flatMap(alternatives).flatMap((schema) => below(schema, step));
  return here
    .flatMap(alternatives)
    .flatMap((schema) => (schema instanceof z.ZodObject ? Object.keys(schema.shape) : []));
}

function alternatives(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(alternatives);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return alternatives(schema.unwrap());
  return [schema];
}

function below(schema: z.core.$ZodType, step: PropertyKey): z.core.$ZodType[] {
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodObject && Object.hasOwn(schema.shape, step))
    return [schema.shape[step as string]];
  return [];
}
