import type { ReadHost } from '../host/host.ts';
import type { Fact, StoragePeer } from './facts.ts';
import { absent, guarded, known, names, textOrNothing } from './read.ts';

const MOUNTS = '/proc/mounts';
const ISCSI_CONNECTIONS = '/sys/class/iscsi_connection';
const ISCSI_SESSIONS = '/sys/class/iscsi_session';
const ISCSI_HOSTS = '/sys/class/iscsi_host';
const NVME = '/sys/class/nvme';
const RBD = '/sys/bus/rbd/devices';

/** Filesystem types whose server stands in the mount option, and those where it stands in the device. */
const BY_OPTION: Readonly<Record<string, { name: string; option: RegExp }>> = {
  nfs: { name: 'NFS', option: /^addr=(.+)$/ },
  nfs4: { name: 'NFS', option: /^addr=(.+)$/ },
  cifs: { name: 'CIFS', option: /^(?:addr|ip)=(.+)$/ },
  smb3: { name: 'CIFS', option: /^(?:addr|ip)=(.+)$/ },
  ceph: { name: 'Ceph', option: /^mon_addr=(.+)$/ },
};
const BY_DEVICE: Readonly<Record<string, string>> = { ceph: 'Ceph', lustre: 'Lustre', '9p': '9P' };

/** Where the data of this host lies on other machines. What user space serves (gluster, sshfs, nbd) has connections. */
export function storage(host: ReadHost): Fact<StoragePeer[]> {
  return guarded(MOUNTS, () => {
    const text = host.readText(MOUNTS);
    const others = [...iscsi(host), ...nvme(host), ...rbd(host)];
    if (text === undefined && others.length === 0) return absent('missing', 'no such file', MOUNTS);
    return known([...mounts(text ?? ''), ...others], MOUNTS);
  });
}

/** fstab(5): device, mount point, type, options; spaces as \040. */
function mounts(text: string): StoragePeer[] {
  return text.split('\n').flatMap((line) => {
    const [device = '', point = '', type = '', options = ''] = line.split(' ');
    const byOption = BY_OPTION[type];
    if (byOption === undefined && BY_DEVICE[type] === undefined) return [];
    const path = point.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const listed = options
      .split(',')
      .map((option) => byOption?.option.exec(option)?.[1])
      .find((value) => value !== undefined);
    const peers = addressesIn(listed ?? (BY_DEVICE[type] === undefined ? '' : device));
    const what = `${byOption?.name ?? BY_DEVICE[type]} mount ${path}`;
    const tried = peers.length === 0 ? [null] : peers;
    return tried.map((peer) => ({ what, peer, local: null, interface: null, from: MOUNTS }));
  });
}

/** `192.0.2.1:6789,[2001:db8::1]:6789/…`: monitors of Ceph, with ports and separated in more than one way. */
function addressesIn(text: string): string[] {
  const found = text.match(/\[[0-9a-f:.]+\]|\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f:]*:[0-9a-f:.]+/gi) ?? [];
  return [...new Set(found.map((address) => address.replace(/[[\]]/g, '')))];
}

/** Documentation/ABI does not have it; drivers/scsi/scsi_transport_iscsi.c names the attributes. */
function iscsi(host: ReadHost): StoragePeer[] {
  return names(host, ISCSI_CONNECTIONS).flatMap((connection) => {
    // connection3:0 belongs to session3.
    const session = /^connection(\d+):/.exec(connection)?.[1];
    const folder = `${ISCSI_CONNECTIONS}/${connection}`;
    const target = textOrNothing(host, `${ISCSI_SESSIONS}/session${session}/targetname`) ?? 'unknown';
    const file = ['address', 'persistent_address'].find((name) =>
      isSet(textOrNothing(host, `${folder}/${name}`)),
    );
    const peer = file === undefined ? undefined : textOrNothing(host, `${folder}/${file}`);
    return [
      {
        what: `iSCSI target ${target}`,
        peer: peer ?? null,
        local: null,
        interface: iscsiInterface(host, folder),
        from: `${folder}/${file ?? 'address'}`,
      },
    ];
  });
}

/** The connection lies below the SCSI host that drives it: …/host7/session1/connection1:0/iscsi_connection/…. */
function iscsiInterface(host: ReadHost, folder: string): string | null {
  try {
    const scsiHost = (host.realPath(folder) ?? '').split('/').find((part) => /^host\d+$/.test(part));
    const name = scsiHost && textOrNothing(host, `${ISCSI_HOSTS}/${scsiHost}/netdev`);
    return name !== undefined && isSet(name) && name !== 'default' ? name : null;
  } catch {
    return null;
  }
}

/** drivers/nvme/host/sysfs.c; `traddr=192.0.2.5,trsvcid=4420,src_addr=192.0.2.1,host_iface=eth1` (fabrics.c). */
function nvme(host: ReadHost): StoragePeer[] {
  return names(host, NVME).flatMap((controller) => {
    const folder = `${NVME}/${controller}`;
    const transport = textOrNothing(host, `${folder}/transport`);
    if (transport !== 'tcp' && transport !== 'rdma') return [];
    const options = new Map(
      (textOrNothing(host, `${folder}/address`) ?? '').split(',').map((part) => {
        const [name = '', value = ''] = part.split('=');
        return [name, value] as const;
      }),
    );
    const subsystem = textOrNothing(host, `${folder}/subsysnqn`) ?? controller;
    return [
      {
        what: `NVMe-${transport.toUpperCase()} subsystem ${subsystem}`,
        peer: options.get('traddr') || null,
        local: options.get('src_addr') || null,
        interface: options.get('host_iface') || null,
        from: `${folder}/address`,
      },
    ];
  });
}

/** Documentation/ABI/testing/sysfs-bus-rbd: client_addr is this host's own end, `192.0.2.1:0/1234`. */
function rbd(host: ReadHost): StoragePeer[] {
  return names(host, RBD).map((id) => {
    const path = `${RBD}/${id}/client_addr`;
    const own = addressesIn(textOrNothing(host, path) ?? '')[0];
    return { what: `RBD device rbd${id}`, peer: null, local: own ?? null, interface: null, from: path };
  });
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '<NULL>' && value !== '(null)';
}
