import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BootNic, bootScript } from '../../src/actions/boot-script.ts';
import { parsePciConfig } from '../../src/formats/pci-config.ts';
import { scratch } from '../host/scratch.ts';
import { configSpace } from '../support/host-builder.ts';

const ADDRESS = '0000:03:00.0';
const OTHER = '0000:04:00.0';
const SERIAL = '00-11-22-ff-ff-33-44-55';

const NIC: BootNic = {
  address: ADDRESS,
  driver: 'vfio-pci',
  vendor: '0x8086',
  device: '0x10d3',
  subsystem: '0x8086:0x0001',
  serial: SERIAL,
  mac: '02:00:5e:00:00:03',
  peers: [ADDRESS, OTHER],
};

interface Device {
  readonly vendor?: string;
  readonly device?: string;
  readonly subsystem?: string;
  readonly serial?: string;
  readonly driver?: string;
  readonly net?: { readonly mac: string; readonly flags: string };
}

/** A sysfs of plain files: what the script writes stays there to be read, and no link moves. */
function tree(devices: Readonly<Record<string, Device>>): string {
  const root = scratch();
  const write = (path: string, text: string | Uint8Array) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write('sys/bus/pci/drivers_probe', '');
  write('dev/kmsg', '');
  for (const [address, device] of Object.entries(devices)) {
    const folder = `sys/bus/pci/devices/${address}`;
    write(`${folder}/vendor`, `${device.vendor ?? '0x8086'}\n`);
    write(`${folder}/device`, `${device.device ?? '0x10d3'}\n`);
    write(`${folder}/subsystem_vendor`, '0x8086\n');
    write(`${folder}/subsystem_device`, `${device.subsystem ?? '0x0001'}\n`);
    write(`${folder}/driver_override`, '(null)\n');
    const serial = device.serial === undefined ? {} : { serial: device.serial.replaceAll('-', '') };
    write(
      `${folder}/config`,
      configSpace({ id: '8086:10d3', maxPayload: 128, maxReadRequest: 512, aspm: 0, ...serial }),
    );
    if (device.net !== undefined) {
      write(`${folder}/net/eth0/address`, `${device.net.mac}\n`);
      write(`${folder}/net/eth0/flags`, `${device.net.flags}\n`);
    }
    if (device.driver === undefined) continue;
    write(`sys/bus/pci/drivers/${device.driver}/unbind`, '');
    symlinkSync(`../../drivers/${device.driver}`, join(root, folder, 'driver'));
  }
  return root;
}

interface Outcome {
  readonly status: number | null;
  readonly override: string;
  readonly probed: string;
  readonly unbound: string;
  readonly log: string;
  readonly stderr: string;
}

function run(shell: string, nics: readonly BootNic[], root: string, ...args: string[]): Outcome {
  const script = join(root, 'override');
  writeFileSync(script, bootScript(nics));
  // Programs of an initramfs; modprobe only tells that it was called.
  const bin = join(root, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'modprobe'), `#!/bin/sh\necho "$*" >>"${root}/modprobed"\n`, { mode: 0o755 });
  const { status, stderr } = spawnSync(shell, [script, ...args], {
    encoding: 'utf8',
    env: { PATH: `${bin}:/usr/bin:/bin`, BYPASS_SETUP_ROOT: root },
  });
  const read = (path: string) =>
    (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '').trim();
  return {
    status,
    override: read(`sys/bus/pci/devices/${ADDRESS}/driver_override`),
    probed: read('sys/bus/pci/drivers_probe'),
    unbound: read('sys/bus/pci/drivers/e1000e/unbind'),
    log: read('dev/kmsg'),
    stderr,
  };
}

const SHELLS = ['dash', 'bash', 'busybox'].filter(
  (shell) => spawnSync(shell, ['--help']).error === undefined,
);

describe.each(SHELLS)('the boot script under %s', (shell) => {
  it('[C1] overrides and probes a NIC that no driver has yet, and loads what it needs', () => {
    const root = tree({ [ADDRESS]: { serial: SERIAL }, [OTHER]: {} });
    expect(run(shell, [NIC], root)).toEqual({
      status: 0,
      override: 'vfio-pci',
      probed: ADDRESS,
      unbound: '',
      log: '',
      stderr: '',
    });
    expect(readFileSync(join(root, 'modprobed'), 'utf8')).toBe('-q vfio-pci\n-q vfio_iommu_type1\n');
  });

  it('[C1] leaves alone what is bound already', () => {
    const root = tree({ [ADDRESS]: { driver: 'vfio-pci', vendor: '0xffff' } });
    expect(run(shell, [NIC], root, 'late')).toMatchObject({
      status: 0,
      override: '(null)',
      probed: '',
      log: '',
    });
  });

  it('[C1] takes it from a kernel driver whose interface nobody has used', () => {
    const net = { mac: '02:00:5e:00:00:03', flags: '0x1002' };
    const root = tree({ [ADDRESS]: { serial: SERIAL, driver: 'e1000e', net } });
    const outcome = run(shell, [NIC], root, 'late');
    expect(outcome).toMatchObject({ unbound: ADDRESS, probed: ADDRESS });
    // Here no link moves, so it must say that it failed, clear the override and let the kernel have the NIC.
    expect(outcome).toMatchObject({
      status: 1,
      override: '',
      log: `bypass-setup: ${ADDRESS}: is on 'e1000e', not on vfio-pci`,
    });
  });

  it('[C1] but not when the interface is up', () => {
    const net = { mac: '02:00:5e:00:00:03', flags: '0x1003' };
    const root = tree({ [ADDRESS]: { serial: SERIAL, driver: 'e1000e', net } });
    expect(run(shell, [NIC], root, 'late')).toMatchObject({
      status: 1,
      override: '(null)',
      unbound: '',
      log: `bypass-setup: ${ADDRESS}: its interface eth0 is already up, it is left alone`,
    });
  });

  it.each([
    ['vendor', { vendor: '0x15b3' }, "vendor is '0x15b3', expected '0x8086'"],
    ['device', { device: '0x1533' }, "device is '0x1533', expected '0x10d3'"],
    ['subsystem', { subsystem: '0x0002' }, "subsystem is '0x8086:0x0002', expected '0x8086:0x0001'"],
    [
      'serial number',
      { serial: '00-11-22-ff-ff-33-44-66' },
      `serial is '00-11-22-ff-ff-33-44-66', expected '${SERIAL}'`,
    ],
    ['missing serial number', { serial: undefined }, `serial is '', expected '${SERIAL}'`],
    [
      'MAC address',
      { net: { mac: '02:00:5e:00:00:99', flags: '0x1002' }, driver: 'e1000e' },
      "the MAC address is '02:00:5e:00:00:99', expected '02:00:5e:00:00:03'",
    ],
  ])('[C3] [J15] does not touch a NIC with another %s, and says so', (_what, change, sentence) => {
    const device = { serial: SERIAL, ...change } as Device;
    const outcome = run(shell, [NIC], tree({ [ADDRESS]: device }), 'late');
    expect(outcome).toMatchObject({ status: 1, override: '(null)', probed: '', unbound: '' });
    expect(outcome.log).toBe(
      `bypass-setup: ${ADDRESS}: ${sentence}: another NIC is in this slot, it is left alone`,
    );
  });

  it('[C3] without a serial number touches none when a NIC of its kind was added, moved or taken out', () => {
    const nic = { ...NIC, serial: undefined };
    expect(run(shell, [nic], tree({ [ADDRESS]: {}, [OTHER]: {} }))).toMatchObject({
      override: 'vfio-pci',
      log: '',
    });
    for (const others of [[], ['0000:05:00.0'], [OTHER, '0000:05:00.0']]) {
      const root = tree({ [ADDRESS]: {}, ...Object.fromEntries(others.map((address) => [address, {}])) });
      expect(run(shell, [nic], root)).toMatchObject({
        status: 0,
        override: '(null)',
        log: `bypass-setup: ${ADDRESS}: the list of NICs of its kind is '${[ADDRESS, ...others]}', expected '${ADDRESS},${OTHER}': another NIC is in this slot, it is left alone`,
      });
    }
  });

  it('[C3] a slot that is empty stops nothing else', () => {
    const second = { ...NIC, address: OTHER, serial: '00-11-22-ff-ff-33-44-66' };
    const root = tree({ [OTHER]: { serial: '00-11-22-ff-ff-33-44-66' } });
    const outcome = run(shell, [NIC, second], root);
    expect(outcome).toMatchObject({
      status: 0,
      probed: OTHER,
      log: `bypass-setup: ${ADDRESS}: no such device`,
    });
    expect(readFileSync(join(root, `sys/bus/pci/devices/${OTHER}/driver_override`), 'utf8')).toBe(
      'vfio-pci\n',
    );
  });

  it('[C2] answers initramfs-tools, which asks for what must come before', () => {
    expect(run(shell, [NIC], tree({ [ADDRESS]: { serial: SERIAL } }), 'prereqs')).toMatchObject({
      status: 0,
      override: '(null)',
      probed: '',
    });
  });

  it('[C3] reads the serial number where our own reader does', () => {
    const space = configSpace({
      id: '8086:10d3',
      maxPayload: 128,
      maxReadRequest: 512,
      aspm: 0,
      serial: 'ab00cdff12fe3409',
    });
    expect(parsePciConfig(space).serial).toBe('ab-00-cd-ff-12-fe-34-09');
    const root = tree({ [ADDRESS]: { serial: 'ab-00-cd-ff-12-fe-34-09' } });
    expect(run(shell, [{ ...NIC, serial: 'ab-00-cd-ff-12-fe-34-09' }], root)).toMatchObject({
      override: 'vfio-pci',
      log: '',
    });
  });
});

it('the boot script is POSIX sh without an error that a shell can see', () => {
  expect(spawnSync('sh', ['-n'], { input: bootScript([NIC]), encoding: 'utf8' })).toMatchObject({
    status: 0,
    stderr: '',
  });
});
